public import Foundation

/// A named set of records of a user. The policy says which data class it belongs to.
public struct RecordCollection: Hashable, Sendable, CustomStringConvertible {
  public let name: String
  public init(_ name: String) { self.name = name }
  public var description: String { name }
}

/// A record's key: 1 to 1,024 arbitrary bytes, ordered as bytes are.
public struct RecordKey: Hashable, Sendable, Comparable, ExpressibleByStringInterpolation {
  public let bytes: [UInt8]

  public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
  public init(_ text: String) { bytes = Array(text.utf8) }
  public init(stringLiteral value: String) { self.init(value) }

  /// The key as text; nil if it is not UTF-8.
  public var text: String? { String(validating: bytes, as: UTF8.self) }

  public static func < (left: RecordKey, right: RecordKey) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }
}

/// What changes with each write of a record. Two versions can be compared for equality and nothing else.
///
/// Versions are random: they tell nothing about how often or when something was written, and never come
/// back, not even for a record that was deleted and written again.
public struct RecordVersion: Hashable, Sendable, CustomStringConvertible, LosslessStringConvertible
{
  package let number: Int64

  package init(number: Int64) { self.number = number }

  /// Reads what ``description`` wrote; nil for anything else.
  public init?(_ description: String) {
    guard let bits = UInt64(description, radix: 16) else { return nil }
    number = Int64(bitPattern: bits)
    guard self.description == description else { return nil }
  }

  public var description: String { String(UInt64(bitPattern: number), radix: 16) }
}

/// The user who wrote a record of a group: a random name that the user has in this group and nowhere else, until the user is
/// erased.
public struct RecordAuthor: Hashable, Sendable, CustomStringConvertible {
  package let alias: OwnerAlias
  package init(_ alias: OwnerAlias) { self.alias = alias }
  /// 32 hexadecimal digits.
  public var description: String { "\(alias)" }
}

/// A record as it was read.
public struct StoredRecord: Hashable, Sendable {
  public let key: RecordKey
  /// At most 1 MiB.
  public let value: [UInt8]
  public let version: RecordVersion
  /// When it was written, to the millisecond.
  public let written: Date
  /// From when on it is no longer there; nil for never.
  public let expires: Date?
  public let labels: [String: String]
  /// Who wrote it, in a group's home; nil in a user's.
  public let author: RecordAuthor?

  /// The value as text; nil if it is not UTF-8.
  public var text: String? { String(validating: value, as: UTF8.self) }

  /// The value decoded from JSON.
  public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
    try JSONDecoder().decode(type, from: Data(value))
  }
}

/// How long a record is kept.
public struct RecordExpiry: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case byDefault
    case never
    case after(Duration)
    case at(Date)
  }
  package let kind: Kind

  /// As the user has set it for the key, else as the policy says for the data class, else until it is deleted.
  public static let byDefault = RecordExpiry(kind: .byDefault)
  /// Until it is deleted, where the policy allows that.
  public static let never = RecordExpiry(kind: .never)
  /// For so long after the write; more than zero.
  public static func after(_ duration: Duration) -> RecordExpiry {
    RecordExpiry(kind: .after(duration))
  }
  /// Until a moment in the future.
  public static func at(_ date: Date) -> RecordExpiry { RecordExpiry(kind: .at(date)) }
}

/// What must be so for a write to happen.
public enum RecordCondition: Hashable, Sendable {
  /// No record of that key is there, or it has expired.
  case absent
  /// The record there has this version.
  case version(RecordVersion)
}

/// The order of a list, by key.
public enum RecordOrder: String, Hashable, Sendable {
  case ascending
  case descending
}

/// Which keys of a collection.
public enum KeyRange: Hashable, Sendable {
  case all
  case prefix(RecordKey)
  /// From the first key on, and below the second; nil for no end.
  case range(from: RecordKey?, below: RecordKey?)

  /// The same as bounds: at least `lower`, below `upper`.
  var bounds: (lower: [UInt8], upper: [UInt8]?) {
    switch self {
    case .all: return ([], nil)
    case .range(let from, let below): return (from?.bytes ?? [], below?.bytes)
    case .prefix(let prefix):
      // The first key after all that begin with the prefix: its last byte below 0xFF, raised by one.
      var upper = prefix.bytes
      while upper.last == 0xFF { upper.removeLast() }
      guard let last = upper.last else { return (prefix.bytes, nil) }
      upper[upper.count - 1] = last + 1
      return (prefix.bytes, upper)
    }
  }
}

/// Part of a list, and where the next part begins.
public struct RecordPage: Sendable {
  public let records: [StoredRecord]
  /// Nil at the end.
  public let next: RecordCursor?
}

/// A place in a list: after the last key that was read.
public struct RecordCursor: Hashable, Sendable, CustomStringConvertible, LosslessStringConvertible {
  package let key: RecordKey

  package init(after key: RecordKey) { self.key = key }

  /// Reads what ``description`` wrote; nil for anything else.
  public init?(_ description: String) {
    let padded = description.replacingOccurrences(of: "-", with: "+")
      .replacingOccurrences(of: "_", with: "/")
    let padding = String(repeating: "=", count: (4 - padded.count % 4) % 4)
    guard let data = Data(base64Encoded: padded + padding), (1...1024).contains(data.count) else {
      return nil
    }
    key = RecordKey(data)
    guard self.description == description else { return nil }
  }

  /// Safe in a URL (RFC 4648 section 5). It holds the key: treat it as you treat keys.
  public var description: String {
    Data(key.bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
      .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
  }
}
