import DomicilePolicy
import DomicileSQLite
import DomicileStorage
import Foundation

/// A connection that reads the directory, with its statements.
final class DirectoryReader {
  let connection: Connection
  private let selectUser: Statement
  private let selectPolicy: Statement

  private static let columns =
    "u.id, u.owner, u.alias, u.tags, u.profile, u.erasing, u.erasure_due IS NOT NULL OR u.erasure_lease IS NOT NULL, u.is_group"
  private static let joined = """
    , p.class, s.name, p.serial, p.state
    FROM user u LEFT JOIN placement p ON p.user = u.id LEFT JOIN shard s ON s.id = p.shard
    """

  init(connection: Connection) throws(SQLiteError) {
    self.connection = connection
    selectUser = try connection.prepare(
      "SELECT \(Self.columns)\(Self.joined) WHERE u.owner = ? ORDER BY p.class")
    selectPolicy = try connection.prepare(
      """
      SELECT p.generation, p.digest, p.applied, p.day
      FROM directory d JOIN policy p ON p.generation = d.generation
      """)
  }

  func inForce() throws(SQLiteError) -> (LawReference, applied: Date, day: PolicyDay)? {
    defer { selectPolicy.reset() }
    guard try selectPolicy.step() else { return nil }
    return Self.applied(selectPolicy)
  }

  func policy(
    ofGeneration generation: Int64
  ) throws(SQLiteError) -> (LawReference, applied: Date, day: PolicyDay)? {
    try connection.rows(
      "SELECT generation, digest, applied, day FROM policy WHERE generation = ?",
      .integer(generation), as: Self.applied
    ).first
  }

  private static func applied(_ row: Statement) -> (LawReference, applied: Date, day: PolicyDay) {
    (
      LawReference(generation: row.integer(0), digest: PolicyDigest(bytes: row.blob(1))),
      Date(milliseconds: row.integer(2)), PolicyDay(number: Int(row.integer(3)))
    )
  }

  func user(_ owner: OwnerKey) throws -> UserEntry? {
    try selectUser.bind(1, owner.bytes)
    defer { selectUser.reset() }
    return try entries(selectUser).first
  }

  func user(named alias: OwnerAlias) throws -> UserEntry? {
    let statement = try connection.prepare(
      "SELECT \(Self.columns)\(Self.joined) WHERE u.alias = ? ORDER BY p.class")
    try statement.bind([.blob(alias.bytes)])
    defer { statement.reset() }
    return try entries(statement).first
  }

  /// Users after a number, as many as asked for, each with all placements.
  func users(after id: Int64, limit: Int) throws -> [UserEntry] {
    let statement = try connection.prepare(
      """
      SELECT \(Self.columns)\(Self.joined)
      WHERE u.id IN (SELECT id FROM user WHERE id > ? ORDER BY id LIMIT ?) ORDER BY u.id, p.class
      """)
    try statement.bind([.integer(id), .integer(Int64(limit))])
    defer { statement.reset() }
    return try entries(statement)
  }

  private func entries(_ rows: Statement) throws -> [UserEntry] {
    var entries: [UserEntry] = []
    while try rows.step() {
      let id = rows.integer(0)
      var placements = entries.last?.id == id ? entries.removeLast().placements : []
      if !rows.isNull(8) {
        guard let state = Placement.State(rawValue: rows.text(11)) else { throw unreadable(id) }
        placements.append(
          Placement(
            dataClass: rows.text(8), shard: rows.text(9), serial: rows.integer(10), state: state))
      }
      guard let owner = OwnerKey(bytes: rows.blob(1)), let profile = HomeProfile(rows.text(4))
      else { throw unreadable(id) }
      entries.append(
        UserEntry(
          id: id, owner: owner, alias: OwnerAlias(bytes: rows.blob(2)), tags: rows.integer(3),
          profile: profile, isGroup: rows.integer(7) != 0, isErasing: !rows.isNull(5),
          hasErasureTime: rows.integer(6) != 0,
          placements: placements))
    }
    return entries
  }

  func sharedPlacements(of owner: OwnerKey) throws -> [SharedPlacement] {
    try connection.rows(
      """
      SELECT g.id, g.alias, g.profile, p.class, s.name, p.serial, p.state, g.owner, m.author, m.profile <> ''
      FROM user u JOIN member m ON m.user = u.id JOIN user g ON g.id = m.group_id
        JOIN placement p ON p.user = g.id JOIN shard s ON s.id = p.shard
      WHERE u.owner = ? ORDER BY g.alias, p.class
      """, .blob(owner.bytes),
      as: { row -> Result<SharedPlacement, StorageError> in
        guard let profile = HomeProfile(row.text(2)),
          let state = Placement.State(rawValue: row.text(6)),
          let group = OwnerKey(bytes: row.blob(7))
        else { return .failure(unreadable(row.integer(0))) }
        return .success(
          SharedPlacement(
            group: group, alias: OwnerAlias(bytes: row.blob(1)),
            author: OwnerAlias(bytes: row.blob(8)), isMember: row.integer(9) != 0, profile: profile,
            placement: Placement(
              dataClass: row.text(3), shard: row.text(4), serial: row.integer(5), state: state)))
      }
    ).map { try $0.get() }
  }

  func pendingTags(of owner: OwnerKey?, after last: PendingTags?, limit: Int) throws
    -> [PendingTags]
  {
    let ofOwner = """
      AND o.user IN (
        SELECT id FROM user WHERE owner = ?2 UNION ALL
        SELECT m.group_id FROM user u JOIN member m ON m.user = u.id WHERE u.owner = ?2)
      """
    return try connection.rows(
      """
      SELECT u.id, u.owner, u.alias, u.tags, u.profile, p.class, p.serial, s.name,
        p.state = 'admitting'
      FROM outbox o JOIN user u ON u.id = o.user
        JOIN placement p ON p.user = o.user AND p.class = o.class
        JOIN shard s ON s.id = p.shard
      WHERE (o.user, o.class) > (?3, ?4) \(owner == nil ? "AND ?2 IS NULL" : ofOwner)
      ORDER BY o.user, o.class LIMIT ?1
      """, .integer(Int64(limit)), owner.map { .blob($0.bytes) } ?? .null,
      .integer(last?.userID ?? 0), .text(last?.staging.home.dataClass ?? ""),
      as: { row -> Result<PendingTags, StorageError> in
        guard let owner = OwnerKey(bytes: row.blob(1)), let profile = HomeProfile(row.text(4))
        else { return .failure(unreadable(row.integer(0))) }
        let pending = PendingTags(
          userID: row.integer(0), shard: row.text(7), isAdmitting: row.integer(8) != 0,
          staging: HomeStaging(
            home: HomeReference(
              owner: owner, dataClass: row.text(5), serial: row.integer(6), tags: row.integer(3)),
            alias: OwnerAlias(bytes: row.blob(2)), profile: profile))
        return .success(pending)
      }
    ).map { try $0.get() }
  }

  private func unreadable(_ id: Int64) -> StorageError {
    StorageError(.corrupt, "The row \(id) of the directory cannot be read. Restore the directory.")
  }
}
