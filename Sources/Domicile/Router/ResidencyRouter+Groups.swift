import DomicileDirectory
import DomicilePolicy
import DomicileStorage
import Synchronization

extension ResidencyRouter {
  /// Makes a group and decides where its data lives: only where every member's may.
  ///
  /// As an admission, all classes or none; what was begun is finished by repeating the call.
  ///
  /// - Parameters:
  ///   - group: The id by which you know it.
  ///   - members: Users who were admitted, at least one.
  ///   - dataClasses: The classes to be placed; nil for all that have collections.
  ///   - region: A wish. Nil: as the policy prefers, else the one nearest to all.
  ///   - deadline: How long this may take; nil for the router's default.
  /// - Returns: The region of each class.
  /// - Throws: ``RouterError`` with ``RouterError/Code/unplaceable``, ``RouterError/Code/unserved`` or
  ///   ``RouterError/Code/refused``, whose verdict tells nothing of single members; ``RouterError/Code/groupExists`` if
  ///   there is one with other members; ``RouterError/Code/notFound`` if a member was not admitted.
  @discardableResult
  public func createGroup(
    _ group: GroupID, members: [UserID], dataClasses: [String]? = nil, region: String? = nil,
    deadline: Duration? = nil
  ) async throws(RouterError) -> AdmittedUser {
    guard !members.isEmpty else {
      throw RouterError(.invalidArgument, "A group has at least one member. Nothing was written.")
    }
    let current = try await currentPolicy()
    let candidate = try routing {
      if let region { _ = try current.policy.number(ofRegion: region) }
      for name in dataClasses ?? [] { try current.checkHoldsRecords(name) }
      return AdmissionCandidate(
        place: 0, owner: key.owner(ofGroup: try group.checked()),
        kind: .newGroup(
          members: try members.map {
            GroupMember(user: key.owner(ofUser: try $0.checked()), author: newAuthor())
          }),
        dataClasses: dataClasses.map { Set($0).sorted() }, region: region)
    }
    let admitted = await admit([candidate], by: .now + (deadline ?? options.deadline))[0]
    guard case .failure(var error) = admitted, dataClasses == nil, error.verdict != nil
    else { return try admitted.get() }
    let profiles = try routing {
      try members.map {
        try directory.user(key.owner(ofUser: try $0.checked()))?.profile.members ?? []
      }
    }
    try offerClasses(
      for: HomeProfile(profiles.joined()), isGroup: true, in: region, by: current, to: &error)
    throw error
  }

  /// Has the refusal of all classes at once say which of them have a place.
  func offerClasses(
    for profile: HomeProfile, isGroup: Bool, in region: String?, by current: PolicyInForce,
    to error: inout RouterError
  ) throws(RouterError) {
    // Where it may not be noted in the directory, no class helps.
    let placeable = try routing {
      try current.permitsInDirectory(profile)
        ? try current.recordClasses.filter {
          try current.policy.verdict(for: profile, isGroup: isGroup, dataClass: $0, in: region)
            .isAllowed
        } : []
    }
    guard !placeable.isEmpty else { return }
    error.message +=
      "\n  there is a place\(region.map { " in \($0)" } ?? "") for \(placeable.joined(separator: ", ")): to \(isGroup ? "create the group" : "admit the user")"
      + " for these only, name them (“--class”)"
  }

  /// A group's data, as one of its members reads and writes it: each record carries its author.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound`` if there is no such group, or the user is not in it.
  public func group(_ id: GroupID, as member: UserID) async throws(RouterError) -> UserHandle {
    let owner = key.owner(ofGroup: try id.checked())
    let member = key.owner(ofUser: try member.checked())
    let entry = try groupEntry(owner)
    guard try routing({ try directory.user(member) }) != nil else { throw Self.userNotFound }
    guard let author = try routing({ try directory.author(of: member, in: owner) }) else {
      throw GroupMembership.notAMember
    }
    let membership = GroupMembership(router: self, group: owner, member: member, author: author)
    try membership.check(tags: entry.tags)
    return UserHandle(router: self, routes: cache(entry), membership: membership)
  }

  /// Makes a user a member of a group.
  ///
  /// Refused if no place would be legal for the group's data then, or, unless `barsHomes` is set, if it could not stay
  /// where it is. The refusal tells nothing of the other members.
  ///
  /// - Parameters:
  ///   - user: Who was admitted. Joining again changes nothing.
  ///   - group: The group.
  ///   - barsHomes: Whether the group's homes may become illegal: reads and deletions go on, writes are refused.
  ///   - deadline: How long this may take; nil for the router's default. What is not done then is pending.
  /// - Returns: The group's homes that are barred, and what is pending.
  /// - Throws: ``RouterError`` with ``RouterError/Code/unplaceable``, ``RouterError/Code/unserved`` or
  ///   ``RouterError/Code/refused``; nothing was changed then.
  public func join(
    _ user: UserID, to group: GroupID, barsHomes: Bool = false, deadline: Duration? = nil
  ) async throws(RouterError) -> TagChange {
    let end = ContinuousClock.now + (deadline ?? options.deadline)
    let owner = key.owner(ofGroup: try group.checked())
    let joiner = key.owner(ofUser: try user.checked())
    while true {
      let current = try await currentPolicy()
      let group = try groupEntry(owner)
      guard let user = try routing({ try directory.user(joiner) }) else { throw Self.userNotFound }
      do throws(RouterError) {
        try checkJoining(user, group, barsHomes: barsHomes, under: current)
      } catch {
        await note([error.verdict.map { .refusal($0, isGroup: true) }].compactMap(\.self))
        throw error
      }
      let joined = HomeProfile(group.profile.members + user.profile.members)
      // Without the rules, which would tell of a member's tags.
      let barred = try barredHomes(joined, of: group).rules.mapValues { _ in [String]() }
      let joining = GroupJoining(
        group: group, user: user, author: newAuthor(),
        barred: BarredPlaces(of: group, barred: barred))
      let refusal = try await routing {
        try await directory.join(joining, law: current.reference, by: end)
      }
      guard let refusal else { return try await finishTagChange(of: owner, by: end) }
      guard [.outrun, .policyChanged].contains(refusal.code), end > .now else {
        throw RouterError(refusal)
      }
      try reloadPolicy()
    }
  }

