extension ResidencyPolicy {
  /// Explains where a user's data of a class may live, or whether it may live in a region.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName`` for a country, attribute, class or region
  ///   that the policy does not know.
  public func verdict(
    for profile: ResidencyProfile, dataClass: String, in region: String? = nil
  ) throws(PolicyError) -> Verdict {
    let explanation = try explanation(of: profile, dataClass: dataClass)
    return explanation.verdict(
      region: try region.map { name throws(PolicyError) in try number(ofRegion: name) })
  }

  /// The countries that some exclusion excludes, by code.
  public var excludedCountries: [CountryCode] {
    geography.codes(rulebook.exclusions.reduce(into: IndexSet256()) { $0.formUnion($1.countries) })
  }

  /// Explains whether a process in a country may read and write a user's data of a class. A location that is nil stands for a
  /// process of which nobody has said where it runs.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName``.
  public func processingVerdict(
    for profile: ResidencyProfile, dataClass: String, in location: String?
  ) throws(PolicyError) -> Verdict {
    let explanation = try explanation(of: profile, dataClass: dataClass)
    return explanation.processingVerdict(
      country: try location.map { name throws(PolicyError) in try number(ofCountry: name) })
  }

  private func explanation(
    of profile: ResidencyProfile, dataClass: String
  ) throws(PolicyError) -> Explanation {
    Explanation(
      policy: self, profile: profile, compiled: try compile(profile),
      classNumber: try number(ofClass: dataClass))
  }

  /// What should have been looked at again before a day.
  public func reviewsOverdue(
    on day: PolicyDay
  ) -> [(name: String, line: SourceLine, review: PolicyDay)] {
    (written.exclusions.map { ($0.name, $0.line, $0.review) }
      + written.rules.map { ($0.name, $0.line, $0.review) }).compactMap { name, line, review in
        review.flatMap { $0 < day ? (name, line, $0) : nil }
      }
  }

  /// What is valid but probably not meant, or not checked: certifications that no operator has, so that their term never
  /// counts, rules that are marked as unverified, and a directory where nobody may be noted.
  public var warnings: [PolicyProblem] {
    let stores = written.rules.compactMap(\.store) + [written.otherwise]
    let unheld: [PolicyProblem] = stores.flatMap(\.terms).compactMap { term in
      guard let name = term.certified, !topology.certifications.contains(name) else { return nil }
      let hint = suggestion(for: name, among: topology.certifications)
      return PolicyProblem(
        file: PolicyDecoder.file, line: term.place?.line, column: term.place?.column,
        message: "no operator in \(TopologyDecoder.file) has the certification “\(name)”; \(hint)")
    }
    let unverified = written.rules.filter(\.isUnverified).map { rule in
      PolicyProblem(
        file: rule.line.file, line: rule.line.line,
        message: "nobody has verified that the law says what the rule “\(rule.name)” does")
    }
    return unheld + unverified + nobodyIsAdmitted
  }

  /// Whoever is admitted is noted in the directory.
  private var nobodyIsAdmitted: [PolicyProblem] {
    guard let directory = try? number(ofClass: Rulebook.directoryClass),
      let region = topology.regionNumber(topology.directoryRegion),
      !geography.countries.indices.contains(where: {
        permits(CompiledProfile(country: $0, attributes: 0), dataClass: directory, region: region)
      })
    else { return [] }
    return [
      PolicyProblem(
        file: TopologyDecoder.file,
        message:
          "nobody without attributes can be admitted: the directory lies in \(topology.directoryRegion), where nothing may be"
          + " noted about anybody")
    ]
  }

  /// The names of the regions where the data may live and a shard accepts it, nearest first. Homes that are in a drained region stay
  /// served; new ones it takes none of.
  func servingRegions(
    _ profiles: [CompiledProfile], dataClass: Int, forNewHomes: Bool = true
  ) -> [String] {
    var names: [String] = []
    for shard in shardsByPreference(profiles, dataClass: dataClass, forNewHomes: forNewHomes)
      .joined()
    where !names.contains(shard.region) {
      names.append(shard.region)
    }
    return names
  }

  func serves(_ profiles: [CompiledProfile], dataClass: Int, region: Int) -> Bool {
    servingRegions(profiles, dataClass: dataClass, forNewHomes: false)
      .contains(topology.regions[region].name)
  }

