import Foundation

/// A piece of work for the next transaction, with somebody waiting for it.
final class CommitJob<Context>: @unchecked Sendable {
  // Protected by the queue's lock.
  enum State {
    case new, queued, taken
    /// Given up or refused; whoever did so tells who waits.
    case abandoned
  }
  var state = State.new

  let deadline: ContinuousClock.Instant
  /// Whether the work makes the file larger, and so can be refused where there is no room.
  let addsData: Bool
  /// Whether the work is more than one statement, so that a half of it must be undone.
  let isCompound: Bool
  /// Does the work in the open transaction and keeps the result; throws what must undo it.
  let perform: (Context) throws -> Void
  /// Tells who waits: nil after the commit, else why not.
  let finish: @Sendable (StorageError?) -> Void

  init(
    deadline: ContinuousClock.Instant, addsData: Bool, isCompound: Bool,
    perform: @escaping (Context) throws -> Void,
    finish: @escaping @Sendable (StorageError?) -> Void
  ) {
    self.deadline = deadline
    self.addsData = addsData
    self.isCompound = isCompound
    self.perform = perform
    self.finish = finish
  }
}

/// The jobs that wait for a writer thread.
///
/// `@unchecked Sendable`: all state is protected by `condition`.
final class CommitQueue<Context>: @unchecked Sendable {
  private let condition = NSCondition()
  private var jobs: [CommitJob<Context>] = []
  /// How many of `jobs` were given up since; they leave it together, now and then.
  private var abandonedCount = 0
  private var isClosing = false
  /// Whether the writer has something to do beside jobs.
  private var isAwake = false
  private let jobsMax: Int

  init(jobsMax: Int) { self.jobsMax = jobsMax }

  private func locked<T>(_ body: () -> T) -> T {
    condition.lock()
    defer { condition.unlock() }
    return body()
  }

  /// Adds a job, unless it was given up already; why not, if it cannot be.
  func add(_ job: CommitJob<Context>, place: String) -> StorageError? {
    locked {
      guard job.state == .new else { return nil }
      job.state = .abandoned
      if isClosing {
        return StorageError(.closed, "\(place) is closed; nothing was written.")
      }
      if jobs.count - abandonedCount >= jobsMax {
        return StorageError(
          .overloaded,
          "\(jobsMax) writes already wait for \(place); nothing was written. Try again later.")
      }
      job.state = .queued
      jobs.append(job)
      condition.signal()
      return nil
    }
  }

  /// Waits until there is work, or the writer is woken; false once the queue is closed and empty.
  func waitForWork() -> Bool {
    locked {
      while jobs.isEmpty && !isAwake && !isClosing { condition.wait() }
      defer { isAwake = false }
      return !jobs.isEmpty || isAwake
    }
  }

  /// Lets the writer go on without jobs.
  func wake() {
    locked {
      guard !isClosing else { return }
      isAwake = true
      condition.signal()
    }
  }

  /// Jobs that wait.
  var count: Int { locked { jobs.count - abandonedCount } }

  /// The next jobs, in their order; those that nobody waits for any more are dropped.
  func take(max: Int) -> [CommitJob<Context>] {
    locked {
      let next = jobs.prefix(max)
      let taken = next.filter { $0.state == .queued }
      abandonedCount -= next.count - taken.count
      jobs.removeFirst(next.count)
      for job in taken { job.state = .taken }
      return taken
    }
  }

  /// Puts back what a batch had no time for, before everything else.
  func putBack(_ rest: ArraySlice<CommitJob<Context>>) {
    guard !rest.isEmpty else { return }
    locked {
      for job in rest { job.state = .queued }
      jobs.insert(contentsOf: rest, at: 0)
    }
  }

  /// Gives a job up if it has not been taken; whether that was so.
  func abandon(_ job: CommitJob<Context>) -> Bool {
    locked {
      switch job.state {
      case .new: job.state = .abandoned
      case .queued: markAbandoned([job])
      case .taken, .abandoned: return false
      }
      return true
    }
  }

  /// Gives up all jobs whose deadline has passed and that have not been taken.
  func abandonOverdue(at now: ContinuousClock.Instant) -> [CommitJob<Context>] {
    locked {
      let overdue = jobs.filter { $0.state == .queued && $0.deadline <= now }
      markAbandoned(overdue)
      return overdue
    }
  }

  /// What they hold is let go before it can be more than what the others hold.
  private func markAbandoned(_ given: [CommitJob<Context>]) {
    for job in given { job.state = .abandoned }
    abandonedCount += given.count
    if abandonedCount * 2 > jobs.count {
      jobs.removeAll { $0.state == .abandoned }
      abandonedCount = 0
    }
  }

  /// Takes no more jobs; those that wait are still done.
  func close() {
    locked {
      isClosing = true
      condition.broadcast()
    }
  }
}
