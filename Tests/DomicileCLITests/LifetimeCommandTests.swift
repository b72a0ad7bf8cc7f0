import Domicile
import DomicileTesting
import Foundation
import Testing

/// lifetime, and the lifetimes of puts.
@Suite struct LifetimeCommandTests {
  /// Messages are kept for 30 days by default and for a year at most.
  private static let limited = RegionFiles.small.replacing(
    "messages: {collections: [inbox, threads]}", in: "policy.yaml",
    with:
      "messages: {collections: [inbox, threads], retention: {default: 30d, longest: 1y, shortest: 1h}}"
  )

  private static let refused =
    "lifetimeRefused: The policy does not allow that lifetime: messages: default 30d, longest 1y, shortest 1h (policy.yaml:8). Nothing was written. Ask for one within these limits.\n"

  /// The seconds from a record's writing to its expiry; nil if it never expires.
  private func lifetime(_ workspace: Workspace, _ record: String) async throws -> TimeInterval? {
    let json = try await workspace.json("get ida \(record) --json --data data")
    let record = try #require(json as? [String: Any])
    let style = Date.ISO8601FormatStyle()
    let written = try style.parse(try #require(record["written"] as? String))
    guard let expires = record["expires"] as? String else { return nil }
    return try style.parse(expires).timeIntervalSince(written)
  }

  @Test func `a lifetime is for what is stored and for what will be, by the longest prefix`()
    async throws
  {
    let workspace = try await Workspace.withIda()
    for (options, text) in [
      ("--after 2w", "for 2w"), ("--prefix b/ --never", "until they are deleted"),
      ("--prefix b/c/ --after 1y", "for 1y"),
    ] {
      expect(
        try await workspace.domicile("lifetime ida inbox \(options) --data data"),
        output: "records are kept \(text)\n")
    }
    for key in ["a/2", "b/2", "b/c/2"] {
      _ = try await workspace.domicile("put ida inbox \(key) v --data data")
    }
    #expect(try await lifetime(workspace, "inbox a/1") == 14 * 86_400)
    #expect(try await lifetime(workspace, "inbox a/2") == 14 * 86_400)
    #expect(try await lifetime(workspace, "inbox b/1") == nil)
    #expect(try await lifetime(workspace, "inbox b/2") == nil)
    #expect(try await lifetime(workspace, "inbox b/c/2") == 365 * 86_400)
    // Who asks for a lifetime gets it, and other collections have none.
    _ = try await workspace.domicile("put ida inbox a/3 v --never-expires --data data")
    #expect(try await lifetime(workspace, "inbox a/3") == nil)
    #expect(try await lifetime(workspace, "receipts r") == nil)
  }

  @Test func `taken back, the policy's default counts again`() async throws {
    let workspace = try await Workspace.withIda(Self.limited)
    #expect(try await lifetime(workspace, "inbox a/1") == 30 * 86_400)
    _ = try await workspace.domicile("lifetime ida inbox --after 1d --data data")
    #expect(try await lifetime(workspace, "inbox a/1") == 86_400)
    expect(
      try await workspace.domicile("lifetime ida inbox --default --data data"),
      output: "records are kept as the policy says\n")
    // What is stored is not kept longer by that.
    #expect(try await lifetime(workspace, "inbox a/1") == 86_400)
    _ = try await workspace.domicile("put ida inbox a/9 w --data data")
    #expect(try await lifetime(workspace, "inbox a/9") == 30 * 86_400)
  }

  @Test func `lifetime is JSON`() async throws {
    let workspace = try await Workspace.withIda()
    let after = try await workspace.json(
      "lifetime ida inbox --prefix a/ --after 1h --json --data data")
    let result = try #require(after as? [String: Any])
    #expect(result.keys.sorted() == ["collection", "lifetime", "prefix", "seconds"])
    #expect(result["lifetime"] as? String == "after" && result["seconds"] as? Int == 3_600)
    for word in ["never", "default"] {
      let json = try await workspace.json("lifetime ida inbox --\(word) --json --data data")
      #expect(json as? [String: String] == ["collection": "inbox", "lifetime": word])
    }
  }

  @Test(arguments: [
    "lifetime ida inbox --never", "lifetime ida inbox --after 2y",
    "lifetime ida inbox --prefix a/ --after 59m", "put ida inbox k v --never-expires",
    "put ida inbox k v --expires-after 2y", "put ida inbox k v --expires-after 59m",
  ])
  func `what the policy's limits forbid is refused, with the rule`(command: String) async throws {
    let workspace = try await Workspace.withIda(Self.limited)
    expect(
      try await workspace.domicile("\(command) --data data"), error: Self.refused, exitCode: 3)
    #expect(try await lifetime(workspace, "inbox a/1") == 30 * 86_400)
  }
}
