import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// The lifetimes that users set for their collections and prefixes.
@Suite struct LifetimeTests {
  @Test func `the longest prefix of a key decides, for what is stored and what will be`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(standard: .day))
      let expected: [(key: RecordKey, seconds: Double?)] = [
        ("a", 600), ("b", 3_600), ("b/", 7_200), ("b/c", 7_200), ("b/d/e", nil), ("c", 600),
        (RecordKey([0xFF, 1]), 60),
      ]
      for (key, _) in expected { try await store.write(.put(key)) }
      shard.clock.advance(by: .seconds(30))
      try await store.setLifetime(.seconds(600))
      try await store.setLifetime(.seconds(3_600), prefix: "b")
      try await store.setLifetime(.seconds(7_200), prefix: "b/")
      try await store.setLifetime(.seconds(nil), prefix: "b/d/")
      try await store.setLifetime(
        LifetimeRequest(
          home: .ada, law: .first, collection: "inbox", prefix: [0xFF], lifetime: .seconds(60)),
        by: .soon)
      for _ in 1...2 {
        for (key, seconds) in expected { #expect(try store.lifetime(key) == seconds, "\(key)") }
        for (key, _) in expected { try await store.write(.put(key)) }
      }
      // Other collections, other homes, and what asks for a lifetime of its own.
      try await store.write(.put("a"), to: .ben)
      try await store.write(.put("a", in: "threads"), .put("a", expiry: .after(.seconds(5))))
      #expect(try store.lifetime("a", of: .ben) == 86_400)
      #expect(try store.lifetime("a") == 5)
      #expect(
        try shard.integer("SELECT expires - written FROM record WHERE collection = 'threads'")
          == 86_400_000)
    }
  }

  @Test func `stored records are shortened and lengthened from when they were written`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(standard: .hour))
      try await store.fill(0..<250)
      shard.clock.advance(by: .minutes(59))
      try await store.setLifetime(.seconds(.day))
      shard.clock.advance(by: .minutes(2))
      #expect(try store.keys().count == 250)
      try await store.setLifetime(.seconds(3_600))
      #expect(try store.keys() == [])
      // What is over is over.
      try await store.setLifetime(.seconds(.day))
      #expect(try store.keys() == [])
      #expect(try await store.sweep().records == 250)
    }
  }

  @Test func `fitting goes in steps`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in try await store.fill(0..<250) }
    let transactions = try await shard.transactions { store in
      try await store.setLifetime(.seconds(.day))
      for number in 0..<250 { #expect(try store.lifetime(.numbered(number)) == 86_400) }
    }
    #expect(transactions == 4)
  }

  @Test func `the default counts again when a lifetime is forgotten, and lengthens nothing stored`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(standard: .day))
      try await store.write(.put("a/1"), .put("b"))
      try await store.setLifetime(.seconds(60))
      try await store.setLifetime(.seconds(nil), prefix: "a/")
      #expect(try store.lifetime("a/1") == nil)
      try await store.setLifetime(.byDefault, prefix: "a/")
      #expect(try store.lifetime("a/1") == 60)
      try await store.setLifetime(.byDefault)
      for key in ["a/1", "b"] as [RecordKey] { #expect(try store.lifetime(key) == 60) }
      try await store.write(.put("b"))
      #expect(try store.lifetime("b") == 86_400)
      // There was none.
      try await store.setLifetime(.byDefault, prefix: "c")
      #expect(try shard.count("lifetime") == 0)
      #expect(try shard.integer("SELECT lifetimes FROM home WHERE id = 1") == 0)
    }
  }

  // MARK: Limits

  static let refused: [(limits: ShardLaw.Retention, seconds: Int64?)] = [
    (.limits(longest: .day), nil), (.limits(longest: .day), .day + 1),
    (.limits(shortest: .day), .day - 1), (.limits(longest: .day, shortest: .hour), 1),
  ]

  @Test(arguments: refused)
  func `a lifetime outside the policy is refused, and nothing changes`(
    of case: (limits: ShardLaw.Retention, seconds: Int64?)
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(`case`.limits)
      try await store.write(.put("a"))
      let before = try shard.dump("record", "lifetime", "home")
      let error = await refusal { try await store.setLifetime(.seconds(`case`.seconds)) }
      #expect(error?.code == .lifetimeRefused)
      #expect(error?.message == RetentionTests.refused)
      #expect(try shard.dump("record", "lifetime", "home") == before)
    }
  }

  @Test(arguments: [0, -1, .min, .max, 1_000_000_000_001] as [Int64])
  func `a lifetime that is no time is refused`(seconds: Int64) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a"))
      #expect(
        await code { try await store.setLifetime(.seconds(seconds)) } == .invalidArgument)
      #expect(try shard.count("lifetime") == 0)
      #expect(try store.lifetime("a") == nil)
    }
  }

  @Test func `a lifetime may be turned off where the policy has no longest`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(standard: .hour, shortest: .minute))
      try await store.fill(0..<3)
      try await store.setLifetime(.seconds(nil))
      #expect(try store.lifetime(.numbered(0)) == nil)
      shard.clock.advance(by: .days(4_000))
      #expect(try store.keys().count == 3)
    }
  }

  @Test func `a later policy bounds what users have set before`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.setLifetime(.seconds(nil), prefix: "a")
      try await store.setLifetime(.seconds(60), prefix: "b")
      try await store.keep(.limits(longest: .day, shortest: .hour))
      try await store.write(.put("a"), .put("b"))
      #expect(try store.lifetime("a") == 86_400)
      #expect(try store.lifetime("b") == 3_600)
    }
  }

  @Test func `a user sets a thousand lifetimes at most`() async throws {
    let shard = try await TestShard()
    let rows = (0..<1_000).map { "(1, 'inbox', x'\(String($0 + 0x1000, radix: 16))', 60)" }
    try shard.execute(
      "INSERT INTO lifetime VALUES \(rows.joined(separator: ", ")); UPDATE home SET lifetimes = 1000"
    )
    try await shard.with { store in
      try await store.write(.put("z"))
      let error = await refusal { try await store.setLifetime(.seconds(.day), prefix: "z") }
      #expect(error?.code == .invalidArgument)
      #expect(
        error?.message
          == "A user sets at most 1000 lifetimes a class; nothing was changed. Take one back first."
      )
      #expect(try store.lifetime("z") == nil)
      #expect(try shard.count("lifetime") == 1_000)
      try await store.setLifetime(
        LifetimeRequest(
          home: .ada, law: .first, collection: "inbox", prefix: [0x10, 0x00],
          lifetime: .byDefault), by: .soon)
      try await store.setLifetime(.seconds(.day), prefix: "z")
      #expect(try store.lifetime("z") == 86_400)
    }
  }

  @Test func `lifetimes are set behind the fence`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a"))
      let before = try shard.dump("record", "lifetime", "home")
      for home in [HomeReference.numbered(9), .ada.with(serial: 11)] {
        #expect(await code { try await store.setLifetime(.seconds(60), of: home) } == .moved)
      }
      #expect(
        await code { try await store.setLifetime(.seconds(60), of: .ada.with(tags: 6)) }
          == .retagged)
      #expect(try shard.dump("record", "lifetime", "home") == before)
      try shard.set(.copying)
      try await store.setLifetime(.seconds(60))
      #expect(try shard.count("change") == 1)
    }
  }
}
