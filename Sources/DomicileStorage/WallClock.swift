public import Foundation

/// The time of day, handed in so that tests can set it, with what tells whether it was set while running.
public struct WallClock: Sendable {
  private let read: @Sendable () -> Date
  private let readSinceStart: @Sendable () -> Duration
  /// Names one run of the machine: times since its start can be compared only within it.
  let machineRun: String

  /// A clock that is set only as the machine's own is: an hour on it is an hour since the machine's start.
  public init(_ read: @escaping @Sendable () -> Date) {
    self.init(read, sinceStart: { Self.sinceMachineStart }, machineRun: Self.machineRun)
  }

  /// - Parameters:
  ///   - read: The time of day, which may be set at any moment.
  ///   - sinceStart: The time since the machine's start, which nobody can set.
  ///   - machineRun: A name of this run of the machine, other than that of any other.
  public init(
    _ read: @escaping @Sendable () -> Date, sinceStart: @escaping @Sendable () -> Duration,
    machineRun: String
  ) {
    self.read = read
    readSinceStart = sinceStart
    self.machineRun = machineRun
  }

  /// The system's clock.
  public static let system = WallClock { Date() }

  public var now: Date { read() }

  /// Milliseconds since 1970-01-01 UTC, the unit in which shards keep times.
  package var milliseconds: Int64 { now.milliseconds }

  /// Milliseconds since the machine's start.
  var millisecondsSinceStart: Int64 { Int64(readSinceStart() / .milliseconds(1)) }

  private static var sinceMachineStart: Duration {
    var time = timespec()
    #if os(Linux)
      unsafe clock_gettime(CLOCK_BOOTTIME, &time)
    #else
      unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    #endif
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  /// Linux names each run; elsewhere each process is one by itself.
  private static let machineRun =
    (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8))?
    .trimmingCharacters(in: .whitespacesAndNewlines) ?? UUID().uuidString
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
