import DomicileDirectory
public import DomicilePolicy
import DomicileStorage
import Logging

/// What became of applying a policy.
public struct PolicyApplication: Sendable {
  /// The generation that is in force now.
  public let generation: Int64
  public let digest: PolicyDigest
  /// The shards that are not stamped with the policy yet, and why. Each is stamped before its first write
  /// under this router.
  public let pending: [(shard: String, reason: RouterError)]

  /// Whether no write that was decided under an earlier policy can be committed any more.
  public var isApplied: Bool { pending.isEmpty }
}

extension ResidencyRouter {
  /// Puts the policy of a regions folder in force: in the directory first, then in every shard.
  ///
  /// A policy that is in force already stays so, with its generation; shards that lag behind are stamped.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/invalidPolicy`` and its problems, or
  ///   ``RouterError/Code/shardInUse``, ``RouterError/Code/collectionInUse`` or ``RouterError/Code/directoryInUse``. Nothing was
  ///   applied then.
  public func apply(regions: String) async throws(RouterError) -> PolicyApplication {
    try await apply(routing { try ResidencyPolicy(folder: regions, on: today()) })
  }

  /// Puts a policy in force, in the phase of the day that it was compiled for, or of a later day that has been seen.
  public func apply(_ policy: ResidencyPolicy) async throws(RouterError) -> PolicyApplication {
    try await apply(policy, over: nil)
  }

  /// With a base only over this.
  func apply(
    _ policy: ResidencyPolicy, over base: LawReference?
  ) async throws(RouterError) -> PolicyApplication {
    let day = try today()
    let policy =
      policy.day >= day
      ? policy : try routing { try policy.compiled(on: day) }
    if let refusal = refusal(of: policy) { throw refusal }
    return try await enact(policy) { deadline throws(StorageError) in
      try await directory.apply(policy, over: base, at: options.clock.now, by: deadline)
    }
  }

  /// Why a policy would not be put in force; nil if it would, as far as is known before it is tried.
  func refusal(of policy: ResidencyPolicy) -> RouterError? {
    let (topology, next) = (inForce.policy.topology, policy.topology)
    let region = topology.directoryRegion
    func country(_ topology: RegionTopology) -> CountryCode? {
      topology.regions.first { $0.name == topology.directoryRegion }?.country
    }
    guard next.directoryRegion == region, country(next) == country(topology) else {
      return RouterError(
        .directoryInUse,
        "The topology puts the directory into the region \(next.directoryRegion)"
          + " (\(country(next).map(\.description) ?? "")), but its file lies in \(region)"
          + " (\(country(topology).map(\.description) ?? "")) and does not move. Nothing was applied. Keep"
          + " “directory: \(region)” and the region's country.", region: region)
    }
    do {
      return try directory.refusal(of: policy).map { RouterError($0) }
    } catch {
      return RouterError(error)
    }
  }

  /// Begins a later phase of the policy in force; raises shards to whatever is in force then.
  func beginPhase(of policy: ResidencyPolicy) async throws(RouterError) -> PolicyApplication {
    try await enact(policy) { deadline throws(StorageError) in
      try await directory.beginPhase(of: policy, at: options.clock.now, by: deadline)
    }
  }

  private func enact(
    _ policy: ResidencyPolicy,
    with put: (ContinuousClock.Instant) async throws(StorageError) -> LawReference
  ) async throws(RouterError) -> PolicyApplication {
    let reference: LawReference
    do throws(StorageError) {
      reference = try await put(.now + options.deadline)
    } catch {
      // Where the outcome is unknown the policy may be in force all the same.
      try reloadPolicy()
      throw RouterError(error)
    }
    var next = PolicyInForce(reference: reference, policy: policy, location: options.location)
    let applied = try routing { try directory.policyInForce() }
    if reference.digest != policy.digest
      || applied.reference == reference && applied.day != policy.day
    {
      // Others are in force; or it was already, perhaps in a later phase.
      next = PolicyInForce(
        reference: applied.reference,
        policy: try routing { try ResidencyPolicy(files: applied.files, on: applied.day) },
        location: options.location)
    }
    adopt(next)
    var pending: [(shard: String, reason: RouterError)] = []
    for definition in next.policy.topology.shards {
      do {
        try await raise(definition, to: next, by: .now + options.deadline)
        try await noteBarred(in: definition, by: next)
      } catch {
        pending.append((definition.name, error))
      }
    }
    options.logger.debug(
      "policy applied",
      metadata: [
        "policy.generation": "\(next.reference.generation)",
        "policy.digest": "\(next.policy.digest.short)",
        "shards.pending": "\(pending.count)",
      ])
    return PolicyApplication(
      generation: next.reference.generation, digest: next.policy.digest, pending: pending)
  }

