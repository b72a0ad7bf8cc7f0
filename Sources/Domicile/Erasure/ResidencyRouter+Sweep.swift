import DomicileDirectory
import DomicileStorage
import Foundation
import Logging

/// What a sweep of one shard did.
public struct ShardSweep: Sendable, Codable {
  public let shard: String
  public let region: String
  /// Records that had expired and were deleted.
  public let records: Int
  /// Whether nothing was swept, because the clock differs from what the shard knows of the time and nobody has accepted
  /// it.
  public let isClockInDoubt: Bool
  /// Whether somebody's reading keeps what was deleted in a file for now.
  public let isPurgePending: Bool
  /// Whether it is not somebody's reading that keeps it back, but this.
  public let purgeProblem: String?
  /// Why the shard could not be swept, if that is so.
  public let problem: String?
}

extension ResidencyRouter {
  /// Deletes what has expired from all shards that this process carries, physically.
  ///
  /// A router does this by itself every ``RouterOptions/sweepInterval``, and when it is opened.
  ///
  /// - Parameters:
  ///   - acceptClock: Whether to take the clock of this process for right, where it is in doubt. Look at it first: what
  ///     has expired by it is deleted.
  ///   - deadline: How long one shard may take; nil for a minute.
  /// - Returns: What became of each shard, in the order of the topology.
  public func sweep(acceptClock: Bool = false, deadline: Duration? = nil) async -> [ShardSweep] {
    await sweep(acceptClock: acceptClock, purgesAll: true, deadline: deadline)
  }

  /// By itself a router purges what it has swept; what others deleted is purged by them, and every minute.
  private func sweep(
    acceptClock: Bool, purgesAll: Bool, deadline: Duration?
  ) async -> [ShardSweep] {
    let current = inForce
    var result: [ShardSweep] = []
    for definition in current.policy.topology.shards where shards.carries(region: definition.region)
    {
      let end = ContinuousClock.now + (deadline ?? .seconds(60))
      do throws(RouterError) {
        let shard = try await shard(definition, in: current, by: end)
        let sweep = try await sweep(
          shard, acceptClock: acceptClock, purgesAll: purgesAll, by: end)
        metrics.countSwept(Int(sweep.records), region: definition.region)
        result.append(
          ShardSweep(
            shard: definition.name, region: definition.region, records: Int(sweep.records),
            isClockInDoubt: sweep.isClockInDoubt, isPurgePending: sweep.purge != .done,
            purgeProblem: shard.purgeProblem.map { "\($0.code): \($0.message)" }, problem: nil))
      } catch {
        result.append(
          ShardSweep(
            shard: definition.name, region: definition.region, records: 0, isClockInDoubt: false,
            isPurgePending: false, purgeProblem: nil, problem: "\(error)"))
      }
    }
    shards.fillBallasts()
    return result
  }

  /// What may go is decided by the law in force: a shard that is behind is raised first.
  private func sweep(
    _ shard: SQLiteShard, acceptClock: Bool, purgesAll: Bool, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) -> Sweep {
    do throws(StorageError) {
      if acceptClock, shard.isClockInDoubt { try await shard.acceptClock(by: deadline) }
      do throws(StorageError) {
        return try await shard.sweep(purgesAll: purgesAll, by: deadline)
      } catch {
        guard error.code == .policyChanged else { throw error }
      }
    } catch {
      throw RouterError(error, region: shard.identity.region)
    }
    try await synchronize(shard: shard.identity.name, by: deadline)
    return try await routing(region: shard.identity.region) {
      try await shard.sweep(purgesAll: purgesAll, by: deadline)
    }
  }

  /// What a router does beside calls, every now and then.
  func maintain(_ rounds: inout MaintenanceRounds) async {
    let sweeps = await sweep(acceptClock: false, purgesAll: false, deadline: nil)
    // Whoever closes the router in between wants to hear nothing of what was left undone.
    if Task.isCancelled { return }
    for sweep in sweeps {
      let problem =
        sweep.isClockInDoubt
        ? "the clock is in doubt; nothing is swept until it is accepted" : sweep.problem
      // Once, and not at every round.
      if let problem, rounds.told[sweep.shard] != problem {
        options.logger.warning(
          "a shard cannot be swept",
          metadata: ["shard": "\(sweep.shard)", "problem": "\(problem)"])
      }
      rounds.told[sweep.shard] = problem
    }
    for shard in shards.openShards {
      metrics.recordPurgeAge(shard.purgeState, shard: shard.identity.name)
    }
    metrics.recordPurgeAge(directory.purgeState, shard: "directory")
    await noteRefusedWrites()
    if rounds.nextErasures <= .now {
      await finishHolds()
      await finishErasures()
      await finishTagChanges()
      await finishMoves()
      await tendLedger()
      rounds.nextErasures = .now + .seconds(60)
      if let status = try? await status() { metrics.record(status) }
    }
  }
}

/// What is remembered from one round of maintenance to the next.
struct MaintenanceRounds {
  /// By shard, the problem that was logged last.
  var told: [String: String] = [:]
  var nextErasures = ContinuousClock.now
}
