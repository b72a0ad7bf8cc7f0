import DomicileDirectory
import DomicileStorage
import Foundation

/// How a deployment is, in one look.
public struct DeploymentStatus: Sendable, Codable {
  /// The moves that are at the same point.
  public struct Moves: Sendable, Codable, Hashable {
    /// `planned`, `aborting` or `flipped`, as of a ``MoveStatus``.
    public let phase: String
    public let homes: Int
    /// For how many seconds the oldest has been under way.
    public let oldestSeconds: Double
    /// How many have a problem.
    public let withProblem: Int
  }

  /// The policy in force.
  public let generation: Int64
  public let digest: String
  /// Users and groups that the directory knows.
  public let people: Int
  public let directoryWALBytes: Int
  /// For how many seconds the oldest purge of the directory that this process asked for has waited; nil if none does.
  public let directoryPurgePendingSeconds: Double?
  public let shards: [ShardStatus]
  public let moves: [Moves]
  /// Migrations that somebody carries out.
  public let migrations: [MigrationStatus]
  /// Erasures that are not finished.
  public let erasures: Int
}

extension ResidencyRouter {
  /// How the deployment is. It takes no longer with more users, but for counting them.
  ///
  /// - Throws: ``RouterError`` if the directory cannot be read; what keeps a shard from being read stands with it.
  public func status() async throws(RouterError) -> DeploymentStatus {
    let statuses = try await shardStatuses()
    let now = options.clock.now
    let underWay = Dictionary(grouping: try moves(), by: \.phase)
    let moves = underWay.sorted { $0.key < $1.key }.map { phase, moves in
      DeploymentStatus.Moves(
        phase: phase, homes: moves.count,
        oldestSeconds: moves.map { now.timeIntervalSince($0.begun) }.max() ?? 0,
        withProblem: moves.count { $0.problem != nil })
    }
    let counts = try routing { try directory.sums() }
    let current = inForce
    return DeploymentStatus(
      generation: current.reference.generation, digest: "\(current.policy.digest)",
      people: counts.users, directoryWALBytes: directory.walBytes,
      directoryPurgePendingSeconds: directory.purgeState.seconds, shards: statuses, moves: moves,
      migrations: try migrations().filter(\.isAlive), erasures: counts.erasures)
  }
}
