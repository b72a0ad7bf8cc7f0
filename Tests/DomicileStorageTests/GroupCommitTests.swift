import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

@Suite(.timeLimit(.minutes(1))) struct GroupCommitTests {
  private struct Unwilling: Error {}

  private let file: NotebookFile

  init() throws { file = try NotebookFile() }

  // MARK: Sharing

  @Test func `all that waits shares one transaction`() async throws {
    let commits = file.open()
    let held = await HeldCommit(commits)
    var writes: [Task<Void, any Error>] = []
    for number in 1...200 { writes.append(await held.submit { try $0.write(number) }) }
    #expect(commits.depth == 200)
    try await held.release()
    for write in writes { try await write.value }
    await commits.close()
    #expect(file.batchSizes == [1, 200])
    #expect(try file.numbers() == Array(1...200))
  }

  @Test func `a batch has at most so many jobs`() async throws {
    let commits = file.open { $0.jobsPerBatchMax = 30 }
    let held = await HeldCommit(commits)
    var writes: [Task<Void, any Error>] = []
    for number in 1...100 { writes.append(await held.submit { try $0.write(number) }) }
    try await held.release()
    for write in writes { try await write.value }
    await commits.close()
    #expect(file.batchSizes == [1, 30, 30, 30, 10])
  }

  @Test func `a batch that takes too long leaves the rest to the next, in order`() async throws {
    // No time at all: each batch is over after its first job, and puts the others back.
    let commits = file.open { $0.batchDurationMax = .zero }
    let held = await HeldCommit(commits)
    var writes: [Task<Int, any Error>] = []
    for number in 1...40 {
      writes.append(
        await held.submit { notebook in
          try notebook.write(number)
          return try file.order(in: notebook)
        })
    }
    try await held.release()
    for (index, write) in writes.enumerated() { #expect(try await write.value == index + 1) }
    await commits.close()
    #expect(file.batchSizes == [Int](repeating: 1, count: 41))
  }

  @Test func `what one caller writes is written in its order`() async throws {
    let commits = file.open { $0.jobsPerBatchMax = 7 }
    try await withThrowingTaskGroup { group in
      for caller in 0..<8 {
        group.addTask {
          for step in 0..<50 {
            let before = try await commits.commit(by: .soon) { notebook in
              defer { try? notebook.write(caller * 1_000 + step) }
              return try notebook.connection.integer(
                "SELECT count(*) FROM note WHERE number / 1000 = ?", .integer(Int64(caller)))
            }
            #expect(before == Int64(step))
          }
        }
      }
      try await group.waitForAll()
    }
    await commits.close()
    #expect(try file.numbers().count == 400)
    #expect(file.batchSizes.reduce(0, +) == 400)
  }

  // MARK: A job that fails

  @Test(arguments: [true, false])
  func `a job that throws is undone alone, whether it says that it is compound or not`(
    isCompound: Bool
  ) async throws {
    let commits = file.open()
    let held = await HeldCommit(commits)
    let first = await held.submit { try $0.write(1) }
    let unwilling = await held.submit(isCompound: isCompound) { notebook in
      try notebook.write(2)
      try notebook.write(3)
      throw Unwilling()
    }
    let doomed = await held.submit(isCompound: isCompound) { notebook in
      try notebook.write(4)
      try notebook.write(1)
    }
    let last = await held.submit { try $0.write(5) }
    try await held.release()
    try await first.value
    let error = await #expect(throws: StorageError.self) { try await unwilling.value }
    #expect(error?.code == .unavailable)
    #expect(error?.cause is Unwilling)
    await #expect(throws: StorageError.self) { try await doomed.value }
    try await last.value
    await commits.close()
    #expect(try file.numbers() == [1, 5])
  }

  @Test func `what a job refuses reaches its caller as it was thrown`() async throws {
    let commits = file.open()
    let error = await #expect(throws: StorageError.self) {
      try await commits.commit(by: .soon) { _ in
        throw StorageError(.versionMismatch, "Not as you think.")
      }
    }
    #expect(error?.code == .versionMismatch)
    #expect(error?.message == "Not as you think.")
    await commits.close()
  }

  @Test(arguments: [true, false])
  func `a full disk for one job does not take the others with it`(isCompound: Bool) async throws {
    let commits = file.open()
    let held = await HeldCommit(commits)
    let first = await held.submit { try $0.write(1) }
    let large = await held.submit(isCompound: isCompound) { try $0.fillDisk() }
    let last = await held.submit { try $0.write(2) }
    try await held.release()
    try await first.value
    #expect(await code { try await large.value } == .diskFull)
    try await last.value
    await commits.close()
    #expect(try file.numbers() == [1, 2])
  }

  @Test func `a job that ends the transaction does not take the others with it`() async throws {
    let commits = file.open()
    let held = await HeldCommit(commits)
    let first = await held.submit { try $0.write(1) }
    let rude = await held.submit { notebook in
      try notebook.write(2)
      try notebook.connection.execute("ROLLBACK")
      throw Unwilling()
    }
    let last = await held.submit { try $0.write(3) }
    try await held.release()
    try await first.value
    await #expect(throws: StorageError.self) { try await rude.value }
    try await last.value
    await commits.close()
    #expect(try file.numbers() == [1, 3])
  }

  // MARK: A commit that fails

  @Test func `an error in COMMIT that can be undone is told so`() async throws {
    let commits = file.open()
    let held = await HeldCommit(commits)
    let write = await held.submit { try $0.write(1) }
    let spoiler = await held.submit { try $0.spoilCommit() }
    try await held.release()
    let error = await #expect(throws: StorageError.self) { try await write.value }
    #expect(error?.code == .unavailable)
    #expect(
      error?.message
        == "The commit in the notebook failed (SQLite error 787) and was undone; nothing was written."
        + " Check the disk and try again.")
    #expect(await code { try await spoiler.value } == .unavailable)
    try commits.checkIsUsable()
    try await commits.commit(by: .soon) { try $0.write(2) }
    await commits.close()
    #expect(try file.numbers() == [2])
  }

  @Test func `while the outcome of a commit is unknown nothing is read`() async throws {
    let commits = file.open()
    // A purge would settle it at once.
    #expect(await commits.purge(by: .soon) == .done)
    let held = await HeldCommit(commits)
    let spoiler = await held.submit { notebook in
      notebook.failsToSettle = true
      try notebook.spoilCommit()
    }
    try await held.release()
    #expect(await code { try await spoiler.value } == .outcomeUnknown)
    #expect(throws: StorageError.self) { try commits.checkIsUsable() }
    // The next transaction settles it, even if nobody has anything to write.
    while (try? commits.checkIsUsable()) == nil {
      commits.tick()
      try await Task.sleep(for: .milliseconds(1))
    }
    await commits.close()
    #expect(try file.numbers() == [])
  }

  @Test func `an error in COMMIT leaves the outcome unknown and opens the file again`()
    async throws
  {
    let commits = file.open()
    let held = await HeldCommit(commits)
    let write = await held.submit { notebook in
      notebook.failsToSettle = true
      try notebook.write(1)
    }
    let unwilling = await held.submit { _ in throw StorageError(.barred, "No.") }
    let spoiler = await held.submit { try $0.spoilCommit() }
    try await held.release()
    let error = await #expect(throws: StorageError.self) { try await write.value }
    #expect(error?.code == .outcomeUnknown)
    #expect(
      error?.message
        == "The commit in the notebook failed while it was written (SQLite error 787); whether it"
        + " holds is unknown. Read before you write again.")
    #expect(await code { try await spoiler.value } == .outcomeUnknown)
    // It had failed before: about its outcome there is no doubt.
    #expect(await code { try await unwilling.value } == .barred)

    let edition = try await commits.commit(by: .soon) { notebook in
      try notebook.write(2)
      return notebook.edition
    }
    #expect(edition == 1)
    await commits.close()
    #expect(try file.numbers() == [2])
  }

  @Test func `the file is opened again before anything else is written, even one by one`()
    async throws
  {
    let commits = file.open()
    let held = await HeldCommit(commits)
    let rude = await held.submit { notebook in
      try notebook.connection.execute("ROLLBACK")
      throw Unwilling()
    }
    let spoiler = await held.submit { notebook in
      notebook.failsToSettle = true
      try notebook.spoilCommit()
    }
    let write = await held.submit { notebook in
      try notebook.write(1)
      return notebook.edition
    }
    try await held.release()
    await #expect(throws: StorageError.self) { try await rude.value }
    #expect(await code { try await spoiler.value } == .outcomeUnknown)
    #expect(try await write.value == 1)
    await commits.close()
    #expect(try file.numbers() == [1])
  }

  @Test func `a file that cannot be opened refuses each write, and is tried again`() async throws {
    let attempts = Flag()
    let commits = GroupCommit<Notebook>(path: file.path, place: "the notebook") {
      () throws(StorageError) in
      guard attempts.isRaised else {
        attempts.raise()
        throw StorageError(.unavailable, "Not mounted.")
      }
      return try storing(in: "the notebook") { try Notebook(path: file.path, edition: 0) }
    }
    #expect(await code { try await commits.commit(by: .soon) { try $0.write(1) } } == .unavailable)
    try await commits.commit(by: .soon) { try $0.write(2) }
    await commits.close()
    #expect(try file.numbers() == [2])
  }

  @Test func `a database that another process holds is unavailable, and nothing is written`()
    async throws
  {
    let commits = GroupCommit<Notebook>(path: file.path, place: "the notebook") {
      () throws(StorageError) in
      try storing(in: "the notebook") {
        let notebook = try Notebook(path: file.path, edition: 0)
        try notebook.connection.execute("PRAGMA busy_timeout = 0")
        return notebook
      }
    }
    let other = try Connection(path: file.path, mode: .writing)
    try other.execute("BEGIN IMMEDIATE")
    #expect(await code { try await commits.commit(by: .soon) { try $0.write(1) } } == .unavailable)
    try other.execute("ROLLBACK")
    try await commits.commit(by: .soon) { try $0.write(2) }
    await commits.close()
    #expect(try file.numbers() == [2])
  }

  // MARK: The WAL

  @Test func `the WAL is copied into the file before it grows`() async throws {
    let commits = file.open { $0.walPagesBeforeCheckpoint = 10 }
    for number in 1...300 {
      try await commits.commit(by: .soon) { try $0.write(number, bytes: 3_000) }
    }
    // 300 pages and more were written; one batch may follow before the copying.
    #expect(try file.walBytes() < 30 * (Connection.pageBytes + 24))
    await commits.close()
    #expect(try file.numbers().count == 300)
  }

  @Test func `a reader that stays does not stop writes, only the copying`() async throws {
    let commits = file.open { $0.walPagesBeforeCheckpoint = 10 }
    let reader = try Connection(path: file.path, mode: .reading)
    try reader.execute("BEGIN")
    #expect(try reader.integer("SELECT count(*) FROM note") == 0)
    for number in 1...50 {
      try await commits.commit(by: .soon) { try $0.write(number, bytes: 3_000) }
    }
    #expect(try reader.integer("SELECT count(*) FROM note") == 0)
    #expect(try file.walBytes() > 50 * Connection.pageBytes)
    try reader.execute("COMMIT")
    let size = try file.walBytes()
    for number in 51...300 {
      try await commits.commit(by: .soon) { try $0.write(number, bytes: 3_000) }
    }
    // The reader is gone: the WAL begins again from its start and grows no more.
    #expect(try file.walBytes() <= size + 30 * (Connection.pageBytes + 24))
    await commits.close()
  }
}

extension NotebookFile {
  /// How many notes there are, in the transaction.
  func order(in notebook: Notebook) throws -> Int {
    Int(try notebook.connection.integer("SELECT count(*) FROM note") ?? 0)
  }
}
