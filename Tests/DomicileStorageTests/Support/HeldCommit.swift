import DomicileStorage
import Foundation
import Synchronization

/// A group commit whose writer stands still until it is released, so that all that is submitted meanwhile
/// waits together and makes the next batch.
final class HeldCommit<Context: CommitContext>: Sendable {
  private let commits: GroupCommit<Context>
  private let gate = DispatchSemaphore(value: 0)
  private let holding: Task<Void, any Error>

  init(_ commits: GroupCommit<Context>) async {
    self.commits = commits
    let isHeld = Flag()
    holding = Task { [gate] in
      try await commits.commit(by: .soon) { _ in
        isHeld.raise()
        gate.wait()
      }
    }
    await until { isHeld.isRaised }
  }

  /// Calls the group commit and returns once the job waits, or was refused.
  func submit<Result: Sendable>(
    by deadline: ContinuousClock.Instant = .soon, isCompound: Bool = true,
    _ work: @escaping @Sendable (Context) throws -> Result
  ) async -> Task<Result, any Error> {
    let depth = commits.depth
    let isOver = Flag()
    let task = Task { [commits] in
      defer { isOver.raise() }
      return try await commits.commit(by: deadline, isCompound: isCompound, work)
    }
    await until { commits.depth > depth || isOver.isRaised }
    return task
  }

  func release() async throws {
    gate.signal()
    try await holding.value
  }
}

/// Something that happens once.
final class Flag: Sendable {
  private let raised = Atomic(false)
  var isRaised: Bool { raised.load(ordering: .acquiring) }
  func raise() { raised.store(true, ordering: .releasing) }
}

/// Lets other tasks run until `condition` holds.
func until(_ condition: () -> Bool) async {
  while !condition() { await Task.yield() }
}
