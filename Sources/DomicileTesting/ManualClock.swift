public import Domicile
public import Foundation
import Synchronization

/// A clock that stands still until it is told to move.
public final class ManualClock: Sendable {
  private struct State {
    var date: Date
    var sinceStart = Duration.zero
    var restarts = 0
  }
  private let state: Mutex<State>

  /// - Parameter start: 2026-01-01 00:00 UTC by default.
  public init(start: Date = Date(timeIntervalSince1970: 1_767_225_600)) {
    state = Mutex(State(date: start))
  }

  public var now: Date { state.withLock { $0.date } }

  /// Time passes.
  public func advance(by duration: Duration) {
    state.withLock { state in
      state.date += duration.timeInterval
      state.sinceStart += duration
    }
  }

  /// Somebody sets the clock, ahead or back, while no time passes.
  public func set(by duration: Duration) {
    state.withLock { $0.date += duration.timeInterval }
  }

  /// The machine is started anew after a time during which it was off.
  public func restartMachine(after duration: Duration = .zero) {
    state.withLock { state in
      state.date += duration.timeInterval
      state.sinceStart = .zero
      state.restarts += 1
    }
  }

  /// The clock for ``RouterOptions/clock``, of this run of the machine.
  public var wallClock: WallClock {
    let run = state.withLock { $0.restarts }
    return WallClock(
      { self.now }, sinceStart: { self.state.withLock { $0.sinceStart } },
      machineRun: "manual \(run)")
  }
}

extension Duration {
  fileprivate var timeInterval: TimeInterval { self / .seconds(1) }
}
