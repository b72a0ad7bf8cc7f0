import DomicilePolicy
import DomicileSQLite
import DomicileStorage

/// Tags that change, and groups, whose profile is that of their members: in the transaction of a batch.
///
/// A home is stamped with other tags later than the directory knows of them. Each such home has a row in `outbox` until
/// whoever has stamped it says so.
extension DirectoryWriter {
  func changeTags(
    of owner: OwnerKey, to profile: ResidencyProfile, law: LawReference, barring: BarredPlaces
  ) throws -> Bool {
    guard isInForce(law) else { throw policyChanged }
    guard let user = try subject(owner), !user.isGroup else { return false }
    if user.isErasing { throw erasing(isGroup: false) }
    guard user.profile != "\(profile)" else { return true }
    let barred = try places(barring, of: user.id)
    try setProfile("\(profile)", of: user.id)
    try connection.run(
      "UPDATE member SET profile = ? WHERE user = ? AND profile <> ''", .text("\(profile)"),
      .integer(user.id))
    for group in try groups(of: user.id) { try followMembers(of: group, always: false) }
    // Nothing is said of the groups: who is alone in one with somebody known would be known by it.
    try append(.tags) { entry in
      entry.name(user.alias, isGroup: false)
      entry.places = barred
    }
    return true
  }

  func join(_ joining: GroupJoining, law: LawReference) throws -> StorageError? {
    guard isInForce(law) else { return policyChanged }
    guard let group = try subject(joining.group), let user = try subject(joining.member.user),
      group.tags == joining.groupTags, user.tags == joining.userTags,
      try placedClasses(of: group.id) == joining.dataClasses
    else { return outrun }
    if group.isErasing || user.isErasing { return erasing(isGroup: group.isErasing) }
    let barred = try places(joining.barred, of: group.id)
    let isMember = try connection.integer(
      "SELECT 1 FROM member WHERE group_id = ? AND user = ? AND profile <> ''", .integer(group.id),
      .integer(user.id))
    try addMember(user, as: joining.member.author, to: group.id)
    try followMembers(of: group.id, always: false)
    if isMember == nil { try appendMembers(of: group, barred: barred) }
    return nil
  }

  /// Names the group alone: who joined or left is nobody's to know later.
  private func appendMembers(of group: Subject, barred: [LedgerEntry.Place]?) throws {
    try append(.members) { entry in
      entry.name(group.alias, isGroup: true)
      entry.places = barred
    }
  }

  /// Where the homes are that are barred; nil if none is. What is barred in their shards is counted again.
  ///
  /// - Throws: `outrun` if the homes are not those that were judged.
  private func places(_ barring: BarredPlaces, of user: Int64) throws -> [LedgerEntry.Place]? {
    let homes = try connection.rows(
      "SELECT class, serial, shard FROM placement WHERE user = ? AND state = 'placed' ORDER BY class",
      .integer(user), as: { (dataClass: $0.text(0), serial: $0.integer(1), shard: $0.integer(2)) })
    let serials = homes.map { ($0.dataClass, $0.serial) }
    guard barring.judged == Dictionary(uniqueKeysWithValues: serials) else { throw outrun }
    let places = try homes.compactMap { home -> LedgerEntry.Place? in
      guard let shard = shardNames[home.shard] else { return nil }
      guard let rules = barring.rules[home.dataClass] else {
        try countBarredAgain(inShard: shard)
        return nil
      }
      try countOneMoreBarred(inShard: shard)
      var place = try place(home.dataClass, inShard: shard)
      place.rules = rules.isEmpty ? nil : rules
      return place
    }
    return places.isEmpty ? nil : places
  }

  private func placedClasses(of user: Int64) throws(SQLiteError) -> Set<String> {
    Set(
      try connection.rows(
        "SELECT class FROM placement WHERE user = ?", .integer(user), as: { $0.text(0) }))
  }

  /// Who has left keeps a row without a profile: the records that the user has written are found by it.
  func leave(_ group: OwnerKey, user: OwnerKey) throws -> Bool {
    guard let group = try subject(group), let user = try subject(user) else { return false }
    try connection.run(
      "UPDATE member SET profile = '' WHERE group_id = ? AND user = ? AND profile <> ''",
      .integer(group.id), .integer(user.id))
    guard connection.changes > 0 else {
      return try connection.integer(
        "SELECT 1 FROM member WHERE user = ? AND group_id = ?", .integer(user.id),
        .integer(group.id)) != nil
    }
    // With a new version in any case: what the user was about to write there is refused.
    try followMembers(of: group.id, always: true)
    try appendMembers(of: group, barred: nil)
    return true
  }

  func leaveAll(user: Int64) throws {
    let left = try groups(of: user)
    try connection.run("UPDATE member SET profile = '' WHERE user = ?", .integer(user))
    for group in left { try followMembers(of: group, always: true) }
  }

