import DomicilePolicy
import DomicileSQLite

/// The steps of moves, each one transaction for all homes it is about; for each home why not.
extension SQLiteShard {
  package func beginCopies(
    _ homes: [MoveHome], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in try homes.map(writer.beginCopy) }
  }

  package func endCopies(
    _ homes: [MoveHome], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in try homes.map(writer.endCopy) }
  }

  package func freeze(
    _ homes: [MoveHome], until milliseconds: Int64, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in
      try homes.map { try writer.freeze($0, until: milliseconds) }
    }
  }

  package func thaw(
    _ homes: [MoveHome], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in try homes.map(writer.thaw) }
  }

  package func settle(
    _ settled: [(home: MoveHome, changes: [MovedChange])], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in
      try settled.map { try writer.settle($0.home, $0.changes) }
    }
  }

  package func stageCopies(
    _ homes: [(home: MoveHome, staging: HomeStaging)], law: LawReference,
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in
      try homes.map { try writer.stageCopy($0.home, $0.staging, law: law) }
    }
  }

  package func copy(
    _ copied: [MoveChanges], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline, addsData: true) { writer in
      try copied.map { try writer.copy($0, law: law) }
    }
  }

  /// Empties places that are not, or will not be, the homes; small ones together, what is large in steps, which are larger while
  /// nobody waits. It ends in the tables: a purge makes it physical.
  package func empty(
    _ homes: [MoveHome], leaving state: HomeState, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    var refusals: [StorageError?] = []
    while refusals.count < homes.count {
      let left = homes[refusals.count...]
      refusals += try await commits.commit(by: deadline) { [commits] writer in
        var done: [StorageError?] = []
        let before = writer.connection.totalChanges
        for home in left {
          var hasMore = true
          while hasMore {
            let rows = writer.connection.totalChanges - before
            if rows >= (commits.depth > 0 ? 2_000 : 8_000) { return done }
            switch try writer.empty(home, leaving: state, limit: 2_000) {
            case .success(let more): hasMore = more
            case .failure(let refusal):
              done.append(refusal)
              hasMore = false
              continue
            }
            if !hasMore { done.append(nil) }
          }
        }
        return done
      }
    }
    return refusals
  }

  /// Fits the records of classes whose retention has changed: what is moved is as the law in force wants it.
  package func fitToLaw(by deadline: ContinuousClock.Instant) async throws(StorageError) {
    while try hasUnfitted() {
      let hasMore = try await commits.commit(by: deadline) { writer in
        try writer.fitToLaw(limit: 100)
      }
      if !hasMore { return }
    }
  }

  /// Waits as long as a write does before it is written, and writes nothing.
  package func waitForTurn(by deadline: ContinuousClock.Instant) async throws(StorageError) {
    try await commits.commit(by: deadline, isCompound: false) { _ in }
  }

  // MARK: Reading

  /// Records of a home after a position. What expires at the instant, in milliseconds since 1970, is left out. In any state of the
  /// home: nil if it is not there under the serial.
  package func range(
    of home: MoveHome, after position: RecordPosition?, unexpiredAt instant: Int64,
    limits: MoveLimits
  ) throws(StorageError) -> MovedRange? {
    try read { reader, _ in
      try reader.connection.snapshot { () throws -> MovedRange? in
        guard let id = try Self.id(of: home, reader) else { return nil }
        var range = MovedRange()
        let statement = try reader.connection.prepare(
          """
          SELECT \(Self.movedColumns) FROM record WHERE home = ?1 AND (collection, key) > (?2, ?3)
            AND (expires IS NULL OR expires > ?4)
          ORDER BY collection, key LIMIT ?5
          """)
        try statement.bind([
          .integer(id), .text(position?.collection ?? ""), .blob(position?.key ?? []),
          .integer(instant), .integer(Int64(limits.records + 1)),
        ])
        defer { statement.reset() }
        var bytes = 0
        while try statement.step() {
          if range.records.count == limits.records || bytes >= limits.bytes {
            range.end = range.records.last?.position
            break
          }
          let record = Self.movedRecord(statement)
          bytes += record.bytes
          range.records.append(record)
        }
        return range
      }
    }
  }

  /// Records that were noted as changed, as they are now: of all homes about as many as the limits say, the first ones first. Nil for a
  /// home that is not there.
  package func changes(
    of homes: [MoveHome], unexpiredAt instant: Int64, limits: MoveLimits
  ) throws(StorageError) -> [[MovedChange]?] {
    try read { reader, _ in
      try reader.connection.snapshot {
        var (records, bytes) = (0, 0)
        return try homes.map { home -> [MovedChange]? in
          guard let id = try Self.id(of: home, reader) else { return nil }
          let keys = try reader.connection.rows(
            "SELECT collection, key FROM change WHERE home = ? LIMIT ?", .integer(id),
            .integer(Int64(max(0, limits.records - records))),
            as: { RecordPosition(collection: $0.text(0), key: $0.blob(1)) })
          var changes: [MovedChange] = []
          for key in keys where bytes < limits.bytes {
            let record = try Self.record(at: key, of: id, unexpiredAt: instant, reader)
            bytes += record?.bytes ?? 0
            changes.append(MovedChange(position: key, record: record))
          }
          records += changes.count
          return changes
        }
      }
    }
  }

  /// The records at some keys, as they are.
  package func records(
    at keys: [RecordPosition], of home: MoveHome, unexpiredAt instant: Int64
  ) throws(StorageError) -> [MovedChange]? {
    try read { reader, _ in
      try reader.connection.snapshot { () throws -> [MovedChange]? in
        guard let id = try Self.id(of: home, reader) else { return nil }
        return try keys.map {
          MovedChange(
            position: $0, record: try Self.record(at: $0, of: id, unexpiredAt: instant, reader))
        }
      }
    }
  }

  /// Of each home; nil for one that is not there.
  package func settings(of homes: [MoveHome]) throws(StorageError) -> [MovedSettings?] {
    try read { reader, _ in
      try reader.connection.snapshot { try homes.map { try Self.settings(of: $0, reader) } }
    }
  }

  private static func settings(
    of home: MoveHome, _ reader: ShardReader
  ) throws -> MovedSettings? {
    let row = try reader.connection.rows(
      "SELECT id, lifetimes, holds FROM home WHERE owner = ? AND class = ? AND serial = ?",
      .blob(home.owner.bytes), .text(home.dataClass), .integer(home.serial),
      as: { (id: $0.integer(0), lifetimes: $0.integer(1), holds: $0.integer(2)) }
    ).first
    guard let row else { return nil }
    var settings = MovedSettings()
    if row.lifetimes > 0 {
      settings.lifetimes = try reader.connection.rows(
        "SELECT collection, prefix, seconds FROM lifetime WHERE home = ? ORDER BY collection, prefix",
        .integer(row.id),
        as: { row in
          MovedSettings.Lifetime(
            collection: row.text(0), prefix: row.blob(1), seconds: row.integerIfPresent(2))
        })
    }
    if row.holds > 0 {
      settings.holds = try reader.connection.rows(
        "SELECT name, until FROM hold WHERE home = ? ORDER BY name", .integer(row.id),
        as: { HomeHold(name: $0.text(0), until: $0.integerIfPresent(1)) })
    }
    return settings
  }

  /// Until when a home is frozen, in milliseconds since 1970; nil if it is not.
  package func frozenUntil(_ home: HomeReference) throws(StorageError) -> Int64? {
    try read { reader, _ in
      try reader.connection.rows(
        """
        SELECT frozen_until FROM home WHERE owner = ? AND class = ? AND serial = ? AND state = 'frozen'
        """, .blob(home.owner.bytes), .text(home.dataClass), .integer(home.serial),
        as: { $0.integerIfPresent(0) ?? 0 }
      ).first
    }
  }

  /// Whether a home has more records than so many.
  package func hasMore(than records: Int, in home: MoveHome) throws(StorageError) -> Bool {
    try read { reader, _ in
      try reader.connection.integer(
        "SELECT 1 FROM home h JOIN record r ON r.home = h.id WHERE h.owner = ? AND h.class = ? LIMIT 1 OFFSET ?",
        .blob(home.owner.bytes), .text(home.dataClass), .integer(Int64(records))) != nil
    }
  }

  /// How many records a home has, and the bytes of their keys and values.
  package func size(of home: MoveHome) throws(StorageError) -> (records: Int64, bytes: Int64) {
    try read { reader, _ in
      try reader.connection.rows(
        """
        SELECT count(r.home), total(length(r.key) + length(r.value))
        FROM home h LEFT JOIN record r ON r.home = h.id WHERE h.owner = ? AND h.class = ?
        """, .blob(home.owner.bytes), .text(home.dataClass), as: { ($0.integer(0), $0.integer(1)) }
      ).first ?? (0, 0)
    }
  }

  /// How many bytes there is room for beside a WAL at its maximum; nil if nobody can say.
  package var freeBytes: Int? {
    Ballast.freeBytes(onVolumeOf: commits.path).map {
      $0 - commits.limits.walPagesMax * Connection.pageBytes
    }
  }

  private static let movedColumns = "collection, key, version, written, expires, labels, value"

  private static func movedRecord(_ row: Statement) -> MovedRecord {
    MovedRecord(
      position: RecordPosition(collection: row.text(0), key: row.blob(1)), version: row.integer(2),
      written: row.integer(3), expires: row.integerIfPresent(4),
      labels: row.isNull(5) ? nil : row.text(5), value: row.blob(6))
  }

  private static func record(
    at key: RecordPosition, of home: Int64, unexpiredAt instant: Int64, _ reader: ShardReader
  ) throws -> MovedRecord? {
    try reader.connection.rows(
      """
      SELECT \(movedColumns) FROM record WHERE home = ? AND collection = ? AND key = ?
        AND (expires IS NULL OR expires > ?)
      """, .integer(home), .text(key.collection), .blob(key.key), .integer(instant),
      as: movedRecord
    ).first
  }

  static func id(of home: MoveHome, _ reader: ShardReader) throws -> Int64? {
    try reader.connection.integer(
      "SELECT id FROM home WHERE owner = ? AND class = ? AND serial = ?", .blob(home.owner.bytes),
      .text(home.dataClass), .integer(home.serial))
  }
}
