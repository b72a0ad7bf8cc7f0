import DomicileDirectory
import DomicileMigration
import DomicilePolicy
import DomicileStorage
public import Foundation
import Logging

/// A home that is to be moved.
public struct HomeMove: Sendable {
  public var user: UserID
  public var dataClass: String
  /// Where to.
  public var region: String
  /// A shard of the region; nil: the one with the fewest homes that accepts the user.
  public var shard: String?

  public init(user: UserID, dataClass: String, to region: String, shard: String? = nil) {
    self.user = user
    self.dataClass = dataClass
    self.region = region
    self.shard = shard
  }
}

/// What became of a move.
public struct MoveReport: Sendable {
  public enum End: String, Sendable, Codable {
    /// The target is the home, and nothing is left at the source.
    case moved
    /// It was there already.
    case alreadyThere
    /// The source is the home, as it was, and nothing is left at the target.
    case undone
    /// It stopped half way: resume or abort it.
    case unfinished
  }
  public let end: End
  public let dataClass: String
  public let from: String
  public let to: String
  /// What was copied by this call, what had changed meanwhile counted again.
  public let records: Int
  public let bytes: Int
  /// For how long writes to the home had to wait at most.
  public let longestFreeze: Duration
  /// Why it was undone, or stopped.
  public let problem: RouterError?
}

/// A move that is under way.
public struct MoveStatus: Sendable, Codable {
  /// Of the user or group.
  public let alias: String
  public let isGroup: Bool
  public let dataClass: String
  /// `planned`: the source is the home. `aborting`: it stays it. `flipped`: the target is the home.
  public let phase: String
  /// The shards.
  public let from: String
  public let to: String
  public let begun: Date
  /// Until when its mover has it for itself; whoever comes later may resume it.
  public let leasedUntil: Date
  /// Why it stopped.
  public let problem: String?
}

extension ResidencyRouter {
  /// Moves a home to another region while it is written and read: copied, compared record by record, and committed at one point.
  ///
  /// Writers wait for at most the time of a few syncs; nobody else waits. Before the commit point the source is the home, and a move
  /// that fails is undone; after it the target is.
  ///
  /// - Parameters:
  ///   - user: Whose home.
  ///   - dataClass: Of which class.
  ///   - region: Where to; the policy may refuse it.
  ///   - shard: A shard of the region; nil for the one with the fewest homes.
  /// - Returns: What became of it; ``MoveReport/End/alreadyThere`` if the home is in that region.
  /// - Throws: ``RouterError`` with ``RouterError/Code/refused`` and the verdict; ``RouterError/Code/notFound``;
  ///   ``RouterError/Code/moveUnderWay``; ``RouterError/Code/elsewhere`` if one of the two regions is not carried here. Nothing was changed
  ///   then.
  public func move(
    _ user: UserID, dataClass: String, to region: String, shard: String? = nil
  ) async throws(RouterError) -> MoveReport {
    try await move([HomeMove(user: user, dataClass: dataClass, to: region, shard: shard)])[0].get()
  }

  /// Moves a group's home.
  public func move(
    _ group: GroupID, dataClass: String, to region: String, shard: String? = nil
  ) async throws(RouterError) -> MoveReport {
    let owner = key.owner(ofGroup: try group.checked())
    return try await move([
      MoveCandidate(owner: owner, dataClass: dataClass, region: region, shard: shard)
    ])[0].get()
  }

  /// Moves many homes, those with the same source and target together, each by itself: one that is refused stops nobody else.
  ///
  /// - Returns: What became of each, in their order.
  public func move(_ moves: [HomeMove]) async -> [Result<MoveReport, RouterError>] {
    var candidates: [MoveCandidate?] = []
    var results: [Result<MoveReport, RouterError>?] = []
    for move in moves {
      do throws(RouterError) {
        candidates.append(
          MoveCandidate(
            owner: key.owner(ofUser: try move.user.checked()), dataClass: move.dataClass,
            region: move.region, shard: move.shard))
        results.append(nil)
      } catch {
        candidates.append(nil)
        results.append(.failure(error))
      }
    }
    let moved = await move(candidates.compactMap(\.self))
    var next = moved.makeIterator()
    return results.map { $0 ?? next.next() ?? .failure(Self.notTried) }
  }

