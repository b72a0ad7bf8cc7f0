public import Foundation

/// Which homes a plan is about.
public enum MigrationScope: Sendable, Codable, Hashable {
  /// All that should not stay where they are: the policy forbids the place, the shard does not accept them, or it is drained.
  case misplaced
  /// All in some regions.
  case regions([String])
  /// All in a shard.
  case shard(String)
  /// As many of a region as bring its shards to the same number of homes.
  case balance(String)

  private enum CodingKeys: CodingKey { case kind, names }
  private enum Kind: String, Codable { case misplaced, regions, shard, balance }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let names = try container.decodeIfPresent([String].self, forKey: .names) ?? []
    func one() throws -> String {
      guard names.count == 1 else {
        throw DecodingError.dataCorruptedError(
          forKey: .names, in: container, debugDescription: "there must be one name")
      }
      return names[0]
    }
    self =
      switch try container.decode(Kind.self, forKey: .kind) {
      case .misplaced: .misplaced
      case .regions: .regions(names)
      case .shard: .shard(try one())
      case .balance: .balance(try one())
      }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    let (kind, names): (Kind, [String]?) =
      switch self {
      case .misplaced: (.misplaced, nil)
      case .regions(let names): (.regions, names)
      case .shard(let name): (.shard, [name])
      case .balance(let name): (.balance, [name])
      }
    try container.encode(kind, forKey: .kind)
    try container.encodeIfPresent(names, forKey: .names)
  }
}

/// What a plan was made from: the first line of its file.
public struct MigrationHeader: Sendable, Codable, Hashable {
  /// Of the file's form.
  public let format: Int
  /// Eight random hexadecimal digits: a plan that is carried out again is the same migration.
  public let id: String
  public let scope: MigrationScope
  /// Where all of it goes, if somebody has said so.
  public let to: String?
  /// Of the policy by which it was made.
  public let digest: String
  /// Of that policy, if it was in force; nil of a candidate.
  public let generation: Int64?
  public let made: Date

  static let currentFormat = 1
}

/// A home that is to move, or that cannot: a line of a plan's file.
public struct PlannedMove: Sendable, Codable, Hashable {
  /// Of the user or group: the random name that reports and the ledger have. `domicile where` shows it.
  public let alias: String
  /// Of a group, true; else not there.
  public let group: Bool?
  public let dataClass: String
  /// The shard where the home is.
  public let from: String
  /// The shard to which it goes; nil if there is none.
  public let to: String?
  /// Why it does not stay: `drained`, `emptied`, `balance`, `notAccepted`, or the rules that forbid the place.
  public let why: [String]
  /// Why it cannot go anywhere: the rules that conflict; nil if it can.
  public let conflict: [String]?
  /// Those in the home when the plan was made; nil if its shard could not be read.
  public let records: Int?
  /// The bytes of their keys and values.
  public let bytes: Int?
}

/// The sum of a plan.
public struct MigrationSummary: Sendable, Encodable, Hashable {
  /// Homes of one class from one shard to another, or to none.
  public struct Row: Sendable, Codable, Hashable {
    public let dataClass: String
    public let from: String
    public let to: String?
    public let why: [String]
    public let conflict: [String]?
    public internal(set) var homes = 0
    public internal(set) var records = 0
    public internal(set) var bytes = 0
  }

  /// Sorted by where from, where to, and class.
  public var rows: [Row] { byKind.values.sorted { $0.order.lexicographicallyPrecedes($1.order) } }
  /// Homes that move.
  public private(set) var homes = 0
  /// Homes that no shard may take, or does.
  public private(set) var homesWithoutPlace = 0
  public private(set) var records = 0
  public private(set) var bytes = 0
  /// Homes whose shard could not be read, so that their records are not counted.
  public private(set) var notCounted = 0
  private var byKind: [PlannedMove: Row] = [:]

  public init() {}

  mutating func add(_ move: PlannedMove) {
    let kind = PlannedMove(
      alias: "", group: nil, dataClass: move.dataClass, from: move.from, to: move.to,
      why: move.why, conflict: move.conflict, records: nil, bytes: nil)
    var row =
      byKind[kind]
      ?? Row(
        dataClass: move.dataClass, from: move.from, to: move.to, why: move.why,
        conflict: move.conflict)
    row.homes += 1
    row.records += move.records ?? 0
    row.bytes += move.bytes ?? 0
    byKind[kind] = row
    if move.to == nil { homesWithoutPlace += 1 } else { homes += 1 }
    if move.records == nil { notCounted += 1 }
    if move.to != nil {
      records += move.records ?? 0
      bytes += move.bytes ?? 0
    }
  }
}

extension MigrationSummary.Row {
  fileprivate var order: [String] { [from, to ?? "", dataClass] + why }
}

extension MigrationSummary {
  private enum CodingKeys: CodingKey {
    case homes, homesWithoutPlace, records, bytes, notCounted, rows
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(homes, forKey: .homes)
    try container.encode(homesWithoutPlace, forKey: .homesWithoutPlace)
    try container.encode(records, forKey: .records)
    try container.encode(bytes, forKey: .bytes)
    try container.encode(notCounted, forKey: .notCounted)
    try container.encode(rows, forKey: .rows)
  }
}
