import Domicile
import Foundation
import Testing

/// The ledger as an officer sees it, and as somebody does who trusts neither us nor our code: `Examples/VerifyLedger/verify_ledger.py` knows only
/// the specifications.
@Suite struct LedgerCommandTests {
  private static let verifier =
    "\(Workspace.repository)/Examples/VerifyLedger/verify_ledger.py"

  private func verify(_ workspace: Workspace, _ arguments: String...) async throws -> CommandResult
  {
    try await workspace.run(URL(filePath: "/usr/bin/env"), ["python3", Self.verifier] + arguments)
  }

  private func key(_ workspace: Workspace) async throws -> String {
    let keys = try await workspace.domicile("ledger keys --data data").output
    return String(try #require(keys.split(separator: "\n").last))
  }

  private func kinds(_ workspace: Workspace) async throws -> [String] {
    let entries = try await workspace.json("ledger show --data data --json") as? [[String: Any]]
    return try #require(entries).compactMap {
      ($0["entry"] as? [String: Any])?["kind"] as? String
    }
  }

  /// Runs commands that must succeed; the checkpoint that the last one printed.
  @discardableResult
  private func run(_ workspace: Workspace, _ lines: String...) async throws -> String? {
    var checkpoint: String?
    for line in lines {
      let result = try await workspace.domicile("\(line) --data data")
      try #require(result.exitCode == 0, "\(line): \(result)")
      checkpoint = result.checkpoint
    }
    return checkpoint
  }

  @Test func `every decision is an entry, and every command that decides prints a checkpoint`()
    async throws
  {
    let workspace = try await Workspace.deployed()
    let key = try #require(NoteKey(try await self.key(workspace)))
    var size: Int64 = 2
    for (line, kind) in [
      ("admit ada --residence DE", "admission"), ("admit ben --residence US", "admission"),
      ("admit kim --residence KP", "refusal"), ("put ada inbox k v", nil),
      ("get ada inbox k", "read"), ("list ada inbox", "read"), ("where ada", "read"),
      ("retag ben --residence DE", "tags"),
      ("group create g --member ada --class messages", "admission"),
      ("group join g ben", "members"), ("group where g", "read"), ("group leave g ben", "members"),
      ("hold add ada case/1 --reason R", "hold"), ("hold list ada", "read"),
      ("hold add ada case/1 --reason R", nil),
      ("hold release ada case/1", "release"), ("history ada", "read"), ("shards", nil),
      ("admit ada --residence DE", "read"),
      ("group create g --member ada --class messages", "read"),
      ("ledger verify", nil),
    ] {
      let result = try await workspace.domicile("\(line) --actor carol --data data")
      guard let kind else {
        #expect(result.checkpoint == nil, "\(line)")
        continue
      }
      size += 1
      let note = try #require(result.checkpoint.flatMap(SignedNote.init), "\(line): \(result)")
      #expect(note.verified(by: [key]) == [key], "\(line)")
      #expect(Checkpoint(text: note.text)?.size == size, "\(line)")
      let last = try await workspace.json("ledger show --from \(size - 1) --data data --json")
      let entry = try #require((last as? [[String: Any]])?.first?["entry"] as? [String: Any])
      #expect(entry["kind"] as? String == kind, "\(line)")
      #expect(entry["actor"] as? String == "carol", "\(line)")
    }
    for preview in ["erase ada", "group erase g"] {
      #expect(try await workspace.domicile("\(preview) --data data").exitCode == 64)
    }
    try await run(workspace, "erase ada --yes")
    #expect(try await kinds(workspace).suffix(4) == ["read", "read", "erasing", "erased"])
    #expect(try await run(workspace, "ledger verify") == nil)
  }

  @Test func `somebody else's verifier accepts entries, proofs and what a witness is sent`()
    async throws
  {
    let workspace = try await Workspace.deployed()
    let key = try await key(workspace)
    let old = try #require(try await run(workspace, "admit ada --residence DE"))
    try workspace.write(old, to: "old")
    try await run(workspace, "put ada inbox k v", "get ada inbox k", "admit ben --residence US")
    let note = try await workspace.domicile("ledger checkpoint --data data").output
    try workspace.write(note, to: "note")
    for path in ["old", "note"] {
      let result = try await verify(workspace, "entries", "data/directory.sqlite", path, key)
      #expect(result.output == "accepted\n", "\(result)")
    }
    let size = try #require(SignedNote(note).flatMap { Checkpoint(text: $0.text)?.size })
    for entry in 0..<size {
      let proof = try await workspace.domicile("ledger prove \(entry) --data data")
      try workspace.write(proof.output, to: "proof")
      #expect(try await verify(workspace, "proof", "proof", key).output == "accepted\n")
      // Of another entry it proves nothing.
      let other = proof.output.replacing("index \(entry)\n", with: "index \((entry + 1) % size)\n")
      try workspace.write(other, to: "proof")
      #expect(try await verify(workspace, "proof", "proof", key).exitCode == 1)
    }
    let request = try await workspace.domicile("ledger checkpoint --request 3 --data data")
    try workspace.write(request.output, to: "request")
    #expect(try await verify(workspace, "request", "request", "old", key).output == "accepted\n")
    try workspace.write(note.replacing("\n\(size)\n", with: "\n\(size - 1)\n"), to: "note")
    let changed = try await verify(workspace, "entries", "data/directory.sqlite", "note", key)
    #expect(changed.error == "rejected: the signature is not valid\n")
  }

