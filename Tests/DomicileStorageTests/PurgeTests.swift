import DomicileSQLite
import DomicileStorage
import Foundation
import Testing

/// What was deleted leaves the WAL too, when that can be; and the WAL has an end.
@Suite struct PurgeTests {
  private let file: NotebookFile

  init() throws { file = try NotebookFile() }

  /// A connection that reads an older state until the transaction is ended.
  private func reader() throws -> Connection {
    let reader = try Connection(path: file.path, mode: .reading)
    try reader.execute("BEGIN")
    _ = try reader.integer("SELECT count(*) FROM note")
    return reader
  }

  @Test func `a purge empties the WAL, for all who wait`() async throws {
    let commits = file.open()
    for number in 1...20 { try await commits.commit(by: .soon) { try $0.write(number) } }
    #expect(try file.walBytes() > 0)
    await withTaskGroup { group in
      for _ in 1...10 { group.addTask { await commits.purge(by: .soon) } }
      for await state in group { #expect(state == .done) }
    }
    #expect(try file.walBytes() == 0)
    #expect(commits.purgeState == .done)
    await commits.close()
    #expect(try file.numbers().count == 20)
  }

  @Test func `a reader of an older state keeps a purge pending, and writes go on`() async throws {
    let commits = file.open()
    try await commits.commit(by: .soon) { try $0.write(1) }
    #expect(await commits.purge(by: .soon) == .done)
    let reader = try reader()
    try await commits.commit(by: .soon) { try $0.write(2) }
    let before = ContinuousClock.now
    let state = await commits.purge(by: .now + .milliseconds(50))
    guard case .pending(let since) = state else {
      Issue.record("\(state)")
      return
    }
    #expect(since >= before)
    #expect(try file.walBytes() > 0)
    try await commits.commit(by: .soon) { try $0.write(3) }
    // Who asks later does not make it younger.
    #expect(await commits.purge(by: .now + .milliseconds(20)) == .pending(since: since))

    try reader.execute("COMMIT")
    while commits.purgeState != .done {
      commits.tick()
      await Task.yield()
    }
    #expect(try file.walBytes() == 0)
    await commits.close()
    #expect(try file.numbers() == [1, 2, 3])
  }

  @Test func `what is in the WAL leaves it in time, though nobody asks`() async throws {
    let start = ContinuousClock.now
    let commits = file.open()
    try await commits.commit(by: .soon) { try $0.write(1) }
    while commits.purgeState != .done { commits.tick() }
    try await commits.commit(by: .soon) { try $0.write(2) }
    commits.tick(at: start + .seconds(59))
    #expect(commits.purgeState == .done)
    #expect(try file.walBytes() > 0)
    commits.tick(at: .now + .seconds(61))
    while try file.walBytes() > 0 { await Task.yield() }
    await commits.close()
  }

  @Test func `a WAL that somebody left is purged by whoever opens the file next`() async throws {
    try Connection(path: file.path, mode: .writing).run("INSERT INTO note VALUES (1, x'')")
    #expect(try file.walBytes() > 0)
    let commits = file.open()
    while try file.walBytes() > 0 {
      commits.tick()
      await Task.yield()
    }
    await commits.close()
    #expect(try file.numbers() == [1])
  }

  @Test func `closing leaves an empty WAL`() async throws {
    let commits = file.open()
    try await commits.commit(by: .soon) { try $0.write(1) }
    await commits.close()
    #expect(try file.walBytes() == 0)
    #expect(try file.numbers() == [1])
  }

  // MARK: The maximum

  @Test func `a WAL at its maximum takes deletions only, until it can be copied`() async throws {
    let commits = file.open {
      $0.walPagesBeforeCheckpoint = 10
      $0.walPagesMax = 50
      $0.purgePatience = .milliseconds(1)
    }
    let reader = try reader()
    var written = 0
    var refusal: StorageError?
    while refusal == nil, written < 1_000 {
      do throws(StorageError) {
        let number = written + 1
        try await commits.commit(by: .soon, addsData: true) { try $0.write(number, bytes: 3_000) }
        written = number
      } catch {
        refusal = error
      }
    }
    #expect(refusal?.code == .overloaded)
    #expect(
      refusal?.message
        == "The WAL of the notebook is at its maximum, because somebody has been reading an older state for"
        + " long; nothing was written. Let them finish and try again; deletions go on.")
    #expect((10...60).contains(written))
    try await commits.commit(by: .soon) { notebook in
      try notebook.connection.run("DELETE FROM note WHERE number = 1")
    }
    #expect(
      await code { try await commits.commit(by: .soon, addsData: true) { try $0.write(2_000) } }
        == .overloaded)
    try reader.execute("COMMIT")
    try await commits.commit(by: .soon, addsData: true) { try $0.write(3_000) }
    await commits.close()
    #expect(try file.numbers() == Array(2...written) + [3_000])
  }

  // MARK: Several processes

  @Test func `the writers of two processes take turns, and one that dies stops nobody`()
    async throws
  {
    let commits = file.open { $0.walPagesBeforeCheckpoint = 20 }
    let other = Task<Void, Never> { [path = file.path] in
      _ = await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
        var limits = GroupCommit<Notebook>.Limits()
        limits.walPagesBeforeCheckpoint = 20
        let commits = GroupCommit(path: path, place: "the notebook", limits: limits) {
          () throws(StorageError) in
          try storing(in: "the notebook") { try Notebook(path: path, edition: 0) }
        }
        for number in 10_001...10_100 {
          try await commits.commit(by: .soon) { try $0.write(number, bytes: 1_000) }
        }
        // Inside the gate, in the middle of a transaction.
        try await commits.commit(by: .soon) { notebook in
          try notebook.write(20_000)
          kill(getpid(), SIGKILL)
        }
      }
    }
    var count = 0
    while try file.numbers().filter({ $0 > 10_000 }).count < 100, count < 20_000 {
      count += 1
      let number = count
      try await commits.commit(by: .soon) { try $0.write(number, bytes: 1_000) }
    }
    await other.value
    for number in count + 1...count + 10 {
      try await commits.commit(by: .soon) { try $0.write(number) }
    }
    await commits.close()
    #expect(try file.numbers() == Array(1...count + 10) + Array(10_001...10_100))
    #expect(try Connection(path: file.path, mode: .reading).text("PRAGMA integrity_check") == "ok")
  }
}
