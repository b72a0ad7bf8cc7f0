package import DomicilePolicy
import DomicileSQLite
import Foundation
import Synchronization

/// A shard in a SQLite file of this machine.
package final class SQLiteShard: ShardStore {
  package let identity: ShardIdentity
  let commits: GroupCommit<ShardWriter>
  private let readers: ReaderPool<ShardReader>
  let clock: WallClock
  let anchor: TimeKeeper
  let swept = SweepCursor()
  /// Opens the file once more, to be written through the gate.
  let makeWriter: @Sendable () throws -> ShardWriter

  package struct Options: Sendable {
    package var clock = WallClock.system
    package var limits = GroupCommit<ShardWriter>.Limits()
    package var random: @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }
    /// The space that the region keeps back for a full disk.
    package var ballast: Ballast?
    package var observe: (@Sendable (CommitBatch) -> Void)?
    /// Reads the generation in force from the directory, before each batch.
    package var readGeneration: (@Sendable () throws -> Int64)?

    package init() {}
  }

  /// Makes the file of a new shard; one that was left half made is finished.
  package static func create(path: String, identity: ShardIdentity) throws(StorageError) {
    try storing(in: identity.place) {
      try checking(identity.place) { () throws(DatabaseFile.Problem) in
        try DatabaseFile.checkNew(path)
      }
      let exists = FileManager.default.fileExists(atPath: path)
      let connection = try Connection(path: path, mode: exists ? .writing : .creating)
      if try ShardSchema.isMissing(in: connection) {
        let gate = try WriterGate(path: path)
        try gate.pass {
          try connection.transaction { try ShardSchema.create(in: connection, identity: identity) }
          _ = try gate.writeMainFile(connection, isRewritten: { $0 }) {
            try connection.truncateWAL(patience: .milliseconds(10))
          }
        }
      }
      try ShardSchema.verify(connection, identity: identity)
    }
  }

  /// Opens the file of a shard.
  ///
  /// - Throws: ``StorageError`` with `foreignFile` or `wrongKey` if the file is not that shard's.
  package init(
    path: String, identity: ShardIdentity, options: Options = Options()
  ) throws(StorageError) {
    self.identity = identity
    clock = options.clock
    try checking(identity.place) { () throws(DatabaseFile.Problem) in
      try DatabaseFile.check(path)
    }
    let anchor = TimeKeeper()
    self.anchor = anchor
    try storing(in: identity.place) {
      let connection = try Connection(path: path, mode: .writing)
      if let found = try connection.integer("PRAGMA user_version"),
        (1..<ShardSchema.version).contains(found)
      {
        try WriterGate(path: path).pass {
          try connection.transaction {
            try ShardSchema.upgrade(connection)
            // A file that is somebody else's stays as it is.
            try ShardSchema.verify(connection, identity: identity)
          }
        }
      }
      try ShardSchema.verify(connection, identity: identity)
      var kept = try TimeAnchor.kept(in: connection).anchored(by: options.clock)
      if try kept != TimeAnchor.kept(in: connection) {
        // The first after a restart of the machine: what the clock says now must not depend on who writes first, or on
        // when. On a full disk this process alone knows it.
        try? WriterGate(path: path).pass {
          try connection.transaction {
            kept = try TimeAnchor.kept(in: connection).anchored(by: options.clock)
            try kept.keep(in: connection)
          }
        }
      }
      anchor.keep(kept)
    }
    let makeWriter: @Sendable () throws -> ShardWriter = {
      let connection = try Connection(path: path, mode: .writing)
      try ShardSchema.verify(connection, identity: identity)
      return try ShardWriter(
        connection: connection, identity: identity, clock: options.clock,
        random: options.random, readGeneration: options.readGeneration,
        keepTime: { anchor.keep($0) })
    }
    self.makeWriter = makeWriter
    commits = GroupCommit(
      path: path, place: identity.place, ballast: options.ballast, limits: options.limits,
      observe: options.observe
    ) { () throws(StorageError) in
      try storing(in: identity.place) { try makeWriter() }
    }
    readers = ReaderPool(
      path: path, place: identity.place, check: { [commits] in try commits.checkIsUsable() }
    ) { connection in
      try ShardSchema.verify(connection, identity: identity)
      return try ShardReader(connection: connection)
    }
  }

  // MARK: Writing

  package func write(
    _ request: WriteRequest, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [RecordOutcome] {
    try await commits.commit(
      by: deadline, addsData: request.addsData, isCompound: request.isCompound
    ) { writer in
      try writer.write(request)
    }
  }

  package func stage(
    _ homes: [HomeStaging], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in
      try homes.map { try writer.stage($0, law: law) }
    }
  }

  package func open(
    _ homes: [HomeReference], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in try homes.map(writer.open) }
  }

  package func drop(
    _ homes: [HomeReference], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in try homes.map { try writer.drop($0) } }
  }

  /// Drops those that were staged with earlier tags than the references'.
  package func dropTaggedEarlier(
    _ homes: [HomeReference], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in
      try homes.map { try writer.drop($0, onlyEarlierTags: true) }
    }
  }

  package func retag(
    _ homes: [HomeStaging], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in try homes.map(writer.retag) }
  }

  package func raise(
    to reference: LawReference, law: ShardLaw, accepts: [String],
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool {
    try await commits.commit(by: deadline) { writer in
      try writer.raise(to: reference, law: law, accepts: accepts)
    }
  }

  package func tick() { commits.tick() }

  package func purge(by deadline: ContinuousClock.Instant) async -> PurgeState {
    await commits.purge(by: deadline)
  }

  package var purgeState: PurgeState { commits.purgeState }

  package var purgeProblem: StorageError? { commits.purgeProblem }

  package func searchRemnants() throws(StorageError) -> RemnantSearchResult {
    try commits.searchRemnants()
  }

  package var depth: Int { commits.depth }

  package func close() async {
    await commits.close()
    readers.close()
  }

  // MARK: Reading

  package func records(
    home: HomeReference, collection: String, keys: [RecordKey], evenFrozen: Bool
  ) throws(StorageError) -> [StoredRecord?] {
    try read { reader, now in
      reader.readsFrozen = evenFrozen
      defer { reader.readsFrozen = false }
      if keys.count == 1 {
        return [try reader.record(home: home, collection: collection, key: keys[0], now: now)]
      }
      return try reader.records(home: home, collection: collection, keys: keys, now: now)
    }
  }

  package func page(_ request: PageRequest) throws(StorageError) -> RecordPage {
    try read { reader, now in
      reader.readsFrozen = request.evenFrozen
      defer { reader.readsFrozen = false }
      return try reader.connection.snapshot {
        try reader.page(request, home: reader.homeID(request.home), now: now)
      }
    }
  }

  package func stampedLaw() throws(StorageError) -> (LawReference, ShardLaw) {
    try readers.read { reader in
      try reader.connection.snapshot {
        guard
          let stamp = try reader.connection.rows(
            "SELECT generation, digest FROM shard",
            as: { LawReference(generation: $0.integer(0), digest: PolicyDigest(bytes: $0.blob(1))) }
          ).first
        else { throw StorageError(.corrupt, "The file of \(identity.place) has no identity.") }
        return (stamp, try ShardWriter.readLaw(reader.connection))
      }
    }
  }

  /// Shard time now, and whether the clock is in doubt.
  var time: ShardTime { anchor.time(by: clock) }

  var highWater: Int64 { anchor.highWater }

  package var isClockInDoubt: Bool { time.isInDoubt }

  /// Reads on one connection, at one shard time.
  func read<T: Sendable>(
    _ body: (_ reader: ShardReader, _ now: Int64) throws -> T
  ) throws(StorageError) -> T {
    let now = time.now
    return try readers.read { try body($0, now) }
  }

  package func integrityFindings() throws(StorageError) -> [String] {
    try readers.read { reader in
      let connection = reader.connection
      return try connection.givingWay(when: { [commits] in commits.shouldGiveWay(connection) }) {
        try connection.execute("BEGIN")
        defer { try? connection.execute("COMMIT") }
        var findings = try connection.rows("PRAGMA integrity_check", as: { $0.text(0) })
          .filter { $0 != "ok" }
        let orphans = [
          "records of a collection that is not of their home's class": """
          SELECT count(*) FROM record r JOIN home h ON h.id = r.home WHERE NOT EXISTS (
            SELECT 1 FROM law_collection c
            WHERE c.collection = r.collection AND c.class = h.class)
            AND (SELECT generation FROM shard) > 0
          """,
          "records of a home that is gone": """
          SELECT count(*) FROM record r JOIN home h ON h.id = r.home
          WHERE h.state IN ('absent', 'moved')
          """,
          "records of no home":
            "SELECT count(*) FROM record WHERE home NOT IN (SELECT id FROM home)",
          "labels of no record": """
          SELECT count(*) FROM label l WHERE NOT EXISTS (
            SELECT 1 FROM record r, json_each(r.labels) j
            WHERE r.home = l.home AND r.collection = l.collection AND r.key = l.key
              AND j.key = l.name AND j.value = l.value)
          """,
          "labels that no list finds": """
          SELECT count(*) FROM record r, json_each(r.labels) j WHERE NOT EXISTS (
            SELECT 1 FROM label l
            WHERE l.home = r.home AND l.collection = r.collection AND l.name = j.key
              AND l.value = j.value AND l.key = r.key)
          """,
        ]
        for (what, query) in orphans.sorted(by: { $0.key < $1.key }) {
          let count = try connection.integer(query) ?? 0
          if count > 0 { findings.append("\(count) \(what)") }
        }
        return findings
      }
    }
  }

  /// The bytes of the WAL.
  package var walBytes: Int { DatabaseFile.walBytes(commits.path) }

  /// Bytes that are free on its volume; nil if nobody can say.
  package var volumeFreeBytes: Int? { Ballast.freeBytes(onVolumeOf: commits.path) }

  /// Whether the space is there that is kept back for a full disk; nil if none is to be.
  package var hasBallast: Bool? { commits.ballast?.isFilled }

  /// For how many seconds the oldest record that has expired has waited to be deleted; 0 if none has.
  package func sweepLagSeconds() throws(StorageError) -> Double {
    try read { reader, now in
      let oldest = try reader.connection.integer(
        "SELECT min(expires) FROM record WHERE expires IS NOT NULL")
      return max(0, Double(now - (oldest ?? now)) / 1_000)
    }
  }

  /// The bytes of the database file, without the WAL.
  package func fileBytes() throws(StorageError) -> Int {
    try readers.read { reader in
      let pages = try reader.connection.integer("PRAGMA page_count") ?? 0
      return Int(pages) * Connection.pageBytes
    }
  }
}

/// The anchor of shard time that this process last saw in the file.
final class TimeKeeper: Sendable {
  private let anchor = Mutex(TimeAnchor.none)
  func keep(_ next: TimeAnchor) { anchor.withLock { $0 = next } }
  var highWater: Int64 { anchor.withLock { $0.highWater } }
  func time(by clock: WallClock) -> ShardTime {
    ShardTime(anchor.withLock { $0 }, clock: clock)
  }
}

extension WriteRequest {
  /// Whether the file may grow, so that there must be room.
  var addsData: Bool { operations.contains(where: \.isPut) }

  /// Whether more than one row may change, so that a failure half way must be undone.
  var isCompound: Bool {
    guard operations.count == 1, author == nil, case .put(_, let labels, _) = operations[0].change
    else {
      return true
    }
    return !labels.isEmpty
  }
}
