/// An ISO 3166-1 alpha-2 code, such as `DE`, or the user-assigned `XK` (Kosovo).
///
/// A value only says that the text has the form of a code; whether a country of that code exists is for
/// ``Geography`` to say, because the table of countries is part of the policy.
public struct CountryCode: Hashable, Sendable, Comparable, CustomStringConvertible {
  private let letters: UInt16

  /// Reads a code as callers write it: two ASCII letters, in either case (`us` is `US`).
  ///
  /// Returns nil for anything else.
  public init?(_ text: some StringProtocol) {
    var value: UInt16 = 0
    var count = 0
    for byte in text.utf8 {
      let upper = byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") ? byte - 32 : byte
      guard count < 2, upper >= UInt8(ascii: "A"), upper <= UInt8(ascii: "Z") else { return nil }
      value = value << 8 | UInt16(upper)
      count += 1
    }
    guard count == 2 else { return nil }
    letters = value
  }

  public var description: String {
    String(decoding: [UInt8(letters >> 8), UInt8(letters & 0xFF)], as: UTF8.self)
  }

  public static func < (left: CountryCode, right: CountryCode) -> Bool {
    left.letters < right.letters
  }
}
