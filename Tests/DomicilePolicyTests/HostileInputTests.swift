import DomicilePolicy
import DomicileTesting
import Testing

/// Texts that are made to take time or memory are refused like others, and as fast.
@Suite(.timeLimit(.minutes(5))) struct HostileInputTests {
  private func problems(_ texts: [String: String]) -> [PolicyProblem] {
    do throws(PolicyError) {
      _ = try ResidencyPolicy(files: RegionFiles(texts: texts))
      return []
    } catch {
      return error.problems
    }
  }

  private func problems(_ change: (inout SmallPolicy) -> Void) -> [PolicyProblem] {
    var small = SmallPolicy()
    change(&small)
    return problems(small.texts)
  }

  // MARK: YAML

  /// Ten lines that stand for 9 to the power of 9 words.
  private static let bomb =
    "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + zip("abcdefgh", "bcdefghi").map { inner, outer in
      let aliases = Array(repeating: "*\(inner)", count: 9).joined(separator: ", ")
      return "\(outer): &\(outer) [\(aliases)]\n"
    }.joined()

  /// As a key it would have to be compared with others.
  @Test(arguments: ["j: *i", "? *i\n: 1\n? *i\n: 2", "{? [*i] : 1, ? {*i : 1} : 2}", "<<: *i"])
  func `an alias bomb is refused before it is looked at`(use: String) {
    let says = "anchors and aliases (& and *) are not part of the language; write it out"
    let text = use.hasPrefix("{") ? "\(Self.bomb)k: \(use)" : "\(Self.bomb)\(use)"
    #expect(problems { $0.policy = text }.map(\.message) == [says])
  }

  @Test func `ampersands and stars within a text are none of an anchor`() {
    let found = problems {
      $0.policy.replace("reason: GDPR chapter V", with: "reason: R&D &c, *emphasis* \"&a *a\"")
      $0.policy.replace("reason: RBI/2017-18/153", with: "reason: >-\n      *a\n      &b [c]")
    }
    #expect(found == [])
  }

  @Test func `a NUL in a text of quotes is no name`() {
    let found = problems { $0.policy.replace("policy: small", with: #"policy: "a\0b""#) }
    #expect(found.count == 1)
    #expect(
      found.first?.message.hasSuffix("1 to 63 of the lower-case letters a-z, digits and “-”")
        == true)
  }

  // MARK: Words

  @Test func `a word of two megabytes is refused, and said in short`() {
    let word = String(repeating: "A", count: 2_000_000)
    for place in ["store: RU", "residents: RU", "is: exclude", "attribute: scc-signed"] {
      let key = place.prefix { $0 != ":" }
      let found = problems { $0.policy.replace(place, with: "\(key): \(word)") }
      #expect(found.count == 1)
      #expect(found.allSatisfy { $0.message.count < 3_000 })
    }
    let found = problems { $0.policy.replace("name: gdpr", with: "name: \(word)") }
    #expect(found.allSatisfy { $0.message.count < 3_000 })
  }

  @Test func `of more mistakes than anybody mends at once the first are said`() {
    let words = Array(repeating: "QQ", count: 200_000).joined(separator: ",")
    let found = problems { $0.policy.replace("residents: RU", with: "residents: [\(words)]") }
    #expect(found.count == 501)
    #expect(found.dropLast().allSatisfy { $0.message.hasPrefix("unknown country or group “QQ”") })
    #expect(
      found.last?.description == "policy.yaml: there are more problems; mend those above first")
  }

  @Test func `so are those of a table`() {
    let found = problems { $0.evidence += String(repeating: "\nQQ,clear", count: 200_000) }
    #expect(found.count == 501)
  }

  @Test(arguments: [
    ("NO", nil), ("no", "did you mean “NO”?"), ("No", "did you mean “NO”?"),
    ("on", "known: AQ, CH, DE, EEA, FR, GB, GP, GR, IE, IN, NO, RU, TRUSTED, US, anywhere"),
    ("NA", "known: AQ, CH, DE, EEA, FR, GB, GP, GR, IE, IN, NO, RU, TRUSTED, US, anywhere"),
    ("UK", "did you mean “GB”?"),
    ("uk", "did you mean “GB”?"), ("EL", "did you mean “GR”?"),
    ("XK", "known: AQ, CH, DE, EEA, FR, GB, GP, GR, IE, IN, NO, RU, TRUSTED, US, anywhere"),
    ("XX", "known: AQ, CH, DE, EEA, FR, GB, GP, GR, IE, IN, NO, RU, TRUSTED, US, anywhere"),
    ("0x10", "known: AQ, CH, DE, EEA, FR, GB, GP, GR, IE, IN, NO, RU, TRUSTED, US, anywhere"),
    ("true", "known: AQ, CH, DE, EEA, FR, GB, GP, GR, IE, IN, NO, RU, TRUSTED, US, anywhere"),
    ("null", "known: AQ, CH, DE, EEA, FR, GB, GP, GR, IE, IN, NO, RU, TRUSTED, US, anywhere"),
    ("1e3", "known: AQ, CH, DE, EEA, FR, GB, GP, GR, IE, IN, NO, RU, TRUSTED, US, anywhere"),
    ("FI", "known: AQ, CH, DE, EEA, FR, GB, GP, GR, IE, IN, NO, RU, TRUSTED, US, anywhere"),
  ])
  func `a word is what it is written as, whatever YAML makes of it`(word: String, hint: String?) {
    let found = problems { $0.policy.replace("store: RU", with: "store: \(word)") }
    let says = hint.map { "policy.yaml:24:12: unknown country or group “\(word)”; \($0)" }
    #expect(found.map(\.description) == (says.map { [$0] } ?? []))
  }

  @Test(arguments: ["NO", "NA", "XK"])
  func `countries that look like something else are known to the shipped policy`(code: String)
    throws
  {
    var texts = try RegionFiles(folder: ShippedRegions.folder).texts
    texts["policy.yaml"]?.replace("residents: RU ", with: "residents: \(code) ")
    texts["policy.yaml"]?.replace("store: RU\n", with: "store: [\(code)]\n")
    #expect(problems(texts) == [])
  }

  @Test(arguments: [
    ("form", "from"), ("resaon", "reason"), ("reviwe", "review"), ("unitl", "until"),
  ])
  func `a key with two letters exchanged is answered with the right one`(
    wrong: String, right: String
  ) {
    let found = problems {
      $0.policy.replace("    store: IN\n", with: "    store: IN\n    \(wrong): 2027-01-01\n")
    }
    #expect(
      found.first?.description
        == "policy.yaml:30:5: unknown key “\(wrong)”; did you mean “\(right)”?")
  }

  // MARK: Many, and within each other

  @Test func `groups within each other, too deep, are refused`() {
    func chain(_ length: Int) -> [PolicyProblem] {
      let groups = (0..<length).map { "  G-\(100_000 + $0): G-\(100_001 + $0)\n" }.joined()
      return problems {
        $0.policy += "\ngroups:\n\(groups)  G-\(100_000 + length): IN\n"
      }
    }
    #expect(chain(63) == [])
    let says = "groups are within each other more than 64 deep; name the countries"
    #expect(chain(64).map(\.message) == [says])
    #expect(chain(20_000).allSatisfy { $0.message == says })
  }

  @Test func `a long circle of groups is refused`() {
    let groups = (0..<50).map { "  G-\(100 + $0): G-\(100 + ($0 + 1) % 50)\n" }.joined()
    let found = problems { $0.policy += "\ngroups:\n\(groups)" }
    #expect(found.map(\.message) == ["the group “G-100” contains itself"])
  }

  @Test func `files that include each other, or too many, are refused`() {
    func including(_ count: Int, last: String) -> [String] {
      var texts = SmallPolicy().texts
      texts["policy.yaml", default: ""] += "\ninclude: rules/f-0.yaml\n"
      for number in 0..<count {
        let next = number + 1 < count ? "rules/f-\(number + 1).yaml" : last
        texts["rules/f-\(number).yaml"] = next.isEmpty ? "rules: []" : "include: \(next)"
      }
      return problems(texts).map(\.description)
    }
    #expect(
      including(1, last: "rules/f-0.yaml") == [
        "rules/f-0.yaml:1:10: “rules/f-0.yaml” is included twice, or includes itself"
      ])
    #expect(
      including(3, last: "rules/f-0.yaml") == [
        "rules/f-2.yaml:1:10: “rules/f-0.yaml” is included twice, or includes itself"
      ])
    #expect(including(256, last: "") == [])
    #expect(
      including(5_000, last: "") == [
        "rules/f-255.yaml:1:10: more than 256 files are included; put some together"
      ])
  }

  @Test func `too many classes, assumptions, rules of other files and shards are refused at once`()
  {
    let names = (0..<100_000).map { "n\($0)" }
    let classes = names.map { "  \($0): {}\n" }.joined()
    #expect(
      problems { $0.policy.replace("classes:\n", with: "classes:\n\(classes)") }.map(\.message)
        == ["100003 data classes; at most 64 are supported"])
    let assumptions = names.map { "  \($0): true\n" }.joined()
    #expect(
      problems { $0.policy += "\nassume:\n\(assumptions)" }.map(\.message)
        == ["100000 assumptions; at most 1000 are supported"])
    var texts = SmallPolicy().texts
    texts["policy.yaml"]?.replace("rules:\n", with: "include: rules/many.yaml\nrules:\n")
    texts["rules/many.yaml"] = "rules: [\(String(repeating: "a, ", count: 10_000))]"
    #expect(problems(texts).map(\.message) == ["10003 entries; at most 10000 are supported"])
    let shards = names.map { "\($0): {}" }.joined(separator: ", ")
    #expect(
      problems { $0.topology.replace("paris-1: {}", with: shards) }.map(\.message)
        == ["100004 shards; at most 4096 are supported"])
  }
}
