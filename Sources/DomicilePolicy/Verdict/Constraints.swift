/// What decides: exclusions, rules and `otherwise`, each with the regions and countries it permits.
struct Constraints: Sendable {
  enum Identity: Hashable, Sendable {
    case exclusion(Int)
    case rule(Int)
    case otherwise
  }

  struct Permitted: Sendable {
    var regions: IndexSet256
    /// Countries where a region could be, whatever its operator were.
    var countries: IndexSet256
  }

  let rulebook: Rulebook
  /// For each region, its country's number and those of all who can compel its operator.
  let regionJurisdictions: [[Int]]
  let regionCountries: [Int]
  private let exclusions: [Permitted]
  private let rules: [Permitted?]
  private let otherwise: Permitted
  private let everything: Permitted
  /// The rules that concern the residents of each country, in the order of the file.
  private let rulesByResidence: [[Int]]
  private let unlessBits: [UInt64]

  init(rulebook: Rulebook, topology: RegionTopology, geography: Geography) {
    let jurisdictions = topology.regions.map { region in
      ([region.country] + region.operatedBy.jurisdictions).compactMap(geography.number(of:))
    }
    let certifications = topology.regions.map(\.operatedBy.certifications)
    func permitted(by store: StoreSet) -> Permitted {
      Permitted(
        regions: IndexSet256(
          topology.regions.indices.filter { region in
            jurisdictions[region].allSatisfy {
              store.permits($0, certifications: certifications[region])
            }
          }),
        countries: store.countries)
    }
    self.rulebook = rulebook
    regionJurisdictions = jurisdictions
    regionCountries = topology.regions.map { geography.number(of: $0.country) ?? 0 }
    exclusions = rulebook.exclusions.map { exclusion in
      Permitted(
        regions: IndexSet256(
          topology.regions.indices.filter { region in
            !jurisdictions[region].contains(where: exclusion.countries.contains)
          }),
        countries: geography.all.subtracting(exclusion.countries))
    }
    rules = rulebook.rules.map { $0.store.map(permitted) }
    otherwise = permitted(by: rulebook.otherwise)
    everything = Permitted(
      regions: IndexSet256(upTo: topology.regions.count), countries: geography.all)
    var byResidence = Array(repeating: [Int](), count: geography.countries.count)
    for (number, rule) in rulebook.rules.enumerated() {
      for country in rule.residents.members { byResidence[country].append(number) }
    }
    rulesByResidence = byResidence
    unlessBits = rulebook.rules.map { rule in
      rule.unlessAttribute.flatMap { rulebook.attributes.firstIndex(of: $0) }
        .map { 1 << UInt64($0) } ?? 0
    }
  }

  /// The rules with a `store` that concern the residents of a country and a class, whatever their attributes.
  func matching(residence: Int, dataClass: String) -> [Int] {
    rulesByResidence[residence].filter {
      rules[$0] != nil && rulebook.rules[$0].concerns(dataClass: dataClass)
    }
  }

  func relevantAttributes(of rules: [Int]) -> UInt64 {
    rules.reduce(0) { $0 | unlessBits[$1] }
  }

  private func binds(_ rule: Int, attributes: UInt64) -> Bool { unlessBits[rule] & attributes == 0 }

  /// What binds a user: every exclusion, and the matching rules, or `otherwise` where none matches.
  func binding(_ matching: [Int], attributes: UInt64) -> [Identity] {
    let rules = matching.filter { binds($0, attributes: attributes) }
    return (rules.isEmpty ? [.otherwise] : rules.map(Identity.rule))
      + exclusions.indices.map(Identity.exclusion)
  }

  func permitted(by identity: Identity) -> Permitted {
    switch identity {
    case .exclusion(let number): exclusions[number]
    case .rule(let number): rules[number] ?? everything
    case .otherwise: otherwise
    }
  }

  func permitted(by identities: some Sequence<Identity>) -> Permitted {
    identities.reduce(into: everything) { result, identity in
      let one = permitted(by: identity)
      result.regions.formIntersection(one.regions)
      result.countries.formIntersection(one.countries)
    }
  }

  func regions(_ matching: [Int], attributes: UInt64) -> IndexSet256 {
    permitted(by: binding(matching, attributes: attributes)).regions
  }

  /// The order of the first rule that has one.
  func preference(residence: Int, dataClass: String, attributes: UInt64) -> [IndexSet256] {
    let first = rulesByResidence[residence].first { number in
      let rule = rulebook.rules[number]
      return !rule.prefer.isEmpty && rule.concerns(dataClass: dataClass)
        && binds(number, attributes: attributes)
    }
    return first.map { rulebook.rules[$0].prefer } ?? []
  }
}
