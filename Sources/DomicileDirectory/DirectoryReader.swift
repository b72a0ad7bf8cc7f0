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
    "u.id, u.owner, u.alias, u.tags, u.profile, u.erasing, u.erasure_due IS NOT NULL OR u.erasure_lease IS NOT NULL"
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
      if !rows.isNull(7) {
        guard let state = Placement.State(rawValue: rows.text(10)) else { throw unreadable(id) }
        placements.append(
          Placement(
            dataClass: rows.text(7), shard: rows.text(8), serial: rows.integer(9), state: state))
      }
      guard let owner = OwnerKey(bytes: rows.blob(1)), let profile = ResidencyProfile(rows.text(4))
      else { throw unreadable(id) }
      entries.append(
        UserEntry(
          id: id, owner: owner, alias: OwnerAlias(bytes: rows.blob(2)), tags: rows.integer(3),
          profile: profile, isErasing: !rows.isNull(5), hasErasureTime: rows.integer(6) != 0,
          placements: placements))
    }
    return entries
  }

  private func unreadable(_ id: Int64) -> StorageError {
    StorageError(.corrupt, "The row \(id) of the directory cannot be read. Restore the directory.")
  }
}
