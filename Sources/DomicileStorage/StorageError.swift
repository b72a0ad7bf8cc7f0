import Foundation

/// An error thrown by the storage layer: a shard, or the directory's file.
package struct StorageError: Error, Sendable, CustomStringConvertible {
  /// What kind of failure this is; the only part to branch on.
  package enum Code: String, Sendable {
    // The fence: nothing was written, and the router's belief is out of date.
    /// The shard has no such home, or the home has another serial.
    case moved
    /// The home is being moved and takes no writes for a moment.
    case frozen
    /// The shard's law no longer permits the home's profile; reads and deletions go on.
    case barred
    /// The user's tags are of another version.
    case retagged
    /// The shard is stamped with another generation or digest.
    case policyChanged
    /// The home is staged but not yet open.
    case notOpen
    /// The policy does not allow that lifetime.
    case lifetimeRefused
    /// The policy or a legal hold keeps the record for now.
    case held
    /// The user, or the class of the user's data, is being erased.
    case erasing

    // Staging.
    /// A home with a higher token is already here.
    case outrun

    // The directory.
    /// The topology drops or changes a shard that holds placements.
    case shardInUse
    /// The policy drops a collection of a class that is placed, or puts it into another class.
    case collectionInUse
    /// The home is being moved already.
    case moveUnderWay

    // The caller's mistakes.
    case versionMismatch
    case invalidArgument

    // The shard as a whole.
    case deadlineExceeded
    case outcomeUnknown
    case overloaded
    case cancelled
    case closed
    case diskFull
    case unavailable
    case foreignFile
    case wrongKey
    case wrongLedgerKey
    /// The ledger is not a continuation of what was signed.
    case ledgerForked
    /// The file that says what was signed last is missing.
    case checkpointMissing
    case corrupt
  }

  package let code: Code
  /// What was refused or failed, why, and what to do next. Holds no stored value.
  package let message: String
  /// For `held`: until when; nil where that is not known.
  package let until: Int64?
  /// The error underneath, if any.
  package let cause: (any Error)?

  package init(
    _ code: Code, _ message: String, until: Int64? = nil, cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.until = until
    self.cause = cause
  }

  package var description: String { "\(code): \(message)" }
}

extension StorageError {
  static func noRoom(in place: String) -> StorageError {
    StorageError(
      .diskFull, "The disk of \(place) is full; nothing was written. Free space, and try again.")
  }

  init(_ held: HeldData) {
    let end =
      held.until.map { "until \(Date(milliseconds: $0).formatted(.iso8601))" }
      ?? "until that is released"
    self.init(
      .held,
      "The record is held by \(held.rule), \(end); nothing was deleted or replaced. Try again after that.",
      until: held.until)
  }
}
