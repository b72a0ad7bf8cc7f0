import Foundation
import Testing

/// hold add, release and list.
@Suite struct HoldCommandTests {
  private static let heldByCase =
    "held: The record is held by the legal hold “case/1”, until that is released; nothing was deleted or replaced. Try again after that.\n"

  private func withHold(_ options: String = "") async throws -> Workspace {
    let workspace = try await Workspace.withIda()
    let result = try await workspace.domicile(
      ["hold", "add", "ida", "case/1", "--reason", "A court order.", "--data", "data"]
        + options.split(separator: " ").map(String.init))
    try #require(result.exitCode == 0, "\(result)")
    return workspace
  }

  @Test func `while a hold lasts nothing is deleted, replaced or erased`() async throws {
    let workspace = try await withHold("--class messages")
    for command in [
      "delete ida inbox a/1", "put ida inbox a/1 other", "erase ida --collection inbox --yes",
    ] {
      expect(
        try await workspace.domicile("\(command) --data data"), error: Self.heldByCase, exitCode: 8)
    }
    // What is read, what is new and other classes are as ever.
    #expect(try await workspace.domicile("get ida inbox a/1 --data data").output == "one")
    #expect(try await workspace.domicile("put ida inbox new v --data data").exitCode == 0)
    #expect(try await workspace.domicile("delete ida receipts r --data data").exitCode == 0)
  }

  @Test func `an erasure leaves what is held, and ends once the hold is released`() async throws {
    let workspace = try await withHold()
    expect(
      try await workspace.domicile("erase ida --yes --data data").maskingReceipt,
      output: """
        done: 0 records erased, 0 bytes; 3 records held
        class     collection  region  country  shard     records  bytes
        messages  all         mumbai  IN       mumbai-1        0      0
        payments  all         mumbai  IN       mumbai-1        0      0
        held: 2 records of messages in mumbai-1 by the legal hold “case/1”, until that is released
        held: 1 record of payments in mumbai-1 by the legal hold “case/1”, until that is released
        alias ALIAS, policy generation 1, serial NUMBER, TIME

        """, exitCode: 8)
    #expect(try await workspace.domicile("doctor --data data").exitCode == 0)
    expect(
      try await workspace.domicile("hold release ida case/1 --data data"),
      output:
        "released: messages, payments; the erasure goes on: “domicile where” says what is left, and no such user when all is gone\n"
    )
    #expect(try await workspace.domicile("sweep --data data").exitCode == 0)
    #expect(try await workspace.domicile("where ida --data data").exitCode == 4)
    #expect(try await workspace.domicile("doctor --data data").exitCode == 0)
    let records = try await workspace.sqlite(
      Workspace.mumbai,
      "SELECT count(*) FROM record; SELECT state, length(alias), profile, holds FROM home")
    #expect(records == ["0"])
  }

