import Synchronization

/// Whether what was deleted is gone from a file and its WAL.
package enum PurgeState: Sendable, Equatable {
  case done
  /// Somebody's reading keeps it back. `since` is when the oldest purge that waits was asked for.
  case pending(since: ContinuousClock.Instant)

  /// For how long the oldest has waited; nil if none does.
  package var seconds: Double? {
    guard case .pending(let since) = self else { return nil }
    return (.now - since) / .seconds(1)
  }
}

/// Who waits for a purge of one file. One purge serves all who asked before it began.
final class PurgeRequests: Sendable {
  private let state: Mutex<State>
  private let interval: Duration

  private struct State {
    var asked: UInt64 = 0
    var done: UInt64 = 0
    var since: ContinuousClock.Instant?
    /// Purges that failed since one was done.
    var failures = 0
    var nextTry: ContinuousClock.Instant?
    /// Of the last that failed.
    var problem: StorageError?
    var lastDone = ContinuousClock.now
  }

  init(interval: Duration) {
    self.interval = interval
    state = Mutex(State())
  }

  /// Asks for a purge; a ticket for ``isDone(_:)``.
  @discardableResult
  func ask(at now: ContinuousClock.Instant = .now) -> UInt64 {
    state.withLock { state in
      if state.asked == state.done { state.since = now }
      state.asked += 1
      return state.asked
    }
  }

  /// Whether a purge that began after the ticket was given has gone through.
  func isDone(_ ticket: UInt64) -> Bool { state.withLock { $0.done >= ticket } }

  var purgeState: PurgeState {
    state.withLock { state in state.since.map(PurgeState.pending) ?? .done }
  }

  var problem: StorageError? { state.withLock { $0.problem } }

  /// Whether there is one to be tried now.
  func isDue(at now: ContinuousClock.Instant = .now) -> Bool {
    state.withLock { state in
      state.asked > state.done && state.nextTry.map { $0 <= now } ?? true
    }
  }

  /// Whether the last purge was so long ago that one is due unasked.
  func intervalIsOver(at now: ContinuousClock.Instant) -> Bool {
    state.withLock { $0.asked == $0.done && now - $0.lastDone >= interval }
  }

  /// The ticket of all who asked so far.
  func begin() -> UInt64 { state.withLock { $0.asked } }

  func finish(_ ticket: UInt64, at now: ContinuousClock.Instant = .now) {
    state.withLock { state in
      state.done = max(state.done, ticket)
      state.failures = 0
      state.nextTry = nil
      state.problem = nil
      state.lastDone = now
      // Who asked meanwhile has waited for no longer than this purge took.
      state.since = state.asked > state.done ? now : nil
    }
  }

  /// What kept the last purge back is over.
  func retry() { state.withLock { $0.nextTry = nil } }

  /// The next try comes later and later, but within a second.
  func failed(_ problem: StorageError? = nil, at now: ContinuousClock.Instant = .now) {
    state.withLock { state in
      state.failures += 1
      state.problem = problem
      state.nextTry = now + min(.milliseconds(10 << min(state.failures, 7)), .seconds(1))
    }
  }
}
