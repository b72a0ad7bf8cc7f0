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
    while true {
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
        guard let last else { throw Self.userNotFound }
        return round.receipt(
          last, isOver: true,
          pending: [ErasureReceipt.Pending(purge, directory.purgeProblem, place: "directory")]
            .compactMap(\.self))
      }
      last = plan
      if let receipt = try await round.run(plan, renewing: renew(plan, by: deadline)) {
        return receipt
      }
    }
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

/// One run of an erasure, under tokens that grow each time another run has taken it over:
///
/// 1. the directory: nothing of it is admitted any more (done before);
/// 2. every home that the directory names, stamped and emptied, shard by shard; what the user wrote in groups;
/// 3. the shards purged;
/// 4. the mapping dropped, and the directory purged.
private struct ErasureRound {
  let router: ResidencyRouter
  let deadline: ContinuousClock.Instant
  /// Counts of earlier runs are kept: what they deleted is gone.
  private var erased: [ErasurePlan.Home: ErasedHome] = [:]
  private var authored: [ErasurePlan.SharedHome: ErasedHome] = [:]

  init(router: ResidencyRouter, deadline: ContinuousClock.Instant) {
    self.router = router
    self.deadline = deadline
  }

  /// Nil if another run has taken the erasure over.
  mutating func run(
    _ plan: ErasurePlan, renewing lease: Task<Void, Never>
  ) async throws(RouterError) -> ErasureReceipt? {
    defer { lease.cancel() }
    var pending: [ErasureReceipt.Pending] = []
    if !plan.shared.isEmpty {
      // No home of a group takes a write of the user any more.
      for (shard, reason) in try await router.stampPendingTags(of: plan.owner, by: deadline) {
        pending.append(ErasureReceipt.Pending(place: shard, reason: "\(reason)"))
      }
    }
    let shards = Set(plan.homes.map(\.shard) + plan.shared.map(\.home.shard))
    for name in shards.sorted() {
      do {
        let shard = try await open(name)
        for shared in plan.shared where shared.home.shard == name {
          try await erase(shared, by: plan.alias, in: shard)
        }
        for home in plan.homes where home.shard == name {
          let erasure = HomeErasure(
            owner: plan.owner, dataClass: home.dataClass, token: plan.token,
            holds: plan.holds[home.dataClass] ?? [])
          try await erase(erasure, home, in: shard)
        }
        // What an earlier run deleted may still be in the WAL.
        let purge = await shard.purge(by: deadline)
        if let waits = ErasureReceipt.Pending(purge, shard.purgeProblem, place: name) {
          pending.append(waits)
        }
      } catch let error as StorageError where error.code == .outrun {
        if deadline > .now { return nil }
        pending.append(
          ErasureReceipt.Pending(place: name, reason: "Another erasure of this user goes on."))
      } catch {
        let message = (error as? RouterError)?.description ?? "\(error)"
        pending.append(ErasureReceipt.Pending(place: name, reason: message))
      }
    }
    if pending.isEmpty {
      let held = erased.filter { $0.value.held != nil }
      let sharedHeld = authored.values.compactMap(\.held)
      let due = held.values.map { $0.held?.data.until } + sharedHeld.map(\.data.until)
      let refusal = try await routing {
        try await router.directory.finishErasure(
          plan, held: Set(held.keys.map(\.dataClass)), isSharedHeld: !sharedHeld.isEmpty,
          due: due.compactMap(\.self).min().map(Date.init(milliseconds:)),
          at: router.options.clock.now, by: deadline)
      }
      if refusal != nil {
        if deadline > .now { return nil }
        pending.append(
          ErasureReceipt.Pending(
            place: "directory", reason: "Another erasure of this user goes on."))
      }
      let purge = await router.directory.purge(by: deadline)
      if let waits = ErasureReceipt.Pending(
        purge, router.directory.purgeProblem, place: "directory")
      {
        pending.append(waits)
      }
    }
    return receipt(plan, pending: pending)
  }

  /// What the user wrote in a group; the group's other records stay.
  private mutating func erase(
    _ shared: ErasurePlan.SharedHome, by author: OwnerAlias, in shard: SQLiteShard
  ) async throws {
    let erasure = AuthoredErasure(
      group: shared.group, dataClass: shared.home.dataClass, serial: shared.serial,
      author: author)
    for attempt in 1...2 {
      do throws(StorageError) {
        let result = try await shard.erase(erasure, by: deadline)
        var sum = authored[shared] ?? ErasedHome()
        sum.records += result.records
        sum.bytes += result.bytes
        sum.held = result.held
        authored[shared] = sum
        return
      } catch {
        guard error.code == .policyChanged, attempt == 1 else { throw error }
        try await router.synchronize(shard: shared.home.shard, by: deadline)
      }
    }
  }

  /// What is held is decided by the law in force: a shard that is behind is raised first.
  private mutating func erase(
    _ erasure: HomeErasure, _ home: ErasurePlan.Home, in shard: SQLiteShard
  ) async throws {
    for attempt in 1...2 {
      let result = await shard.erase(erasure, by: deadline)
      var sum = erased[home] ?? ErasedHome()
      sum.records += result.records
      sum.bytes += result.bytes
      sum.held = result.held
      erased[home] = sum
      guard let error = result.error else { return }
      guard error.code == .policyChanged, attempt == 1 else { throw error }
      try await router.synchronize(shard: home.shard, by: deadline)
    }
  }

  private func open(_ name: String) async throws(RouterError) -> SQLiteShard {
    let inForce = router.inForce
    guard let definition = inForce.shard(name) else {
      throw RouterError(
        .unavailable, "The topology in force has no shard \(name), where a home is.")
    }
    return try await router.shard(definition, in: inForce, by: deadline)
  }

  /// With `isOver` another run has ended the erasure, so that nothing is held any more.
  func receipt(
    _ plan: ErasurePlan, isOver: Bool = false, pending: [ErasureReceipt.Pending]
  ) -> ErasureReceipt {
    // What is in a group's home is told with the user's own of that place: which groups there were is nobody's business.
    let homes = authored.reduce(into: erased) { homes, shared in
      var sum = homes[shared.key.home] ?? ErasedHome()
      sum.records += shared.value.records
      sum.bytes += shared.value.bytes
      sum.held = HeldHome.sum(sum.held, shared.value.held)
      homes[shared.key.home] = sum
    }.sorted { ($0.key.dataClass, $0.key.shard) < ($1.key.dataClass, $1.key.shard) }
    return ErasureReceipt(
      alias: "\(plan.alias)",
      erased: homes.map { home, result in
        router.erased(
          result.records, result.bytes, dataClass: home.dataClass, collection: nil,
          shard: home.shard)
      },
      held: homes.compactMap { home, result in
        isOver
          ? nil
          : result.held.map {
            ErasureReceipt.Held($0, dataClass: home.dataClass, shard: home.shard)
          }
      },
      pending: pending, time: router.options.clock.now,
      policyGeneration: router.policyGeneration, serial: plan.token)
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
