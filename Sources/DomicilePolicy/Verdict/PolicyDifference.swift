/// What one policy allows and another does not: for residents without attributes, by country and data class.
public struct PolicyDifference: Sendable, Codable, Hashable {
  /// What changes for the data of one class of the residents of one country.
  public struct Change: Sendable, Codable, Hashable {
    public let residence: String
    public let dataClass: String
    /// What the first policy says, no region being asked for; nil: it does not have the class or the country.
    public let before: Verdict.Outcome?
    public let after: Verdict.Outcome?
    /// Regions that become legal and serve them; those that did and do no longer.
    public let gained: [String]
    public let lost: [String]
    /// Where nothing is legal, or nothing serves, any more: the rules of the second policy that conflict.
    public let because: [String]
  }

  /// In the order of the residences, then of the classes of the second policy.
  public let changes: [Change]
  /// Rules and exclusions of which only one policy has the name.
  public let addedRules: [String]
  public let removedRules: [String]
  /// Countries where data may not be at all, in one policy only.
  public let newlyExcluded: [String]
  public let noLongerExcluded: [String]

  /// Compares what two policies say, each in the phase that it is compiled for.
  public init(from old: ResidencyPolicy, to new: ResidencyPolicy) {
    let classes =
      new.classes.map(\.name)
      + old.classes.map(\.name).filter { name in !new.classes.contains { $0.name == name } }
    let residences = Set(old.geography.countries.map(\.code) + new.geography.countries.map(\.code))
    changes = residences.sorted().flatMap { residence in
      classes.compactMap { dataClass in
        let before = Self.answer(old, residence, dataClass)
        let after = Self.answer(new, residence, dataClass)
        guard before != after else { return nil }
        let (gone, come) = (before?.alternatives ?? [], after?.alternatives ?? [])
        return Change(
          residence: "\(residence)", dataClass: dataClass, before: before?.outcome,
          after: after?.outcome, gained: come.filter { !gone.contains($0) },
          lost: gone.filter { !come.contains($0) }, because: after?.conflict ?? [])
      }
    }
    let (oldRules, newRules) = (old.ruleNames, new.ruleNames)
    addedRules = newRules.filter { !oldRules.contains($0) }
    removedRules = oldRules.filter { !newRules.contains($0) }
    let (oldExcluded, newExcluded) = (old.excludedCountries, new.excludedCountries)
    newlyExcluded = newExcluded.filter { !oldExcluded.contains($0) }.map(\.description)
    noLongerExcluded = oldExcluded.filter { !newExcluded.contains($0) }.map(\.description)
  }

  public var isEmpty: Bool {
    changes.isEmpty && addedRules.isEmpty && removedRules.isEmpty && newlyExcluded.isEmpty
      && noLongerExcluded.isEmpty
  }

  private struct Answer: Equatable {
    let outcome: Verdict.Outcome
    let alternatives: [String]
    let conflict: [String]

    static func == (left: Answer, right: Answer) -> Bool {
      left.outcome == right.outcome && Set(left.alternatives) == Set(right.alternatives)
    }
  }

  private static func answer(
    _ policy: ResidencyPolicy, _ residence: CountryCode, _ dataClass: String
  ) -> Answer? {
    guard
      let verdict = try? policy.verdict(
        for: ResidencyProfile(residence: residence), dataClass: dataClass)
    else { return nil }
    return Answer(
      outcome: verdict.outcome, alternatives: verdict.alternatives,
      conflict: verdict.conflict.map(\.name))
  }
}

extension ResidencyPolicy {
  /// The names of all rules and exclusions, whenever they hold, in the order of the files.
  public var ruleNames: [String] { written.exclusions.map(\.name) + written.rules.map(\.name) }
}
