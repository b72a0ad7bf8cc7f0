import DomicileDirectory
public import DomicilePolicy
import DomicileStorage

extension ResidencyRouter {
  /// Lists the homes that are to move, and where to: each to the best shard that the policy allows and that takes new homes. Changes
  /// nothing.
  ///
  /// - Parameters:
  ///   - scope: Which homes.
  ///   - user: Only this user's; with a `region`, all of theirs that are not there.
  ///   - region: Where to; by default where the policy would have them.
  ///   - candidate: A policy that is not in force, by which to judge.
  ///   - body: Called for each home, in the order in which users were admitted; the plan is not kept in memory.
  /// - Returns: What the plan was made from, and its sum.
  /// - Throws: ``RouterError`` with ``RouterError/Code/unknownName`` for a region or shard that the policy does not know;
  ///   ``RouterError/Code/notFound`` for a user.
  public func plan(
    _ scope: MigrationScope = .misplaced, of user: UserID? = nil, to region: String? = nil,
    by candidate: ResidencyPolicy? = nil, each body: (PlannedMove) throws -> Void = { _ in }
  ) async throws(RouterError) -> (header: MigrationHeader, summary: MigrationSummary) {
    let current = try await currentPolicy()
    let policy = candidate ?? current.policy
    let header = MigrationHeader(
      format: MigrationHeader.currentFormat,
      id: String(UInt32(truncatingIfNeeded: options.random()) | 1 << 31, radix: 16), scope: scope,
      to: region,
      digest: "\(policy.digest)",
      generation: policy.digest == current.policy.digest ? current.reference.generation : nil,
      made: options.clock.now)
    var planner = try routing {
      try MovePlanner(
        policy: policy, scope: scope, to: region, movesAll: user != nil && region != nil,
        placements: try directory.shards())
    }
    var summary = MigrationSummary()
    var page: [UserEntry]
    if let user { page = [try entry(of: user)] } else { page = try nextUsers(after: 0) }
    while let end = page.last {
      for entry in page {
        for move in planner.moves(of: entry) {
          let counted = await counted(move, of: entry)
          summary.add(counted)
          try routing { try body(counted) }
        }
      }
      page = user == nil ? try nextUsers(after: end.id) : []
    }
    return (header, summary)
  }

  private func entry(of user: UserID) throws(RouterError) -> UserEntry {
    let owner = key.owner(ofUser: try user.checked())
    guard let entry = try routing({ try directory.user(owner) }) else { throw Self.userNotFound }
    return entry
  }

  private func nextUsers(after id: Int64) throws(RouterError) -> [UserEntry] {
    try routing { try directory.users(after: id, limit: 1_000) }
  }

  private func counted(_ move: PlannedMove, of entry: UserEntry) async -> PlannedMove {
    guard let placement = entry.placement(move.dataClass) else { return move }
    let home = entry.home(placement)
    let size = try? await shard(named: move.from, by: .now + options.deadline).size(
      of: MoveHome(owner: home.owner, dataClass: home.dataClass, serial: home.serial, token: 0))
    return PlannedMove(
      alias: move.alias, group: move.group, dataClass: move.dataClass, from: move.from,
      to: move.to, why: move.why, conflict: move.conflict, records: size.map { Int($0.records) },
      bytes: size.map { Int($0.bytes) })
  }
}

/// Decides which homes are to move, and where to.
struct MovePlanner {
  private let policy: ResidencyPolicy
  private let scope: MigrationScope
  private let region: String?
  private let movesAll: Bool
  private let shards: [String: ShardDefinition]
  /// Of each shard, if the plan is carried out as far as it goes.
  private var homes: [String: Int64]
  /// How many homes each shard of a region that is balanced gives away, or takes.
  private var surplus: [String: Int64] = [:]
  private var judged: [Kind: Judged] = [:]

  /// What decides about a home.
  private struct Kind: Hashable {
    let profile: HomeProfile
    let isGroup: Bool
    let dataClass: String
    let shard: String
  }

  private struct Judged {
    /// Why it does not stay; nil if it does.
    let why: [String]?
    /// Where it may go, the best first; those of a list are equally good.
    let choices: [[String]]
    let conflict: [String]
  }

