import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// How large things may be, and what is said of what is larger.
@Suite struct LimitsTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let what: String
    var key = RecordKey("k")
    var bytes = 1
    var labels: [String: String] = [:]
    var expiry = RecordExpiry.never
    /// What the message says before “Nothing was written.”; nil for what is within the limits.
    let message: String?
    var testDescription: String { what }
  }

  private static func key(_ count: Int) -> RecordKey {
    RecordKey([UInt8](repeating: 0xFF, count: count))
  }

  private static func labels(_ count: Int) -> [String: String] {
    Dictionary(uniqueKeysWithValues: (0..<count).map { ("name\($0)", "value") })
  }

  private static func text(_ count: Int) -> String { String(repeating: "x", count: count) }

  static let within = [
    Case(what: "the shortest key", key: RecordKey([0]), message: nil),
    Case(what: "the longest key", key: key(1_024), message: nil),
    Case(what: "an empty value", bytes: 0, message: nil),
    Case(what: "the longest value", bytes: 1_048_576, message: nil),
    Case(what: "all labels that there may be", labels: labels(8), message: nil),
    Case(what: "the shortest label", labels: ["n": ""], message: nil),
    Case(what: "the longest label", labels: [text(64): text(256)], message: nil),
    Case(
      what: "a label of 64 bytes in 16 letters",
      labels: [
        String(repeating: "\u{1F600}", count: 16): String(repeating: "\u{1F600}", count: 64)
      ], message: nil),
    Case(what: "the shortest lifetime", expiry: .after(.nanoseconds(1)), message: nil),
    Case(what: "the longest lifetime", expiry: .after(.seconds(Int64.max)), message: nil),
    Case(what: "the last moment", expiry: .at(.distantFuture), message: nil),
    Case(
      what: "a moment beyond the calendar",
      expiry: .at(Date(timeIntervalSince1970: .greatestFiniteMagnitude)), message: nil),
    Case(
      what: "the next millisecond", expiry: .at(ManualClock().now + 0.001), message: nil),
  ]

  static let beyond = [
    Case(
      what: "an empty key", key: key(0), message: "A key has 1 to 1,024 bytes; this one has 0."),
    Case(
      what: "a longer key", key: key(1_025),
      message: "A key has 1 to 1,024 bytes; this one has 1025."),
    Case(
      what: "a longer value", bytes: 1_048_577,
      message: "A value has at most 1,048,576 bytes; this one has 1048577."),
    Case(
      what: "one label more", labels: labels(9),
      message: "A record has at most 8 labels; this one has 9."),
    Case(
      what: "a label without a name", labels: ["": "v"],
      message: "A label's name has 1 to 64 bytes; this one has 0."),
    Case(
      what: "a label's longer name", labels: [text(65): "v"],
      message: "A label's name has 1 to 64 bytes; this one has 65."),
    Case(
      what: "a label's name of 17 letters in 68 bytes",
      labels: [String(repeating: "\u{1F600}", count: 17): "v"],
      message: "A label's name has 1 to 64 bytes; this one has 68."),
    Case(
      what: "a label's longer value", labels: ["n": text(257)],
      message: "A label's value has at most 256 bytes; this one has 257."),
    Case(
      what: "a NUL byte in a label's name", labels: ["a\0b": "v"],
      message: "A label holds no NUL byte."),
    Case(
      what: "a NUL byte in a label's value", labels: ["n": "\0"],
      message: "A label holds no NUL byte."),
    Case(
      what: "no lifetime", expiry: .after(.zero), message: "A lifetime is longer than zero."),
    Case(
      what: "a negative lifetime", expiry: .after(.seconds(-1)),
      message: "A lifetime is longer than zero."),
    Case(
      what: "a moment that is none", expiry: .at(Date(timeIntervalSince1970: .nan)),
      message: "The moment of expiry is not a date."),
  ]

  static let passed = [
    Case(
      what: "this very moment", expiry: .at(ManualClock().now),
      message: "The moment of expiry has passed already."),
    Case(
      what: "the first moment", expiry: .at(.distantPast),
      message: "The moment of expiry has passed already."),
    Case(
      what: "a moment before the calendar",
      expiry: .at(Date(timeIntervalSince1970: -.greatestFiniteMagnitude)),
      message: "The moment of expiry has passed already."),
  ]

  private func operation(_ item: Case) throws -> RecordOperation {
    try RecordOperation(
      .put(
        value: [UInt8](repeating: 7, count: item.bytes), labels: item.labels, expiry: item.expiry),
      collection: "inbox", key: item.key)
  }

  @Test(arguments: within)
  func `what is within the limits is kept as it is`(item: Case) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(operation(item))
      let record = try #require(try store.record(item.key))
      #expect(record.key == item.key)
      #expect(record.value == [UInt8](repeating: 7, count: item.bytes))
      #expect(record.labels == item.labels)
      #expect((record.expires != nil) == (item.expiry != .never))
      #expect(try store.integrityFindings() == [])
    }
  }

  @Test(arguments: beyond)
  func `what is beyond the limits is refused before it is asked for`(item: Case) throws {
    let error = #expect(throws: StorageError.self) { try operation(item) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message == item.message.map { "\($0) Nothing was written." })
  }

  @Test(arguments: passed)
  func `a moment that has passed by the shard's clock is refused by the shard`(
    item: Case
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put(item.key, "old", labels: ["kind": "x"]))
      let error = await #expect(throws: StorageError.self) {
        try await store.write(operation(item))
      }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message == item.message.map { "\($0) Nothing was written." })
      // Not even the old record's labels.
      #expect(try store.keys(labelled: "kind", "x") == ["k"])
      #expect(try store.integrityFindings() == [])
    }
  }

  @Test(arguments: [Int.min, -1, 0, 1_001, .max])
  func `a page of no or too many records is refused`(limit: Int) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let error = #expect(throws: StorageError.self) {
        try store.page(PageRequest(home: .ada, collection: "inbox", limit: limit))
      }
      #expect(error?.code == .invalidArgument)
      #expect(
        error?.message == "A page has 1 to 1000 records; \(limit) were asked for.")
    }
  }

  @Test(arguments: [1, 1_000])
  func `a page of as many records as there may be is given`(limit: Int) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let page = try store.page(PageRequest(home: .ada, collection: "inbox", limit: limit))
      #expect(page.records.isEmpty)
    }
  }
}
