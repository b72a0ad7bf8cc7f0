import CAllocationCounter
import DomicilePolicy
import DomicileTesting
import Testing

@Suite struct AllocationTests {
  @Test(.disabled(if: allocation_count() < 0, "a sanitizer has its own allocator"))
  func `a verdict on the write path allocates nothing`() throws {
    let policy = try ShippedRegions.policy()
    let residence = try policy.geography.country("DE")
    let profile = try policy.compile(
      ResidencyProfile(residence: residence, attributes: ["scc-signed"]))
    let classes = policy.classes.count
    let regions = policy.topology.regions.count
    var allowed = 0

    let before = allocation_count()
    for dataClass in 0..<classes {
      for region in 0..<regions
      where policy.permits(profile, dataClass: dataClass, region: region) {
        allowed += 1
      }
    }
    #expect(allocation_count() == before)
    #expect(allowed == classes * regions)

    // A check that cannot fail would be none: an explanation does allocate.
    _ = try policy.verdict(
      for: ResidencyProfile(residence: residence), dataClass: "messages")
    #expect(allocation_count() > before)
  }

  /// A policy of so many rules, all of which concern the residents of one country.
  private func texts(rules count: Int) -> [String: String] {
    var small = SmallPolicy()
    let rules = (1...count).map { number in
      "  - {name: r\(number), residents: IN, classes: messages, store: [IN, EEA], reason: A law.}\n"
    }
    small.policy.replace("rules:\n", with: "rules:\n\(rules.joined())")
    return small.texts
  }

  @Test(.disabled(if: allocation_count() < 0, "a sanitizer has its own allocator"))
  func `compiling allocates in proportion to the rules`() throws {
    func allocations(rules: Int) throws -> Int {
      let files = RegionFiles(texts: texts(rules: rules))
      let before = allocation_count()
      _ = try ResidencyPolicy(files: files)
      return allocation_count() - before
    }
    let few = try allocations(rules: 250)
    let many = try allocations(rules: 1_000)
    #expect(many > few * 2 && many < few * 5, "\(few) for 250 rules, \(many) for 1,000")
  }
}
