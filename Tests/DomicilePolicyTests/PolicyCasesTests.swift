import DomicilePolicy
import DomicileTesting
import Foundation
import Testing

/// What a policy must say, in the words of `tests.yaml`.
@Suite struct PolicyCasesTests {
  private var small = SmallPolicy()

  private func report(_ cases: String, under small: SmallPolicy) throws -> PolicyCaseReport {
    let policy = try small.compile()
    return try policy.test(PolicyCases(text: "cases:\n\(cases)", of: policy))
  }

  /// What one case expects and is not so, a line for each.
  private func failures(_ entry: String) throws -> [String] {
    let report = try report("  - \(entry)\n", under: small)
    let result = try #require(report.results.first)
    #expect(result.isPassed == result.failures.isEmpty)
    return result.failures.map { "\($0.expected), but \($0.verdict.summary)" }
  }

  // MARK: What holds

  @Test(arguments: [
    "{residence: DE, class: messages, expect: allowed}",
    "{residence: DE, expect: allowed}",
    "{residence: EEA, class: [messages, payments], expect: {refused: mumbai}}",
    "{residence: DE, class: messages, expect: {allowed: [dublin, paris], refused: [frankfurt, mumbai]}}",
    "{residence: DE, class: messages, expect: {refused: frankfurt}, because: gdpr}",
    "{residence: DE, attributes: scc-signed, class: messages, expect: {allowed: frankfurt}}",
    "{residence: DE, attributes: [scc-signed, minor], class: messages, expect: {unserved: mumbai}}",
    "{residence: RU, expect: unplaceable, because: [not-free, ru-localisation]}",
    "{residence: RU, class: messages, expect: {refused: paris}, because: ru-localisation}",
    "{residence: [IN, US], class: messages, expect: allowed}",
    "{residence: IN, class: payments, expect: {refused: [mumbai, paris]}, because: rbi-payments}",
    "{residence: DE, class: messages, expect: {chosen: paris}, on: 2030-01-01}",
    "{residence: DE, class: messages, process: [US, EEA], expect: allowed}",
    "{residence: DE, class: messages, process: RU, expect: refused, because: not-free}",
  ])
  func `a case passes where the policy says so`(entry: String) throws {
    #expect(try failures(entry).isEmpty)
  }

  @Test(arguments: [
    (
      "{residence: IN, class: messages, expect: {refused: paris}}",
      "refused in paris, but allowed: messages of a resident of IN may live in paris (FR)"
    ),
    (
      "{residence: DE, class: messages, expect: {allowed: frankfurt}}",
      "allowed in frankfurt, but refused: messages of a resident of DE may not live in frankfurt (DE)"
    ),
    (
      "{residence: DE, class: messages, expect: unplaceable}",
      "unplaceable, but allowed: messages of a resident of DE may live in paris, dublin"
    ),
    (
      "{residence: RU, class: messages, expect: unplaceable, because: not-free}",
      "unplaceable because of not-free; it is, but because of not-free, ru-localisation, but unplaceable: messages of a resident of RU may live in no country"
    ),
    (
      "{residence: RU, class: messages, expect: {refused: paris}, because: [ru-localisation, not-free]}",
      """
      refused in paris because of not-free, ru-localisation; it is, but because of ru-localisation, but refused: messages of a resident of RU may not live \
      in paris (FR)
      """
    ),
    (
      "{residence: DE, class: messages, expect: {chosen: dublin}}",
      "dublin is chosen, but allowed: messages of a resident of DE may live in paris, dublin"
    ),
    (
      "{residence: DE, class: messages, process: RU, expect: allowed}",
      """
      allowed to a process in RU, but refused: messages of a resident of DE may not be read and written by a process \
      in RU
      """
    ),
  ])
  func `a case fails where the policy says something else`(entry: String, failure: String) throws {
    #expect(try failures(entry) == [failure])
  }

