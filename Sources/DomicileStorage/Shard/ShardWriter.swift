import DomicilePolicy
package import DomicileSQLite
import Foundation

/// What the writer thread of a shard works with: the fence and the statements that change things.
///
/// All methods are called inside the transaction of a batch.
package final class ShardWriter: CommitContext {
  package let connection: Connection
  let identity: ShardIdentity
  let clock: WallClock
  let random: @Sendable () -> UInt64
  private let readGeneration: (@Sendable () throws -> Int64)?
  /// Is told the anchor of each batch, for those who read.
  private let keepTime: @Sendable (TimeAnchor) -> Void

  // What the shard says of the policy, read again in each batch; the law only when its stamp has changed.
  var stamp = LawReference(generation: 0, digest: PolicyDigest(bytes: []))
  var law = ShardLaw(rows: [])
  var lawStamp: LawReference?
  /// Nothing is staged under a token that is not higher, but over a row that is there.
  var floor: Int64 = 0
  var verdicts: [VerdictKey: Bool] = [:]
  /// Shard time in this batch.
  private(set) var time = ShardTime(.none, clock: .system)
  var now: Int64 { time.now }
  /// What the directory says, read before each batch; the shard's own stamp where there is no directory.
  var generationInForce: Int64 = 0

  struct VerdictKey: Hashable {
    let dataClass: String
    let profile: String
  }

  private let selectStamp: Statement
  let selectHome: Statement
  let selectRecord: Statement
  let upsertRecord: Statement
  let deleteRecord: Statement
  let insertLabel: Statement
  let deleteLabel: Statement
  let noteChange: Statement

  init(
    connection: Connection, identity: ShardIdentity, clock: WallClock,
    random: @escaping @Sendable () -> UInt64,
    readGeneration: (@Sendable () throws -> Int64)? = nil,
    keepTime: @escaping @Sendable (TimeAnchor) -> Void = { _ in }
  ) throws(SQLiteError) {
    self.connection = connection
    self.identity = identity
    self.clock = clock
    self.random = random
    self.readGeneration = readGeneration
    self.keepTime = keepTime
    selectStamp = try connection.prepare(
      """
      SELECT generation, digest, floor, \(TimeAnchor.columns) FROM shard
      """)
    selectHome = try connection.prepare(
      """
      SELECT id, serial, state, tags, profile, lifetimes, holds, token FROM home WHERE owner = ? AND class = ?
      """)
    selectRecord = try connection.prepare(
      """
      SELECT version, expires, labels, written FROM record
      WHERE home = ? AND collection = ? AND key = ?
      """)
    upsertRecord = try connection.prepare(
      """
      INSERT INTO record (home, collection, key, version, written, expires, labels, value)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET version = excluded.version, written = excluded.written,
        expires = excluded.expires, labels = excluded.labels, value = excluded.value
      """)
    deleteRecord = try connection.prepare(
      "DELETE FROM record WHERE home = ? AND collection = ? AND key = ?")
    insertLabel = try connection.prepare(
      "INSERT INTO label (home, collection, name, value, key) VALUES (?, ?, ?, ?, ?)")
    deleteLabel = try connection.prepare(
      "DELETE FROM label WHERE home = ? AND collection = ? AND name = ? AND value = ? AND key = ?")
    noteChange = try connection.prepare(
      "INSERT OR IGNORE INTO change (home, collection, key) VALUES (?, ?, ?)")
  }

  package func beginBatch() throws(SQLiteError) {
    try readStamp()
    guard let readGeneration else {
      generationInForce = stamp.generation
      return
    }
    do {
      generationInForce = try readGeneration()
    } catch {
      throw SQLiteError(code: 10, message: "the directory cannot be read")
    }
  }

  private func readStamp() throws(SQLiteError) {
    defer { selectStamp.reset() }
    guard try selectStamp.step() else {
      throw SQLiteError(code: 11, message: "the shard has no identity")
    }
    stamp = LawReference(
      generation: selectStamp.integer(0), digest: PolicyDigest(bytes: selectStamp.blob(1)))
    floor = selectStamp.integer(2)
    if stamp != lawStamp {
      law = try Self.readLaw(connection)
      verdicts = [:]
      lawStamp = stamp
    }
    let anchor = TimeAnchor(selectStamp, from: 3)
    var current = anchor.anchored(by: clock)
    time = ShardTime(current, clock: clock)
    current.advance(to: time)
    if current != anchor { try current.keep(in: connection) }
    keepTime(current)
  }

  /// The anchor in the file.
  func anchor() throws -> TimeAnchor {
    defer { selectStamp.reset() }
    guard try selectStamp.step() else {
      throw StorageError(.corrupt, "The file of \(identity.place) has no identity. Restore it.")
    }
    return TimeAnchor(selectStamp, from: 3)
  }

  package func settle() throws(SQLiteError) {
    try connection.run("UPDATE shard SET settled = settled + 1")
  }

  // MARK: The fence

  struct FencedHome {
    let id: Int64
    let dataClass: String
    let isCopying: Bool
    /// Whether the user has set lifetimes.
    let hasLifetimes: Bool
    /// Whether there may be a legal hold.
    let hasHolds: Bool
  }

  /// Everything that must be so before a byte reaches the file, by what the shard itself knows.
  func fence(
    _ home: HomeReference, law reference: LawReference, collections: [String], isPut: Bool
  ) throws -> FencedHome {
    try selectHome.bind(1, home.owner.bytes)
    try selectHome.bind(2, home.dataClass)
    defer { selectHome.reset() }
    guard try selectHome.step() else { throw refusal(.moved) }
    guard let state = HomeState(rawValue: selectHome.text(2)) else { throw refusal(.moved) }
    guard selectHome.integer(1) == home.serial else { throw refusal(.moved) }
    switch state {
    case .active, .copying: break
    case .incoming: throw refusal(.notOpen)
    case .frozen: throw refusal(.frozen)
    case .absent, .moved, .erased, .held: throw refusal(.moved)
    }
    guard selectHome.integer(3) == home.tags else { throw refusal(.retagged) }
    guard isInForce(reference),
      collections.allSatisfy({ law.collections[$0] == home.dataClass })
    else { throw refusal(.policyChanged) }
    if isPut {
      guard permits(profile: selectHome.text(4), dataClass: home.dataClass) else {
        throw refusal(.barred)
      }
    }
    return FencedHome(
      id: selectHome.integer(0), dataClass: home.dataClass, isCopying: state == .copying,
      hasLifetimes: selectHome.integer(5) != 0, hasHolds: selectHome.integer(6) != 0)
  }

  /// Whether a policy is the one that shard and directory have.
  func isInForce(_ reference: LawReference) -> Bool { stamp == reference && isStampInForce }

  /// Whether the shard is not behind the directory: what must go and what is held is decided by the law in force.
  var isStampInForce: Bool { generationInForce == stamp.generation }

  func permits(profile: String, dataClass: String) -> Bool {
    let key = VerdictKey(dataClass: dataClass, profile: profile)
    if let known = verdicts[key] { return known }
    let verdict = HomeProfile(profile).map { law.permits($0, dataClass: dataClass) } ?? false
    // Groups have many profiles.
    if verdicts.count >= 10_000 { verdicts = [:] }
    verdicts[key] = verdict
    return verdict
  }

  func refusal(_ code: StorageError.Code) -> StorageError {
    let why =
      switch code {
      case .moved: "The home is not here, or not under that serial"
      case .notOpen: "The home is not open yet"
      case .frozen: "The home is being moved"
      case .retagged: "The user's tags have changed"
      case .policyChanged: "The policy in force has changed"
      case .erasing: "What was here is still being erased"
      case .barred: "The law of \(identity.place) no longer permits this home"
      default: "Refused"
      }
    return StorageError(code, "\(why); nothing was written.")
  }
}