  /// The exclusions that forbid a region, whoever's data it is.
  func excluding(region: Int) -> [Verdict.Citation] {
    let place = topology.regions[region]
    return rulebook.exclusions.filter { exclusion in
      constraints.regionJurisdictions[region].contains(where: exclusion.countries.contains)
    }.map { exclusion in
      let reached = constraints.regionJurisdictions[region].filter(exclusion.countries.contains)
      return Verdict.Citation(
        name: exclusion.name, file: exclusion.line.file, line: exclusion.line.line,
        demand: "excludes \(place.describing(reached, in: geography))", reason: exclusion.reason,
        source: exclusion.source)
    }
  }
}

extension Region {
  /// Countries that have a say in the region, and why: its own, and those whose law reaches its operator.
  fileprivate func describing(_ numbers: [Int], in geography: Geography) -> String {
    let names = numbers.map { number in
      let code = geography.countries[number].code
      return code == country
        ? "\(code)" : "\(code) (whose law reaches its operator, \(operatedBy.name))"
    }
    return Array(Set(names)).sorted().joined(separator: ", ")
  }
}

/// The long way to a verdict, with its reasons; taken for explanations and refusals only.
private struct Explanation {
  let policy: ResidencyPolicy
  let profile: ResidencyProfile
  let compiled: ResidencyPolicy.CompiledProfile
  let classNumber: Int

  private var dataClass: String { policy.classes[classNumber].name }
  private var constraints: Constraints { policy.constraints }
  private var matching: [Int] {
    constraints.matching(residence: compiled.country, dataClass: classNumber)
  }

  /// By which countries the process's may be told from others; nil: it is not known, and none would do.
  func processingVerdict(country: Int?) -> Verdict {
    let binding = constraints.processBinding(matching, attributes: compiled.attributes)
    let isAllowed = policy.permitsProcessing(compiled, dataClass: classNumber, in: country)
    let forbidding = binding.filter { identity in
      country.map { !constraints.permitted(by: identity).countries.contains($0) } ?? true
    }
    let deciding = isAllowed ? binding : forbidding
    return Verdict(
      outcome: isAllowed ? .allowed : .refused, dataClass: dataClass,
      residence: "\(profile.residence)", attributes: profile.attributes, region: nil,
      country: country.map { "\(policy.geography.countries[$0].code)" }, isProcessing: true,
      rules: deciding.compactMap { citation($0, region: nil, conflict: [], country: country) },
      conflict: isAllowed
        ? []
        : forbidding.prefix(1).compactMap {
          citation($0, region: nil, conflict: [], country: country)
        },
      alternatives: [],
      legalCountries: policy.geography.codes(constraints.permitted(by: binding).countries)
        .map(\.description),
      digest: policy.digest.description)
  }

  func verdict(region: Int?) -> Verdict {
    let binding = constraints.binding(matching, attributes: compiled.attributes)
    let serving = policy.servingRegions([compiled], dataClass: classNumber)
    let countries = constraints.permitted(by: binding).countries

    let outcome: Verdict.Outcome
    var deciding: [Constraints.Identity]
    var conflict: [Constraints.Identity] = []
    if let region {
      let forbidding = binding.filter { !constraints.permitted(by: $0).regions.contains(region) }
      let accepting = policy.serves([compiled], dataClass: classNumber, region: region)
      outcome = forbidding.isEmpty ? (accepting ? .allowed : .unserved) : .refused
      deciding = forbidding.isEmpty ? binding : forbidding
      conflict = Array(forbidding.prefix(1))
    } else if !serving.isEmpty {
      outcome = .allowed
      deciding = binding
    } else if countries.isEmpty {
      outcome = .unplaceable
      conflict = irreducible(binding) { $0.countries.isEmpty }
      deciding = conflict
    } else {
      outcome = .unserved
      conflict = irreducible(binding) { $0.regions.isEmpty }
      deciding = conflict
    }
    let place = region.map { policy.topology.regions[$0] }
    return Verdict(
      outcome: outcome, dataClass: dataClass, residence: "\(profile.residence)",
      attributes: profile.attributes, region: place?.name, country: place.map { "\($0.country)" },
      isProcessing: false,
      rules: deciding.compactMap { citation($0, region: region, conflict: conflict) },
      conflict: conflict.compactMap { citation($0, region: region, conflict: conflict) },
      alternatives: serving,
      legalCountries: policy.geography.codes(countries).map(\.description),
      digest: policy.digest.description)
  }

