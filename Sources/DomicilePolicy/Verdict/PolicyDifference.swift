/// What one policy says and another does not: where data may live and be processed, by country, attributes and data class,
/// and what is written in another way.
public struct PolicyDifference: Sendable, Codable, Hashable {
  /// What changes for the data of one class of some residents of one country.
  public struct Change: Sendable, Codable, Hashable {
    public let residence: String
    /// The attributes that are set, for whom this is; nil: for all of these residents, whatever theirs are.
    public internal(set) var attributes: [String]?
    public let dataClass: String
    /// What the first policy says, no region being asked for but the directory's own for the class `directory`; nil: it does
    /// not have the class or the country.
    public let before: Verdict.Outcome?
    public let after: Verdict.Outcome?
    /// Regions that become legal and serve them; those that did and do no longer.
    public let gained: [String]
    public let lost: [String]
    /// The rules of the second policy that take regions away, or those of the first that did and do no longer. Empty if what
    /// changes is the topology.
    public let because: [String]
  }

  /// What changes for where the data of one class of some residents of one country may be read and written.
  public struct ProcessChange: Sendable, Codable, Hashable {
    public let residence: String
    /// As in ``Change/attributes``.
    public internal(set) var attributes: [String]?
    public let dataClass: String
    /// Countries, as codes.
    public let gained: [String]
    public let lost: [String]
  }

  /// Something that is written in one policy only, or otherwise in the second.
  public struct TermChange: Sendable, Codable, Hashable {
    /// `rule`, `exclusion`, `retention`, `collection` and so on.
    public let kind: PolicyTerm.Kind
    /// Of the rule, the class, the collection; empty where there is only one.
    public let name: String
    /// What it says, as text; nil: the first policy does not have it.
    public let before: String?
    public let after: String?
  }

  /// In the order of the residences, then of the classes of the second policy.
  public let changes: [Change]
  public let processChanges: [ProcessChange]
  public let terms: [TermChange]
  /// Countries where data may not be at all, in one policy only.
  public let newlyExcluded: [String]
  public let noLongerExcluded: [String]

  /// Compares what two policies say, each in the phase that it is compiled for.
  public init(from old: ResidencyPolicy, to new: ResidencyPolicy) {
    self.init(from: old, to: new, terms: Self.terms(from: old.terms, to: new.terms))
  }

  private init(from old: ResidencyPolicy, to new: ResidencyPolicy, terms: [TermChange]) {
    self.terms = terms
    let comparison = PolicyComparison(old: old, new: new)
    (changes, processChanges) = comparison.changes()
    let (oldExcluded, newExcluded) = (old.excludedCountries, new.excludedCountries)
    newlyExcluded = newExcluded.filter { !oldExcluded.contains($0) }.map(\.description)
    noLongerExcluded = oldExcluded.filter { !newExcluded.contains($0) }.map(\.description)
  }

  private static func terms(from old: [PolicyTerm], to new: [PolicyTerm]) -> [TermChange] {
    func texts(_ terms: [PolicyTerm]) -> [PolicyTerm.Identity: String] {
      Dictionary(terms.map { ($0.identity, $0.text) }, uniquingKeysWith: +)
    }
    let (before, after) = (texts(old), texts(new))
    let gone = old.map(\.identity).filter { after[$0] == nil }
    return (gone + new.map(\.identity)).compactMap { term in
      guard before[term] != after[term] else { return nil }
      return TermChange(
        kind: term.kind, name: term.name, before: before[term], after: after[term])
    }
  }

  public var isEmpty: Bool { isLegallyEmpty && terms.isEmpty }

  /// Whether everything may be wherever it might before, whatever the words.
  private var isLegallyEmpty: Bool {
    changes.isEmpty && processChanges.isEmpty && newlyExcluded.isEmpty && noLongerExcluded.isEmpty
  }

  /// The most days that ``laterDays(from:to:)`` looks at: each costs what compiling both policies does.
  public static let laterDaysMax = 8

  /// The later days, of the next on which one of two policies begins another phase, from which on they differ in where data
  /// may be, and otherwise than before.
  ///
  /// - Throws: ``PolicyError`` never, for policies that were compiled.
  public static func laterDays(
    from old: ResidencyPolicy, to new: ResidencyPolicy
  ) throws(PolicyError) -> [PolicyDay] {
    let today = max(old.day, new.day)
    let days = Set(old.phaseStarts + new.phaseStarts).filter { $0 > today }.sorted()
    func later(_ policy: ResidencyPolicy, _ day: PolicyDay) throws(PolicyError) -> ResidencyPolicy {
      policy.phaseStarts.contains(day) ? try policy.compiled(on: day) : policy
    }
    var (old, new) = (old, new)
    // What is written is the same on all days.
    var last = PolicyDifference(from: old, to: new, terms: [])
    var found: [PolicyDay] = []
    for day in days.prefix(laterDaysMax) {
      (old, new) = (try later(old, day), try later(new, day))
      let next = PolicyDifference(from: old, to: new, terms: [])
      if !next.isLegallyEmpty, !next.isSameLaw(as: last) { found.append(day) }
      last = next
    }
    return found
  }

