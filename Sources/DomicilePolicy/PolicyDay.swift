/// A day of the Gregorian calendar in UTC, as policies write it: `2027-06-30` (ISO 8601).
public struct PolicyDay: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// Days since 1970-01-01.
  public let number: Int

  public init(number: Int) { self.number = number }

  /// Reads `YYYY-MM-DD`; nil for anything else, and for a day that the calendar does not have.
  public init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.map(\.utf8.count) == [4, 2, 2],
      text.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || (48...57).contains($0) }),
      let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]), year > 0,
      (1...12).contains(month)
    else { return nil }
    number = Self.number(year: year, month: month, day: day)
    guard day > 0, description == text else { return nil }
  }

  /// The day that holds a moment, in seconds since 1970-01-01 UTC.
  public init(secondsSince1970 seconds: Double) {
    number = Int((max(-1e13, min(1e13, seconds)) / 86_400).rounded(.down))
  }

  public var next: PolicyDay { PolicyDay(number: number + 1) }

  /// When it begins, in seconds since 1970-01-01 UTC.
  public var secondsSince1970: Double { Double(number) * 86_400 }

  public static func < (left: PolicyDay, right: PolicyDay) -> Bool { left.number < right.number }

  public var description: String {
    let (year, month, day) = civil
    func padded(_ number: Int, _ count: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
  }

  // Both ways as in Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March.

  private static func number(year: Int, month: Int, day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private var civil: (year: Int, month: Int, day: Int) {
    let shifted = number + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let isLate = month < 10
    return (
      yearOfEra + era * 400 + (isLate ? 0 : 1), isLate ? month + 3 : month - 9,
      dayOfYear - (153 * month + 2) / 5 + 1
    )
  }
}

/// From when to when something holds, the first and the last day included; nil: without a beginning or an end.
struct PolicyPeriod: Hashable, Sendable {
  var from: PolicyDay?
  var until: PolicyDay?

  static let always = PolicyPeriod()

  func contains(_ day: PolicyDay) -> Bool {
    (from.map { $0 <= day } ?? true) && (until.map { day <= $0 } ?? true)
  }

  /// The days on which something changes.
  var changes: [PolicyDay] { [from, until?.next].compactMap(\.self) }

  /// For explanations: `from 2026-01-01`, `until 2031-12-27`; nil if it always holds.
  var text: String? {
    let words = [from.map { "from \($0)" }, until.map { "until \($0)" }].compactMap(\.self)
    return words.isEmpty ? nil : words.joined(separator: " ")
  }
}
