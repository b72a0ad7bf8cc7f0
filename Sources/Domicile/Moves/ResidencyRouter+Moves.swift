import DomicileDirectory
import DomicileMigration
public import Foundation

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

  static var notTried: RouterError { RouterError(.cancelled, "The move was not tried.") }

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

  func abort(_ moves: [MoveTicket]) async throws(RouterError) -> [MoveReport] {
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

  func takeOver(
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
}
