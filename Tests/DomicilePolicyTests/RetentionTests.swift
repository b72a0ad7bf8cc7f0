import DomicilePolicy
import Testing

/// How long records are kept, as the policy says it and as a shard is told.
@Suite struct RetentionTests {
  /// The small policy with a retention of the class `payments`.
  private func policy(_ retention: String) throws -> ResidencyPolicy {
    var small = SmallPolicy()
    small.policy.replace("[receipts]}", with: "[receipts], retention: \(retention)}")
    return try small.compile()
  }

  private func payments(_ retention: String) throws -> Retention {
    try #require(try policy(retention).retention(ofClass: "payments"))
  }

  private static let day = Duration.seconds(86_400)

  // MARK: Reading

  @Test(arguments: [
    ("1s", 1), ("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600),
    ("1y", 31_536_000), ("100y", 3_153_600_000), ("36500d", 3_153_600_000),
    ("3153600000s", 3_153_600_000), ("\"30d\"", 2_592_000),
  ])
  func `a duration is a whole number and a unit, from a second to 100 years`(
    text: String, seconds: Int64
  ) throws {
    for key in ["default", "longest", "shortest"] {
      let retention = try payments("{\(key): \(text)}")
      let said = [
        "default": retention.standard, "longest": retention.longest, "shortest": retention.shortest,
      ]
      #expect(said[key] == .some(.seconds(seconds)))
    }
  }

  @Test func `a year is 365 days exactly`() throws {
    #expect(try payments("{longest: 1y}") == payments("{longest: 365d}"))
    #expect(try payments("{longest: 4y}").longest == Self.day * 1_460)
  }

  @Test func `each limit may stand alone, and all three may be equal`() throws {
    let keep = try payments("{shortest: 5y}")
    #expect(keep.standard == nil && keep.longest == nil && keep.shortest == Self.day * 1_825)
    let offer = try payments("{default: 30d}")
    #expect(offer.standard == Self.day * 30 && offer.longest == nil && offer.shortest == nil)
    let exact = try payments("{default: 1w, longest: 7d, shortest: 168h}")
    #expect(exact.standard == Self.day * 7)
    #expect(exact.longest == exact.standard && exact.shortest == exact.standard)
  }

  @Test func `without a default the longest is the default`() throws {
    #expect(try payments("{longest: 90d}").standard == Self.day * 90)
    #expect(try payments("{longest: 90d}") == payments("{default: 90d, longest: 90d}"))
    #expect(try payments("{longest: 10y, shortest: 5y}").standard == Self.day * 3_650)
  }

  @Test func `the small policy has no retention`() throws {
    let policy = try SmallPolicy().compile()
    for definition in policy.classes {
      #expect(definition.retention == nil)
      #expect(try policy.retention(ofClass: definition.name) == nil)
      #expect(definition.refusal(ofLifetime: nil) == nil)
      #expect(definition.refusal(ofLifetime: .seconds(1)) == nil)
    }
    for shard in policy.topology.shards { #expect(policy.law(ofShard: shard).retention.isEmpty) }
  }

  @Test func `the retention of an unknown class is an error`() throws {
    let policy = try SmallPolicy().compile()
    let error = #expect(throws: PolicyError.self) { try policy.retention(ofClass: "payment") }
    #expect(error?.code == .unknownName)
    #expect(error?.message == "Unknown data class “payment”; did you mean “payments”?")
  }

  @Test func `retentions are equal by their times, wherever they stand`() throws {
    var small = SmallPolicy()
    small.policy.replace("[inbox, threads]}", with: "[inbox, threads], retention: {longest: 52w}}")
    small.policy.replace("[receipts]}", with: "[receipts], retention: {longest: 364d}}")
    let policy = try small.compile()
    let messages = try #require(try policy.retention(ofClass: "messages"))
    let payments = try #require(try policy.retention(ofClass: "payments"))
    #expect(messages.line.line == 11 && payments.line.line == 12)
    #expect(Set([messages, payments]).count == 1)
    #expect(try messages != self.payments("{longest: 365d}"))
    #expect(try messages != self.payments("{default: 1d, longest: 364d}"))
    #expect(try messages != self.payments("{longest: 364d, shortest: 1d}"))
  }

  // MARK: Asked lifetimes

  private func refusal(_ retention: String, _ lifetime: Duration?) throws -> String? {
    let definition = try #require(
      try policy(retention).classes.first { $0.name == "payments" })
    let sentence = definition.refusal(ofLifetime: lifetime)
    #expect(definition.retention?.permits(lifetime: lifetime) == (sentence == nil))
    return sentence
  }

  @Test func `a lifetime within range is not refused, the limits included`() throws {
    let range = "{longest: 10y, shortest: 5y}"
    for days in [1_825, 1_826, 3_650] { #expect(try refusal(range, Self.day * days) == nil) }
    #expect(try refusal("{shortest: 5y}", nil) == nil)
    #expect(try refusal("{default: 30d}", nil) == nil)
    #expect(try refusal("{default: 30d}", .seconds(1)) == nil)
    #expect(try refusal("{longest: 30d}", .milliseconds(1)) == nil)
  }

  @Test(arguments: [
    (Duration.seconds(86_400 * 30), "30d"), (.seconds(86_400 * 1_825 - 1), "157679999s"),
    (.seconds(90), "90s"), (.seconds(7_200), "2h"), (.seconds(31_536_000), "1y"),
    (.milliseconds(250), "0.25s"), (.zero, "0s"), (.milliseconds(-1_500), "-1.5s"),
    (.seconds(-60), "-1m"),
  ])
  func `a lifetime that is too short is refused by the limit as written`(
    lifetime: Duration, text: String
  ) throws {
    #expect(
      try refusal("{longest: 10y, shortest: 1825d}", lifetime) == """
        Records of the class “payments” are kept for at least 1825d (policy.yaml:12); a lifetime \
        of \(text) is too short.
        """)
  }

  @Test func `a lifetime that is too long, or never ends, is refused by the limit as written`()
    throws
  {
    let range = "{default: 30d, longest: 52w}"
    #expect(
      try refusal(range, .seconds(86_400 * 365)) == """
        Records of the class “payments” are kept for at most 52w (policy.yaml:12); a lifetime of \
        1y is too long.
        """)
    #expect(
      try refusal(range, .seconds(86_400 * 364) + .nanoseconds(1)) == """
        Records of the class “payments” are kept for at most 52w (policy.yaml:12); a lifetime of \
        31449600.000000001s is too long.
        """)
    #expect(
      try refusal(range, nil) == """
        Records of the class “payments” are kept for at most 52w (policy.yaml:12); one that never \
        ends may not be written.
        """)
  }

  // MARK: The law

  @Test func `every shard's law has the retention in seconds, with its rule`() throws {
    let policy = try policy("{longest: 10y, shortest: 5y}")
    #expect(!policy.topology.shards.isEmpty)
    for shard in policy.topology.shards {
      let law = policy.law(ofShard: shard)
      #expect(
        law.retention == [
          "payments": ShardLaw.Retention(
            standardSeconds: 315_360_000, longestSeconds: 315_360_000,
            shortestSeconds: 157_680_000,
            rule: "payments: longest 10y, shortest 5y (policy.yaml:12)")
        ])
    }
  }

  @Test func `what the policy does not say, the law does not say`() throws {
    let policy = try policy("{shortest: 5y}")
    let shard = try #require(policy.topology.shards.first)
    #expect(
      policy.law(ofShard: shard).retention["payments"]
        == ShardLaw.Retention(
          standardSeconds: nil, longestSeconds: nil, shortestSeconds: 157_680_000,
          rule: "payments: shortest 5y (policy.yaml:12)"))
  }

  @Test func `limits on lines of their own are cited by them`() throws {
    let policy = try policy("{\n    default: 6y,\n    shortest: 5y, longest: 10y}")
    let shard = try #require(policy.topology.shards.first)
    #expect(
      policy.law(ofShard: shard).retention["payments"]?.rule
        == "payments: default 6y (policy.yaml:13), longest 10y (policy.yaml:14),"
        + " shortest 5y (policy.yaml:14)")
    let definition = try #require(policy.classes.first { $0.name == "payments" })
    #expect(
      definition.refusal(ofLifetime: .seconds(60)) == """
        Records of the class “payments” are kept for at least 5y (policy.yaml:14); a lifetime of \
        1m is too short.
        """)
  }

  @Test func `another retention is another digest and another law`() throws {
    let texts = [
      "{longest: 90d}", "{longest: 91d}", "{default: 1d, longest: 90d}", "{default: 90d}",
    ]
    let policies = try [SmallPolicy().compile()] + texts.map { try policy($0) }
    #expect(Set(policies.map(\.digest)).count == policies.count)
    let shard = try #require(policies[0].topology.shards.first)
    let laws = policies.map { $0.law(ofShard: shard) }
    for (number, law) in laws.enumerated() {
      #expect(laws.firstIndex(of: law) == number)
      #expect(law.rows == laws[0].rows)
    }
  }
}
