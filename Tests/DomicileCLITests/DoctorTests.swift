import Domicile
import DomicileTesting
import Foundation
import Testing

/// Every finding of `doctor`, each provoked by changing a file with the `sqlite3` program.
@Suite struct DoctorTests {
  /// A deployment with ida, a resident of IN: two homes, in mumbai-1, and a record in the first.
  private func withIda() async throws -> Workspace {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit ida --residence IN --data data")
    _ = try await workspace.domicile("put ida inbox k v --label thread=7 --data data")
    return workspace
  }

  private static let mumbai = "data/mumbai/mumbai-1.sqlite"
  private static let directory = "data/directory.sqlite"

  /// What doctor says, the user's alias masked.
  private func expectFindings(
    _ workspace: Workspace, _ findings: [String], homes: Int = 2,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let result = try await workspace.domicile("doctor --data data").maskingSQLite
      .masking(/[0-9a-f]{32}/, as: "ALIAS")
    let count = findings.count == 1 ? "1 finding" : "\(findings.count) findings"
    let end =
      "\(findings.isEmpty ? "sound" : count): 1 user, 0 groups, \(homes == 1 ? "1 home" : "\(homes) homes"), 4 shards; SQLite VERSION"
    expect(
      result, output: (findings + [end]).map { "\($0)\n" }.joined(),
      exitCode: findings.isEmpty ? 0 : 1, sourceLocation: sourceLocation)
  }

  @Test func `a deployment that nobody touched is sound, and stays so`() async throws {
    let workspace = try await withIda()
    for _ in 1...2 { try await expectFindings(workspace, []) }
  }

  // MARK: Homes

