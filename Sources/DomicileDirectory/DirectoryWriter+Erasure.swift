import DomicileSQLite
import DomicileStorage
import Foundation

/// Erasures and legal holds, in the transaction of a batch.
extension DirectoryWriter {
  func beginErasure(
    _ owner: OwnerKey, dataClasses: Set<String>?, continuing alias: OwnerAlias?, at time: Date
  ) throws -> ErasurePlan? {
    guard
      let user = try connection.rows(
        "SELECT id, alias, erasing, is_group FROM user WHERE owner = ?", .blob(owner.bytes),
        as: {
          (
            id: $0.integer(0), alias: OwnerAlias(bytes: $0.blob(1)), isErasing: !$0.isNull(2),
            isGroup: $0.integer(3) != 0
          )
        }
      ).first
    else { return nil }
    // Who is being erased stays so, whatever is asked for of the classes.
    let isWholeUser = dataClasses == nil || user.isErasing
    var homes = try connection.rows(
      "SELECT class, shard, state = 'erasing' FROM placement WHERE user = ? ORDER BY class",
      .integer(user.id),
      as: { (dataClass: $0.text(0), shard: $0.integer(1), isErasing: $0.integer(2) != 0) }
    ).filter { isWholeUser || dataClasses?.contains($0.dataClass) ?? true }
    if let alias {
      // Whoever goes on with an erasure must not begin one: the user may have been erased and admitted anew.
      guard user.alias == alias, user.isErasing || homes.contains(where: \.isErasing) else {
        try forgetEndedErasure(of: user.id)
        return nil
      }
      // Nor one of a class that was erased meanwhile, and placed anew.
      if !user.isErasing { homes.removeAll { !$0.isErasing } }
    }
    let begun = homes.filter { !$0.isErasing }.map(\.dataClass)
    if isWholeUser && !user.isErasing || !begun.isEmpty {
      try append(.erasing) { entry in
        entry.name(user.alias, isGroup: user.isGroup)
        entry.dataClasses = begun
        entry.isWhole = isWholeUser ? true : nil
      }
    }
    let token = try nextSerial()
    for home in homes {
      try connection.run(
        "UPDATE placement SET state = 'erasing', serial = ? WHERE user = ? AND class = ?",
        .integer(token), .integer(user.id), .text(home.dataClass))
    }
    let copies = try takeOverMoves(of: user.id, homes.map(\.dataClass), token: token)
    if isWholeUser { try leaveAll(user: user.id) }
    try connection.run(
      "UPDATE user SET erasing = ?, erasure_due = NULL, erasure_lease = ? WHERE id = ?",
      isWholeUser ? .integer(token) : .null, .integer(Self.leaseEnd(from: time)), .integer(user.id))
    return ErasurePlan(
      userID: user.id, owner: owner, alias: user.alias, isGroup: user.isGroup, token: token,
      isWholeUser: isWholeUser,
      homes: homes.compactMap { home in
        shardNames[home.shard].map { ErasurePlan.Home(dataClass: home.dataClass, shard: $0) }
      }, copies: copies, shared: isWholeUser ? try sharedHomes(of: user.id) : [],
      staged: isWholeUser ? try stagedHomes(of: user.id) : [],
      holds: try holds(on: user.id, at: time))
  }

  /// The homes of groups in which a user is or was, those that are being erased themselves, or held, among them.
  private func sharedHomes(of user: Int64) throws -> [ErasurePlan.SharedHome] {
    try connection.rows(
      """
      SELECT t.owner, p.class, p.shard, p.serial, m.author
      FROM member m JOIN user t ON t.id = m.group_id JOIN placement p ON p.user = m.group_id
      WHERE m.user = ? AND p.state <> 'admitting' ORDER BY t.owner, p.class
      """, .integer(user),
      as: { row in
        guard let group = OwnerKey(bytes: row.blob(0)), let shard = shardNames[row.integer(2)]
        else { return nil }
        return ErasurePlan.SharedHome(
          group: group, home: ErasurePlan.Home(dataClass: row.text(1), shard: shard),
          serial: row.integer(3), author: OwnerAlias(bytes: row.blob(4)))
      }
    ).compactMap(\.self)
  }