  /// Makes these users the members of a group that was just made.
  func addMembers(_ members: [GroupMember], to group: Int64) throws {
    for member in members {
      guard let user = try subject(member.user), !user.isErasing else { throw outrun }
      try addMember(user, as: member.author, to: group)
    }
  }

  /// Whether a group has just these members.
  func hasMembers(_ members: [GroupMember], group: Int64) throws -> Bool {
    let owners = try connection.rows(
      "SELECT u.owner FROM member m JOIN user u ON u.id = m.user WHERE m.group_id = ? AND m.profile <> ''",
      .integer(group), as: { OwnerKey(bytes: $0.blob(0)) })
    return Set(owners) == Set(members.map(\.user))
  }

  /// The profile that these users have together; nil if one of them is not here, or is being erased.
  func profile(ofMembers members: [GroupMember]) throws -> HomeProfile? {
    let users = try members.map { try subject($0.user) }
    guard users.allSatisfy({ $0.map { !$0.isErasing && !$0.isGroup } ?? false }) else { return nil }
    return HomeProfile(users.compactMap { $0.flatMap { ResidencyProfile($0.profile) } })
  }

  func noteStamped(_ pending: PendingTags) throws {
    try connection.run(
      """
      DELETE FROM outbox
      WHERE user = ?1 AND class = ?2 AND (SELECT tags FROM user WHERE id = ?1) = ?3
      """, .integer(pending.userID), .text(pending.staging.home.dataClass),
      .integer(pending.staging.home.tags))
    try countBarredAgain(inShard: pending.shard)
  }

  /// Who comes back is the author that the user was.
  private func addMember(
    _ user: Subject, as author: OwnerAlias, to group: Int64
  ) throws(SQLiteError) {
    try connection.run(
      """
      INSERT INTO member (group_id, profile, user, author) VALUES (?, ?, ?, ?)
      ON CONFLICT (user, group_id) DO UPDATE SET profile = excluded.profile
      """, .integer(group), .text(user.profile), .integer(user.id), .blob(author.bytes))
  }

  private func groups(of user: Int64) throws(SQLiteError) -> [Int64] {
    try connection.rows(
      "SELECT group_id FROM member WHERE user = ? AND profile <> ''", .integer(user),
      as: { $0.integer(0) })
  }

  /// Gives a group the profile of its members, found one by one in the index, however many have the same.
  private func followMembers(of group: Int64, always: Bool) throws {
    let profiles = try connection.rows(
      """
      WITH RECURSIVE found (profile) AS (
        SELECT min(profile) FROM member WHERE group_id = ?1 AND profile > ''
        UNION ALL
        SELECT (SELECT min(profile) FROM member WHERE group_id = ?1 AND profile > found.profile)
        FROM found WHERE found.profile IS NOT NULL)
      SELECT profile FROM found WHERE profile IS NOT NULL
      """, .integer(group), as: { ResidencyProfile($0.text(0)) })
    let profile = HomeProfile(profiles.compactMap(\.self))
    let old = try connection.rows(
      "SELECT profile FROM user WHERE id = ?", .integer(group), as: { $0.text(0) }
    ).first
    if always || old != "\(profile)" { try setProfile("\(profile)", of: group) }
  }

  private func setProfile(_ profile: String, of user: Int64) throws {
    try connection.run(
      "UPDATE user SET tags = ?, profile = ? WHERE id = ?", .integer(try nextSerial()),
      .text(profile), .integer(user))
    // What is staged with the earlier tags is outrun, and dropped by the outbox under this token.
    let admitting = try connection.rows(
      "SELECT class FROM placement WHERE user = ? AND state = 'admitting'", .integer(user),
      as: { $0.text(0) })
    for dataClass in admitting {
      try connection.run(
        "UPDATE placement SET serial = ? WHERE user = ? AND class = ?",
        .integer(try nextSerial()), .integer(user), .text(dataClass))
    }
    try connection.run(
      "INSERT OR IGNORE INTO outbox (user, class) SELECT user, class FROM placement WHERE user = ?",
      .integer(user))
  }

  /// Whoever goes on with an admission stages its home with the latest tags.
  func forgetPendingTags(of user: Int64, _ dataClass: String) throws(SQLiteError) {
    try connection.run(
      "DELETE FROM outbox WHERE user = ? AND class = ?", .integer(user), .text(dataClass))
  }

  private struct Subject {
    let id: Int64
    let alias: OwnerAlias
    let tags: Int64
    let profile: String
    let isErasing: Bool
    let isGroup: Bool
  }

  private func subject(_ owner: OwnerKey) throws(SQLiteError) -> Subject? {
    try connection.rows(
      "SELECT id, tags, profile, erasing IS NOT NULL, is_group, alias FROM user WHERE owner = ?",
      .blob(owner.bytes),
      as: { row in
        Subject(
          id: row.integer(0), alias: OwnerAlias(bytes: row.blob(5)), tags: row.integer(1),
          profile: row.text(2),
          isErasing: row.integer(3) != 0, isGroup: row.integer(4) != 0)
      }
    ).first
  }
}
