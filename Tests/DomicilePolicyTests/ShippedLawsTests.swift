import DomicilePolicy
import DomicileTesting
import Foundation
import Testing

/// The rules of `regions/policy.yaml`, row by row against the tables from which they are made.
@Suite struct ShippedLawsTests {
  private let rules: [[String: Any]]
  private let policy: ResidencyPolicy
  /// The same without the exclusion: what the laws alone say.
  private let lawsAlone: ResidencyPolicy

  init() throws {
    let shipped = try ShippedRegions.yaml("policy.yaml")
    rules = shipped["rules"] as? [[String: Any]] ?? []
    policy = try ShippedRegions.policy()
    var texts = policy.files.texts
    let text = try #require(texts["policy.yaml"])
    let start = try #require(text.range(of: "\nexclude:\n")).lowerBound
    let end = try #require(text.range(of: "\nattributes:\n")).lowerBound
    texts["policy.yaml"] = text.replacingCharacters(in: start..<end, with: "\n")
    lawsAlone = try ResidencyPolicy(files: RegionFiles(texts: texts))
  }

  /// The class that a sector of the table is here, and what its rules are called; other sectors have no class.
  private static let sectors: [String: (rule: String, dataClass: String?)] = [
    "general": ("localisation", nil), "payments": ("payments", "payments"),
    "messaging": ("messages", "messages"),
  ]

  private struct Law {
    let row: [String: String]
    let rule: String
    let dataClass: String?
    let code: String
    var isLocalOnly: Bool { row["requirement"] == "local-only" }
    var isFromMemory: Bool { row["source"] == "memory" }
  }

  /// The laws in force that demand storage at home, of all data or of a class.
  private func storageLaws() throws -> [Law] {
    try ShippedRegions.table("localisation").compactMap { row in
      guard row["status"] == "in-force",
        ["local-only", "local-copy"].contains(row["requirement"]),
        let code = row["code"], let sector = Self.sectors[row["sector"] ?? ""]
      else { return nil }
      return Law(
        row: row, rule: "\(code.lowercased())-\(sector.rule)", dataClass: sector.dataClass,
        code: code)
    }
  }

  @Test func `every storage law in force is a rule, and every such rule is a law in force`() throws
  {
    let laws = try storageLaws().map(\.rule)
    #expect(laws.count == 9)
    let names = rules.compactMap { $0["name"] as? String }
    #expect(names.sorted() == (["gdpr-transfers"] + laws).sorted())
  }

  @Test func `a rule says of its law what the table says`() throws {
    for law in try storageLaws() {
      let rule = try #require(rules.first { $0["name"] as? String == law.rule })
      #expect(ShippedRegions.words(rule["residents"]) == [law.code])
      #expect(ShippedRegions.words(rule["classes"]) == (law.dataClass.map { [$0] } ?? []))
      let reason = try #require(rule["reason"] as? String)
      #expect(reason.hasPrefix(law.row["law"] ?? "-"), "\(law.rule)")
      #expect((rule["store"] != nil) == law.isLocalOnly, "\(law.rule)")
      #expect(law.isLocalOnly || rule["copy"] != nil, "\(law.rule)")
      #expect((rule["unverified"] as? String == "true") == law.isFromMemory, "\(law.rule)")
      #expect(
        rule["source"] as? String == (law.isFromMemory ? nil : law.row["source"]), "\(law.rule)")
    }
  }

  @Test func `a storage law keeps what it speaks of at home, and nothing else`() throws {
    let countries = policy.geography.countries
    for law in try storageLaws() {
      let profile = try #require(ResidencyProfile(law.code))
      for definition in policy.classes {
        let legal = try lawsAlone.verdict(for: profile, dataClass: definition.name).legalCountries
        let isMeant = law.dataClass ?? definition.name == definition.name
        #expect(
          isMeant ? legal == [law.code] : legal.count == countries.count,
          "\(law.rule), \(definition.name): \(legal.count) countries")
      }
    }
  }

  @Test(arguments: [
    ("cn-large-handler", "CN", "messages"), ("rw-uncertified", "RW", "messages"),
    ("ug-money-issuer", "UG", "payments"),
  ])
  func `what a law assumes of a deployment can be denied`(
    assumption: String, residence: String, dataClass: String
  ) throws {
    let denied = try ResidencyPolicy(
      files: policy.files.replacing(
        "\(assumption): true", in: "policy.yaml", with: "\(assumption): false"))
    let profile = try #require(ResidencyProfile(residence))
    #expect(try policy.verdict(for: profile, dataClass: dataClass).outcome == .unplaceable)
    #expect(try denied.verdict(for: profile, dataClass: dataClass).alternatives.count == 14)
  }

  // MARK: GDPR chapter V

  private func members(of group: String) throws -> [[String: String]] {
    try ShippedRegions.table("groups").filter { $0["group"] == group }
  }

  private func codes(of group: String) throws -> Set<String> {
    Set(try members(of: group).compactMap { $0["code"] })
  }

  private func gdprRule() throws -> [String: Any] {
    try #require(rules.first { $0["name"] as? String == "gdpr-transfers" })
  }

  @Test func `the transfer rule is about the states for which the table has it`() throws {
    let rows = try ShippedRegions.table("localisation").filter {
      $0["law"]?.hasPrefix("Regulation (EU) 2016/679 (GDPR)") == true
    }
    #expect(Set(rows.compactMap { $0["code"] }) == (try codes(of: "EEA")))
    let rule = try gdprRule()
    #expect(ShippedRegions.words(rule["residents"]) == ["EEA", "EU-TERRITORY"])
    #expect(rows.allSatisfy { $0["source"] == rule["source"] as? String })
  }

  @Test func `a partial adequacy decision counts for certified operators only`() throws {
    let adequate = try codes(of: "GDPR-ADEQUACY")
    let partial = adequate.subtracting(try codes(of: "GDPR-ADEQUACY-FULL"))
    #expect(partial == ["CA", "JP", "US"])
    // What is partial is what the table says is so.
    for row in try members(of: "GDPR-ADEQUACY") {
      let isLimited = row["note"]?.contains(/only|private sector/) == true
      #expect(partial.contains(row["code"] ?? "") == isLimited, "\(row)")
    }
    let terms = try gdprRule()["store"] as? [Any] ?? []
    let certified = terms.compactMap { $0 as? [String: Any] }.filter { $0["certified"] != nil }
    #expect(Set(certified.flatMap { ShippedRegions.words($0["countries"]) }) == partial)
  }

  @Test func `a decision with an end counts until then`() throws {
    let profile = try #require(ResidencyProfile("DE"))
    let everywhere = try codes(of: "EEA").union(codes(of: "EU-TERRITORY"))
      .union(codes(of: "GDPR-ADEQUACY"))
    var ends: [String: PolicyDay] = [:]
    for row in try members(of: "GDPR-ADEQUACY") {
      guard let end = row["note"]?.firstMatch(of: /expires ([0-9-]+)/)?.1 else { continue }
      ends[row["code"] ?? ""] = PolicyDay(String(end))
    }
    #expect(ends.keys.sorted() == ["GB"])
    for (code, end) in ends {
      for (day, expected) in [
        (end, everywhere), (end.next, everywhere.subtracting([code])),
      ] {
        let then = try ResidencyPolicy(files: lawsAlone.files, on: day)
        let legal = try then.verdict(for: profile, dataClass: "messages").legalCountries
        #expect(Set(legal) == expected, "\(day)")
      }
    }
  }
}
