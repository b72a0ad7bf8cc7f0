import Domicile
import Foundation

/// Makes go what must go in a trial, as an application would.
struct GoneEraser {
  let plan: GonePlan
  let router: ResidencyRouter
  /// The router of another process, if it is at hand, which is asked for a purge after plain deletions.
  let purger: ResidencyRouter

  /// What was said.
  struct Outcome: Sendable {
    var isDone = false
    var records = 0
    /// How often the answer was "pending" before.
    var repeats = 0
  }

  /// Asks until it is said to be done, for a minute.
  func eraseAll() async throws -> Outcome {
    let end = ContinuousClock.now + .seconds(60)
    var outcome = try await erase()
    while !outcome.isDone, ContinuousClock.now < end {
      let next = try await erase()
      outcome.isDone = next.isDone
      outcome.records += next.records
      outcome.repeats += 1
    }
    return outcome
  }

  /// Asks once.
  func erase(deadline: Duration = .seconds(10)) async throws -> Outcome {
    let id = UserID(GonePlan.marked)
    switch plan.way {
    case .user:
      return Self.outcome([try await router.erase(id, deadline: deadline)])
    case .dataClass:
      return Self.outcome([
        try await router.erase(id, dataClasses: ["messages"], deadline: deadline)
      ])
    case .collection:
      return Self.outcome([try await router.user(id).erase(.inbox, deadline: deadline)])
    case .prefix:
      return Self.outcome([
        try await router.user(id).erase(
          .threads, keys: .prefix(RecordKey(plan.prefix)), deadline: deadline)
      ])
    case .sweep:
      let sweeps = await router.sweep(deadline: deadline)
      return Outcome(
        isDone: sweeps.allSatisfy {
          !$0.isPurgePending && !$0.isClockInDoubt && $0.problem == nil
        }, records: sweeps.reduce(0) { $0 + $1.records })
    case .deletions:
      return try await delete(deadline: deadline)
    }
  }

  private func delete(deadline: Duration) async throws -> Outcome {
    let user = try await router.user(UserID(GonePlan.marked))
    var deleted = 0
    for collection in GonePlan.collections {
      while case let records = try await user.page(collection).records, !records.isEmpty {
        for record in records where try await user.delete(record.key, in: collection) {
          deleted += 1
        }
      }
    }
    // Erasing what is not there is asking for a purge, in the shards of both classes.
    let asking = try await purger.user(UserID(GonePlan.marked))
    var outcome = Self.outcome([
      try await asking.erase(.inbox, keys: .prefix("none"), deadline: deadline),
      try await asking.erase(.receipts, keys: .prefix("none"), deadline: deadline),
    ])
    outcome.records += deleted
    return outcome
  }

  private static func outcome(_ receipts: [ErasureReceipt]) -> Outcome {
    Outcome(
      isDone: receipts.allSatisfy(\.isDone), records: receipts.reduce(0) { $0 + $1.records })
  }
}
