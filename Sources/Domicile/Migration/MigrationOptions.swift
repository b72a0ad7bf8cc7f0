public import Foundation

/// How a plan is carried out.
public struct MigrationOptions: Sendable {
  /// How many batches of up to 256 homes are on their way at the same time.
  public var parallel = 2
  /// The most bytes of keys and values that are copied in a second, on average; nil: as many as go.
  public var bytesPerSecond: Int?
  /// When homes are moved; nil: always.
  public var window: MigrationWindow?

  public init() {}
}

/// Hours of each day, by the clock of this machine.
public struct MigrationWindow: Sendable, Hashable {
  /// Minutes since midnight. If the end is not after the beginning it is the next day's.
  let begin: Int
  let end: Int

  /// Reads `22:00-06:00`; nil for anything else, and for no time at all.
  public init?(_ text: String) {
    func minutes(_ text: Substring) -> Int? {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.allSatisfy(\.isASCII) }),
        let hours = Int(parts[0]), let minutes = Int(parts[1]), (0..<60).contains(minutes),
        (0..<24).contains(hours) || hours == 24 && minutes == 0
      else { return nil }
      return hours * 60 + minutes
    }
    let sides = text.split(separator: "-", omittingEmptySubsequences: false)
    guard sides.count == 2, let begin = minutes(sides[0]), let end = minutes(sides[1]),
      begin != end, begin < 24 * 60
    else { return nil }
    (self.begin, self.end) = (begin, end)
  }

  /// Whether a time is in it.
  public func contains(_ time: Date, in calendar: Calendar = .current) -> Bool {
    let parts = calendar.dateComponents([.hour, .minute], from: time)
    let now = (parts.hour ?? 0) * 60 + (parts.minute ?? 0)
    return begin < end ? begin <= now && now < end : now >= begin || now < end
  }
}

/// What whoever watches a migration wants of it.
public enum MigrationWish: String, Sendable, Codable {
  case run
  /// What is on its way comes to its end; then it waits.
  case pause
  /// What is on its way is undone where that can be; then it ends.
  case abort
}

/// How far a migration is.
public struct MigrationProgress: Sendable, Codable, Hashable {
  public enum State: String, Sendable, Codable {
    case running
    /// Somebody wants it to wait.
    case paused
    /// It is not the time of day.
    case outsideWindow
    case finished
    case aborted
  }

  /// Why homes were not moved: with what error, how many, and one of them.
  public struct Problem: Sendable, Codable, Hashable {
    public let code: String
    public internal(set) var homes: Int
    public let alias: String
    public let message: String
  }

  public internal(set) var state = State.running
  /// Homes of the plan.
  public internal(set) var homes = 0
  /// Homes that were moved.
  public internal(set) var moved = 0
  /// Homes that were at their target already, as after an earlier run.
  public internal(set) var alreadyThere = 0
  /// Homes that are not where the plan has them, and may stay where they are; or that are there no more.
  public internal(set) var outdated = 0
  /// Homes that the policy refused to move.
  public internal(set) var refused = 0
  /// Homes that could not be moved for another reason; they are where they were.
  public internal(set) var failed = 0
  /// Homes of which something is left to be done; `domicile move resume` does it.
  public internal(set) var unfinished = 0
  /// What was copied.
  public internal(set) var records = 0
  public internal(set) var bytes = 0
  /// For how long writes to a home had to wait at most.
  public internal(set) var longestFreezeMilliseconds = 0.0
  /// For how long it went slower because of those who write.
  public internal(set) var secondsGivenWay = 0.0
  /// For how long it has been at work, without pauses.
  public internal(set) var secondsWorked = 0.0
  /// How long it will take, if it goes on as it has so far; nil until that can be said.
  public internal(set) var secondsLeft: Double?
  /// By code.
  public internal(set) var problems: [Problem] = []

  public init() {}

  /// Homes about which there is nothing more to be done.
  public var done: Int { moved + alreadyThere + outdated + refused + failed + unfinished }

  mutating func add(_ error: RouterError, alias: String) {
    if let index = problems.firstIndex(where: { $0.code == error.code.description }) {
      problems[index].homes += 1
    } else {
      problems.append(
        Problem(code: error.code.description, homes: 1, alias: alias, message: error.message))
    }
  }
}
