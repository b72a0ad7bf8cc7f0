import DomicilePolicy
import DomicileTesting
import Testing
import Yams

/// How verdicts change with the policy, for random policies: what must hold whatever they say.
@Suite struct MetamorphicTests {
  private static let seeds: Range<UInt64> = 0..<400

  /// All that a policy allows: where data may live, and where it may be processed.
  private func allowed(_ texts: [String: String], _ random: RandomPolicy) throws -> Set<String> {
    let policy = try ResidencyPolicy(
      files: RegionFiles(texts: texts), on: #require(PolicyDay(random.day)))
    var allowed: Set<String> = []
    for country in policy.geography.countries {
      for attributes in random.naive.attributeSets {
        let profile = ResidencyProfile(residence: country.code, attributes: attributes)
        let compiled = try policy.compile(profile)
        for name in random.naive.classes {
          let number = try policy.number(ofClass: name)
          for (index, region) in policy.topology.regions.enumerated()
          where policy.permits(compiled, dataClass: number, region: index) {
            allowed.insert("\(name) of \(profile) in \(region.name)")
          }
          for (index, place) in policy.geography.countries.enumerated()
          where policy.permitsProcessing(compiled, dataClass: number, in: index) {
            allowed.insert("\(name) of \(profile) processed in \(place.code)")
          }
        }
      }
    }
    return allowed
  }

  private func forEachPolicy(
    _ body: (_ random: RandomPolicy, _ draw: inout SeededRandom) throws -> String?
  ) async throws {
    for seed in Self.seeds {
      await Task.yield()
      var draw = SeededRandom(seed: ~seed)
      if let problem = try body(RandomPolicy(seed: seed), &draw) {
        Issue.record("seed \(seed): \(problem)")
        return
      }
    }
  }

  // MARK: More and less

  /// The texts with one more entry of a list of `policy.yaml`, which may not be there yet.
  private func adding(_ entry: String, to key: String, of texts: [String: String]) -> [String:
    String]
  {
    var texts = texts
    let text = texts["policy.yaml"] ?? ""
    texts["policy.yaml"] =
      text.contains("\n\(key):\n")
      ? text.replacing("\n\(key):\n", with: "\n\(key):\n\(entry)")
      : "\(text)\(key):\n\(entry)"
    return texts
  }

  @Test func `an added exclusion never allows more, and nothing where it excludes`() async throws {
    try await forEachPolicy { random, draw in
      let country = random.naive.countries.sorted().randomElement(using: &draw) ?? ""
      let before = try allowed(random.texts, random)
      let after = try allowed(
        adding(
          "  - {name: added, countries: \(country), reason: because}\n", to: "exclude",
          of: random.texts), random)
      let inCountry = random.naive.regions.filter { $0.country == country }.map(\.name)
      if !after.isSubset(of: before) { return "\(after.subtracting(before)) is allowed" }
      return after.first { allowance in
        allowance.hasSuffix("processed in \(country)")
          || inCountry.contains { allowance.hasSuffix(" in \($0)") }
      }
    }
  }

  @Test func `an added rule that copies or processes never allows more`() async throws {
    try await forEachPolicy { random, draw in
      let country = random.naive.countries.sorted().randomElement(using: &draw) ?? ""
      let key = Bool.random(using: &draw) ? "copy" : "process"
      let before = try allowed(random.texts, random)
      let after = try allowed(
        adding(
          "  - {name: added, residents: anywhere, \(key): \(country), reason: because}\n",
          to: "rules", of: random.texts), random)
      // Where no rule has `process`, `otherwise` has said it, which no longer counts.
      let added = after.subtracting(before).filter { key == "copy" || !$0.contains(" processed ") }
      return added.isEmpty ? nil : "\(added) is allowed"
    }
  }

  @Test func `an added exception never allows less`() async throws {
    try await forEachPolicy { random, draw in
      let country = random.naive.countries.sorted().randomElement(using: &draw) ?? ""
      func excluding(_ exceptions: String) -> [String: String] {
        adding(
          "  - {name: added, countries: anywhere, except: [\(exceptions)], reason: because}\n",
          to: "exclude", of: random.texts)
      }
      let before = try allowed(excluding(""), random)
      let exception = "{country: \(country), reason: r, source: s}"
      let after = try allowed(excluding(exception), random)
      return before.isSubset(of: after) ? nil : "\(before.subtracting(after)) is no longer allowed"
    }
  }

  // MARK: Order

  /// A node with the entries of all its lists and mappings in another order.
  private func shuffled(_ node: Node, _ draw: inout SeededRandom) -> Node {
    switch node {
    case .sequence(let sequence):
      return Node(sequence.map { shuffled($0, &draw) }.shuffled(using: &draw))
    case .mapping(let mapping):
      return Node(mapping.map { ($0.key, shuffled($0.value, &draw)) }.shuffled(using: &draw))
    default: return node
    }
  }

  @Test func `the order of rules, exclusions, members and keys changes nothing that is allowed`()
    async throws
  {
    try await forEachPolicy { random, draw in
      var texts = random.texts
      for (path, text) in random.texts.sorted(by: { $0.key < $1.key })
      where path.hasSuffix(".yaml") {
        let node = try #require(try Yams.compose(yaml: text, .basic))
        texts[path] = try Yams.serialize(node: shuffled(node, &draw))
      }
      let (before, after) = (try allowed(random.texts, random), try allowed(texts, random))
      return before == after ? nil : "\(before.symmetricDifference(after)) differs"
    }
  }

  @Test func `the order of the rows of facts changes nothing that is allowed`() async throws {
    try await forEachPolicy { random, draw in
      var texts = random.texts
      for (path, text) in random.texts.sorted(by: { $0.key < $1.key })
      where path.hasSuffix(".csv") {
        let lines = text.split(separator: "\n")
        let rows = lines.dropFirst().shuffled(using: &draw)
        texts[path] = (lines.prefix(1) + rows).map { "\($0)\n" }.joined()
      }
      let (before, after) = (try allowed(random.texts, random), try allowed(texts, random))
      return before == after ? nil : "\(before.symmetricDifference(after)) differs"
    }
  }
}
