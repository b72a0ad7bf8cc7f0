import DomicilePolicy
import DomicileTesting
import Foundation
import Testing

/// Something wrong in one file, and what is said about it.
struct Mistake: CustomTestStringConvertible, Sendable {
  let name: String
  let file: String
  /// What is replaced; nil: the whole file.
  let original: String?
  let replacement: String
  /// The problems, a line for each.
  let says: String

  var testDescription: String { "\(file): \(name)" }

  static func inPolicy(
    _ name: String, _ original: String, becomes replacement: String, says: String
  ) -> Mistake {
    inFacts(name, in: "policy.yaml", original, becomes: replacement, says: says)
  }

  static func inPolicy(_ name: String, file: String, says: String) -> Mistake {
    inFacts(name, in: "policy.yaml", file: file, says: says)
  }

  static func inTopology(
    _ name: String, _ original: String, becomes replacement: String, says: String
  ) -> Mistake {
    inFacts(name, in: "topology.yaml", original, becomes: replacement, says: says)
  }

  static func inTopology(_ name: String, file: String, says: String) -> Mistake {
    inFacts(name, in: "topology.yaml", file: file, says: says)
  }

  static func inFacts(
    _ name: String, in file: String, _ original: String, becomes replacement: String, says: String
  ) -> Mistake {
    Mistake(name: name, file: file, original: original, replacement: replacement, says: says)
  }

  static func inFacts(_ name: String, in path: String, file: String, says: String) -> Mistake {
    Mistake(name: name, file: path, original: nil, replacement: file, says: says)
  }

  /// The small policy's texts with the mistake made.
  func texts() throws -> [String: String] {
    var texts = SmallPolicy().texts
    var text = try #require(texts[file])
    let range = original.map { text.range(of: $0) } ?? text.startIndex..<text.endIndex
    text.replaceSubrange(try #require(range, "nothing to replace"), with: replacement)
    texts[file] = text
    return texts
  }
}

/// Every wrong text is refused with its place and the way out.
@Suite struct PolicyMistakesTests {
  private func problems(_ texts: [String: String]) -> String {
    do throws(PolicyError) {
      _ = try ResidencyPolicy(files: RegionFiles(texts: texts))
      return "accepted"
    } catch {
      #expect(error.code == .invalid)
      return error.problems.map(\.description).joined(separator: "\n")
    }
  }

  @Test func `the small policy has no mistake`() {
    #expect(problems(SmallPolicy().texts) == "accepted")
  }

  @Test(
    arguments:
      Mistake.rules + Mistake.policy + Mistake.retention + Mistake.tags + Mistake.topology
      + Mistake.facts)
  func `a mistake is named with its place`(mistake: Mistake) throws {
    #expect(problems(try mistake.texts()) == mistake.says)
  }

  @Test func `problems of several files are reported together, in the order of the files`() {
    var small = SmallPolicy()
    small.policy.replace("store: RU", with: "store: UK")
    small.topology.replace("directory: dublin", with: "directory: cork")
    #expect(
      problems(small.texts) == """
        policy.yaml:24:12: unknown country or group “UK”; did you mean “GB”?
        topology.yaml:2:12: unknown region “cork”; known: dublin, frankfurt, mumbai, paris
        """)
  }

