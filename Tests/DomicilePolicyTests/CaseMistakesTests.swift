import DomicilePolicy
import DomicileTesting
import Testing

/// Every wrong case is refused with its place and the way out.
@Suite struct CaseMistakesTests {
  private func problems(_ text: String) throws -> String {
    let policy = try SmallPolicy().compile()
    do throws(PolicyError) {
      _ = try PolicyCases(text: text, of: policy)
      return "accepted"
    } catch {
      #expect(error.code == .invalid)
      return error.problems.map(\.description).joined(separator: "\n")
    }
  }

  /// What a case says, and what is said about it.
  static let mistakes: [(entry: String, says: String)] = [
    (
      "residnce: DE, expect: allowed",
      """
      tests.yaml:2:6: unknown key “residnce”; did you mean “residence”?
      tests.yaml:2:5: the key “residence” is missing
      """
    ),
    ("residence: DE", "tests.yaml:2:5: the key “expect” is missing"),
    (
      "residence: UK, expect: allowed",
      "tests.yaml:2:17: unknown country or group “UK”; did you mean “GB”?"
    ),
    ("residence: [], expect: allowed", "tests.yaml:2:17: “residence” needs at least one entry"),
    (
      "residence: DE, attributes: [scc], expect: allowed",
      "tests.yaml:2:34: unknown attribute “scc”; known: minor, scc-signed"
    ),
    (
      "residence: DE, class: message, expect: allowed",
      "tests.yaml:2:28: unknown data class “message”; did you mean “messages”?"
    ),
    (
      "residence: DE, class: [], expect: allowed",
      "tests.yaml:2:28: “class” needs at least one entry"
    ),
    (
      "residence: DE, on: 2032-02-30, expect: allowed",
      "tests.yaml:2:25: “2032-02-30” is no day; write YYYY-MM-DD"
    ),
    (
      "residence: DE, expect: alowed",
      """
      tests.yaml:2:29: “expect” is “allowed”, “unplaceable”, “unserved” or {allowed: [REGION], …}, not “alowed”
      """
    ),
    (
      "residence: DE, expect: refused",
      "tests.yaml:2:29: “refused” is for regions, as in {refused: [REGION]}, or goes with “process”"
    ),
    (
      "residence: DE, expect: [allowed]",
      "tests.yaml:2:29: this must be a word or a text"
    ),
    (
      "residence: DE, expect: {}",
      "tests.yaml:2:29: “expect” needs at least one of “allowed”, “refused”, “unserved”, “chosen”"
    ),
    (
      "residence: DE, expect: {alowed: dublin}",
      "tests.yaml:2:30: unknown key “alowed”; did you mean “allowed”?"
    ),
    (
      "residence: DE, expect: {allowed: [dublen], refused: []}",
      """
      tests.yaml:2:40: unknown region “dublen”; did you mean “dublin”?
      tests.yaml:2:58: “refused” needs at least one entry
      """
    ),
    (
      "residence: DE, expect: {allowed: dublin, refused: [paris, dublin]}",
      "tests.yaml:2:64: the region “dublin” stands here twice"
    ),
    (
      "residence: DE, class: directory, expect: {chosen: dublin}",
      "tests.yaml:2:56: no region is chosen for the class “directory”: the topology names it"
    ),
    (
      "residence: DE, expect: allowed, because: gdpr",
      "tests.yaml:2:47: “because” says why data may not be somewhere, which is not expected here"
    ),
    (
      "residence: DE, expect: {allowed: dublin, chosen: dublin}, because: gdpr",
      "tests.yaml:2:73: “because” says why data may not be somewhere, which is not expected here"
    ),
    (
      "residence: RU, expect: unplaceable, because: [not-fre, otherwise]",
      "tests.yaml:2:52: unknown rule or exclusion “not-fre”; did you mean “not-free”?"
    ),
    (
      "residence: RU, expect: unplaceable, because: []",
      "tests.yaml:2:51: “because” needs at least one entry"
    ),
    (
      "residence: DE, process: USA, expect: allowed",
      "tests.yaml:2:30: unknown country or group “USA”; did you mean “US”?"
    ),
    (
      "residence: DE, process: US, expect: unplaceable",
      "tests.yaml:2:42: with “process”, “expect” is “allowed” or “refused”"
    ),
    (
      "residence: DE, process: US, expect: {allowed: dublin}",
      "tests.yaml:2:42: with “process”, “expect” is “allowed” or “refused”"
    ),
    (
      "residence: !!str DE, expect: allowed",
      "tests.yaml:2:17: the tag “!!str” is not part of the language; write it without"
    ),
  ]

  @Test(arguments: mistakes)
  func `a mistake is named with its place`(entry: String, says: String) throws {
    #expect(try problems("cases:\n  - {\(entry)}\n") == says)
  }

  @Test(arguments: [
    ("", "tests.yaml: the file is empty"),
    ("cases: []", "tests.yaml:1:8: “cases” needs at least one entry"),
    ("cases: {}", "tests.yaml:1:8: this must be a list"),
    (
      "case: []",
      "tests.yaml:1:1: unknown key “case”; did you mean “cases”?\ntests.yaml:1:1: the key “cases” is missing"
    ),
    (
      "cases: [x]",
      "tests.yaml:1:9: this must be a mapping of “key: value” lines; write {} for an empty one"
    ),
    (
      "cases: [",
      "tests.yaml:2:1: this is not YAML: did not find expected node content; a value is missing, or a bracket above is not closed"
    ),
  ])
  func `a file that has no cases is refused`(text: String, says: String) throws {
    #expect(try problems(text) == says)
  }

  @Test func `all problems are named at once`() throws {
    let text = """
      cases:
        - name: a
          residence: UK
          expect: unplacable
        - name: a
          residence: RU
          clas: messages
          expect: unplaceable
          because: nobody
      """
    #expect(
      try problems(text) == """
        tests.yaml:3:16: unknown country or group “UK”; did you mean “GB”?
        tests.yaml:4:13: “expect” is “allowed”, “unplaceable”, “unserved” or {allowed: [REGION], …}, not “unplacable”
        tests.yaml:7:5: unknown key “clas”; did you mean “class”?
        tests.yaml:5:11: the name “a” is already that of line 2
        tests.yaml:9:14: unknown rule or exclusion “nobody”; known: gdpr, not-free, otherwise, rbi-payments, \
        ru-localisation
        """)
    let error = #expect(throws: PolicyError.self) {
      try PolicyCases(text: text, of: SmallPolicy().compile())
    }
    #expect(error?.message == "The cases of tests.yaml are not valid: 5 problems.")
  }

  @Test func `more cases and verdicts than are reasonable are refused`() throws {
    let entry = "  - {residence: DE, expect: allowed}\n"
    #expect(try problems("cases:\n\(String(repeating: entry, count: 10_000))") == "accepted")
    #expect(
      try problems("cases:\n\(String(repeating: entry, count: 10_001))")
        == "tests.yaml:2:3: 10001 cases; at most 10000 are supported")
    let large = "  - {residence: anywhere, expect: {allowed: [dublin, paris, mumbai, frankfurt]}}\n"
    #expect(
      try problems("cases:\n\(String(repeating: large, count: 7_000))")
        == "tests.yaml:2:3: the cases take 1008000 verdicts; at most 1000000 are supported")
  }
}
