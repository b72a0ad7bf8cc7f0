import DomicilePolicy
import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Synchronization

/// One shard in a folder of its own, with a manual clock and random numbers from a seed.
///
/// It is made under ``LawReference/first`` with the homes `ada` (DE) and `ben` (IE) open.
final class TestShard: Sendable {
  static let identity = ShardIdentity(
    deployment: [UInt8](repeating: 0xD0, count: 16), name: "dublin-1", region: "dublin",
    country: "IE", keyCheck: [1, 2, 3])

  let folder: TemporaryFolder
  let clock = ManualClock()
  private let random: Mutex<SeededRandom>

  /// Makes the shard, with more homes of the class `messages` open.
  init(seed: UInt64 = 1, homes: [HomeStaging] = []) async throws {
    folder = try .inMemory()
    random = Mutex(SeededRandom(seed: seed))
    try SQLiteShard.create(path: path, identity: Self.identity)
    let all = [HomeStaging(.ada, "DE"), HomeStaging(.ben, "IE")] + homes
    try await with { shard in
      _ = try await shard.raise(to: .first, law: .germanyAndIreland, accepts: ["EU"], by: .soon)
      let refusals = try await shard.stage(all, law: .first, by: .soon)
      precondition(refusals.allSatisfy { $0 == nil }, "a home could not be staged")
      _ = try await shard.open(all.map(\.home), by: .soon)
    }
  }

  var path: String { "\(folder.path)/dublin-1.sqlite" }

  var options: SQLiteShard.Options {
    var options = SQLiteShard.Options()
    options.clock = clock.wallClock
    options.random = { [self] in random.withLock { $0.next() } }
    return options
  }

  func open(_ adjust: (inout SQLiteShard.Options) -> Void = { _ in }) throws -> SQLiteShard {
    var options = options
    adjust(&options)
    return try SQLiteShard(path: path, identity: Self.identity, options: options)
  }

  /// Opens the shard for the time of a call.
  @discardableResult
  func with<Result>(
    _ adjust: (inout SQLiteShard.Options) -> Void = { _ in },
    _ body: (SQLiteShard) async throws -> Result
  ) async throws -> Result {
    let shard = try open(adjust)
    do {
      let result = try await body(shard)
      await shard.close()
      return result
    } catch {
      await shard.close()
      throw error
    }
  }

  // MARK: Past the shard

  /// Changes the file by a connection of its own.
  func execute(_ sql: String) throws {
    try Connection(path: path, mode: .writing).execute(sql)
  }

  /// The first value of a query by a connection of its own.
  func integer(_ sql: String) throws -> Int64? {
    try Connection(path: path, mode: .reading).integer(sql)
  }

  /// The rows of a table as SQL literals, by a connection of its own.
  func dump(_ tables: String...) throws -> [String] {
    let connection = try Connection(path: path, mode: .reading)
    return try tables.flatMap { table in
      let columns = try connection.rows("PRAGMA table_info(\(table))", as: { $0.text(1) })
      let row = columns.map { "quote(\($0))" }.joined(separator: " || ',' || ")
      return try connection.rows("SELECT \(row) FROM \(table) ORDER BY 1", as: { $0.text(0) })
    }
  }

  /// Everything that a write of records may change.
  func recordRows() throws -> [String] { try dump("record", "label", "change") }
}

// MARK: Names

extension ContinuousClock.Instant {
  /// A deadline that no test reaches.
  static var soon: Self { .now + .seconds(300) }
}

extension OwnerKey {
  /// The owner whose 16 bytes are all the same.
  static func numbered(_ number: UInt8) -> OwnerKey {
    guard let key = OwnerKey(bytes: [UInt8](repeating: number, count: 16)) else {
      preconditionFailure("16 bytes are a key")
    }
    return key
  }
}

extension HomeReference {
  static let ada = numbered(1)
  static let ben = numbered(2)

  static func numbered(
    _ number: UInt8, dataClass: String = "messages", serial: Int64 = 10, tags: Int64 = 5
  ) -> HomeReference {
    HomeReference(owner: .numbered(number), dataClass: dataClass, serial: serial, tags: tags)
  }

  func with(serial: Int64? = nil, tags: Int64? = nil) -> HomeReference {
    HomeReference(
      owner: owner, dataClass: dataClass, serial: serial ?? self.serial, tags: tags ?? self.tags)
  }
}

extension HomeStaging {
  init(_ home: HomeReference, _ profile: String) {
    guard let profile = HomeProfile(profile) else { preconditionFailure("no profile") }
    self.init(
      home: home, alias: OwnerAlias(bytes: [UInt8](repeating: 0xA1, count: 16)), profile: profile)
  }
}

extension LawReference {
  static let first = numbered(1)
  static let second = numbered(2)
  static let third = numbered(3)

  static func numbered(_ number: UInt8) -> LawReference {
    LawReference(
      generation: Int64(number),
      digest: PolicyDigest(bytes: [UInt8](repeating: number, count: 32)))
  }
}

extension ShardLaw {
  /// Messages of Irish residents, and of German ones unless they are minors.
  static let germanyAndIreland = messages(of: [.germans, .irish])
  /// Messages of Irish residents.
  static let ireland = messages(of: [.irish])

  static func messages(of rows: [Row]) -> ShardLaw {
    ShardLaw(
      rows: rows, collections: ["inbox": "messages", "threads": "messages", "bills": "payments"],
      attributes: ["minor", "scc-signed"])
  }
}

extension ShardLaw.Row {
  static let irish = messages("IE")
  static let germans = messages("DE", considering: ["minor"])

  private static func messages(_ country: String, considering: [String] = []) -> ShardLaw.Row {
    guard let residence = CountryCode(country) else { preconditionFailure("no country") }
    return ShardLaw.Row(
      dataClass: "messages", residence: residence, considering: considering, having: [])
  }
}

// MARK: Requests

extension RecordOperation {
  static func put(
    _ key: RecordKey, _ text: String = "v", in collection: String = "inbox",
    labels: [String: String] = [:], expiry: RecordExpiry = .byDefault,
    if condition: RecordCondition? = nil
  ) throws -> RecordOperation {
    try RecordOperation(
      .put(value: Array(text.utf8), labels: labels, expiry: expiry), collection: collection,
      key: key, condition: condition)
  }

  static func delete(
    _ key: RecordKey, in collection: String = "inbox", if condition: RecordCondition? = nil
  ) throws -> RecordOperation {
    try RecordOperation(.delete, collection: collection, key: key, condition: condition)
  }
}

extension ShardStore {
  @discardableResult
  func write(
    _ operations: RecordOperation..., to home: HomeReference = .ada, law: LawReference = .first
  ) async throws -> [RecordOutcome] {
    try await write(WriteRequest(home: home, law: law, operations: operations), by: .soon)
  }

  func record(_ key: RecordKey, of home: HomeReference = .ada) throws -> StoredRecord? {
    try records(home: home, collection: "inbox", keys: [key])[0]
  }

  /// The keys of the records with a label, as text.
  func keys(labelled name: String, _ value: String) throws -> [String?] {
    try page(PageRequest(home: .ada, collection: "inbox", label: (name, value), limit: 100))
      .records.map(\.key.text)
  }
}

/// The code that a call throws; nil if it throws nothing.
func code(_ body: () async throws -> Void) async -> StorageError.Code? {
  do {
    try await body()
    return nil
  } catch let error as StorageError {
    return error.code
  } catch {
    return nil
  }
}
