import Domicile
import DomicileTesting
import Foundation
import Testing

/// What is said where files are not as they should be, and of policies that cannot be applied.
@Suite struct MistakenStateTests {
  private static let notInitialized =
    "notInitialized: There is no deployment in the data folder. Run “domicile init”, or name the right folder.\n"

  /// A deployment with the user ada, a resident of DE, and a record.
  private func withAda() async throws -> Workspace {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit ada --residence DE --data data")
    _ = try await workspace.domicile("put ada inbox k v --data data")
    return workspace
  }

  /// Where ada's shard is: either of two, by chance.
  private func shardOfAda(_ workspace: Workspace) async throws -> String {
    let rows = try await workspace.sqlite(
      "data/directory.sqlite", "SELECT name FROM shard WHERE placements > 0")
    return try #require(rows.first)
  }

  // MARK: Data folder

  @Test(arguments: ["where ada", "doctor", "shards", "put ada inbox k v", "policy apply"])
  func `without a deployment nothing works, and init is named`(command: String) async throws {
    let workspace = Workspace()
    try workspace.write(.small)
    expect(
      try await workspace.domicile("\(command) --data nowhere"),
      error: "\(Self.notInitialized)  data folder: nowhere\n", exitCode: 1)
    try workspace.write("a file", to: "file")
    expect(
      try await workspace.domicile("\(command) --data file"),
      error: "\(Self.notInitialized)  data folder: file\n", exitCode: 1)
  }

  @Test func `init where a file is makes nothing`() async throws {
    let workspace = Workspace()
    try workspace.write(.small)
    try workspace.write("a file", to: "file")
    expect(
      try await workspace.domicile("init --data file --regions regions"),
      error: "unavailable: A folder cannot be made. Check the path, its rights and the disk.\n",
      exitCode: 1)
    #expect(try workspace.read("file") == "a file")
  }

  @Test func `init twice leaves the first as it is`() async throws {
    let workspace = try await withAda()
    let key = try workspace.read("data.key")
    expect(
      try await workspace.domicile("init --data data --regions regions"),
      error: """
        alreadyInitialized: There is a deployment in the data folder already. It was left as it is.
          data folder: data

        """, exitCode: 1)
    #expect(try workspace.read("data.key") == key)
    #expect(try await workspace.domicile("get ada inbox k --data data").output == "v")
  }

  @Test(arguments: ["where ada --data data", "init --data data --regions regions"])
  func `shards without their directory are left alone`(command: String) async throws {
    let workspace = try await withAda()
    try FileManager.default.removeItem(atPath: try workspace.file("data/directory.sqlite"))
    expect(
      try await workspace.domicile(command),
      error:
        "unavailable: The data folder has shards, but directory.sqlite is missing. Bring it back: a new one would know nobody, and could not open the shards.\n",
      exitCode: 1)
    #expect(try !workspace.exists("data/directory.sqlite"))
  }

