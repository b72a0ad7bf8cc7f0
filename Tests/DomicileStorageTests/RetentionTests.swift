import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// How long records are kept: as the policy says, and as the writer asks within its limits.
@Suite struct RetentionTests {
  static let refused =
    "The policy does not allow that lifetime: messages: limits (policy.yaml:7). Nothing was written. Ask for one"
    + " within these limits."

  // MARK: As the policy says

  static let defaults: [(limits: ShardLaw.Retention?, seconds: Double?)] = [
    (nil, nil), (.limits(), nil), (.limits(standard: .day), 86_400),
    (.limits(longest: .day), 86_400), (.limits(standard: .hour, longest: .day), 3_600),
    (.limits(shortest: .day), nil), (.limits(standard: 2 * .day, shortest: .day), 2 * 86_400),
  ]

  @Test(arguments: defaults)
  func `a record whose writer asks for nothing is kept for the default`(
    of case: (limits: ShardLaw.Retention?, seconds: Double?)
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(`case`.limits)
      try await store.write(.put("a"))
      #expect(try store.lifetime("a") == `case`.seconds)
      guard let seconds = `case`.seconds else { return }
      shard.clock.advance(by: .seconds(seconds) - .milliseconds(1))
      #expect(try store.record("a") != nil)
      shard.clock.advance(by: .milliseconds(1))
      #expect(try store.record("a") == nil)
    }
  }

  @Test func `limits are those of the class`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let law = ShardLaw.germanyAndIreland
      let other = ShardLaw(
        rows: law.rows, collections: law.collections, attributes: law.attributes,
        retention: ["payments": .limits(standard: .day, longest: .day)])
      _ = try await store.raise(to: .first, law: other, accepts: [], by: .soon)
      try await store.write(.put("a"), .put("b", expiry: .after(.days(9))))
      #expect(try store.lifetime("a") == nil)
      #expect(try store.lifetime("b") == 9 * 86_400)
    }
  }

  // MARK: As the writer asks

  struct Wish: Sendable, CustomTestStringConvertible {
    let limits: ShardLaw.Retention?
    let expiry: RecordExpiry
    /// Nil: never.
    var seconds: Double?
    var isRefused = false
    var testDescription: String { "\(expiry), \(limits.debugDescription)" }
  }

  static let wishes: [Wish] = [
    Wish(limits: nil, expiry: .never, seconds: nil),
    Wish(limits: .limits(standard: .day), expiry: .never, seconds: nil),
    Wish(limits: .limits(longest: .day), expiry: .never, isRefused: true),
    Wish(limits: .limits(shortest: .day), expiry: .never, seconds: nil),
    Wish(limits: nil, expiry: .after(.seconds(1)), seconds: 1),
    Wish(limits: .limits(standard: .day), expiry: .after(.days(2)), seconds: 2 * 86_400),
    Wish(limits: .limits(longest: .day), expiry: .after(.days(1)), seconds: 86_400),
    Wish(
      limits: .limits(longest: .day), expiry: .after(.days(1) + .milliseconds(1)), isRefused: true),
    Wish(limits: .limits(shortest: .day), expiry: .after(.days(1)), seconds: 86_400),
    Wish(
      limits: .limits(shortest: .day), expiry: .after(.days(1) - .milliseconds(1)), isRefused: true),
    Wish(
      limits: .limits(longest: .day, shortest: .hour), expiry: .after(.hours(2)), seconds: 7_200),
    Wish(
      limits: .limits(longest: .day, shortest: .day), expiry: .after(.days(1)), seconds: 86_400),
    Wish(limits: .limits(longest: .day), expiry: .after(.seconds(Int64.max)), isRefused: true),
    Wish(limits: .limits(longest: .day), expiry: .at(start + 86_400), seconds: 86_400),
    Wish(limits: .limits(longest: .day), expiry: .at(start + 86_400.001), isRefused: true),
    Wish(limits: .limits(shortest: .day), expiry: .at(start + 86_399.999), isRefused: true),
    Wish(limits: .limits(longest: .day), expiry: .at(.distantFuture), isRefused: true),
  ]

  private static let start = ManualClock().now

  @Test(arguments: wishes)
  func `what a writer asks for holds within the limits, and is refused outside`(
    _ wish: Wish
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(wish.limits)
      let error = await refusal { try await store.write(.put("a", expiry: wish.expiry)) }
      guard wish.isRefused else {
        #expect(error == nil)
        return #expect(try store.lifetime("a") == wish.seconds)
      }
      #expect(error?.code == .lifetimeRefused)
      #expect(error?.message == Self.refused)
      #expect(try shard.recordRows() == [])
    }
  }

  @Test func `one record whose lifetime is refused takes its request along, not its neighbours`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(longest: .day))
      async let other: [RecordOutcome] = store.write(.put("c"), to: .ben)
      let refused = await code {
        try await store.write(.put("a"), .put("b", expiry: .never))
      }
      #expect(refused == .lifetimeRefused)
      #expect(try await other.count == 1)
      #expect(try shard.count("record") == 1)
    }
  }

  // MARK: A changed policy

  @Test func `what is stored is fitted to a shorter longest, from when it was written`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<250)
      try await store.fill(250..<260, expiry: .after(.hours(1)))
      try await store.fill(0..<150, of: .ben, expiry: .after(.days(10)))
      shard.clock.advance(by: .minutes(30))
      try await store.fill(260..<270)
      try shard.set(.copying, .ben)
      try await store.keep(.limits(longest: .hour))
      try await store.sweep()
      for number in 0..<270 { #expect(try store.lifetime(.numbered(number)) == 3_600) }
      for number in 0..<150 { #expect(try store.lifetime(.numbered(number), of: .ben) == 3_600) }
      #expect(try shard.count("change") == 150)
      shard.clock.advance(by: .minutes(30))
      #expect(try store.keys() == (260..<270).map(String.numbered))
      #expect(try await store.sweep().records == 410)
    }
  }

  @Test func `what is stored is fitted to a longer shortest before anything is swept`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<250, expiry: .after(.hours(1)))
      try await store.fill(250..<260, expiry: .after(.days(3)))
      try await store.fill(260..<270)
      shard.clock.advance(by: .minutes(59))
      try await store.keep(.limits(shortest: .day))
      shard.clock.advance(by: .minutes(1))
      #expect(try await store.sweep().records == 0)
      for number in 0..<250 { #expect(try store.lifetime(.numbered(number)) == 86_400) }
      #expect(try store.lifetime(.numbered(250)) == 3 * 86_400)
      #expect(try store.lifetime(.numbered(260)) == nil)
      shard.clock.advance(by: .hours(23))
      #expect(try await store.sweep().records == 250)
    }
  }

  @Test func `a fitting that was broken off goes on where it was`() async throws {
    let shard = try await TestShard()
    let homes = (10..<14).map { HomeReference.numbered($0) }
    try await shard.with { store in
      let stagings = homes.map { HomeStaging($0, "IE") }
      _ = try await store.stage(stagings, law: .first, by: .soon)
      _ = try await store.open(homes, by: .soon)
      for home in homes { try await store.fill(0..<130, of: home) }
      try await store.keep(.limits(longest: .hour))
    }
    let fitted = "SELECT count(*) FROM record WHERE expires = written + 3600000"
    // Each process dies after one step.
    var rounds = 0
    var before: Int64 = 0
    while try shard.count("law_retention WHERE fitted IS NOT NULL") > 0, rounds < 50 {
      rounds += 1
      await #expect(processExitsWith: .signal(SIGKILL)) { [path = shard.path as String] in
        var options = SQLiteShard.Options()
        options.clock = ManualClock().wallClock
        options.observe = { _ in kill(getpid(), SIGKILL) }
        let store = try SQLiteShard(path: path, identity: TestShard.identity, options: options)
        try await store.sweep()
        kill(getpid(), SIGKILL)
      }
      let after = try #require(try shard.integer(fitted))
      #expect(after - before <= 100)
      before = after
    }
    #expect(rounds >= 6)
    #expect(before == 4 * 130)
  }

  @Test func `a policy that allows more leaves what is stored as it is`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(longest: .hour))
      try await store.fill(0..<3)
      for limits in [.limits(longest: .day), .limits(standard: .day), nil]
        as [ShardLaw.Retention?]
      {
        try await store.keep(limits)
        try await store.sweep()
        #expect(try store.lifetime(.numbered(0)) == 3_600)
      }
    }
  }

  // MARK: Held by the policy

  @Test func `a record is neither deleted nor replaced before the shortest time is over`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(shortest: .day))
      let until = shard.now + 86_400_000
      try await store.write(.put("a", "old", labels: ["kind": "a"]))
      let before = try shard.recordRows()
      for seconds in [0, 86_399] {
        shard.clock.advance(by: .seconds(seconds))
        for operation in [try RecordOperation.delete("a"), try .put("a", "new")] {
          let error = await refusal { try await store.write(operation, .put("b")) }
          #expect(error?.code == .held)
          #expect(error?.until == until)
          #expect(
            error?.message
              == "The record is held by messages: limits (policy.yaml:7), until 2026-01-02T00:00:00Z;"
              + " nothing was deleted or replaced. Try again after that.")
        }
      }
      #expect(try shard.recordRows() == before)
      #expect(try await store.write(.delete("nothing")).map(\.existed) == [false])
      shard.clock.advance(by: .seconds(1))
      try await store.write(.put("a", "new"))
      // What replaces it is held in its turn.
      #expect(await code { try await store.write(.delete("a")) } == .held)
    }
  }
}