  /// Stamps a shard with a policy; makes its file if that was never made.
  private func raise(
    _ definition: ShardDefinition, to inForce: PolicyInForce, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) {
    let shard = try await shard(definition, in: inForce, by: deadline)
    let isRaised = try await routing(region: definition.region) {
      try await shard.raise(
        to: inForce.reference, law: inForce.policy.law(ofShard: definition),
        accepts: definition.accepts, by: deadline)
    }
    guard isRaised else {
      // Of two applies at once the later one may have been here first.
      let current = try routing { try directory.reference() }
      if current.generation > inForce.reference.generation { return }
      throw RouterError(
        .unavailable,
        "The shard \(definition.name) has a later policy than the directory. If an old directory was"
          + " brought back, bring the right one back.", region: definition.region)
    }
  }

  /// The shard of a home that the directory names, open.
  func shard(
    named name: String, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) -> SQLiteShard {
    let current = inForce
    guard let definition = current.shard(name) else {
      throw RouterError(
        .unavailable, "The topology in force has no shard \(name), where a home is.")
    }
    return try await shard(definition, in: current, by: deadline)
  }

  /// A shard, open; made first if that never happened.
  func shard(
    _ definition: ShardDefinition, in inForce: PolicyInForce, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) -> SQLiteShard {
    guard let country = inForce.country(ofRegion: definition.region) else {
      throw RouterError(.unknownName, "The topology has no region \(definition.region).")
    }
    if let noted = shards.noted(definition, country: country) { return noted }
    // A shard that is named by placements holds data, whatever else is noted of it.
    let isNew = try routing {
      try directory.shards().contains {
        $0.name == definition.name && !$0.isCreated && $0.placements == 0
      }
    }
    let shard = try shards.shard(definition, country: country, isNew: isNew)
    if isNew {
      // Before it takes a home: a shard that held data is never made anew.
      try await routing { try await directory.noteCreated(shard: definition.name, by: deadline) }
    }
    shards.note(definition, country: country)
    return shard
  }

  /// Learns the policy in force from the directory, and raises a shard that is behind it.
  func synchronize(
    shard name: String, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) {
    try reloadPolicy()
    let current = inForce
    guard let definition = current.shard(name) else {
      throw RouterError(.unknownName, "The topology in force has no shard \(name).")
    }
    try await raise(definition, to: current, by: deadline)
  }

  func reloadPolicy() throws(RouterError) {
    try routing {
      guard try directory.reference() != inForce.reference else { return }
      let applied = try directory.policyInForce()
      adopt(
        PolicyInForce(
          reference: applied.reference,
          policy: try ResidencyPolicy(files: applied.files, on: applied.day),
          location: options.location))
    }
  }

  // MARK: Phases

  /// The policy in force. A phase whose end has come by this process's clock is ended first, by whoever sees it.
  func currentPolicy() async throws(RouterError) -> PolicyInForce {
    let current = inForce
    guard current.isOver(by: options.clock) else { return current }
    try reloadPolicy()
    guard inForce.isOver(by: options.clock) else { return inForce }
    let files = inForce.policy.files
    let day = try today()
    _ = try await beginPhase(of: routing { try ResidencyPolicy(files: files, on: day) })
    return inForce
  }

  /// Today by this process's clock, but no day before one that has been: a clock behind never goes back a phase.
  private func today() throws(RouterError) -> PolicyDay {
    max(options.today, try routing { try directory.day() })
  }
}