  @Test func `the class directory is asked about in the directory's region`() throws {
    var small = SmallPolicy()
    small.policy.replace(
      "classes: payments\n    store: IN", with: "classes: directory\n    store: FR")
    let entry = "  - {residence: IN, class: directory, expect: allowed}\n"
    let failure = try #require(try report(entry, under: small).results.first?.failures.first)
    #expect(
      failure.verdict.summary
        == "refused: directory of a resident of IN may not live in dublin (IE)")
  }

  @Test
  func `without a class all are asked about, and what is chosen is no matter of the directory`()
    throws
  {
    #expect(
      try failures("{residence: DE, expect: {chosen: dublin}}") == [
        "dublin is chosen, but allowed: messages of a resident of DE may live in paris, dublin",
        "dublin is chosen, but allowed: payments of a resident of DE may live in paris, dublin",
      ])
    #expect(try failures("{residence: RU, expect: {allowed: paris}}").count == 3)
  }

  @Test func `of a case about many users all failures are counted, and some are kept`() throws {
    let report = try report("  - {residence: EEA, expect: {allowed: mumbai}}\n", under: small)
    let result = try #require(report.results.first)
    #expect(result.failureCount == 15)
    #expect(result.failures.count == PolicyCaseReport.failuresMax)
  }

  // MARK: Days

  @Test func `a case about another day is asked about what is written for that day`() throws {
    var small = SmallPolicy()
    small.policy.replace("    store: IN\n", with: "    store: IN\n    from: 2031-06-01\n")
    let report = try report(
      """
        - {residence: IN, class: payments, expect: {allowed: paris}}
        - {residence: IN, class: payments, on: 2031-05-31, expect: {allowed: paris}}
        - {residence: IN, class: payments, on: 2031-06-01, expect: {refused: paris}, because: rbi-payments}
        - {residence: IN, class: payments, on: 2040-01-01, expect: {allowed: paris}}
      """, under: small)
    #expect(report.results.map(\.isPassed) == [true, true, true, false])
    #expect(report.failedCount == 1)
    #expect(report.results.last?.failures.map(\.day) == [PolicyDay("2040-01-01")])
    #expect(!report.unexercised.map(\.name).contains("rbi-payments"))
  }

  // MARK: Names

  @Test func `a case without a name is called by what it says`() throws {
    let report = try report(
      """
        - name: no place for Russians
          residence: RU
          expect: unplaceable
        - {residence: RU, expect: unplaceable}
        - {residence: [DE, FR], class: [messages, payments], expect: {refused: [mumbai, frankfurt], allowed: paris}}
        - {residence: DE, attributes: [scc-signed], class: messages, on: 2032-01-01, process: US, expect: allowed}
      """, under: small)
    #expect(
      report.results.map(\.testedCase.name) == [
        "no place for Russians", "RU: unplaceable",
        "DE, FR, messages, payments: refused mumbai, frankfurt; allowed paris",
        "DE (scc-signed), messages, on 2032-01-01, processed in US: allowed",
      ])
    #expect(
      report.results.map(\.testedCase.line.description)
        == ["tests.yaml:2", "tests.yaml:5", "tests.yaml:6", "tests.yaml:7"])
  }

  // MARK: What no case exercises

  @Test func `rules and exclusions on which no verdict rests are named with their lines`() throws {
    func unexercised(_ entry: String, _ small: SmallPolicy) throws -> [String] {
      try report("  - \(entry)\n", under: small).unexercised.map { "\($0.name) \($0.line)" }
    }
    #expect(
      try unexercised("{residence: DE, class: messages, expect: {refused: mumbai}}", small) == [
        "not-free policy.yaml:3", "ru-localisation policy.yaml:22", "rbi-payments policy.yaml:26",
      ])
    // What is allowed rests on all that was asked.
    #expect(
      try unexercised("{residence: IN, expect: allowed}", small)
        == ["gdpr policy.yaml:15", "ru-localisation policy.yaml:22"])
    // A rule that only prefers is exercised by what is chosen.
    var preferring = small
    preferring.policy.replace(
      "otherwise:", with: "  - {name: near, residents: US, prefer: IN, reason: r}\notherwise:")
    #expect(
      try unexercised("{residence: US, class: messages, expect: allowed}", preferring).last
        == "near policy.yaml:31")
    #expect(
      try unexercised("{residence: US, class: messages, expect: {chosen: dublin}}", preferring).last
        == "rbi-payments policy.yaml:26")
    // What does not concern the deployment is none of its cases' business.
    preferring.policy.replace("prefer: IN", with: "prefer: IN, when: [far]")
    preferring.policy.replace("attributes:", with: "assume: {far: false}\nattributes:")
    #expect(
      try unexercised("{residence: US, class: messages, expect: allowed}", preferring).last
        == "rbi-payments policy.yaml:27")
  }

  // MARK: The file

  private func message(_ folder: String, _ policy: ResidencyPolicy) -> String {
    do throws(PolicyError) {
      _ = try PolicyCases(folder: folder, of: policy)
      return "read"
    } catch {
      #expect(error.code == .unreadable)
      return error.message
    }
  }

  @Test func `the file is read beside the policy and is no part of it`() throws {
    let folder = try TemporaryFolder()
    for (path, text) in small.texts { try folder.write(text, to: path) }
    let digest = try small.compile().digest
    let policy = try ResidencyPolicy(folder: folder.path)
    #expect(
      message(folder.path, policy) == """
        “tests.yaml” of the regions folder does not exist or may not be read; check the folder's name and rights.
        """)
    try folder.write("cases: [{residence: RU, expect: unplaceable}]", to: "tests.yaml")
    #expect(message(folder.path, policy) == "read")
    let again = try ResidencyPolicy(folder: folder.path)
    #expect(again.digest == digest && again.files.texts["tests.yaml"] == nil)
    try folder.write("cases: []\0", to: "tests.yaml")
    #expect(message(folder.path, policy) == "“tests.yaml” of the regions folder holds a NUL byte.")
    try folder.write(String(repeating: " ", count: RegionFiles.bytesMax + 1), to: "tests.yaml")
    #expect(
      message(folder.path, policy) == """
        “tests.yaml” of the regions folder has 16777217 bytes; at most 16777216 are read.
        """)
  }

  @Test func `the policy is valid with a tests.yaml that is not`() throws {
    let folder = try TemporaryFolder()
    for (path, text) in small.texts { try folder.write(text, to: path) }
    try folder.write("\0", to: "tests.yaml")
    #expect(try ResidencyPolicy(folder: folder.path).digest == small.compile().digest)
  }
}
