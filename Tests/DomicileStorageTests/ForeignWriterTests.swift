import DomicileSQLite
import DomicileTesting
import Foundation
import Synchronization
import Testing

@testable import DomicileStorage

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

  @Test func `a search tells what it finds if the proof does not come to its end`() async throws {
    let commits = file.open { $0.proofPatience = .milliseconds(200) }
    #expect(await commits.purge(by: .soon) == .done)
    // As if another proof were at it, and stood.
    commits.proof.withLock { $0.isRunning = true }
    #expect(try await writeAndDeleteByOthers())
    guard case .searched(let places) = try commits.searchRemnants() else {
      Issue.record("nothing was searched")
      return
    }
    #expect(!places.isEmpty)
    commits.proof.withLock { $0.isRunning = false }
    #expect(await commits.purge(by: .soon) == .done)
    #expect(try commits.searchRemnants() == .searched([]))
    await commits.close()
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

  @Test func `a clock that was ahead at the last checkpoint hides nobody's writing`() async throws {
    let commits = file.open()
    try await commits.commit(by: .soon) { try $0.write(1) }
    #expect(await commits.purge(by: .soon) == .done)
    // What such a clock leaves in the note: a change an hour from now.
    var words = try String(contentsOfFile: "\(file.path)-main", encoding: .utf8)
      .split(separator: " ").map(String.init)
    words[3] = "\(try #require(Int64(words[3])) + 3_600_000_000_000)"
    try words.joined(separator: " ").write(
      toFile: "\(file.path)-main", atomically: false, encoding: .utf8)
    _ = try await writeAndDeleteByOthers()
    #expect(await commits.purge(by: .soon) == .done)
    #expect(try await !hasRemnants())
    await commits.close()
  }

  @Test func `a checkpoint of nothing that died vouches for nothing`() async throws {
    let commits = file.open()
    try await commits.commit(by: .soon) { try $0.write(1) }
    #expect(await commits.purge(by: .soon) == .done)
    await commits.close()
    do {
      let ours = try Connection(path: file.path, mode: .writing)
      #expect(try ours.integer("SELECT count(*) FROM note") == 1)
      struct Died: Error {}
      let gate = try WriterGate(path: file.path)
      #expect(throws: Died.self) { try gate.pass { try gate.writeMainFile(ours) { throw Died() } } }
    }
    #expect(try await writeAndDeleteByOthers())
    let next = file.open()
    #expect(await next.purge(by: .soon) == .done)
    #expect(try await !hasRemnants())
    await next.close()
  }

  @Test func `what others copy of a file that was just rewritten is looked at too`() async throws {
    let commits = file.open()
    try await commits.commit(by: .soon) { try $0.write(1) }
    #expect(await commits.purge(by: .soon) == .done)
    #expect(try await writeAndDeleteByOthers())
    // Somebody who reads keeps the rewritten pages in the WAL, and Domicile's own writers go on.
    let other = try Connection(path: file.path, mode: .writing, vfs: "unix")
    let version = try other.integer("PRAGMA schema_version")
    let reader = try Connection(path: file.path, mode: .reading)
    try reader.execute("BEGIN")
    _ = try reader.integer("SELECT count(*) FROM note")
    async let state = commits.purge(by: .soon)
    // As an open router does.
    let ticker = Task {
      while !Task.isCancelled {
        commits.tick()
        try? await Task.sleep(for: .milliseconds(10))
      }
    }
    defer { ticker.cancel() }
    while try other.integer("PRAGMA schema_version") == version {
      try await Task.sleep(for: .milliseconds(1))
    }
    for round in 0..<20 {
      try await commits.commit(by: .soon) { notebook in
        for number in 1_000..<1_150 {
          let bytes = (number * 31 + round * 17) % 900
          try notebook.connection.run(
            "INSERT OR REPLACE INTO note VALUES (?, randomblob(?))", .integer(Int64(number)),
            .integer(Int64(bytes)))
        }
      }
    }
    try await commits.commit(by: .soon) { notebook in
      try notebook.connection.run("DELETE FROM note WHERE number >= 1000 AND number % 7 > 0")
    }
    try reader.execute("COMMIT")
    try other.checkpointPassively()
    #expect(await state == .done)
    #expect(try commits.searchRemnants() == .searched([]))
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
