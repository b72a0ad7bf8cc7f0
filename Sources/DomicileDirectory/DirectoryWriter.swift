import DomicilePolicy
package import DomicileSQLite
import DomicileStorage
import Foundation

/// What the writer thread of the directory works with. All methods are called inside the transaction of a batch.
package final class DirectoryWriter: CommitContext {
  package let connection: Connection
  private var inForce = LawReference(generation: 0, digest: PolicyDigest(bytes: []))
  /// Of the policy in force, which says its phase.
  private var day = PolicyDay(number: 0)
  /// By name; read once a batch, and changed with the rows.
  private(set) var shards: [String: Shard] = [:]
  private(set) var shardNames: [Int64: String] = [:]

  struct Shard {
    let id: Int64
    let name: String
    let region: String
    let country: String
    var placements: Int64
  }

  private let selectUser: Statement
  private let insertUser: Statement
  private let selectPlacement: Statement
  private let insertPlacement: Statement
  private let updatePlacement: Statement
  private let placePlacement: Statement
  private let takeSerial: Statement
  private let addPlacement: Statement
  let insertEntry: Statement
  /// The number of the next entry of the ledger.
  var nextEntry: Int64 = 0
  /// How many entries the tree had when the batch began.
  var treeSize: Int64 = 0
  private var policyNamed: (law: LawReference, day: PolicyDay, policy: LedgerEntry.Policy)?
  /// Whether a legal hold is to be told to a home that has been placed since this was asked.
  var hasFlaggedHolds = false
  let texts = EntryTexts()
  /// For the entries.
  let clock: WallClock
  let actor: String
  let keepsLedger: Bool

  init(
    connection: Connection, clock: WallClock, actor: String, keepsLedger: Bool = true
  ) throws(SQLiteError) {
    self.connection = connection
    self.keepsLedger = keepsLedger
    self.clock = clock
    self.actor = actor
    insertEntry = try connection.prepare("INSERT INTO entry (id, hash, text) VALUES (?, ?, ?)")
    selectUser = try connection.prepare(
      "SELECT id, alias, tags, profile, erasing FROM user WHERE owner = ?")
    insertUser = try connection.prepare(
      "INSERT INTO user (owner, alias, tags, profile, is_group) VALUES (?, ?, ?, ?, ?) RETURNING id"
    )
    selectPlacement = try connection.prepare(
      "SELECT shard, serial, state FROM placement WHERE user = ? AND class = ?")
    insertPlacement = try connection.prepare(
      """
      INSERT INTO placement (user, class, shard, serial, state) VALUES (?, ?, ?, ?, 'admitting')
      """)
    updatePlacement = try connection.prepare(
      """
      UPDATE placement SET shard = ?3, serial = ?4
      WHERE user = ?1 AND class = ?2 AND state = 'admitting'
      """)
    placePlacement = try connection.prepare(
      """
      UPDATE placement SET state = 'placed', is_admitted = 1
      WHERE user = ?1 AND class = ?2 AND shard = ?3 AND serial = ?4 AND state = 'admitting'
        AND (SELECT tags FROM user WHERE id = ?1) = ?5
      """)
    takeSerial = try connection.prepare("UPDATE directory SET serial = serial + 1 RETURNING serial")
    addPlacement = try connection.prepare(
      "UPDATE shard SET placements = placements + ? WHERE id = ?")
  }

  package func beginBatch() throws(SQLiteError) {
    let current = try connection.rows(
      """
      SELECT p.generation, p.digest, p.day FROM directory d JOIN policy p ON p.generation = d.generation
      """,
      as: { row in
        (
          LawReference(generation: row.integer(0), digest: PolicyDigest(bytes: row.blob(1))),
          PolicyDay(number: Int(row.integer(2)))
        )
      })
    inForce = current.first?.0 ?? LawReference(generation: 0, digest: PolicyDigest(bytes: []))
    day = current.first?.1 ?? PolicyDay(number: 0)
    try readShards()
    try readNextEntry()
  }

  package func settle() throws(SQLiteError) { _ = try nextSerial() }

  private func readShards() throws(SQLiteError) {
    shards = [:]
    shardNames = [:]
    let rows = try connection.rows(
      "SELECT id, name, region, country, placements FROM shard",
      as: { row in
        Shard(
          id: row.integer(0), name: row.text(1), region: row.text(2), country: row.text(3),
          placements: row.integer(4))
      })
    for shard in rows {
      shards[shard.name] = shard
      shardNames[shard.id] = shard.name
    }
  }

  /// A serial that was never used and never will be again.
  func nextSerial() throws(SQLiteError) -> Int64 {
    defer { takeSerial.reset() }
    guard try takeSerial.step() else {
      throw SQLiteError(code: 11, message: "the directory has no identity")
    }
    let serial = takeSerial.integer(0)
    _ = try takeSerial.step()
    return serial
  }

  // MARK: Policies

  func beginPhase(of policy: ResidencyPolicy, at time: Date) throws -> LawReference {
    policy.digest == inForce.digest ? try apply(policy, at: time) : inForce
  }

  func apply(
    _ policy: ResidencyPolicy, over base: LawReference? = nil, at time: Date
  ) throws -> LawReference {
    if let base, base != inForce { throw policyChanged }
    // The same, in the same phase or an earlier one: a phase that has ended is over.
    if policy.digest == inForce.digest, policy.phase.start.map({ $0 <= day }) ?? true {
      return inForce
    }
    if let refusal = try connection.refusal(of: policy) { throw refusal }
    try connection.fit(to: policy)
    try readShards()
    try wakeErasures()
    let reference = LawReference(generation: try nextSerial(), digest: policy.digest)
    // Whoever compiled it may have had a clock behind, or have asked for the day too early.
    let latest = max(day, policy.day)
    for (path, text) in policy.files.texts {
      try connection.run(
        "INSERT OR IGNORE INTO policy_text (digest, path, text) VALUES (?, ?, ?)",
        .blob(policy.digest.bytes), .text(path), .text(text))
    }
    try connection.run(
      "INSERT INTO policy (generation, digest, applied, day) VALUES (?, ?, ?, ?)",
      .integer(reference.generation), .blob(policy.digest.bytes), .integer(time.milliseconds),
      .integer(Int64(latest.number)))
    try connection.run("UPDATE directory SET generation = ?", .integer(reference.generation))
    inForce = reference
    day = latest
    try append(.policy)
    // What it bars is counted when the shards know of it.
    try connection.run(
      """
      INSERT INTO tally (shard, due, counted, barred) SELECT id, 1, 0, 0 FROM shard WHERE placements > 0
      ON CONFLICT DO UPDATE SET due = due + 1, barred = 0
      """)
    return reference
  }

  func noteCreated(shard: String) throws(SQLiteError) {
    try connection.run("UPDATE shard SET created = 1 WHERE name = ?", .text(shard))
  }

  // MARK: Admission

  func begin(
    _ plan: AdmissionPlan, law: LawReference
  ) throws -> Result<[AdmissionTicket], StorageError> {
    guard law == inForce else { return .failure(policyChanged) }
    if case .newGroup(let members) = plan.kind, try profile(ofMembers: members) != plan.profile {
      return .failure(outrun)
    }
    let user = try findOrMakeUser(plan)
    let isGroup = plan.kind != .user
    guard !user.isErasing else { return .failure(erasing(isGroup: isGroup)) }
    if case .newGroup(let members) = plan.kind, try !hasMembers(members, group: user.id) {
      return .failure(
        StorageError(
          .retagged,
          "There is a group of that name with other members; nothing was written. Members join and leave it one"
            + " by one (“domicile group join”, “group leave”); another group needs another name."))
    }
    guard user.profile == "\(plan.profile)" else {
      // A group's change with those of its members: whoever asks decides anew.
      if plan.kind != .user { return .failure(outrun) }
      return .failure(
        StorageError(
          .retagged,
          "The user is known with other tags. An admission does not change tags; nothing was written."
        ))
    }
    if try plan.targets.contains(where: { try isErasing($0.dataClass, user: user.id) }) {
      return .failure(erasing(isGroup: isGroup))
    }
    var tickets: [AdmissionTicket] = []
    for target in plan.targets {
      if let ticket = try ticket(for: target, plan: plan, user: user) { tickets.append(ticket) }
    }
    return .success(tickets)
  }

  private struct User {
    let id: Int64
    let alias: OwnerAlias
    let tags: Int64
    let profile: String
    var isErasing = false
  }

  private func findOrMakeUser(_ plan: AdmissionPlan) throws -> User {
    try selectUser.bind(1, plan.owner.bytes)
    defer { selectUser.reset() }
    if try selectUser.step() {
      return User(
        id: selectUser.integer(0), alias: OwnerAlias(bytes: selectUser.blob(1)),
        tags: selectUser.integer(2), profile: selectUser.text(3),
        isErasing: !selectUser.isNull(4))
    }
    let tags = try nextSerial()
    try insertUser.bind(1, plan.owner.bytes)
    try insertUser.bind(2, plan.alias.bytes)
    try insertUser.bind(3, tags)
    try insertUser.bind(4, "\(plan.profile)")
    try insertUser.bind(5, plan.kind == .user ? 0 : 1)
    defer { insertUser.reset() }
    guard try insertUser.step() else { throw StorageError(.corrupt, "A user was not inserted.") }
    let id = insertUser.integer(0)
    _ = try insertUser.step()
    if case .newGroup(let members) = plan.kind { try addMembers(members, to: id) }
    return User(id: id, alias: plan.alias, tags: tags, profile: "\(plan.profile)")
  }

  private func isErasing(_ dataClass: String, user: Int64) throws(SQLiteError) -> Bool {
    try selectPlacement.bind(1, user)
    try selectPlacement.bind(2, dataClass)
    defer { selectPlacement.reset() }
    return try selectPlacement.step()
      && selectPlacement.isText(2, "erasing")
  }

  func erasing(isGroup: Bool) -> StorageError {
    StorageError(
      .erasing,
      isGroup
        ? "This group's data is being erased; nothing was written. Create it again when that is done."
        : "This user's data is being erased; nothing was written. Admit again when that is done.")
  }

  /// Nil if the class is placed already.
  private func ticket(
    for target: AdmissionPlan.Target, plan: AdmissionPlan, user: User
  ) throws -> AdmissionTicket? {
    var old: String?
    try selectPlacement.bind(1, user.id)
    try selectPlacement.bind(2, target.dataClass)
    do {
      defer { selectPlacement.reset() }
      if try selectPlacement.step() {
        if selectPlacement.text(2) == Placement.State.placed.rawValue { return nil }
        old = shardNames[selectPlacement.integer(0)]
      }
    }
    let token = try nextSerial()
    // A target found half way is taken over: only one that became illegal is given up.
    let shard =
      try old.flatMap { target.legalShards.contains($0) ? $0 : nil }
      ?? leastLoaded(target, user: user.id)
    if let old {
      // While the home at an illegal target is not dropped, the row still names that target.
      try change(user.id, target.dataClass, shard: old, serial: token)
    } else {
      try insertPlacement.bind(1, user.id)
      try insertPlacement.bind(2, target.dataClass)
      try insertPlacement.bind(3, try id(of: shard))
      try insertPlacement.bind(4, token)
      try insertPlacement.run()
      try count(1, shard)
    }
    var place = try place(target.dataClass, inShard: shard)
    place.rules = target.rules
    return AdmissionTicket(
      home: HomeReference(
        owner: plan.owner, dataClass: target.dataClass, serial: token, tags: user.tags),
      userID: user.id, alias: user.alias, profile: plan.profile, shard: shard,
      illegalShard: old == shard ? nil : old, isGroup: plan.kind != .user, place: place)
  }

  func retarget(_ ticket: AdmissionTicket, law: LawReference) throws -> StorageError? {
    guard law == inForce else { return policyChanged }
    guard let old = ticket.illegalShard else { return nil }
    guard try holds(ticket, shard: old) else { return outrun }
    try change(
      ticket.userID, ticket.home.dataClass, shard: ticket.shard, serial: ticket.home.serial)
    try count(-1, old)
    try count(1, ticket.shard)
    return nil
  }

  /// Commits those that still hold; of each user's one entry says which.
  func commit(_ admissions: [CommittedAdmission], law: LawReference) throws -> [StorageError?] {
    try admissions.flatMap { admission in
      let outcomes = try admission.tickets.map { try commit($0, law: law) }
      let committed = zip(admission.tickets, outcomes).filter { $0.1 == nil }.map(\.0)
      if let prepared = admission.prepared, committed.count == outcomes.count,
        prepared.policy == policyOfEntries
      {
        try append(prepared)
      } else if let first = committed.first {
        try append(.admission) { $0.admit(first, at: committed.map(\.place)) }
      }
      return outcomes
    }
  }

  private func commit(_ ticket: AdmissionTicket, law: LawReference) throws -> StorageError? {
    guard law == inForce else { return policyChanged }
    try placePlacement.bind(1, ticket.userID)
    try placePlacement.bind(2, ticket.home.dataClass)
    try placePlacement.bind(3, try id(of: ticket.shard))
    try placePlacement.bind(4, ticket.home.serial)
    // With other tags it may have to live elsewhere, and its home is staged with these.
    try placePlacement.bind(5, ticket.home.tags)
    try placePlacement.run()
    guard connection.changes == 1 else { return outrun }
    // A legal hold that outlived the erasure of the class is on what comes now, too.
    try connection.run(
      "UPDATE hold SET telling = 1 WHERE user = ? AND class = ? AND telling = 0",
      .integer(ticket.userID), .text(ticket.home.dataClass))
    if connection.changes > 0 { hasFlaggedHolds = true }
    // Its home was staged with these tags, and none is left at another target.
    try forgetPendingTags(of: ticket.userID, ticket.home.dataClass)
    return nil
  }

  private func holds(_ ticket: AdmissionTicket, shard: String) throws -> Bool {
    try selectPlacement.bind(1, ticket.userID)
    try selectPlacement.bind(2, ticket.home.dataClass)
    defer { selectPlacement.reset() }
    return try selectPlacement.step()
      && selectPlacement.text(2) == Placement.State.admitting.rawValue
      && selectPlacement.integer(1) == ticket.home.serial
      && shardNames[selectPlacement.integer(0)] == shard
  }

  private func change(
    _ user: Int64, _ dataClass: String, shard: String, serial: Int64
  ) throws {
    try updatePlacement.bind(1, user)
    try updatePlacement.bind(2, dataClass)
    try updatePlacement.bind(3, try id(of: shard))
    try updatePlacement.bind(4, serial)
    try updatePlacement.run()
  }

  /// A user's classes stay together where they may.
  private func leastLoaded(_ target: AdmissionPlan.Target, user: Int64) throws -> String {
    let homes = try connection.rows(
      "SELECT shard FROM placement WHERE user = ? ORDER BY class", .integer(user),
      as: { $0.integer(0) })
    let together = homes.compactMap { shardNames[$0] }.first(where: target.shards.contains)
    if let together { return together }
    let known = target.shards.compactMap { name in shards[name].map { ($0.placements, name) } }
    guard let least = known.min(by: <) else { throw policyChanged }
    return least.1
  }

  private func id(of shard: String) throws -> Int64 {
    guard let known = shards[shard] else { throw policyChanged }
    return known.id
  }

  func count(_ change: Int64, _ shard: String) throws {
    try addPlacement.bind(1, change)
    try addPlacement.bind(2, try id(of: shard))
    try addPlacement.run()
    shards[shard]?.placements += change
  }

  func isInForce(_ law: LawReference) -> Bool { law == inForce }

  /// What the entries name as the policy in force.
  var policyOfEntries: LedgerEntry.Policy? {
    if let named = policyNamed, named.law == inForce, named.day == day { return named.policy }
    if inForce.generation == 0 { return nil }
    let policy = LedgerEntry.Policy(
      generation: inForce.generation, digest: inForce.digest.description, day: "\(day)")
    policyNamed = (inForce, day, policy)
    return policy
  }

  func place(_ dataClass: String, inShard name: String) throws -> LedgerEntry.Place {
    guard let shard = shards[name] else { throw policyChanged }
    return LedgerEntry.Place(
      dataClass: dataClass, region: shard.region, country: shard.country, shard: name)
  }

  var policyChanged: StorageError {
    StorageError(.policyChanged, "The policy in force has changed; nothing was written.")
  }

  var outrun: StorageError {
    StorageError(.outrun, "Another admission of this user went ahead; nothing was written.")
  }
}
