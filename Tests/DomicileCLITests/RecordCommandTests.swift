import Foundation
import Testing

/// put, get, list and delete.
@Suite struct RecordCommandTests {
  /// A deployment with the user ada.
  private func withAda() async throws -> Workspace {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit ada --residence DE --data data")
    return workspace
  }

  @Test func `what was put from standard input comes back byte for byte`() async throws {
    let workspace = try await withAda()
    let bytes = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 3) } + [0, 10, 13, 0xFF]
    let put = try await workspace.domicile("put ada inbox photo - --data data", input: bytes)
    #expect(put.exitCode == 0 && put.error.isEmpty)
    #expect(put.output.wholeMatch(of: /stored, version [0-9a-f]{1,16}\n/) != nil)
    let got = try await workspace.domicile("get ada inbox photo --data data")
    #expect(got.exitCode == 0 && got.bytes == bytes)

    _ = try await workspace.domicile("put ada inbox photo - --data data", input: [])
    let empty = try await workspace.domicile("get ada inbox photo --data data")
    #expect(empty.exitCode == 0 && empty.bytes.isEmpty)
  }

  @Test func `text, keys and ids are taken as they are written`() async throws {
    let workspace = try await withAda()
    let arguments = ["ada", "inbox", " a/ü \n", "--data", "data"]
    _ = try await workspace.domicile(["put"] + arguments + ["  Hello – \n"])
    #expect(try await workspace.domicile(["get"] + arguments).output == "  Hello – \n")
    // What begins with a dash goes behind “--”.
    _ = try await workspace.domicile("put --data data -- ada inbox -k -5")
    #expect(try await workspace.domicile("get --data data -- ada inbox -k").output == "-5")
  }

  @Test func `conditions guard against what others wrote`() async throws {
    let workspace = try await withAda()
    let mismatch = """
      versionMismatch: The record is not as the condition demands; nothing was written. Read it and try again.

      """
    let first = try await workspace.domicile("put ada inbox k one --if-absent --data data")
    #expect(first.exitCode == 0)
    expect(
      try await workspace.domicile("put ada inbox k two --if-absent --data data"),
      error: mismatch, exitCode: 1)
    let version = try #require(first.output.firstMatch(of: /version ([0-9a-f]+)/)).1
    let second = try await workspace.domicile(
      "put ada inbox k two --if-version \(version) --data data")
    #expect(second.exitCode == 0)
    expect(
      try await workspace.domicile("put ada inbox k three --if-version \(version) --data data"),
      error: mismatch, exitCode: 1)
    #expect(try await workspace.domicile("get ada inbox k --data data").output == "two")
  }

  @Test func `delete says whether there was anything`() async throws {
    let workspace = try await withAda()
    _ = try await workspace.domicile("put ada inbox k one --data data")
    expect(try await workspace.domicile("delete ada inbox k --data data"), output: "deleted\n")
    expect(
      try await workspace.domicile("delete ada inbox k --data data"),
      error:
        "notFound: There was no such record, or it had expired. Nothing was deleted. “domicile list” shows those that there are.\n",
      exitCode: 4)
    expect(
      try await workspace.domicile("get ada inbox k --data data"),
      error:
        "notFound: There is no such record, or it has expired. “domicile list” shows those that there are.\n",
      exitCode: 4)
  }

  @Test(arguments: [
    ("90s", 90.0), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600),
    ("100y", 3_153_600_000),
  ])
  func `a lifetime has a unit`(text: String, seconds: TimeInterval) async throws {
    let workspace = try await withAda()
    _ = try await workspace.domicile("put ada inbox k one --expires-after \(text) --data data")
    let json = try await workspace.json("get ada inbox k --json --data data")
    let record = try #require(json as? [String: Any])
    let style = Date.ISO8601FormatStyle()
    let written = try style.parse(try #require(record["written"] as? String))
    let expires = try style.parse(try #require(record["expires"] as? String))
    #expect(expires.timeIntervalSince(written) == seconds)
  }

  // MARK: Lists

  /// Six records, two of them with a label.
  private func withRecords() async throws -> Workspace {
    let workspace = try await withAda()
    for (number, key) in ["a", "b/1", "b/2", "b/3", "c", "d"].enumerated() {
      let label = number.isMultiple(of: 3) ? "--label thread=\(number) --label x=a=b" : ""
      _ = try await workspace.domicile("put ada inbox \(key) v\(number) \(label) --data data")
    }
    return workspace
  }

  private func keys(_ workspace: Workspace, _ options: String) async throws -> [String] {
    let result = try await workspace.domicile("list ada inbox --data data \(options)")
    #expect(result.exitCode == 0 && result.error.isEmpty, "\(result)")
    return result.output.split(separator: "\n").dropFirst().compactMap {
      $0.split(separator: " ").first.map(String.init)
    }
  }

  @Test func `list shows records by key`() async throws {
    let workspace = try await withRecords()
    let time = /[0-9-]{10}T[0-9:]{8}Z/
    expect(
      try await workspace.domicile("list ada inbox --data data").masking(time, as: "TIME"),
      output: """
        key  bytes  written               expires  labels
        a        2  TIME  never    thread=0 x=a=b
        b/1      2  TIME  never
        b/2      2  TIME  never
        b/3      2  TIME  never    thread=3 x=a=b
        c        2  TIME  never
        d        2  TIME  never

        """)
    expect(
      try await workspace.domicile("list ada threads --data data"),
      output: "key  bytes  written  expires  labels\n")
  }

  @Test(arguments: [
    ("--prefix b/", "b/1 b/2 b/3"), ("--prefix b/2", "b/2"), ("--prefix z", ""),
    ("--from b/2", "b/2 b/3 c d"), ("--below b/2", "a b/1"), ("--from b/2 --below d", "b/2 b/3 c"),
    ("--descending", "d c b/3 b/2 b/1 a"), ("--prefix b/ --descending", "b/3 b/2 b/1"),
    ("--label thread=3", "b/3"), ("--label x=a=b", "a b/3"), ("--label thread=9", ""),
    ("--label x=a=b --descending", "b/3 a"), ("--label x=a=b --from b", "b/3"),
  ])
  func `list selects and orders`(options: String, expected: String) async throws {
    let workspace = try await withRecords()
    #expect(try await keys(workspace, options).joined(separator: " ") == expected)
  }

  @Test(arguments: ["", "--descending", "--prefix b/", "--label x=a=b"])
  func `pages one after the other are the whole list`(options: String) async throws {
    let workspace = try await withRecords()
    let all = try await keys(workspace, options)
    var paged: [String] = []
    var cursor = ""
    repeat {
      var page = try await keys(workspace, "\(options) --limit 2 \(cursor)")
      let last = try await workspace.domicile(
        "list ada inbox --data data \(options) --limit 2 \(cursor)")
      let more = last.output.firstMatch(of: /\nmore: --after ([A-Za-z0-9_-]+)\n/)?.1
      if more != nil { #expect(page.removeLast() == "more:") }
      paged += page
      cursor = more.map { "--after \($0)" } ?? ""
    } while !cursor.isEmpty && paged.count < 10
    #expect(paged == all)
  }

  @Test func `what begins with a hyphen stands after two`() async throws {
    let workspace = try await Workspace.deployed()
    for line in ["admit ada --residence DE --data data", "put ada inbox --data data -- -k -5"] {
      let result = try await workspace.domicile(line)
      try #require(result.exitCode == 0, "\(result)")
    }
    expect(try await workspace.domicile("get ada inbox --data data -- -k"), output: "-5")
    #expect(try await workspace.domicile("put ada inbox k --data data -- -7").exitCode == 0)
    expect(try await workspace.domicile("get ada inbox k --data data"), output: "-7")
    let list = try await workspace.domicile("list ada inbox --prefix=-k --data data")
    #expect(list.output.contains("\n-k ") && !list.output.contains("\nk "), "\(list)")
  }
}
