package import DomicilePolicy
package import DomicileStorage
public import Foundation

/// Where a user's data of one class lives, or is about to.
package struct Placement: Sendable, Equatable {
  package enum State: String, Sendable {
    /// Its home is being staged; the serial is the token.
    case admitting
    case placed
    /// It is being erased, or what is left of it is held; the serial is the erasure's token.
    case erasing
  }
  package let dataClass: String
  package let shard: String
  package let serial: Int64
  package let state: State
}

/// A user or group as the directory knows one.
package struct UserEntry: Sendable {
  package let id: Int64
  package let owner: OwnerKey
  package let alias: OwnerAlias
  /// The version of the tags.
  package let tags: Int64
  package let profile: HomeProfile
  package let isGroup: Bool
  /// Whether the user, and not only some class, is being erased.
  package let isErasing: Bool
  /// Whether it is known when an erasure of the user or a class goes on.
  package let hasErasureTime: Bool
  /// By class.
  package let placements: [Placement]

  package func placement(_ dataClass: String) -> Placement? {
    placements.first { $0.dataClass == dataClass }
  }

  package func home(_ placement: Placement) -> HomeReference {
    HomeReference(
      owner: owner, dataClass: placement.dataClass, serial: placement.serial, tags: tags)
  }
}

/// A policy as the directory keeps it.
package struct AppliedPolicy: Sendable {
  package let reference: LawReference
  package let files: RegionFiles
  package let applied: Date
  /// The day on which it was applied, or a later one that had been seen before: it says which phase is in force.
  package let day: PolicyDay
}

/// A shard as the directory knows it.
package struct ShardEntry: Sendable, Equatable {
  package let name: String
  package let region: String
  package let country: String
  /// Whether its file has been made; it is never made anew.
  package let isCreated: Bool
  /// Placements that name it, `admitting` ones included.
  package let placements: Int64
}

/// What an admission asks of the directory: a user and, for each class, the shards that may take it.
package struct AdmissionPlan: Sendable {
  package struct Target: Sendable {
    package let dataClass: String
    /// Shards that are equally good; the least loaded becomes the target.
    package let shards: [String]
    /// All shards that are legal: a target found half way is kept if it is among them.
    package let legalShards: Set<String>
    /// The rules that were asked, for the ledger.
    package let rules: [String]

    package init(
      dataClass: String, shards: [String], legalShards: Set<String>, rules: [String] = []
    ) {
      self.dataClass = dataClass
      self.shards = shards
      self.legalShards = legalShards
      self.rules = rules
    }
  }

  package let owner: OwnerKey
  /// Used if the user is new.
  package let alias: OwnerAlias
  package let profile: HomeProfile
  package let kind: Kind
  package let targets: [Target]

  package enum Kind: Sendable, Equatable {
    case user
    /// A group that is there.
    case group
    /// A group that is made, if it is new; the profile is that of these members.
    case newGroup(members: [GroupMember])
  }

  package init(
    owner: OwnerKey, alias: OwnerAlias, profile: HomeProfile, kind: Kind = .user,
    targets: [Target]
  ) {
    self.owner = owner
    self.alias = alias
    self.profile = profile
    self.kind = kind
    self.targets = targets
  }
}

/// A placement `admitting`, held by whoever has its token.
package struct AdmissionTicket: Sendable {
  /// The home's serial is the token.
  package let home: HomeReference
  package let userID: Int64
  package let alias: OwnerAlias
  package let profile: HomeProfile
  package let shard: String
  /// The target found half way, where no longer legal: the home there must be dropped, with the token,
  /// before the target is changed to `shard` by ``DirectoryStore/retarget(_:law:by:)``.
  package let illegalShard: String?
  package let isGroup: Bool
  /// Where the home will be, by which rules, for the ledger.
  package let place: LedgerEntry.Place
}

/// A user who becomes a member of a group, with the random name under which the user writes there: another in each group,
/// so that nothing leads from a record to anything else of the user.
package struct GroupMember: Sendable, Hashable {
  package let user: OwnerKey
  package let author: OwnerAlias

  package init(user: OwnerKey, author: OwnerAlias) {
    self.user = user
    self.author = author
  }
}

/// A home that is not known to be stamped with the latest tags of its user or group.
package struct PendingTags: Sendable {
  package let userID: Int64
  package let shard: String
  /// Whether an admission has staged it, perhaps, with the earlier ones: then it is dropped, and staged anew by whoever
  /// goes on with the admission.
  package let isAdmitting: Bool
  /// The home as the directory has it, with the latest tags.
  package let staging: HomeStaging

  package init(userID: Int64, shard: String, isAdmitting: Bool, staging: HomeStaging) {
    self.userID = userID
    self.shard = shard
    self.isAdmitting = isAdmitting
    self.staging = staging
  }
}

