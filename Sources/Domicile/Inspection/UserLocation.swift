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
  public let placements: [UserPlacement]
  /// The homes of the groups in which a user is or was, where there may be records that the user has written; nil for a group.
  public let groups: [GroupPlacement]?
}

/// A home of a group, as one of its members may know of it.
public struct GroupPlacement: Sendable, Codable {
  /// The group's alias: a random name, 32 hexadecimal digits.
  public let group: String
  public let dataClass: String
  public let region: String
  public let country: String
  public let shard: String
  /// `erasing` if the group is being erased, or the user is, of whose records some may still be here.
  public let state: UserPlacement.State
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

  /// Where a user's data lives, and why it may live there.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound``.
  public func locate(_ user: UserID) async throws(RouterError) -> UserLocation {
    let owner = key.owner(ofUser: try user.checked())
    guard let entry = try routing({ try directory.user(owner) }) else { throw Self.userNotFound }
    return try locate(
      entry, groups: groupPlacements(of: owner, isErasing: entry.isErasing))
  }

  /// Where a group's data lives; the residences and attributes are those of its members, for whoever operates the
  /// deployment.
  public func locate(_ group: GroupID) async throws(RouterError) -> UserLocation {
    let owner = key.owner(ofGroup: try group.checked())
    return try locate(
      groupEntry(owner), members: routing { try directory.authors(in: owner) })
  }

  /// The homes of the groups in which a user is or was.
  func groupPlacements(
    of owner: OwnerKey, isErasing: Bool
  ) throws(RouterError) -> [GroupPlacement] {
    try routing {
      try directory.sharedPlacements(of: owner).map { try group($0, isErasing: isErasing) }
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
    _ entry: UserEntry, members: [OwnerAlias]? = nil, groups: [GroupPlacement]? = nil
  ) throws(RouterError) -> UserLocation {
    let current = inForce
    var placements: [UserPlacement] = []
    for placement in entry.placements {
      let (shard, country) = try place(of: placement)
      let verdict = try? current.policy.verdict(
        for: entry.profile, isGroup: entry.isGroup, dataClass: placement.dataClass,
        in: shard.region)
      let isBarred = isBarred(entry.profile, placement, in: shard, isGroup: entry.isGroup)
      placements.append(
        UserPlacement(
          dataClass: placement.dataClass, region: shard.region, country: "\(country)",
          shard: placement.shard,
          state: Self.state(placement.state, isBarred: isBarred),
          verdict: verdict))
    }
    return UserLocation(
      alias: "\(entry.alias)", residence: entry.profile.residences,
      attributes: entry.profile.attributes, members: members?.map(\.description),
      placements: placements, groups: groups)
  }
}
