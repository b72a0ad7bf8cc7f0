import Foundation
import Testing

/// The runbook has an entry for whatever can go wrong.
@Suite struct RunbookTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private func text(_ path: String) throws -> String {
    try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
  }

  /// The codes that begin the rows of the tables after a heading.
  private func codes(_ text: String, after heading: String, before end: String) throws -> [String] {
    let from = try #require(text.range(of: heading)).upperBound
    let to = text.range(of: end, range: from..<text.endIndex)?.lowerBound ?? text.endIndex
    return text[from..<to].matches(of: /\n\| `([a-zA-Z]+)` \|/).map { String($0.1) }
  }

  @Test func `each error code has an entry, and no other`() throws {
    let source = try text("Sources/Domicile/RouterError.swift")
    let known = source.matches(of: /Code\("([a-zA-Z]+)"\)/).map { String($0.1) }
    #expect(known.count > 30)
    let entries = try codes(
      text("docs/runbook.md"), after: "\n## Errors\n", before: "\n## Findings of the doctor\n")
    #expect(Set(entries) == Set(known))
    #expect(entries.count == known.count)
  }

  @Test func `each finding of the doctor has an entry, and no other`() throws {
    let known = try codes(
      text("docs/errors.md"), after: "\n## Findings of the doctor\n", before: "\n## Metrics\n")
    #expect(known.count > 15)
    let entries = try codes(
      text("docs/runbook.md"), after: "\n## Findings of the doctor\n", before: "\n# ")
    #expect(Set(entries) == Set(known))
  }
}
