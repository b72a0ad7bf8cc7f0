import DomicileTesting
import Foundation
import Testing

/// retag, and group create, join, leave, where and erase.
@Suite struct GroupCommandTests {
  /// Ada lives in Germany, Ben in the United States.
  private func withUsers() async throws -> Workspace {
    let workspace = try await Workspace.deployed()
    for line in ["admit ada --residence DE", "admit ben --residence US"] {
      let result = try await workspace.domicile("\(line) --data data")
      try #require(result.exitCode == 0, "\(result)")
    }
    return workspace
  }

  @Test func `retag says what it barred, and a second time that nothing changed`() async throws {
    let workspace = try await withUsers()
    let output = """
      retagged
      barred: messages in ashburn; writes are refused
        eu-at-home (policy.yaml:12) stores only in EU, which rules out US
          because: GDPR chapter V
        legal instead: dublin
      barred: payments in ashburn; writes are refused
        eu-at-home (policy.yaml:12) stores only in EU, which rules out US
          because: GDPR chapter V
        legal instead: dublin

      """
    for _ in 1...2 {
      expect(
        try await workspace.domicile("retag ben --residence de --data data"), output: output)
    }
    #expect(try await workspace.domicile("put ben inbox k v --data data").exitCode == 3)
    let json = try await workspace.domicile(
      "retag ben --residence DE --attribute scc-signed --json --data data")
    #expect(json.exitCode == 0)
    #expect(json.output.contains("\"isDone\" : true"), "\(json)")
    #expect(try await workspace.domicile("put ben inbox k v --data data").exitCode == 0)
    #expect(try await workspace.domicile("doctor --data data").exitCode == 0)
  }

  @Test func `retag ends with 5 while a shard does not know of it, and sweep goes on with it`()
    async throws
  {
    let workspace = try await withUsers()
    let (shard, away) = (try workspace.file("data/ashburn"), try workspace.file("away"))
    try FileManager.default.moveItem(atPath: shard, toPath: away)
    let pending = try await workspace.domicile("retag ben --residence DE --data data")
    #expect(pending.exitCode == 5)
    #expect(pending.output.hasPrefix("pending\n"), "\(pending)")
    #expect(pending.error.hasPrefix("pending: the shard ashburn-1: "), "\(pending)")
    try FileManager.default.moveItem(atPath: away, toPath: shard)
    let found = try await workspace.domicile("doctor --data data")
    #expect(found.output.contains("tagsPending"), "\(found)")
    #expect(try await workspace.domicile("sweep --data data").exitCode == 0)
    let swept = try await workspace.domicile("doctor --data data")
    #expect(!swept.output.contains("tagsPending"), "\(swept)")
  }

