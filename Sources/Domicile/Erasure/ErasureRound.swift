import DomicileDirectory
import DomicilePolicy
import DomicileStorage
import Foundation

/// One run of an erasure, under tokens that grow each time another run has taken it over:
///
/// 1. the directory: nothing of it is admitted any more (done before);
/// 2. every home that the directory names, stamped and emptied, shard by shard; what the user wrote in groups;
/// 3. the shards purged;
/// 4. the mapping dropped, and the directory purged.
struct ErasureRound {
  let router: ResidencyRouter
  let deadline: ContinuousClock.Instant
  /// Counts of earlier runs are kept: what they deleted is gone.
  private var erased: [ErasurePlan.Home: ErasedHome] = [:]
  private var authored: [ErasurePlan.SharedHome: ErasedHome] = [:]
  /// Whether there is no time for another run, so that what stands in the way is pending.
  var isLast = false

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
    // What is held is found anew.
    for home in erased.keys { erased[home]?.held = nil }
    for shared in authored.keys { authored[shared]?.held = nil }
    // What a move has made elsewhere goes first, whatever is held in the home: under the erasure's token nobody fills it again.
    for (name, copies) in Dictionary(grouping: plan.copies, by: \.shard).sorted(by: {
      $0.key < $1.key
    }) {
      let isOutrun = await inShard(name, &pending) { [deadline] _, shard in
        let homes = copies.map {
          MoveHome(
            owner: plan.owner, dataClass: $0.dataClass, serial: plan.token, token: plan.token)
        }
        let refusals = try await shard.empty(homes, leaving: .absent, by: deadline)
        if let refusal = refusals.compactMap(\.self).first { throw refusal }
        return nil
      }
      if isOutrun { return nil }
    }
    let own = Dictionary(grouping: plan.homes, by: \.shard)
    for (name, homes) in own.sorted(by: { $0.key < $1.key }) {
      let isOutrun = await inShard(name, &pending) { round, shard in
        for home in homes {
          let erasure = HomeErasure(
            owner: plan.owner, dataClass: home.dataClass, token: plan.token,
            holds: plan.holds[home.dataClass] ?? [])
          try await round.erase(erasure, home, in: shard)
        }
        return nil
      }
      if isOutrun { return nil }
    }
    if plan.isWholeUser {
      // No home of a group takes a write of the user any more, nor has the user's tags.
      for (shard, reason) in try await router.stampPendingTags(of: plan.owner, by: deadline) {
        pending.append(ErasureReceipt.Pending(place: shard, reason: "\(reason)"))
      }
    }
    for shared in plan.shared {
      let isOutrun = await inShard(shared.home.shard, &pending) { round, shard in
        try await round.erase(
          shared, plan.holds[shared.home.dataClass] ?? [], token: plan.token, in: shard)
        return nil
      }
      if isOutrun { return nil }
    }
    let others = plan.isWholeUser ? await shardsWithRows(of: plan.owner) : []
    let shards = Set(
      plan.homes.map(\.shard) + plan.copies.map(\.shard) + plan.shared.map(\.home.shard)
        + plan.staged + others)
    for name in shards.sorted() {
      // What an earlier run deleted may still be in the WAL.
      _ = await inShard(name, &pending) { [deadline] _, shard in
        // The keyed hash of the id would lead whoever has the key to the erasure's entry.
        _ = try await shard.forgetGone(by: deadline)
        let purge = await shard.purge(by: deadline)
        return ErasureReceipt.Pending(purge, shard.purgeProblem, place: name)
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
        if !isLast { return nil }
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

  /// An admission that stopped half way, and went on elsewhere, has left a row in a shard that the directory no longer names. One
  /// that is down forgets it at its next sweep.
  private func shardsWithRows(of owner: OwnerKey) async -> [String] {
    var names: [String] = []
    for definition in router.inForce.policy.topology.shards
    where router.shards.carries(region: definition.region) {
      if let shard = try? await router.shard(named: definition.name, by: deadline),
        (try? shard.hasRow(of: owner)) ?? false
      {
        names.append(definition.name)
      }
    }
    return names
  }

  /// Does something in a shard; what it leaves to be done, and what goes wrong, is pending. Whether another run has taken the erasure over, or a group's home
  /// is not where it was, so that another plan is needed, and there is time for it.
  private mutating func inShard(
    _ name: String, _ pending: inout [ErasureReceipt.Pending],
    _ work: (inout Self, SQLiteShard) async throws -> ErasureReceipt.Pending?
  ) async -> Bool {
    let reason: String
    do {
      if let waits = try await work(&self, router.shard(named: name, by: deadline)) {
        pending.append(waits)
      }
      return false
    } catch let error as StorageError where [.outrun, .moved].contains(error.code) {
      if !isLast { return true }
      reason = "Another erasure of this user or group goes on, or one of the homes is missing."
    } catch {
      reason = (error as? RouterError)?.description ?? "\(error)"
    }
    // A shard that is away is named once.
    let waits = ErasureReceipt.Pending(place: name, reason: reason)
    if !pending.contains(waits) { pending.append(waits) }
    return false
  }

  /// What the user wrote in a group; the group's other records stay.
  private mutating func erase(
    _ shared: ErasurePlan.SharedHome, _ holds: [HomeHold], token: Int64, in shard: SQLiteShard
  ) async throws {
    let erasure = AuthoredErasure(
      group: shared.group, dataClass: shared.home.dataClass, serial: shared.serial,
      author: shared.author, token: token, holds: holds)
    for attempt in 1...2 {
      let result = await shard.erase(erasure, by: deadline)
      authored[shared, default: ErasedHome()].add(result.records, result.bytes)
      authored[shared]?.held = result.held
      guard let error = result.error else { return }
      guard error.code == .policyChanged, attempt == 1 else { throw error }
      try await router.synchronize(shard: shared.home.shard, by: deadline)
    }
  }

  /// What is held is decided by the law in force: a shard that is behind is raised first.
  private mutating func erase(
    _ erasure: HomeErasure, _ home: ErasurePlan.Home, in shard: SQLiteShard
  ) async throws {
    for attempt in 1...2 {
      let result = await shard.erase(erasure, by: deadline)
      erased[home, default: ErasedHome()].add(result.records, result.bytes)
      erased[home]?.held = result.held
      guard let error = result.error else { return }
      guard error.code == .policyChanged, attempt == 1 else { throw error }
      try await router.synchronize(shard: home.shard, by: deadline)
    }
  }

  /// With `isOver` another run has ended the erasure, so that nothing is held any more.
  func receipt(
    _ plan: ErasurePlan, isOver: Bool = false, pending: [ErasureReceipt.Pending]
  ) -> ErasureReceipt {
    // What is in a group's home is told with the user's own of that place: which groups there were is nobody's business.
    let homes = authored.reduce(into: erased) { homes, shared in
      var sum = homes[shared.key.home] ?? ErasedHome()
      sum.add(shared.value.records, shared.value.bytes)
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
