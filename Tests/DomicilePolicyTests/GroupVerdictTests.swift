import DomicilePolicy
import DomicileTesting
import Testing

/// A group's data may be where every member's may: the intersection, whatever their order. `NaiveAgreementTests` asks so of
/// random policies.
@Suite struct GroupVerdictTests {
  /// Draws a group, and compares what is said of it with what is said of its members.
  static func difference(
    naive: NaivePolicy, compiled: ResidencyPolicy, _ random: inout SeededRandom
  ) throws -> String? {
    let members = (0..<Int.random(in: 1...4, using: &random)).map { _ in
      NaivePolicy.User(
        residence: naive.countries.sorted().randomElement(using: &random) ?? "",
        attributes: naive.attributeSets.randomElement(using: &random) ?? [])
    }
    let profiles = members.compactMap { member in
      CountryCode(member.residence).map {
        ResidencyProfile(residence: $0, attributes: member.attributes)
      }
    }
    let group = HomeProfile(profiles)
    if HomeProfile(profiles.shuffled(using: &random)) != group { return "the order counts" }
    if HomeProfile(group.description) != group { return "\(group) is not read as it is written" }
    let dataClass = naive.classes.randomElement(using: &random) ?? ""
    let number = try compiled.number(ofClass: dataClass)
    let answers = members.map { member in
      naive.answer(member, under: naive.constraints(on: member, dataClass: dataClass))
    }
    func all(_ sets: [Set<String>], of everything: Set<String>) -> Set<String> {
      sets.reduce(everything) { $0.intersection($1) }
    }
    let legal = all(answers.map(\.legalRegions), of: Set(naive.regions.map(\.name)))
    // One shard must accept them all.
    let accepting = naive.shards.filter { shard in
      members.allSatisfy { shard.accepts.contains($0.residence) }
    }
    let serving = legal.intersection(accepting.map(\.region))
    let countries = all(answers.map(\.legalCountries), of: naive.countries)
    let compiledGroup = try compiled.compile(group)
    for (index, region) in compiled.topology.regions.enumerated() {
      let permits = compiled.permits(compiledGroup, dataClass: number, region: index)
      if permits != legal.contains(region.name) { return "\(group) in \(region.name): \(permits)" }
      let verdict = try compiled.groupVerdict(for: group, dataClass: dataClass, in: region.name)
      let outcome = !permits ? "refused" : serving.contains(region.name) ? "allowed" : "unserved"
      if verdict.outcome.rawValue != outcome {
        return "\(group) in \(region.name): \(verdict.outcome), not \(outcome)"
      }
      if let told = revealed(by: verdict, compiled) { return told }
    }
    for shard in compiled.topology.shards {
      let permits = compiled.law(ofShard: shard).permits(group, dataClass: dataClass)
      let isAccepting = accepting.contains { $0.name == shard.name }
      if permits != (legal.contains(shard.region) && isAccepting) {
        return "the law of \(shard.name) says \(permits) of \(group)"
      }
    }
    let verdict = try compiled.groupVerdict(for: group, dataClass: dataClass)
    // Nearness would tell where the others live.
    if verdict.alternatives != verdict.alternatives.sorted() { return "\(group): an order" }
    if Set(verdict.alternatives) != serving { return "\(group): \(verdict.alternatives)" }
    if Set(verdict.legalCountries) != countries { return "\(group): \(verdict.legalCountries)" }
    let processing = members.map { naive.processCountries($0, dataClass: dataClass) }
    for country in naive.countries {
      let isAllowed = try compiled.groupProcessingVerdict(
        for: group, dataClass: dataClass, in: country
      ).isAllowed
      if isAllowed != processing.allSatisfy({ $0.contains(country) }) {
        return "\(group) processed in \(country): \(isAllowed)"
      }
    }
    return nil
  }

  /// A rule that concerns somebody's residence, told of a group.
  private static func revealed(by verdict: Verdict, _ policy: ResidencyPolicy) -> String? {
    if verdict.residence != nil || !verdict.attributes.isEmpty { return "tags are told" }
    let rules = verdict.rules.filter { $0.demand.hasPrefix("excludes") == false }
    return rules.isEmpty && verdict.conflict.isEmpty ? nil : "rules are told: \(rules)"
  }

  @Test func `an excluded region is explained to a group by the exclusion, and by nothing else`()
    throws
  {
    let policy = try ResidencyPolicy(
      files: .small.replacing("countries: [KP]", in: "policy.yaml", with: "countries: [KP, US]"))
    let group = HomeProfile([
      try #require(ResidencyProfile("DE")), try #require(ResidencyProfile("IN")),
    ])
    let verdict = try policy.groupVerdict(for: group, dataClass: "messages", in: "ashburn")
    #expect(verdict.outcome == .refused)
    #expect(verdict.rules.map(\.name) == ["press-freedom"])
    #expect(verdict.summary == "refused: messages of this group may not live in ashburn (US)")
    let payments = try policy.groupVerdict(for: group, dataClass: "payments")
    #expect(payments.outcome == .unplaceable)
    #expect(
      payments.description == """
        unplaceable: payments of this group may live in no country
          a group's data may be only where every member's may; whose may not is not told
        """)
  }

  @Test func `nobody's data may live nowhere`() throws {
    let policy = try ResidencyPolicy(files: .small)
    let nobody = HomeProfile([ResidencyProfile]())
    #expect(try policy.groupVerdict(for: nobody, dataClass: "messages").outcome == .unplaceable)
    for shard in policy.topology.shards {
      #expect(!policy.law(ofShard: shard).permits(nobody, dataClass: "messages"))
    }
    #expect(HomeProfile("") == nobody)
  }

  @Test func `what is no profile is not read as one`() {
    for text in ["DE\nDE", "US\nDE", "DE\n", "\nDE", "DE\nde", "DE minor\nXX"] {
      #expect(HomeProfile(text).map { $0.description == text } != false, "\(text)")
    }
    #expect(HomeProfile("US\nDE") == nil)
    #expect(HomeProfile("DE\nDE") == nil)
  }
}