  private func checkJoining(
    _ user: UserEntry, _ group: UserEntry, barsHomes: Bool, under current: PolicyInForce
  ) throws(RouterError) {
    let profile = HomeProfile(group.profile.members + user.profile.members)
    for placement in group.placements {
      let verdict = try routing {
        try current.policy.groupVerdict(for: profile, dataClass: placement.dataClass)
      }
      guard verdict.isAllowed else { throw RouterError(refusingJoin: verdict) }
    }
    let legal = try barredHomes(group.profile, of: group).map(\.dataClass)
    let barred = try barredHomes(profile, of: group).first { !legal.contains($0.dataClass) }
    if !barsHomes, let barred {
      throw barred.verdict.map(RouterError.init(refusingJoin:))
        ?? RouterError(
          .refused, "With this member the group could not be kept. Nothing was changed.")
    }
  }

  /// Ends a user's membership. What the user wrote stays with the group, and goes when the user is erased. Repeating a call
  /// that was interrupted goes on.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound`` if the user never was in the group.
  public func leave(
    _ user: UserID, from group: GroupID, deadline: Duration? = nil
  ) async throws(RouterError) -> TagChange {
    let end = ContinuousClock.now + (deadline ?? options.deadline)
    let owner = key.owner(ofGroup: try group.checked())
    let member = key.owner(ofUser: try user.checked())
    let hasLeft = try await routing { try await directory.leave(owner, user: member, by: end) }
    guard hasLeft else {
      _ = try groupEntry(owner)
      throw RouterError(
        .notFound, "The user never was a member of this group. Nothing was changed. Check both ids."
      )
    }
    return try await finishTagChange(of: owner, by: end)
  }

  /// Erases a group and all its data; see ``erase(_:dataClasses:deadline:)-(UserID,_,_)``.
  public func erase(
    _ group: GroupID, dataClasses: [String]? = nil, deadline: Duration? = nil
  ) async throws(RouterError) -> ErasureReceipt {
    let owner = key.owner(ofGroup: try group.checked())
    guard try routing({ try directory.user(owner) }) != nil else { throw Self.groupNotFound }
    return try await erase(owner, dataClasses: dataClasses, deadline: deadline)
  }

  static var groupNotFound: RouterError {
    RouterError(
      .notFound,
      "There is no such group. Check the name, or create it (“domicile group create”). Nothing was changed."
    )
  }

  private func newAuthor() -> OwnerAlias {
    var random = InjectedRandom(source: options.random)
    return OwnerAlias(using: &random)
  }

  func groupEntry(_ owner: OwnerKey) throws(RouterError) -> UserEntry {
    guard let entry = try routing({ try directory.user(owner) }) else { throw Self.groupNotFound }
    guard !entry.isErasing else {
      throw RouterError(
        .notFound,
        "This group is being erased, or was but for what must be kept: nothing can be read or written any more."
      )
    }
    return entry
  }
}

/// Whether the user of a handle is still in the group, asked again for each version of the group's tags: whoever leaves
/// gives it a new one, and no home takes a write under an older.
final class GroupMembership: Sendable {
  /// The user's in this group and this life: whoever is erased and admitted anew has another.
  let author: OwnerAlias
  private let router: ResidencyRouter
  private let group: OwnerKey
  private let member: OwnerKey
  private let checked = Atomic<Int64>(0)

  init(router: ResidencyRouter, group: OwnerKey, member: OwnerKey, author: OwnerAlias) {
    self.router = router
    self.group = group
    self.member = member
    self.author = author
  }

  func check(tags: Int64) throws(RouterError) {
    if checked.load(ordering: .relaxed) == tags { return }
    guard try routing({ try router.directory.author(of: member, in: group) }) == author else {
      throw Self.notAMember
    }
    checked.store(tags, ordering: .relaxed)
  }

  static var notAMember: RouterError {
    RouterError(
      .notFound,
      "The user is not a member of this group. Let the user join first (“domicile group join”).")
  }
}

extension RouterError {
  /// Where the group's data may be would tell of its members, to somebody who is none.
  fileprivate init(refusingJoin verdict: Verdict) {
    self.init(refusing: verdict.withoutPlaces)
    message =
      "With this member the group could not be kept. Nothing was changed. \(verdict.withoutPlaces.statement)"
  }
}
