import Foundation
import Testing

/// Moves as an operator makes them.
@Suite struct MoveCommandTests {
  private func deployed() async throws -> Workspace {
    let workspace = try await Workspace.deployed()
    for line in ["admit uma --residence US", "put uma inbox k hello", "put uma inbox l there"] {
      let result = try await workspace.domicile("\(line) --data data")
      try #require(result.exitCode == 0, "\(line): \(result)")
    }
    return workspace
  }

  @Test func `a move says what it did, and each command twice is the same as once`() async throws {
    let workspace = try await deployed()
    let moved = try await workspace.domicile("move uma --class messages --to mumbai --data data")
    #expect(moved.exitCode == 0, "\(moved)")
    #expect(moved.checkpoint != nil)
    #expect(
      moved.output.wholeMatch(
        of:
          /moved: messages from ashburn-1 to mumbai-1, 2 records copied, writes waited [0-9.]+ ms at most\n/
      ) != nil, "\(moved)")
    expect(
      try await workspace.domicile("move uma --class messages --to mumbai --data data"),
      output: "already there: messages in mumbai-1\n")
    expect(
      try await workspace.domicile("move status --data data"), output: "no moves are under way\n")
    expect(
      try await workspace.domicile("move resume --data data"),
      output: "nothing to do: no move waits for anybody\n")
    #expect(try await workspace.domicile("get uma inbox k --data data").output == "hello")
    #expect(try await workspace.domicile("doctor --deep --data data").exitCode == 0)
    let history = try await workspace.domicile("history uma --data data").output
    #expect(
      history.contains(
        ": messages in ashburn (US), ashburn-1 to messages in mumbai (IN), mumbai-1 (by "),
      "\(history)"
    )
    let json = try await workspace.json("move uma --class messages --to ashburn --json --data data")
    let report = try #require((json as? [[String: Any]])?.first)
    #expect(report["end"] as? String == "moved")
    #expect(report["from"] as? String == "mumbai-1" && report["to"] as? String == "ashburn-1")
    #expect(report["records"] as? Int == 2)
    #expect(report["longestFreezeMilliseconds"] as? Double != nil)
  }

  @Test(arguments: [
    ("move uma --class messages --to nowhere", "unknownName: Unknown region “nowhere”", 65),
    ("move uma --class nothing --to mumbai", "unknownName: Unknown data class “nothing”", 65),
    ("move nobody --class messages --to mumbai", "notFound: No such user was admitted.", 4),
    ("move uma --to mumbai", "Missing expected argument '--class <name>'", 64),
    ("move uma --class messages", "Missing expected argument '--to <region>'", 64),
    (
      "move uma --class messages --to mumbai --shard ashburn-1",
      "unknownName: The region mumbai has no shard “ashburn-1”; it has mumbai-1.", 65
    ),
    (
      "move uma --class messages --to mumbai --carry ashburn",
      "elsewhere: A move needs both regions, and mumbai is not carried by this process.", 7
    ),
    ("move abort uma", "notFound: No home of that id is being moved.", 4),
    ("move resume uma", "notFound: No home of that id is being moved.", 4),
    ("move resume nobody", "notFound: No such user was admitted.", 4),
    ("move resume --class messages", "--group and --class go with an id.", 64),
  ])
  func `what cannot be moved says why`(line: String, message: String, exitCode: Int32) async throws
  {
    let workspace = try await deployed()
    let result = try await workspace.domicile("\(line) --data data")
    #expect(result.exitCode == exitCode, "\(result)")
    #expect(result.error.contains(message), "\(result)")
  }

  @Test func `a region that the policy refuses is refused with its rules`() async throws {
    let workspace = try await deployed()
    let tagged = try await workspace.domicile("retag uma --residence DE --data data")
    #expect(tagged.exitCode == 0)
    let refused = try await workspace.domicile("move uma --class messages --to mumbai --data data")
    #expect(refused.exitCode == 3)
    #expect(refused.error.contains("eu-at-home"), "\(refused)")
    // Its home was barred by that; a move makes it legal again.
    #expect(try await workspace.domicile("put uma inbox k x --data data").exitCode == 3)
    #expect(
      try await workspace.domicile("move uma --class messages --to dublin --data data").exitCode
        == 0)
    #expect(try await workspace.domicile("put uma inbox k x --data data").exitCode == 0)
  }

  @Test func `a group moves with --group`() async throws {
    let workspace = try await deployed()
    for line in [
      "group create g --member uma --class messages", "put uma inbox k hi --group g",
      "move g --group --class messages --to mumbai",
    ] {
      let result = try await workspace.domicile("\(line) --data data")
      #expect(result.exitCode == 0, "\(line): \(result)")
    }
    #expect(try await workspace.domicile("get uma inbox k --group g --data data").output == "hi")
  }
}
