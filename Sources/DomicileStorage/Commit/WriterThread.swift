import DomicileSQLite
import Foundation
import Synchronization

/// What only the writer thread of a group commit touches.
final class WriterThread<Context: CommitContext> {
  private let owner: GroupCommit<Context>
  private let open: @Sendable () throws(StorageError) -> Context
  private var gate: WriterGate?
  private var context: Context?
  private var lastCount = 1
  /// Jobs of a batch that was lost: they come first, each in a transaction of its own.
  private var lostCount = 0
  /// The pages that the WAL had when it was last copied.
  private var walPagesCopied = 0

  init(
    owner: GroupCommit<Context>, open: @escaping @Sendable () throws(StorageError) -> Context
  ) {
    self.owner = owner
    self.open = open
  }

  private var limits: GroupCommit<Context>.Limits { owner.limits }

  func run() {
    while owner.queue.waitForWork() {
      gather()
      do {
        try pass { wait in
          let start = ContinuousClock.now
          let count = process(since: start)
          lastCount = max(1, count)
          if count > 0 {
            owner.observe?(
              CommitBatch(jobs: count, duration: ContinuousClock.now - start, gateWait: wait))
          }
          tidy()
        }
      } catch {
        // Before anything was taken: nobody's write was begun.
        for job in owner.queue.take(max: limits.jobsPerBatchMax) { job.finish(error) }
        owner.purges.failed(error)
      }
    }
    // Whoever comes next finds an empty WAL, if nobody else has the file open just now.
    if context != nil || owner.purges.isDue() { try? pass { _ in purge() } }
    context = nil
  }

  /// Does `body` inside the gate. What waits meanwhile is not taken, so that its deadlines are kept.
  private func pass(_ body: (_ wait: Duration) -> Void) throws(StorageError) {
    try storing(in: owner.place) {
      let gate = try gate ?? WriterGate(path: owner.path)
      self.gate = gate
      var wait = Duration.zero
      try gate.pass(entered: { wait = $0 }) { body(wait) }
    }
  }

  /// Callers of the last batch are about to come back: with a short wait they share one sync.
  private func gather() {
    guard owner.queue.count < lastCount else { return }
    let end = ContinuousClock.now + limits.gatherDurationMax
    while owner.queue.count < lastCount && ContinuousClock.now < end { sched_yield() }
  }

  private func process(since start: ContinuousClock.Instant) -> Int {
    let taken = owner.queue.take(max: lostCount > 0 ? 1 : limits.jobsPerBatchMax)
    lostCount = max(0, lostCount - taken.count)
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
      // The transaction was rolled back after an error in one of the jobs: each by itself, in turn with others.
      owner.queue.putBack(jobs[...])
      lostCount = jobs.count
      return 0
    }
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
    do throws(StorageError) {
      owner.checkFile()
      if let problem = owner.opened.withLock({ $0.problem }) { throw problem }
      context = try usableContext()
    } catch {
      finish(jobs.map { ($0, error) })
      return .done(jobs.count)
    }
    let connection = context.connection
    let refusal =
      owner.ballast?.isReleased ?? false ? diskFull : walIsFull(context) ? overloaded : nil
    do {
      try connection.execute("BEGIN IMMEDIATE")
      try context.beginBatch()
    } catch {
      if !connection.isAutocommit { try? connection.execute("ROLLBACK") }
      finish(jobs.map { ($0, StorageError(error, in: owner.place)) })
      return .done(jobs.count)
    }
    var outcomes: [StorageError?] = []
    for job in jobs {
      let error = job.addsData ? refusal ?? perform(job, in: context) : perform(job, in: context)
      if error != nil, connection.isAutocommit {
        guard jobs.count == 1 else { return .batchLost }
        finish([(job, error)])
        return .done(1)
      }
      outcomes.append(error)
      if let end, ContinuousClock.now >= end { break }
    }
    do throws(StorageError) {
      try storing(in: owner.place) { try context.endBatch() }
    } catch {
      if !connection.isAutocommit { try? connection.execute("ROLLBACK") }
      finish(zip(jobs, outcomes).map { ($0, $1 ?? error) })
      return .done(outcomes.count)
    }
    do {
      try connection.execute("COMMIT")
    } catch {
      let failure = failure(of: context, error)
      for index in outcomes.indices where outcomes[index] == nil { outcomes[index] = failure }
    }
    finish(Array(zip(jobs, outcomes)))
    return .done(outcomes.count)
  }

  /// Tells who waits; what adds nothing and found the disk full is tried again without the ballast.
  private func finish(_ outcomes: [(job: CommitJob<Context>, outcome: StorageError?)]) {
    var again: [CommitJob<Context>] = []
    var hasRoom = false
    for (job, outcome) in outcomes {
      if outcome?.code == .diskFull, !job.addsData {
        hasRoom = hasRoom || owner.ballast?.release() ?? false
        if hasRoom {
          again.append(job)
          continue
        }
      }
      job.finish(outcome)
    }
    owner.queue.putBack(again[...])
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

  // MARK: The WAL

  /// Inside the gate, where no writer can begin the WAL anew meanwhile: copies the WAL when it has grown, and cuts it
  /// when somebody waits for a purge.
  private func tidy() {
    if owner.purges.isDue() { return purge() }
    guard let context else { return }
    let pages = context.connection.walPages
    if pages < walPagesCopied { walPagesCopied = 0 }
    guard pages >= walPagesCopied + limits.walPagesBeforeCheckpoint else { return }
    // A checkpoint that fails has lost nothing: the WAL holds it all, and the next one tries again.
    try? gate?.writeMainFile(context.connection) { try context.connection.checkpointPassively() }
    walPagesCopied = pages
  }

  private func purge() {
    let ticket = owner.purges.begin()
    var problem: StorageError?
    do throws(StorageError) {
      let context = try usableContext()
      let isCut = try storing(in: owner.place) { try cutWAL(context) }
      if isCut, gate?.isFileClean(context.connection) ?? false {
        return owner.purges.finish(ticket)
      }
      // Something else has written it, or a checkpoint died in a bad moment.
      if isCut { problem = owner.proveInBackground() }
    } catch {
      problem = error
    }
    owner.purges.failed(problem)
  }

  /// Whether nothing may be added: somebody's long reading keeps the WAL from being copied.
  private func walIsFull(_ context: Context) -> Bool {
    guard context.connection.walPages >= limits.walPagesMax else { return false }
    return (try? cutWAL(context)) != true
  }

  /// Cuts the WAL, if nobody reads an older state.
  private func cutWAL(_ context: Context) throws -> Bool {
    guard let gate else { return false }
    let isCut = try gate.writeMainFile(context.connection) {
      try context.connection.truncateWAL(patience: limits.purgePatience)
    }
    if isCut { walPagesCopied = 0 }
    return isCut
  }

  private var diskFull: StorageError {
    StorageError(
      .diskFull,
      "The disk of \(owner.place) is full, and its ballast is used up for deletions; nothing was written. Free"
        + " space: writes go on when there is room for the ballast again.")
  }

  private var overloaded: StorageError {
    StorageError(
      .overloaded,
      "The WAL of \(owner.place) is at its maximum, because somebody has been reading an older state for long;"
        + " nothing was written. Let them finish and try again; deletions go on.")
  }
}
