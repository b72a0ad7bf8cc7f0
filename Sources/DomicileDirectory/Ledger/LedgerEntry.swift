import DomicilePolicy
package import DomicileStorage
public import Foundation

/// One decision, as the ledger keeps it: flat, and without anything personal. Users and groups are named by their random
/// aliases; residences, attributes, ids, keys, and the names and reasons of legal holds have no field.
///
/// The leaf of the Merkle tree is the entry's text: JSON with sorted keys, in UTF-8.
public struct LedgerEntry: Sendable, Codable, Hashable {
  public enum Kind: String, Sendable, Codable, CaseIterable {
    /// The key that signs checkpoints from here on; but for the first, signed by the one before.
    case key
    /// A policy was put in force, or a later phase of it.
    case policy
    /// What is barred in a shard of the homes that there are, without names: once it has learned of a policy, and anew when that may
    /// have changed since.
    case barring
    /// Classes of a user's or a group's data were placed.
    case admission
    /// Somebody was not admitted, because no place is legal or serves them; without a name.
    case refusal
    /// A home is about to be moved.
    case moving
    /// A home was moved: the commit point of a move.
    case moved
    /// A move was undone before its commit point.
    case moveAborted
    /// A user has other tags.
    case tags
    /// Who is in a group has changed.
    case members
    /// An erasure was asked for: from here on the data is neither read nor written.
    case erasing
    /// What was erased is gone from the files.
    case erased
    /// A legal hold was placed, or got another end.
    case hold
    /// A legal hold was released.
    case release
    /// An administrator has read, or exported, what is kept about somebody.
    case read
    /// Writes that were refused in some hour.
    case refusedWrites
    /// Texts of entries before a number were deleted, as the policy says; their hashes stay.
    case pruning
  }

  /// Where data of a class is, or was, and which rules decided that.
  public struct Place: Sendable, Codable, Hashable {
    public let dataClass: String
    public let region: String
    public let country: String
    public let shard: String
    /// The rules and exclusions that were asked. Of a group only those that hold for everybody: others would tell of its
    /// members.
    public var rules: [String]?
    /// How many homes it is about; nil: one.
    public var homes: Int?

    package init(
      dataClass: String, region: String, country: String, shard: String, rules: [String]? = nil,
      homes: Int? = nil
    ) {
      self.dataClass = dataClass
      self.region = region
      self.country = country
      self.shard = shard
      self.rules = rules
      self.homes = homes
    }
  }

  /// Refused writes of one cause.
  public struct RefusedWrites: Sendable, Codable, Hashable {
    /// A code of errors, such as `barred`.
    public let cause: String
    public let dataClass: String
    public let region: String
    public let count: Int64

    package init(cause: String, dataClass: String, region: String, count: Int64) {
      self.cause = cause
      self.dataClass = dataClass
      self.region = region
      self.count = count
    }
  }

  /// The policy in force when it was decided.
  public struct Policy: Sendable, Codable, Hashable {
    public let generation: Int64
    /// In hexadecimal; its text is in the directory.
    public let digest: String
    /// The day that says its phase.
    public let day: String
  }

  public let kind: Kind
  /// Seconds since 1970, by the clock of the process that decided.
  public let time: Int64
  /// Who did it: the name that the process was given, else the system's user.
  public let actor: String
  public let policy: Policy?
  /// Of the user or group: 32 hexadecimal digits.
  public internal(set) var alias: String?
  public internal(set) var isGroup: Bool?
  public internal(set) var places: [Place]?
  /// Of a move: where the home is, or was; `places` has the target.
  public internal(set) var from: [Place]?
  /// Of a barring: the shard; what was said of it before is no longer so.
  public internal(set) var shard: String?
  public internal(set) var dataClasses: [String]?
  /// Of a refusal: the verdict's outcome, such as `unplaceable`.
  public internal(set) var outcome: String?
  /// Of a refusal: the region that was asked for.
  public internal(set) var region: String?
  /// Of a refusal: what forbids it.
  public internal(set) var rules: [String]?
  /// Of an erasure: whether it is of all data, so that the user is forgotten.
  public internal(set) var isWhole: Bool?
  /// Of a legal hold: its end, in seconds since 1970; nil: its release.
  public internal(set) var until: Int64?
  /// Of a read: the command.
  public internal(set) var command: String?
  /// Of refused writes: when the hour began, in seconds since 1970.
  public internal(set) var hour: Int64?
  public internal(set) var refusedWrites: [RefusedWrites]?
  /// Of a key: the key by which checkpoints are verified, as C2SP signed-note writes it.
  public internal(set) var key: String?
  /// Of a key: the signature of the key before it over ``keyText(origin:key:)``, in base64.
  public internal(set) var signature: String?
  /// Of a pruning: the first entry that still has its text.
  public internal(set) var minimum: Int64?
  /// Of a pruning: the homes that there were by the entries before, without names.
  public internal(set) var totals: [Place]?

  package init(
    _ kind: Kind, time: Date, actor: String, policy: Policy?,
    _ complete: (inout LedgerEntry) -> Void = { _ in }
  ) {
    self.kind = kind
    self.time = Int64(time.timeIntervalSince1970.rounded(.down))
    self.actor = actor
    self.policy = policy
    complete(&self)
  }

  /// Says whom it is about.
  package mutating func name(_ alias: OwnerAlias, isGroup: Bool) {
    self.alias = "\(alias)"
    self.isGroup = isGroup ? true : nil
  }

  public var date: Date { Date(timeIntervalSince1970: TimeInterval(time)) }

  /// What the leaf is the hash of.
  func text() throws -> String {
    String(decoding: try Self.encoder.encode(self), as: UTF8.self)
  }

  static let encoder: JSONEncoder = {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return encoder
  }()

  /// Reads an entry's text.
  ///
  /// - Throws: ``StorageError`` with `corrupt`: it is none that this version of Domicile knows.
  package init(text: String, number: Int64) throws(StorageError) {
    do {
      self = try JSONDecoder().decode(LedgerEntry.self, from: Data(text.utf8))
    } catch {
      throw StorageError(
        .corrupt,
        "The entry \(number) of the ledger is none that this version of Domicile reads.",
        cause: error)
    }
  }

  /// What the key before signs of a new one.
  package static func keyText(origin: String, key: String) -> String {
    "domicile.ledger-key/v1\n\(origin)\n\(key)\n"
  }
}

/// An entry with its place in the ledger.
public struct NumberedEntry: Sendable, Codable, Hashable {
  /// From 0.
  public let number: Int64
  /// Nil if its text was pruned.
  public let entry: LedgerEntry?
  /// The hash of the leaf, in base64.
  public let hash: String

  package init(number: Int64, entry: LedgerEntry?, hash: TreeHash) {
    self.number = number
    self.entry = entry
    self.hash = "\(hash)"
  }
}
