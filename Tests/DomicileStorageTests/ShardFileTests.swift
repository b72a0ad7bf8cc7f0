import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// The file of a shard: what it is, and what is not taken for it.
@Suite struct ShardFileTests {
  private let folder: TemporaryFolder
  private let path: String
  private let mine = TestShard.identity

  init() throws {
    folder = try TemporaryFolder()
    path = "\(folder.path)/dublin-1.sqlite"
  }

  // MARK: Identity

  struct Stranger: Sendable, CustomTestStringConvertible {
    let what: String
    let identity: ShardIdentity
    let code: StorageError.Code
    let message: String
    var testDescription: String { what }
  }

  private static func identity(
    deployment: UInt8 = 0xD0, name: String = "dublin-1", region: String = "dublin",
    country: String = "IE", keyCheck: [UInt8] = [1, 2, 3]
  ) -> ShardIdentity {
    ShardIdentity(
      deployment: [UInt8](repeating: deployment, count: 16), name: name, region: region,
      country: country, keyCheck: keyCheck)
  }

  private static func swapped(_ found: String) -> String {
    "The file of the shard dublin-1 in the region dublin (IE) is the shard \(found)."
      + " Put the right file back."
  }

  static let strangers = [
    Stranger(
      what: "another shard", identity: identity(name: "dublin-2"), code: .foreignFile,
      message: swapped("dublin-2 of the region dublin (IE)")),
    Stranger(
      what: "another region", identity: identity(region: "mumbai"), code: .foreignFile,
      message: swapped("dublin-1 of the region mumbai (IE)")),
    Stranger(
      what: "another country", identity: identity(country: "IN"), code: .foreignFile,
      message: swapped("dublin-1 of the region dublin (IN)")),
    Stranger(
      what: "another deployment", identity: identity(deployment: 0xD1), code: .foreignFile,
      message: "The file of the shard dublin-1 belongs to another deployment. Put the right file"
        + " back."),
    Stranger(
      what: "another key", identity: identity(keyCheck: [1, 2, 4]), code: .wrongKey,
      message: "The hash key is not the one that the shard dublin-1 was made with. Use the right"
        + " key."),
  ]

  @Test(arguments: strangers)
  func `a file of another shard opens under no other name`(stranger: Stranger) throws {
    try SQLiteShard.create(path: path, identity: stranger.identity)
    for attempt in [{ _ = try SQLiteShard(path: path, identity: mine) }, create] {
      let error = #expect(throws: StorageError.self) { try attempt() }
      #expect(error?.code == stranger.code)
      #expect(error?.message == stranger.message)
    }
    _ = try Connection(path: path, mode: .reading)
    #expect(try opens(as: stranger.identity))
  }

  @Test func `a shard that was made opens, and making it again changes nothing`() async throws {
    try create()
    let store = try SQLiteShard(path: path, identity: mine)
    _ = try await store.raise(to: .first, law: .ireland, accepts: ["IE"], by: .soon)
    await store.close()
    try create()
    let again = try SQLiteShard(path: path, identity: mine)
    #expect(try again.stampedLaw().0 == .first)
    await again.close()
  }

