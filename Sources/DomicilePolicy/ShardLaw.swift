/// What a shard knows of the policy: per data class, the profiles whose data may live there, and how long
/// records are kept.
///
/// A law is made of rows, which the shard keeps in a table that anybody can read. A profile is permitted if
/// a row of its class and residence says so: of the attributes that the row considers, the profile has
/// exactly those that the row names.
public struct ShardLaw: Sendable, Equatable {
  public struct Row: Hashable, Sendable, Comparable {
    public let dataClass: String
    public let residence: CountryCode
    /// The attributes on which the answer depends, sorted.
    public let considering: [String]
    /// Those of them that the profile has, sorted.
    public let having: [String]

    public init(
      dataClass: String, residence: CountryCode, considering: [String], having: [String]
    ) {
      self.dataClass = dataClass
      self.residence = residence
      self.considering = considering
      self.having = having
    }

    public static func < (left: Row, right: Row) -> Bool {
      (left.dataClass, left.residence, left.having.joined(separator: " "))
        < (right.dataClass, right.residence, right.having.joined(separator: " "))
    }
  }

  /// How long the records of a data class are kept, in whole seconds. Nil: the policy does not say.
  public struct Retention: Hashable, Sendable {
    /// The lifetime of a record whose writer asks for none: `default`, or `longest` where there is none.
    public let standardSeconds: Int64?
    /// Nothing is kept longer.
    public let longestSeconds: Int64?
    /// Nothing can be erased before.
    public let shortestSeconds: Int64?
    /// What the policy says and where, for explanations: `payments: shortest 5y (policy.yaml:14)`.
    public let rule: String

    public init(
      standardSeconds: Int64?, longestSeconds: Int64?, shortestSeconds: Int64?, rule: String
    ) {
      self.standardSeconds = standardSeconds
      self.longestSeconds = longestSeconds
      self.shortestSeconds = shortestSeconds
      self.rule = rule
    }
  }

  private struct Key: Hashable {
    let dataClass: String
    let residence: CountryCode
  }

  /// Sorted.
  public let rows: [Row]
  /// The class of each collection.
  public let collections: [String: String]
  /// The attributes that the policy declares, sorted: a profile with any other is not permitted.
  public let attributes: [String]
  /// By data class; only classes with a retention are in it.
  public let retention: [String: Retention]
  private let index: [Key: [Row]]

  public init(
    rows: [Row], collections: [String: String] = [:], attributes: [String] = [],
    retention: [String: Retention] = [:]
  ) {
    self.rows = rows.sorted()
    self.collections = collections
    self.attributes = attributes.sorted()
    self.retention = retention
    index = Dictionary(grouping: rows) { Key(dataClass: $0.dataClass, residence: $0.residence) }
  }

  /// Whether data of the class, of a user with these tags, may live here. An unlisted class may not.
  public func permits(_ profile: ResidencyProfile, dataClass: String) -> Bool {
    guard let rows = index[Key(dataClass: dataClass, residence: profile.residence)],
      profile.attributes.allSatisfy(attributes.contains)
    else { return false }
    return rows.contains { row in
      row.considering.filter(profile.attributes.contains) == row.having
    }
  }
}