  private static var notTried: RouterError { RouterError(.cancelled, "The move was not tried.") }

  // MARK: Planning

  func move(_ candidates: [MoveCandidate]) async -> [Result<MoveReport, RouterError>] {
    var results = [Result<MoveReport, RouterError>?](repeating: nil, count: candidates.count)
    var begin = 0
    while begin < candidates.count {
      let batch = begin..<min(begin + Self.movesPerBatch, candidates.count)
      await move(batch, of: candidates, &results)
      begin = batch.upperBound
    }
    for case .failure(let error)? in results { metrics.countError(error) }
    return results.map { $0 ?? .failure(Self.notTried) }
  }

  /// Writers of a batch wait for its flip together.
  private static var movesPerBatch: Int { 256 }

  private func move(
    _ batch: Range<Int>, of candidates: [MoveCandidate],
    _ results: inout [Result<MoveReport, RouterError>?]
  ) async {
    var waiting = Array(batch)
    let deadline = ContinuousClock.now + options.deadline
    while !waiting.isEmpty {
      var requests: [(index: Int, request: MoveRequest)] = []
      var again: [Int] = []
      var planned: [(index: Int, ticket: MoveTicket)] = []
      do throws(RouterError) {
        let current = try await currentPolicy()
        for index in waiting {
          do throws(RouterError) {
            switch try await plan(candidates[index], by: current) {
            case .there(let report): results[index] = .success(report)
            case .request(let request): requests.append((index, request))
            }
          } catch {
            results[index] = .failure(error)
          }
        }
        let tickets = try await routing {
          try await directory.planMoves(
            requests.map(\.request), law: current.reference, at: options.clock.now, by: deadline)
        }
        for ((index, _), result) in zip(requests, tickets) {
          switch result {
          case .success(let ticket): planned.append((index, ticket))
          case .failure(let error)
          where [.policyChanged, .outrun].contains(error.code) && deadline > .now:
            again.append(index)
          case .failure(let error): results[index] = .failure(RouterError(error))
          }
        }
        if !again.isEmpty { try reloadPolicy() }
      } catch {
        for index in waiting where results[index] == nil { results[index] = .failure(error) }
        again = []
      }
      let reports = await run(planned.map(\.ticket))
      for ((index, _), report) in zip(planned, reports) { results[index] = .success(report) }
      waiting = again
    }
  }

  private enum MovePlan {
    case there(MoveReport)
    case request(MoveRequest)
  }

  private func plan(
    _ candidate: MoveCandidate, by current: PolicyInForce
  ) async throws(RouterError) -> MovePlan {
    let policy = current.policy
    try routing {
      _ = try policy.number(ofRegion: candidate.region)
      try current.checkHoldsRecords(candidate.dataClass)
    }
    guard let entry = try routing({ try directory.user(candidate.owner) }) else {
      throw Self.userNotFound
    }
    guard let placement = entry.placement(candidate.dataClass), placement.state != .admitting else {
      throw RouterError(
        .notFound,
        "There is no home for the class “\(candidate.dataClass)”, so there is nothing to be moved.")
    }
    guard !entry.isErasing, placement.state == .placed else { throw Self.userIsErased }
    let verdict = try routing {
      try policy.verdict(
        for: entry.profile, isGroup: entry.isGroup, dataClass: candidate.dataClass,
        in: candidate.region)
    }
    guard verdict.isAllowed else {
      await note([.refusal(verdict, isGroup: entry.isGroup)])
      throw RouterError(refusing: verdict)
    }
    let from = current.shard(placement.shard)
    if from?.region == candidate.region, candidate.shard.map({ $0 == placement.shard }) ?? true {
      return .there(
        MoveReport(
          end: .alreadyThere, dataClass: candidate.dataClass, from: placement.shard,
          to: placement.shard, records: 0, bytes: 0, longestFreeze: .zero, problem: nil))
    }
    if let refusal = try routing({
      try refusalToProcess(entry.profile, candidate.dataClass, current)
    }) {
      throw RouterError(.processingRefused, "\(refusal) Nothing was changed.")
    }
    for region in [from?.region, candidate.region].compactMap(\.self)
    where !shards.carries(region: region) {
      throw RouterError(
        .elsewhere,
        "A move needs both regions, and \(region) is not carried by this process. Run it where both are; nothing was changed.",
        region: region)
    }
    let target = try targetShard(candidate, entry, current, besides: placement.shard)
    let shard = try await shard(target, in: current, by: .now + options.deadline)
    try await checkRoom(for: entry.home(placement), in: shard, from: placement.shard)
    let rules = try routing {
      current.rulesAsked(
        try policy.compile(entry.profile), isGroup: entry.isGroup,
        dataClass: try policy.number(ofClass: candidate.dataClass))
    }
    return .request(
      MoveRequest(
        owner: candidate.owner, dataClass: candidate.dataClass, shard: target.name,
        tags: entry.tags, rules: rules))
  }

