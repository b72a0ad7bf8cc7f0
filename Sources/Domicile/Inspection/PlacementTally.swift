import DomicileDirectory
import DomicilePolicy
import DomicileStorage
import Foundation

/// How much of one class, of users with one residence, a shard holds.
public struct PlacementTally: Sendable, Codable {
  public let region: String
  public let country: String
  public let shard: String
  public let dataClass: String
  /// The residence of the users, as a code; of groups, the residences of their members: `CN, DE`.
  public let residence: String
  public let homes: Int
  /// Records that have not expired.
  public let records: Int
  /// The bytes of their keys and values.
  public let bytes: Int
  /// Homes that became illegal.
  public let barredHomes: Int
}

/// A shard of the topology and how it is.
public struct ShardStatus: Sendable, Codable {
  public let shard: String
  public let region: String
  public let country: String
  public let operatedBy: String
  /// The jurisdictions whose residents it accepts.
  public let accepts: [String]
  /// Whether this process carries the region.
  public let isCarried: Bool
  /// Placements that name it, those under way included.
  public let placements: Int
  /// The generation of the policy with which it is stamped; nil if it cannot be asked.
  public let generation: Int?
  /// Whether that is the policy in force.
  public let isCurrent: Bool
  /// The bytes of its file, without the WAL; nil if it cannot be asked.
  public let fileBytes: Int?
  /// Writes that wait.
  public let queueDepth: Int
  /// For how many seconds the oldest purge asked of this process has waited; nil if none waits.
  public let purgePendingSeconds: Double?
  /// Whether nothing is swept, because the clock differs from what the shard knows of the time.
  public let isClockInDoubt: Bool
  /// Whether it takes homes.
  public let state: ShardState
  /// Homes that the policy in force forbids; nil while they are being counted.
  public let barredHomes: Int?
  /// The bytes of its write-ahead log.
  public let walBytes: Int?
  /// Bytes that are free on its volume.
  public let freeBytes: Int?
  /// Whether the space is there that is kept back for a full disk; nil if none is to be.
  public let hasBallast: Bool?
  /// How long a write waits just now before it is written, behind those of this and other processes, in seconds.
  public let writeWaitSeconds: Double?
  /// For how many seconds the oldest record that has expired has waited to be deleted.
  public let sweepLagSeconds: Double?
  /// Why it cannot be used, if that is so.
  public let problem: String?
}

extension ResidencyRouter {
  /// What each shard that this process carries holds, by class and residence.
  ///
  /// - Throws: ``RouterError`` if one of them cannot be read: a sum that leaves something out is wrong.
  public func placements() async throws(RouterError) -> [PlacementTally] {
    let current = inForce
    var result: [PlacementTally] = []
    for definition in current.policy.topology.shards where shards.carries(region: definition.region)
    {
      guard let country = current.country(ofRegion: definition.region) else { continue }
      let shard = try await shard(definition, in: current, by: .now + options.deadline)
      let tallies = try routing(region: definition.region) { try shard.tallies() }
      for (key, group) in Dictionary(
        grouping: tallies, by: { [$0.dataClass, $0.profile.residences] }
      ).sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
        func sum(_ value: (HomeTally) -> Int64) -> Int { group.reduce(0) { $0 + Int(value($1)) } }
        result.append(
          PlacementTally(
            region: definition.region, country: "\(country)", shard: definition.name,
            dataClass: key[0], residence: key[1], homes: sum(\.homes), records: sum(\.records),
            bytes: sum(\.bytes), barredHomes: sum { $0.isBarred ? $0.homes : 0 }))
      }
    }
    return result
  }

  /// All shards of the topology. One that cannot be used says why.
  public func shardStatuses() async throws(RouterError) -> [ShardStatus] {
    let current = inForce
    let entries = try routing { try directory.shards() }
    let barred = try routing { try directory.barredHomes() }
    var result: [ShardStatus] = []
    for definition in current.policy.topology.shards {
      guard
        let region = current.policy.topology.regions.first(where: { $0.name == definition.region })
      else { continue }
      var generation: Int?
      var fileBytes: Int?
      var depth = 0
      var purge = PurgeState.done
      var isClockInDoubt = false
      var problem: String?
      var (wait, lag): (Double?, Double?) = (nil, nil)
      var opened: SQLiteShard?
      do throws(RouterError) {
        let shard = try await shard(definition, in: current, by: .now + options.deadline)
        let stamp = try routing(region: region.name) { try shard.stampedLaw().0 }
        generation = Int(stamp.generation)
        fileBytes = try routing(region: region.name) { try shard.fileBytes() }
        depth = shard.depth
        purge = shard.purgeState
        isClockInDoubt = shard.isClockInDoubt
        opened = shard
        lag = try routing(region: region.name) { try shard.sweepLagSeconds() }
        // The first opens the file for writing, if nobody here has.
        for _ in 0..<2 {
          let start = ContinuousClock.now
          try await routing(region: region.name) {
            try await shard.waitForTurn(by: start + options.deadline)
          }
          wait = (ContinuousClock.now - start) / .seconds(1)
        }
      } catch {
        problem = "\(error)"
      }
      result.append(
        ShardStatus(
          shard: definition.name, region: region.name, country: "\(region.country)",
          operatedBy: region.operatedBy.name, accepts: definition.accepts,
          isCarried: shards.carries(region: region.name),
          placements: Int(entries.first { $0.name == definition.name }?.placements ?? 0),
          generation: generation,
          isCurrent: generation.map { Int64($0) == current.reference.generation } ?? false,
          fileBytes: fileBytes, queueDepth: depth, purgePendingSeconds: purge.seconds,
          isClockInDoubt: isClockInDoubt, state: definition.state,
          barredHomes: barred[definition.name], walBytes: opened?.walBytes,
          freeBytes: opened?.volumeFreeBytes, hasBallast: opened?.hasBallast,
          writeWaitSeconds: wait, sweepLagSeconds: lag, problem: problem))
    }
    return result
  }
}
