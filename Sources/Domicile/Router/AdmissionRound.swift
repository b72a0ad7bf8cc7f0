import DomicileDirectory
import DomicilePolicy
import DomicileStorage

/// One try at admitting some users under one policy. Admission is a move from nowhere:
///
/// 1. the directory's rows `admitting`, with target and token;
/// 2. homes staged `incoming` with the token as serial; a target that became illegal is dropped first;
/// 3. the directory's change to `placed`, which is the commit point;
/// 4. the homes opened, by this router or by any that finds them so.
struct AdmissionRound {
  let router: ResidencyRouter
  let deadline: ContinuousClock.Instant
  let inForce: PolicyInForce

  typealias Outcome = Result<AdmittedUser, AdmissionFailure>

  /// One class of one user on its way.
  private struct Step {
    let candidate: Int
    let ticket: AdmissionTicket
  }

  init(router: ResidencyRouter, deadline: ContinuousClock.Instant) {
    self.router = router
    self.deadline = deadline
    inForce = router.inForce
  }

  func admit(_ candidates: [AdmissionCandidate]) async -> [Outcome] {
    var failures: [Int: AdmissionFailure] = [:]
    var plans: [(candidate: Int, plan: AdmissionPlan)] = []
    for (index, candidate) in candidates.enumerated() {
      do throws(RouterError) {
        plans.append((index, try plan(candidate)))
      } catch {
        failures[index] = AdmissionFailure(error)
      }
    }
    plans = await withOpenShards(plans, &failures)
    var steps = await begin(plans, &failures)
    let isNew = Set(steps.map(\.candidate))
    steps = await clearIllegalTargets(steps, &failures)
    steps = await stage(steps, &failures)
    steps = await commit(steps, &failures)
    await open(steps, &failures)
    return candidates.indices.map { index in
      if let failure = failures[index] { return .failure(failure) }
      return outcome(candidates[index], isNew: isNew.contains(index))
    }
  }

  private func outcome(_ candidate: AdmissionCandidate, isNew: Bool) -> Outcome {
    do throws(RouterError) {
      guard let entry = try routing({ try router.directory.user(candidate.owner) }),
        !entry.isErasing
      else {
        throw ResidencyRouter.userNotFound
      }
      router.cache(entry)
      let regions = try regions(of: entry, for: candidate)
      return .success(AdmittedUser(regions: regions, isNew: isNew))
    } catch {
      return .failure(AdmissionFailure(error))
    }
  }

  /// Where the classes that a candidate asks for are placed already.
  ///
  /// - Throws: ``RouterError`` with `alreadyPlaced` if one of them is not where the candidate wishes.
  private func regions(
    of entry: UserEntry, for candidate: AdmissionCandidate
  ) throws(RouterError) -> [String: String] {
    var regions: [String: String] = [:]
    for name in candidate.dataClasses ?? inForce.recordClasses {
      guard let placement = entry.placement(name), placement.state == .placed else { continue }
      regions[name] = inForce.shard(placement.shard)?.region
    }
    let others = Set(regions.values).subtracting([candidate.region ?? ""])
    if candidate.region != nil, let other = others.min() {
      throw RouterError(
        .alreadyPlaced,
        "The user's home is in \(other), and an admission does not move it. Nothing was written. “domicile move” does.",
        region: other)
    }
    return regions
  }

  // MARK: 0. What the policy says

  private func plan(_ candidate: AdmissionCandidate) throws(RouterError) -> AdmissionPlan {
    let policy = inForce.policy
    return try routing {
      let profile = try profile(of: candidate)
      let isGroup = candidate.kind.planned != .user
      // Whose tags the policy does not know is nobody else's business: no place is legal for them.
      let compiled = isGroup ? (try? policy.compile(profile)) ?? [] : try policy.compile(profile)
      var targets: [AdmissionPlan.Target] = []
      for name in candidate.dataClasses ?? inForce.recordClasses {
        let number = try policy.number(ofClass: name)
        var choices = policy.shardsByPreference(compiled, dataClass: number)
        if let region = candidate.region {
          choices = choices.map { $0.filter { $0.region == region } }.filter { !$0.isEmpty }
        }
        guard let best = choices.first else {
          let verdict = try policy.verdict(
            for: profile, isGroup: isGroup, dataClass: name, in: candidate.region)
          if verdict.isAllowed, let region = candidate.region { throw RouterError(drained: region) }
          throw RouterError(refusing: verdict)
        }
        if let away = best.first(where: { !router.shards.carries(region: $0.region) }) {
          throw RouterError(
            .elsewhere,
            "The region \(away.region), where the user's \(name) would live, is not carried by this"
              + " process. Forward the call to one that does; nothing was written.",
            region: away.region)
        }
        targets.append(
          AdmissionPlan.Target(
            dataClass: name, shards: best.map(\.name),
            legalShards: Set(choices.joined().map(\.name)),
            rules: inForce.rulesAsked(compiled, isGroup: isGroup, dataClass: number)))
      }
      // The directory's rows about the user are data too, and lie in the directory's region.
      let directoryRegion = policy.topology.directoryRegion
      guard try inForce.permitsInDirectory(profile) else {
        let verdict = try policy.verdict(
          for: profile, isGroup: isGroup, dataClass: "directory", in: directoryRegion)
        throw RouterError(
          .refused,
          "The directory lies in \(directoryRegion), where nothing about this user may be noted."
            + " Nothing was written. \(verdict.statement)", region: directoryRegion,
          verdict: verdict)
      }
      if candidate.region != nil, let entry = try router.directory.user(candidate.owner) {
        _ = try regions(of: entry, for: candidate)
      }
      var random = InjectedRandom(source: router.options.random)
      return AdmissionPlan(
        owner: candidate.owner, alias: OwnerAlias(using: &random), profile: profile,
        kind: candidate.kind.planned, targets: targets)
    }
  }