  /// What is moved passes through this process: why that may not be, where it runs.
  func refusalToProcess(
    _ profile: HomeProfile, _ dataClass: String, _ current: PolicyInForce
  ) throws -> String? {
    let isPermitted = try current.permitsProcessing(
      current.policy.compile(profile), dataClass: current.policy.number(ofClass: dataClass))
    if isPermitted { return nil }
    return
      "The policy in force does not allow this data to be processed where this process runs (\(options.location ?? "not said, “--location”"));"
      + " a move reads and writes it."
  }

  private func targetShard(
    _ candidate: MoveCandidate, _ entry: UserEntry, _ current: PolicyInForce,
    besides source: String
  ) throws(RouterError) -> ShardDefinition {
    let policy = current.policy
    let known = current.policy.topology.shards.filter { $0.region == candidate.region }
    if let name = candidate.shard, !known.contains(where: { $0.name == name }) {
      throw RouterError(
        .unknownName,
        "The region \(candidate.region) has no shard “\(name)”; it has \(known.map(\.name).joined(separator: ", "))."
      )
    }
    let accepting = known.filter {
      $0.name != source && (candidate.shard ?? $0.name) == $0.name
        && $0.accepts(entry.profile, in: policy)
    }
    let counts = try routing { try directory.shards() }
    let best = accepting.min { left, right in
      func count(_ shard: ShardDefinition) -> Int64 {
        counts.first { $0.name == shard.name }?.placements ?? 0
      }
      return (count(left), left.name) < (count(right), right.name)
    }
    guard let best else {
      throw RouterError(
        .unserved,
        "No shard of the region \(candidate.region) accepts residents of \(entry.profile.residences). Nothing was changed. Name"
          + " another region, or have one accept them.", region: candidate.region)
    }
    return best
  }

  /// A target that fills up half way is no target.
  private func checkRoom(
    for home: HomeReference, in target: SQLiteShard, from source: String
  ) async throws(RouterError) {
    guard let free = target.freeBytes else { return }
    let shard = try await shard(named: source, by: .now + options.deadline)
    let size = try routing {
      try shard.size(
        of: MoveHome(owner: home.owner, dataClass: home.dataClass, serial: home.serial, token: 0))
    }
    let needed = 2 * Int(size.bytes) + MoveSettings().reserveBytes
    guard free < needed else { return }
    throw RouterError(
      .diskFull,
      "The volume of the shard \(target.identity.name) has room for \(max(0, free)) bytes beside what it keeps back; the move needs"
        + " \(needed). Nothing was changed. Free space, or name another region.",
      region: target.identity.region)
  }

  // MARK: Running

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

  // MARK: Under way

  /// The moves that are under way.
  public func moves() throws(RouterError) -> [MoveStatus] {
    try routing {
      var result: [MoveStatus] = []
      var last: MoveTicket?
      while true {
        let page = try directory.moves(after: last, limit: 1_000)
        guard let end = page.last else { return result }
        result += page.map { move in
          MoveStatus(
            alias: "\(move.alias)", isGroup: move.isGroup, dataClass: move.dataClass,
            phase: move.phase.rawValue, from: move.source, to: move.target, begun: move.begun,
            leasedUntil: move.lease, problem: move.problem)
        }
        last = end
      }
    }
  }

