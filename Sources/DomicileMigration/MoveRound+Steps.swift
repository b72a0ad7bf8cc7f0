import DomicileDirectory
import DomicileStorage
import Foundation

extension MoveRound {
  mutating func perform(_ group: inout Group) async throws -> [StepResult] {
    let tickets = group.tickets
    let step = group.state.step
    let sources = tickets.map(\.sourceHome)
    let targets = tickets.map(\.targetHome)
    func results(
      _ work: () async throws -> [StorageError?]
    ) async throws -> [StepResult] {
      try await transact(step, moves: tickets.count, work).map(StepResult.init)
    }
    switch step {
    case .beginCopy:
      // What is moved is as the law in force wants it; and what that changes later is noted.
      let begun = try await results { try await source.beginCopies(sources, by: deadline) }
      return try await judged(&group, begun)
    case .stage:
      try await fit()
      return try await results {
        try await target.stageCopies(
          tickets.map { ($0.targetHome, $0.staging) }, law: law, by: deadline)
      }
    case .copy: return try await copy(tickets, step)
    case .catchUp: return try await catchUp(tickets, step)
    case .verify:
      try await settings.observe(MovePoint(step: step, isBefore: true, moves: tickets.count))
      let compared = try await verify(tickets)
      try await settings.observe(MovePoint(step: step, isBefore: false, moves: tickets.count))
      return compared
    case .freeze:
      group.frozenSince = .now
      let until = world.clock.milliseconds + Int64(settings.freezeDeadline / .milliseconds(1))
      return try await results { try await source.freeze(sources, until: until, by: deadline) }
    case .lastChanges:
      let changed = try await lastChanges(tickets, step)
      let isLate = (group.frozenSince.map { .now - $0 } ?? .zero) > settings.freezeBudget
      guard isLate else { return changed }
      let late = StorageError(
        .deadlineExceeded,
        "Each of \(MoveState.freezesMax) freezes took longer than the \(settings.freezeBudget) that writers may have to wait; the move"
          + " is undone. Move it when the disks have less to do.")
      for ticket in tickets { outcomes[MoveKey(ticket)]?.problem = late }
      return changed.map { if case .went(.done) = $0 { .went(.tookTooLong) } else { $0 } }
    case .thaw:
      noteFreeze(&group)
      return try await results { try await source.thaw(sources, by: deadline) }
    case .flip:
      return try await results {
        try await world.directory.flip(tickets, law: law, by: deadline)
      }
    case .open:
      // Anybody else may have opened it, and moved it on since.
      _ = try await transact(step, moves: tickets.count) {
        try await target.open(tickets.map(\.staging.home), by: deadline)
      }
      noteFreeze(&group)
      return tickets.map { _ in .went(.done) }
    case .empty:
      return try await results {
        try await source.empty(sources, leaving: .moved, by: deadline)
      }
    case .end:
      try await purge(source, step)
      return try await results { try await world.directory.endMoves(tickets, by: deadline) }
    case .beginAbort:
      return try await results { try await world.directory.beginAborts(tickets, by: deadline) }
    case .drop:
      return try await results {
        try await target.empty(targets, leaving: .absent, by: deadline)
      }
    case .release:
      return try await results { try await source.endCopies(sources, by: deadline) }
    case .endAbort:
      try await purge(target, step)
      return try await results { try await world.directory.endMoves(tickets, by: deadline) }
    }
  }

  // MARK: The law

  /// Reads law and tags anew, and asks whether the targets are legal by them.
  private mutating func judged(
    _ group: inout Group, _ begun: [StepResult]
  ) async throws -> [StepResult] {
    law = try await world.law()
    for shard in [source, target] {
      let (stamp, _) = try shard.stampedLaw()
      if stamp != law { try await world.raise(shard: shard.identity.name, by: deadline) }
    }
    var results = begun
    let current = try world.directory.current(group.tickets)
    for (index, ticket) in group.tickets.enumerated() {
      guard case .went(.done) = begun[index] else { continue }
      guard let now = current[index], now.token == ticket.token else {
        results[index] = .lost(
          StorageError(
            .outrun, "Another mover has taken the move over. “domicile move status” shows it."))
        continue
      }
      group.tickets[index] = now
      if let refusal = try world.refusal(of: now) {
        results[index] = .failed(
          StorageError(
            .barred, "The target is no legal place any more; the move is undone. \(refusal)"))
      }
    }
    return results
  }

  private func fit() async throws {
    do {
      try await source.fitToLaw(by: deadline)
    } catch  where error.code == .policyChanged {
      // The next step finds out.
    }
  }

  private func purge(_ shard: SQLiteShard, _ step: MoveState.Step) async throws {
    let state = try await transact(step, moves: 0) { await shard.purge(by: deadline) }
    guard state != .done else { return }
    throw shard.purgeProblem
      ?? StorageError(
        .unavailable,
        "What was moved is deleted in \(shard.identity.name), but somebody's reading keeps it in the file for now. “domicile move"
          + " resume” ends it when that is over, as does an open router.")
  }

  private mutating func noteFreeze(_ group: inout Group) {
    guard let since = group.frozenSince else { return }
    group.frozenSince = nil
    for ticket in group.tickets {
      guard let longest = outcomes[MoveKey(ticket)]?.longestFreeze else { continue }
      outcomes[MoveKey(ticket)]?.longestFreeze = max(longest, .now - since)
    }
  }
}
