import DomicileDirectory
public import DomicilePolicy
import DomicileStorage

/// Where the data of a user or a group lives, class by class.
public struct UserLocation: Sendable, Codable {
  /// A random name for the user in messages and reports: 32 hexadecimal digits, not computed from the id.
  public let alias: String
  /// The residence, as a code; of a group, those of its members: `CN, DE`.
  public let residence: String
  public let attributes: [String]
  /// The names under which a group's members write, sorted; nil for a user.
  public let members: [String]?
  /// Whether all of it is being erased, or was but for what is held.
  public let isErasing: Bool
  public let placements: [UserPlacement]
  /// The homes of the groups in which a user is or was; of an erased user only those where something of it is left. Nil
  /// for a group.
  public let groups: [GroupPlacement]?
}

/// How much there is in a home of what an erasure is about.
public struct ErasableRecords: Sendable, Codable {
  public let records: Int
  /// Those that may not go yet, and why; nil if all may go.
  public let held: ErasureReceipt.Held?
}

/// A home of a group, as one of its members may know of it.
public struct GroupPlacement: Sendable, Codable {
  /// The group's alias: a random name, 32 hexadecimal digits.
  public let group: String
  public let dataClass: String
  public let region: String
  public let country: String
  public let shard: String
  /// `erasing` if the group is being erased, or the user is, of whose records some are still here.
  public let state: UserPlacement.State
  /// What the user has written here, while it is being erased; nil if its shard cannot be read.
  public internal(set) var erasable: ErasableRecords?
}

/// The home of one class of a user's data.
public struct UserPlacement: Sendable, Codable {
  public enum State: String, Sendable, Codable {
    /// The admission stopped half way; the next call for the user finishes it.
    case admitting
    case active
    /// The home became illegal: reads and deletions go on, writes are refused.
    case barred
    /// It is being erased, or was but for what the policy or a legal hold keeps. It is neither read nor written.
    case erasing
  }

  public let dataClass: String
  public let region: String
  public let country: String
  public let shard: String
  public let state: State
  /// What the policy in force says of the region; nil if it no longer knows the user's tags or the class.
  public let verdict: Verdict?
  /// What is here, while it is being erased; nil if its shard cannot be read.
  public internal(set) var erasable: ErasableRecords?
}

extension ResidencyRouter {
  private static func state(
    _ state: Placement.State, isBarred: Bool
  ) -> UserPlacement.State {
    switch state {
    case .admitting: .admitting
    case .erasing: .erasing
    case .placed: isBarred ? .barred : .active
    }
  }

  /// Where a user's data lives, and why it may live there; of a user who is being erased, what is left.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound``.
  public func locate(_ user: UserID) async throws(RouterError) -> UserLocation {
    try await locate(user, countsAll: false)
  }

  /// Where a group's data lives; the residences and attributes are those of its members, for whoever operates the
  /// deployment.
  public func locate(_ group: GroupID) async throws(RouterError) -> UserLocation {
    try await locate(group, countsAll: false)
  }

  /// With `countsAll` what an erasure would find is told of every home.
  package func locate(
    _ user: UserID, countsAll: Bool
  ) async throws(RouterError) -> UserLocation {
    let owner = key.owner(ofUser: try user.checked())
    guard let entry = try routing({ try directory.user(owner) }) else { throw Self.userNotFound }
    let shared = try routing { try directory.sharedPlacements(of: owner) }
    var groups: [GroupPlacement] = []
    for shared in shared {
      var place = try group(shared, isErasing: entry.isErasing)
      if entry.isErasing || countsAll {
        place.erasable = await erasable(
          shared.placement, of: shared.group, author: shared.author, sharing: [owner, shared.group])
        if entry.isErasing, place.erasable?.records == 0 { continue }
      }
      groups.append(place)
    }
    return try await locate(entry, groups: groups, countsAll: countsAll)
  }

  package func locate(
    _ group: GroupID, countsAll: Bool
  ) async throws(RouterError) -> UserLocation {
    let owner = key.owner(ofGroup: try group.checked())
    guard let entry = try routing({ try directory.user(owner) }) else { throw Self.groupNotFound }
    return try await locate(
      entry, members: routing { try directory.authors(in: owner) }, countsAll: countsAll)
  }

