import Domicile
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
  private func block(
    _ language: String, after heading: String, in file: String = "README.md"
  ) throws -> String {
    let readme = try text(file)
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
    // The second time the deployment is there already.
    for _ in 1...2 {
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

  @Test func `the group of the guide is made as it says`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let inbox = RecordCollection("inbox")
      try await router.admit(UserID("ada"), residence: "DE")
      try await router.admit(UserID("ben"), residence: "IE")
      try await router.createGroup(
        GroupID("family"), members: [UserID("ada")], dataClasses: ["messages"])
      _ = try await router.join(UserID("ben"), to: GroupID("family"))
      let family = try await router.group(GroupID("family"), as: UserID("ben"))
      try await family.put("Hello, all".utf8, key: "2026/0001", in: inbox)

      let ada = try await router.group(GroupID("family"), as: UserID("ada"))
      #expect(try await ada.get("2026/0001", in: inbox)?.text == "Hello, all")
    }
  }

  @Test func `each statement of the guide's group is one of the test above`() throws {
    func statements(_ text: String) -> String { text.filter { !$0.isWhitespace } }
    let test = statements(try String(contentsOfFile: #filePath, encoding: .utf8))
    let guide = try block(
      "swift", after: "## Groups",
      in: "Sources/Domicile/Documentation.docc/GettingStarted.md")
    for line in guide.split(separator: "\n") { #expect(test.contains(statements(String(line)))) }
  }
}
