import Foundation
import Testing

/// What docs/policy-cases.md shows is what its commands print.
@Suite struct WorkedCasesTests {
  /// A line that the page shows behind a prompt, and what it shows below it.
  private struct Step {
    let command: String
    var output: [Substring] = []
  }

  /// The steps of all fenced blocks, by heading.
  private func cases() throws -> [(heading: Substring, steps: [Step])] {
    let page = try String(
      contentsOfFile: "\(Workspace.repository)docs/policy-cases.md", encoding: .utf8)
    var cases: [(heading: Substring, steps: [Step])] = []
    var isInBlock = false
    for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("## ") { cases.append((line.dropFirst(3), [])) }
      guard let last = cases.indices.last else { continue }
      if line.hasPrefix("```") {
        isInBlock = line == "```console"
      } else if isInBlock, line.hasPrefix("$ ") {
        cases[last].steps.append(Step(command: String(line.dropFirst(2))))
      } else if isInBlock, let step = cases[last].steps.indices.last {
        cases[last].steps[step].output.append(line)
      }
    }
    return cases
  }

  @Test func `every worked case prints what the page says`() async throws {
    let workspace = Workspace()
    // A copy, since the cases change it.
    try FileManager.default.copyItem(
      atPath: "\(Workspace.repository)regions", toPath: try workspace.file("regions"))
    let tools = Workspace.tool.deletingLastPathComponent().path(percentEncoded: false)
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let cases = try cases()
    #expect(cases.count == 5)
    for (heading, steps) in cases {
      #expect(steps.contains { $0.command.hasPrefix("domicile policy explain ") }, "\(heading)")
      for step in steps {
        let result = try await workspace.run(
          URL(filePath: "/bin/sh"), ["-c", step.command],
          environment: ["PATH": "\(tools):\(path)"])
        #expect(result.error.isEmpty, "\(heading): \(step.command)")
        #expect(result.output.split(separator: "\n") == step.output, "\(heading): \(step.command)")
      }
    }
  }
}