  /// Nil if the shard cannot be read: what is in the directory is told all the same.
  private func erasable(
    _ placement: Placement, of home: OwnerKey, author: OwnerAlias? = nil, sharing: [OwnerKey]
  ) async -> ErasableRecords? {
    let dataClass = placement.dataClass
    guard
      let shard = try? await shard(named: placement.shard, by: .now + options.deadline),
      let holds = try? sharing.flatMap({ try directory.holds(on: $0) }),
      let contents = try? shard.contents(
        of: home, dataClass: dataClass, author: author,
        holds: holds.filter { $0.dataClasses.contains(dataClass) }.map {
          HomeHold(name: $0.name, until: $0.until?.milliseconds)
        })
    else { return nil }
    return ErasableRecords(
      records: Int(contents.records),
      held: contents.held.map {
        ErasureReceipt.Held($0, dataClass: dataClass, shard: placement.shard)
      })
  }

  /// The homes of the groups in which a user is that are barred by the user's tags alone.
  func groupPlacements(
    of owner: OwnerKey, barredBy profile: HomeProfile
  ) throws(RouterError) -> [GroupPlacement] {
    try routing {
      try directory.sharedPlacements(of: owner).filter { shared in
        let (shard, _) = try place(of: shared.placement)
        return shared.isMember && shared.placement.state == .placed
          && isBarred(profile, shared.placement, in: shard, isGroup: true)
      }.map { try group($0, isErasing: false) }
    }
  }

  private func group(
    _ shared: SharedPlacement, isErasing: Bool
  ) throws(RouterError) -> GroupPlacement {
    let (shard, country) = try place(of: shared.placement)
    let isBarred = isBarred(shared.profile, shared.placement, in: shard, isGroup: true)
    return GroupPlacement(
      group: "\(shared.alias)", dataClass: shared.placement.dataClass, region: shard.region,
      country: "\(country)", shard: shard.name,
      state: isErasing ? .erasing : Self.state(shared.placement.state, isBarred: isBarred))
  }

  private func place(
    of placement: Placement
  ) throws(RouterError) -> (ShardDefinition, CountryCode) {
    let current = inForce
    guard let shard = current.shard(placement.shard),
      let country = current.country(ofRegion: shard.region)
    else {
      throw RouterError(
        .unavailable, "The topology in force has no shard \(placement.shard), where a home is.")
    }
    return (shard, country)
  }

  /// Whether a home may not be where it is. That of a group which everybody has left holds nobody's data in particular.
  func isBarred(
    _ profile: HomeProfile, _ placement: Placement, in shard: ShardDefinition, isGroup: Bool
  ) -> Bool {
    let policy = inForce.policy
    if profile.members.isEmpty { return false }
    let verdict = try? policy.verdict(
      for: profile, isGroup: isGroup, dataClass: placement.dataClass, in: shard.region)
    return verdict?.isAllowed != true || !shard.accepts(profile, in: policy)
  }

  private func locate(
    _ entry: UserEntry, members: [OwnerAlias]? = nil, groups: [GroupPlacement]? = nil,
    countsAll: Bool
  ) async throws(RouterError) -> UserLocation {
    let policy = inForce.policy
    var placements: [UserPlacement] = []
    for placement in entry.placements {
      let (shard, country) = try place(of: placement)
      let verdict = try? policy.verdict(
        for: entry.profile, isGroup: entry.isGroup, dataClass: placement.dataClass,
        in: shard.region)
      let isBarred = isBarred(entry.profile, placement, in: shard, isGroup: entry.isGroup)
      let isCounted = countsAll || placement.state == .erasing
      placements.append(
        UserPlacement(
          dataClass: placement.dataClass, region: shard.region, country: "\(country)",
          shard: placement.shard,
          state: Self.state(placement.state, isBarred: isBarred),
          verdict: verdict,
          erasable: isCounted
            ? await erasable(placement, of: entry.owner, sharing: [entry.owner]) : nil))
    }
    return UserLocation(
      alias: "\(entry.alias)", residence: entry.profile.residences,
      attributes: entry.profile.attributes, members: members?.map(\.description),
      isErasing: entry.isErasing, placements: placements, groups: groups)
  }
}