  init(
    policy: ResidencyPolicy, scope: MigrationScope, to region: String?, movesAll: Bool,
    placements: [ShardEntry]
  ) throws {
    self.policy = policy
    self.scope = scope
    self.region = region
    self.movesAll = movesAll
    shards = Dictionary(
      policy.topology.shards.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    homes = Dictionary(
      placements.map { ($0.name, $0.placements) }, uniquingKeysWith: { first, _ in first })
    if let region { _ = try policy.number(ofRegion: region) }
    switch scope {
    case .misplaced: break
    case .regions(let names): for name in names { _ = try policy.number(ofRegion: name) }
    case .shard(let name):
      guard shards[name] != nil else {
        throw RouterError(
          .unknownName,
          "The topology has no shard “\(name)”; “domicile shards” lists those that it has.")
      }
    case .balance(let name):
      _ = try policy.number(ofRegion: name)
      balance(name)
    }
  }

  private mutating func balance(_ region: String) {
    let open = policy.topology.shards.filter { $0.region == region && $0.state == .open }
    let all = open.reduce(0) { $0 + homes[$1.name, default: 0] }
    for (number, shard) in open.enumerated() {
      let share = all / Int64(open.count) + (Int64(number) < all % Int64(open.count) ? 1 : 0)
      surplus[shard.name] = homes[shard.name, default: 0] - share
    }
  }

  /// The homes of a user or group that are to move.
  mutating func moves(of entry: UserEntry) -> [PlannedMove] {
    guard !entry.isErasing else { return [] }
    return entry.placements.compactMap { placement in
      guard placement.state == .placed else { return nil }
      let kind = Kind(
        profile: entry.profile, isGroup: entry.isGroup, dataClass: placement.dataClass,
        shard: placement.shard)
      let judged = judged[kind] ?? judge(kind)
      if self.judged.count >= 10_000 { self.judged = [:] }
      self.judged[kind] = judged
      guard let why = judged.why else { return nil }
      let target = choose(judged.choices)
      if case .balance = scope {
        guard let target, surplus[placement.shard, default: 0] > 0 else { return nil }
        surplus[placement.shard, default: 0] -= 1
        surplus[target, default: 0] += 1
      }
      if let target {
        homes[placement.shard, default: 0] -= 1
        homes[target, default: 0] += 1
      }
      return PlannedMove(
        alias: "\(entry.alias)", group: entry.isGroup ? true : nil,
        dataClass: placement.dataClass, from: placement.shard, to: target, why: why,
        conflict: target == nil ? judged.conflict : nil, records: nil, bytes: nil)
    }
  }

  private func choose(_ choices: [[String]]) -> String? {
    if case .balance = scope {
      let wanting = choices.joined().filter { surplus[$0, default: 0] < 0 }
      return wanting.min { (surplus[$0, default: 0], $0) < (surplus[$1, default: 0], $1) }
    }
    return choices.first?.min { (homes[$0, default: 0], $0) < (homes[$1, default: 0], $1) }
  }

  // MARK: Judging

  private func judge(_ kind: Kind) -> Judged {
    guard let why = why(kind) else { return Judged(why: nil, choices: [], conflict: []) }
    let number = try? policy.number(ofClass: kind.dataClass)
    let profiles = (try? policy.compile(kind.profile)) ?? []
    guard let number, !profiles.isEmpty else {
      return Judged(why: why, choices: [], conflict: ["tagsUnknown"])
    }
    let choices = policy.shardsByPreference(profiles, dataClass: number).map { equal in
      equal.filter { isTarget($0, of: kind) }.map(\.name)
    }.filter { !$0.isEmpty }
    let anywhere = try? policy.verdict(
      for: kind.profile, isGroup: kind.isGroup, dataClass: kind.dataClass)
    let conflict = anywhere?.conflict.map(\.name) ?? []
    let rules = anywhere?.rules.map(\.name) ?? []
    return Judged(
      why: why, choices: choices,
      conflict: conflict.isEmpty ? ["noOtherShard"] + rules : conflict)
  }

  private func isTarget(_ shard: ShardDefinition, of kind: Kind) -> Bool {
    guard shard.name != kind.shard, region.map({ $0 == shard.region }) ?? true else {
      return false
    }
    return switch scope {
    case .misplaced: true
    case .regions(let names): !names.contains(shard.region)
    case .shard: true
    case .balance(let name): shard.region == name
    }
  }

  /// Why a home does not stay; nil if it does.
  private func why(_ kind: Kind) -> [String]? {
    guard let shard = shards[kind.shard] else { return ["noShard"] }
    switch scope {
    case .misplaced: break
    case .regions(let names): return names.contains(shard.region) ? ["emptied"] : nil
    case .shard(let name): return shard.name == name ? ["emptied"] : nil
    case .balance: return surplus[shard.name].map { $0 > 0 } ?? false ? ["balance"] : nil
    }
    if movesAll { return shard.region == region ? nil : ["asked"] }
    let verdict = try? policy.verdict(
      for: kind.profile, isGroup: kind.isGroup, dataClass: kind.dataClass, in: shard.region)
    guard let verdict else { return ["tagsUnknown"] }
    if verdict.outcome == .refused {
      // Of a group the rules would tell of its members' tags.
      return verdict.rules.isEmpty ? ["forbidden"] : verdict.rules.map(\.name)
    }
    if shard.state == .frozen { return ["frozen"] }
    if !shard.accepts(kind.profile, in: policy) { return ["notAccepted"] }
    return shard.state == .draining ? ["drained"] : nil
  }
}