  /// Goes on with moves whose mover is gone.
  ///
  /// A router does this by itself every minute while it sweeps, and when it is opened.
  ///
  /// - Parameter evenLeased: Whether to take them from movers that are still at work, too: these then stop.
  /// - Returns: What became of each.
  /// - Throws: ``RouterError`` if the directory cannot be read or written.
  @discardableResult
  public func resumeMoves(evenLeased: Bool = false) async throws(RouterError) -> [MoveReport] {
    var reports: [MoveReport] = []
    var seen: Set<MoveKey> = []
    while true {
      let now = options.clock.now
      let due = try routing {
        try directory.dueMoves(
          at: evenLeased ? now.addingTimeInterval(1_000_000) : now, limit: 1_000
        ).filter { !seen.contains(MoveKey($0)) && carries($0) }
      }
      if due.isEmpty { return reports }
      seen.formUnion(due.map(MoveKey.init))
      reports += try await takeOver(due, evenLeased: evenLeased)
    }
  }

  /// Goes on with the moves of a user.
  public func resumeMoves(
    of user: UserID, dataClass: String? = nil
  ) async throws(RouterError) -> [MoveReport] {
    try await takeOver(
      moves(of: key.owner(ofUser: try user.checked()), dataClass), evenLeased: true)
  }

  /// The same of a group.
  public func resumeMoves(
    of group: GroupID, dataClass: String? = nil
  ) async throws(RouterError) -> [MoveReport] {
    try await takeOver(
      moves(of: key.owner(ofGroup: try group.checked()), dataClass), evenLeased: true)
  }

  /// Undoes the moves of a user that have not come to their commit point: the source stays the home, and nothing is left at the target.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound`` if there is none; with ``RouterError/Code/invalidArgument`` if the home is
  ///   at the target already.
  public func abortMoves(
    of user: UserID, dataClass: String? = nil
  ) async throws(RouterError) -> [MoveReport] {
    try await abort(moves(of: key.owner(ofUser: try user.checked()), dataClass))
  }

  /// The same of a group.
  public func abortMoves(
    of group: GroupID, dataClass: String? = nil
  ) async throws(RouterError) -> [MoveReport] {
    try await abort(moves(of: key.owner(ofGroup: try group.checked()), dataClass))
  }

  private func moves(
    of owner: OwnerKey, _ dataClass: String?
  ) throws(RouterError) -> [MoveTicket] {
    guard try routing({ try directory.user(owner) }) != nil else { throw Self.userNotFound }
    let moves = try routing {
      try directory.moves(of: owner).filter { (dataClass ?? $0.dataClass) == $0.dataClass }
    }
    guard !moves.isEmpty else {
      throw RouterError(
        .notFound, "No home of that id is being moved. “domicile move status” lists those that are."
      )
    }
    return moves
  }

  private func abort(_ moves: [MoveTicket]) async throws(RouterError) -> [MoveReport] {
    let end = ContinuousClock.now + options.deadline
    let taken = try await routing {
      try await directory.takeOverMoves(moves, evenLeased: true, at: options.clock.now, by: end)
        .compactMap(\.self)
    }
    let refusals = try await routing { try await directory.beginAborts(taken, by: end) }
    if let refusal = refusals.compactMap(\.self).first {
      // What is past its commit point goes on to its end.
      _ = await run(taken)
      throw RouterError(refusal)
    }
    return await run(
      taken.map { ticket in
        var ticket = ticket
        ticket.phase = .aborting
        return ticket
      })
  }

  private func takeOver(
    _ moves: [MoveTicket], evenLeased: Bool
  ) async throws(RouterError) -> [MoveReport] {
    let taken = try await routing {
      try await directory.takeOverMoves(
        moves, evenLeased: evenLeased, at: options.clock.now, by: .now + options.deadline
      ).compactMap(\.self)
    }
    return await run(taken)
  }

  private func carries(_ move: MoveTicket) -> Bool {
    [move.source, move.target].allSatisfy { name in
      inForce.shard(name).map { shards.carries(region: $0.region) } ?? false
    }
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

/// A move whose words have been checked.
struct MoveCandidate: Sendable {
  let owner: OwnerKey
  let dataClass: String
  let region: String
  let shard: String?
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
    let verdict = try current.policy.verdict(
      for: ticket.profile, isGroup: ticket.isGroup, dataClass: ticket.dataClass,
      in: definition.region)
    guard verdict.isAllowed else { return verdict.statement }
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