  private func stagedHomes(of user: Int64) throws -> [String] {
    try connection.rows(
      """
      SELECT DISTINCT p.shard FROM member m JOIN placement p ON p.user = m.group_id
      WHERE m.user = ? AND p.state = 'admitting'
      """, .integer(user), as: { $0.integer(0) }
    ).compactMap { shardNames[$0] }
  }

  private func forgetEndedErasure(of user: Int64) throws {
    try connection.run(
      """
      UPDATE user SET erasure_due = NULL, erasure_lease = NULL WHERE id = ?1 AND erasing IS NULL
        AND NOT EXISTS (SELECT 1 FROM placement WHERE user = ?1 AND state = 'erasing')
      """, .integer(user))
  }

  private static func leaseEnd(from time: Date) -> Int64 {
    time.milliseconds + ErasurePlan.leaseMilliseconds
  }

  /// By class, the legal holds that have not ended.
  private func holds(on user: Int64, at time: Date) throws -> [String: [HomeHold]] {
    let rows = try connection.rows(
      "SELECT class, name, until FROM hold WHERE user = ? AND (until IS NULL OR until > ?)",
      .integer(user), .integer(time.milliseconds),
      as: { ($0.text(0), HomeHold(name: $0.text(1), until: $0.integerIfPresent(2))) })
    return Dictionary(grouping: rows, by: \.0).mapValues { $0.map(\.1) }
  }

  /// Keeps an erasure from being taken over for a while; whether it still is under that token.
  func renewErasure(_ plan: ErasurePlan, at time: Date) throws -> Bool {
    try connection.run(
      """
      UPDATE user SET erasure_lease = ?1 WHERE id = ?2 AND owner = ?3 AND (erasing = ?4 OR EXISTS (
        SELECT 1 FROM placement WHERE user = ?2 AND state = 'erasing' AND serial = ?4))
      """, .integer(Self.leaseEnd(from: time)), .integer(plan.userID), .blob(plan.owner.bytes),
      .integer(plan.token))
    return connection.changes == 1
  }

  func finishErasure(
    _ plan: ErasurePlan, held: Set<String>, isSharedHeld: Bool, due: Date?, at time: Date
  ) throws -> StorageError? {
    let rows = try connection.rows(
      "SELECT class, serial FROM placement WHERE user = ? AND state = 'erasing'",
      .integer(plan.userID), as: { ($0.text(0), $0.integer(1)) })
    let serials = Dictionary(rows, uniquingKeysWith: { first, _ in first })
    let token = try connection.integer(
      "SELECT erasing FROM user WHERE id = ? AND owner = ?", .integer(plan.userID),
      .blob(plan.owner.bytes))
    guard plan.homes.allSatisfy({ serials[$0.dataClass] == plan.token }),
      !plan.isWholeUser || token == plan.token
    else { return outrun }
    try endMoves(of: plan.userID, plan.copies, token: plan.token)
    var gone: [LedgerEntry.Place] = []
    let goneHomes = plan.homes.filter { !held.contains($0.dataClass) }
    for home in goneHomes {
      let isAdmitted = try connection.integer(
        "SELECT is_admitted FROM placement WHERE user = ? AND class = ?", .integer(plan.userID),
        .text(home.dataClass))
      // An admission that was not committed was nowhere.
      if isAdmitted == 1 { gone.append(try place(home.dataClass, inShard: home.shard)) }
      try connection.run(
        "DELETE FROM placement WHERE user = ? AND class = ?", .integer(plan.userID),
        .text(home.dataClass))
      // A hold that keeps what the user wrote in a group is still to be released.
      if !isSharedHeld {
        try connection.run(
          """
          DELETE FROM hold WHERE user = ?1 AND class = ?2
            AND (?3 OR NOT EXISTS (SELECT 1 FROM member WHERE user = ?1))
          """, .integer(plan.userID), .text(home.dataClass), .integer(plan.isWholeUser ? 1 : 0))
      }
      try forgetPendingTags(of: plan.userID, home.dataClass)
      try count(-1, home.shard)
      try countBarredAgain(inShard: home.shard)
    }
    let isWhole = plan.isWholeUser && held.isEmpty && !isSharedHeld
    if isWhole || !goneHomes.isEmpty {
      try append(.erased) { entry in
        entry.dataClasses = goneHomes.isEmpty ? nil : goneHomes.map(\.dataClass)
        entry.name(plan.alias, isGroup: plan.isGroup)
        entry.places = gone.isEmpty ? nil : gone
        entry.isWhole = isWhole ? true : nil
      }
    }
    if isWhole {
      try connection.run(
        "INSERT INTO tombstone (alias, erased) VALUES (?, ?)", .blob(plan.alias.bytes),
        .integer(time.milliseconds))
      // What was held in the group has gone with it.
      try connection.run(
        """
        UPDATE user SET erasure_due = 0 WHERE erasing IS NOT NULL
          AND id IN (SELECT user FROM member WHERE group_id = ?)
        """, .integer(plan.userID))
      for table in ["hold", "member"] {
        try connection.run("DELETE FROM \(table) WHERE user = ?", .integer(plan.userID))
      }
      try connection.run("DELETE FROM member WHERE group_id = ?", .integer(plan.userID))
      try connection.run("DELETE FROM user WHERE id = ?", .integer(plan.userID))
    } else {
      // Where something is held it is looked at again when that may have ended; nil: never by itself. While another
      // erasure of the user goes on, its time stays.
      let isAlone = rows.count == plan.homes.count && (token == nil || plan.isWholeUser)
      guard isAlone else { return nil }
      let isOver = held.isEmpty && !isSharedHeld
      try connection.run(
        // What is there already came since this run began: something that was held may go.
        "UPDATE user SET erasure_due = coalesce(erasure_due, ?), erasure_lease = NULL WHERE id = ?",
        isOver ? .null : due.map { .integer($0.milliseconds) } ?? .null, .integer(plan.userID))
    }
    return nil
  }

