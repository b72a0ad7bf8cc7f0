/// What decides: exclusions, rules and `otherwise`, each with the regions and countries it permits.
struct Constraints: Sendable {
  /// One thing that decides by itself. A rule decides once for each of its parts.
  enum Identity: Hashable, Sendable {
    case exclusion(Int)
    case store(rule: Int)
    case copy(rule: Int)
    case process(rule: Int)
    case otherwiseStore
    case otherwiseProcess
  }

  struct Permitted: Sendable {
    var regions: IndexSet256
    /// Countries where a region could be, whatever its operator were; for `process`, where a process may run.
    var countries: IndexSet256
  }

  /// What holds in the phase that this was made for.
  let rulebook: Rulebook
  /// For each region, its country's number and those of all who can compel its operator.
  let regionJurisdictions: [[Int]]
  let regionCountries: [Int]
  /// Whether any rule, or `otherwise`, says where processes may run.
  let restrictsProcessing: Bool
  private let exclusions: [Permitted]
  private let rules: [PermittedByRule]
  private let otherwise: Permitted
  private let everything: Permitted
  /// The rules that concern the residents of each country, in the order of the files.
  private let rulesByResidence: [[Int]]

  private struct PermittedByRule {
    let store: Permitted?
    let copy: Permitted?
    let process: Permitted?
    /// The classes that it concerns, a bit each in the order of the files.
    let classes: UInt64
    let unless: UInt64
  }

  init(rulebook: Rulebook, topology: RegionTopology, geography: Geography) {
    let jurisdictions = topology.regions.map { region in
      ([region.country] + region.operatedBy.jurisdictions).compactMap(geography.number(of:))
    }
    let countries = topology.regions.map { geography.number(of: $0.country) ?? 0 }
    let certifications = topology.regions.map(\.operatedBy.certifications)
    let everything = Permitted(
      regions: IndexSet256(upTo: topology.regions.count), countries: geography.all)
    func permitted(
      _ countries: IndexSet256, where isPermitted: (_ region: Int) -> Bool
    ) -> Permitted {
      Permitted(
        regions: IndexSet256(topology.regions.indices.filter(isPermitted)), countries: countries)
    }
    func stored(in terms: CountryTerms) -> Permitted {
      permitted(terms.countries) { region in
        jurisdictions[region].allSatisfy {
          terms.permits($0, certifications: certifications[region])
        }
      }
    }
    self.rulebook = rulebook
    self.everything = everything
    regionJurisdictions = jurisdictions
    regionCountries = countries
    exclusions = rulebook.exclusions.map { exclusion in
      let excluded = exclusion.countries
      return permitted(geography.all.subtracting(excluded)) { region in
        !jurisdictions[region].contains(where: excluded.contains)
      }
    }
    rules = rulebook.rules.map { rule in
      PermittedByRule(
        store: rule.store.map(stored),
        // A copy is where the machine is, whoever operates it.
        copy: rule.copy.map { terms in
          let allowed = terms.countries
          return permitted(allowed) { allowed.contains(countries[$0]) }
        },
        process: rule.process.map {
          Permitted(regions: everything.regions, countries: $0.countries)
        },
        classes: rulebook.classes.enumerated().reduce(0) { bits, entry in
          rule.concerns(dataClass: entry.element.name) ? bits | 1 << UInt64(entry.offset) : bits
        },
        unless: rule.unlessAttribute.flatMap { rulebook.attributes.firstIndex(of: $0) }
          .map { 1 << UInt64($0) } ?? 0)
    }
    otherwise = stored(in: rulebook.otherwise)
    restrictsProcessing =
      rulebook.rules.contains { $0.process != nil }
      || !rulebook.otherwiseProcess.countries.isSuperset(of: geography.all)
    var byResidence = Array(repeating: [Int](), count: geography.countries.count)
    for (number, rule) in rulebook.rules.enumerated() {
      for country in rule.residents.members { byResidence[country].append(number) }
    }
    rulesByResidence = byResidence
  }

  /// The rules that concern the residents of a country and a class, whatever their attributes.
  func matching(residence: Int, dataClass: Int) -> [Int] {
    rulesByResidence[residence].filter { rules[$0].classes >> UInt64(dataClass) & 1 == 1 }
  }

  func relevantAttributes(of matching: [Int]) -> UInt64 {
    matching.reduce(0) { result, number in
      let rule = rules[number]
      let decides = rule.store != nil || rule.copy != nil || rule.process != nil
      return decides ? result | rule.unless : result
    }
  }

  private func binds(_ rule: Int, attributes: UInt64) -> Bool {
    rules[rule].unless & attributes == 0
  }

  /// What binds where a user's data is stored: every exclusion, and the matching rules, or `otherwise` where none has a
  /// `store`.
  func binding(_ matching: [Int], attributes: UInt64) -> [Identity] {
    let bound = matching.filter { binds($0, attributes: attributes) }
    let stores = bound.filter { rules[$0].store != nil }.map(Identity.store(rule:))
    return (stores.isEmpty ? [.otherwiseStore] : stores)
      + bound.filter { rules[$0].copy != nil }.map(Identity.copy(rule:))
      + exclusions.indices.map(Identity.exclusion)
  }

  /// The same for where a process may run that reads or writes it.
  func processBinding(_ matching: [Int], attributes: UInt64) -> [Identity] {
    let bound = matching.filter {
      rules[$0].process != nil && binds($0, attributes: attributes)
    }
    return (bound.isEmpty ? [.otherwiseProcess] : bound.map(Identity.process(rule:)))
      + exclusions.indices.map(Identity.exclusion)
  }

  func permitted(by identity: Identity) -> Permitted {
    switch identity {
    case .exclusion(let number): exclusions[number]
    case .store(let rule): rules[rule].store ?? everything
    case .copy(let rule): rules[rule].copy ?? everything
    case .process(let rule): rules[rule].process ?? everything
    case .otherwiseStore: otherwise
    case .otherwiseProcess:
      Permitted(regions: everything.regions, countries: rulebook.otherwiseProcess.countries)
    }
  }

  func permitted(by identities: some Sequence<Identity>) -> Permitted {
    identities.reduce(into: everything) { result, identity in
      let one = permitted(by: identity)
      result.regions.formIntersection(one.regions)
      result.countries.formIntersection(one.countries)
    }
  }

  /// The first rule that has an order.
  func preferring(residence: Int, dataClass: Int, attributes: UInt64) -> Int? {
    matching(residence: residence, dataClass: dataClass).first { number in
      !rulebook.rules[number].prefer.isEmpty && binds(number, attributes: attributes)
    }
  }

  /// The order of that rule.
  func preference(residence: Int, dataClass: Int, attributes: UInt64) -> [IndexSet256] {
    preferring(residence: residence, dataClass: dataClass, attributes: attributes)
      .map { rulebook.rules[$0].prefer } ?? []
  }
}
