package import DomicileDirectory
import DomicileStorage
import Foundation
import Synchronization

/// Carries homes from one shard to another, many small ones together: each step is one transaction for all of them, and a home that
/// fails a check goes its own way while the others go on.
package struct MoveRound {
  let world: any MoveWorld
  let settings: MoveSettings
  let stop = Stop()
  let source: SQLiteShard
  let target: SQLiteShard
  var law: LawReference
  var outcomes: [MoveKey: MoveOutcome] = [:]
  /// Records in the middle of large homes, which were copied here.
  var middles: [MoveKey: RecordPosition] = [:]
  /// Made when it is first used: it has connections of its own.
  var bulk: BulkCopy?
  /// When the lease was renewed last.
  var renewed = ContinuousClock.now

  /// Moves that are at the same step.
  struct Group {
    var state: MoveState
    var tickets: [MoveTicket]
    var frozenSince: ContinuousClock.Instant?
  }

  /// Carries moves, which all have the same source and target, to their end.
  package static func run(
    _ tickets: [MoveTicket], in world: any MoveWorld, _ settings: MoveSettings = MoveSettings()
  ) async throws -> [MoveOutcome] {
    guard let first = tickets.first else { return [] }
    let round = MoveRound(
      world: world, settings: settings,
      source: try await world.shard(first.source, by: .now + settings.stepDeadline),
      target: try await world.shard(first.target, by: .now + settings.stepDeadline),
      law: try await world.law())
    // A task that is cancelled can commit nothing any more, not even a thaw: the moves have a task of their own, and stop between steps.
    let moving = Task { [round] in
      var round = round
      return await round.run(tickets)
    }
    return await withTaskCancellationHandler {
      await moving.value
    } onCancel: { [stop = round.stop] in
      stop.isSet.store(true, ordering: .relaxed)
    }
  }

  /// Set when whoever waits for the moves is cancelled.
  final class Stop: Sendable {
    let isSet = Atomic(false)
  }

  /// Asked where nobody waits, and before the commit point.
  func checkStopped() throws {
    if stop.isSet.load(ordering: .relaxed) { throw CancellationError() }
  }

  private init(
    world: any MoveWorld, settings: MoveSettings, source: SQLiteShard, target: SQLiteShard,
    law: LawReference
  ) {
    self.world = world
    self.settings = settings
    self.source = source
    self.target = target
    self.law = law
  }

  private mutating func run(_ tickets: [MoveTicket]) async -> [MoveOutcome] {
    for ticket in tickets {
      outcomes[MoveKey(ticket)] = MoveOutcome(ticket: ticket, end: .unfinished)
    }
    var groups = Dictionary(grouping: tickets, by: \.phase).map { phase, tickets in
      Group(
        state: MoveState(isFlipped: phase == .flipped, isAborting: phase == .aborting),
        tickets: tickets)
    }
    while !groups.isEmpty {
      // Where writers wait is gone on with first.
      let next =
        groups.firstIndex { $0.state.step == .open }
        ?? groups.firstIndex { $0.state.isUrgent } ?? 0
      let group = groups.remove(at: next)
      groups += await advance(group)
    }
    return tickets.compactMap { outcomes[MoveKey($0)] }
  }

  /// Takes one step; the groups that come of it.
  private mutating func advance(_ group: Group) async -> [Group] {
    var group = group
    var stopped: (any Error)?
    do {
      if !group.state.isPastFlip, !group.state.isFrozen { try checkStopped() }
      try await renewLease(of: group.tickets)
      let results = try await perform(&group)
      return next(group, results)
    } catch {
      stopped = error
    }
    let problem =
      (stopped as? StorageError)
      ?? StorageError(
        stopped is CancellationError ? .cancelled : .unavailable,
        stopped is CancellationError
          ? "The move was stopped. “domicile move resume” goes on with it."
          : "The move stopped: \(stopped.map { "\($0)" } ?? "")")
    await giveUp(group, problem)
    return []
  }

  private mutating func next(_ group: Group, _ results: [StepResult]) -> [Group] {
    var byOutcome: [MoveState.Outcome: [MoveTicket]] = [:]
    for (ticket, result) in zip(group.tickets, results) {
      switch result {
      case .went(let outcome): byOutcome[outcome, default: []].append(ticket)
      case .failed(let problem):
        outcomes[MoveKey(ticket)]?.problem = problem
        byOutcome[.failed, default: []].append(ticket)
      case .lost(let problem): outcomes[MoveKey(ticket)]?.problem = problem
      }
    }
    return byOutcome.flatMap { outcome, tickets -> [Group] in
      var next = group
      next.tickets = tickets
      guard next.state.completed(outcome) != nil else {
        for ticket in tickets {
          let isMoved = group.state.step == .end
          outcomes[MoveKey(ticket)]?.end = isMoved ? .moved : .undone
          if isMoved { outcomes[MoveKey(ticket)]?.problem = nil }
        }
        return []
      }
      // Fewer at a time are frozen for less time.
      guard outcome == .tookTooLong, tickets.count > 1 else { return [next] }
      return [tickets.prefix(tickets.count / 2), tickets.dropFirst(tickets.count / 2)].map {
        var half = next
        half.tickets = Array($0)
        return half
      }
    }
  }

  /// Nobody goes on here: writers are let go on, and others may take over at once.
  private mutating func giveUp(_ group: Group, _ problem: StorageError) async {
    for ticket in group.tickets { outcomes[MoveKey(ticket)]?.problem = problem }
    let deadline = ContinuousClock.now + settings.stepDeadline
    if group.state.isFrozen {
      _ = try? await source.thaw(group.tickets.map(\.sourceHome), by: deadline)
    }
    _ = try? await world.directory.renewMoves(
      group.tickets, problem: problem.message, at: world.clock.now, by: deadline)
  }

  mutating func renewLease(of tickets: [MoveTicket]) async throws {
    guard ContinuousClock.now - renewed > .milliseconds(MoveTicket.leaseMilliseconds / 3) else {
      return
    }
    let deadline = ContinuousClock.now + settings.stepDeadline
    _ = try await world.directory.renewMoves(
      tickets, problem: nil, at: world.clock.now, by: deadline)
    renewed = .now
  }

  var deadline: ContinuousClock.Instant { .now + settings.stepDeadline }

  /// One transaction, with what is called before and after it.
  func transact<T>(
    _ step: MoveState.Step, moves: Int, records: Int = 0, bytes: Int = 0,
    _ work: () async throws -> T
  ) async throws -> T {
    try await settings.observe(MovePoint(step: step, isBefore: true, moves: moves))
    let result = try await work()
    try await settings.observe(
      MovePoint(step: step, isBefore: false, moves: moves, records: records, bytes: bytes))
    return result
  }
}

/// Which home a move is about.
package struct MoveKey: Hashable {
  let user: Int64
  let dataClass: String
  package init(_ ticket: MoveTicket) {
    user = ticket.userID
    dataClass = ticket.dataClass
  }
}

/// What became of a step for one move.
enum StepResult: Sendable {
  case went(MoveState.Outcome)
  /// It is undone.
  case failed(StorageError)
  /// It is somebody else's, or is no more.
  case lost(StorageError)

  /// By the answer of a shard or the directory.
  init(_ refusal: StorageError?) {
    switch refusal?.code {
    case nil: self = .went(.done)
    case .policyChanged, .retagged, .barred: self = .went(.changed)
    default:
      self = .lost(refusal ?? StorageError(.outrun, ""))
    }
  }
}
