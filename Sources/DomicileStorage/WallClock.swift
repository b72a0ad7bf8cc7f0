public import Foundation

/// The time of day, handed in so that tests can set it.
public struct WallClock: Sendable {
  private let read: @Sendable () -> Date

  public init(_ read: @escaping @Sendable () -> Date) { self.read = read }

  /// The system's clock.
  public static let system = WallClock { Date() }

  public var now: Date { read() }

  /// Milliseconds since 1970-01-01 UTC, the unit in which shards keep times.
  package var milliseconds: Int64 { now.milliseconds }
}

extension Date {
  /// Milliseconds since 1970, to the nearest one, within what an `Int64` and a calendar can hold.
  package var milliseconds: Int64 {
    Int64(max(-1e15, min(1e15, (timeIntervalSince1970 * 1000).rounded())))
  }

  package init(milliseconds: Int64) {
    self.init(timeIntervalSince1970: Double(milliseconds) / 1000)
  }
}
