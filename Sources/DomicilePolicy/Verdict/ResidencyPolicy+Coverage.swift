/// What a policy says of the residents of every country, as long as nothing is declared about them, and whom each
/// region serves.
public struct PolicyCoverage: Sendable {
  /// How the residents of a country fare, from good to bad.
  public enum State: String, Sendable, Codable, CaseIterable, Comparable {
    /// Each class of their data has a region that takes it.
    case served
    /// Some class may live in some country, but no region there takes it.
    case unserved
    /// The directory's region may not know them: nobody of them can be admitted.
    case refused
    /// Some class may live in no country.
    case unplaceable

    public static func < (left: State, right: State) -> Bool { left.severity < right.severity }

    private var severity: Int { Self.allCases.firstIndex(of: self) ?? 0 }
  }

  /// The residents of one country.
  public struct Residence: Sendable {
    public let code: CountryCode
    /// The country's name.
    public let name: String
    /// A point in the country, in degrees north and east.
    public let latitude: Double
    public let longitude: Double
    /// Whether some exclusion excludes the country as a place. Its residents may be served elsewhere.
    public let isExcluded: Bool
    /// One for each class, in the order of the policy; for `directory` it is about the directory's region.
    public let verdicts: [Verdict]

    /// The worst that a verdict says.
    public var state: State { verdicts.map(\.outcome.state).max() ?? .served }
  }

  /// What is said alike of some classes.
  public struct Answer: Sendable, Hashable {
    /// In the order of the policy.
    public internal(set) var dataClasses: [String]
    public let outcome: Verdict.Outcome
    /// Where the data may live and is taken, in the order of the topology.
    public let regions: [String]
    /// What conflicts or forbids, as in ``Verdict/conflict``.
    public let conflict: [Verdict.Citation]
  }

  /// Countries whose residents get the same answers.
  public struct Group: Sendable {
    /// In the order of their codes.
    public internal(set) var residences: [CountryCode]
    public let state: State
    public let answers: [Answer]
  }

  /// Whom a region serves.
  public struct Place: Sendable {
    public let region: String
    public let country: CountryCode
    /// Degrees north and east.
    public let latitude: Double
    public let longitude: Double
    /// The countries whose residents can be admitted and have data, or their rows of the directory, that may live here.
    public internal(set) var residences: [CountryCode]
  }

  /// In the order of the codes.
  public let residences: [Residence]
  /// The worst state first, then the group of most countries.
  public let groups: [Group]
  /// One for each region, in the order of the topology.
  public let places: [Place]

  /// How many countries are in a state.
  public func count(_ state: State) -> Int { residences.count { $0.state == state } }
}

extension ResidencyPolicy {
  /// What the policy says of every country and every region.
  public func coverage() -> PolicyCoverage {
    let excluded = Set(excludedCountries)
    let residences = geography.countries.map { country in
      PolicyCoverage.Residence(
        code: country.code, name: country.name, latitude: country.point.latitude,
        longitude: country.point.longitude, isExcluded: excluded.contains(country.code),
        verdicts: verdicts(forResidentsOf: country.code))
    }
    return PolicyCoverage(
      residences: residences, groups: groups(of: residences), places: places(for: residences))
  }

  /// What is said of each class of the residents of a country without attributes, in the order of the policy.
  private func verdicts(forResidentsOf country: CountryCode) -> [Verdict] {
    classes.map { definition in
      do {
        return try placeVerdict(
          for: ResidencyProfile(residence: country), dataClass: definition.name)
      } catch {
        preconditionFailure("the policy knows its own countries, classes and regions")
      }
    }
  }

  /// Where data of a class may live; of the directory's own class, whether it may live where the directory is.
  func placeVerdict(
    for profile: ResidencyProfile, dataClass: String
  ) throws(PolicyError) -> Verdict {
    let verdict = try verdict(for: profile, dataClass: dataClass)
    guard dataClass == Rulebook.directoryClass else { return verdict }
    let here = try self.verdict(
      for: profile, dataClass: dataClass, in: topology.directoryRegion)
    switch here.outcome {
    case .allowed: return here
    // Nothing forbids it. What shards accept does not concern the directory, which is none.
    case .unserved: return here.whereNothingForbids
    case .refused, .unplaceable: return verdict.conflict.isEmpty ? here : verdict
    }
  }

  private func groups(of residences: [PolicyCoverage.Residence]) -> [PolicyCoverage.Group] {
    var groups: [[PolicyCoverage.Answer]: PolicyCoverage.Group] = [:]
    for residence in residences {
      let answers = answers(residence.verdicts)
      groups[
        answers,
        default: PolicyCoverage.Group(residences: [], state: residence.state, answers: answers)
      ].residences.append(residence.code)
    }
    return groups.values.sorted { left, right in
      if left.state != right.state { return left.state > right.state }
      if left.residences.count != right.residences.count {
        return left.residences.count > right.residences.count
      }
      return left.residences[0] < right.residences[0]
    }
  }

  private func answers(_ verdicts: [Verdict]) -> [PolicyCoverage.Answer] {
    var answers: [PolicyCoverage.Answer] = []
    for verdict in verdicts {
      let serving = verdict.servingRegions
      let answer = PolicyCoverage.Answer(
        dataClasses: [verdict.dataClass], outcome: verdict.outcome,
        regions: topology.regions.map(\.name).filter(serving.contains), conflict: verdict.conflict)
      let alike = answers.firstIndex {
        $0.outcome == answer.outcome && $0.regions == answer.regions
          && $0.conflict == answer.conflict
      }
      if let alike {
        answers[alike].dataClasses += answer.dataClasses
      } else {
        answers.append(answer)
      }
    }
    return answers
  }

  private func places(for residences: [PolicyCoverage.Residence]) -> [PolicyCoverage.Place] {
    var places = topology.regions.map { region in
      PolicyCoverage.Place(
        region: region.name, country: region.country, latitude: region.point.latitude,
        longitude: region.point.longitude, residences: [])
    }
    for residence in residences {
      // Whom the directory may not know is admitted nowhere.
      let isAdmitted = residence.verdicts.allSatisfy {
        $0.isAllowed || $0.dataClass != Rulebook.directoryClass
      }
      guard isAdmitted else { continue }
      let serving = Set(residence.verdicts.flatMap(\.servingRegions))
      for number in places.indices where serving.contains(places[number].region) {
        places[number].residences.append(residence.code)
      }
    }
    return places
  }
}

extension Verdict {
  /// Where the data may live and is taken: the region that was asked for, or else all; none if it may not.
  public var servingRegions: [String] {
    guard isAllowed else { return [] }
    return region.map { [$0] } ?? alternatives
  }

  fileprivate var whereNothingForbids: Verdict {
    Verdict(
      outcome: .allowed, dataClass: dataClass, residence: residence, attributes: attributes,
      region: region, country: country, isProcessing: isProcessing, rules: rules, conflict: [],
      alternatives: alternatives, legalCountries: legalCountries, digest: digest)
  }
}

extension Verdict.Outcome {
  fileprivate var state: PolicyCoverage.State {
    switch self {
    case .allowed: .served
    case .unserved: .unserved
    case .refused: .refused
    case .unplaceable: .unplaceable
    }
  }
}
