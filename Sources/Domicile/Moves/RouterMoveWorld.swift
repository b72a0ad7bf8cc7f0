import DomicileDirectory
import DomicileMigration
import DomicilePolicy
import DomicileStorage
import Logging

extension ResidencyRouter {
  /// Carries moves to their end; what became of each, in their order.
  func run(_ tickets: [MoveTicket]) async -> [MoveReport] {
    var outcomes: [Int: MoveOutcome] = [:]
    let groups = Dictionary(grouping: tickets.indices) { [tickets[$0].source, tickets[$0].target] }
    for (_, indices) in groups.sorted(by: { $0.value[0] < $1.value[0] }) {
      let group = indices.map { tickets[$0] }
      do {
        let results = try await MoveRound.run(
          group, in: RouterMoveWorld(router: self), options.moveSettings)
        for (index, outcome) in zip(indices, results) { outcomes[index] = outcome }
      } catch {
        let problem =
          (error as? RouterError)
          ?? (error as? StorageError).map { RouterError($0) }
          ?? RouterError(.unavailable, "The move could not be begun.")
        for index in indices {
          outcomes[index] = MoveOutcome(
            ticket: tickets[index], end: .unfinished,
            problem: StorageError(.unavailable, problem.message))
        }
        _ = try? await directory.renewMoves(
          group, problem: problem.message, at: options.clock.now, by: .now + options.deadline)
      }
      for ticket in group { forget(ticket.owner) }
    }
    await finishHolds(on: Set(tickets.map(\.owner)))
    return tickets.indices.map { index in
      report(outcomes[index] ?? MoveOutcome(ticket: tickets[index], end: .unfinished))
    }
  }

  private func report(_ outcome: MoveOutcome) -> MoveReport {
    let end: MoveReport.End =
      switch outcome.end {
      case .moved: .moved
      case .undone: .undone
      case .unfinished: .unfinished
      }
    metrics.countMove(end.rawValue, freeze: outcome.longestFreeze)
    return MoveReport(
      end: end, dataClass: outcome.ticket.dataClass, from: outcome.ticket.source,
      to: outcome.ticket.target, records: outcome.records, bytes: outcome.bytes,
      longestFreeze: outcome.longestFreeze, problem: outcome.problem.map { RouterError($0) })
  }

  /// What maintenance does of it.
  func finishMoves() async {
    do throws(RouterError) {
      for report in try await resumeMoves() where report.end == .unfinished {
        options.logger.warning(
          "a move cannot be finished",
          metadata: ["error.code": "\(report.problem?.code.description ?? "")"])
      }
    } catch {
      options.logger.warning(
        "moves cannot be finished", metadata: ["error.code": "\(error.code)"])
    }
  }

  /// Has writes go on to a home that a mover has left frozen beyond its deadline: under a new token the mover changes nothing more.
  func thawOverdue(
    _ home: HomeReference, in shard: SQLiteShard, by deadline: ContinuousClock.Instant
  ) async throws {
    guard let until = try shard.frozenUntil(home), until <= options.clock.milliseconds,
      let move = try directory.moves(of: home.owner).first(where: {
        $0.dataClass == home.dataClass
      }), move.phase != .flipped,
      let taken = try await directory.takeOverMoves(
        [move], evenLeased: true, at: options.clock.now, by: deadline)[0]
    else { return }
    _ = try await shard.beginCopies([taken.sourceHome], by: deadline)
    _ = try await directory.renewMoves(
      [taken], problem: "The mover left the home frozen; it was thawed.", at: options.clock.now,
      by: deadline)
  }
}

/// What a router lends a mover.
struct RouterMoveWorld: MoveWorld {
  let router: ResidencyRouter

  var directory: any DirectoryStore { router.directory }
  var clock: WallClock { router.options.clock }

  func shard(_ name: String, by deadline: ContinuousClock.Instant) async throws -> SQLiteShard {
    try await router.shard(named: name, by: deadline)
  }

  func law() async throws -> LawReference {
    try router.reloadPolicy()
    return try await router.currentPolicy().reference
  }

  func refusal(of ticket: MoveTicket) throws -> String? {
    let current = router.inForce
    guard let definition = current.shard(ticket.target) else {
      return "The topology in force has no shard \(ticket.target)."
    }
    if let refusal = try current.refusal(
      of: ticket.profile, isGroup: ticket.isGroup, dataClass: ticket.dataClass,
      in: definition.region)
    {
      return refusal.statement
    }
    if let refusal = try router.refusalToProcess(ticket.profile, ticket.dataClass, current) {
      return refusal
    }
    return definition.accepts(ticket.profile, in: current.policy)
      ? nil
      : "The shard \(ticket.target) does not accept residents of \(ticket.profile.residences)."
  }

  func raise(shard: String, by deadline: ContinuousClock.Instant) async throws {
    try await router.synchronize(shard: shard, by: deadline)
  }
}