  @Test func `a home that the shard lost`() async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(Self.mumbai, "DELETE FROM home WHERE class = 'payments'")
    try await expectFindings(
      workspace,
      [
        "homeMissing: The directory has the home of ALIAS (payments) in the shard mumbai-1, which does not have it. An old file may have been brought back."
      ], homes: 1)
    // The backend is told the same, and the home is not made anew.
    let put = try await workspace.domicile("put ida receipts k v --data data")
    expect(
      put,
      error:
        "homeMissing: The directory says that the home is in the shard mumbai-1, which does not have it. Nothing was written. Run “domicile doctor”; an old file may have been brought back.\n",
      exitCode: 1)
  }

  @Test func `a home of an earlier serial`() async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(Self.mumbai, "UPDATE home SET serial = 1 WHERE class = 'payments'")
    try await expectFindings(
      workspace,
      [
        "strayHome: The home 2 (payments) of the shard mumbai-1 is not one that the directory names. Its data is unreachable; an old file may have been brought back.",
        "homeMissing: The directory has the home of ALIAS (payments) in the shard mumbai-1, which does not have it. An old file may have been brought back.",
      ])
  }

  @Test func `a home of a user whom nobody knows`() async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(
      Self.mumbai,
      """
      INSERT INTO home (owner, class, alias, serial, state, tags, profile)
      VALUES (randomblob(16), 'messages', randomblob(16), 3, 'active', 1, 'IN')
      """)
    try await expectFindings(
      workspace,
      [
        "strayHome: The home 3 (messages) of the shard mumbai-1 is not one that the directory names. Its data is unreachable; an old file may have been brought back."
      ], homes: 3)
  }

  @Test func `a second home of a user in another shard`() async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(
      "data/ashburn/ashburn-1.sqlite",
      """
      ATTACH '\(Self.mumbai)' AS mumbai;
      INSERT INTO home SELECT * FROM mumbai.home WHERE class = 'messages';
      """)
    try await expectFindings(
      workspace,
      [
        "strayHome: The home 1 (messages) of the shard ashburn-1 is not one that the directory names. Its data is unreachable; an old file may have been brought back."
      ], homes: 3)
  }

  @Test(arguments: ["profile = 'US'", "tags = tags + 100", "alias = randomblob(16)"])
  func `a home with other tags than the directory's`(change: String) async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(Self.mumbai, "UPDATE home SET \(change) WHERE class = 'messages'")
    try await expectFindings(
      workspace,
      [
        "tagsDisagree: The home 1 (messages) of the shard mumbai-1 has other tags than the directory. Restore the older of the two."
      ])
  }

  @Test func `an admission that stopped half way, which the user's next call ends`() async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(
      Self.directory, "UPDATE placement SET state = 'admitting' WHERE class = 'payments'")
    try await workspace.sqlite(
      Self.mumbai, "UPDATE home SET state = 'incoming' WHERE class = 'payments'")
    let finding =
      "admissionHalfWay: The admission of ALIAS (payments) to the shard mumbai-1 stopped half way. Admit the user again, or repeat the import; the user's next call does it too."
    try await expectFindings(workspace, [finding])
    // The same where a second try took a token, but did not come as far as the shard.
    try await workspace.sqlite(
      Self.directory,
      """
      UPDATE directory SET serial = serial + 1;
      UPDATE placement SET serial = (SELECT serial FROM directory) WHERE class = 'payments';
      """)
    try await expectFindings(workspace, [finding])
    #expect(
      try await workspace.domicile("put ida receipts k v --data data").exitCode == 0)
    try await expectFindings(workspace, [])
  }

  @Test func `a home that a stricter policy forbids`() async throws {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit uma --residence US --region mumbai --data data")
    _ = try await workspace.domicile("put uma inbox k v --data data")
    let files = RegionFiles.small.replacing(
      "otherwise: {store: anywhere}", in: "policy.yaml",
      with: """
          - name: us-at-home
            residents: US
            classes: messages
            store: US
            reason: A new law.
        otherwise: {store: anywhere}
        """)
    try workspace.write(files, to: "next")
    let applied = try await workspace.domicile("policy apply --regions next --bars 1 --data data")
    #expect(applied.exitCode == 0, "\(applied)")
    try await expectFindings(
      workspace,
      [
        "barredHome: 1 home (messages) of the shard mumbai-1 is where the policy in force does not allow it: data of a resident of US in IN. Writes are refused. Move them (“domicile move”), or apply a policy that allows it. To find whose, ask “domicile where” for your users of these tags."
      ])
    // What barred means.
    #expect(try await workspace.domicile("get uma inbox k --data data").output == "v")
    expect(
      try await workspace.domicile("put uma inbox k w --data data"),
      error: """
        barred: The policy in force no longer allows this home: reads and deletions go on, writes are refused. Nothing was written. Move it to a region that is legal (“domicile move --class messages --to REGION”), or apply a policy that allows it. Messages of a resident of US may not live in mumbai (IN)
          us-at-home (policy.yaml:26) stores only in US, which rules out IN
            because: A new law.
          legal instead: ashburn

        """, exitCode: 3)
    #expect(try await workspace.domicile("put uma receipts k w --data data").exitCode == 0)
    let location = try await workspace.domicile("where uma --data data").output
    #expect(location.contains("\nmessages  mumbai  IN       mumbai-1  barred\n"))
    #expect(location.contains("\npayments  mumbai  IN       mumbai-1  active\n"))
    expect(
      try await workspace.domicile("placements --by class --data data"),
      output: """
        class     homes  records  bytes  barred
        messages      1        1      2       1
        payments      1        1      2       0

        """)
    #expect(try await workspace.domicile("delete uma inbox k --data data").output == "deleted\n")
  }

  @Test func `barred homes of the same class and tags are one finding, with their number`()
    async throws
  {
    let workspace = try await Workspace.deployed()
    for line in [
      "admit uma --residence US --region mumbai", "admit ula --residence US --region mumbai",
      "admit una --residence US --attribute scc-signed --region mumbai",
      "group create g --member uma --member una --class messages --region mumbai",
    ] {
      let result = try await workspace.domicile("\(line) --data data")
      try #require(result.exitCode == 0, "\(result)")
    }
    try workspace.write(
      .small.replacing(
        "otherwise: {store: anywhere}", in: "policy.yaml",
        with: """
            - name: us-at-home
              residents: US
              classes: messages
              store: US
              reason: A new law.
          otherwise: {store: anywhere}
          """), to: "next")
    _ = try await workspace.domicile("policy apply --regions next --bars 4 --data data")
    func finding(_ homes: String, _ data: String, _ search: String) -> String {
      "barredHome: \(homes) where the policy in force does not allow it: data of \(data) in IN. Writes are refused. Move them (“domicile move”), or apply a policy that allows it. To find whose, ask \(search)."
    }
    let result = try await workspace.domicile("doctor --data data").maskingSQLite
    expect(
      result,
      output: """
        \(finding("2 homes (messages) of the shard mumbai-1 are", "residents of US", "“domicile where” for your users of these tags"))
        \(finding("1 home (messages) of the shard mumbai-1 is", "groups with residents of US with scc-signed", "“domicile group where” for your groups"))
        \(finding("1 home (messages) of the shard mumbai-1 is", "a resident of US with scc-signed", "“domicile where” for your users of these tags"))
        3 findings: 3 users, 1 group, 7 homes, 4 shards; SQLite VERSION

        """, exitCode: 1)
    let json = try await workspace.json("doctor --json --data data", exitCode: 1)
    let findings = try #require((json as? [String: Any])?["findings"] as? [[String: Any]])
    #expect(findings.map { $0["homes"] as? Int } == [2, 1, 1])
  }

  @Test func `a directory that lies where a stricter policy forbids it`() async throws {
    let workspace = try await withIda()
    let files = RegionFiles.small.replacing(
      "otherwise: {store: anywhere}", in: "policy.yaml",
      with: """
          - name: in-at-home
            residents: IN
            classes: directory
            store: IN
            reason: A new law.
        otherwise: {store: anywhere}
        """)
    try workspace.write(files)
    #expect(try await workspace.domicile("policy apply --bars 0 --data data").exitCode == 0)
    let result = try await workspace.domicile("doctor --data data").maskingSQLite
    #expect(result.output.hasPrefix("barredDirectory: The directory lies in dublin, "), "\(result)")
    #expect(
      result.output.hasSuffix("\n1 finding: 1 user, 0 groups, 2 homes, 4 shards; SQLite VERSION\n"))
    #expect(result.exitCode == 1 && result.error.isEmpty)
    // Nobody else is admitted, and it is said why.
    expect(
      try await workspace.domicile("admit ian --residence IN --data data"),
      error: """
        refused: The directory lies in dublin, where nothing about this user may be noted. Nothing was written. Directory of a resident of IN may not live in dublin (IE)
          in-at-home (policy.yaml:26) stores only in IN, which rules out IE
            because: A new law.
          legal instead: mumbai

        """, exitCode: 3)
  }

  // MARK: Law

  private static let behind =
    "lawBehind: The shard mumbai-1 is not stamped with the policy in force. Run “domicile policy apply”."

  @Test(arguments: ["generation = generation - 1", "digest = randomblob(32)"])
  func `a shard with the stamp of another policy`(change: String) async throws {
    let workspace = try await withIda()
    // An apply of the same policy gives a behind shard its stamp; so must there be one to go back from.
    try await workspace.sqlite(Self.mumbai, "UPDATE shard SET \(change)")
    try await expectFindings(workspace, [Self.behind])
  }

  @Test func `a shard behind is raised by what doctor says`() async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(Self.mumbai, "UPDATE shard SET generation = 0; DELETE FROM law")
    try await expectFindings(workspace, [Self.behind])
    #expect(try await workspace.domicile("policy apply --data data").exitCode == 0)
    try await expectFindings(workspace, [])
  }

  @Test(arguments: [
    "DELETE FROM law WHERE class = 'messages' AND residence = 'IN'",
    "INSERT INTO law VALUES ('messages', 'KP', '', '')",
  ])
  func `a shard whose law somebody changed`(change: String) async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(Self.mumbai, change)
    try await expectFindings(
      workspace,
      [
        "lawBehind: The law of the shard mumbai-1 is not that of the policy it is stamped with: something else has changed it. Restore the file, or apply a policy with another text, which stamps it anew."
      ])
    let files = RegionFiles.small.replacing(
      "GDPR chapter V", in: "policy.yaml", with: "GDPR art. 44")
    try workspace.write(files)
    #expect(try await workspace.domicile("policy apply --data data").exitCode == 0)
    try await expectFindings(workspace, [])
  }

  // MARK: Files

  @Test func `a directory that counts wrongly`() async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(
      Self.directory, "UPDATE shard SET placements = placements + 5 WHERE name = 'mumbai-1'")
    try await expectFindings(
      workspace,
      ["countWrong: The directory counts 7 placements in the shard mumbai-1; there are 2."])
  }

  @Test func `files that others may read`() async throws {
    let workspace = try await withIda()
    try workspace.setMode(0o640, of: Self.mumbai)
    try workspace.setMode(0o755, of: "data")
    try workspace.setMode(0o702, of: "data/dublin")
    try await expectFindings(
      workspace,
      [
        "fileReadableByOthers: “dublin” may be read or written by others; run “chmod go=” on it.",
        "fileReadableByOthers: “mumbai/mumbai-1.sqlite” may be read or written by others; run “chmod go=” on it.",
        "fileReadableByOthers: “the data folder” may be read or written by others; run “chmod go=” on it.",
      ])
    let mended = try await workspace.run(
      URL(filePath: "/usr/bin/env"), ["chmod", "-R", "go=", "data"])
    #expect(mended.exitCode == 0)
    try await expectFindings(workspace, [])
  }

  @Test func `records of no home`() async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(
      Self.mumbai,
      """
      INSERT INTO record (home, collection, key, version, written, value)
      VALUES (77, 'inbox', x'6B', 1, 1, x'')
      """)
    try await expectFindings(
      workspace, ["damagedFile: The shard mumbai-1: 1 records of no home. Restore it."])
  }

  @Test func `labels of no record`() async throws {
    let workspace = try await withIda()
    try await workspace.sqlite(Self.mumbai, "UPDATE record SET labels = NULL")
    try await expectFindings(
      workspace, ["damagedFile: The shard mumbai-1: 1 labels of no record. Restore it."])
  }

  @Test(arguments: ["data/mumbai/mumbai-1.sqlite", "data/directory.sqlite"])
  func `a page that was overwritten`(file: String) async throws {
    let workspace = try await withIda()
    // The root page of a table that doctor does not read row by row: only SQLite's own check sees it.
    let table = file.hasSuffix("directory.sqlite") ? "sqlite_autoindex_user_2" : "change"
    let page = try #require(
      Int(
        try await workspace.sqlite(
          file, "SELECT rootpage FROM sqlite_schema WHERE name = '\(table)'")[0]))
    var bytes = Array(try Data(contentsOf: URL(filePath: try workspace.file(file))))
    for offset in 0..<4_096 {
      bytes[(page - 1) * 4_096 + offset] = UInt8(truncatingIfNeeded: offset)
    }
    try workspace.write(bytes, to: file)
    let result = try await workspace.domicile("doctor --data data")
    #expect(result.exitCode == 1 && result.error.isEmpty)
    let place = file.hasSuffix("directory.sqlite") ? "The directory" : "The shard mumbai-1"
    #expect(result.output.hasPrefix("damagedFile: \(place): "), "\(result)")
  }
}