  /// A part of the constraints that leaves nothing either and of which none can be dropped.
  private func irreducible(
    _ binding: [Constraints.Identity], leavesNothing: (Constraints.Permitted) -> Bool
  ) -> [Constraints.Identity] {
    guard leavesNothing(constraints.permitted(by: binding)) else { return [] }
    var kept = binding
    for candidate in binding {
      let rest = kept.filter { $0 != candidate }
      if leavesNothing(constraints.permitted(by: rest)) { kept = rest }
    }
    return kept
  }

  private func citation(
    _ identity: Constraints.Identity, region: Int?, conflict: [Constraints.Identity],
    country: Int? = nil
  ) -> Verdict.Citation? {
    let rulebook = policy.rulebook
    func citation(of rule: Rule, _ demand: String) -> Verdict.Citation {
      Verdict.Citation(
        name: rule.name, file: rule.line.file, line: rule.line.line, demand: demand,
        reason: rule.reason, source: rule.source)
    }
    func otherwise(_ key: String, _ demand: String) -> Verdict.Citation {
      Verdict.Citation(
        name: "otherwise", file: rulebook.otherwiseLine.file, line: rulebook.otherwiseLine.line,
        demand: demand, reason: "no rule with “\(key)” matches", source: nil)
    }
    switch identity {
    case .exclusion(let number):
      let exclusion = rulebook.exclusions[number]
      return Verdict.Citation(
        name: exclusion.name, file: exclusion.line.file, line: exclusion.line.line,
        demand: country.map { "excludes \(policy.geography.countries[$0].code)" }
          ?? demand(
            of: exclusion, region: region,
            clashing: constraints.permitted(by: conflict.filter { $0 != identity }).countries),
        reason: exclusion.reason, source: exclusion.source)
    case .store(let number):
      let rule = rulebook.rules[number]
      return rule.store.map { citation(of: rule, demand(of: $0, region: region)) }
    case .copy(let number):
      let rule = rulebook.rules[number]
      return rule.copy.map { citation(of: rule, "demands a copy in \($0.text)") }
    case .process(let number):
      let rule = rulebook.rules[number]
      return rule.process.map { citation(of: rule, "is processed only in \($0.text)") }
    case .otherwiseStore: return otherwise("store", demand(of: rulebook.otherwise, region: region))
    case .otherwiseProcess:
      let text = rulebook.otherwiseProcess.text
      return otherwise(
        "process",
        text == Geography.anywhere ? "is processed anywhere" : "is processed only in \(text)")
    }
  }

  private func demand(of store: CountryTerms, region: Int?) -> String {
    let base = store.text == Geography.anywhere ? "stores anywhere" : "stores only in \(store.text)"
    guard let region else { return base }
    let place = policy.topology.regions[region]
    let failing = constraints.regionJurisdictions[region].filter {
      !store.permits($0, certifications: place.operatedBy.certifications)
    }
    return failing.isEmpty ? base : "\(base), which rules out \(jurisdictions(failing, of: place))"
  }

  /// `clashing`: the countries that what it conflicts with would permit.
  private func demand(of exclusion: Exclusion, region: Int?, clashing: IndexSet256) -> String {
    guard let region else {
      let count = exclusion.countries.count
      let all = "excludes \(count == 1 ? "1 country" : "\(count) countries")"
      let codes = policy.geography.codes(exclusion.countries.intersection(clashing))
      guard (1...12).contains(codes.count), codes.count < count else { return all }
      return "\(all), \(codes.map(\.description).joined(separator: ", ")) among them"
    }
    let place = policy.topology.regions[region]
    let failing = constraints.regionJurisdictions[region].filter(exclusion.countries.contains)
    return failing.isEmpty
      ? "does not exclude \(place.country)" : "excludes \(jurisdictions(failing, of: place))"
  }

  private func jurisdictions(_ numbers: [Int], of place: Region) -> String {
    place.describing(numbers, in: policy.geography)
  }
}
