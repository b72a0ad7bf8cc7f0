import Foundation

/// One change of one record.
package struct RecordOperation: Sendable {
  package enum Change: Sendable {
    case put(value: [UInt8], labels: [String: String], expiry: RecordExpiry)
    case delete
  }

  package let collection: String
  package let key: [UInt8]
  package let change: Change
  package let condition: RecordCondition?

  /// - Throws: ``StorageError`` with `invalidArgument` for what exceeds ``RecordLimits``.
  package init(
    _ change: Change, collection: String, key: RecordKey, condition: RecordCondition? = nil
  ) throws(StorageError) {
    self.collection = collection
    self.key = key.bytes
    self.change = change
    self.condition = condition
    try RecordLimits.check(key)
    if case .put(let value, let labels, let expiry) = change {
      try RecordLimits.check(value: value, labels: labels, expiry: expiry)
    }
  }

  var isPut: Bool {
    guard case .put = change else { return false }
    return true
  }
}

/// What became of an operation.
package struct RecordOutcome: Sendable, Equatable {
  /// The record's version now; nil after a deletion.
  package let version: RecordVersion?
  /// Whether a record that had not expired was there before.
  package let existed: Bool
}

/// All changes of one request: one home, one transaction, all or nothing.
package struct WriteRequest: Sendable {
  package let home: HomeReference
  package let law: LawReference
  package let operations: [RecordOperation]
  /// Who writes, in a group's home.
  package let author: OwnerAlias?

  package init(
    home: HomeReference, law: LawReference, operations: [RecordOperation],
    author: OwnerAlias? = nil
  ) {
    self.home = home
    self.law = law
    self.operations = operations
    self.author = author
  }
}

/// How large things may be.
public enum RecordLimits {
  public static let keyBytesMax = 1_024
  /// 1 MiB.
  public static let valueBytesMax = 1 << 20
  public static let labelsMax = 8
  public static let labelNameBytesMax = 64
  public static let labelValueBytesMax = 256
  /// Operations of an atomic batch.
  public static let batchOperationsMax = 1_000
  /// Lifetimes that a user sets for collections and prefixes of one data class.
  public static let lifetimesMax = 1_000
  /// Records of one page of a list.
  public static let pageRecordsMax = 1_000

  static func check(_ key: RecordKey) throws(StorageError) {
    guard (1...keyBytesMax).contains(key.bytes.count) else {
      throw StorageError(
        .invalidArgument,
        "A key has 1 to 1,024 bytes; this one has \(key.bytes.count). Nothing was written.")
    }
  }

  static func check(
    value: [UInt8], labels: [String: String], expiry: RecordExpiry
  ) throws(StorageError) {
    func refuse(_ message: String) -> StorageError {
      StorageError(.invalidArgument, "\(message) Nothing was written.")
    }
    guard value.count <= valueBytesMax else {
      throw refuse("A value has at most 1,048,576 bytes; this one has \(value.count).")
    }
    guard labels.count <= labelsMax else {
      throw refuse("A record has at most \(labelsMax) labels; this one has \(labels.count).")
    }
    for (name, value) in labels {
      guard (1...labelNameBytesMax).contains(name.utf8.count) else {
        throw refuse("A label's name has 1 to 64 bytes; this one has \(name.utf8.count).")
      }
      guard value.utf8.count <= labelValueBytesMax else {
        throw refuse("A label's value has at most 256 bytes; this one has \(value.utf8.count).")
      }
      guard !name.utf8.contains(0), !value.utf8.contains(0) else {
        throw refuse("A label holds no NUL byte.")
      }
    }
    switch expiry.kind {
    case .after(let duration) where duration <= .zero:
      throw refuse("A lifetime is longer than zero.")
    case .at(let date) where date.timeIntervalSince1970.isNaN:
      throw refuse("The moment of expiry is not a date.")
    case .byDefault, .never, .after, .at: break
    }
  }
}

extension RecordExpiry {
  /// The moment in milliseconds since 1970; nil for never.
  ///
  /// - Throws: ``StorageError`` with `invalidArgument` for a moment that has passed.
  func milliseconds(now: Int64) throws(StorageError) -> Int64? {
    switch kind {
    case .byDefault, .never: return nil
    case .after(let duration):
      let (seconds, attoseconds) = duration.components
      // Longer than 30,000 years is longer than the calendar; the sum must not overflow.
      let milliseconds =
        min(seconds, 1_000_000_000_000) * 1000 + attoseconds / 1_000_000_000_000_000
      return now + max(1, milliseconds)
    case .at(let date):
      guard date.milliseconds > now else {
        throw StorageError(
          .invalidArgument, "The moment of expiry has passed already. Nothing was written.")
      }
      return date.milliseconds
    }
  }
}