  /// The hold as it was where it had not ended, and would have at another time.
  ///
  /// - Throws: ``StorageError`` with `invalidArgument` if it would end earlier than before and may not.
  func add(_ hold: LegalHold, on owner: OwnerKey, shortens: Bool) throws -> [LegalHold] {
    guard let (user, alias, isGroup) = try nameInEntries(of: owner) else { return [] }
    var replaced: [LegalHold] = []
    // The same again is no decision.
    var placed: [String] = []
    let until = hold.until.map { SQLValue.integer($0.milliseconds) } ?? .null
    for dataClass in hold.dataClasses {
      let before = try connection.rows(
        """
        SELECT \(LegalHold.columns) FROM hold h
        WHERE user = ? AND class = ? AND name = ? AND until IS NOT ? AND (until IS NULL OR until > ?)
        """, .integer(user), .text(dataClass), .text(hold.name), until,
        .integer(hold.placed.milliseconds), as: LegalHold.init)
      if !shortens, let later = before.first(where: { $0.outlasts(hold) }) {
        throw StorageError(
          .invalidArgument,
          "The legal hold “\(hold.name)” on \(dataClass) lasts until \(later.endText); the new end is earlier."
            + " Nothing was changed. If it is meant to end earlier, say so (“--shortens”).")
      }
      replaced += before
      let isThere =
        try connection.integer(
          "SELECT 1 FROM hold WHERE user = ? AND class = ? AND name = ? AND until IS ? AND telling <> 2",
          .integer(user), .text(dataClass), .text(hold.name), until) != nil
      if !isThere { placed.append(dataClass) }
      try connection.run(
        """
        INSERT INTO hold (user, class, name, reason, placed, until, telling) VALUES (?, ?, ?, ?, ?, ?, 1)
        ON CONFLICT DO UPDATE SET reason = excluded.reason, until = excluded.until, telling = 1
        """, .integer(user), .text(dataClass), .text(hold.name), .text(hold.reason),
        .integer(hold.placed.milliseconds), until)
    }
    if !placed.isEmpty {
      try append(.hold) { entry in
        entry.name(alias, isGroup: isGroup)
        entry.dataClasses = placed
        entry.until = hold.until.map { Int64($0.timeIntervalSince1970) }
      }
    }
    try wakeErasure(of: owner)
    return LegalHold.joined(replaced)
  }

