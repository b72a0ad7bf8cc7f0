import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// Files that are not opened, or not used any more, and what is said of them.
@Suite struct WrongFileTests {
  private func refusal(_ shard: TestShard) -> StorageError? {
    #expect(throws: StorageError.self) {
      try SQLiteShard(path: shard.path, identity: TestShard.identity)
    }
  }

  @Test func `a WAL without its database is not overwritten`() async throws {
    let shard = try await TestShard()
    let store = try shard.open()
    try await store.write(.put("k"))
    try FileManager.default.moveItem(atPath: shard.path, toPath: "\(shard.path).away")
    let wal = FileManager.default.contents(atPath: "\(shard.path)-wal")
    try #require(wal?.isEmpty == false)
    let message =
      "The file of the shard dublin-1 is missing, but its WAL is there, which holds the latest commits. Bring"
      + " the file back to its WAL; without the file the WAL is of no use to anybody."
    #expect(refusal(shard)?.message == message)
    let making = #expect(throws: StorageError.self) {
      try SQLiteShard.create(path: shard.path, identity: TestShard.identity)
    }
    #expect(making?.message == message)
    #expect(FileManager.default.contents(atPath: "\(shard.path)-wal") == wal)
    try FileManager.default.moveItem(atPath: "\(shard.path).away", toPath: shard.path)
    #expect(try store.record("k") != nil)
    await store.close()
  }

  @Test func `a file with two names is not opened`() async throws {
    let shard = try await TestShard()
    try FileManager.default.linkItem(atPath: shard.path, toPath: "\(shard.path).other")
    let error = refusal(shard)
    #expect(error?.code == .foreignFile)
    #expect(
      error?.message
        == "The file of the shard dublin-1 has another name too (a hard link), by which it could be damaged."
        + " Remove the other name.")
    try FileManager.default.removeItem(atPath: "\(shard.path).other")
    try await shard.with { _ in }
  }

  @Test func `a pipe in the file's place is not opened, nor waited for`() async throws {
    let shard = try await TestShard()
    try FileManager.default.removeItem(atPath: shard.path)
    #expect(unsafe mkfifo(shard.path, 0o600) == 0)
    // Of the WAL nothing is left but an empty file.
    let error = refusal(shard)
    #expect(error?.code == .foreignFile)
    #expect(
      error?.message
        == "What has the name of the file of the shard dublin-1 is not a file. Put the right file back."
    )
  }

  @Test func `a file that is replaced while it is open is neither read nor written`() async throws {
    let shard = try await TestShard()
    let store = try shard.open()
    try await store.write(.put("k"))
    try FileManager.default.moveItem(atPath: shard.path, toPath: "\(shard.path).away")
    store.tick()
    #expect(await code { _ = try store.record("k") } == .unavailable)
    try FileManager.default.copyItem(atPath: "\(shard.path).away", toPath: shard.path)
    store.tick()
    let error = await #expect(throws: StorageError.self) { try await store.write(.put("l")) }
    #expect(error?.code == .foreignFile)
    #expect(
      error?.message
        == "The file of the shard dublin-1 was replaced while it was open. Put the right file in its place and"
        + " restart the process.")
    #expect(await code { _ = try store.record("k") } == .foreignFile)
    try FileManager.default.removeItem(atPath: shard.path)
    try FileManager.default.moveItem(atPath: "\(shard.path).away", toPath: shard.path)
    store.tick()
    #expect(try store.record("k") != nil)
    try await store.write(.put("l"))
    await store.close()
  }

  @Test(arguments: [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0x0102_1997, "9P")])
  func `network file systems are known by their numbers`(type: Int, name: String) {
    #expect(DatabaseFile.networkFileSystem(type: UInt32(type)) == name)
    #expect(
      StorageError(DatabaseFile.Problem.networkFileSystem(name: name), in: "the shard s").message
        == "The file of the shard s lies on a network file system (\(name)), where SQLite's WAL does not work."
        + " Put it on a volume of this machine.")
  }

  @Test(arguments: [0xEF53, 0x0102_1994, 0x9123_683E, 0x5846_5342])
  func `local file systems are not mistaken for them`(type: Int) {
    #expect(DatabaseFile.networkFileSystem(type: UInt32(type)) == nil)
  }
}
