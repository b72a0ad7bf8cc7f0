import ArgumentParser
import Domicile

struct PolicyTestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test",
    abstract: "Check that a policy says what the cases of its tests.yaml expect.",
    discussion: """
      Exit code 1 if a case fails. At the end come the rules and exclusions that no case exercises.
      """)

  @OptionGroup var regions: RegionsOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let policy = try regions.policy(json: output.json)
    let cases = try regions.reading(json: output.json, invalid: "invalidCases") {
      () throws(PolicyError) in try PolicyCases(folder: regions.regions, of: policy)
    }
    // A case about another day compiles the policy for it.
    let report = try regions.reading(json: output.json) {
      () throws(PolicyError) in try policy.test(cases)
    }
    if output.json {
      try printJSON(Report(policy, report))
    } else {
      print(report)
    }
    if report.failedCount > 0 { throw ExitCode.failure }
  }

  private func print(_ report: PolicyCaseReport) {
    for result in report.results where !result.isPassed {
      Terminal.print(
        "\(Terminal.styled("failed", .bad)): \(result.testedCase.name) (\(result.testedCase.line))")
      for failure in result.failures {
        let day = failure.day.map { " on \($0)" } ?? ""
        Terminal.print("  expected\(day): \(failure.expected)")
        for line in failure.verdict.styledDescription.split(separator: "\n") {
          Terminal.print("  \(line)")
        }
      }
      let more = result.failureCount - result.failures.count
      if more > 0 { Terminal.print("  and \(more) more of this case") }
    }
    let (count, failed) = (report.results.count, report.failedCount)
    let cases = counted(count, "case")
    Terminal.print(
      failed == 0
        ? "\(Terminal.styled("passed", .good)): \(cases)"
        : "\(Terminal.styled("failed", .bad)): \(failed) of \(cases)")
    if !report.unexercised.isEmpty {
      Terminal.print(
        "\(report.unexercised.count) of \(report.exercisable) rules and exclusions are exercised by no case:"
      )
      for (name, line) in report.unexercised { Terminal.print("  \(name) (\(line))") }
    }
  }

  private struct Report: Encodable {
    struct Failure: Encodable {
      let expected: String
      let on: String?
      let verdict: Verdict
    }
    struct Case: Encodable {
      let name: String
      let file: String
      let line: Int
      let isPassed: Bool
      let failureCount: Int
      let failures: [Failure]
    }
    struct Unexercised: Encodable {
      let name: String
      let file: String
      let line: Int
    }
    let isValid = true
    let digest: String
    let failedCount: Int
    let cases: [Case]
    let unexercised: [Unexercised]

    init(_ policy: ResidencyPolicy, _ report: PolicyCaseReport) {
      digest = "\(policy.digest)"
      failedCount = report.failedCount
      cases = report.results.map { result in
        Case(
          name: result.testedCase.name, file: result.testedCase.line.file,
          line: result.testedCase.line.line, isPassed: result.isPassed,
          failureCount: result.failureCount,
          failures: result.failures.map {
            Failure(expected: $0.expected, on: $0.day?.description, verdict: $0.verdict)
          })
      }
      unexercised = report.unexercised.map {
        Unexercised(name: $0.name, file: $0.line.file, line: $0.line.line)
      }
    }
  }
}
