import DomicilePolicy
import DomicileTesting
import Foundation
import Testing

/// What the policy of `regions/` promises.
@Suite struct ShippedPolicyTests {
  private let policy: ResidencyPolicy

  init() throws { policy = try ShippedRegions.policy() }

  private func members(of group: String) throws -> Set<String> {
    let rows = try ShippedRegions.table("groups").filter { $0["group"] == group }
    return Set(rows.compactMap { $0["code"] })
  }

  private var residents: [ResidencyProfile] {
    policy.geography.countries.map { ResidencyProfile(residence: $0.code) }
  }

  @Test func `it warns of certifications that nobody has, and of what is from memory`() {
    #expect(
      policy.warnings.map(\.message) == [
        "no operator in topology.yaml has the certification “PIPEDA”; known: EU-US-DPF",
        "no operator in topology.yaml has the certification “APPI”; known: EU-US-DPF",
        "nobody has verified that the law says what the rule “ir-messages” does",
      ])
  }

  @Test func `every country with a code is known`() {
    #expect(policy.geography.countries.count == 250)
  }

  @Test func `metadata is kept for 90 days at most, receipts for 5 years at least`() throws {
    let day = Duration.seconds(86_400)
    let metadata = try #require(try policy.retention(ofClass: "metadata"))
    #expect(metadata.standard == day * 90 && metadata.longest == day * 90)
    let payments = try #require(try policy.retention(ofClass: "payments"))
    #expect(payments.shortest == day * 1_825 && payments.longest == nil)
    for name in ["profile", "messages", "directory"] {
      #expect(try policy.retention(ofClass: name) == nil)
    }
  }

  @Test func `65 countries are excluded`() throws {
    let profile = try #require(ResidencyProfile("BR"))
    let legal = try policy.verdict(for: profile, dataClass: "messages").legalCountries
    let excluded = Set(policy.geography.countries.map(\.code.description)).subtracting(legal)
    #expect(excluded.count == 65)
    let verdicts = try ShippedRegions.table("exclusion-evidence")
    #expect(
      excluded == Set(verdicts.filter { $0["verdict"] == "exclude" }.compactMap { $0["code"] }))
  }

  @Test(arguments: [("corroborated", 57, 2), ("core", 35, 3)])
  func `a narrower list can be included instead`(
    name: String, count: Int, publishers: Int
  ) throws {
    let narrower = try ResidencyPolicy(
      files: RegionFiles(texts: ShippedRegions.texts(excluding: name)))
    let evidence = try ShippedRegions.table("exclusion-evidence")
    let flagged = evidence.filter { Int($0["publishers_flagging"] ?? "") ?? 0 >= publishers }
    #expect(narrower.excludedCountries.map(\.description) == flagged.compactMap { $0["code"] })
    #expect(narrower.excludedCountries.count == count)
    #expect(narrower.warnings.count == policy.warnings.count)
  }

  /// docs/policy-details.md says so.
  @Test(arguments: [
    ("corroborated", []),
    ("core", ["payments of UG: unserved because of ug-payments"]),
  ])
  func `with a narrower list and its name the cases hold, but for one that says why`(
    name: String, failing: [String]
  ) throws {
    let narrower = try ResidencyPolicy(
      files: RegionFiles(texts: ShippedRegions.texts(excluding: name)))
    let cases = try String(contentsOfFile: "\(ShippedRegions.folder)/tests.yaml", encoding: .utf8)
    let renamed = cases.replacing("exclusion-evidence", with: "exclusion-\(name)")
    let report = try narrower.test(PolicyCases(text: renamed, of: narrower))
    let said = report.results.flatMap(\.failures).map(\.verdict).map { verdict in
      let rules = verdict.conflict.map(\.name).joined(separator: ", ")
      return
        "\(verdict.dataClass) of \(verdict.residence ?? ""): \(verdict.outcome) because of \(rules)"
    }
    #expect(said == failing)
  }

  @Test(arguments: ["exclude ", "Exclude", "excluded", "exclud", "exclde", "exclude\u{200B}"])
  func `a typing mistake in a verdict admits no country`(verdict: String) throws {
    var texts = policy.files.texts
    let path = "facts/exclusion-evidence.csv"
    var lines = try #require(texts[path]).split(separator: "\n").map(String.init)
    let china = try #require(lines.firstIndex { $0.hasPrefix("CN,") })
    lines[china].replace(",exclude", with: ",\(verdict)")
    texts[path] = lines.joined(separator: "\n")
    let error = #expect(throws: PolicyError.self) {
      try ResidencyPolicy(files: RegionFiles(texts: texts))
    }
    #expect(error?.problems.map(\.file) == [path])
    #expect(error?.problems.map(\.line) == [china + 1])
    #expect(error?.problems.first?.message.contains("is nearly “exclude”") == true)
  }

  @Test func `no region is in an excluded country or run from one`() throws {
    let verdicts = try ShippedRegions.table("exclusion-evidence")
    let excluded = Set(verdicts.filter { $0["verdict"] == "exclude" }.compactMap { $0["code"] })
    for region in policy.topology.regions {
      let codes = ([region.country] + region.operatedBy.jurisdictions).map(\.description)
      #expect(excluded.isDisjoint(with: codes), "\(region.name)")
    }
  }

  @Test func `at least 12 regions stand in as many countries, on five continents`() throws {
    let regions = policy.topology.regions
    #expect(regions.count >= 12)
    let countries = Set(regions.map(\.country.description))
    #expect(countries.count >= 12)
    let rows = try ShippedRegions.table("countries").filter {
      countries.contains($0["alpha2"] ?? "")
    }
    #expect(
      Set(rows.compactMap { $0["region"] })
        == ["Africa", "Americas", "Asia", "Europe", "Oceania"])
  }

  @Test func `every region is one that its cloud provider offers in that country`() throws {
    let offered = try ShippedRegions.table("cloud-regions").map {
      "\($0["provider"] ?? "")/\($0["region"] ?? "") \($0["country"] ?? "")"
    }
    for region in policy.topology.regions {
      let cloud = try #require(region.cloud)
      #expect(offered.contains("\(cloud) \(region.country)"))
    }
  }

  @Test(arguments: [
    ("profile", "CN KZ RU RW VN"), ("messages", "CN IR KZ RU RW VN"),
    ("payments", "CN KZ RU RW UG VN"), ("metadata", "CN KZ RU RW VN"),
    ("directory", "CN KZ RU RW VN"),
  ])
  func `all residents can be placed but those of Zambia and of some excluded countries`(
    dataClass: String, unplaceable: String
  ) throws {
    let verdicts = try residents.map { try policy.verdict(for: $0, dataClass: dataClass) }
    let refused = verdicts.filter { $0.outcome == .unplaceable }
    #expect(refused.map({ $0.residence ?? "" }).joined(separator: " ") == unplaceable)
    for verdict in refused {
      #expect(verdict.conflict.last?.name == "exclusion-evidence")
      #expect(verdict.conflict.count == 2)
    }
    let unserved = verdicts.filter { $0.outcome == .unserved }
    #expect(unserved.map(\.residence) == ["ZM"])
    #expect(unserved.map(\.legalCountries) == [["ZM"]])
    #expect(unserved.first?.conflict.map(\.name) == ["zm-localisation"])
  }

  @Test func `a European's data is with no American operator that is not certified`() throws {
    let protected = try members(of: "EEA").union(members(of: "EU-TERRITORY"))
    let american = policy.topology.regions.filter {
      ([$0.country] + $0.operatedBy.jurisdictions).map(\.description).contains("US")
    }
    #expect(!american.isEmpty)
    for profile in residents where protected.contains(profile.residence.description) {
      for definition in policy.classes {
        for region in american {
          let verdict = try policy.verdict(
            for: profile, dataClass: definition.name, in: region.name)
          let certified = region.operatedBy.certifications.contains("EU-US-DPF")
          #expect(certified || !verdict.isAllowed, "\(profile) in \(region.name)")
        }
      }
    }
  }

  /// All American operators of the example are certified; this takes the certifications away.
  @Test func `without its certification an American operator loses the Europeans`() throws {
    var texts = policy.files.texts
    texts["topology.yaml"]?.replace(", certifications: [EU-US-DPF]", with: "")
    let uncertified = try ResidencyPolicy(files: RegionFiles(texts: texts))
    let american = uncertified.topology.regions.filter {
      $0.operatedBy.jurisdictions.map(\.description).contains("US")
    }
    let protected = try members(of: "EEA").union(members(of: "EU-TERRITORY"))
    for profile in residents where protected.contains(profile.residence.description) {
      let verdict = try uncertified.verdict(for: profile, dataClass: "messages")
      #expect(verdict.isAllowed)
      #expect(Set(verdict.alternatives).isDisjoint(with: american.map(\.name)), "\(profile)")
    }
  }

  @Test func `the directory's region is legal for every resident it can hold`() throws {
    let region = policy.topology.directoryRegion
    for profile in residents {
      let general = try policy.verdict(for: profile, dataClass: "directory")
      let here = try policy.verdict(for: profile, dataClass: "directory", in: region)
      #expect(here.isAllowed == general.isAllowed, "\(profile)")
    }
  }

  @Test func `it says what its cases expect, and they exercise all of it`() throws {
    let report = try policy.test(PolicyCases(folder: ShippedRegions.folder, of: policy))
    for result in report.results {
      let said = result.failures.map { "\($0.expected), but \($0.verdict)" }
      #expect(result.isPassed, "\(result.testedCase.name): \(said)")
    }
    #expect(report.unexercised.map(\.name) == [])
    #expect(report.exercisable == 11)
  }
}