/// The homes that a user's or a group's new tags bar, as they were judged before the change, for the ledger.
package struct BarredPlaces: Sendable {
  /// By class, the serials of the homes that were judged.
  package let judged: [String: Int64]
  /// By class, the rules that bar a home.
  package let rules: [String: [String]]

  package init(of entry: UserEntry, barred: [String: [String]]) {
    let placed = entry.placements.filter { $0.state == .placed }
    judged = Dictionary(uniqueKeysWithValues: placed.map { ($0.dataClass, $0.serial) })
    rules = barred
  }
}

/// A user to become a member of a group, decided by these versions of their tags and for these classes of the group's data.
package struct GroupJoining: Sendable {
  package let group: OwnerKey
  package let groupTags: Int64
  package let dataClasses: Set<String>
  package let member: GroupMember
  package let userTags: Int64

  package let barred: BarredPlaces

  package init(group: UserEntry, user: UserEntry, author: OwnerAlias, barred: BarredPlaces) {
    self.group = group.owner
    self.barred = barred
    groupTags = group.tags
    dataClasses = Set(group.placements.map(\.dataClass))
    member = GroupMember(user: user.owner, author: author)
    userTags = user.tags
  }
}

/// A home of a group in which a user is or was: there may be records that the user has written.
package struct SharedPlacement: Sendable {
  package let group: OwnerKey
  /// Of the group.
  package let alias: OwnerAlias
  /// Under which the user's records there stand.
  package let author: OwnerAlias
  /// Whether the user is a member now.
  package let isMember: Bool
  package let profile: HomeProfile
  package let placement: Placement
}

/// What is to be erased, held by whoever has its token.
package struct ErasurePlan: Sendable {
  package struct Home: Sendable, Hashable {
    package let dataClass: String
    package let shard: String
  }

  package struct SharedHome: Sendable, Hashable {
    package let group: OwnerKey
    package let home: Home
    package let serial: Int64
    /// Under which the user wrote there.
    package let author: OwnerAlias
  }

  package let userID: Int64
  package let owner: OwnerKey
  package let alias: OwnerAlias
  package let isGroup: Bool
  package let token: Int64
  /// Whether the mapping goes with the homes.
  package let isWholeUser: Bool
  /// Every home that the directory names.
  package let homes: [Home]
  /// What moves have made, or left, elsewhere: emptied, whatever is held in the home.
  package let copies: [Home]
  /// The homes of groups in which the user is or was, where there may be records that the user has written.
  package let shared: [SharedHome]
  /// The shards where homes of such groups are staged, perhaps, with the user's tags.
  package let staged: [String]
  /// By class, the legal holds that have not ended, as the directory knows them.
  package let holds: [String: [HomeHold]]

  /// How long an erasure is left to whoever began it, if that is not renewed.
  package static let leaseMilliseconds: Int64 = 60_000
}

/// A legal hold on data of a user: it is neither deleted, replaced nor swept while the hold lasts. What expires can no
/// longer be read, as ever.
public struct LegalHold: Sendable, Codable, Hashable {
  /// Such as the number of a case. Not personal data.
  public let name: String
  public internal(set) var dataClasses: [String]
  public let reason: String
  public let placed: Date
  /// Nil: until it is released.
  public let until: Date?
  /// Whether some shard may not know of it yet, or of its release: an open router tells it within a minute.
  public let isPending: Bool
  /// Whether it is its release of which they may not know.
  package private(set) var isReleased = false

  private enum CodingKeys: String, CodingKey {
    case name, dataClasses, reason, placed, until, isPending
  }

  package init(
    name: String, dataClasses: [String], reason: String, placed: Date, until: Date?,
    isPending: Bool = true, isReleased: Bool = false
  ) {
    self.isPending = isPending
    self.isReleased = isReleased
    self.name = name
    self.dataClasses = dataClasses
    self.reason = reason
    self.placed = placed
    self.until = until
  }

  /// The moment, or that there is none; after “until”.
  package static func endText(_ until: Date?) -> String {
    until?.ISO8601Format() ?? "it is released"
  }
  package var endText: String { Self.endText(until) }

  func outlasts(_ other: LegalHold) -> Bool {
    other.until.map { end in until.map { $0 > end } ?? true } ?? false
  }

  /// Holds that differ by nothing but the class as one each, in the order of name and classes: the same name may end at
  /// different times on different classes.
  static func joined(_ holds: [LegalHold]) -> [LegalHold] {
    var classes: [LegalHold: [String]] = [:]
    for var hold in holds {
      let names = hold.dataClasses
      hold.dataClasses = []
      classes[hold, default: []] += names
    }
    return classes.map { hold, names in
      var hold = hold
      hold.dataClasses = names.sorted()
      return hold
    }.sorted { ($0.name, $0.dataClasses[0]) < ($1.name, $1.dataClasses[0]) }
  }
}

/// A legal hold that the directory has noted.
package struct NotedHold: Sendable {
  /// Whose data is held.
  package let entry: UserEntry
  /// As it was on those classes where it would have ended at another time.
  package let replaced: [LegalHold]
}
