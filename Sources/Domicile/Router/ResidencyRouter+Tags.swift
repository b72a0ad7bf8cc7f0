import DomicileDirectory
public import DomicilePolicy
import DomicileStorage
import Logging

/// What became of a change of tags, or of the members of a group.
public struct TagChange: Sendable {
  /// A home that is where its tags no longer allow it: reads and deletions go on, writes are refused. Of the class
  /// `directory`: what the directory notes there may not be there either.
  public struct BarredHome: Sendable, Codable, Hashable {
    public let dataClass: String
    public let region: String
    /// Nil if the policy in force does not know the tags or the class.
    public let verdict: Verdict?
  }

  /// Those of the user or of the group that was asked about.
  public let barred: [BarredHome]
  /// Whether it is about a group that everybody has left, so that nobody can write there.
  public internal(set) var hasNoMembers = false
  /// Those of the groups in which the user is, barred by the user's own tags: what other members' tags bar would tell of them.
  public let barredGroups: [GroupPlacement]
  /// The shards with homes that are not stamped with the tags yet, of the user or of groups in which the user is, and why.
  /// Any router goes on with it; so does repeating the call.
  public let pending: [(shard: String, reason: RouterError)]

  /// Whether no write that was decided on earlier tags can be committed any more.
  public var isDone: Bool { pending.isEmpty }
}

extension [TagChange.BarredHome] {
  /// By class, the rules that bar a home.
  var rules: [String: [String]] {
    reduce(into: [:]) { rules, home in
      rules[home.dataClass] = home.verdict.map { $0.rules.map(\.name) } ?? []
    }
  }
}

extension ResidencyRouter {
  /// Gives a user other tags: in the directory first, with all groups in which the user is, then in each of their homes.
  ///
  /// A home that is no longer legal is barred at once. Repeating a call that was interrupted goes on.
  ///
  /// - Parameters:
  ///   - user: Who was admitted.
  ///   - residence: The country of residence: an ISO 3166-1 alpha-2 code, in either case.
  ///   - attributes: The declared attributes that are set now; all others are not.
  ///   - deadline: How long this may take; nil for the router's default. What is not done then is pending.
  /// - Returns: The homes that are barred, and what is pending.
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound``, ``RouterError/Code/unknownName``, or
  ///   ``RouterError/Code/erasing``. Nothing was changed then.
  public func retag(
    _ user: UserID, residence: String, attributes: [String] = [], deadline: Duration? = nil
  ) async throws(RouterError) -> TagChange {
    let end = ContinuousClock.now + (deadline ?? options.deadline)
    let owner = key.owner(ofUser: try user.checked())
    while true {
      let current = try await currentPolicy()
      let profile = try routing {
        try current.policy.profile(residence: residence, attributes: attributes)
      }
      guard let entry = try routing({ try directory.user(owner) }) else { throw Self.userNotFound }
      let barred = try barredHomes(HomeProfile(profile), of: entry)
      let isKnown: Bool
      do throws(StorageError) {
        isKnown = try await directory.changeTags(
          of: owner, to: profile, law: current.reference,
          barring: BarredPlaces(of: entry, barred: barred.rules), by: end)
      } catch {
        guard [.policyChanged, .outrun].contains(error.code), end > .now else {
          throw RouterError(error)
        }
        try reloadPolicy()
        continue
      }
      guard isKnown else { throw Self.userNotFound }
      return try await finishTagChange(of: owner, by: end)
    }
  }

  /// Stamps what is behind, and says what that has barred.
  func finishTagChange(
    of owner: OwnerKey, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) -> TagChange {
    try reloadPolicy()
    let pending = try await stampPendingTags(of: owner, by: deadline)
    guard let entry = try routing({ try directory.user(owner) }) else {
      forget(owner)
      return TagChange(barred: [], barredGroups: [], pending: pending)
    }
    cache(entry)
    let groups =
      entry.isGroup || entry.isErasing
      ? [] : try groupPlacements(of: owner, barredBy: entry.profile)
    return TagChange(
      barred: try barredHomes(entry.profile, of: entry),
      hasNoMembers: entry.profile.members.isEmpty,
      barredGroups: groups, pending: pending)
  }