  /// A group's tags are those of its members, as they are now.
  private func profile(of candidate: AdmissionCandidate) throws -> HomeProfile {
    switch candidate.kind {
    case .user(let profile): return HomeProfile(profile)
    case .group: return try router.groupEntry(candidate.owner).profile
    case .newGroup(let members):
      let profiles = try members.map { member in
        guard let entry = try router.directory.user(member.user) else {
          throw ResidencyRouter.userNotFound
        }
        guard !entry.isErasing else { throw ResidencyRouter.userIsErased }
        return entry.profile.members
      }
      return HomeProfile(profiles.joined())
    }
  }

  /// The plans with those target shards that are open: a row in the directory for a shard that is down would
  /// promise what cannot be kept.
  private func withOpenShards(
    _ plans: [(candidate: Int, plan: AdmissionPlan)], _ failures: inout [Int: AdmissionFailure]
  ) async -> [(candidate: Int, plan: AdmissionPlan)] {
    var problems: [String: RouterError] = [:]
    for name in Set(plans.flatMap { $0.plan.targets.flatMap(\.shards) }).sorted() {
      guard let definition = inForce.shard(name) else { continue }
      do throws(RouterError) {
        _ = try await router.shard(definition, in: inForce, by: deadline)
      } catch {
        problems[name] = error
      }
    }
    if problems.isEmpty { return plans }
    var usable: [(candidate: Int, plan: AdmissionPlan)] = []
    for (candidate, plan) in plans {
      let targets = plan.targets.map { target in
        AdmissionPlan.Target(
          dataClass: target.dataClass, shards: target.shards.filter { problems[$0] == nil },
          legalShards: target.legalShards, rules: target.rules)
      }
      if let closed = zip(plan.targets, targets).first(where: { $0.1.shards.isEmpty })?.0,
        let problem = closed.shards.compactMap({ problems[$0] }).first
      {
        failures[candidate] = AdmissionFailure(problem)
      } else {
        usable.append(
          (
            candidate,
            AdmissionPlan(
              owner: plan.owner, alias: plan.alias, profile: plan.profile, kind: plan.kind,
              targets: targets)
          ))
      }
    }
    return usable
  }

  // MARK: 1. Rows in the directory

  private func begin(
    _ plans: [(candidate: Int, plan: AdmissionPlan)], _ failures: inout [Int: AdmissionFailure]
  ) async -> [Step] {
    guard !plans.isEmpty else { return [] }
    var steps: [Step] = []
    do throws(StorageError) {
      let begun = try await router.directory.beginAdmissions(
        plans.map(\.plan), law: inForce.reference, by: deadline)
      for (plan, result) in zip(plans, begun) {
        switch result {
        case .success(let tickets):
          steps += tickets.map { Step(candidate: plan.candidate, ticket: $0) }
        case .failure(let error) where error.code == .retagged && plan.plan.kind != .user:
          failures[plan.candidate] = AdmissionFailure(RouterError(.groupExists, error.message))
        case .failure(let error): failures[plan.candidate] = AdmissionFailure(error)
        }
      }
    } catch {
      for plan in plans { failures[plan.candidate] = AdmissionFailure(error) }
    }
    return steps
  }

