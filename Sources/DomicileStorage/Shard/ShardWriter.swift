import DomicilePolicy
package import DomicileSQLite
import Foundation

/// What the writer thread of a shard works with: the fence and the statements that change things.
///
/// All methods are called inside the transaction of a batch.
package final class ShardWriter: CommitContext {
  package let connection: Connection
  private let identity: ShardIdentity
  private let clock: WallClock
  private let random: @Sendable () -> UInt64
  private let readGeneration: (@Sendable () throws -> Int64)?

  // What the shard says of the policy, read again in each batch; the law only when its stamp has changed.
  private var stamp = LawReference(generation: 0, digest: PolicyDigest(bytes: []))
  private var law = ShardLaw(rows: [])
  private var lawStamp: LawReference?
  private var verdicts: [VerdictKey: Bool] = [:]
  private var now: Int64 = 0
  /// What the directory says, read before each batch; the shard's own stamp where there is no directory.
  private var generationInForce: Int64 = 0

  private struct VerdictKey: Hashable {
    let dataClass: String
    let profile: String
  }

  private let selectStamp: Statement
  private let selectHome: Statement
  private let selectRecord: Statement
  private let upsertRecord: Statement
  private let deleteRecord: Statement
  private let insertLabel: Statement
  private let deleteLabel: Statement
  private let noteChange: Statement

  init(
    connection: Connection, identity: ShardIdentity, clock: WallClock,
    random: @escaping @Sendable () -> UInt64,
    readGeneration: (@Sendable () throws -> Int64)? = nil
  ) throws(SQLiteError) {
    self.connection = connection
    self.identity = identity
    self.clock = clock
    self.random = random
    self.readGeneration = readGeneration
    selectStamp = try connection.prepare("SELECT generation, digest FROM shard")
    selectHome = try connection.prepare(
      "SELECT id, serial, state, tags, profile FROM home WHERE owner = ? AND class = ?")
    selectRecord = try connection.prepare(
      "SELECT version, expires, labels FROM record WHERE home = ? AND collection = ? AND key = ?")
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
    now = clock.milliseconds
    defer { selectStamp.reset() }
    guard try selectStamp.step() else {
      throw SQLiteError(code: 11, message: "the shard has no identity")
    }
    stamp = LawReference(
      generation: selectStamp.integer(0), digest: PolicyDigest(bytes: selectStamp.blob(1)))
    if stamp != lawStamp {
      law = try Self.readLaw(connection)
      verdicts = [:]
      lawStamp = stamp
    }
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

  package func settle() throws(SQLiteError) {
    try connection.run("UPDATE shard SET settled = settled + 1")
  }

  static func readLaw(_ connection: Connection) throws(SQLiteError) -> ShardLaw {
    let rows = try connection.rows(
      "SELECT class, residence, considering, attributes FROM law",
      as: { row in
        CountryCode(row.text(1)).map { residence in
          ShardLaw.Row(
            dataClass: row.text(0), residence: residence,
            considering: row.text(2).split(separator: " ").map(String.init),
            having: row.text(3).split(separator: " ").map(String.init))
        }
      })
    let collections = try connection.rows(
      "SELECT collection, class FROM law_collection", as: { ($0.text(0), $0.text(1)) })
    return ShardLaw(
      rows: rows.compactMap(\.self),
      collections: Dictionary(collections, uniquingKeysWith: { first, _ in first }),
      attributes: try connection.rows(
        "SELECT attribute FROM law_attribute", as: { $0.text(0) }))
  }

  // MARK: The fence

  private struct FencedHome {
    let id: Int64
    let isCopying: Bool
  }

  /// Everything that must be so before a byte reaches the file, by what the shard itself knows.
  private func fence(_ request: WriteRequest) throws -> FencedHome {
    let home = request.home
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
    case .absent, .moved, .erased: throw refusal(.moved)
    }
    guard selectHome.integer(3) == home.tags else { throw refusal(.retagged) }
    guard isInForce(request.law),
      request.operations.allSatisfy({ law.collections[$0.collection] == home.dataClass })
    else { throw refusal(.policyChanged) }
    if request.operations.contains(where: \.isPut) {
      guard permits(profile: selectHome.text(4), dataClass: home.dataClass) else {
        throw refusal(.barred)
      }
    }
    return FencedHome(id: selectHome.integer(0), isCopying: state == .copying)
  }

  /// Whether a policy is the one that shard and directory have.
  private func isInForce(_ reference: LawReference) -> Bool {
    stamp == reference && generationInForce == stamp.generation
  }

  private func permits(profile: String, dataClass: String) -> Bool {
    let key = VerdictKey(dataClass: dataClass, profile: profile)
    if let known = verdicts[key] { return known }
    let verdict = ResidencyProfile(profile).map { law.permits($0, dataClass: dataClass) } ?? false
    verdicts[key] = verdict
    return verdict
  }

  private func refusal(_ code: StorageError.Code) -> StorageError {
    let why =
      switch code {
      case .moved: "The home is not here, or not under that serial"
      case .notOpen: "The home is not open yet"
      case .frozen: "The home is being moved"
      case .retagged: "The user's tags have changed"
      case .policyChanged: "The policy in force has changed"
      case .barred: "The law of \(identity.place) no longer permits this home"
      default: "Refused"
      }
    return StorageError(code, "\(why); nothing was written.")
  }

  // MARK: Records

  func write(_ request: WriteRequest) throws -> [RecordOutcome] {
    let home = try fence(request)
    return try request.operations.map { try apply($0, to: home) }
  }

  private func apply(_ operation: RecordOperation, to home: FencedHome) throws -> RecordOutcome {
    let old = try oldRecord(operation, home: home.id)
    let isThere = old.map { !$0.isExpired(at: now) } ?? false
    switch operation.condition {
    case nil: break
    case .absent where !isThere: break
    case .version(let version) where isThere && old?.version == version.number: break
    default:
      throw StorageError(
        .versionMismatch,
        "The record is not as the condition demands; nothing was written. Read it and try again.")
    }
    // The last that can be refused; what follows changes rows.
    var expires: Int64?
    if case .put(_, _, let expiry) = operation.change {
      expires = try expiry.milliseconds(now: now)
    }
    if home.isCopying, old != nil || operation.isPut {
      try noteChange.bind(1, home.id)
      try noteChange.bind(2, operation.collection)
      try noteChange.bind(3, operation.key)
      try noteChange.run()
    }
    if let labels = old?.labels {
      for (name, value) in labels { try run(deleteLabel, operation, home.id, name, value) }
    }
    switch operation.change {
    case .delete:
      if old != nil {
        try deleteRecord.bind(1, home.id)
        try deleteRecord.bind(2, operation.collection)
        try deleteRecord.bind(3, operation.key)
        try deleteRecord.run()
      }
      return RecordOutcome(version: nil, existed: isThere)
    case .put(let value, let labels, _):
      let version = RecordVersion(number: Int64(bitPattern: random()))
      try upsertRecord.bind(1, home.id)
      try upsertRecord.bind(2, operation.collection)
      try upsertRecord.bind(3, operation.key)
      try upsertRecord.bind(4, version.number)
      try upsertRecord.bind(5, now)
      try upsertRecord.bind(6, expires)
      if let text = try LabelText.encode(labels) {
        try upsertRecord.bind(7, text)
      } else {
        try upsertRecord.bindNull(7)
      }
      try upsertRecord.bind(8, value)
      try upsertRecord.run()
      for (name, value) in labels { try run(insertLabel, operation, home.id, name, value) }
      return RecordOutcome(version: version, existed: isThere)
    }
  }

  private struct OldRecord {
    let version: Int64
    let expires: Int64?
    let labels: [String: String]
    func isExpired(at now: Int64) -> Bool { expires.map { $0 <= now } ?? false }
  }

  private func oldRecord(_ operation: RecordOperation, home: Int64) throws -> OldRecord? {
    try selectRecord.bind(1, home)
    try selectRecord.bind(2, operation.collection)
    try selectRecord.bind(3, operation.key)
    defer { selectRecord.reset() }
    guard try selectRecord.step() else { return nil }
    return OldRecord(
      version: selectRecord.integer(0), expires: selectRecord.integerIfPresent(1),
      labels: selectRecord.isNull(2) ? [:] : try LabelText.decode(selectRecord.text(2)))
  }

  private func run(
    _ statement: Statement, _ operation: RecordOperation, _ home: Int64, _ name: String,
    _ value: String
  ) throws(SQLiteError) {
    try statement.bind(1, home)
    try statement.bind(2, operation.collection)
    try statement.bind(3, name)
    try statement.bind(4, value)
    try statement.bind(5, operation.key)
    try statement.run()
  }

  // MARK: Homes

  /// Stages a home as incoming, over nothing or over a row with a lower or equal token, and only if the law
  /// permits it.
  func stage(_ staging: HomeStaging, law reference: LawReference) throws -> StorageError? {
    let home = staging.home
    guard isInForce(reference) else { return refusal(.policyChanged) }
    guard permits(profile: "\(staging.profile)", dataClass: home.dataClass) else {
      return refusal(.barred)
    }
    if let old = try homeRow(home.owner, home.dataClass) {
      // The same token means the same staging, which may already have been opened.
      guard old.serial <= home.serial else { return outrun }
      switch old.state {
      case .absent, .incoming: break
      case .erased where old.serial < home.serial: break
      case .active where old.serial == home.serial: return nil
      default: return outrun
      }
    }
    try connection.run(
      """
      INSERT INTO home (owner, class, alias, serial, state, tags, profile)
      VALUES (?, ?, ?, ?, 'incoming', ?, ?)
      ON CONFLICT (owner, class) DO UPDATE SET alias = excluded.alias, serial = excluded.serial,
        state = excluded.state, tags = excluded.tags, profile = excluded.profile
      """,
      .blob(home.owner.bytes), .text(home.dataClass), .blob(staging.alias.bytes),
      .integer(home.serial), .integer(home.tags), .text("\(staging.profile)"))
    return nil
  }

  /// Opens a home that the directory names, at exactly the directory's serial.
  func open(_ home: HomeReference) throws -> StorageError? {
    try connection.run(
      """
      UPDATE home SET state = 'active'
      WHERE owner = ? AND class = ? AND serial = ? AND state = 'incoming'
      """,
      .blob(home.owner.bytes), .text(home.dataClass), .integer(home.serial))
    if connection.changes == 1 { return nil }
    let row = try homeRow(home.owner, home.dataClass)
    guard let row, row.serial == home.serial, row.state.answersReads else {
      return refusal(.moved)
    }
    return nil
  }

  /// Drops a staged home, leaving a row `absent` with the token; a row is made where there is none.
  func drop(_ home: HomeReference) throws -> StorageError? {
    if let old = try homeRow(home.owner, home.dataClass) {
      guard old.serial <= home.serial, old.state == .absent || old.state == .incoming else {
        return outrun
      }
    }
    try connection.run(
      """
      INSERT INTO home (owner, class, alias, serial, state, tags, profile)
      VALUES (?, ?, x'', ?, 'absent', 0, '')
      ON CONFLICT (owner, class) DO UPDATE SET alias = x'', serial = excluded.serial,
        state = 'absent', tags = 0, profile = ''
      """,
      .blob(home.owner.bytes), .text(home.dataClass), .integer(home.serial))
    return nil
  }

  private func homeRow(
    _ owner: OwnerKey, _ dataClass: String
  ) throws -> (serial: Int64, state: HomeState)? {
    try selectHome.bind(1, owner.bytes)
    try selectHome.bind(2, dataClass)
    defer { selectHome.reset() }
    guard try selectHome.step() else { return nil }
    guard let state = HomeState(rawValue: selectHome.text(2)) else {
      throw StorageError(.corrupt, "A home of \(identity.place) has no known state.")
    }
    return (selectHome.integer(1), state)
  }

  private var outrun: StorageError {
    StorageError(.outrun, "Another admission of this user went ahead; nothing was written.")
  }

  // MARK: The law

  /// Stamps the shard with a policy, unless it has a later one. Whether the shard has this one now.
  func raise(
    to reference: LawReference, law: ShardLaw, accepts: [String]
  ) throws(SQLiteError) -> Bool {
    if stamp == reference, try Self.readLaw(connection) == law { return true }
    if stamp.generation == reference.generation, stamp.digest != reference.digest { return false }
    guard stamp.generation <= reference.generation else { return false }
    for table in ["law", "law_collection", "law_attribute"] {
      try connection.execute("DELETE FROM \(table)")
    }
    for (collection, dataClass) in law.collections {
      try connection.run(
        "INSERT INTO law_collection (collection, class) VALUES (?, ?)", .text(collection),
        .text(dataClass))
    }
    for attribute in law.attributes {
      try connection.run("INSERT INTO law_attribute (attribute) VALUES (?)", .text(attribute))
    }
    let insert = try connection.prepare(
      "INSERT INTO law (class, residence, considering, attributes) VALUES (?, ?, ?, ?)")
    for row in law.rows {
      try insert.bind([
        .text(row.dataClass), .text("\(row.residence)"),
        .text(row.considering.joined(separator: " ")), .text(row.having.joined(separator: " ")),
      ])
      try insert.run()
    }
    try connection.run(
      "UPDATE shard SET generation = ?, digest = ?, accepts = ?", .integer(reference.generation),
      .blob(reference.digest.bytes), .text(accepts.joined(separator: " ")))
    // Jobs later in this batch are decided by the new law.
    stamp = reference
    generationInForce = max(generationInForce, reference.generation)
    self.law = law
    verdicts = [:]
    lawStamp = nil
    return true
  }
}
