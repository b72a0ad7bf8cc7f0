import DomicileDirectory
import DomicilePolicy
import DomicileStorage

/// A user of a router, or a group as one of its members sees it: where records are written and read.
///
/// Cheap to copy and to keep. Its routes follow what the shards say, so a handle stays good across changes of
/// policy and place.
public struct UserHandle: Sendable {
  let router: ResidencyRouter
  let routes: UserRoutes
  /// Nil for a user's own data.
  var membership: GroupMembership?

  /// The user's tags; nil for a group, as those of its members are nobody else's business.
  public var profile: ResidencyProfile? {
    membership == nil ? routes.entry.profile.members.first : nil
  }

  /// Who writes with this handle, as records carry it; nil in a user's own home.
  public var author: RecordAuthor? { membership.map { RecordAuthor($0.author) } }

  /// Places a class of data that has no home yet, in a region of the caller's wish.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/refused`` and the verdict if the policy forbids the
  ///   region; ``RouterError/Code/alreadyPlaced`` if the home is in another region, which only a move changes.
  public func place(
    _ dataClass: String, in region: String, deadline: Duration? = nil
  ) async throws(RouterError) {
    do throws(RouterError) {
      try refresh()
      let entry = routes.entry
      try membership?.check(tags: entry.tags)
      let inForce = try await router.currentPolicy()
      try routing {
        let verdict = try inForce.policy.verdict(
          for: entry.profile, isGroup: entry.isGroup, dataClass: dataClass, in: region)
        try inForce.checkHoldsRecords(dataClass)
        guard verdict.isAllowed else { throw RouterError(refusing: verdict) }
      }
      let candidate = AdmissionCandidate(
        place: 0, owner: entry.owner, kind: kind(of: entry), dataClasses: [dataClass],
        region: region)
      let results = await router.admit(
        [candidate], by: .now + (deadline ?? router.options.deadline))
      _ = try results[0].get()
      try refresh()
    } catch {
      throw counted(error)
    }
  }

  // MARK: Routes

  /// The route of a class, from memory if it holds for the policy in force.
  func route(
    _ dataClass: String, under inForce: PolicyInForce, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) -> Route {
    let generation = inForce.reference.generation
    if let known = routes.route(dataClass, generation: generation) { return known }
    var entry = routes.entry
    var known = entry.placement(dataClass)
    if known?.state != .placed {
      // It may have been placed since the routes were read.
      try refresh()
      entry = routes.entry
      known = entry.placement(dataClass)
    }
    guard let placement = known else {
      throw RouterError(
        .notFound,
        entry.isGroup
          ? "The group has no home for the class “\(dataClass)”. “domicile group create” with the same members places it."
          : "The user has no home for the class “\(dataClass)”. Admit the user again to place it.")
    }
    guard placement.state != .erasing else {
      throw RouterError(
        .notFound,
        "The user's data of the class “\(dataClass)” is being erased, or was but for what must be kept."
      )
    }
    guard placement.state == .placed else {
      // Whoever finds an admission half way finishes it.
      let candidate = AdmissionCandidate(
        place: 0, owner: entry.owner, kind: kind(of: entry), dataClasses: [dataClass], region: nil)
      _ = try await router.admit([candidate], by: deadline)[0].get()
      try refresh()
      return try await route(dataClass, under: inForce, by: deadline)
    }
    guard let definition = inForce.shard(placement.shard),
      let country = inForce.country(ofRegion: definition.region)
    else {
      throw RouterError(
        .unavailable, "The topology in force has no shard \(placement.shard), where the home is.")
    }
    let shard = try router.shards.shard(definition, country: country)
    let (isLegal, isProcessable) = try routing {
      let policy = inForce.policy
      // Tags that the policy no longer knows: barred, as where it no longer permits them.
      guard let profile = try? policy.compile(entry.profile) else {
        return (false, !policy.restrictsProcessing)
      }
      let classNumber = try policy.number(ofClass: dataClass)
      let isLegal =
        try definition.accepts(entry.profile, in: policy)
        && policy.permits(
          profile, dataClass: classNumber, region: policy.number(ofRegion: definition.region))
      return (isLegal, inForce.permitsProcessing(profile, dataClass: classNumber))
    }
    let route = Route(
      home: entry.home(placement), shard: shard, region: definition.region,
      counters: router.metrics.recordCounters(region: definition.region, dataClass: dataClass),
      isLegal: isLegal, isProcessable: isProcessable)
    routes.keep(route, generation: generation)
    return route
  }

  private func kind(of entry: UserEntry) -> AdmissionCandidate.Kind {
    guard !entry.isGroup, let profile = entry.profile.members.first else { return .group }
    return .user(profile)
  }

  /// Reads the user's routes again, for this handle and all that come after it.
  private func refresh() throws(RouterError) {
    guard let entry = try routing({ try router.directory.user(routes.owner) }) else {
      router.forget(routes.owner)
      throw ResidencyRouter.userNotFound
    }
    router.cache(entry)
    // Handles older than the cache's memory of the user have routes of their own.
    routes.replace(entry)
  }

