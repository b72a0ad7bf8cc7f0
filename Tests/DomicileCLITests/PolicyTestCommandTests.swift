import Domicile
import DomicileTesting
import Foundation
import Testing

/// `policy test`, letter for letter.
@Suite struct PolicyTestCommandTests {
  private func workspace(_ cases: String) throws -> Workspace {
    let workspace = Workspace()
    try workspace.write(.small)
    try workspace.write(cases, to: "regions/tests.yaml")
    return workspace
  }

  private static let complete = """
    cases:
      - name: Europeans at home
        residence: EU
        class: messages
        expect: {allowed: dublin, refused: [mumbai, ashburn]}
        because: eu-at-home
      - {residence: IN, class: payments, expect: {refused: dublin}, because: in-payments}
      - {residence: KP, class: messages, expect: unplaceable, because: [kp-at-home, press-freedom]}
    """

  @Test func `cases that pass are counted`() async throws {
    let workspace = try workspace(Self.complete)
    expect(try await workspace.domicile("policy test"), output: "passed: 3 cases\n")
    expect(
      try await workspace.domicile("policy test --regions regions"), output: "passed: 3 cases\n")
  }

  @Test func `a case that fails shows what was expected and what the policy says, and why`()
    async throws
  {
    let workspace = try workspace(
      """
      cases:
        - name: messages of Indians stay in India
          residence: IN
          class: messages
          expect: {allowed: mumbai, refused: [dublin]}
        - {residence: DE, class: messages, on: 2032-01-01, expect: unplaceable}
        - {residence: DE, class: messages, expect: allowed}
      """)
    expect(
      try await workspace.domicile("policy test"),
      output: """
        failed: messages of Indians stay in India (tests.yaml:2)
          expected: refused in dublin
          allowed: messages of a resident of IN may live in dublin (IE)
            otherwise (policy.yaml:26) stores anywhere
              because: no rule with “store” matches
            press-freedom (policy.yaml:3) does not exclude IE
              because: Jails people for what they write.
        failed: DE, messages, on 2032-01-01: unplaceable (tests.yaml:6)
          expected on 2032-01-01: unplaceable
          allowed: messages of a resident of DE may live in dublin
            eu-at-home (policy.yaml:12) stores only in EU
              because: GDPR chapter V
            press-freedom (policy.yaml:3) excludes 1 country
              because: Jails people for what they write.
        failed: 2 of 3 cases
        2 of 4 rules and exclusions are exercised by no case:
          in-payments (policy.yaml:17)
          kp-at-home (policy.yaml:22)

        """, exitCode: 1)
  }

  @Test func `of a case about many users some failures are shown, and the others counted`()
    async throws
  {
    let workspace = try workspace(
      "cases: [{name: all, residence: anywhere, class: [messages, payments], expect: unserved}]")
    let result = try await workspace.domicile("policy test")
    #expect(result.exitCode == 1)
    let lines = result.output.split(separator: "\n")
    #expect(lines.count { $0 == "  expected: unserved" } == 5)
    #expect(lines.contains("  and 5 more of this case"))
    #expect(lines.last == "failed: 1 of 1 case")
  }

  @Test func `what is wrong with the cases is listed with its place`() async throws {
    let workspace = try workspace(
      "cases:\n  - {residence: UK, expect: allowed}\n  - {residence: DE, clas: messages, expect: allowed}\n"
    )
    expect(
      try await workspace.domicile("policy test"),
      error: """
        invalidCases: The cases of tests.yaml are not valid: 2 problems.
          ./regions/tests.yaml:2:17: unknown country or group “UK”; did you mean “GB”?
          ./regions/tests.yaml:3:21: unknown key “clas”; did you mean “class”?

        """, exitCode: 1)
    let json = try await workspace.json("policy test --json", exitCode: 1)
    let result = try #require(json as? [String: Any])
    #expect(result.keys.sorted() == ["isValid", "problems"])
    #expect((result["problems"] as? [Any])?.count == 2)
  }

  @Test func `a policy that is not valid is tested by nobody`() async throws {
    let workspace = try workspace(Self.complete)
    try workspace.write(
      RegionFiles.small.replacing("residents: EU", in: "policy.yaml", with: "residents: EUU"))
    expect(
      try await workspace.domicile("policy test"),
      error: """
        invalidPolicy: The policy is not valid: 1 problem.
          ./regions/policy.yaml:13:16: unknown country or group “EUU”; did you mean “EU”?

        """, exitCode: 1)
  }

  @Test func `a folder without cases says so`() async throws {
    let workspace = Workspace()
    try workspace.write(.small)
    expect(
      try await workspace.domicile("policy test"),
      error: """
        unreadable: “tests.yaml” of the regions folder does not exist or may not be read; check the folder's name \
        and rights.
          regions folder: ./regions

        """, exitCode: 1)
  }

  @Test func `the report is JSON`() async throws {
    let workspace = try workspace(
      """
      cases:
        - {residence: KP, class: messages, expect: unplaceable}
        - {name: b, residence: DE, class: messages, on: 2032-01-01, expect: {refused: dublin}}
      """)
    let json = try await workspace.json("policy test --json", exitCode: 1)
    let report = try #require(json as? [String: Any])
    #expect(report.keys.sorted() == ["cases", "digest", "failedCount", "isValid", "unexercised"])
    #expect(report["isValid"] as? Bool == true && report["failedCount"] as? Int == 1)
    let cases = try #require(report["cases"] as? [[String: Any]])
    #expect(cases.map { $0["name"] as? String } == ["KP, messages: unplaceable", "b"])
    #expect(cases.map { $0["isPassed"] as? Bool } == [true, false])
    #expect(cases.map { $0["line"] as? Int } == [2, 3])
    #expect(
      cases[1].keys.sorted() == ["failureCount", "failures", "file", "isPassed", "line", "name"])
    let failure = try #require((cases[1]["failures"] as? [[String: Any]])?.first)
    #expect(failure.keys.sorted() == ["expected", "on", "verdict"])
    #expect(failure["expected"] as? String == "refused in dublin")
    #expect(failure["on"] as? String == "2032-01-01")
    #expect((failure["verdict"] as? [String: Any])?["outcome"] as? String == "allowed")
    let unexercised = try #require(report["unexercised"] as? [[String: Any]])
    #expect(unexercised.map { $0["name"] as? String } == ["in-payments"])
    #expect(unexercised.first?["line"] as? Int == 17)
  }
}
