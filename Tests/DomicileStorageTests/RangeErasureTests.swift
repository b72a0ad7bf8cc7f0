import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Foundation
import Synchronization
import Testing

/// Erasing some records of a home that stays.
@Suite struct RangeErasureTests {
  static let keys = [
    [0], [0x61], [0x61, 0], [0x61, 0x61], [0x61, 0xFF], [0x61, 0xFF, 1], [0x62], [0xFF],
    [0xFF, 0xFF], [0xFF, 0xFF, 0],
  ].map { RecordKey($0 as [UInt8]) }

  static let ranges: [KeyRange] = [
    .all, .prefix("a"), .prefix(RecordKey([0x61, 0xFF])), .prefix(RecordKey([0xFF])),
    .prefix(RecordKey([0xFF, 0xFF])), .prefix("z"), .prefix(RecordKey([])),
    .range(from: "a", below: "b"), .range(from: nil, below: "a"), .range(from: "a", below: nil),
    .range(from: RecordKey([0x61, 1]), below: RecordKey([0xFF, 0xFF])),
    .range(from: nil, below: nil), .range(from: "b", below: "a"), .range(from: "a", below: "a"),
  ]

  static func contains(_ range: KeyRange, _ key: RecordKey) -> Bool {
    switch range {
    case .all: true
    case .prefix(let prefix): key.bytes.starts(with: prefix.bytes)
    case .range(let from, let below):
      from.map { $0 <= key } ?? true && below.map { key < $0 } ?? true
    }
  }

  @Test(arguments: ranges)
  func `the keys in the range go, and no others`(range: KeyRange) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      for (home, collection) in [(.ada, "inbox"), (.ada, "threads"), (.ben, "inbox")]
        as [(HomeReference, String)]
      {
        for key in Self.keys {
          try await store.write(.put(key, in: collection, labels: ["kind": "a"]), to: home)
        }
      }
      let going = Self.keys.filter { Self.contains(range, $0) }
      let erased = try await store.erase(range)
      #expect(erased.records == Int64(going.count))
      #expect(erased.bytes == Int64(going.map { $0.bytes.count + 1 }.reduce(0, +)))
      #expect(erased.held == nil)
      #expect(!erased.hasMore)
      let page = PageRequest(home: .ada, collection: "inbox", limit: 100)
      #expect(
        try store.page(page).records.map(\.key) == Self.keys.filter { !Self.contains(range, $0) })
      #expect(try shard.count("record") == Int64(3 * Self.keys.count - going.count))
      #expect(try shard.count("label") == Int64(3 * Self.keys.count - going.count))
      #expect(try store.integrityFindings() == [])
      #expect(try await store.erase(range).records == 0)
    }
  }

  @Test func `a range goes in steps, in the order of its keys`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in try await store.fill((0..<250).shuffled()) }
    let left = Mutex<[String]>([])
    try await shard.with {
      $0.observe = { _ in
        let rows = try? shard.texts("SELECT count(*) || ' from ' || min(key) FROM record")
        left.withLock { $0 += rows ?? [] }
      }
    } _: { store in
      let erased = try await store.erase(.range(from: nil, below: "0249"))
      #expect(erased.records == 249)
    }
    #expect(left.withLock { $0 } == ["150 from 0100", "50 from 0200", "1 from 0249"])
  }

  @Test func `what has expired and was not swept goes too, and counts`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a", expiry: .after(.seconds(1))), .put("b"))
      shard.clock.advance(by: .hours(1))
      #expect(try await store.erase(.all).records == 2)
      #expect(try shard.count("record") == 0)
    }
  }

  // MARK: What is held

  @Test func `what the policy holds stays, and the last of it is told`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(shortest: .day))
      try await store.fill((0..<300).filter { $0 % 3 != 0 })
      shard.clock.advance(by: .days(1) - .hours(1))
      try await store.fill([0])
      shard.clock.advance(by: .hours(1))
      let last = shard.now
      try await store.fill((3..<300).filter { $0 % 3 == 0 })
      let erased = try await store.erase(.all)
      #expect(erased.records == 200)
      #expect(erased.held?.records == 100)
      #expect(erased.held?.data.until == last + 86_400_000)
      #expect(erased.held?.data.rule == "messages: limits (policy.yaml:7)")
      #expect(try store.keys() == (0..<300).filter { $0 % 3 == 0 }.map(String.numbered))
      shard.clock.advance(by: .days(1) - .milliseconds(1))
      #expect(try await store.erase(.all).records == 1)
      shard.clock.advance(by: .milliseconds(1))
      let rest = try await store.erase(.all)
      #expect(rest.records == 99)
      #expect(rest.held == nil)
    }
  }

  @Test func `under a legal hold nothing goes`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<3)
      #expect(try await store.hold("case 7", until: shard.now + 1_000) == nil)
      let error = await refusal { try await store.erase(.prefix("0001")) }
      #expect(error?.code == .held)
      #expect(error?.until == shard.now + 1_000)
      #expect(try store.keys().count == 3)
      shard.clock.advance(by: .seconds(1))
      #expect(try await store.erase(.prefix("0001")).records == 1)
    }
  }

  // MARK: Behind the fence

  @Test func `nothing goes from a home that is not as the request believes`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<3)
      let before = try shard.recordRows()
      for home in [HomeReference.numbered(9), .ada.with(serial: 9), .ada.with(serial: 11)] {
        #expect(await code { try await store.erase(.all, of: home) } == .moved)
      }
      #expect(await code { try await store.erase(.all, of: .ada.with(tags: 6)) } == .retagged)
      #expect(await code { try await store.erase(.all, law: .second) } == .policyChanged)
      #expect(await code { try await store.erase(.all, in: "bills") } == .policyChanged)
      for state in HomeState.allCases where state != .active && state != .copying {
        try shard.set(state)
        let expected: StorageError.Code =
          switch state {
          case .incoming: .notOpen
          case .frozen: .frozen
          default: .moved
          }
        #expect(await code { try await store.erase(.all) } == expected)
      }
      #expect(try shard.recordRows() == before)
    }
  }

  @Test func `a barred home is erased all the same`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<3)
      _ = try await store.raise(to: .second, law: .ireland, accepts: [], by: .soon)
      #expect(try await store.erase(.prefix("0001"), law: .second).records == 1)
      #expect(try store.keys() == ["0000", "0002"])
    }
  }

  @Test func `a home that is being copied notes each key that went`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<150)
      try await store.fill(0..<3, of: .ben)
      try shard.set(.copying)
      #expect(try await store.erase(.range(from: "0010", below: "0140")).records == 130)
      try await store.erase(.all, of: .ben)
      #expect(
        try shard.texts("SELECT home || collection || CAST(key AS TEXT) FROM change ORDER BY key")
          == (10..<140).map { "1inbox\(String.numbered($0))" })
    }
  }
}
