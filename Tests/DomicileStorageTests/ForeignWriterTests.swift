import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// A file that something else has written is proved, and rewritten if it must be, before anybody says that what was
/// deleted is gone.
@Suite struct ForeignWriterTests {
  private let file: NotebookFile

  init() throws { file = try NotebookFile() }

  /// Deletes notes as a program would that has neither our VFS nor our settings; whether bytes of them are left.
  private func writeAndDeleteByOthers() async throws -> Bool {
    let other = try Connection(path: file.path, mode: .writing, vfs: "unix")
    try other.execute("PRAGMA secure_delete = OFF")
    for number in 1_000..<1_200 {
      try other.run(
        "INSERT INTO note VALUES (?, ?)", .integer(Int64(number)), .blob(Array("forgotten".utf8)))
    }
    try other.execute("DELETE FROM note WHERE number >= 1000")
    _ = try other.truncateWAL(patience: .milliseconds(10))
    return try await hasRemnants()
  }

  /// Looked for in another process: closing the file in this one would drop SQLite's locks.
  private func hasRemnants() async throws -> Bool {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/grep")
    process.arguments = ["-q", "-a", "-r", "forgotten", file.folder.path]
    try process.run()
    while process.isRunning { await Task.yield() }
    return process.terminationStatus == 0
  }

  private func isClean() throws -> Bool { try WriterGate(path: file.path).isFileClean }

  @Test func `a file that was never ours is rewritten at the first opening`() async throws {
    #expect(try await writeAndDeleteByOthers())
    #expect(try !isClean())
    let commits = file.open()
    #expect(await commits.purge(by: .soon) == .done)
    #expect(try isClean())
    #expect(try await !hasRemnants())
    await commits.close()
    #expect(try isClean())
  }

  @Test func `a file that somebody else wrote meanwhile is rewritten at the next purge`()
    async throws
  {
    let commits = file.open()
    try await commits.commit(by: .soon) { try $0.write(1) }
    #expect(await commits.purge(by: .soon) == .done)
    #expect(try isClean())
    #expect(try await writeAndDeleteByOthers())
    #expect(try !isClean())
    #expect(await commits.purge(by: .soon) == .done)
    #expect(try isClean())
    #expect(try await !hasRemnants())
    await commits.close()
    #expect(try file.numbers() == [1])
  }

  /// VACUUM gives the schema another number.
  private func rewrites() throws -> Int64? {
    try Connection(path: file.path, mode: .reading).integer("PRAGMA schema_version")
  }

  @Test func `a file of ours is not rewritten, however its process ended`() async throws {
    let commits = file.open()
    #expect(await commits.purge(by: .soon) == .done)
    await commits.close()
    let edition = try rewrites()
    // Killed with a WAL full of commits, in a checkpoint or before it.
    for _ in 0..<10 {
      await #expect(processExitsWith: .signal(SIGKILL)) { [path = file.path as String] in
        var limits = GroupCommit<Notebook>.Limits()
        limits.walPagesBeforeCheckpoint = 5
        let commits = GroupCommit(path: path, place: "the notebook", limits: limits) {
          () throws(StorageError) in
          try storing(in: "the notebook") { try Notebook(path: path, edition: 0) }
        }
        let delay = UInt32.random(in: 2_000...20_000)
        Thread.detachNewThread {
          usleep(delay)
          kill(getpid(), SIGKILL)
        }
        for number in 0... {
          try await commits.commit(by: .soon) { notebook in
            try notebook.connection.run(
              "INSERT OR REPLACE INTO note VALUES (?, randomblob(3000))", .integer(Int64(number)))
          }
        }
      }
      // Where the checkpoint ended and was not noted any more, the file is proved.
      let next = file.open()
      #expect(await next.purge(by: .soon) == .done)
      await next.close()
      #expect(try isClean())
      #expect(try rewrites() == edition)
    }
  }

  @Test func `a checkpoint that died is not taken for another program's, nor the other way`()
    async throws
  {
    let commits = file.open()
    try await commits.commit(by: .soon) { try $0.write(1) }
    #expect(await commits.purge(by: .soon) == .done)
    try await commits.commit(by: .soon) { try $0.write(2) }
    let ours = try Connection(path: file.path, mode: .writing)
    #expect(try ours.integer("SELECT count(*) FROM note") == 2)
    struct Died: Error {}
    let gate = try WriterGate(path: file.path)
    #expect(throws: Died.self) { try gate.pass { try gate.writeMainFile(ours) { throw Died() } } }
    #expect(try gate.pass { gate.isFileClean(ours) })
    // A checkpoint of the same WAL that is not ours: the pages are as SQLite wrote them.
    let other = try Connection(path: file.path, mode: .writing, vfs: "unix")
    try other.checkpointPassively()
    #expect(try !gate.pass { gate.isFileClean(ours) })
    await commits.close()
  }

  @Test func `a copy is not believed, and is proved, for nobody knows what made it`() async throws {
    let commits = file.open()
    #expect(await commits.purge(by: .soon) == .done)
    await commits.close()
    #expect(try isClean())
    try FileManager.default.moveItem(atPath: file.path, toPath: "\(file.path).old")
    try FileManager.default.copyItem(atPath: "\(file.path).old", toPath: file.path)
    #expect(try !isClean())
    let edition = try rewrites()
    let copied = file.open()
    #expect(await copied.purge(by: .soon) == .done)
    await copied.close()
    #expect(try isClean())
    #expect(try rewrites() == edition)
  }

  @Test(arguments: [
    "", "clean", "clean 1 2", "clean 1 2 x 4 5", "dirty 1 2 3 4 5", "clean -1 2 3 4 5",
    "clean 1 2 3 4", "clean 1 2 3 4 5 6",
  ])
  func `a note that cannot be read is none`(text: String) async throws {
    let commits = file.open()
    #expect(await commits.purge(by: .soon) == .done)
    await commits.close()
    try text.write(toFile: "\(file.path)-main", atomically: false, encoding: .utf8)
    #expect(try !isClean())
  }
}
