import DomicilePolicy
import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Synchronization

// MARK: The law

extension Int64 {
  static let minute: Int64 = 60
  static let hour: Int64 = 3_600
  static let day: Int64 = 86_400
}

extension Duration {
  static func minutes(_ count: Int) -> Duration { .seconds(60 * count) }
  static func hours(_ count: Int) -> Duration { .seconds(3_600 * count) }
  static func days(_ count: Int) -> Duration { .seconds(86_400 * count) }
}

extension ShardLaw.Retention {
  /// What tests have the policy say, in seconds.
  static func limits(
    standard: Int64? = nil, longest: Int64? = nil, shortest: Int64? = nil
  ) -> ShardLaw.Retention {
    ShardLaw.Retention(
      standardSeconds: standard ?? longest, longestSeconds: longest, shortestSeconds: shortest,
      rule: "messages: limits (policy.yaml:7)")
  }
}

extension ShardLaw {
  /// The law of test shards, with limits for how long messages are kept.
  static func keeping(_ retention: Retention?) -> ShardLaw {
    let law = germanyAndIreland
    return ShardLaw(
      rows: law.rows, collections: law.collections, attributes: law.attributes,
      retention: retention.map { ["messages": $0] } ?? [:])
  }
}

// MARK: Requests

extension ShardStore {
  /// Changes how long messages are kept, under the same reference.
  func keep(_ retention: ShardLaw.Retention?) async throws {
    _ = try await raise(to: .first, law: .keeping(retention), accepts: ["EU"], by: .soon)
  }

  /// Writes records whose keys are numbers of four digits.
  func fill(
    _ numbers: some Sequence<Int>, of home: HomeReference = .ada, in collection: String = "inbox",
    text: String = "value", labels: [String: String] = [:], expiry: RecordExpiry = .byDefault
  ) async throws {
    let operations = try numbers.map { number in
      try RecordOperation.put(
        .numbered(number), text, in: collection, labels: labels, expiry: expiry)
    }
    _ = try await write(WriteRequest(home: home, law: .first, operations: operations), by: .soon)
  }

  @discardableResult
  func erase(_ home: HomeReference = .ada, token: Int64) async throws -> ErasedHome {
    let erased = await erase(
      HomeErasure(owner: home.owner, dataClass: home.dataClass, token: token), by: .soon)
    if let error = erased.error { throw error }
    return erased
  }

  @discardableResult
  func erase(
    _ range: KeyRange, of home: HomeReference = .ada, in collection: String = "inbox",
    law: LawReference = .first
  ) async throws -> ErasedRecords {
    try await erase(
      RangeErasure(home: home, law: law, collection: collection, range: range), by: .soon)
  }

  func setLifetime(
    _ lifetime: LifetimeRequest.Lifetime, prefix: String = "", of home: HomeReference = .ada
  ) async throws {
    try await setLifetime(
      LifetimeRequest(
        home: home, law: .first, collection: "inbox", prefix: Array(prefix.utf8),
        lifetime: lifetime), by: .soon)
  }

  func hold(
    _ name: String, until: Int64? = nil, on home: HomeReference = .ada
  ) async throws -> StorageError.Code? {
    try await hold([home], name: name, until: until, by: .soon)[0]?.code
  }

  func release(
    _ name: String, on home: HomeReference = .ada
  ) async throws -> StorageError.Code? {
    try await release([home], name: name, by: .soon)[0]?.code
  }

  @discardableResult
  func sweep() async throws -> Sweep { try await sweep(purgesAll: false, by: .soon) }

  func acceptClock() async throws { try await acceptClock(by: .soon) }

  /// The keys of a collection's records that can be seen, as text.
  func keys(of home: HomeReference = .ada) throws -> [String] {
    try page(PageRequest(home: home, collection: "inbox", limit: 1_000))
      .records.map { $0.key.text ?? "?" }
  }

  /// How long after its writing a record expires, in seconds; nil for never.
  func lifetime(_ key: RecordKey, of home: HomeReference = .ada) throws -> Double? {
    guard let record = try record(key, of: home) else { throw Missing(key: key) }
    return record.expires?.timeIntervalSince(record.written)
  }
}

struct Missing: Error { let key: RecordKey }

extension RecordKey {
  static func numbered(_ number: Int) -> RecordKey { RecordKey(.numbered(number)) }
}

extension String {
  /// A number of four digits.
  static func numbered(_ number: Int) -> String {
    String("\(10_000 + number)".dropFirst())
  }
}

/// The error that a call throws; nil if it throws nothing.
func refusal(_ body: () async throws -> Void) async -> StorageError? {
  do {
    try await body()
    return nil
  } catch {
    return error as? StorageError
  }
}

// MARK: Looking

extension TestShard {
  var now: Int64 { clock.now.milliseconds }

  /// The rows of a query as text, by a connection of its own.
  func texts(_ sql: String) throws -> [String] {
    try Connection(path: path, mode: .reading).rows(sql, as: { $0.text(0) })
  }

  func count(_ table: String) throws -> Int64 {
    try integer("SELECT count(*) FROM \(table)") ?? -1
  }

  /// Puts a home into a state, as a move would.
  func set(_ state: HomeState, _ home: HomeReference = .ada) throws {
    let owner = home.owner.bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
    try execute("UPDATE home SET state = '\(state)' WHERE owner = x'\(owner.joined())'")
  }

  /// Opens the shard and counts the transactions that a call takes.
  func transactions(of body: (SQLiteShard) async throws -> Void) async throws -> Int {
    let count = Atomic(0)
    try await with(
      { $0.observe = { _ in count.add(1, ordering: .relaxed) } }, body)
    return count.load(ordering: .relaxed)
  }
}
