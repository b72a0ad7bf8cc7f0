/// Who runs a region's machines, and whose law reaches them.
public struct RegionOperator: Sendable {
  public let name: String
  /// The countries that can compel the operator, wherever the machines stand.
  public let jurisdictions: [CountryCode]
  public let certifications: Set<String>
}

/// A named place: one country, an operator, shards.
public struct Region: Sendable {
  public let name: String
  public let country: CountryCode
  public let operatedBy: RegionOperator
  /// Provider and region in `facts/cloud-regions.csv`, such as `aws/eu-west-1`.
  public let cloud: String?
  public let line: SourceLine
  let point: Geography.Point
}

/// Whether a shard takes homes.
public enum ShardState: String, Sendable, Codable, CaseIterable, Comparable {
  /// It does.
  case open
  /// It becomes nobody's new home; those that are there are written as before, until they are moved.
  case draining
  /// It accepts nobody: homes that are there are barred, until they are moved.
  case frozen

  /// The more homes are kept away, the more it is.
  public static func < (left: ShardState, right: ShardState) -> Bool {
    allCases.firstIndex(of: left) ?? 0 < allCases.firstIndex(of: right) ?? 0
  }
}

/// A shard as the topology declares it.
public struct ShardDefinition: Sendable {
  public let name: String
  public let region: String
  /// The jurisdictions whose residents it accepts, as written; `anywhere` for all.
  public let accepts: [String]
  /// The shard's own, or its region's.
  public let state: ShardState
  /// Of nobody, if the shard is frozen.
  let residents: IndexSet256
}

/// What `topology.yaml` says: regions and shards.
public struct RegionTopology: Sendable {
  public let name: String
  /// The region whose place the directory has.
  public let directoryRegion: String
  /// Sorted by name; a region's place here is its number.
  public let regions: [Region]
  /// Sorted by region, then name; a shard's place here is its number. Names are unique in the topology.
  public let shards: [ShardDefinition]

  /// What some operator has, a region of its own or not.
  let certifications: Set<String>

  static let shardsMax = 4096

  func regionNumber(_ name: String) -> Int? { regions.firstIndex { $0.name == name } }
}

extension ShardDefinition {
  /// Whether the shard accepts data of users with these tags, whatever the rules say.
  public func accepts(
    _ profile: ResidencyProfile, in policy: ResidencyPolicy
  ) -> Bool {
    policy.geography.number(of: profile.residence).map(residents.contains) ?? false
  }
}

extension RegionTopology {
  /// What is different in another topology: a line for each operator, region and shard, `+` before what is new there, `-` before what is
  /// gone, `~` before what has changed.
  public func changes(to other: RegionTopology) -> [String] {
    var lines =
      directoryRegion == other.directoryRegion
      ? [] : ["~ directory: \(directoryRegion) → \(other.directoryRegion)"]
    lines += Self.changes(
      regions.map { ($0.name, $0.described) }, other.regions.map { ($0.name, $0.described) },
      "region")
    lines += Self.changes(
      shards.map { ($0.name, $0.described) }, other.shards.map { ($0.name, $0.described) }, "shard")
    return lines
  }

  private static func changes(
    _ old: [(String, [String])], _ new: [(String, [String])], _ kind: String
  ) -> [String] {
    let before = Dictionary(old, uniquingKeysWith: { first, _ in first })
    let after = Dictionary(new, uniquingKeysWith: { first, _ in first })
    return Set(before.keys).union(after.keys).sorted().compactMap { name in
      switch (before[name], after[name]) {
      case (let old?, let new?):
        let changed = zip(old, new).filter { $0 != $1 }.map { "\($0) → \($1)" }
        return changed.isEmpty ? nil : "~ \(kind) \(name): \(changed.joined(separator: ", "))"
      case (let old?, nil): return "- \(kind) \(name): \(old.joined(separator: ", "))"
      case (nil, let new?): return "+ \(kind) \(name): \(new.joined(separator: ", "))"
      case (nil, nil): return nil
      }
    }
  }
}

extension Region {
  fileprivate var described: [String] {
    [
      "\(country)", "operator \(operatedBy.name)",
      "jurisdictions \(operatedBy.jurisdictions.map(\.description).joined(separator: " "))",
      "certifications \(operatedBy.certifications.isEmpty ? "none" : operatedBy.certifications.sorted().joined(separator: " "))",
      "cloud \(cloud ?? "none")",
    ]
  }
}

extension ShardDefinition {
  fileprivate var described: [String] {
    ["in \(region)", "accepts \(accepts.joined(separator: " "))", state.rawValue]
  }
}
