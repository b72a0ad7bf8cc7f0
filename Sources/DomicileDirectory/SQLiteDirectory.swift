package import DomicilePolicy
import DomicileSQLite
package import DomicileStorage
package import Foundation
import Synchronization

/// The directory in a SQLite file of this machine.
package final class SQLiteDirectory: DirectoryStore {
  package let deployment: [UInt8]
  package let keyCheck: [UInt8]
  let commits: GroupCommit<DirectoryWriter>
  let readers: ReaderPool<DirectoryReader>

  let flaggedHolds = Flag()
  private let clock: WallClock
  private let actor: String
  private let keepsLedger: Bool
  /// What entries named last.
  private let lastPolicy = Mutex<LedgerEntry.Policy?>(nil)
  private let entryTexts = EntryTexts()

  private static let place = "the directory"

  /// Makes the file of a new deployment with its first policy; one that is complete is left as it is.
  package static func create(
    path: String, key: HashKey, ledgerKey: LedgerKey, policy: ResidencyPolicy,
    clock: WallClock = .system, actor: String = "",
    using random: inout some RandomNumberGenerator
  ) throws(StorageError) {
    let deployment = OwnerAlias(using: &random).bytes
    try storing(in: place) {
      try checking(place) { () throws(DatabaseFile.Problem) in try DatabaseFile.checkNew(path) }
      let exists = FileManager.default.fileExists(atPath: path)
      let connection = try Connection(path: path, mode: exists ? .writing : .creating)
      guard try connection.integer("PRAGMA user_version") == 0 else { return }
      let gate = try WriterGate(path: path)
      try gate.pass {
        try connection.transaction {
          try DirectorySchema.create(in: connection)
          try connection.run(
            """
            INSERT INTO directory (one, deployment, key_check, serial, generation)
            VALUES (1, ?, ?, 0, 0)
            """, .blob(deployment), .blob(key.checkValue))
          let writer = try DirectoryWriter(connection: connection, clock: clock, actor: actor)
          try writer.beginBatch()
          try writer.append(
            key: "\(ledgerKey.noteKey(origin: LedgerKey.origin(of: deployment)))")
          _ = try writer.apply(policy, at: clock.now)
          try writer.endBatch()
        }
        _ = try gate.writeMainFile(connection, isRewritten: { $0 }) {
          try connection.truncateWAL(patience: .milliseconds(10))
        }
      }
    }
  }

  /// Whether a directory was made there and finished.
  package static func exists(path: String) -> Bool {
    guard FileManager.default.fileExists(atPath: path),
      let connection = try? Connection(path: path, mode: .reading)
    else { return false }
    return (try? connection.integer("PRAGMA user_version")) ?? 0 != 0
  }

  /// Opens the directory.
  ///
  /// - Throws: ``StorageError`` with `foreignFile` or `wrongKey`.
  package init(
    path: String, key: HashKey, ballast: Ballast? = nil, clock: WallClock = .system,
    actor: String = "", keepsLedger: Bool = true
  ) throws(StorageError) {
    try checking(Self.place) { () throws(DatabaseFile.Problem) in try DatabaseFile.check(path) }
    let identity = try storing(in: Self.place) {
      let connection = try Connection(path: path, mode: .writing)
      if let found = try connection.integer("PRAGMA user_version"),
        (1..<DirectorySchema.version).contains(found)
      {
        try WriterGate(path: path).pass {
          try connection.transaction {
            guard let found = try DirectorySchema.upgrade(connection), found < 4 else { return }
            // What there was before the ledger stands in it as a sum.
            let writer = try DirectoryWriter(connection: connection, clock: clock, actor: actor)
            try writer.beginBatch()
            try writer.appendTotals()
            try writer.endBatch()
          }
        }
      }
      guard try connection.integer("PRAGMA application_id") == DirectorySchema.applicationID,
        try connection.integer("PRAGMA user_version") == DirectorySchema.version,
        let found = try connection.rows(
          "SELECT deployment, key_check FROM directory", as: { ($0.blob(0), $0.blob(1)) }
        ).first
      else {
        throw StorageError(
          .foreignFile,
          "directory.sqlite is not a directory that this version of Domicile reads (format"
            + " \(DirectorySchema.version)). If “domicile init” was interrupted, run it again; else put"
            + " the right file back.")
      }
      guard found.1 == key.checkValue else {
        throw StorageError(
          .wrongKey,
          "The hash key is not the one that this deployment was made with. Use the right key: with"
            + " another one no user would be found.")
      }
      return found
    }
    self.clock = clock
    self.actor = actor
    self.keepsLedger = keepsLedger
    deployment = identity.0
    keyCheck = identity.1
    commits = GroupCommit(path: path, place: Self.place, ballast: ballast) {
      () throws(StorageError) in
      try storing(in: Self.place) {
        try DirectoryWriter(
          connection: Connection(path: path, mode: .writing), clock: clock, actor: actor,
          keepsLedger: keepsLedger)
      }
    }
    readers = ReaderPool(
      path: path, place: Self.place, check: { [commits] in try commits.checkIsUsable() }
    ) { connection in
      try DirectoryReader(connection: connection)
    }
  }

  // MARK: Reading

  package func policyInForce() throws(StorageError) -> AppliedPolicy {
    try readers.read { reader in
      try reader.connection.snapshot {
        let (reference, applied, day) = try Self.inForce(reader)
        return try Self.texts(of: reference, applied, day, reader)
      }
    }
  }

  package func policy(
    ofGeneration generation: Int64
  ) throws(StorageError) -> AppliedPolicy? {
    try readers.read { reader in
      try reader.connection.snapshot {
        try reader.policy(ofGeneration: generation).map {
          try Self.texts(of: $0, $1, $2, reader)
        }
      }
    }
  }

  private static func texts(
    of reference: LawReference, _ applied: Date, _ day: PolicyDay, _ reader: DirectoryReader
  ) throws -> AppliedPolicy {
    let texts = try reader.connection.rows(
      "SELECT path, text FROM policy_text WHERE digest = ?", .blob(reference.digest.bytes),
      as: { ($0.text(0), $0.text(1)) })
    let files = RegionFiles(texts: Dictionary(texts, uniquingKeysWith: { first, _ in first }))
    guard files.digest == reference.digest else {
      throw StorageError(
        .corrupt,
        "The texts of a policy do not have its digest. Restore the directory.")
    }
    return AppliedPolicy(reference: reference, files: files, applied: applied, day: day)
  }

  package func reference() throws(StorageError) -> LawReference {
    try readers.read { reader in try Self.inForce(reader).reference }
  }

  package func day() throws(StorageError) -> PolicyDay {
    try readers.read { reader in try Self.inForce(reader).day }
  }

  private static func inForce(
    _ reader: DirectoryReader
  ) throws -> (reference: LawReference, applied: Date, day: PolicyDay) {
    guard let (reference, applied, day) = try reader.inForce() else {
      throw StorageError(.corrupt, "The directory has no policy in force. Restore it.")
    }
    return (reference, applied, day)
  }

  package func shards() throws(StorageError) -> [ShardEntry] {
    try readers.read { reader in
      try reader.connection.rows(
        "SELECT name, region, country, created, placements FROM shard ORDER BY region, name",
        as: { row in
          ShardEntry(
            name: row.text(0), region: row.text(1), country: row.text(2),
            isCreated: row.integer(3) != 0, placements: row.integer(4))
        })
    }
  }

  package func user(_ owner: OwnerKey) throws(StorageError) -> UserEntry? {
    try readers.read { reader in try reader.user(owner) }
  }

  package func sums() throws(StorageError) -> (users: Int, erasures: Int) {
    try readers.read { reader in
      try reader.connection.snapshot {
        (
          users: Int(try reader.connection.integer("SELECT count(*) FROM user") ?? 0),
          erasures: Int(
            try reader.connection.integer(
              "SELECT count(*) FROM user WHERE erasure_due IS NOT NULL OR erasure_lease IS NOT NULL"
            )
              ?? 0)
        )
      }
    }
  }

  package var walBytes: Int { DatabaseFile.walBytes(commits.path) }

  package func users(named aliases: [OwnerAlias]) throws(StorageError) -> [UserEntry?] {
    try readers.read { reader in
      try reader.connection.snapshot { try aliases.map(reader.user(named:)) }
    }
  }

  package func users(after id: Int64, limit: Int) throws(StorageError) -> [UserEntry] {
    try readers.read { reader in
      try reader.connection.snapshot { try reader.users(after: id, limit: limit) }
    }
  }

  package func sharedPlacements(of owner: OwnerKey) throws(StorageError) -> [SharedPlacement] {
    try readers.read { reader in try reader.sharedPlacements(of: owner) }
  }

  package func profileCounts() throws(StorageError) -> [HomeProfile: Int] {
    var counts: [String: Int] = [:]
    var last: Int64 = 0
    // Some at a time: one long reading would keep the WAL from being cut.
    while true {
      let rows = try readers.read { reader in
        try reader.connection.rows(
          """
          SELECT profile, count(*), max(id)
          FROM (SELECT id, profile FROM user WHERE id > ? ORDER BY id LIMIT 10000) GROUP BY profile
          """, .integer(last), as: { ($0.text(0), $0.integer(1), $0.integer(2)) })
      }
      for (profile, count, id) in rows {
        counts[profile, default: 0] += Int(count)
        last = max(last, id)
      }
      if rows.isEmpty { break }
    }
    var profiles: [HomeProfile: Int] = [:]
    for (text, count) in counts {
      guard let profile = HomeProfile(text) else {
        throw StorageError(
          .corrupt, "A profile in the directory cannot be read. Restore the directory.")
      }
      profiles[profile] = count
    }
    return profiles
  }

  package func integrityFindings() throws(StorageError) -> [String] {
    try readers.read { reader in
      let connection = reader.connection
      return try connection.givingWay(when: { [commits] in commits.shouldGiveWay(connection) }) {
        try connection.rows("PRAGMA integrity_check", as: { $0.text(0) }).filter { $0 != "ok" }
      }
    }
  }

  // MARK: Writing

  package func refusal(of policy: ResidencyPolicy) throws(StorageError) -> StorageError? {
    try readers.read { reader in
      try reader.connection.snapshot { try reader.connection.refusal(of: policy) }
    }
  }

  package func apply(
    _ policy: ResidencyPolicy, over base: LawReference? = nil, at time: Date,
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> LawReference {
    try await commits.commit(by: deadline) { writer in
      try writer.apply(policy, over: base, at: time)
    }
  }

  package func beginPhase(
    of policy: ResidencyPolicy, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> LawReference {
    try await commits.commit(by: deadline) { writer in
      try writer.beginPhase(of: policy, at: time)
    }
  }

  package func noteCreated(
    shard: String, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) {
    try await commits.commit(by: deadline) { writer in try writer.noteCreated(shard: shard) }
  }

  package func beginAdmissions(
    _ plans: [AdmissionPlan], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [Result<[AdmissionTicket], StorageError>] {
    let (begun, policy) = try await commits.commit(by: deadline) { writer in
      (try plans.map { try writer.begin($0, law: law) }, writer.policyOfEntries)
    }
    lastPolicy.withLock { $0 = policy }
    return begun
  }

  package func retarget(
    _ tickets: [AdmissionTicket], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in
      try tickets.map { try writer.retarget($0, law: law) }
    }
  }

  package func commitAdmissions(
    _ tickets: [AdmissionTicket], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    var admissions = CommittedAdmission.grouped(tickets)
    if let policy = lastPolicy.withLock({ $0 }), keepsLedger {
      for index in admissions.indices {
        admissions[index].prepare(at: clock.now, by: actor, under: policy, with: entryTexts)
      }
    }
    return try await commits.commit(by: deadline) { [flaggedHolds, admissions] writer in
      writer.hasFlaggedHolds = false
      let outcomes = try writer.commit(admissions, law: law)
      if writer.hasFlaggedHolds { flaggedHolds.set(true) }
      return outcomes
    }
  }

  // MARK: Tags and groups

  package func changeTags(
    of owner: OwnerKey, to profile: ResidencyProfile, law: LawReference,
    barring barred: BarredPlaces, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool {
    try await commits.commit(by: deadline) { writer in
      try writer.changeTags(of: owner, to: profile, law: law, barring: barred)
    }
  }

  package func join(
    _ joining: GroupJoining, law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> StorageError? {
    do {
      return try await commits.commit(by: deadline) { writer in
        try writer.join(joining, law: law)
      }
    } catch  where error.code == .outrun {
      return error
    }
  }

  package func leave(
    _ group: OwnerKey, user: OwnerKey, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool {
    try await commits.commit(by: deadline) { writer in try writer.leave(group, user: user) }
  }

  package func author(
    of user: OwnerKey, in group: OwnerKey
  ) throws(StorageError) -> OwnerAlias? {
    try readers.read { reader in
      try reader.connection.rows(
        """
        SELECT m.author FROM member m JOIN user t ON t.id = m.group_id JOIN user u ON u.id = m.user
        WHERE t.owner = ? AND u.owner = ? AND m.profile <> ''
        """, .blob(group.bytes), .blob(user.bytes), as: { OwnerAlias(bytes: $0.blob(0)) }
      ).first
    }
  }

  package func authors(in group: OwnerKey) throws(StorageError) -> [OwnerAlias] {
    try readers.read { reader in
      try reader.connection.rows(
        """
        SELECT m.author FROM member m JOIN user t ON t.id = m.group_id
        WHERE t.owner = ? AND m.profile <> '' ORDER BY m.author
        """, .blob(group.bytes), as: { OwnerAlias(bytes: $0.blob(0)) })
    }
  }

  package func pendingTags(
    of owner: OwnerKey?, after last: PendingTags?, limit: Int
  ) throws(StorageError) -> [PendingTags] {
    try readers.read { reader in try reader.pendingTags(of: owner, after: last, limit: limit) }
  }

  package func hasPendingTags(
    _ owner: OwnerKey, dataClass: String
  ) throws(StorageError) -> Bool {
    try readers.read { reader in
      try reader.connection.integer(
        "SELECT 1 FROM outbox WHERE class = ? AND user = (SELECT id FROM user WHERE owner = ?)",
        .text(dataClass), .blob(owner.bytes)) != nil
    }
  }

  package func noteStamped(
    _ stamped: [PendingTags], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) {
    try await commits.commit(by: deadline) { writer in
      for home in stamped { try writer.noteStamped(home) }
    }
  }

  // MARK: Erasures and holds

  package var mayHaveFlaggedHolds: Bool {
    get { flaggedHolds.isSet }
    set { flaggedHolds.set(newValue) }
  }

  package func beginErasure(
    _ owner: OwnerKey, dataClasses: Set<String>?, continuing alias: OwnerAlias?, at time: Date,
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> ErasurePlan? {
    try await commits.commit(by: deadline) { writer in
      try writer.beginErasure(
        owner, dataClasses: dataClasses, continuing: alias, at: time)
    }
  }

  package func renewErasure(
    _ plan: ErasurePlan, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool {
    try await commits.commit(by: deadline) { writer in try writer.renewErasure(plan, at: time) }
  }

  package func finishErasure(
    _ plan: ErasurePlan, held: Set<String>, isSharedHeld: Bool, due: Date?, at time: Date,
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> StorageError? {
    try await commits.commit(by: deadline) { writer in
      try writer.finishErasure(
        plan, held: held, isSharedHeld: isSharedHeld, due: due, at: time)
    }
  }

  package func dueErasures(at time: Date, limit: Int) throws(StorageError) -> [OwnerKey] {
    try readers.read { reader in
      try reader.connection.rows(
        """
        SELECT owner FROM user WHERE erasure_due <= ?1
        UNION ALL
        SELECT owner FROM user WHERE erasure_lease <= ?1 OR erasure_lease > ?2
        LIMIT ?3
        """, .integer(time.milliseconds),
        // A lease that ends later than any can was noted by a clock that has been set back.
        .integer(time.milliseconds + 2 * ErasurePlan.leaseMilliseconds), .integer(Int64(limit)),
        as: { OwnerKey(bytes: $0.blob(0)) })
    }.compactMap(\.self)
  }

  package func hasErasingMembers(_ group: OwnerKey) throws(StorageError) -> Bool {
    try readers.read { reader in
      try reader.connection.integer(
        """
        SELECT 1 FROM user g JOIN member m ON m.group_id = g.id JOIN user u ON u.id = m.user
        WHERE g.owner = ? AND u.erasing IS NOT NULL LIMIT 1
        """, .blob(group.bytes)) != nil
    }
  }

  package func leasedErasures() throws(StorageError) -> Int {
    try readers.read { reader in
      Int(
        try reader.connection.integer(
          "SELECT count(*) FROM user WHERE erasure_lease IS NOT NULL") ?? 0)
    }
  }

  package func addHold(
    _ hold: LegalHold, on owner: OwnerKey, shortens: Bool, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> NotedHold? {
    let replaced = try await commits.commit(by: deadline) { writer in
      try writer.add(hold, on: owner, shortens: shortens)
    }
    return try user(owner).map {
      NotedHold(entry: $0, replaced: replaced)
    }
  }

  package func endHold(
    _ name: String, on owner: OwnerKey, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool {
    try await commits.commit(by: deadline) { writer in
      try writer.endHold(name, on: owner, at: time)
    }
  }

  package func removeHold(
    _ name: String, from owner: OwnerKey, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool {
    try await commits.commit(by: deadline) { writer in try writer.removeHold(name, from: owner) }
  }

  package func noteTold(
    _ hold: LegalHold, on owner: OwnerKey, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) {
    try await commits.commit(by: deadline) { writer in try writer.noteTold(hold, on: owner) }
  }

  package func untoldHolds(
    after user: Int64, limit: Int
  ) throws(StorageError) -> [(user: UserEntry, hold: LegalHold)] {
    try readers.read { reader in
      let owners = try reader.connection.rows(
        """
        SELECT DISTINCT u.id, u.owner FROM hold h INDEXED BY hold_telling JOIN user u ON u.id = h.user
        WHERE h.telling <> 0 AND h.user > ? ORDER BY h.user LIMIT ?
        """, .integer(user), .integer(Int64(limit)), as: { OwnerKey(bytes: $0.blob(1)) })
      return try owners.compactMap(\.self).flatMap { owner in
        guard let entry = try reader.user(owner) else {
          return [(user: UserEntry, hold: LegalHold)]()
        }
        return try reader.connection.rows(
          "SELECT \(LegalHold.columns) FROM hold h WHERE h.user = ? AND h.telling <> 0",
          .integer(entry.id), as: { (user: entry, hold: LegalHold($0)) })
      }
    }
  }

  package func holds(on owner: OwnerKey) throws(StorageError) -> [LegalHold] {
    try readers.read { reader in
      LegalHold.joined(
        try reader.connection.rows(
          """
          SELECT \(LegalHold.columns) FROM user u JOIN hold h ON h.user = u.id WHERE u.owner = ?
          """, .blob(owner.bytes), as: LegalHold.init))
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

  package func close() async {
    await commits.close()
    readers.close()
  }
}

/// Something that happened, until somebody says otherwise.
final class Flag: Sendable {
  private let state = Atomic(false)
  var isSet: Bool { state.load(ordering: .relaxed) }
  func set(_ isSet: Bool) { state.store(isSet, ordering: .relaxed) }
}
