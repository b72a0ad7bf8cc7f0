import DomicileDirectory
public import DomicilePolicy
import DomicileStorage

/// What a policy would do to what is stored now: the homes that are legal and would be barred.
public struct PolicyImpact: Sendable, Codable {
  /// Homes of one class and kind of users in one shard.
  public struct Row: Sendable, Codable, Hashable {
    public let shard: String
    public let region: String
    public let country: String
    public let dataClass: String
    public let residence: String
    public let attributes: [String]
    public let homes: Int
    public let records: Int
    /// The bytes of their keys and values.
    public let bytes: Int
    /// Where they may be under the policy: allowed means elsewhere. Nil: it does not know their tags.
    public let outcome: Verdict.Outcome?
    /// The rules that forbid the place, or that conflict where no place is legal.
    public let because: [String]
  }

  public let rows: [Row]
  /// Shards that could not be counted, and why.
  public let notCounted: [NotCounted]

  public struct NotCounted: Sendable, Codable, Hashable {
    public let shard: String
    public let reason: String
  }

  public var barredHomes: Int { rows.reduce(0) { $0 + $1.homes } }
  public var barredBytes: Int { rows.reduce(0) { $0 + $1.bytes } }
  /// Those of them that could not be moved anywhere.
  public var homesWithoutPlace: Int {
    rows.filter { $0.outcome != .allowed }.reduce(0) { $0 + $1.homes }
  }
}

extension ResidencyRouter {
  /// What applying a policy would bar. Changes nothing.
  public func impact(of policy: ResidencyPolicy) async -> PolicyImpact {
    let current = inForce
    var rows: [PolicyImpact.Row] = []
    var notCounted: [PolicyImpact.NotCounted] = []
    for definition in current.policy.topology.shards {
      // A topology that drops or carries a shard elsewhere which holds something is refused as a whole.
      guard let country = current.country(ofRegion: definition.region),
        let next = policy.topology.shards.first(where: { $0.name == definition.name }),
        next.region == definition.region
      else { continue }
      // Counting reads every home: where the law stays as it is, none can be barred.
      let (law, nextLaw) = (current.policy.law(ofShard: definition), policy.law(ofShard: next))
      if law.rows == nextLaw.rows, law.attributes == nextLaw.attributes { continue }
      let tallies: [HomeTally]
      do throws(RouterError) {
        let shard = try await shard(definition, in: current, by: .now + options.deadline)
        tallies = try routing(region: definition.region) { try shard.tallies() }
      } catch {
        notCounted.append(
          PolicyImpact.NotCounted(shard: definition.name, reason: "\(error)"))
        continue
      }
      for tally in tallies where !tally.isBarred {
        // Whether it is a group's home the shard does not know: of one profile the operator may read the reasons.
        let isShared = tally.profile.members.count != 1
        let verdict = try? policy.verdict(
          for: tally.profile, isGroup: isShared, dataClass: tally.dataClass, in: next.region)
        let accepts = next.accepts(tally.profile, in: policy)
        if verdict?.outcome == .allowed, accepts { continue }
        let anywhere = try? policy.verdict(
          for: tally.profile, isGroup: isShared, dataClass: tally.dataClass)
        let deciding = anywhere?.outcome == .allowed ? verdict?.rules : anywhere?.conflict
        rows.append(
          PolicyImpact.Row(
            shard: definition.name, region: definition.region, country: "\(country)",
            dataClass: tally.dataClass, residence: tally.profile.residences,
            attributes: tally.profile.attributes, homes: Int(tally.homes),
            records: Int(tally.records), bytes: Int(tally.bytes), outcome: anywhere?.outcome,
            because: deciding?.map(\.name) ?? []))
      }
    }
    return PolicyImpact(rows: rows, notCounted: notCounted)
  }

  /// The policy that was put in force as a generation, in its phase then.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/unknownName`` if there was none.
  public func policy(ofGeneration generation: Int64) throws(RouterError) -> ResidencyPolicy {
    let applied = try routing { try directory.policy(ofGeneration: generation) }
    guard let applied else {
      throw RouterError(
        .unknownName,
        "No policy has the generation \(generation); the one in force has \(policyGeneration).")
    }
    return try routing { try ResidencyPolicy(files: applied.files, on: applied.day) }
  }
}
