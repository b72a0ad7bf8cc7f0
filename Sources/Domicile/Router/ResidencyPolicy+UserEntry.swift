import DomicileDirectory
import DomicilePolicy

/// Verdicts on what is asked for: of a user with the user's reasons, of a group without anybody's.
extension ResidencyPolicy {
  func verdict(
    for profile: HomeProfile, isGroup: Bool, dataClass: String, in region: String? = nil
  ) throws(PolicyError) -> Verdict {
    if let user = profile.user(isGroup: isGroup) {
      return try verdict(for: user, dataClass: dataClass, in: region)
    }
    return try groupVerdict(for: profile, dataClass: dataClass, in: region)
  }

  func processingVerdict(
    for entry: UserEntry, dataClass: String, in location: String?
  ) throws(PolicyError) -> Verdict {
    if let user = entry.profile.user(isGroup: entry.isGroup) {
      return try processingVerdict(for: user, dataClass: dataClass, in: location)
    }
    return try groupProcessingVerdict(for: entry.profile, dataClass: dataClass, in: location)
  }
}

extension HomeProfile {
  fileprivate func user(isGroup: Bool) -> ResidencyProfile? { isGroup ? nil : members.first }
}