  private func isSameLaw(as other: PolicyDifference) -> Bool {
    changes == other.changes && processChanges == other.processChanges
      && newlyExcluded == other.newlyExcluded && noLongerExcluded == other.noLongerExcluded
  }
}

/// Finds, country by country, for whom two policies say different things.
private struct PolicyComparison {
  let old: ResidencyPolicy
  let new: ResidencyPolicy

  func changes() -> ([PolicyDifference.Change], [PolicyDifference.ProcessChange]) {
    let classes =
      new.classes.map(\.name)
      + old.classes.map(\.name).filter { name in !new.classes.contains { $0.name == name } }
    let residences = Set(old.geography.countries.map(\.code) + new.geography.countries.map(\.code))
    var changes: [PolicyDifference.Change] = []
    var processChanges: [PolicyDifference.ProcessChange] = []
    for residence in residences.sorted() {
      for dataClass in classes {
        let profiles = attributeSets(residence, dataClass).map {
          ResidencyProfile(residence: residence, attributes: $0)
        }
        changes += merged(profiles.map { change($0, dataClass) }, by: \.attributes)
        processChanges += merged(profiles.map { processChange($0, dataClass) }, by: \.attributes)
      }
    }
    return (changes, processChanges)
  }

  /// The sets on which one of the policies depends: if they say the same of these, they do of all. Of attributes that only one
  /// declares it is a change of terms that they are.
  private func attributeSets(_ residence: CountryCode, _ dataClass: String) -> [[String]] {
    let sets = [old, new].flatMap {
      $0.attributeSets(residence: residence, dataClass: dataClass)
    }.filter { $0.allSatisfy { old.attributes.contains($0) && new.attributes.contains($0) } }
    return sets.reduce(into: [[]]) { if !$0.contains($1) { $0.append($1) } }
  }

  /// One change without attributes where all are alike but for these.
  private func merged<Change: Hashable>(
    _ changes: [Change?], by attributes: WritableKeyPath<Change, [String]?>
  ) -> [Change] {
    let general = changes.map { change in
      var change = change
      change?[keyPath: attributes] = nil
      return change
    }
    return Set(general).count == 1
      ? general.prefix(1).compactMap(\.self) : changes.compactMap(\.self)
  }

  private func change(
    _ profile: ResidencyProfile, _ dataClass: String
  ) -> PolicyDifference.Change? {
    // Most are alike: to explain each would take long where there are many rules.
    if let place = old.placement(of: profile, dataClass: dataClass),
      place == new.placement(of: profile, dataClass: dataClass)
    {
      return nil
    }
    let before = try? old.placeVerdict(for: profile, dataClass: dataClass)
    let after = try? new.placeVerdict(for: profile, dataClass: dataClass)
    let (gone, come) = (before?.servingRegions ?? [], after?.servingRegions ?? [])
    guard before?.outcome != after?.outcome || Set(gone) != Set(come) else { return nil }
    let gained = come.filter { !gone.contains($0) }
    let lost = gone.filter { !come.contains($0) }
    var because = after?.isAllowed == false ? after?.conflict.map(\.name) ?? [] : []
    if because.isEmpty { because = forbidding(lost, in: new, profile, dataClass) }
    if because.isEmpty { because = forbidding(gained, in: old, profile, dataClass) }
    return PolicyDifference.Change(
      residence: "\(profile.residence)", attributes: profile.attributes, dataClass: dataClass,
      before: before?.outcome, after: after?.outcome, gained: gained, lost: lost, because: because)
  }

  /// The names of what in a policy forbids regions, each once.
  private func forbidding(
    _ regions: [String], in policy: ResidencyPolicy, _ profile: ResidencyProfile,
    _ dataClass: String
  ) -> [String] {
    regions.compactMap { try? policy.verdict(for: profile, dataClass: dataClass, in: $0) }
      .filter { $0.outcome == .refused }.flatMap(\.rules).map(\.name)
      .reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  private func processChange(
    _ profile: ResidencyProfile, _ dataClass: String
  ) -> PolicyDifference.ProcessChange? {
    // That one policy does not have the class or the country is told by the other change.
    guard
      let before = try? old.processingCountries(profile, dataClass: dataClass),
      let after = try? new.processingCountries(profile, dataClass: dataClass), before != after
    else { return nil }
    return PolicyDifference.ProcessChange(
      residence: "\(profile.residence)", attributes: profile.attributes, dataClass: dataClass,
      gained: after.filter { !before.contains($0) }.map(\.description),
      lost: before.filter { !after.contains($0) }.map(\.description))
  }
}
