import Domicile
import DomicileTesting
import Foundation
import Testing

/// JSON, colour and help.
@Suite struct OutputTests {
  /// A deployment with the user ada, who has two records.
  private func withAda() async throws -> Workspace {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit ada --residence DE --data data")
    _ = try await workspace.domicile(
      "put ada inbox k1 Hello --label thread=7 --expires-after 1d --data data")
    _ = try await workspace.domicile("put ada inbox k2 - --data data", input: [0xFF])
    return workspace
  }

  private func keys(_ object: Any?) -> [String] {
    ((object as? [String: Any])?.keys).map(Array.init)?.sorted() ?? []
  }

  private func first(_ object: Any?) -> Any? { (object as? [Any])?.first }

  // MARK: JSON

  @Test func `a record is JSON with its key and value as text and as base64`() async throws {
    let workspace = try await withAda()
    let json = try await workspace.json("get ada inbox k1 --json --data data")
    #expect(
      keys(json) == [
        "expires", "key", "keyBase64", "labels", "text", "valueBase64", "version", "written",
      ])
    let record = try #require(json as? [String: Any])
    #expect(record["key"] as? String == "k1")
    #expect(record["keyBase64"] as? String == "azE=")
    #expect(record["text"] as? String == "Hello")
    #expect(record["valueBase64"] as? String == "SGVsbG8=")
    #expect(record["labels"] as? [String: String] == ["thread": "7"])
    // What is no text has none, and what never expires no expiry.
    let binary = try await workspace.json("get ada inbox k2 --json --data data")
    #expect(keys(binary) == ["key", "keyBase64", "labels", "valueBase64", "version", "written"])
    #expect((binary as? [String: Any])?["valueBase64"] as? String == "/w==")
  }

  @Test func `a list is JSON with its records and the next cursor`() async throws {
    let workspace = try await withAda()
    let whole = try await workspace.json("list ada inbox --json --data data")
    #expect(keys(whole) == ["records"])
    let records = (whole as? [String: Any])?["records"] as? [[String: Any]]
    #expect(records?.compactMap { $0["key"] as? String } == ["k1", "k2"])
    let page = try await workspace.json("list ada inbox --limit 1 --json --data data")
    #expect(keys(page) == ["next", "records"])
    #expect((page as? [String: Any])?["next"] as? String == "azE")
  }

  @Test func `where is JSON with a verdict for each placement`() async throws {
    let workspace = try await withAda()
    let json = try await workspace.json("where ada --json --data data")
    #expect(
      keys(json) == ["alias", "attributes", "groups", "isErasing", "placements", "residence"])
    let placements = (json as? [String: Any])?["placements"]
    #expect((placements as? [Any])?.count == 2)
    #expect(
      keys(first(placements)) == ["country", "dataClass", "region", "shard", "state", "verdict"])
    let verdict = (first(placements) as? [String: Any])?["verdict"]
    #expect(
      keys(verdict) == [
        "alternatives", "attributes", "conflict", "country", "dataClass", "digest",
        "isProcessing",
        "legalCountries", "outcome", "region", "residence", "rules",
      ])
    let rules = (verdict as? [String: Any])?["rules"]
    #expect(keys(first(rules)) == ["demand", "file", "line", "name", "reason"])
  }

  @Test(arguments: [
    ("region", ["dublin"]), ("country", ["IE"]), ("class", ["messages", "payments"]),
    ("residence", ["DE"]),
  ])
  func `placements is JSON by each grouping`(grouping: String, groups: [String]) async throws {
    let workspace = try await withAda()
    let json = try await workspace.json("placements --by \(grouping) --json --data data")
    let rows = try #require(json as? [[String: Any]])
    #expect(keys(rows.first) == ["barredHomes", "bytes", "homes", "key", "records"])
    #expect(rows.compactMap { $0["key"] as? String } == groups)
    #expect(rows.compactMap { $0["homes"] as? Int }.reduce(0, +) == 2)
    #expect(rows.compactMap { $0["records"] as? Int }.reduce(0, +) == 2)
  }

  @Test func `shards is JSON`() async throws {
    let workspace = try await withAda()
    let json = try await workspace.json("shards --json --carry dublin --data data")
    let rows = try #require(json as? [[String: Any]])
    #expect(
      rows.compactMap { $0["shard"] as? String }
        == ["ashburn-1", "dublin-1", "dublin-2", "mumbai-1"])
    #expect(
      keys(rows[1]) == [
        "accepts", "barredHomes", "country", "fileBytes", "freeBytes", "generation", "hasBallast",
        "isCarried", "isClockInDoubt", "isCurrent", "operatedBy", "placements", "queueDepth",
        "region", "shard", "state", "sweepLagSeconds", "walBytes", "writeWaitSeconds",
      ])
    #expect(rows[1]["isCurrent"] as? Bool == true)
    #expect(keys(rows[0]).contains("problem") && rows[0]["isCarried"] as? Bool == false)
  }

  @Test func `doctor is JSON, with findings as well`() async throws {
    let workspace = try await withAda()
    let sound = try await workspace.json("doctor --json --data data")
    #expect(
      keys(sound) == [
        "findingCount", "findings", "groups", "homes", "shards", "sqliteVersion", "users",
      ])
    try await workspace.sqlite(
      "data/directory.sqlite", "UPDATE shard SET placements = 9 WHERE name = 'mumbai-1'")
    let found = try await workspace.json("doctor --json --data data", exitCode: 1)
    let findings = (found as? [String: Any])?["findings"]
    #expect(keys(first(findings)) == ["code", "message", "shard"])
    #expect((first(findings) as? [String: Any])?["code"] as? String == "countWrong")
  }

  @Test func `policy check and explain are JSON`() async throws {
    let workspace = try await withAda()
    let check = try await workspace.json("policy check --json")
    #expect(
      keys(check) == [
        "countries", "digest", "excludedCountries", "isValid", "policy", "regions", "shards",
        "unplaced", "warnings",
      ])
    let unplaced = (check as? [String: Any])?["unplaced"]
    #expect(keys(first(unplaced)) == ["conflict", "dataClasses", "outcome", "residence", "rules"])
    let verdicts = try await workspace.json(
      "policy explain --residence KP --json --data data", exitCode: 3)
    #expect(
      (verdicts as? [[String: Any]])?.map { $0["outcome"] as? String } == [
        "unplaceable", "unplaceable", "refused",
      ])
  }

  @Test func `a policy that is not valid is JSON too, with every problem`() async throws {
    let workspace = try await withAda()
    let files = RegionFiles.small.replacing(
      "residents: EU", in: "policy.yaml", with: "residents: EUU")
    try workspace.write(files.replacing("facts/groups.csv", with: ""), to: "next")
    let json = try await workspace.json("policy check --regions next --json", exitCode: 1)
    let result = try #require(json as? [String: Any])
    #expect(keys(result) == ["isValid", "problems"])
    #expect(result["isValid"] as? Bool == false)
    let problems = try #require(result["problems"] as? [[String: Any]])
    #expect(problems.allSatisfy { $0["file"] is String && $0["message"] is String })
    try workspace.write(files, to: "next")
    let one = try await workspace.json("policy check --regions next --json", exitCode: 1)
    let problem = try #require(((one as? [String: Any])?["problems"] as? [[String: Any]])?.first)
    #expect(keys(problem) == ["column", "file", "line", "message"])
    #expect(problem["file"] as? String == "policy.yaml")
    #expect(problem["line"] as? Int == 13 && problem["column"] as? Int == 16)
    #expect(
      problem["message"] as? String == "unknown country or group “EUU”; did you mean “EU”?")
  }

  // MARK: Colour

  /// Runs a command on a terminal, by `script` of util-linux.
  private func onTerminal(
    _ workspace: Workspace, _ line: String, environment: [String: String] = [:]
  ) async throws -> String {
    let tool = Workspace.tool.path(percentEncoded: false)
    return try await workspace.run(
      URL(filePath: "/usr/bin/env"), ["script", "-qec", "'\(tool)' \(line)", "typescript"],
      environment: ["TERM": "xterm"].merging(environment) { $1 }
    ).output.replacingOccurrences(of: "\r\n", with: "\n").withoutCheckpoint
  }

  private static let hasScript = FileManager.default.isExecutableFile(atPath: "/usr/bin/script")

  @Test(.enabled(if: hasScript, "script of util-linux is not installed"))
  func `colour is for terminals, and NO_COLOR turns it off`() async throws {
    let workspace = try await withAda()
    let plain = try await workspace.domicile("policy check")
    #expect(!plain.output.contains("\u{1B}"))
    let digest = Workspace.smallDigest
    let coloured = try await onTerminal(workspace, "policy check")
    #expect(coloured.hasPrefix("\u{1B}[32mvalid\u{1B}[0m: policy “small”, digest \(digest)\n"))
    #expect(coloured.contains("\n\u{1B}[1mresidents of  are          data classes"))
    #expect(
      try await onTerminal(workspace, "policy check", environment: ["NO_COLOR": "1"])
        == plain.output)
    // https://no-color.org: an empty value turns nothing off.
    #expect(
      try await onTerminal(workspace, "policy check", environment: ["NO_COLOR": ""]) == coloured)
    let refused = try await onTerminal(
      workspace, "policy explain --residence DE --class messages --region mumbai --data data")
    #expect(refused.hasPrefix("\u{1B}[31mrefused\u{1B}[0m: messages of a resident of DE"))
    // JSON is the same everywhere, and a value on a terminal ends its line.
    #expect(try await !onTerminal(workspace, "policy check --json").contains("\u{1B}"))
    let got = try await onTerminal(workspace, "get ada inbox k1 --data data")
    #expect(got.wholeMatch(of: /Hello\nexpires [0-9-]{10}T[0-9:]{8}Z\n/) != nil)
  }

  @Test(.enabled(if: hasScript, "script of util-linux is not installed"))
  func `progress is for terminals, and its line is cleared`() async throws {
    let workspace = try await withAda()
    try workspace.write("id,country\n1,DE\n2,KP\n", to: "people.csv")
    let text = try await onTerminal(
      workspace, "import people.csv --user id --residence country --data data")
    #expect(
      text == """
        \r2 lines, 1 refused, 0 wrong\u{1B}[K\r\u{1B}[K2 lines: 1 people admitted, \
        0 lines of people known before
        1 refused: see ./people.refused.csv

        """)
  }

  // MARK: Help

  @Test func `--version is the version`() async throws {
    let workspace = Workspace()
    let result = try await workspace.domicile("--version")
    #expect(result.exitCode == 0 && result.error.isEmpty)
    #expect(result.output.wholeMatch(of: /[0-9]+\.[0-9]+\.[0-9]+\n/) != nil)
  }

  @Test(arguments: [
    "init", "policy", "policy check", "policy test", "policy explain", "policy diff",
    "policy coverage",
    "policy apply",
    "admit",
    "import", "where",
    "placements", "shards", "put", "get", "delete", "list", "lifetime", "erase", "hold", "hold add",
    "hold release", "hold list", "sweep", "doctor",
  ])
  func `every command has help, and every option of it a sentence`(command: String) async throws {
    let workspace = Workspace()
    let result = try await workspace.domicile("\(command) --help")
    #expect(result.exitCode == 0 && result.error.isEmpty)
    #expect(result.output.hasPrefix("OVERVIEW: "))
    #expect(result.output.contains("\nUSAGE: domicile \(command)"))
    let help = try await workspace.domicile("help \(command)")
    #expect(help == result)
    for option in result.output.matches(of: /\n  (--[a-z-]+)( <[a-z=]+>)?\n( *)/) {
      #expect(option.3.count == 26, "\(option.1) has no help")
    }
  }

  @Test func `the overview lists the exit codes`() async throws {
    let result = try await Workspace().domicile("--help")
    #expect(result.exitCode == 0)
    let text = result.output.replacingOccurrences(of: "\n", with: " ")
    for code in [
      "0 done", "1 failed, or findings", "3 refused by the policy", "4 no such user or record",
      "5 begun, but something is pending", "6 the outcome of a write is unknown",
      "7 the region is not carried here", "8 something is held", "64 usage", "65 bad input",
    ] {
      #expect(text.contains(code), "\(code)")
    }
    // Without a command the help is all there is to say.
    #expect(try await Workspace().domicile("") == result)
  }
}