  private func nameInEntries(
    of owner: OwnerKey
  ) throws(SQLiteError) -> (id: Int64, alias: OwnerAlias, isGroup: Bool)? {
    try connection.rows(
      "SELECT id, alias, is_group FROM user WHERE owner = ?", .blob(owner.bytes),
      as: { ($0.integer(0), OwnerAlias(bytes: $0.blob(1)), $0.integer(2) != 0) }
    ).first
  }

  /// Has an erasure looked at again that a hold may have stopped, and may not any more.
  private func wakeErasure(of owner: OwnerKey) throws {
    try connection.run(
      """
      UPDATE user SET erasure_due = 0 WHERE owner = ? AND (erasing IS NOT NULL OR EXISTS (
        SELECT 1 FROM placement WHERE placement.user = user.id AND state = 'erasing'))
      """, .blob(owner.bytes))
    // What a group's hold keeps is also what its members wrote who are being erased.
    try connection.run(
      """
      UPDATE user SET erasure_due = 0 WHERE erasing IS NOT NULL AND id IN (
        SELECT m.user FROM user g JOIN member m ON m.group_id = g.id WHERE g.owner = ?)
      """, .blob(owner.bytes))
  }

  /// Has all erasures looked at again that wait for the end of what the policy holds.
  func wakeErasures() throws {
    try connection.run(
      """
      UPDATE user SET erasure_due = 0 WHERE erasure_due IS NOT NULL OR erasure_lease IS NOT NULL
      """)
  }

  /// Notes that a legal hold has ended, before the shards are told; whether there was one of that name.
  func endHold(_ name: String, on owner: OwnerKey, at time: Date) throws -> Bool {
    if let (user, alias, isGroup) = try nameInEntries(of: owner) {
      let classes = try connection.rows(
        "SELECT class FROM hold WHERE name = ? AND user = ? AND (until IS NULL OR until > ?) ORDER BY class",
        .text(name), .integer(user), .integer(time.milliseconds), as: { $0.text(0) })
      if !classes.isEmpty {
        try append(.release) { entry in
          entry.name(alias, isGroup: isGroup)
          entry.dataClasses = classes
        }
      }
    }
    try connection.run(
      """
      UPDATE hold SET until = min(coalesce(until, ?1), ?1), telling = 2
      WHERE name = ?2 AND user = (SELECT id FROM user WHERE owner = ?3)
      """, .integer(time.milliseconds), .text(name), .blob(owner.bytes))
    return connection.changes > 0
  }

  /// Notes that all shards know of a hold as it is, unless it has another end by now.
  func noteTold(_ hold: LegalHold, on owner: OwnerKey) throws(SQLiteError) {
    for dataClass in hold.dataClasses {
      try connection.run(
        """
        UPDATE hold SET telling = 0 WHERE class = ? AND name = ? AND until IS ? AND telling = 1
          AND user = (SELECT id FROM user WHERE owner = ?)
        """, .text(dataClass), .text(hold.name),
        hold.until.map { .integer($0.milliseconds) } ?? .null, .blob(owner.bytes))
    }
  }

  func removeHold(_ name: String, from owner: OwnerKey) throws -> Bool {
    try connection.run(
      "DELETE FROM hold WHERE name = ? AND user = (SELECT id FROM user WHERE owner = ?)",
      .text(name), .blob(owner.bytes))
    let wasThere = connection.changes > 0
    try wakeErasure(of: owner)
    return wasThere
  }
}

extension LegalHold {
  static let columns = "h.class, h.name, h.reason, h.placed, h.until, h.telling"

  /// A row of the table `hold`.
  init(_ row: Statement) {
    self.init(
      name: row.text(1), dataClasses: [row.text(0)], reason: row.text(2),
      placed: Date(milliseconds: row.integer(3)),
      until: row.integerIfPresent(4).map(Date.init(milliseconds:)),
      isPending: row.integer(5) != 0, isReleased: row.integer(5) == 2)
  }
}
