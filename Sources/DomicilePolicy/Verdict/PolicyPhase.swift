/// A stretch of days within which nothing in a policy begins or ends to hold.
public struct PolicyPhase: Hashable, Sendable {
  /// Its first day; nil for the phase before anything changes.
  public let start: PolicyDay?
  /// The first day of the next phase; nil for the last.
  public let end: PolicyDay?

  /// The phase of a day, by the days on which something begins or ends, in order.
  init(changes: [PolicyDay], on day: PolicyDay) {
    start = changes.last { $0 <= day }
    end = changes.first { $0 > day }
  }
}

extension ResidencyPolicy {
  /// The first days of all phases but the first, in order.
  public var phaseStarts: [PolicyDay] { written.changes }
}
