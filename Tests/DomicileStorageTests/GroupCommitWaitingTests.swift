import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// Jobs that wait: deadlines, cancellation, a full queue, closing.
@Suite(.timeLimit(.minutes(1))) struct GroupCommitWaitingTests {
  private let file: NotebookFile

  init() throws { file = try NotebookFile() }

  // MARK: Deadlines

  @Test func `a deadline that has passed is told at once`() async throws {
    let commits = file.open()
    let error = await #expect(throws: StorageError.self) {
      try await commits.commit(by: .now - .seconds(1)) { try $0.write(1) }
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(
      error?.message
        == "The deadline passed before the notebook could begin; nothing was written. Try again.")
    await commits.close()
    #expect(try file.numbers() == [])
  }

  @Test func `a job whose deadline passes while it waits is not done`() async throws {
    let commits = file.open()
    let held = await HeldCommit(commits)
    let deadline = ContinuousClock.now + .milliseconds(50)
    let late = await held.submit(by: deadline) { try $0.write(1) }
    let patient = await held.submit { try $0.write(2) }
    await until { .now > deadline }
    try await held.release()
    #expect(await code { try await late.value } == .deadlineExceeded)
    try await patient.value
    await commits.close()
    #expect(try file.numbers() == [2])
  }

  @Test func `who waits too long is told while the writer still stands`() async throws {
    let commits = file.open()
    let held = await HeldCommit(commits)
    let now = ContinuousClock.now
    let late = await held.submit(by: now + .seconds(100)) { try $0.write(1) }
    let patient = await held.submit(by: now + .seconds(200)) { try $0.write(2) }
    commits.tick(at: now + .seconds(99))
    #expect(commits.depth == 2)
    commits.tick(at: now + .seconds(100))
    // The writer is not released yet.
    #expect(await code { try await late.value } == .deadlineExceeded)
    #expect(commits.depth == 1)
    try await held.release()
    try await patient.value
    await commits.close()
    #expect(try file.numbers() == [2])
  }

  @Test func `a job that is being done is not overdue`() async throws {
    let commits = file.open()
    let hasBegun = Flag()
    let mayEnd = DispatchSemaphore(value: 0)
    let write = Task {
      try await commits.commit(by: .soon) { notebook in
        hasBegun.raise()
        mayEnd.wait()
        try notebook.write(1)
      }
    }
    await until { hasBegun.isRaised }
    commits.tick(at: .now + .seconds(1_000))
    write.cancel()
    mayEnd.signal()
    // It was too late for both: the write went through, and its caller is told so.
    try await write.value
    await commits.close()
    #expect(try file.numbers() == [1])
  }

  @Test func `a lost batch does not make a job begin after its deadline`() async throws {
    let commits = file.open()
    let held = await HeldCommit(commits)
    let deadline = ContinuousClock.now + .milliseconds(200)
    let rude = await held.submit { notebook in
      while ContinuousClock.now <= deadline { sched_yield() }
      try notebook.connection.execute("ROLLBACK")
      throw StorageError(.unavailable, "Rude.")
    }
    let late = await held.submit(by: deadline) { try $0.write(1) }
    let patient = await held.submit { try $0.write(2) }
    try await held.release()
    #expect(await code { try await rude.value } == .unavailable)
    #expect(await code { try await late.value } == .deadlineExceeded)
    try await patient.value
    await commits.close()
    #expect(try file.numbers() == [2])
  }

  // MARK: Cancellation

  @Test func `a cancelled task gives its job up while it waits`() async throws {
    let commits = file.open()
    let held = await HeldCommit(commits)
    let cancelled = await held.submit { try $0.write(1) }
    let other = await held.submit { try $0.write(2) }
    cancelled.cancel()
    let error = await #expect(throws: StorageError.self) { try await cancelled.value }
    #expect(error?.code == .cancelled)
    #expect(
      error?.message == "The task was cancelled before its turn; nothing was written.")
    try await held.release()
    try await other.value
    await commits.close()
    #expect(try file.numbers() == [2])
  }

  @Test func `a task that is cancelled already writes nothing`() async throws {
    let commits = file.open()
    let mayGo = Flag()
    let task = Task {
      await until { mayGo.isRaised }
      try await commits.commit(by: .soon) { try $0.write(1) }
    }
    task.cancel()
    mayGo.raise()
    #expect(await code { try await task.value } == .cancelled)
    await commits.close()
    #expect(try file.numbers() == [])
  }

  // MARK: A full queue

  @Test func `more jobs than may wait are refused`() async throws {
    let commits = file.open { $0.jobsWaitingMax = 3 }
    let held = await HeldCommit(commits)
    var writes: [Task<Void, any Error>] = []
    for number in 1...3 { writes.append(await held.submit { try $0.write(number) }) }
    let error = await #expect(throws: StorageError.self) {
      try await commits.commit(by: .soon) { try $0.write(4) }
    }
    #expect(error?.code == .overloaded)
    #expect(
      error?.message
        == "3 writes already wait for the notebook; nothing was written. Try again later.")
    try await held.release()
    for write in writes { try await write.value }
    try await commits.commit(by: .soon) { try $0.write(5) }
    await commits.close()
    #expect(try file.numbers() == [1, 2, 3, 5])
  }

  // MARK: Closing

  @Test func `closing finishes what waits and refuses what comes later`() async throws {
    let commits = file.open { $0.batchDurationMax = .zero }
    let held = await HeldCommit(commits)
    var writes: [Task<Void, any Error>] = []
    for number in 1...20 { writes.append(await held.submit { try $0.write(number) }) }
    let isClosed = Flag()
    let closing = Task {
      await commits.close()
      isClosed.raise()
    }
    let closingAgain = Task { await commits.close() }
    // Refused as soon as the closing has begun, while the writer still stands. Until then a try waits,
    // and is given up.
    var refusal = StorageError.Code.cancelled
    while refusal == .cancelled {
      let attempt = await held.submit { _ in }
      attempt.cancel()
      refusal = try #require(await code { try await attempt.value })
    }
    #expect(refusal == .closed)
    #expect(!isClosed.isRaised)
    try await held.release()
    for write in writes { try await write.value }
    await closing.value
    await closingAgain.value
    await commits.close()
    let error = await #expect(throws: StorageError.self) {
      try await commits.commit(by: .soon) { try $0.write(21) }
    }
    #expect(error?.code == .closed)
    #expect(error?.message == "the notebook is closed; nothing was written.")
    #expect(commits.depth == 0)
    #expect(try file.numbers() == Array(1...20))
  }

  @Test func `a group commit that was never used can be closed`() async throws {
    let commits = file.open()
    await commits.close()
    #expect(file.batchSizes == [])
  }

  // MARK: All at once

  @Test(arguments: 1...8)
  func `whatever is cancelled, refused, overdue or closed meanwhile, each caller is told once`(
    seed: Int
  ) async throws {
    let commits = file.open { limits in
      limits.jobsWaitingMax = 20
      limits.jobsPerBatchMax = 5
    }
    var random = SeededRandom(seed: UInt64(seed))
    var tasks: [Task<Void, any Error>] = []
    for number in 0..<1_000 {
      let deadline: ContinuousClock.Instant =
        Int.random(in: 0..<10, using: &random) == 0 ? .now + .microseconds(200) : .soon
      tasks.append(
        Task { try await commits.commit(by: deadline) { try $0.write(number) } })
      if let task = tasks.randomElement(using: &random), Int.random(in: 0..<2, using: &random) == 0
      {
        task.cancel()
      }
      if Int.random(in: 0..<50, using: &random) == 0 { commits.tick() }
      if number == 900 { Task { await commits.close() } }
      if Int.random(in: 0..<4, using: &random) == 0 { await Task.yield() }
    }
    var written: [Int] = []
    for (number, task) in tasks.enumerated() {
      switch await task.result {
      case .success: written.append(number)
      case .failure(let error):
        let code = try #require(error as? StorageError).code
        #expect(
          [.cancelled, .overloaded, .deadlineExceeded, .closed].contains(code),
          "seed \(seed), job \(number): \(code)")
      }
    }
    await commits.close()
    #expect(try file.numbers() == written, "seed \(seed)")
  }
}
