import DomicileStorage
public import Foundation

/// What an erasure deleted, what it had to leave, and what is still to be done.
public struct ErasureReceipt: Sendable, Codable, Hashable {
  /// What was deleted in one place.
  public struct Erased: Sendable, Codable, Hashable {
    public let dataClass: String
    /// Nil: the whole class.
    public let collection: String?
    public let region: String
    public let country: String
    public let shard: String
    public let records: Int
    /// The bytes of their keys and values.
    public let bytes: Int
  }

  /// What may not go yet. It can no longer be read or written if the user or the class was erased.
  public struct Held: Sendable, Codable, Hashable {
    public let dataClass: String
    public let shard: String
    public let records: Int
    /// Nil: until the legal hold is released.
    public let until: Date?
    /// As the policy says and where, or the name of the legal hold.
    public let rule: String
  }

  /// A place where something is still to be done, and why.
  public struct Pending: Sendable, Codable, Hashable {
    /// A shard's name, or `directory`.
    public let place: String
    public let reason: String
  }

  /// The random name under which the directory knew the user: in tombstones it outlives the mapping.
  public let alias: String
  public let erased: [Erased]
  public let held: [Held]
  public let pending: [Pending]
  /// When this was said, by the clock of the process.
  public let time: Date
  /// Of the policy in force.
  public let policyGeneration: Int64
  /// Grows with every erasure of the deployment; nil where records of a home that stays were erased.
  public let serial: Int64?

  /// Whether no byte of what was erased is left in the files of the deployment. What is held is not meant.
  public var isDone: Bool { pending.isEmpty }

  public var records: Int { erased.reduce(0) { $0 + $1.records } }
  public var bytes: Int { erased.reduce(0) { $0 + $1.bytes } }
}

extension ErasureReceipt.Pending {
  /// A purge that a problem keeps back, or somebody's reading.
  init?(_ state: PurgeState, _ problem: StorageError?, place: String) {
    guard case .pending = state else { return nil }
    let reason =
      problem.map { "\($0.code): \($0.message)" } ?? "Somebody reads an older state of the file."
    self.init(place: place, reason: "\(reason) The purge is tried again until it is done.")
  }
}

extension ErasureReceipt.Held {
  init(_ held: HeldHome, dataClass: String, shard: String) {
    self.init(
      dataClass: dataClass, shard: shard, records: Int(held.records),
      until: held.data.until.map(Date.init(milliseconds:)), rule: held.data.rule)
  }
}
