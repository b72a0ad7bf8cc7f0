/// How long the records of a data class are kept: `retention` in `policy.yaml`.
///
/// Where all three are there, `shortest` ≤ `standard` ≤ `longest`. Two are equal if they say the same times,
/// wherever and in whatever units they are written.
public struct Retention: Sendable {
  /// One of the times, as the policy has it.
  struct Limit: Sendable {
    let duration: Duration
    /// As written, for explanations: `90d`.
    let text: String
    let line: SourceLine

    var seconds: Int64 { duration.components.seconds }
  }

  /// The key `default`; where the policy has none, the limit of `longest`.
  let standardLimit: Limit?
  let longestLimit: Limit?
  let shortestLimit: Limit?
  /// Whether the policy has the key `default` itself.
  private let writesStandard: Bool

  /// Where it is written.
  public let line: SourceLine

  /// The lifetime of a record whose writer asks for none; nil: it is kept until it is deleted.
  ///
  /// The key is `default`. Without it, this is ``longest``.
  public var standard: Duration? { standardLimit?.duration }
  /// Nothing is kept longer, by anyone; nil: there is no such limit.
  public var longest: Duration? { longestLimit?.duration }
  /// Nothing can be erased before; nil: there is no such limit.
  public var shortest: Duration? { shortestLimit?.duration }

  init(standard: Limit?, longest: Limit?, shortest: Limit?, line: SourceLine) {
    standardLimit = standard ?? longest
    writesStandard = standard != nil
    longestLimit = longest
    shortestLimit = shortest
    self.line = line
  }

  /// Whether a record may be written to be kept so long; nil: it never ends.
  public func permits(lifetime: Duration?) -> Bool {
    guard let lifetime else { return longest == nil }
    return shortest.map { lifetime >= $0 } ?? true && longest.map { lifetime <= $0 } ?? true
  }

  private var written: [(String, Limit)] {
    [
      writesStandard ? standardLimit.map { ("default", $0) } : nil,
      longestLimit.map { ("longest", $0) }, shortestLimit.map { ("shortest", $0) },
    ].compactMap(\.self)
  }

  /// What the policy says, wherever it is written: `shortest 5y, longest 10y`.
  var limits: String { written.map { "\($0) \($1.text)" }.joined(separator: ", ") }

  /// What the policy says, for explanations: `shortest 5y, longest 10y (policy.yaml:14)`.
  public var text: String {
    if Set(written.map(\.1.line)).count == 1 {
      return "\(limits) (\(written[0].1.line))"
    }
    return written.map { "\($0) \($1.text) (\($1.line))" }.joined(separator: ", ")
  }
}

extension Retention: Hashable {
  public static func == (left: Retention, right: Retention) -> Bool {
    left.standard == right.standard && left.longest == right.longest
      && left.shortest == right.shortest
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(standard)
    hasher.combine(longest)
    hasher.combine(shortest)
  }
}

extension DataClassDefinition {
  /// Why a record of this class may not be written to be kept so long; nil if it may.
  ///
  /// `lifetime` nil: it never ends. A writer who asks for none gets ``Retention/standard``, which is always
  /// within range. The sentence names the class, the limit as written, and where.
  public func refusal(ofLifetime lifetime: Duration?) -> String? {
    guard let retention, !retention.permits(lifetime: lifetime) else { return nil }
    if let lifetime, let limit = retention.shortestLimit, lifetime < limit.duration {
      return "Records of the class “\(name)” are kept for at least \(limit.text) (\(limit.line));"
        + " a lifetime of \(durationText(lifetime)) is too short."
    }
    guard let limit = retention.longestLimit else { return nil }
    let asked = lifetime.map { "a lifetime of \(durationText($0)) is too long" }
    return "Records of the class “\(name)” are kept for at most \(limit.text) (\(limit.line));"
      + " \(asked ?? "one that never ends may not be written")."
  }
}

// MARK: Durations

/// A duration as policies write it: a whole positive number and a unit, such as `30d`.
enum PolicyDuration {
  /// Seconds by unit. A year is 365 days exactly: a limit must not depend on the day it is counted from.
  static let units: [(name: String, seconds: Int64)] = [
    ("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800), ("y", 31_536_000),
  ]
  static let secondsMax: Int64 = 100 * 31_536_000

  /// - Throws: ``Mistake``: what is wrong, and the right form.
  static func parse(_ text: String) throws(Mistake) -> Duration {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let unit = String(text.dropFirst(digits.count))
    guard let seconds = units.first(where: { $0.name == unit })?.seconds, digits.first != nil,
      digits == "0" || digits.first != "0"
    else { throw Mistake(message: "“\(revealing(text))” is no duration; \(hint(digits, unit))") }
    let range = "a duration is from 1s to 100y"
    if digits == "0" { throw Mistake(message: "“\(text)” is too short; \(range)") }
    // A number that does not fit is too long in any unit.
    let product = Int64(digits)?.multipliedReportingOverflow(by: seconds)
    guard let product, !product.overflow, product.partialValue <= secondsMax else {
      throw Mistake(message: "“\(text)” is too long; \(range)")
    }
    return .seconds(product.partialValue)
  }

  struct Mistake: Error {
    let message: String
  }

  private static func hint(_ digits: Substring, _ unit: String) -> String {
    let general = "write a whole number and a unit (s, m, h, d, w, y), such as 30d"
    let word = unit.drop { $0 == " " }
    // “M” may have meant months or minutes.
    guard let number = Int64(digits), number <= secondsMax, word != "M" else { return general }
    let isMonths = ["mo", "month", "months"].contains(word.lowercased())
    let right: String
    if isMonths {
      right = number.isMultiple(of: 12) ? "\(number / 12)y" : "\(number * 30)d"
    } else {
      guard let name = unitWords[word.lowercased()] else { return general }
      right = "\(number)\(name)"
    }
    guard (try? parse(right)) != nil else { return general }
    return isMonths
      ? "months differ in length: write days or years, such as “\(right)”"
      : "did you mean “\(right)”?"
  }

  private static let unitWords = [
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
    "h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "d": "d", "day": "d", "days": "d", "w": "w", "week": "w", "weeks": "w",
    "y": "y", "yr": "y", "yrs": "y", "year": "y", "years": "y",
  ]
}

/// A duration in the largest unit that says it in whole numbers: `30d`; otherwise in seconds, exactly: `0.25s`.
private func durationText(_ duration: Duration) -> String {
  let sign = duration < .zero ? "-" : ""
  let seconds = duration.components.seconds.magnitude
  let attoseconds = duration.components.attoseconds.magnitude
  guard attoseconds == 0 else {
    let digits = String(attoseconds)
    var fraction = String(repeating: "0", count: 18 - digits.count) + digits
    while fraction.hasSuffix("0") { fraction.removeLast() }
    return "\(sign)\(seconds).\(fraction)s"
  }
  // Not in weeks: 28d is what most people call 4w.
  let unit = PolicyDuration.units.last {
    $0.name != "w" && seconds != 0 && seconds.isMultiple(of: UInt64($0.seconds))
  }
  return "\(sign)\(seconds / UInt64(unit?.seconds ?? 1))\(unit?.name ?? "s")"
}