  private func clearIllegalTargets(
    _ steps: [Step], _ failures: inout [Int: AdmissionFailure]
  ) async -> [Step] {
    let illegal = steps.filter { $0.ticket.illegalShard != nil }
    guard !illegal.isEmpty else { return steps }
    let dropped = await inShards(illegal, named: { $0.ticket.illegalShard ?? "" }, &failures) {
      shard, steps throws(StorageError) in
      try await shard.drop(steps.map(\.ticket.home), by: deadline)
    }
    let retargeted = await inDirectory(dropped, &failures) { tickets throws(StorageError) in
      try await router.directory.retarget(tickets, law: inForce.reference, by: deadline)
    }
    return steps.filter { $0.ticket.illegalShard == nil } + retargeted
  }

  // MARK: 2. Homes in the shards

  private func stage(
    _ steps: [Step], _ failures: inout [Int: AdmissionFailure]
  ) async -> [Step] {
    await inShards(steps, named: \.ticket.shard, &failures) { shard, steps throws(StorageError) in
      try await shard.stage(
        steps.map {
          HomeStaging(home: $0.ticket.home, alias: $0.ticket.alias, profile: $0.ticket.profile)
        }, law: inForce.reference, by: deadline)
    }
  }

  // MARK: 3. The commit point

  private func commit(
    _ steps: [Step], _ failures: inout [Int: AdmissionFailure]
  ) async -> [Step] {
    let committed = await inDirectory(steps, &failures) { tickets throws(StorageError) in
      try await router.directory.commitAdmissions(tickets, law: inForce.reference, by: deadline)
    }
    for step in committed {
      router.metrics.countAdmission(
        region: inForce.shard(step.ticket.shard)?.region ?? "",
        dataClass: step.ticket.home.dataClass)
    }
    return committed
  }

  // MARK: 4. Open

  private func open(_ steps: [Step], _ failures: inout [Int: AdmissionFailure]) async {
    // The users are admitted already: a home that is not opened now is opened at its first use.
    var ignored: [Int: AdmissionFailure] = [:]
    _ = await inShards(steps, named: \.ticket.shard, &ignored) {
      shard, steps throws(StorageError) in
      try await shard.open(steps.map(\.ticket.home), by: deadline)
    }
    await router.finishHolds(on: Set(steps.map(\.ticket.home.owner)))
  }

  // MARK: Batches

  /// Does a step for all of them in the directory; those for which it worked.
  private func inDirectory(
    _ steps: [Step], _ failures: inout [Int: AdmissionFailure],
    _ work: ([AdmissionTicket]) async throws(StorageError) -> [StorageError?]
  ) async -> [Step] {
    let going = steps.filter { failures[$0.candidate] == nil }
    guard !going.isEmpty else { return [] }
    var done: [Step] = []
    do throws(StorageError) {
      for (step, error) in zip(going, try await work(going.map(\.ticket))) {
        if let error {
          failures[step.candidate] = AdmissionFailure(error)
        } else {
          done.append(step)
        }
      }
    } catch {
      for step in going { failures[step.candidate] = AdmissionFailure(error) }
    }
    return done
  }

  /// Does a step for all of them, one transaction a shard; those for which it worked.
  private func inShards(
    _ steps: [Step], named name: (Step) -> String, _ failures: inout [Int: AdmissionFailure],
    _ work: (SQLiteShard, [Step]) async throws(StorageError) -> [StorageError?]
  ) async -> [Step] {
    let going = steps.filter { failures[$0.candidate] == nil }
    var done: [Step] = []
    for (shardName, group) in Dictionary(grouping: going, by: name).sorted(by: { $0.key < $1.key })
    {
      let definition = inForce.shard(shardName)
      do {
        guard let definition else {
          throw RouterError(.unknownName, "The topology in force has no shard \(shardName).")
        }
        let shard = try await router.shard(definition, in: inForce, by: deadline)
        for (step, error) in zip(
          group, try await raising(shardName) { try await work(shard, group) })
        {
          if let error {
            failures[step.candidate] = AdmissionFailure(error, region: definition.region)
          } else {
            done.append(step)
          }
        }
      } catch {
        let failure =
          (error as? StorageError).map { AdmissionFailure($0, region: definition?.region) }
          ?? AdmissionFailure(
            (error as? RouterError) ?? RouterError(.unavailable, "An unexpected failure."))
        for step in group { failures[step.candidate] = failure }
      }
    }
    return done
  }

  /// Raises a shard that turns out to be behind the policy, and tries once more.
  private func raising(
    _ shard: String, _ work: () async throws -> [StorageError?]
  ) async throws -> [StorageError?] {
    let first = try await work()
    guard first.contains(where: { $0?.code == .policyChanged }) else { return first }
    try await router.synchronize(shard: shard, by: deadline)
    return try await work()
  }
}

extension AdmissionCandidate.Kind {
  fileprivate var planned: AdmissionPlan.Kind {
    switch self {
    case .user: .user
    case .group: .group
    case .newGroup(let members): .newGroup(members: members)
    }
  }
}