  @Test func `a group from its making to its end`() async throws {
    let workspace = try await withUsers()
    expect(
      try await workspace.domicile(
        "group create family --member ben --class messages --data data"),
      output: "created\n  messages in ashburn\n")
    expect(
      try await workspace.domicile(
        "group create family --member ben --class messages --data data"),
      output: "was created before; nothing changed\n  messages in ashburn\n")
    expect(
      try await workspace.domicile("group join family ada --data data"),
      error: """
        refused: With this member the group could not be kept. Nothing was changed. Messages of this group may not live in ashburn (US)
          a group's data may be only where every member's may; whose may not is not told

        """, exitCode: 3)
    #expect(
      try await workspace.domicile("put ben inbox k hello --group family --data data").exitCode == 0
    )
    let joined = try await workspace.domicile("group join family ada --bars-homes --data data")
    #expect(joined.exitCode == 0)
    #expect(
      joined.output.hasPrefix("joined\nbarred: messages in ashburn; writes are refused\n"),
      "\(joined)")
    #expect(
      try await workspace.domicile("get ada inbox k --group family --data data").output == "hello")
    #expect(
      try await workspace.domicile("put ada inbox k no --group family --data data").exitCode == 3)
    let place = try await workspace.domicile("group where family --data data")
    #expect(place.output.hasPrefix("residence DE, US, attributes: none\n"), "\(place)")
    #expect(place.output.contains("barred"), "\(place)")
    #expect(place.output.split(separator: "\n").count { $0.hasPrefix("member ") } == 2, "\(place)")
    expect(
      try await workspace.domicile("group leave family ada --data data"), output: "left\n")
    expect(
      try await workspace.domicile("get ada inbox k --group family --data data"),
      error:
        "notFound: The user is not a member of this group. Let the user join first (“domicile group join”).\n",
      exitCode: 4)
    expect(
      try await workspace.domicile("group erase family --data data"),
      error: """
        notConfirmed: Nothing was erased. With --yes this would go, for good:
          all records of the class messages in ashburn (US), ashburn-1
          the group, which nobody can find by id afterwards

        """, exitCode: 64)
    let erased = try await workspace.domicile("group erase family --yes --data data")
    #expect(erased.exitCode == 0)
    #expect(erased.output.hasPrefix("done: 1 record erased, "), "\(erased)")
    #expect(try await workspace.domicile("group where family --data data").exitCode == 4)
    #expect(try await workspace.domicile("doctor --deep --data data").exitCode == 0)
  }

  @Test func `a retag does not name groups that others' tags bar`() async throws {
    let workspace = try await withUsers()
    for line in [
      "group create family --member ben --class messages", "group join family ada --bars-homes",
    ] {
      #expect(try await workspace.domicile("\(line) --data data").exitCode == 0)
    }
    expect(
      try await workspace.domicile("retag ben --residence US --data data"), output: "retagged\n")
    // Nor those that the user has left.
    #expect(try await workspace.domicile("group leave family ben --data data").exitCode == 0)
    let output = try await workspace.domicile("retag ben --residence DE --data data").output
    #expect(output.contains("barred: messages in ashburn"), "\(output)")
    #expect(!output.contains("of the group"), "\(output)")
  }

  @Test func `a retag names the groups that it bars, and nobody in them`() async throws {
    let workspace = try await withUsers()
    _ = try await workspace.domicile("group create g --member ben --class messages --data data")
    let group = try await alias(ofGroup: "g", workspace)
    let retagged = try await workspace.domicile("retag ben --residence DE --data data")
    #expect(
      retagged.output.hasSuffix(
        "barred: messages of the group \(group) in ashburn; writes are refused\n"), "\(retagged)")
    let place = try await workspace.domicile("where ben --data data")
    #expect(
      place.output.contains(
        "\(group)  messages  ashburn  US       ashburn-1  barred\n"), "\(place)")
  }

  @Test func `what an erased user has held in groups is told until it is gone`() async throws {
    let workspace = try await withUsers()
    for line in [
      "group create g --member ada --class messages", "put ada inbox k hello --group g",
      "hold add ada case/1 --class messages --reason Court",
    ] {
      let result = try await workspace.domicile("\(line) --data data")
      try #require(result.exitCode == 0, "\(result)")
    }
    let group = try await alias(ofGroup: "g", workspace)
    let preview = try await workspace.domicile("erase ada --data data")
    #expect(
      preview.error.contains(
        "  what the user wrote in the group \(group), of the class messages, in dublin (IE), dublin-"
      ),
      "\(preview)")
    #expect(
      preview.error.contains(
        "  but not, for now, 1 record of messages in dublin-"), "\(preview)")
    #expect(
      preview.error.contains(" by the legal hold “case/1”, until that is released\n"),
      "\(preview)")

    let erased = try await workspace.domicile("erase ada --yes --data data")
    #expect(erased.exitCode == 8, "\(erased)")
    let place = try await workspace.domicile("where ada --data data")
    #expect(
      place.output.contains("\(group)  messages  dublin  IE       dublin-"), "\(place)")
    #expect(place.output.contains("erasing\nheld: 1 record of messages in dublin-"), "\(place)")
    #expect(
      place.output.contains(
        " by the legal hold “case/1”, until that is released\nAll of this user"),
      "\(place)")
    let json = try await workspace.json("where ada --json --data data") as? [String: Any]
    #expect(json?["isErasing"] as? Bool == true)
    let left = (json?["groups"] as? [[String: Any]])?.first?["erasable"] as? [String: Any]
    #expect(left?["records"] as? Int == 1)
    #expect((left?["held"] as? [String: Any])?["rule"] as? String == "the legal hold “case/1”")
    let released = try await workspace.domicile("hold release ada case/1 --data data")
    #expect(released.output.hasPrefix("released: messages; the erasure goes on"), "\(released)")
    #expect(try await workspace.domicile("where ada --data data").exitCode == 4)
    expect(
      try await workspace.domicile("get ada inbox k --group g --data data"),
      error:
        "notFound: No such user was admitted. Check the id, or admit the user first (“domicile admit”).\n",
      exitCode: 4)

    let empty = try await workspace.domicile("group where g --data data")
    #expect(empty.exitCode == 0)
    #expect(
      empty.output.hasPrefix(
        "no members: everybody has left; nobody can write, and the data stays until the group is erased\n"
      ),
      "\(empty)")
    #expect(!empty.output.contains("barred"), "\(empty)")
  }

  @Test func `who leaves last is told what becomes of the group`() async throws {
    let workspace = try await withUsers()
    _ = try await workspace.domicile("group create g --member ada --class messages --data data")
    for _ in 1...2 {
      expect(
        try await workspace.domicile("group leave g ada --data data"),
        output: """
          left
          no members: everybody has left; nobody can write, and the data stays until the group is erased

          """)
    }
  }

  @Test func `the preview of a group's erasure says what is kept`() async throws {
    let workspace = try await withUsers()
    for line in [
      "group create g --member ada --class messages", "put ada inbox k hello --group g",
      "hold add g case/1 --group --reason Court",
    ] {
      let result = try await workspace.domicile("\(line) --data data")
      try #require(result.exitCode == 0, "\(result)")
    }
    let preview = try await workspace.domicile("group erase g --data data")
    #expect(
      preview.error.contains(" by the legal hold “case/1”, until that is released\n"),
      "\(preview)")
    // What a member wrote there is kept with the group.
    let member = try await workspace.domicile("erase ada --data data")
    #expect(
      member.error.contains(" by the legal hold “case/1”, until that is released\n"), "\(member)")
    #expect(try await workspace.domicile("group erase g --yes --data data").exitCode == 8)
    let place = try await workspace.domicile("group where g --data data")
    #expect(place.exitCode == 0)
    #expect(place.output.contains("erasing\nheld: 1 record of messages in dublin-"), "\(place)")
    #expect(place.output.contains("All of this group is being erased."), "\(place)")
    let again = try await workspace.domicile("group create g --member ada --data data")
    #expect(again.error.hasPrefix("erasing: This group's data is being erased"), "\(again)")
    expect(
      try await workspace.domicile("hold release g case/1 --group --data data"),
      output:
        "released: messages; the erasure of the group or of a member goes on: “domicile group where” says what is left, and no such group when all is gone\n"
    )
    #expect(try await workspace.domicile("group where g --data data").exitCode == 4)
  }

  @Test func `a group that cannot be placed is offered the classes that can, where there are some`()
    async throws
  {
    let workspace = try await withUsers()
    #expect(try await workspace.domicile("admit ida --residence IN --data data").exitCode == 0)
    let create = "group create g --member ada --member ida --data data"
    let refusal = """
      unplaceable: payments of this group may live in no country
        a group's data may be only where every member's may; whose may not is not told

      """
    expect(
      try await workspace.domicile(create),
      error: refusal + """
          there is a place for messages: to create the group for these only, name them (“--class”)
        Nothing was written.

        """, exitCode: 3)
    // Not where the classes were named, and not where none has a place.
    expect(
      try await workspace.domicile("\(create) --class payments"),
      error: "\(refusal)Nothing was written.\n", exitCode: 3)
    let nowhere = try await workspace.domicile("\(create) --region ashburn")
    #expect(
      nowhere.error.hasPrefix("refused: ") && !nowhere.error.contains("--class"), "\(nowhere)")
    expect(
      try await workspace.domicile("\(create) --class messages"),
      output: "created\n  messages in dublin\n")
    // Nor where no class helps, because the directory may not know a member.
    try workspace.write(
      .small.replacing(
        "otherwise:", in: "policy.yaml",
        with: """
            - {name: unknown, residents: IN, classes: directory, store: IN, reason: Test}
          otherwise:
          """))
    #expect(try await workspace.domicile("policy apply --bars 0 --data data").exitCode == 0)
    let unknown = try await workspace.domicile(
      "group create h --member ada --member ida --data data")
    #expect(unknown.exitCode == 3 && !unknown.error.contains("--class"), "\(unknown)")
  }

  private func alias(ofGroup id: String, _ workspace: Workspace) async throws -> String {
    let json = try await workspace.json("group where \(id) --json --data data")
    return try #require((json as? [String: Any])?["alias"] as? String)
  }

  @Test func `policy explain says where a group may be, then each of its members`() async throws {
    let workspace = Workspace()
    try workspace.write(.small)
    let command = "policy explain --regions regions --residence DE --with IN --class"
    expect(
      try await workspace.domicile("\(command) payments"),
      output: """
        unplaceable: payments of this group may live in no country
          a group's data may be only where every member's may; whose may not is not told
        allowed: payments of a resident of DE may live in dublin
          eu-at-home (policy.yaml:12) stores only in EU
            because: GDPR chapter V
          press-freedom (policy.yaml:3) excludes 1 country
            because: Jails people for what they write.
        allowed: payments of a resident of IN may live in mumbai
          in-payments (policy.yaml:17) stores only in IN
            because: RBI/2017-18/153
          press-freedom (policy.yaml:3) excludes 1 country
            because: Jails people for what they write.

        """, exitCode: 3)
    let json = try await workspace.domicile("\(command) messages --json")
    #expect(json.exitCode == 0)
    let verdicts = try JSONDecoder().decode([GroupVerdict].self, from: Data(json.output.utf8))
    #expect(verdicts.map(\.residence) == [nil, "DE", "IN"])
    #expect(verdicts.map(\.alternatives)[0] == ["dublin"])
  }

  private struct GroupVerdict: Decodable {
    let residence: String?
    let alternatives: [String]
  }

  @Test(arguments: [
    ("policy explain --residence DE --with UK", "unknownName: Unknown country “UK”", 65),
    ("group create g --member nobody", "notFound: No such user was admitted.", 4),
    ("group create g", "Error: Missing expected argument '--member", 64),
    ("group create g --member ada --class nothing", "unknownName: Unknown data class", 65),
    ("group create g --member ada --region ashburn", "refused: ", 3),
    ("group join g ada", "notFound: There is no such group.", 4),
    ("group leave g ada", "notFound: There is no such group.", 4),
    ("group where g", "notFound: There is no such group.", 4),
    ("group erase g --yes", "notFound: There is no such group.", 4),
    ("put ada inbox k v --group g", "notFound: There is no such group.", 4),
    ("retag nobody --residence DE", "notFound: No such user was admitted.", 4),
    ("retag ada --residence UK", "unknownName: Unknown country “UK”", 65),
    ("retag ada --residence DE --attribute minor", "unknownName: Unknown attribute", 65),
    ("retag ada", "Error: Missing expected argument '--residence", 64),
  ])
  func `what cannot be done says why`(line: String, error: String, exitCode: Int) async throws {
    let workspace = try await withUsers()
    let result = try await workspace.domicile("\(line) --data data")
    #expect(result.exitCode == Int32(exitCode), "\(result)")
    #expect(result.error.hasPrefix(error), "\(result)")
  }
}
