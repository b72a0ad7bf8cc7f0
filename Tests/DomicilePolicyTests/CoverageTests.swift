import DomicilePolicy
import DomicileTesting
import Testing

/// What a policy says of every country and every region.
@Suite struct CoverageTests {
  private let small = RegionFiles.small

  private func coverage(_ files: RegionFiles) throws -> PolicyCoverage {
    try ResidencyPolicy(files: files).coverage()
  }

  /// One line for each country: code, state, and what is said of each class.
  private func lines(_ coverage: PolicyCoverage) -> [String] {
    coverage.residences.map { residence in
      let answers = residence.verdicts.map { verdict in
        let what =
          verdict.isAllowed ? verdict.servingRegions : verdict.conflict.map(\.name)
        return "\(verdict.dataClass) \(verdict.outcome) \(what.joined(separator: ", "))"
      }
      return "\(residence.code) \(residence.state): \(answers.joined(separator: "; "))"
    }
  }

  private func states(_ coverage: PolicyCoverage) -> [String: PolicyCoverage.State] {
    Dictionary(uniqueKeysWithValues: coverage.residences.map { ("\($0.code)", $0.state) })
  }

  private func served(_ coverage: PolicyCoverage) -> [String: String] {
    Dictionary(
      uniqueKeysWithValues: coverage.places.map {
        ($0.region, $0.residences.map(\.description).joined(separator: " "))
      })
  }

  @Test func `every country has an answer for every class, the nearest region first`() throws {
    let coverage = try coverage(small)
    let kp = "unplaceable kp-at-home, press-freedom"
    #expect(
      lines(coverage) == [
        "DE served: messages allowed dublin; payments allowed dublin; directory allowed dublin",
        "IE served: messages allowed dublin; payments allowed dublin; directory allowed dublin",
        "IN served: messages allowed mumbai, dublin, ashburn; payments allowed mumbai;"
          + " directory allowed dublin",
        "KP unplaceable: messages \(kp); payments \(kp); directory \(kp)",
        "US served: messages allowed ashburn, dublin, mumbai;"
          + " payments allowed ashburn, dublin, mumbai; directory allowed dublin",
      ])
    #expect(coverage.residences.filter(\.isExcluded).map(\.name) == ["North Korea"])
    #expect(PolicyCoverage.State.allCases.map(coverage.count) == [4, 0, 0, 1])
  }

  @Test func `countries with the same answers are one group, the worst first`() throws {
    let groups = try coverage(small).groups
    #expect(
      groups.map { $0.residences.map(\.description) } == [["KP"], ["DE", "IE"], ["IN"], ["US"]])
    #expect(groups.map(\.state) == [.unplaceable, .served, .served, .served])
    #expect(
      groups.map { $0.answers.map(\.dataClasses) } == [
        [["messages", "payments", "directory"]],
        [["messages", "payments", "directory"]],
        [["messages"], ["payments"], ["directory"]],
        [["messages", "payments"], ["directory"]],
      ])
    // In a group the order of the topology stands for that of choice, which differs from country to country.
    #expect(
      groups[2].answers.map(\.regions) == [
        ["ashburn", "dublin", "mumbai"], ["mumbai"], ["dublin"],
      ])
    #expect(groups[0].answers[0].conflict.map(\.line) == [22, 3])
  }

  @Test func `a region serves whom it may take`() throws {
    #expect(
      served(try coverage(small))
        == ["ashburn": "IN US", "dublin": "DE IE IN US", "mumbai": "IN US"])
  }

  @Test func `a region that takes nobody serves nobody`() throws {
    let files = small.replacing(
      "ashburn-1: {}", in: "topology.yaml", with: "ashburn-1: {accepts: KP}")
    let served = served(try coverage(files))
    #expect(served == ["ashburn": "", "dublin": "DE IE IN US", "mumbai": "IN US"])
  }

  @Test func `an excluded country's residents may be served elsewhere`() throws {
    let files = small.replacing("[KP]", in: "policy.yaml", with: "[KP, US]")
    let residences = try coverage(files).residences
    let states = residences.map { "\($0.code) \($0.state)\($0.isExcluded ? ", excluded" : "")" }
    #expect(
      states == [
        "DE served", "IE served", "IN served", "KP unplaceable, excluded", "US served, excluded",
      ])
    #expect(residences[4].verdicts[0].servingRegions == ["dublin", "mumbai"])
    #expect(served(try coverage(files))["ashburn"] == "")
  }

  @Test func `whom the directory may not know is refused, and served by no region`() throws {
    let files = small.replacing(
      "  - name: in-payments", in: "policy.yaml",
      with: """
          - name: in-directory
            residents: IN
            classes: directory
            store: IN
            reason: Its list stays at home.
          - name: in-payments
        """)
    let coverage = try coverage(files)
    #expect(
      states(coverage) == [
        "DE": .served, "IE": .served, "IN": .refused, "KP": .unplaceable, "US": .served,
      ])
    #expect(
      lines(coverage)[2] == "IN refused: messages allowed mumbai, dublin, ashburn;"
        + " payments allowed mumbai; directory refused in-directory")
    #expect(served(coverage) == ["ashburn": "US", "dublin": "DE IE US", "mumbai": "US"])
  }

  @Test func `what no region takes is unserved, and the worst class decides`() throws {
    let files = small.replacing(
      "mumbai: {country: IN, operator: own-in, shards: {mumbai-1: {}}}", in: "topology.yaml",
      with: "")
    #expect(
      lines(try coverage(files))[2] == "IN unserved: messages allowed dublin, ashburn;"
        + " payments unserved in-payments; directory allowed dublin")
  }

  /// The directory is in no shard, so a resident whom no shard there accepts can still be in it.
  @Test func `what shards accept concerns all classes but the directory's`() throws {
    let files = ["dublin-1", "dublin-2"].reduce(small) { files, shard in
      files.replacing("\(shard): {}", in: "topology.yaml", with: "\(shard): {accepts: US}")
    }
    let coverage = try coverage(files)
    #expect(
      lines(coverage).prefix(3) == [
        "DE unserved: messages unserved ; payments unserved ; directory allowed dublin",
        "IE unserved: messages unserved ; payments unserved ; directory allowed dublin",
        "IN served: messages allowed mumbai, ashburn; payments allowed mumbai;"
          + " directory allowed dublin",
      ])
    #expect(served(coverage)["dublin"] == "DE IE IN US")
  }

  @Test func `the shipped policy serves all but eight countries, and uses every region`() throws {
    let coverage = try ShippedRegions.policy().coverage()
    #expect(
      coverage.residences.filter { $0.state != .served }.map { "\($0.code) \($0.state)" } == [
        "CN unplaceable", "IR unplaceable", "KZ unplaceable", "RU unplaceable", "RW unplaceable",
        "UG unplaceable", "VN unplaceable", "ZM unserved",
      ])
    #expect(coverage.groups.map(\.residences.count) == [1, 1, 1, 1, 1, 1, 1, 1, 204, 37, 1])
    #expect(coverage.places.count == 14)
    #expect(coverage.places.allSatisfy { !$0.residences.isEmpty })
    #expect(coverage.residences.count { $0.isExcluded } == 65)
  }
}
