import DomicileTesting
import Foundation
import Testing

/// What the README shows is what the example is and prints.
@Suite struct ReadmeTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private func text(_ path: String) throws -> String {
    try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
  }

  /// The first fenced block of a language after a heading.
  private func block(_ language: String, after heading: String) throws -> String {
    let readme = try text("README.md")
    let start = try #require(readme.range(of: heading)).upperBound
    let open = try #require(readme.range(of: "```\(language)\n", range: start..<readme.endIndex))
    let close = try #require(
      readme.range(of: "```\n", range: open.upperBound..<readme.endIndex))
    return String(readme[open.upperBound..<close.lowerBound])
  }

  @Test func `the README's example is the one that is compiled`() throws {
    #expect(
      try block("swift", after: "## Use it") == text("Examples/GettingStarted/main.swift"))
  }

  @Test func `the README's example prints what the README says`() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/regions",
      withDestinationPath: Self.root.appending(path: "regions").path(percentEncoded: false))
    let process = Process()
    process.executableURL = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appending(path: "DomicileGettingStarted")
    process.currentDirectoryURL = URL(filePath: folder.path)
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let printed = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(
      String(decoding: printed, as: UTF8.self) == (try block("text", after: "It prints:")))
  }
}