  @Test func `commands work while a backend has the data folder open`() async throws {
    let workspace = try await withAda()
    // This process is the backend.
    let router = try await ResidencyRouter.open(data: try workspace.file("data"))
    let ada = try await router.user(UserID("ada"))
    try await ada.put("from the backend".utf8, key: "b", in: RecordCollection("inbox"))
    #expect(
      try await workspace.domicile("get ada inbox b --data data").output == "from the backend")
    #expect(try await workspace.domicile("put ada inbox c w --data data").exitCode == 0)
    #expect(try await ada.get("c", in: RecordCollection("inbox"))?.text == "w")
    #expect(try await workspace.domicile("doctor --data data").exitCode == 0)
    await router.close()
    #expect(try await workspace.domicile("get ada inbox k --data data").output == "v")
  }

  @Test func `a killed process leaves no lock behind`() async throws {
    let workspace = try await withAda()
    // An import that waits for the rest of its file has the folder open.
    let made = try await workspace.run(URL(filePath: "/usr/bin/env"), ["mkfifo", "people.csv"])
    try #require(made.exitCode == 0)
    let running = try workspace.start(
      Workspace.tool,
      ["import", "people.csv", "--user", "id", "--residence", "country", "--data", "data"])
    let pipe = FileHandle(forWritingAtPath: try workspace.file("people.csv"))
    // Files are read in chunks of 64 KiB.
    let begin = "id,country\n" + (0..<8_000).map { "u\($0),DE\n" }.joined()
    try pipe?.write(contentsOf: Data(begin.utf8))
    var isAdmitted = false
    while !isAdmitted {
      isAdmitted = try await workspace.domicile("where u0 --data data").exitCode == 0
    }
    running.kill()
    #expect(try await running.result().exitCode == SIGKILL)
    try pipe?.close()
    #expect(try await workspace.domicile("put ada inbox l w --data data").exitCode == 0)
    #expect(try await workspace.domicile("get ada inbox k --data data").output == "v")
  }

  // MARK: Hash key

  @Test(arguments: [
    (
      nil, 0o600,
      "The file with the hash key is missing or may not be read. Bring it back from where it is escrowed: without it no user can be found by id, and a new key would find nobody."
    ),
    (
      "\(String(repeating: "ab", count: 32))\n", 0o600,
      "The hash key is not the one that this deployment was made with. Use the right key: with another one no user would be found."
    ),
    (
      "\(String(repeating: "ab", count: 32))\n", 0o644,
      "The file with the hash key may be read by others (mode 644). Run “chmod 600” on it, and consider who may have read it."
    ),
    (
      "too short", 0o600,
      "What should be the hash key is not 64 hexadecimal digits. Use the right key."
    ),
  ])
  func `a wrong hash key opens nothing`(text: String?, mode: Int, message: String) async throws {
    let workspace = try await withAda()
    if let text {
      try workspace.write(text, to: "other.key")
      try workspace.setMode(mode, of: "other.key")
    }
    expect(
      try await workspace.domicile("get ada inbox k --data data --key-file other.key"),
      error: "wrongKey: \(message)\n  hash key: other.key\n", exitCode: 1)
    // The same where the file lies in its usual place.
    try FileManager.default.removeItem(atPath: try workspace.file("data.key"))
    if text != nil {
      try FileManager.default.moveItem(
        atPath: try workspace.file("other.key"), toPath: try workspace.file("data.key"))
    }
    expect(
      try await workspace.domicile("get ada inbox k --data data"),
      error: "wrongKey: \(message)\n  hash key: \(try workspace.file("data.key"))\n", exitCode: 1)
  }

  @Test func `a wrong hash key in the environment opens nothing`() async throws {
    let workspace = try await withAda()
    expect(
      try await workspace.domicile(
        "get ada inbox k --data data", environment: ["DOMICILE_HASH_KEY": "secret"]),
      error: """
        wrongKey: What should be the hash key is not 64 hexadecimal digits. Use the right key.
          hash key: the environment's DOMICILE_HASH_KEY

        """, exitCode: 1)
  }

  // MARK: Shards

  @Test func `a missing shard is never made anew, and stops no other`() async throws {
    let workspace = try await withAda()
    _ = try await workspace.domicile("admit uma --residence US --data data")
    let shard = try await shardOfAda(workspace)
    _ = try await workspace.domicile("put uma inbox k w --data data")
    let name =
      try await workspace.domicile("where ada --data data").output.contains("dublin-1")
      ? "dublin-1" : "dublin-2"
    #expect(shard == name || shard == "ashburn-1")
    try FileManager.default.removeItem(atPath: try workspace.file("data/dublin/\(name).sqlite"))
    let missing =
      "The file of the shard \(name) is missing. Mount its volume or restore the file; a shard that held data is never made anew."
    expect(
      try await workspace.domicile("get ada inbox k --data data"),
      error: "unavailable: \(missing)\n",
      exitCode: 1)
    #expect(try await workspace.domicile("get uma inbox k --data data").output == "w")
    // A sum that leaves something out would be wrong.
    expect(
      try await workspace.domicile("placements --data data"), error: "unavailable: \(missing)\n",
      exitCode: 1)
    expect(
      try await workspace.domicile("doctor --data data").maskingSQLite,
      output: """
        shardUnavailable: \(missing)
        1 finding: 2 users, 0 groups, 2 homes, 3 of 4 shards; SQLite VERSION

        """, exitCode: 1)
    #expect(try !workspace.exists("data/dublin/\(name).sqlite"))
  }

  @Test func `shard files that were swapped do not open`() async throws {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit ida --residence IN --data data")
    try swap(workspace, "data/mumbai/mumbai-1.sqlite", "data/ashburn/ashburn-1.sqlite")
    expect(
      try await workspace.domicile("put ida inbox k v --data data"),
      error:
        "foreignFile: The file of the shard mumbai-1 in the region mumbai (IN) is the shard ashburn-1 of the region ashburn (US). Put the right file back.\n",
      exitCode: 1)
    expect(
      try await workspace.domicile("doctor --data data").maskingSQLite,
      output: """
        shardUnavailable: The file of the shard ashburn-1 in the region ashburn (US) is the shard mumbai-1 of the region mumbai (IN). Put the right file back.
        shardUnavailable: The file of the shard mumbai-1 in the region mumbai (IN) is the shard ashburn-1 of the region ashburn (US). Put the right file back.
        2 findings: 1 user, 0 groups, 0 homes, 2 of 4 shards; SQLite VERSION

        """, exitCode: 1)
  }

  @Test func `a shard or a directory of another deployment does not open`() async throws {
    let workspace = try await withAda()
    let key = try workspace.read("data.key")
    _ = try await workspace.domicile("init --data other --regions regions --key-file data.key")
    #expect(try workspace.read("data.key") == key)
    try swap(workspace, "data/ashburn/ashburn-1.sqlite", "other/ashburn/ashburn-1.sqlite")
    expect(
      try await workspace.domicile("placements --carry ashburn --data data"),
      error:
        "foreignFile: The file of the shard ashburn-1 belongs to another deployment. Put the right file back.\n",
      exitCode: 1)
    try swap(workspace, "data/directory.sqlite", "other/directory.sqlite")
    // The users of this directory are others.
    expect(
      try await workspace.domicile("get ada inbox k --data data"),
      error:
        "notFound: No such user was admitted. Check the id, or admit the user first (“domicile admit”).\n",
      exitCode: 4)
    let doctor = try await workspace.domicile("doctor --carry dublin --data data").maskingSQLite
    expect(
      doctor,
      output: """
        shardUnavailable: The file of the shard dublin-1 belongs to another deployment. Put the right file back.
        shardUnavailable: The file of the shard dublin-2 belongs to another deployment. Put the right file back.
        2 findings: 0 users, 0 groups, 0 homes, 0 of 4 shards; SQLite VERSION

        """, exitCode: 1)
  }

  @Test func `a file that is no database is called damaged`() async throws {
    let workspace = try await withAda()
    for name in ["dublin-1", "dublin-2"] {
      try workspace.write(
        String(repeating: "not a database. ", count: 512), to: "data/dublin/\(name).sqlite")
    }
    let result = try await workspace.domicile("get ada inbox k --data data")
    expect(
      result.masking(/dublin-./, as: "SHARD"),
      error: result.error.contains("dublin-1")
        ? "corrupt: The file of the shard dublin-1 is damaged; nothing was written. Run “domicile doctor” and restore it.\n"
        : "corrupt: The file of the shard dublin-2 is damaged; nothing was written. Run “domicile doctor” and restore it.\n",
      exitCode: 1)
  }

  private func swap(_ workspace: Workspace, _ left: String, _ right: String) throws {
    let files = FileManager.default
    let (left, right) = (try workspace.file(left), try workspace.file(right))
    try files.moveItem(atPath: left, toPath: "\(left).tmp")
    try files.moveItem(atPath: right, toPath: left)
    try files.moveItem(atPath: "\(left).tmp", toPath: right)
  }

  // MARK: Policies

  @Test(arguments: [
    "policy check", "policy coverage", "policy apply --data data", "init --data new",
    "policy explain --residence DE",
  ])
  func `a policy that is not valid has every problem listed, with its place`(
    command: String
  ) async throws {
    let workspace = try await withAda()
    let files = RegionFiles.small.replacing(
      "residents: EU", in: "policy.yaml", with: "residents: EUU"
    )
    .replacing("    store: IN", in: "policy.yaml", with: "    stor: IN")
    try workspace.write(files, to: "next")
    expect(
      try await workspace.domicile("\(command) --regions next"),
      error: """
        invalidPolicy: The policy is not valid: 3 problems.
          next/policy.yaml:13:16: unknown country or group “EUU”; did you mean “EU”?
          next/policy.yaml:20:5: unknown key “stor”; did you mean “store”?
          next/policy.yaml:17:5: a rule needs “store”, “copy”, “process” or “prefer”

        """, exitCode: 1)
    #expect(try !workspace.exists("new"))
    #expect(
      try await workspace.domicile("shards --json --data data").output.contains(
        #""generation" : 1,"#))
  }

  @Test(arguments: [
    "policy check", "policy coverage", "policy apply --data data", "init --data new",
    "policy explain --residence DE",
  ])
  func `a regions folder that is not there is named`(command: String) async throws {
    let workspace = try await withAda()
    expect(
      try await workspace.domicile("\(command) --regions nowhere"),
      error: """
        unreadable: “policy.yaml” of the regions folder does not exist or may not be read; check the folder's name and rights.
          regions folder: nowhere

        """, exitCode: 1)
    #expect(try !workspace.exists("new"))
  }

  @Test func `a topology that drops a shard in use is not applied`() async throws {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit ida --residence IN --data data")
    let files = RegionFiles.small.replacing("mumbai-1", in: "topology.yaml", with: "mumbai-2")
    try workspace.write(files, to: "next")
    expect(
      try await workspace.domicile("policy apply --regions next --data data"),
      error:
        "shardInUse: The topology drops the shard mumbai-1 of the region mumbai (IN), or puts it elsewhere, but it holds 2 placements. Nothing was applied. Keep the shard where it is; to remove it, drain it and move them (“domicile plan --from mumbai-1”) first.\n",
      exitCode: 1)
    #expect(try await workspace.domicile("where ida --data data").exitCode == 0)
  }

  @Test func `an apply that does not reach every shard is pending, until one does`() async throws {
    let workspace = try await withAda()
    let files = RegionFiles.small.replacing(
      "GDPR chapter V", in: "policy.yaml", with: "GDPR art. 44")
    let digest = try ResidencyPolicy(files: files).digest.short
    try workspace.write(files, to: "next")
    let away = "is not carried by this process. Forward the call to one that does."
    expect(
      try await workspace.domicile("policy apply --regions next --carry dublin --data data"),
      output: "pending: policy generation 5, digest \(digest)\n",
      error: """
        pending: the shard ashburn-1: The region ashburn \(away)
        pending: the shard mumbai-1: The region mumbai \(away)

        """, exitCode: 5)
    expect(
      try await workspace.domicile("policy apply --regions next --data data"),
      output: "in force already: policy generation 5, digest \(digest)\n")
  }

  @Test func `an init that does not reach every shard is pending`() async throws {
    let workspace = Workspace()
    try workspace.write(.small)
    let away = "is not carried by this process. Forward the call to one that does."
    expect(
      try await workspace.domicile("init --data data --regions regions --carry dublin"),
      output: """
        Initialized: policy generation 1, digest \(Workspace.smallDigest).
        Escrow the hash key: losing it loses access by user.
        Keep the ledger key from whoever must not sign, and escrow it.

        """,
      error: """
        pending: the shard ashburn-1: The region ashburn \(away)
        pending: the shard mumbai-1: The region mumbai \(away)

        """, exitCode: 5)
  }

  // MARK: Imports

  @Test(arguments: [
    ("nowhere.csv", "unavailable: There is no file “nowhere.csv”.\n", 65),
    (".", "unavailable: “.” is a folder, or may not be read.\n", 65),
    (
      "people.csv --rejects people.csv",
      "unavailable: The lists of lines that are left out cannot be written to “people.csv”. Name a folder with --rejects.\n",
      1
    ),
    (
      "people.csv --into inbx --record-key id",
      "unknownName: Unknown collection “inbx”; did you mean “inbox”? The policy lists the collections of each data class.\n",
      65
    ),
    (
      "people.csv --data nowhere",
      "\(notInitialized)  data folder: nowhere\n", 1
    ),
  ])
  func `an import that cannot begin says why`(
    options: String, error: String, exitCode: Int32
  ) async throws {
    let workspace = try await withAda()
    try workspace.write("id,country\n1,DE\n", to: "people.csv")
    let data = options.contains("--data") ? "" : "--data data"
    expect(
      try await workspace.domicile("import \(options) --user id --residence country \(data)"),
      error: error, exitCode: exitCode)
  }
}
