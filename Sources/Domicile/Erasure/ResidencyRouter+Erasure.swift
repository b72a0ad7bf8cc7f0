import DomicileDirectory
import DomicilePolicy
import DomicileStorage
import Foundation
import Logging

extension ResidencyRouter {
  /// Erases a user, or some classes of the user's data: every record, physically, and with the last class the mapping from
  /// the user's id. With the user goes what the user has written in groups, and every membership.
  ///
  /// From the first step on the user can neither be read nor written. Whoever repeats the call goes on where it stopped,
  /// as does any router that finds it unfinished. What the policy holds for a shortest time, and what is under a legal
  /// hold, is kept out of reach until it may go; the receipt says until when and under which rule.
  ///
  /// - Parameters:
  ///   - user: Erased with everything if `dataClasses` is nil.
  ///   - dataClasses: The classes to be erased; the user stays.
  ///   - deadline: How long this may take; nil for the router's default. What is not done then is pending.
  /// - Returns: What was erased, held, and is pending.
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound`` if there is no such user (any more).
  public func erase(
    _ user: UserID, dataClasses: [String]? = nil, deadline: Duration? = nil
  ) async throws(RouterError) -> ErasureReceipt {
    try await erase(
      key.owner(ofUser: try user.checked()), dataClasses: dataClasses, deadline: deadline)
  }

  func erase(
    _ owner: OwnerKey, dataClasses: [String]?, deadline: Duration?
  ) async throws(RouterError) -> ErasureReceipt {
    try routing { for name in dataClasses ?? [] { try inForce.checkHoldsRecords(name) } }
    return try await erase(
      owner, dataClasses: dataClasses.map(Set.init), by: .now + (deadline ?? options.deadline))
  }

  func erase(
    _ owner: OwnerKey, dataClasses: Set<String>?, continuing alias: OwnerAlias? = nil,
    by deadline: ContinuousClock.Instant
  ) async throws(RouterError) -> ErasureReceipt {
    var last: ErasurePlan?
    var round = ErasureRound(router: self, deadline: deadline)
    for takeOvers in 0... {
      let plan = try await routing {
        try await directory.beginErasure(
          owner, dataClasses: dataClasses, continuing: last?.alias ?? alias,
          at: options.clock.now, by: deadline)
      }
      forget(owner)
      guard let plan else {
        // Nobody is there; or the run that took this one over has ended it.
        let purge = await directory.purge(
          by: last == nil ? min(deadline, .now + .seconds(1)) : deadline)
        guard let last else {
          throw RouterError(
            .notFound,
            "Nobody of that id was admitted, or all is erased already. Check the id: nothing was erased."
          )
        }
        return round.receipt(
          last, isOver: true,
          pending: [ErasureReceipt.Pending(purge, directory.purgeProblem, place: "directory")]
            .compactMap(\.self))
      }
      last = plan
      // Runs that take each other over at once come to no end, all of them together.
      let pause = Duration.milliseconds(Int64(options.random() % (10 << min(UInt64(takeOvers), 7))))
      round.isLast = ContinuousClock.now + pause + .milliseconds(200) > deadline
      if let receipt = try await round.run(plan, renewing: renew(plan, by: deadline)) {
        return receipt
      }
      try await routing { try await Task.sleep(for: pause) }
    }
    preconditionFailure("an erasure ends at its deadline")
  }

  /// Goes on with erasures that somebody began and did not finish, and with those that waited for what was held.
  ///
  /// A router does this by itself every minute while it sweeps, and when it is opened.
  public func finishErasures() async {
    var due = ((try? directory.dueErasures(at: options.clock.now, limit: 1_000)) ?? [])[...]
    // Some at a time, so that one shard that is slow or down does not keep all others waiting.
    await withTaskGroup { group in
      for _ in 0..<8 {
        guard let owner = due.popFirst() else { break }
        group.addTask { await self.finishErasure(of: owner) }
      }
      while await group.next() != nil {
        guard let owner = due.popFirst() else { continue }
        group.addTask { await self.finishErasure(of: owner) }
      }
    }
  }

  /// How many erasures somebody has begun and not ended; those that wait for what is held are not meant.
  public func unfinishedErasures() throws(RouterError) -> Int {
    try routing { try directory.leasedErasures() }
  }

  func finishErasure(of owner: OwnerKey) async {
    do throws(RouterError) {
      guard let entry = try routing({ try directory.user(owner) }) else { return }
      let classes = entry.placements.filter { $0.state == .erasing }.map(\.dataClass)
      _ = try await erase(
        owner, dataClasses: entry.isErasing ? nil : Set(classes), continuing: entry.alias,
        by: .now + options.deadline)
    } catch {
      options.logger.warning(
        "an erasure cannot be finished", metadata: ["error.code": "\(error.code)"])
    }
  }

  /// Renews the lease of an erasure until it is cancelled, or somebody has taken it over.
  private func renew(
    _ plan: ErasurePlan, by deadline: ContinuousClock.Instant
  ) -> Task<Void, Never> {
    Task { [directory, clock = options.clock] in
      let pause = Duration.milliseconds(ErasurePlan.leaseMilliseconds / 3)
      while (try? await Task.sleep(for: pause)) != nil {
        let isOurs = try? await directory.renewErasure(plan, at: clock.now, by: deadline)
        if isOurs == false { return }
      }
    }
  }
}

extension ResidencyRouter {
  func erased(
    _ records: Int64, _ bytes: Int64, dataClass: String, collection: String?, shard: String
  ) -> ErasureReceipt.Erased {
    let region = inForce.shard(shard)?.region ?? ""
    return ErasureReceipt.Erased(
      dataClass: dataClass, collection: collection, region: region,
      country: inForce.country(ofRegion: region).map { "\($0)" } ?? "", shard: shard,
      records: Int(records), bytes: Int(bytes))
  }
}
