package import DomicileDirectory
package import DomicileStorage

/// What a mover works with: the directory, the shards that this process carries, and the policy in force.
package protocol MoveWorld: Sendable {
  var directory: any DirectoryStore { get }
  var clock: WallClock { get }

  /// A shard, open.
  func shard(_ name: String, by deadline: ContinuousClock.Instant) async throws -> SQLiteShard

  /// The policy in force, brought up to date.
  func law() async throws -> LawReference

  /// Why a move's target is not legal for whom it is about, by the policy that ``law()`` named last; nil if it is.
  func refusal(of ticket: MoveTicket) throws -> String?

  /// Raises a shard to the policy in force.
  func raise(shard: String, by deadline: ContinuousClock.Instant) async throws
}

/// How a mover goes about it.
package struct MoveSettings: Sendable {
  package var limits = MoveLimits()
  /// How long a home may take no writes before it is thawed, to try again.
  package var freezeBudget = Duration.milliseconds(50)
  /// After how long anybody may thaw what a mover has left frozen.
  package var freezeDeadline = Duration.seconds(5)
  /// How long one transaction may wait for its turn.
  package var stepDeadline = Duration.seconds(10)
  /// Bytes that stay free on the target's volume.
  package let reserveBytes = 64 << 20
  /// How many bytes there is room for in a shard; nil if nobody can say.
  package var freeBytes: @Sendable (SQLiteShard) -> Int? = { $0.freeBytes }
  /// Called before and after each transaction, for progress, and for tests that stop there.
  package var observe: @Sendable (MovePoint) async throws -> Void = { _ in }

  package init() {}
}

/// A point between two transactions of a mover.
package struct MovePoint: Sendable {
  package let step: MoveState.Step
  /// Before the transaction, or after it.
  package let isBefore: Bool
  package let moves: Int
  /// What was copied by it.
  package var records = 0
  package var bytes = 0
}

/// What became of a move.
package struct MoveOutcome: Sendable {
  package enum End: Sendable, Equatable {
    /// The target is the home, and nothing is left at the source.
    case moved
    /// The source is the home as it was, and nothing is left at the target.
    case undone
    /// It stopped; whoever resumes it goes on.
    case unfinished
  }
  package let ticket: MoveTicket
  package var end: End
  package var records = 0
  package var bytes = 0
  /// For how long writes to the home had to wait at most.
  package var longestFreeze = Duration.zero
  /// Why it was not moved, or is not finished.
  package var problem: StorageError?

  package init(ticket: MoveTicket, end: End, problem: StorageError? = nil) {
    self.ticket = ticket
    self.end = end
    self.problem = problem
  }
}