  @Test func `an error lists its problems below its message`() throws {
    var small = SmallPolicy()
    small.policy.replace("policy: small", with: "policy: SMALL")
    let error = #expect(throws: PolicyError.self) { try small.compile() }
    #expect(
      error?.description == """
        The policy is not valid: 1 problem.
        policy.yaml:1:9: “SMALL” is no name for a policy: 1 to 63 of the lower-case letters a-z, \
        digits and “-”
        """)
  }

  @Test(arguments: [
    ("policy.yaml", "policy.yaml: the file is missing"),
    ("topology.yaml", "topology.yaml: the file is missing"),
    ("facts/countries.csv", "facts/countries.csv: the file is missing"),
    ("facts/groups.csv", "facts/groups.csv: the file is missing"),
    (
      "facts/evidence.csv",
      "policy.yaml:4:20: no table “evidence” in facts; known: cloud-regions, countries, groups"
    ),
    (
      "facts/cloud-regions.csv",
      "topology.yaml:11:12: no table “cloud-regions” in facts; known: countries, evidence, groups"
    ),
  ])
  func `a missing file is named`(file: String, message: String) {
    var texts = SmallPolicy().texts
    texts[file] = nil
    #expect(problems(texts) == message)
  }

  /// Values that look alike and are meant to differ.
  @Test(arguments: [
    ("0", ["1", "01", "10"]), ("clear", ["caution", "no-data"]), ("yes", ["yes-in-part", "no"]),
    ("high", ["low", ""]),
  ])
  func `facts that are not nearly the one asked for stay`(wanted: String, others: [String]) throws {
    var small = SmallPolicy()
    small.policy.replace("is: exclude", with: "is: \(wanted)")
    small.evidence.replace("clear", with: others[0])
    small.evidence.replace("RU,exclude", with: "RU,\(wanted)")
    for (code, other) in zip(["IN", "NO"], others) {
      small.evidence.replace("\(code),\(others[0])", with: "\(code),\(other)")
    }
    #expect(problems(small.texts) == "accepted")
    #expect(try small.compile().excludedCountries.map(\.description).contains("RU"))
  }

  @Test func `facts that are nearly alike stay if both are asked for`() throws {
    var small = SmallPolicy()
    small.policy.replace("is: exclude", with: "is: [exclude, excluded]")
    small.evidence.replace("IN,clear", with: "IN,excluded")
    #expect(problems(small.texts) == "accepted")
    #expect(try small.compile().excludedCountries.map(\.description) == ["AQ", "IN", "RU"])
  }

  // MARK: Names

  /// No name can be that of another file of the data folder, such as `domicile.lock`.
  @Test(arguments: [
    ("policy.yaml", "policy: small", "policy: NAME"),
    ("policy.yaml", "name: not-free", "name: NAME"),
    ("policy.yaml", "name: rbi-payments", "name: NAME"),
    ("policy.yaml", "[minor,", "[NAME,"),
    ("policy.yaml", "[receipts]", "[NAME]"),
    ("policy.yaml", "  directory: {}", "  directory: {}\n  NAME: {collections: [x]}"),
    ("topology.yaml", "topology: small", "topology: NAME"),
    ("topology.yaml", "  oci:", "  NAME: {jurisdictions: [US]}\n  oci:"),
    ("topology.yaml", "  mumbai:", "  NAME:"),
    ("topology.yaml", "paris-1:", "NAME:"),
  ])
  func `a name has 1 to 63 letters, digits and hyphens, and no dot`(
    file: String, original: String, replacement: String
  ) throws {
    func problems(_ name: String) throws -> String {
      let replacement = replacement.replacing("NAME", with: name)
      let mistake = Mistake(
        name: name, file: file, original: original, replacement: replacement, says: "")
      return self.problems(try mistake.texts())
    }
    for name in ["lock", "a", "0", "a-1", String(repeating: "a", count: 63)] {
      #expect(try problems(name) == "accepted")
    }
    let wrong = [
      "domicile.lock", "a.", "..", "a/b", "a_b", "a b", "Lock", "ä", "a\u{200B}",
      String(repeating: "a", count: 64),
    ]
    for name in wrong {
      #expect(
        try problems(name).hasSuffix("1 to 63 of the lower-case letters a-z, digits and “-”"))
    }
  }

  // MARK: Warnings

  @Test func `a certification that no operator holds is a warning`() throws {
    #expect(try SmallPolicy().compile().warnings.isEmpty)
    var small = SmallPolicy()
    small.policy.replace("certified: EU-US-DPF", with: "certified: EU-US-DFP")
    small.policy.replace(
      "store: anywhere}", with: "store: [{countries: anywhere, certified: iso}]}")
    #expect(
      try small.compile().warnings.map(\.description) == [
        """
        policy.yaml:17:56: no operator in topology.yaml has the certification “EU-US-DFP”; did you \
        mean “EU-US-DPF”?
        """,
        """
        policy.yaml:31:54: no operator in topology.yaml has the certification “iso”; known: EU-US-DPF
        """,
        """
        topology.yaml: nobody without attributes can be admitted: the directory lies in dublin, where nothing may be \
        noted about anybody
        """,
      ])
    small.topology.replace(
      "{jurisdictions: [FR]}", with: "{jurisdictions: [FR], certifications: iso}")
    #expect(
      try small.compile().warnings.count { $0.message.contains("certification") } == 1)
  }

  // MARK: Limits

  @Test func `more attributes than fit are refused`() {
    var small = SmallPolicy()
    let names = (1...65).map { "a\($0)" }.joined(separator: ", ")
    small.policy.replace("[minor, scc-signed]", with: "[\(names)]")
    small.policy.replace("attribute: scc-signed", with: "attribute: a1")
    #expect(
      problems(small.texts) == "policy.yaml:9:13: 65 attributes; at most 64 are supported")
  }

  @Test func `a verdict that depends on more than eight attributes is refused`() {
    var small = SmallPolicy()
    let names = (1...9).map { "a\($0)" }
    small.policy.replace(
      "[minor, scc-signed]", with: "[\(names.joined(separator: ", ")), scc-signed]")
    let rules = names.map {
      "  - {name: rule-\($0), residents: IN, classes: payments, store: IN, reason: r,"
        + " unless: {attribute: \($0)}}\n"
    }
    small.policy.replace("rules:\n", with: "rules:\n\(rules.joined())")
    #expect(
      problems(small.texts) == """
        policy.yaml: residents of IN, class “payments”: the rules depend on 9 attributes; \
        at most 8 are supported
        """)
  }

  @Test func `more classes than are reasonable are refused`() {
    var small = SmallPolicy()
    let classes = (1...62).map { "  c\($0): {collections: [c\($0)]}\n" }.joined()
    small.policy.replace("classes:\n", with: "classes:\n\(classes)")
    #expect(problems(small.texts) == "policy.yaml:11:3: 65 data classes; at most 64 are supported")
  }

  @Test func `more rules than are reasonable are refused`() {
    var small = SmallPolicy()
    let rules = (1...9_998).map { "  - {name: r\($0), residents: IN, store: IN, reason: r}\n" }
    small.policy.replace("rules:\n", with: "rules:\n\(rules.joined())")
    #expect(problems(small.texts) == "policy.yaml:15:3: 10001 entries; at most 10000 are supported")
  }

  @Test func `more regions than fit are refused`() {
    var small = SmallPolicy()
    let regions = (1...253).map {
      "  r\($0): {country: IE, operator: aws, shards: {s\($0): {}}}\n"
    }
    small.topology.replace("regions:\n", with: "regions:\n\(regions.joined())")
    #expect(problems(small.texts) == "topology.yaml:1:1: 257 regions; at most 256 are supported")
  }

  @Test func `more countries than fit are refused`() {
    var small = SmallPolicy()
    let letters = "ABCDEFGHIJ".map(String.init)
    let codes = letters.flatMap { first in
      "ABCDEFGHIJKLMNOPQRSTUVWXYZ".map { "\(first)\($0)" }
    }
    let rows = codes.map { "\($0),Land,\($0),1,1\n" }
    small.countries = "alpha2,name,sovereign,lat,lon\n\(rows.joined())"
    #expect(
      problems(small.texts) == "facts/countries.csv: 260 countries; at most 256 are supported")
  }

  /// A thread that is not the main one has half a megabyte on some systems.
  @Test(arguments: [65, 1000, 100_000])
  func `deep nesting is refused, and takes no stack`(depth: Int) {
    let brackets =
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    var small = SmallPolicy()
    small.policy = "policy: \(brackets)"
    #expect(problems(small.texts) == "policy.yaml:1:73: this is nested too deeply")
    small.policy = "policy:\n  \(String(repeating: "- ", count: depth))x"
    #expect(problems(small.texts) == "policy.yaml:2:129: this is nested too deeply")
  }

  // MARK: Names from callers

  private func message(_ ask: (ResidencyPolicy) throws -> Void) throws -> String {
    let policy = try SmallPolicy().compile()
    let error = #expect(throws: PolicyError.self) { try ask(policy) }
    #expect(error?.code == .unknownName)
    return error?.message ?? ""
  }

  @Test(arguments: [
    ("UK", "did you mean “GB”?"),
    ("uk", "did you mean “GB”?"),
    ("EL", "did you mean “GR”?"),
    ("Germany", "did you mean “DE”?"),
    ("DEU", "did you mean “DE”?"),
    ("EEA", "that is a group of countries."),
    ("anywhere", "that is a group of countries."),
    ("", "known: AQ, CH, DE, FR, GB, GP, GR, IE, IN, NO, RU, US."),
    ("false", "known: AQ, CH, DE, FR, GB, GP, GR, IE, IN, NO, RU, US."),
  ])
  func `an unknown country in a tag is answered with the nearest`(tag: String, hint: String) throws
  {
    #expect(
      try message { _ = try $0.geography.country(tag) }
        == "Unknown country “\(tag)”; \(hint) Countries are ISO 3166-1 alpha-2 codes.")
  }

  @Test(arguments: [
    ("USA", "did you mean “US”?"),
    ("Germanny", "did you mean “DE”?"),
    ("Narnia", "250 are known; “facts/countries.csv” lists them."),
    ("everywhere", "250 are known; “facts/countries.csv” lists them."),
  ])
  func `of many countries the nearest is named, by code or name, else where all of them stand`(
    tag: String, hint: String
  ) throws {
    let policy = try ShippedRegions.policy()
    let error = #expect(throws: PolicyError.self) { try policy.geography.country(tag) }
    #expect(
      error?.message
        == "Unknown country “\(tag)”; \(hint) Countries are ISO 3166-1 alpha-2 codes.")
  }

  @Test func `more than twenty names are not listed, but the command that lists them is named`()
    throws
  {
    var small = SmallPolicy()
    let names = (1...21).map { "box-\($0)" }.joined(separator: ", ")
    small.policy.replace("[inbox, threads]", with: "[\(names)]")
    let policy = try small.compile()
    let error = #expect(throws: PolicyError.self) {
      try policy.dataClass(ofCollection: "shoes")
    }
    #expect(
      error?.message == """
        Unknown collection “shoes”; 22 are known; “domicile policy print” lists them. The policy lists \
        the collections of each data class.
        """)
  }

  @Test func `a country in a tag may be in lower case`() throws {
    #expect(try SmallPolicy().compile().geography.country("us") == #require(CountryCode("US")))
  }

  @Test func `other unknown names are answered with the nearest`() throws {
    let german = try #require(ResidencyProfile("DE"))
    #expect(
      try message { _ = try $0.verdict(for: german, dataClass: "message") }
        == "Unknown data class “message”; did you mean “messages”?")
    #expect(
      try message { _ = try $0.verdict(for: german, dataClass: "messages", in: "Dublin") }
        == "Unknown region “Dublin”; did you mean “dublin”?")
    #expect(
      try message { _ = try $0.verdict(for: german, dataClass: "messages", in: "oslo") }
        == "Unknown region “oslo”; known: dublin, frankfurt, mumbai, paris.")
    #expect(
      try message { _ = try $0.dataClass(ofCollection: "inbx") } == """
        Unknown collection “inbx”; did you mean “inbox”? The policy lists the collections of each \
        data class.
        """)
    let tagged = try #require(ResidencyProfile("DE scc"))
    #expect(
      try message { _ = try $0.compile(tagged) } == """
        Unknown attribute “scc”; known: minor, scc-signed. Only attributes that the policy declares \
        are kept.
        """)
    let nobody = try #require(ResidencyProfile("ZZ"))
    #expect(
      try message { _ = try $0.verdict(for: nobody, dataClass: "messages") } == """
        Unknown country “ZZ”; known: AQ, CH, DE, FR, GB, GP, GR, IE, IN, NO, RU, US. Countries are \
        ISO 3166-1 alpha-2 codes.
        """)
  }
}
