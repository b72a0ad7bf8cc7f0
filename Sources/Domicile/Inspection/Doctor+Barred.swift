import DomicilePolicy
import DomicileStorage

/// The barred homes of one shard. They are told by what they have in common: thousands of users, whom nobody can know by the
/// numbers of their homes, are barred by one rule.
struct BarredHomes {
  private struct Kind: Hashable {
    let dataClass: String
    let profile: HomeProfile
    let isGroup: Bool
  }
  private var counts: [Kind: Int] = [:]

  mutating func add(_ dataClass: String, _ profile: HomeProfile, isGroup: Bool) {
    counts[Kind(dataClass: dataClass, profile: profile, isGroup: isGroup), default: 0] += 1
  }

  /// One finding for each class and tags.
  func report(_ report: inout DoctorReport, shard: ShardIdentity) {
    for (kind, count) in counts.sorted(by: { Self.order($0.key) < Self.order($1.key) }) {
      report.add(
        kind.profile.members.isEmpty ? .emptyGroup : .barredHome,
        Self.message(kind, count, shard), shard: shard.name, homes: count)
    }
  }

  private static func order(_ kind: Kind) -> (String, String, Int) {
    (kind.dataClass, "\(kind.profile)", kind.isGroup ? 1 : 0)
  }

  private static func message(_ kind: Kind, _ count: Int, _ shard: ShardIdentity) -> String {
    let homes =
      "\(count) \(count == 1 ? "home" : "homes") (\(kind.dataClass)) of the shard \(shard.name)"
    if kind.profile.members.isEmpty {
      return
        "\(homes) \(count == 1 ? "belongs to a group" : "belong to groups") that everybody has left."
        + " Writes are refused. Erase the group, or let somebody join. To find which, ask “domicile group where” for"
        + " your groups."
    }
    let attributes = kind.profile.attributes
    let tags =
      kind.profile.residences
      + (attributes.isEmpty ? "" : " with \(attributes.joined(separator: ", "))")
    let whose =
      kind.isGroup
      ? "groups with residents of \(tags)" : "\(count == 1 ? "a resident" : "residents") of \(tags)"
    let search =
      kind.isGroup
      ? "“domicile group where” for your groups" : "“domicile where” for your users of these tags"
    return
      "\(homes) \(count == 1 ? "is" : "are") where the policy in force does not allow it: data of \(whose) in"
      + " \(shard.country). Writes are refused. Move them (“domicile move”), or apply a policy that allows it. To find whose, ask"
      + " \(search)."
  }
}