  @Test func `hold list shows name, classes, end and reason`() async throws {
    let workspace = try await withHold()
    let until = try await workspace.domicile(
      "hold add ida audit-2 --class payments --reason Tax --until 2099-12-31 --data data")
    expect(until, output: "held: payments, until 2100-01-01T00:00:00Z\n")
    expect(
      try await workspace.domicile("hold list ida --data data")
        .masking(/20[0-8][0-9]-[0-9-]{5}T[0-9:]{8}Z/, as: "TIME"),
      output: """
        name     classes             placed                until                 reason
        audit-2  payments            TIME  2100-01-01T00:00:00Z  Tax
        case/1   messages, payments  TIME  it is released        A court order.

        """)
    let json = try await workspace.json("hold list ida --json --data data")
    let holds = try #require(json as? [[String: Any]])
    #expect(
      holds[0].keys.sorted() == ["dataClasses", "isPending", "name", "placed", "reason", "until"])
    #expect(holds[1].keys.sorted() == ["dataClasses", "isPending", "name", "placed", "reason"])
    #expect(holds[1]["dataClasses"] as? [String] == ["messages", "payments"])
  }

  @Test func `a hold that is placed again says when it would have ended`() async throws {
    let workspace = try await withHold()
    let add = "hold add ida case/1 --class messages --reason Court --data data"
    expect(
      try await workspace.domicile("\(add) --until 2099-12-31 --shortens"),
      output: "held: messages, until 2100-01-01T00:00:00Z; before, until it is released\n")
    expect(
      try await workspace.domicile(add),
      output: "held: messages, until it is released; before, until 2100-01-01T00:00:00Z\n")
    expect(try await workspace.domicile(add), output: "held: messages, until it is released\n")
  }

  @Test(arguments: [
    ("", "it is released"), ("--until 2099-06-30", "2099-07-01T00:00:00Z"),
  ])
  func `a hold is not shortened unless that is asked for`(first: String, end: String) async throws {
    let workspace = try await withHold(first)
    let shorter = "hold add ida case/1 --class messages --reason R --until 2099-01-01 --data data"
    expect(
      try await workspace.domicile(shorter),
      error:
        "invalidArgument: The legal hold “case/1” on messages lasts until \(end); the new end is earlier. Nothing was changed. If it is meant to end earlier, say so (“--shortens”).\n",
      exitCode: 65)
    let list = try await workspace.domicile("hold list ida --data data").output
    #expect(list.contains("  \(end)  "), "\(list)")
    #expect(!list.contains(" R\n"), "\(list)")
    #expect(try await workspace.domicile("\(shorter) --shortens").exitCode == 0)
  }

  @Test
  func
    `a hold that ends at different times on different classes is listed with each, and released from all`()
    async throws
  {
    let workspace = try await withHold("--class messages --until 2099-12-31")
    let add = "hold add ida case/1 --reason Court --data data"
    // What was not held before has no earlier end.
    expect(
      try await workspace.domicile("\(add) --class payments"),
      output: "held: payments, until it is released\n")
    expect(
      try await workspace.domicile("hold list ida --data data")
        .masking(/20[0-8][0-9]-[0-9-]{5}T[0-9:]{8}Z/, as: "TIME"),
      output: """
        name    classes   placed                until                 reason
        case/1  messages  TIME  2100-01-01T00:00:00Z  A court order.
        case/1  payments  TIME  it is released        Court

        """)
    let json = try await workspace.json("\(add) --until 2099-12-30 --shortens --json")
    let replaced = try #require((json as? [String: Any])?["replaced"] as? [[String: Any]])
    #expect(replaced.map { $0["dataClasses"] as? [String] } == [["messages"], ["payments"]])
    #expect(replaced.map { $0["until"] as? String } == ["2100-01-01T00:00:00Z", nil])
    expect(
      try await workspace.domicile(add),
      output:
        "held: messages, payments, until it is released; before, messages until 2099-12-31T00:00:00Z; before, payments until 2099-12-31T00:00:00Z\n"
    )
    _ = try await workspace.domicile("\(add) --class messages --until 2099-12-31 --shortens")
    expect(
      try await workspace.domicile("hold release ida case/1 --data data"),
      output: "released: messages, payments\n")
    let left = try await workspace.sqlite(Workspace.mumbai, "SELECT count(*) FROM hold")
    #expect(left == ["0"])
    #expect(try await workspace.domicile("delete ida receipts r --data data").exitCode == 0)
  }

  @Test func `a hold that has ended says so until it is released`() async throws {
    let workspace = try await withHold("--until 2099-12-31")
    try await workspace.sqlite("data/directory.sqlite", "UPDATE hold SET until = 1000")
    let list = try await workspace.domicile("hold list ida --data data")
    #expect(list.output.contains("  1970-01-01T00:00:01Z (ended)  A court order.\n"), "\(list)")
  }

  @Test func `a hold of the same name gets a new end`() async throws {
    let workspace = try await withHold("--until 2099-01-01")
    expect(
      try await workspace.domicile("hold add ida case/1 --reason Again --data data"),
      output: "held: messages, payments, until it is released; before, until 2099-01-02T00:00:00Z\n"
    )
    expect(
      try await workspace.domicile("delete ida inbox a/1 --data data"), error: Self.heldByCase,
      exitCode: 8)
    #expect(
      try await workspace.domicile("hold list ida --data data").output.contains(
        "it is released  Again\n"))
  }

  @Test func `a shard that is missing leaves a hold pending`() async throws {
    let workspace = try await Workspace.withIda()
    let file = try workspace.file(Workspace.mumbai)
    let missing =
      "The file of the shard mumbai-1 is missing. Mount its volume or restore the file; a shard that held data is never made anew."
    try FileManager.default.moveItem(atPath: file, toPath: "\(file).away")
    expect(
      try await workspace.domicile("hold add ida c --reason R --data data"),
      output: "pending: messages, payments, until it is released\n",
      error: "pending: the shard mumbai-1: \(missing)\n", exitCode: 5)
    let doctor = try await workspace.domicile("doctor --data data").output
    #expect(
      doctor.contains("\nholdPending: A shard may not know of the legal hold “c” on "), "\(doctor)")
    let json = try await workspace.json(
      "hold release ida c --json --data data", exitCode: 5)
    let result = try #require(json as? [String: Any])
    #expect(result.keys.sorted() == ["dataClasses", "isDone", "pending", "resumesErasure"])
    #expect(
      result["pending"] as? [[String: String]] == [
        ["reason": "unavailable: \(missing)", "shard": "mumbai-1"]
      ])
    try FileManager.default.moveItem(atPath: "\(file).away", toPath: file)
    expect(
      try await workspace.domicile("hold add ida c --reason R --data data"),
      output: "held: messages, payments, until it is released\n")
  }

  @Test func `a hold that did not reach a shard is told by a sweep`() async throws {
    let workspace = try await Workspace.withIda()
    let file = try workspace.file(Workspace.mumbai)
    try FileManager.default.moveItem(atPath: file, toPath: "\(file).away")
    #expect(try await workspace.domicile("hold add ida c --reason R --data data").exitCode == 5)
    try FileManager.default.moveItem(atPath: "\(file).away", toPath: file)
    let list = try await workspace.domicile("hold list ida --data data").output
    #expect(list.contains("it is released (pending)  R\n"), "\(list)")
    #expect(try await workspace.domicile("sweep --data data").exitCode == 0)
    #expect(try await workspace.domicile("delete ida receipts r --data data").exitCode == 8)
    #expect(try await workspace.domicile("doctor --data data").exitCode == 0)
  }
}
