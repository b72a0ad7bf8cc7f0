public import Domicile
public import Foundation
import Synchronization

/// A clock that stands still until it is told to move.
public final class ManualClock: Sendable {
  private let current: Mutex<Date>

  /// - Parameter start: 2026-01-01 00:00 UTC by default.
  public init(start: Date = Date(timeIntervalSince1970: 1_767_225_600)) {
    current = Mutex(start)
  }

  public var now: Date { current.withLock { $0 } }

  public func advance(by duration: Duration) {
    let (seconds, attoseconds) = duration.components
    current.withLock { $0 += Double(seconds) + Double(attoseconds) / 1e18 }
  }

  /// The clock for ``RouterOptions/clock``.
  public var wallClock: WallClock { WallClock { self.now } }
}
