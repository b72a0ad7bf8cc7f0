import DomicileSQLite
import Foundation
import Synchronization

/// Copies and compares records of homes that are moved, from file to file, inside SQLite: neither keys nor values pass through
/// memory of ours.
///
/// It writes to the target as another process would: with a connection of its own, which reads the source's file beside it, through
/// the gate, and by the same guards as all steps of a move. What it finds different, or there already, is the slower way's, record by record.
///
/// `@unchecked Sendable`: the connection is used on one queue only.
package final class BulkCopy: @unchecked Sendable {
  private let queue = DispatchQueue(label: "domicile bulk copy")
  private let target: SQLiteShard
  private let source: SQLiteShard
  private let writer: ShardWriter
  private let gate: WriterGate
  private var connection: Connection { writer.connection }
  /// Pages that were written since the writer thread was last asked to copy the WAL.
  private var bytesSinceCheckpoint = 0

  /// At most so much is copied in one transaction, or compared in one snapshot.
  private static let rowsMax = 2_000
  private static let bytesMax = 2 << 20

  package init(from source: SQLiteShard, to target: SQLiteShard) throws(StorageError) {
    self.source = source
    self.target = target
    (writer, gate) = try storing(in: target.identity.place) {
      let writer = try target.makeWriter()
      let path = source.commits.path.replacingOccurrences(of: "'", with: "''")
      try writer.connection.execute("ATTACH '\(path)' AS source")
      return (writer, try WriterGate(path: target.commits.path))
    }
  }

  private func onQueue<T: Sendable>(
    _ work: @escaping @Sendable () throws -> T
  ) async throws(StorageError) -> T {
    let place = target.identity.place
    let result: Result<T, StorageError> = await withCheckedContinuation { continuation in
      queue.async {
        continuation.resume(
          returning: Result { () throws(StorageError) in try storing(in: place) { try work() } })
      }
    }
    return try result.get()
  }

  // MARK: Copy

  /// A home to be copied, and from where on.
  package struct Position: Sendable {
    package let source: MoveHome
    package let target: MoveHome
    package var after: RecordPosition?
    /// Whether all of it is copied.
    package var isDone = false

    package init(source: MoveHome, target: MoveHome) {
      self.source = source
      self.target = target
    }
  }

  /// What became of one transaction.
  package struct Step: Sendable {
    /// Homes that it was about, with where to go on, or why not.
    package var homes: [(index: Int, result: Result<Position, StorageError>)] = []
    package var records = 0
    package var bytes = 0
    /// Those that were looked at.
    var rows = 0
  }

  /// Copies some of what comes next into homes that had nothing when their copying began; as many homes as go into one transaction.
  package func copy(
    _ positions: [Position], law: LawReference, unexpiredAt instant: Int64
  ) async throws(StorageError) -> Step {
    let step = try await onQueue { [self] in
      try gate.pass {
        if target.commits.ballast?.isReleased == true {
          throw StorageError.noRoom(in: target.identity.place)
        }
        try connection.execute("BEGIN")
        do {
          try writer.beginBatch()
          var step = Step()
          for (index, position) in positions.enumerated() where !position.isDone {
            if step.rows >= Self.rowsMax || step.bytes >= Self.bytesMax { break }
            step.homes.append((index, try copy(position, law, instant, &step)))
          }
          try connection.execute("COMMIT")
          return step
        } catch {
          if !connection.isAutocommit { try? connection.execute("ROLLBACK") }
          throw error
        }
      }
    }
    try await checkpoint(after: step.bytes + step.records * 64)
    return step
  }

  private func copy(
    _ position: Position, _ law: LawReference, _ instant: Int64, _ step: inout Step
  ) throws -> Result<Position, StorageError> {
    let row: ShardWriter.HomeInfo
    switch try writer.copyTarget(position.target, law: law) {
    case .success(let home): row = home
    case .failure(let error): return .failure(error)
    }
    guard let from = try sourceID(position.source) else {
      return .failure(StorageError(.moved, "The home is not at the source under its serial."))
    }
    let (end, rows, bytes, hasLabels) = try extent(
      from, after: position.after, rows: Self.rowsMax - step.rows,
      bytes: Self.bytesMax - step.bytes)
    let bounds = Self.bounds(position.after, end)
    try run(
      """
      INSERT INTO main.record (home, collection, key, version, written, expires, labels, value)
      SELECT ?6, collection, key, version, written, expires, labels, value FROM source.record
      WHERE home = ?1 AND \(Self.isInRange(to: end)) AND (expires IS NULL OR expires > ?7)
      """, [.integer(from)] + bounds + [.integer(row.id), .integer(instant)])
    let inserted = connection.changes
    if hasLabels {
      try run(
        """
        INSERT INTO main.label (home, collection, name, value, key)
        SELECT ?6, s.collection, j.key, j.value, s.key FROM source.record s, json_each(s.labels) j
        WHERE s.home = ?1 AND s.labels IS NOT NULL AND \(Self.isInRange("s", to: end)) AND (s.expires IS NULL OR s.expires > ?7)
        """, [.integer(from)] + bounds + [.integer(row.id), .integer(instant)])
    }
    step.records += inserted
    step.rows += rows
    step.bytes += bytes
    var next = position
    next.after = end
    next.isDone = end == nil
    return .success(next)
  }

  /// The writer thread copies the WAL into the file when it has written: also what was written here.
  private func checkpoint(after bytes: Int) async throws(StorageError) {
    bytesSinceCheckpoint += bytes
    guard bytesSinceCheckpoint > 1_600_000 else { return }
    bytesSinceCheckpoint = 0
    try await target.commits.commit(by: .now + .seconds(10), addsData: true) { writer in
      try writer.settle()
    }
  }

  // MARK: Compare

  /// Compares what comes next of some homes, in one snapshot; for each whether source and target have the same, and up to where that
  /// was looked at (nil: to the end). They may differ for no other reason than that somebody has written since they were copied.
  package func compareNext(
    _ positions: [Position], unexpiredAt instant: Int64
  ) async throws(StorageError) -> [(isSame: Bool, end: RecordPosition?)] {
    try await onQueue { [self] in
      try connection.snapshot {
        try positions.map { try compareNext($0, instant) }
      }
    }
  }

  private func compareNext(
    _ position: Position, _ instant: Int64
  ) throws -> (isSame: Bool, end: RecordPosition?) {
    guard let from = try sourceID(position.source), let to = try targetID(position.target) else {
      return (false, nil)
    }
    let end = try connection.rows(
      """
      SELECT collection, key FROM source.record WHERE home = ? AND (collection, key) > (?, ?)
      ORDER BY collection, key LIMIT 1 OFFSET \(Self.rowsMax / 4)
      """, .integer(from), .text(position.after?.collection ?? ""),
      .blob(position.after?.key ?? []),
      as: { RecordPosition(collection: $0.text(0), key: $0.blob(1)) }
    ).first
    return (try isSame(from, to, after: position.after, end: end, instant), end)
  }

  private func isSame(
    _ from: Int64, _ to: Int64, after: RecordPosition?, end: RecordPosition?, _ instant: Int64
  ) throws -> Bool {
    let values =
      [.integer(from)] + Self.bounds(after, end) + [.integer(to), .integer(instant)]
    // As many at the target as at the source, and each of these the same.
    let statement = try connection.prepare(
      """
      SELECT count(*), total(t.version IS s.version AND t.written IS s.written AND t.expires IS s.expires
        AND t.labels IS s.labels AND t.value IS s.value)
      FROM source.record s LEFT JOIN main.record t
        ON t.home = ?6 AND t.collection = s.collection AND t.key = s.key
      WHERE s.home = ?1 AND \(Self.isInRange("s", to: end)) AND (s.expires IS NULL OR s.expires > ?7)
      """)
    try statement.bind(values)
    defer { statement.reset() }
    guard try statement.step(), statement.integer(0) == statement.integer(1) else { return false }
    let there = try value(
      """
      SELECT count(*) FROM main.record
      WHERE home = ?6 AND \(Self.isInRange(to: end)) AND (expires IS NULL OR expires > ?7)
      """, values)
    return there == statement.integer(0)
  }

  // MARK: Statements

  /// Whether a record of a table is in the range that the parameters 2 to 5 name; without an end, to the end of its home.
  private static func isInRange(_ table: String = "record", to end: RecordPosition?) -> String {
    let place = "(\(table).collection, \(table).key)"
    return "\(place) > (?2, ?3)" + (end == nil ? "" : " AND \(place) <= (?4, ?5)")
  }

  private static func bounds(_ after: RecordPosition?, _ end: RecordPosition?) -> [SQLValue] {
    [
      .text(after?.collection ?? ""), .blob(after?.key ?? []),
      end.map { .text($0.collection) } ?? .null, .blob(end?.key ?? []),
    ]
  }

  /// Up to where so many rows, or bytes, go; nil: all the rest.
  private func extent(
    _ home: Int64, after: RecordPosition?, rows rowsMax: Int, bytes bytesMax: Int
  ) throws -> (end: RecordPosition?, rows: Int, bytes: Int, hasLabels: Bool) {
    let statement = try connection.prepare(
      """
      SELECT collection, key, length(key) + length(value), labels IS NULL FROM source.record
      WHERE home = ?1 AND (collection, key) > (?2, ?3) ORDER BY collection, key LIMIT ?4
      """)
    try statement.bind([
      .integer(home), .text(after?.collection ?? ""), .blob(after?.key ?? []),
      .integer(Int64(max(1, rowsMax) + 1)),
    ])
    defer { statement.reset() }
    var (rows, bytes, hasLabels) = (0, 0, false)
    while try statement.step() {
      rows += 1
      bytes += Int(statement.integer(2))
      hasLabels = hasLabels || statement.integer(3) == 0
      if rows >= max(1, rowsMax) || bytes >= bytesMax {
        let end = RecordPosition(collection: statement.text(0), key: statement.blob(1))
        return (try statement.step() ? end : nil, rows, bytes, hasLabels)
      }
    }
    return (nil, rows, bytes, hasLabels)
  }

  private func sourceID(_ home: MoveHome) throws -> Int64? { try id(of: home, in: "source") }
  private func targetID(_ home: MoveHome) throws -> Int64? { try id(of: home, in: "main") }

  private func id(of home: MoveHome, in schema: String) throws -> Int64? {
    try value(
      "SELECT id FROM \(schema).home WHERE owner = ? AND class = ? AND serial = ?",
      [.blob(home.owner.bytes), .text(home.dataClass), .integer(home.serial)])
  }

  private func run(_ sql: String, _ values: [SQLValue]) throws {
    let statement = try connection.prepare(sql)
    defer { statement.reset() }
    try statement.bind(values)
    while try statement.step() {}
  }

  private func value(_ sql: String, _ values: [SQLValue]) throws -> Int64? {
    let statement = try connection.prepare(sql)
    defer { statement.reset() }
    try statement.bind(values)
    return try statement.step() ? statement.integerIfPresent(0) : nil
  }
}