  /// Does something in the shard of the collections' class, again and again while what is believed of policy
  /// or route is out of date, until the deadline. Class, route and law are of the same policy in each try.
  func routed<T>(
    _ collections: [RecordCollection], deadline duration: Duration?,
    _ work: (Route, LawReference, ContinuousClock.Instant) async throws -> T
  ) async throws(RouterError) -> T {
    let deadline = ContinuousClock.now + (duration ?? router.options.deadline)
    var stale: Int64?
    while true {
      let current: PolicyInForce
      do throws(RouterError) {
        current = try await router.currentPolicy()
      } catch {
        throw counted(error)
      }
      let law = current.reference
      let route: Route
      do throws(RouterError) {
        route = try await self.route(
          current.dataClass(of: collections), under: current, by: deadline)
        try membership?.check(tags: route.home.tags)
      } catch {
        throw counted(error)
      }
      do {
        return try await work(route, law, deadline)
      } catch let error as StorageError {
        do throws(RouterError) {
          try await heal(error, route: route, stale: &stale, by: deadline)
        } catch {
          throw counted(error, route)
        }
      } catch {
        throw counted(
          (error as? RouterError) ?? RouterError(.unavailable, "An unexpected failure."), route)
      }
    }
  }

  /// Brings up to date what an error says is not; throws what cannot be helped.
  private func heal(
    _ error: StorageError, route: Route, stale: inout Int64?, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) {
    let failure = RouterError(error, region: route.region)
    let isStale: Bool
    switch error.code {
    case .policyChanged, .moved, .retagged, .notOpen, .frozen, .barred: isStale = true
    default: isStale = false
    }
    guard isStale, deadline > .now else { throw failure }
    switch error.code {
    case .policyChanged:
      try await router.synchronize(shard: route.shard.identity.name, by: deadline)
    case .notOpen:
      let refusals = try await routing(region: route.region) {
        try await route.shard.open([route.home], by: deadline)
      }
      if let refusal = refusals[0] { throw RouterError(refusal, region: route.region) }
    case .frozen:
      // For a few syncs: then the target is the home, or this one goes on.
      try await routing { try await Task.sleep(for: .milliseconds(1)) }
      try await routing(region: route.region) {
        try await router.thawOverdue(route.home, in: route.shard, by: deadline)
      }
      try refresh()
      stale = nil
    case .retagged:
      // Whoever changed the tags may not have come to this home yet. Others of the user are none of this call's business.
      try refresh()
      try await router.stamp(routes.entry, dataClass: route.home.dataClass, by: deadline)
      try await routing { try await Task.sleep(for: .milliseconds(1)) }
      stale = nil
    default:
      // The shard and the directory agree within one reading of the same home, or something is wrong with one of them.
      if stale == route.home.serial { throw explained(error, route: route) }
      stale = route.home.serial
      try router.reloadPolicy()
      try refresh()
    }
  }

  private func explained(_ error: StorageError, route: Route) -> RouterError {
    guard error.code == .moved else {
      return barred(route)
    }
    return RouterError(
      .homeMissing,
      "The directory says that the home is in the shard \(route.shard.identity.name), which does not have"
        + " it. Nothing was written. Run “domicile doctor”; an old file may have been brought back.",
      region: route.region)
  }

  /// Why writes to a home that became illegal are refused.
  func barred(_ route: Route) -> RouterError {
    let entry = routes.entry
    let verdict = try? router.policy.verdict(
      for: entry.profile, isGroup: entry.isGroup, dataClass: route.home.dataClass,
      in: route.region)
    return RouterError(
      .barred,
      "The policy in force no longer allows this home: reads and deletions go on, writes are refused."
        + " Nothing was written. \(remedy(entry, route))"
        + (verdict.map { " \($0.statement)" } ?? ""), region: route.region, verdict: verdict)
  }

  private func remedy(_ entry: UserEntry, _ route: Route) -> String {
    "Move it to a region that is legal (“domicile move\(entry.isGroup ? " --group" : "") --class \(route.home.dataClass) --to REGION”), or"
      + (entry.isGroup
        ? " let those leave whose tags are in the way." : " apply a policy that allows it.")
  }

  /// A refusal without the shard's word for it needs the directory's: the tags may have changed since the route was made, or the home
  /// may have moved to where it may be.
  func confirm(_ route: Route) throws {
    let entry = try router.directory.user(routes.owner)
    guard entry?.tags == route.home.tags else {
      throw StorageError(.retagged, "The tags have changed; nothing was written.")
    }
    guard entry?.placement(route.home.dataClass)?.serial == route.home.serial else {
      throw StorageError(.moved, "The home has moved; nothing was written.")
    }
  }

  /// Reads what a home answers. A frozen one is asked before the directory: if that still names it, it had the last word until then.
  func answering<T>(_ route: Route, _ read: (_ evenFrozen: Bool) throws -> T) throws -> T {
    do {
      return try read(false)
    } catch let error as StorageError where error.code == .frozen {
      let answer = try read(true)
      let placement = try router.directory.user(routes.owner)?.placement(route.home.dataClass)
      guard placement?.serial == route.home.serial, placement?.state == .placed else {
        throw StorageError(.moved, "The home has moved on.")
      }
      return answer
    }
  }

  /// Refuses to read or write what may not be processed where this process runs.
  func checkIsProcessable(_ route: Route) throws {
    if route.isProcessable { return }
    try confirm(route)
    let verdict = try? router.policy.processingVerdict(
      for: routes.entry, dataClass: route.home.dataClass, in: router.options.location)
    throw RouterError(
      .processingRefused,
      "The policy in force does not allow this process to read or write this data; nothing was read or"
        + " written. Call from where it may be processed"
        + (router.options.location == nil
          ? ", or say where this process runs (“--location”)." : ".")
        + (verdict.map { " \($0.statement)" } ?? ""), region: route.region, verdict: verdict)
  }

  func counted(_ error: RouterError, _ route: Route? = nil) -> RouterError {
    router.metrics.countError(error)
    if let route { router.refusedWrites.count(error, dataClass: route.home.dataClass) }
    return error
  }
}