  @Test func `a witness's cosignature is added to the checkpoint, if it is one`() async throws {
    let workspace = try await Workspace.deployed()
    let note = try await workspace.domicile("ledger checkpoint --data data").output
    try workspace.write(note, to: "note")
    let answer = try await verify(workspace, "cosign", "note", String(repeating: "07", count: 32))
    let witness = String(answer.error.dropLast())
    try workspace.write(answer.output, to: "answer")
    let signed = try await workspace.domicile(
      ["ledger", "cosign", "answer", "--witness", witness, "--data", "data"])
    let alone = try await workspace.domicile(
      ["ledger", "verify", "--witness", witness, "--data", "data"])
    #expect(alone.exitCode == 64)
    #expect(alone.error.contains("--witness is about the checkpoints that --since names."))
    #expect(signed.output == note + answer.output, "\(signed)")
    try workspace.write(signed.output, to: "note")
    func verified(_ file: String) async throws -> CommandResult {
      try await workspace.domicile(
        ["ledger", "verify", "--since", file, "--witness", witness, "--data", "data"])
    }
    #expect(try await verified("note").exitCode == 0)
    // Without it, or over another checkpoint, there is none.
    let later = try #require(try await run(workspace, "admit ada --residence DE"))
    try workspace.write(later, to: "later")
    let missing = try await verified("later")
    #expect(missing.exitCode == 1)
    #expect(
      missing.output.hasPrefix(
        "ledger: A checkpoint over 3 entries is not cosigned by the witness witness.example/test.\n"
      ),
      "\(missing)")
    let refused = try await workspace.domicile(
      ["ledger", "cosign", "answer", "--witness", witness, "--data", "data"])
    #expect(refused.exitCode == 65)
    #expect(refused.error.hasPrefix("invalidArgument: This is no cosignature by the witness"))
  }

  @Test func `verify finds what was changed, and what was brought back`() async throws {
    let workspace = try await Workspace.deployed()
    try await run(workspace, "admit ada --residence DE")
    try FileManager.default.copyItem(
      atPath: workspace.file("data/directory.sqlite"), toPath: workspace.file("old.sqlite"))
    try await run(workspace, "admit ben --residence US")
    try await workspace.sqlite(
      "data/directory.sqlite",
      "UPDATE entry SET text = replace(text, 'ashburn', 'dublin') WHERE id = 3")
    let changed = try await workspace.domicile("ledger verify --data data")
    #expect(changed.exitCode == 1)
    #expect(
      changed.output.hasPrefix("entry 3: The text is not that of the hash.\n"), "\(changed)")
    for name in ["directory.sqlite", "directory.sqlite-wal", "directory.sqlite-shm"] {
      try? FileManager.default.removeItem(atPath: workspace.file("data/\(name)"))
    }
    try FileManager.default.copyItem(
      atPath: workspace.file("old.sqlite"), toPath: workspace.file("data/directory.sqlite"))
    try workspace.setMode(0o600, of: "data/directory.sqlite")
    let old = try await workspace.domicile("ledger verify --data data")
    #expect(
      old.output.hasPrefix(
        "ledger: A checkpoint was signed over 4 entries, and there are 3: an old file was brought back, or entries were cut off.\n"
      ), "\(old)")
    // What is decided by it is not signed, and says so.
    let unsigned = try await workspace.domicile("where ada --data data")
    #expect(unsigned.exitCode == 0)
    #expect(unsigned.checkpoint == nil)
    #expect(
      unsigned.error.hasPrefix(
        "no checkpoint: ledgerForked: The ledger does not begin with what was signed last (4 entries; there are 4 now): "
      ),
      "\(unsigned)")
    #expect(try await workspace.domicile("ledger checkpoint --data data").exitCode == 1)
  }

  @Test
  func
    `without the file that says what was signed last nothing is signed, until somebody says what it was`()
    async throws
  {
    let workspace = try await Workspace.deployed()
    let kept = try #require(try await run(workspace, "admit ada --residence DE"))
    try workspace.write(kept, to: "kept")
    try FileManager.default.removeItem(atPath: workspace.file("data.checkpoint"))
    let missing = try await workspace.domicile("ledger checkpoint --data data")
    #expect(missing.exitCode == 1)
    #expect(
      missing.error.hasPrefix("checkpointMissing: The file with the last checkpoint, "),
      "\(missing)")
    let where_ = try await workspace.domicile("where ada --data data")
    #expect(where_.exitCode == 0 && where_.error.hasPrefix("no checkpoint: checkpointMissing: "))
    let verified = try await workspace.domicile("ledger verify --data data")
    #expect(verified.exitCode == 1)
    #expect(
      verified.output.hasPrefix("ledger: It was compared with no checkpoint: "), "\(verified)")
    let since = try await workspace.domicile("ledger verify --since kept --data data")
    #expect(since.exitCode == 0, "\(since)")
    // Nor does a repeated init, which finishes what is half made, sign what it finds.
    for ending in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(
        atPath: workspace.file("data/mumbai/mumbai-1.sqlite\(ending)"))
    }
    _ = try await workspace.domicile("init --regions regions --data data")
    #expect(try await workspace.domicile("ledger checkpoint --data data").exitCode == 1)
    #expect(try await run(workspace, "ledger checkpoint --last kept") == nil)
    #expect(try await workspace.domicile("ledger verify --data data").output.hasPrefix("sound"))
    let again = try await workspace.domicile("ledger checkpoint --last kept --data data")
    #expect(again.exitCode == 65, "\(again)")
    // Somebody else's is none.
    try FileManager.default.removeItem(atPath: workspace.file("data.checkpoint"))
    let other = try await Workspace.deployed()
    let foreign = try await other.domicile("ledger checkpoint --data data").output
    try workspace.write(foreign, to: "foreign")
    #expect(
      try await workspace.domicile("ledger checkpoint --last foreign --data data").exitCode == 65)
    #expect(try await run(workspace, "ledger checkpoint --last none") == nil)
    #expect(try await workspace.domicile("ledger checkpoint --data data").exitCode == 0)
  }

  @Test func `a new deployment at the place of one that is gone has a ledger of its own`()
    async throws
  {
    let workspace = try await Workspace.deployed()
    let first = try workspace.read("data.checkpoint")
    let origin = try #require(first.split(separator: "\n").first?.split(separator: "/").last)
    try FileManager.default.removeItem(atPath: workspace.file("data"))
    let again = try await workspace.domicile("init --regions regions --data data")
    #expect(again.exitCode == 0 && again.error.isEmpty && again.checkpoint != nil, "\(again)")
    #expect(try workspace.read("data.checkpoint.\(origin)") == first)
    #expect(try await workspace.domicile("ledger verify --data data").exitCode == 0)
  }

  @Test func `a new key is signed by the old one, which signs no longer`() async throws {
    let workspace = try await Workspace.deployed()
    let old = try await key(workspace)
    let rotated = try await workspace.domicile("ledger rotate --new-key-file next.key --data data")
    let new = try await key(workspace)
    expect(
      rotated,
      output: "rotated: checkpoints are signed with the key in next.key from now on\n\(new)\n")
    #expect(new != old)
    #expect(rotated.checkpoint != nil)
    let hashKey = try await workspace.domicile(
      "ledger rotate --new-key-file data.key --ledger-key-file next.key --data data")
    #expect(hashKey.exitCode == 65)
    #expect(hashKey.error.hasPrefix("invalidArgument: That is the hash key"), "\(hashKey)")
    let wrong = try await workspace.domicile("ledger checkpoint --data data")
    #expect(wrong.exitCode == 1)
    let path = try workspace.file("data.ledger.key")
    #expect(
      wrong.error
        == "wrongLedgerKey: The ledger key is not the one that the ledger names. Nothing was signed. Use the right key.\n  ledger key: \(path)\n"
    )
    let note = try await workspace.domicile(
      "ledger checkpoint --ledger-key-file next.key --data data")
    #expect(note.output.split(separator: "\n").last?.hasPrefix("— domicile/") == true)
    #expect(try await workspace.domicile("ledger verify --data data").exitCode == 0)
    let pinned = try await workspace.domicile(["ledger", "verify", "--key", old, "--data", "data"])
    #expect(pinned.exitCode == 1)
    #expect(pinned.output.contains("is not signed by a key that is believed"), "\(pinned)")
  }

  @Test func `history says where somebody's data has been, and why`() async throws {
    let workspace = try await Workspace.deployed()
    try await run(
      workspace, "admit ada --residence DE", "retag ada --residence IN", "admit ben --residence US")
    let history = try await workspace.domicile("history ada --data data")
      .masking(/20[0-9-]{8}T[0-9:]{8}Z/, as: "TIME").masking(/[0-9a-f]{32}/, as: "ALIAS")
      .masking(/by [^,()]*, policy/, as: "by ACTOR, policy")
    expect(
      history,
      output: """
        2  TIME  admission of ALIAS: messages in dublin (IE), dublin-1 by eu-at-home, press-freedom; payments in dublin (IE), dublin-1 by eu-at-home, press-freedom (by ACTOR, policy generation 1)
        3  TIME  tags of ALIAS: changed; no longer allowed: payments in dublin (IE), dublin-1 by in-payments (by ACTOR, policy generation 1)

        """)
    try await run(workspace, "erase ada --yes")
    let gone = try await workspace.domicile("history ada --data data")
    #expect(gone.exitCode == 4)
  }

  @Test func `the report of a day has homes, refusals, erasures and open violations, with proofs`()
    async throws
  {
    let workspace = try await Workspace.deployed()
    try await run(
      workspace, "admit ada --residence DE", "admit ben --residence US", "admit cyd --residence US",
      "retag ben --residence DE")
    #expect(try await workspace.domicile("admit kim --residence KP --data data").exitCode == 3)
    #expect(try await workspace.domicile("put ben inbox k v --data data").exitCode == 3)
    try await run(workspace, "erase cyd --yes")
    let report = try #require(
      try await workspace.json("report --json --data data") as? [String: Any])
    let homes = try #require(report["homes"] as? [[String: Any]]).map {
      "\($0["country"] ?? "") \($0["dataClass"] ?? "") \($0["homes"] ?? "")"
    }
    #expect(homes == ["IE messages 1", "IE payments 1", "US messages 1", "US payments 1"])
    #expect(report["erasuresAsked"] as? Int == 1)
    #expect(report["erased"] as? Int == 1)
    let violations = try #require(report["violations"] as? [[String: Any]])
    #expect(violations.map { $0["country"] as? String } == ["US", "US"])
    #expect(violations.allSatisfy { $0["rules"] as? [String] == ["eu-at-home"] })
    let refused = try #require(report["refusedAdmissions"] as? [[String: Any]])
    #expect(refused.map { $0["count"] as? Int } == [1])
    // A day before there was anything.
    let before = try #require(
      try await workspace.json("report --as-of 2020-01-01 --json --data data") as? [String: Any])
    #expect((before["homes"] as? [Any])?.isEmpty == true)
    #expect(before["size"] as? Int == 0)
    let text = try await workspace.domicile("report --data data").output
    #expect(text.contains("\nerasures: 1 asked for, 1 of all data done, 0 not done\n"), "\(text)")
    #expect(
      text.contains("\n  1 home of messages in ashburn (US), because of eu-at-home\n"), "\(text)")
  }

  @Test(arguments: [
    ("ledger show --kind what", "There is no kind of entry “what”; known: key, policy,", 64),
    ("ledger verify --key abc", "“abc” is no key; it is written as NAME+ID+KEY", 64),
    (
      "ledger verify --witness x+00000000+AAAA", "“x+00000000+AAAA” is no key", 64
    ),
    (
      "ledger checkpoint --last regions/policy.yaml",
      "invalidArgument: This is no checkpoint that a key of this ledger has signed.", 65
    ),
    ("ledger checkpoint --last nowhere", "The file “nowhere” cannot be read.", 64),
    ("ledger verify --since nowhere", "The file “nowhere” cannot be read.", 64),
    (
      "ledger verify --since regions/policy.yaml",
      "invalidArgument: This is no checkpoint of a ledger", 65
    ),
    ("ledger prove 99", "invalidArgument: There is no entry 99 in the first 2.", 65),
    ("ledger prove -- -1", "invalidArgument: There is no entry -1 in the first 2.", 65),
    (
      "ledger checkpoint --request 99",
      "invalidArgument: The witness cannot know 99 entries: there are 2.", 65
    ),
    (
      "ledger checkpoint --ledger-key-file nowhere",
      "wrongLedgerKey: The file with the ledger key is missing", 1
    ),
    (
      "ledger rotate --new-key-file nowhere/key",
      "unavailable: The file for the ledger key cannot be made.", 1
    ),
    ("history nobody", "notFound: No such user was admitted.", 4),
    ("report --as-of yesterday", "The value 'yesterday' is invalid for '--as-of <yyyy-mm-dd>'", 64),
    (
      "admit ada --residence DE --actor a\u{7}b",
      "invalidArgument: Who acts is named by 1 to 100 bytes", 65
    ),
  ])
  func `what cannot be done says why`(line: String, message: String, exitCode: Int32) async throws {
    let workspace = try await Workspace.deployed()
    let (command, rest) =
      line.firstRange(of: " -- ").map {
        (String(line[..<$0.lowerBound]), String(line[$0.lowerBound...]))
      } ?? (line, "")
    let result = try await workspace.domicile("\(command) --data data\(rest)")
    #expect(result.exitCode == exitCode, "\(result)")
    #expect(result.error.contains(message), "\(result)")
  }
}