  @Test func `a file of a later format is left alone`() throws {
    try create()
    try Connection(path: path, mode: .writing).execute("PRAGMA user_version = 5")
    for attempt in [{ _ = try SQLiteShard(path: path, identity: mine) }, create] {
      let error = #expect(throws: StorageError.self) { try attempt() }
      #expect(error?.code == .foreignFile)
      #expect(
        error?.message
          == "The file of the shard dublin-1 has format 5; this version of Domicile reads format 4."
      )
    }
  }

  @Test func `a shard whose identity is gone is damaged`() throws {
    try create()
    try Connection(path: path, mode: .writing).execute("DELETE FROM shard")
    #expect(throws: StorageError.self) { try SQLiteShard(path: path, identity: mine) }
  }

  // MARK: Other files

  @Test func `a missing file is said to be missing, and is not made`() throws {
    let error = #expect(throws: StorageError.self) { try SQLiteShard(path: path, identity: mine) }
    #expect(error?.code == .unavailable)
    #expect(error?.message.hasPrefix("The file of the shard dublin-1 is missing.") == true)
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func `a database that is not a shard is neither opened nor made one`() throws {
    let other = try Connection(path: path, mode: .creating)
    try other.execute("CREATE TABLE recipe (name TEXT)")
    for attempt in [{ _ = try SQLiteShard(path: path, identity: mine) }, create] {
      let error = #expect(throws: StorageError.self) { try attempt() }
      #expect(error?.code == .foreignFile)
      #expect(
        error?.message
          == "The file of the shard dublin-1 is not a shard. Put the right file back.")
    }
    #expect(try other.rows("SELECT name FROM sqlite_schema", as: { $0.text(0) }) == ["recipe"])
  }

  @Test func `a file that is no database is damaged`() throws {
    try folder.write(String(repeating: "not a database ", count: 1_000), to: "dublin-1.sqlite")
    for attempt in [{ _ = try SQLiteShard(path: path, identity: mine) }, create] {
      let error = #expect(throws: StorageError.self) { try attempt() }
      #expect(error?.code == .corrupt)
    }
  }

  @Test func `a folder in the file's place is not opened`() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    for attempt in [{ _ = try SQLiteShard(path: path, identity: mine) }, create] {
      let error = #expect(throws: StorageError.self) { try attempt() }
      #expect(error?.code == .foreignFile)
    }
  }

  @Test func `a symbolic link is not followed`() throws {
    try SQLiteShard.create(path: "\(folder.path)/real.sqlite", identity: mine)
    try FileManager.default.createSymbolicLink(
      atPath: path, withDestinationPath: "\(folder.path)/real.sqlite")
    for attempt in [{ _ = try SQLiteShard(path: path, identity: mine) }, create] {
      let error = #expect(throws: StorageError.self) { try attempt() }
      #expect(error?.code == .unavailable)
    }
  }

  @Test func `a link to nowhere makes no file elsewhere`() throws {
    try FileManager.default.createSymbolicLink(
      atPath: path, withDestinationPath: "\(folder.path)/elsewhere.sqlite")
    #expect(throws: StorageError.self) { try create() }
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/elsewhere.sqlite"))
  }

  // MARK: Half made

  @Test func `a shard that was left an empty file is finished, but not opened before`() throws {
    try folder.write("", to: "dublin-1.sqlite")
    let error = #expect(throws: StorageError.self) { try SQLiteShard(path: path, identity: mine) }
    #expect(error?.code == .foreignFile)
    try create()
    #expect(try opens(as: mine))
  }

  @Test func `a shard that was left without tables is finished`() throws {
    _ = try Connection(path: path, mode: .creating)
    try create()
    #expect(try opens(as: mine))
  }

  // MARK: The file

  @Test func `only the owner may read the file and its WAL`() async throws {
    try create()
    let store = try SQLiteShard(path: path, identity: mine)
    _ = try await store.raise(to: .first, law: .ireland, accepts: [], by: .soon)
    let files = ["", "-main", "-next", "-shm", "-wal"].map { "dublin-1.sqlite\($0)" }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == files)
    for file in files.map({ "\(folder.path)/\($0)" }) {
      let attributes = try FileManager.default.attributesOfItem(atPath: file)
      #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600, "\(file)")
    }
    await store.close()
    // Whoever carries the file away needs no WAL: it is empty.
    #expect(FileManager.default.contents(atPath: "\(path)-wal") == Data())
  }

  @Test func `the file says that it is a shard, of which format`() throws {
    try create()
    let header = try #require(FileManager.default.contents(atPath: path))
    #expect(header.prefix(15) == Data("SQLite format 3".utf8))
    // Format versions 2: WAL. Then user_version and application_id (https://sqlite.org/fileformat.html).
    #expect(Array(header[18...19]) == [2, 2])
    #expect(Array(header[60...63]) == [0, 0, 0, 4])
    #expect(Array(header[68...71]) == Array("DOMS".utf8))
  }

  static let damages = [
    "UPDATE label SET value = 'z'": ["1 labels of no record", "1 labels that no list finds"],
    "DELETE FROM label": ["1 labels that no list finds"],
    "DELETE FROM record WHERE labels IS NOT NULL": ["1 labels of no record"],
    "UPDATE record SET home = 77 WHERE labels IS NULL": ["1 records of no home"],
    "UPDATE record SET collection = 'bills' WHERE labels IS NULL":
      ["1 records of a collection that is not of their home's class"],
    "UPDATE home SET state = 'moved' WHERE profile = 'DE'": ["2 records of a home that is gone"],
  ]

  @Test(arguments: damages)
  func `what contradicts itself in a file is found`(
    sql: String, findings: [String]
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a", labels: ["kind": "x"]), .put("b"))
      #expect(try store.integrityFindings() == [])
    }
    try shard.execute(sql)
    try await shard.with { store throws in
      #expect(try store.integrityFindings() == findings)
    }
  }

  // MARK: Helpers

  private func create() throws { try SQLiteShard.create(path: path, identity: mine) }

  private func opens(as identity: ShardIdentity) throws -> Bool {
    try SQLiteShard(path: path, identity: identity).integrityFindings().isEmpty
  }
}