  /// Which homes of an entry may not be where they are, if these are the tags.
  func barredHomes(
    _ profile: HomeProfile, of entry: UserEntry
  ) throws(RouterError) -> [TagChange.BarredHome] {
    let current = inForce
    var barred: [TagChange.BarredHome] = []
    let directoryRegion = current.policy.topology.directoryRegion
    if try !current.permitsInDirectory(profile) {
      barred.append(
        TagChange.BarredHome(
          dataClass: "directory", region: directoryRegion,
          verdict: try? current.policy.verdict(
            for: profile, isGroup: entry.isGroup, dataClass: "directory", in: directoryRegion)))
    }
    for placement in entry.placements where placement.state == .placed {
      guard let definition = current.shard(placement.shard) else { continue }
      let verdict = try? current.policy.verdict(
        for: profile, isGroup: entry.isGroup, dataClass: placement.dataClass,
        in: definition.region)
      if verdict?.isAllowed == true, definition.accepts(profile, in: current.policy) { continue }
      barred.append(
        TagChange.BarredHome(
          dataClass: placement.dataClass, region: definition.region, verdict: verdict))
    }
    return barred
  }

  /// Stamps the homes that are not known to have the latest tags: those of a user or group and of the user's groups, or
  /// everybody's. The shards in which some are left, and why.
  func stampPendingTags(
    of owner: OwnerKey?, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) -> [(shard: String, reason: RouterError)] {
    // Shards that do not answer, and those that refused a home.
    var failures: [String: RouterError] = [:]
    var refused: [String: RouterError] = [:]
    var last: PendingTags?
    while true {
      let page = try routing {
        try directory.pendingTags(of: owner, after: last, limit: Self.tagsPerStep)
      }
      last = page.last
      for (name, homes) in Dictionary(grouping: page, by: \.shard) where failures[name] == nil {
        do throws(RouterError) {
          let shard = try await shard(named: name, by: deadline)
          let region = shard.identity.region
          try await routing(region: region) {
            // One home that is missing keeps no other waiting.
            if let refusal = try await stamp(homes, in: shard, by: deadline) {
              refused[name] = RouterError(refusal, region: region)
            }
          }
        } catch {
          failures[name] = error
        }
      }
      if page.count < Self.tagsPerStep { break }
    }
    return failures.merging(refused, uniquingKeysWith: { failure, _ in failure })
      .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Stamps one home of an entry, if it is not known to have the latest tags.
  func stamp(
    _ entry: UserEntry, dataClass: String, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) {
    guard let placement = entry.placement(dataClass), placement.state == .placed else { return }
    let shard = try await shard(named: placement.shard, by: deadline)
    try await routing(region: shard.identity.region) {
      let home = PendingTags(
        userID: entry.id, shard: placement.shard, isAdmitting: false,
        staging: HomeStaging(
          home: entry.home(placement), alias: entry.alias, profile: entry.profile))
      if let refusal = try await stamp([home], in: shard, by: deadline) { throw refusal }
    }
  }

  /// Stamps those that can be; why one could not.
  private func stamp(
    _ homes: [PendingTags], in shard: SQLiteShard, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> StorageError? {
    let (staged, placed) = (homes.filter(\.isAdmitting), homes.filter { !$0.isAdmitting })
    var refusals: [StorageError?] = []
    if !placed.isEmpty {
      refusals += try await shard.retag(placed.map(\.staging), by: deadline)
    }
    if !staged.isEmpty {
      // Outrun: the admission has gone on, and staged it with the latest tags.
      refusals += try await shard.dropTaggedEarlier(staged.map(\.staging.home), by: deadline)
        .map { $0?.code == .outrun ? nil : $0 }
    }
    let stamped = zip(placed + staged, refusals).filter { $0.1 == nil }.map(\.0)
    try await directory.noteStamped(stamped, by: deadline)
    // One that has moved since it was listed has another row, or none.
    return refusals.compactMap(\.self).first
  }

  private static var tagsPerStep: Int { 1_000 }

  /// Goes on with changes of tags that somebody began and did not finish.
  ///
  /// A router does this by itself every minute while it sweeps, and when it is opened.
  public func finishTagChanges() async {
    do throws(RouterError) {
      for (shard, reason) in try await stampPendingTags(of: nil, by: .now + options.deadline)
      where reason.code != .elsewhere {
        options.logger.warning(
          "homes are not stamped with their tags",
          metadata: ["shard": "\(shard)", "error.code": "\(reason.code)"])
      }
    } catch {
      options.logger.warning(
        "changes of tags cannot be finished", metadata: ["error.code": "\(error.code)"])
    }
  }
}
