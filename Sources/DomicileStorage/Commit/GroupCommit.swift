package import DomicileSQLite
import Foundation
import Synchronization

/// What a writer thread keeps beside its connection: prepared statements and what it has read.
package protocol CommitContext: AnyObject, SendableMetatype {
  var connection: Connection { get }
  /// A transaction has begun, or a part of one was undone: what was read before may be out of date.
  func beginBatch() throws(SQLiteError)
  /// The jobs of a batch are done, and it is about to be committed. What this throws undoes them all.
  func endBatch() throws
  /// Changes some byte of the file that means nothing. Committing it settles what became of a commit that
  /// failed: it writes over what that left in the WAL, so that no recovery can find it there.
  func settle() throws(SQLiteError)
}

extension CommitContext {
  package func endBatch() {}
}

/// One batch of a writer thread, for metrics.
package struct CommitBatch: Sendable {
  package let jobs: Int
  package let duration: Duration
  /// How long the writer waited for those of other processes.
  package let gateWait: Duration
}

/// Group commit: one writer thread for one SQLite file, in each process that has it open.
///
/// All that waits goes into the next transaction; whoever waits is told after COMMIT, never before. A job that
/// throws is undone by itself; its neighbours go on. The thread is not one of the cooperative pool, because
/// it waits for the disk, and at the ``WriterGate`` for the writers of other processes. Checkpoints are made
/// inside the gate, so that one runs at a time and no writer can begin the WAL anew meanwhile.
package final class GroupCommit<Context: CommitContext>: Sendable {
  package struct Limits: Sendable {
    /// Jobs that may wait; more are refused.
    package var jobsWaitingMax = 16_384
    package var jobsPerBatchMax = 4_096
    /// After this long a batch is committed, whatever still waits.
    package var batchDurationMax = Duration.milliseconds(5)
    /// How long the writer waits for as many jobs as the last batch had.
    package var gatherDurationMax = Duration.microseconds(100)
    /// Pages in the WAL after which it is copied into the database. Whoever writes waits for that: copying pages of many
    /// users, as a sweep leaves them, takes 10 us a page.
    package var walPagesBeforeCheckpoint = 400
    /// Pages in the WAL (64 MiB) after which nothing is added until it could be copied; what deletes goes on.
    package var walPagesMax = 16_384
    /// How long a purge waits, inside the gate, for somebody who reads an older state.
    package var purgePatience = Duration.milliseconds(10)
    /// How long a search for remnants waits for a file to be proved or rewritten.
    package var proofPatience = Duration.seconds(60)
    /// How long what was deleted may stay in the WAL if nobody asks for a purge.
    package var purgeInterval = Duration.seconds(60)

    package init() {}
  }

  package let path: String
  let place: String
  let limits: Limits
  let queue: CommitQueue<Context>
  let purges: PurgeRequests
  let ballast: Ballast?
  let observe: (@Sendable (CommitBatch) -> Void)?
  private let finished = Mutex<FinishState>(FinishState())
  /// Whether a commit failed and it is not known yet whether it holds.
  let isUnsettled = Mutex(false)
  let proof = Mutex(FileProof())

  private struct FinishState {
    var isFinished = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  /// Starts a writer thread for the file at `path`, which errors call `place`, such as `the shard dublin-1`.
  ///
  /// On a full disk the ballast is given up, so that what adds nothing can still be done.
  /// `open` opens the file. It is called on the writer thread, and again after an error in COMMIT.
  package init(
    path: String, place: String, ballast: Ballast? = nil, limits: Limits = Limits(),
    observe: (@Sendable (CommitBatch) -> Void)? = nil,
    open: @escaping @Sendable () throws(StorageError) -> Context
  ) {
    self.path = path
    self.place = place
    self.ballast = ballast
    self.limits = limits
    self.observe = observe
    opened = Mutex((DatabaseFile.inode(of: path), nil))
    queue = CommitQueue(jobsMax: limits.jobsWaitingMax)
    purges = PurgeRequests(interval: limits.purgeInterval)
    // Whoever had the file before may have died between a deletion and its purge; or something else has written it.
    if hasWAL || (try? WriterGate(path: path).isFileClean) != true { purges.ask() }
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
  /// Work that adds data is refused while the WAL is at its maximum. Work that changes more than one row is compound: it has a savepoint, so that a half of it can be undone.
  /// What throws all the same, without one, takes its batch along, whose jobs are then done one by one.
  /// What `work` throws comes as a ``StorageError``, as do failures of the transaction as a whole.
  package func commit<Result: Sendable>(
    by deadline: ContinuousClock.Instant, addsData: Bool = false, isCompound: Bool = true,
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
          deadline: deadline, addsData: addsData, isCompound: isCompound,
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

  /// Refuses the jobs whose deadline has passed while they waited, and sees to it that what was deleted leaves the
  /// WAL. To be called every 100 ms or so.
  package func tick(at now: ContinuousClock.Instant = .now) {
    for job in queue.abandonOverdue(at: now) { job.finish(deadlineExceeded) }
    checkFile()
    if purges.intervalIsOver(at: now), hasWAL { purges.ask(at: now) }
    if purges.isDue(at: now) { queue.wake() }
    if isUnsettled.withLock({ $0 }) && depth == 0 {
      // Nobody writes, but readers wait for the answer: any transaction finds it.
      _ = queue.add(
        CommitJob(
          deadline: now + .seconds(1), addsData: false, isCompound: false, perform: { _ in }
        ) { _ in },
        place: place)
    }
  }

  /// Which file was opened, and whether its name is another's now.
  let opened: Mutex<(inode: UInt64?, problem: StorageError?)>

  /// Looks whether the file is still the one that was opened.
  func checkFile() {
    let inode = DatabaseFile.inode(of: path)
    opened.withLock { opened in
      if opened.inode == nil { opened.inode = inode }
      opened.problem =
        inode == nil
        ? StorageError(DatabaseFile.Problem.missing, in: place)
        : inode != opened.inode ? .replaced(place) : nil
    }
  }

  /// Refuses to answer from a file that was replaced, and while it is not known whether the last commit holds: what was
  /// read now might not be so after the next start.
  package func checkIsUsable() throws(StorageError) {
    if let problem = opened.withLock({ $0.problem }) { throw problem }
    guard isUnsettled.withLock({ $0 }) else { return }
    throw StorageError(
      .unavailable,
      "A commit in \(place) failed and its outcome is not known yet. Check the disk and try again.")
  }

  /// Jobs that wait.
  package var depth: Int { queue.count }

  // MARK: Purges

  /// Brings all that was deleted before this call out of the WAL. One purge serves all who wait for it.
  ///
  /// - Returns: The state at the deadline: a reader of an older state, of whatever process, can keep a purge
  ///   pending. It is tried again until it is done.
  package func purge(by deadline: ContinuousClock.Instant) async -> PurgeState {
    let ticket = purges.ask()
    queue.wake()
    while !purges.isDone(ticket), deadline > .now, !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(1))
    }
    return purges.isDone(ticket) ? .done : purges.purgeState
  }

  /// Whether somebody waits for a purge, and since when.
  package var purgeState: PurgeState { purges.purgeState }

  /// What went wrong when the purge that waits was tried last; nil if somebody's reading keeps it back.
  package var purgeProblem: StorageError? { purges.problem }

  var hasWAL: Bool { DatabaseFile.walBytes(path) > 0 }

  /// Does what waits, then closes the file.
  package func close() async {
    proof.withLock { $0.isClosing = true }
    queue.close()
    await withCheckedContinuation { continuation in
      let isFinished = finished.withLock { state in
        if !state.isFinished { state.waiting.append(continuation) }
        return state.isFinished
      }
      if isFinished { continuation.resume() }
    }
    while proof.withLock({ $0.isRunning }) { try? await Task.sleep(for: .milliseconds(1)) }
  }

  var cancelled: StorageError {
    StorageError(.cancelled, "The task was cancelled before its turn; nothing was written.")
  }

  var deadlineExceeded: StorageError {
    StorageError(
      .deadlineExceeded,
      "The deadline passed before \(place) could begin; nothing was written. Try again.")
  }
}

/// A job on its way to the queue.
private struct PendingCommit<Context>: Sendable {
  let job: CommitJob<Context>
}
