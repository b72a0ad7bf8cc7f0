import DomicileDirectory
public import DomicilePolicy
import DomicileStorage

/// What a policy would do to what is stored now: the homes that are legal and would be barred, and the records that would be
/// kept for less time.
public struct PolicyImpact: Sendable, Codable {
  /// Homes of one class and kind of users in one shard that would be barred.
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

  /// Records of one class in one shard that would end sooner than they end now, because of a shorter `longest`.
  public struct Shortening: Sendable, Codable, Hashable {
    public let shard: String
    public let region: String
    public let country: String
    public let dataClass: String
    public let records: Int
    /// Those of them that would end at once: they are older than the policy allows.
    public let endingAtOnce: Int
    /// The bytes of the keys and values of those.
    public let bytesEndingAtOnce: Int
  }

  public struct NotCounted: Sendable, Codable, Hashable {
    public let shard: String
    public let reason: String
  }

  /// Why the policy would not be applied at all, with the code of the error; nil if it would be.
  public let refusal: String?
  public let rows: [Row]
  public let shortenings: [Shortening]
  /// Users and groups, legal now, about whom the directory would note where it lies what it may not there.
  public let directoryEntries: Int
  /// Shards that could not be counted, and why; of the directory, `directory`.
  public let notCounted: [NotCounted]

  public var barredHomes: Int { rows.reduce(0) { $0 + $1.homes } }
  public var barredBytes: Int { rows.reduce(0) { $0 + $1.bytes } }
  /// Those of them that could not be moved anywhere.
  public var homesWithoutPlace: Int {
    rows.filter { $0.outcome != .allowed }.reduce(0) { $0 + $1.homes }
  }
  public var shortenedRecords: Int { shortenings.reduce(0) { $0 + $1.records } }
  public var recordsEndingAtOnce: Int { shortenings.reduce(0) { $0 + $1.endingAtOnce } }
}

extension ResidencyRouter {
  /// What a policy would bar on a later day that the one in force would not bar then: what is written for that day now. Changes
  /// nothing.
  ///
  /// - Throws: ``RouterError`` never, for policies that were compiled.
  public func impact(
    of policy: ResidencyPolicy, on day: PolicyDay
  ) async throws(RouterError) -> PolicyImpact {
    let (then, otherwise) = try routing {
      (try policy.compiled(on: day), try inForce.policy.compiled(on: day))
    }
    return await impact(of: then, insteadOf: otherwise)
  }

  /// What applying a policy would do to what is stored. Changes nothing.
  public func impact(of policy: ResidencyPolicy) async -> PolicyImpact {
    await impact(of: policy, insteadOf: nil)
  }

  private func impact(
    of policy: ResidencyPolicy, insteadOf other: ResidencyPolicy?
  ) async -> PolicyImpact {
    let current = inForce
    var rows: [PolicyImpact.Row] = []
    var shortenings: [PolicyImpact.Shortening] = []
    var notCounted: [PolicyImpact.NotCounted] = []
    for definition in current.policy.topology.shards {
      // A topology that drops or carries a shard elsewhere which holds something is refused as a whole.
      guard let country = current.country(ofRegion: definition.region),
        let next = policy.topology.shards.first(where: { $0.name == definition.name }),
        next.region == definition.region
      else { continue }
      // Counting reads every home: where the law stays as it is, none can be barred.
      let (law, nextLaw) = (current.policy.law(ofShard: definition), policy.law(ofShard: next))
      let mayBar = law.rows != nextLaw.rows || law.attributes != nextLaw.attributes
      let shorter = shortened(from: law, to: nextLaw)
      guard mayBar || !shorter.isEmpty else { continue }
      do throws(RouterError) {
        let shard = try await shard(definition, in: current, by: .now + options.deadline)
        if mayBar {
          let tallies = try routing(region: definition.region) { try shard.tallies() }
          rows += barred(tallies, in: next, country: country, by: policy, insteadOf: other)
        }
        for (dataClass, seconds) in shorter {
          let tally = try routing(region: definition.region) {
            try shard.recordsOutlasting(seconds: seconds, dataClass: dataClass)
          }
          guard tally.records > 0 else { continue }
          shortenings.append(
            PolicyImpact.Shortening(
              shard: definition.name, region: definition.region, country: "\(country)",
              dataClass: dataClass, records: Int(tally.records), endingAtOnce: Int(tally.older),
              bytesEndingAtOnce: Int(tally.olderBytes)))
        }
      } catch {
        notCounted.append(
          PolicyImpact.NotCounted(shard: definition.name, reason: "\(error)"))
      }
    }
    var directoryEntries = 0
    do throws(RouterError) {
      directoryEntries = try barredDirectoryEntries(by: policy)
    } catch {
      notCounted.append(PolicyImpact.NotCounted(shard: "directory", reason: "\(error)"))
    }
    return PolicyImpact(
      refusal: refusal(of: policy).map { "\($0)" }, rows: rows, shortenings: shortenings,
      directoryEntries: directoryEntries, notCounted: notCounted)
  }

  /// The classes whose records may be kept for less time than now, and for how long at most, in seconds.
  private func shortened(
    from law: ShardLaw, to next: ShardLaw
  ) -> [(dataClass: String, seconds: Int64)] {
    next.retention.sorted { $0.key < $1.key }.compactMap { dataClass, retention in
      guard let seconds = retention.longestSeconds,
        seconds < law.retention[dataClass]?.longestSeconds ?? .max
      else { return nil }
      return (dataClass, seconds)
    }
  }

  private func barred(
    _ tallies: [HomeTally], in shard: ShardDefinition, country: CountryCode,
    by policy: ResidencyPolicy, insteadOf other: ResidencyPolicy?
  ) -> [PolicyImpact.Row] {
    tallies.filter { !$0.isBarred }.compactMap { tally in
      // Whether it is a group's home the shard does not know: of one profile the operator may read the reasons.
      let isShared = tally.profile.members.count != 1
      let verdict = try? policy.verdict(
        for: tally.profile, isGroup: isShared, dataClass: tally.dataClass, in: shard.region)
      let accepts = shard.accepts(tally.profile, in: policy)
      if verdict?.outcome == .allowed, accepts { return nil }
      // What would be barred anyway is none of this policy's doing.
      if let other,
        (try? other.verdict(
          for: tally.profile, isGroup: isShared, dataClass: tally.dataClass, in: shard.region))?
          .isAllowed != true
      {
        return nil
      }
      let anywhere = try? policy.verdict(
        for: tally.profile, isGroup: isShared, dataClass: tally.dataClass)
      let deciding = anywhere?.outcome == .allowed ? verdict?.rules : anywhere?.conflict
      return PolicyImpact.Row(
        shard: shard.name, region: shard.region, country: "\(country)",
        dataClass: tally.dataClass, residence: tally.profile.residences,
        attributes: tally.profile.attributes, homes: Int(tally.homes),
        records: Int(tally.records), bytes: Int(tally.bytes), outcome: anywhere?.outcome,
        because: deciding?.map(\.name) ?? [])
    }
  }

  private func barredDirectoryEntries(by policy: ResidencyPolicy) throws(RouterError) -> Int {
    let current = inForce
    let next = PolicyInForce(
      reference: current.reference, policy: policy, location: options.location)
    var entries = 0
    for (profile, count) in try routing({ try directory.profileCounts() }) {
      guard try current.permitsInDirectory(profile) else { continue }
      if try !next.permitsInDirectory(profile) { entries += count }
    }
    return entries
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
