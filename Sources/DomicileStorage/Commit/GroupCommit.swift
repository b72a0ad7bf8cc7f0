package import DomicileSQLite
import Foundation
import Synchronization

/// What a writer thread keeps beside its connection: prepared statements and what it has read.
package protocol CommitContext: AnyObject, SendableMetatype {
  var connection: Connection { get }
  /// A transaction has begun, or a part of one was undone: what was read before may be out of date.
  func beginBatch() throws(SQLiteError)
  /// Changes some byte of the file that means nothing. Committing it settles what became of a commit that
  /// failed: it writes over what that left in the WAL, so that no recovery can find it there.
  func settle() throws(SQLiteError)
}

/// One batch of a writer thread, for metrics.
package struct CommitBatch: Sendable {
  package let jobs: Int
  package let duration: Duration
}

/// Group commit: one writer thread for one SQLite file.
///
/// All that waits goes into the next transaction; whoever waits is told after COMMIT, never before. A job that
/// throws is undone by itself; its neighbours go on. The thread is not one of the cooperative pool, because
/// it waits for the disk.
package final class GroupCommit<Context: CommitContext>: Sendable {
  package struct Limits: Sendable {
    /// Jobs that may wait; more are refused.
    package var jobsWaitingMax = 16_384
    package var jobsPerBatchMax = 4_096
    /// After this long a batch is committed, whatever still waits.
    package var batchDurationMax = Duration.milliseconds(5)
    /// How long the writer waits for as many jobs as the last batch had.
    package var gatherDurationMax = Duration.microseconds(100)
    /// Pages in the WAL after which it is copied into the database.
    package var walPagesBeforeCheckpoint = 1_000

    package init() {}
  }

  private let place: String
  private let limits: Limits
  private let queue: CommitQueue<Context>
  private let observe: (@Sendable (CommitBatch) -> Void)?
  private let finished = Mutex<FinishState>(FinishState())
  /// Whether a commit failed and it is not known yet whether it holds.
  private let isUnsettled = Mutex(false)

  private struct FinishState {
    var isFinished = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  /// Starts a writer thread for a file that errors call `place`, such as `the shard dublin-1`.
  ///
  /// `open` opens the file. It is called on the writer thread, and again after an error in COMMIT.
  package init(
    place: String, limits: Limits = Limits(), observe: (@Sendable (CommitBatch) -> Void)? = nil,
    open: @escaping @Sendable () throws(StorageError) -> Context
  ) {
    self.place = place
    self.limits = limits
    self.observe = observe
    queue = CommitQueue(jobsMax: limits.jobsWaitingMax)
    let thread = Thread { [self] in
      WriterThread(owner: self, open: open).run()
      let waiting = finished.withLock { state in
        state.isFinished = true
        defer { state.waiting = [] }
        return state.waiting
      }
      for continuation in waiting { continuation.resume() }
    }
    thread.name = "domicile writer"
    thread.start()
  }

  /// Does `work` in the next transaction and returns its result once that is committed and synced.
  ///
  /// Work that changes more than one row is compound: it has a savepoint, so that a half of it can be undone.
  /// What throws all the same, without one, takes its batch along, whose jobs are then done one by one.
  /// What `work` throws comes as a ``StorageError``, as do failures of the transaction as a whole.
  package func commit<Result: Sendable>(
    by deadline: ContinuousClock.Instant, isCompound: Bool = true,
    _ work: @escaping @Sendable (Context) throws -> Result
  ) async throws(StorageError) -> Result {
    if Task.isCancelled { throw cancelled }
    if deadline <= .now { throw deadlineExceeded }
    let pending = Mutex<PendingCommit<Context>?>(nil)
    let outcome: Swift.Result<Result, StorageError> = await withTaskCancellationHandler {
      unsafe await withUnsafeContinuation { continuation in
        // Written by the writer thread before it calls `finish`, on the same thread.
        nonisolated(unsafe) var result: Result?
        let job = CommitJob<Context>(
          deadline: deadline, isCompound: isCompound,
          perform: { context in unsafe result = try work(context) },
          finish: { error in
            if let error {
              unsafe continuation.resume(returning: .failure(error))
            } else if let result = unsafe result {
              unsafe continuation.resume(returning: .success(result))
            } else {
              preconditionFailure("a job was committed that was not done")
            }
          })
        pending.withLock { $0 = PendingCommit(job: job) }
        if let refusal = queue.add(job, place: place) { job.finish(refusal) }
        if Task.isCancelled, queue.abandon(job) { job.finish(cancelled) }
      }
    } onCancel: {
      if let job = pending.withLock({ $0?.job }), queue.abandon(job) { job.finish(cancelled) }
    }
    return try outcome.get()
  }

  /// Refuses the jobs whose deadline has passed while they waited. To be called now and then.
  package func expireOverdue(at now: ContinuousClock.Instant = .now) {
    for job in queue.abandonOverdue(at: now) { job.finish(deadlineExceeded) }
    if isUnsettled.withLock({ $0 }) && depth == 0 {
      // Nobody writes, but readers wait for the answer: any transaction finds it.
      _ = queue.add(
        CommitJob(deadline: now + .seconds(1), isCompound: false, perform: { _ in }) { _ in },
        place: place)
    }
  }

  /// Refuses to answer while it is not known whether the last commit holds: what was read now might not be so
  /// after the next start.
  package func checkIsSettled() throws(StorageError) {
    guard isUnsettled.withLock({ $0 }) else { return }
    throw StorageError(
      .unavailable,
      "A commit in \(place) failed and its outcome is not known yet. Check the disk and try again.")
  }

  /// Jobs that wait.
  package var depth: Int { queue.count }

  /// Does what waits, then closes the file.
  package func close() async {
    queue.close()
    await withCheckedContinuation { continuation in
      let isFinished = finished.withLock { state in
        if !state.isFinished { state.waiting.append(continuation) }
        return state.isFinished
      }
      if isFinished { continuation.resume() }
    }
  }

  private var cancelled: StorageError {
    StorageError(.cancelled, "The task was cancelled before its turn; nothing was written.")
  }

  private var deadlineExceeded: StorageError {
    StorageError(
      .deadlineExceeded,
      "The deadline passed before \(place) could begin; nothing was written. Try again.")
  }

  // MARK: The writer thread

  /// What only the writer thread touches.
  private final class WriterThread {
    let owner: GroupCommit
    let open: @Sendable () throws(StorageError) -> Context
    var context: Context?
    var lastCount = 1

    init(owner: GroupCommit, open: @escaping @Sendable () throws(StorageError) -> Context) {
      self.owner = owner
      self.open = open
    }

    var limits: Limits { owner.limits }

    func run() {
      while owner.queue.waitForWork() {
        gather()
        let start = ContinuousClock.now
        let count = process(owner.queue.take(max: limits.jobsPerBatchMax), since: start)
        lastCount = max(1, count)
        if count > 0 {
          owner.observe?(CommitBatch(jobs: count, duration: ContinuousClock.now - start))
        }
        checkpoint()
      }
      context = nil
    }

    /// Callers of the last batch are about to come back: with a short wait they share one sync.
    private func gather() {
      guard owner.queue.count < lastCount else { return }
      let end = ContinuousClock.now + limits.gatherDurationMax
      while owner.queue.count < lastCount && ContinuousClock.now < end { sched_yield() }
    }

    private func process(
      _ taken: [CommitJob<Context>], since start: ContinuousClock.Instant
    ) -> Int {
      let jobs = taken.filter { job in
        let isOverdue = job.deadline <= start
        if isOverdue { job.finish(owner.deadlineExceeded) }
        return !isOverdue
      }
      guard !jobs.isEmpty else { return 0 }
      switch transact(jobs[...], until: start + limits.batchDurationMax) {
      case .done(let count):
        owner.queue.putBack(jobs[count...])
        return count
      case .batchLost:
        // The transaction was rolled back after an error in one of the jobs: each by itself.
        for job in jobs { processAlone(job) }
        return jobs.count
      }
    }

    private func processAlone(_ job: CommitJob<Context>) {
      guard job.deadline > .now else { return job.finish(owner.deadlineExceeded) }
      _ = transact([job], until: nil)
    }

    private func usableContext() throws(StorageError) -> Context {
      if let context { return context }
      let opened = try open()
      if owner.isUnsettled.withLock({ $0 }) {
        try storing(in: owner.place) { try settle(opened) }
        owner.isUnsettled.withLock { $0 = false }
      }
      context = opened
      return opened
    }

    private func settle(_ context: Context) throws(SQLiteError) {
      let connection = context.connection
      if !connection.isAutocommit { try connection.execute("ROLLBACK") }
      do {
        try connection.execute("BEGIN IMMEDIATE")
        try context.settle()
        try connection.execute("COMMIT")
      } catch {
        if !connection.isAutocommit { try? connection.execute("ROLLBACK") }
        throw error
      }
    }

    /// What became of a transaction whose COMMIT failed.
    private func failure(of context: Context, _ error: SQLiteError) -> StorageError {
      if error.isFull {
        // What there was no room for ends before the frame that would make it a commit.
        if !context.connection.isAutocommit { try? context.connection.execute("ROLLBACK") }
        if context.connection.isAutocommit { return StorageError(error, in: owner.place) }
      }
      do throws(SQLiteError) {
        // On this connection, before it is closed: only it knows where in the WAL the commit began.
        try settle(context)
        return StorageError(
          .unavailable,
          "The commit in \(owner.place) failed (SQLite error \(error.code)) and was undone; nothing was"
            + " written. Check the disk and try again.", cause: error)
      } catch let settling {
        self.context = nil
        owner.isUnsettled.withLock { $0 = true }
        return StorageError(
          .outcomeUnknown,
          "The commit in \(owner.place) failed while it was written (SQLite error \(error.code));"
            + " whether it holds is unknown. Read before you write again.", cause: settling)
      }
    }

    private enum Outcome {
      /// So many of the jobs were finished; there was no time for the others.
      case done(Int)
      /// The transaction is gone and none of its jobs, of which there are several, was finished.
      case batchLost
    }

    /// Nobody else holds the context, so that a file whose COMMIT failed is closed when this returns.
    private func transact(
      _ jobs: ArraySlice<CommitJob<Context>>, until end: ContinuousClock.Instant?
    ) -> Outcome {
      let context: Context
      do {
        context = try usableContext()
      } catch {
        for job in jobs { job.finish(error) }
        return .done(jobs.count)
      }
      let connection = context.connection
      do {
        try connection.execute("BEGIN IMMEDIATE")
        try context.beginBatch()
      } catch {
        if !connection.isAutocommit { try? connection.execute("ROLLBACK") }
        for job in jobs { job.finish(StorageError(error, in: owner.place)) }
        return .done(jobs.count)
      }
      var outcomes: [StorageError?] = []
      for job in jobs {
        let error = perform(job, in: context)
        if error != nil, connection.isAutocommit {
          guard jobs.count == 1 else { return .batchLost }
          job.finish(error)
          return .done(1)
        }
        outcomes.append(error)
        if let end, ContinuousClock.now >= end { break }
      }
      do {
        try connection.execute("COMMIT")
      } catch {
        let failure = failure(of: context, error)
        for index in outcomes.indices where outcomes[index] == nil { outcomes[index] = failure }
      }
      for (job, outcome) in zip(jobs, outcomes) { job.finish(outcome) }
      return .done(outcomes.count)
    }

    /// Does one job's work; undoes it, and says why, if it throws. It may take the transaction with it.
    private func perform(_ job: CommitJob<Context>, in context: Context) -> StorageError? {
      let connection = context.connection
      let changesBefore = connection.totalChanges
      do {
        try storing(in: owner.place) {
          if job.isCompound { try connection.execute("SAVEPOINT job") }
          try job.perform(context)
          if job.isCompound { try connection.execute("RELEASE job") }
        }
        return nil
      } catch {
        if !connection.isAutocommit {
          undo(job, in: context, hasChanges: connection.totalChanges != changesBefore)
        }
        return error
      }
    }

    private func undo(_ job: CommitJob<Context>, in context: Context, hasChanges: Bool) {
      let connection = context.connection
      do {
        if job.isCompound {
          try connection.execute("ROLLBACK TO job")
          try connection.execute("RELEASE job")
          // The context may have read what was undone.
          if hasChanges { try context.beginBatch() }
        } else if hasChanges {
          // There is no savepoint to go back to: the whole batch begins anew, one by one.
          try connection.execute("ROLLBACK")
        }
      } catch {
        try? connection.execute("ROLLBACK")
      }
    }

    /// Between two batches of the only writer, so no commit can reset the WAL meanwhile.
    private func checkpoint() {
      guard let context, context.connection.walPages >= limits.walPagesBeforeCheckpoint else {
        return
      }
      // A checkpoint that fails has lost nothing: the WAL holds it all, and the next one tries again.
      try? context.connection.checkpointPassively()
    }
  }
}

/// A job on its way to the queue.
private struct PendingCommit<Context>: Sendable {
  let job: CommitJob<Context>
}
