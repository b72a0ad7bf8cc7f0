/// The policy as docs/policy.md puts it, and nothing else: strings, sets and loops.
///
/// It shares no code with `DomicilePolicy`. Where the two differ, one of them has misread the design.
struct NaivePolicy {
  /// An entry of `store`: countries, and the certification that the operator must hold for it to count.
  struct Entry {
    var countries: Set<String>
    var certified: String?
  }

  struct Exclusion {
    var name: String
    var countries: Set<String>
  }

  struct Rule {
    var name: String
    var residents: Set<String>
    /// Nil: all of them.
    var classes: Set<String>?
    var store: [Entry]?
    /// The rule does not match a user who has this attribute.
    var unless: String?
  }

  struct Operator {
    var jurisdictions: Set<String>
    var certifications: Set<String>
  }

  struct Region {
    var name: String
    var country: String
    var operatedBy: Operator
  }

  struct Shard {
    var name: String
    var region: String
    /// The countries whose residents it accepts.
    var accepts: Set<String>
  }

  struct User {
    var residence: String
    var attributes: Set<String>
  }

  var countries: Set<String> = []
  var attributes: [String] = []
  var classes: [String] = []
  var exclusions: [Exclusion] = []
  var rules: [Rule] = []
  var otherwise: [Entry] = []
  var regions: [Region] = []
  var shards: [Shard] = []

  // MARK: What decides

  /// One thing that decides by itself where data may be: an exclusion, a rule's `store`, or `otherwise`.
  enum Constraint {
    case exclusion(Exclusion)
    case store(name: String, [Entry])

    var name: String {
      switch self {
      case .exclusion(let exclusion): exclusion.name
      case .store(let name, _): name
      }
    }

    /// Whether it lets data be under the law of `country`, with an operator so certified.
    func permits(_ country: String, certifications: Set<String>) -> Bool {
      switch self {
      case .exclusion(let exclusion): return !exclusion.countries.contains(country)
      case .store(_, let entries):
        return entries.contains { entry in
          guard entry.countries.contains(country) else { return false }
          guard let certified = entry.certified else { return true }
          return certifications.contains(certified)
        }
      }
    }

    /// "Tested for the region's country and every one of its operator's jurisdictions."
    func permits(_ region: Region) -> Bool {
      let certifications = region.operatedBy.certifications
      return permits(region.country, certifications: certifications)
        && region.operatedBy.jurisdictions.allSatisfy {
          permits($0, certifications: certifications)
        }
    }

    /// Whether some operator, certified as it may be, could store data in the country.
    func permitsSomebody(in country: String) -> Bool {
      switch self {
      case .exclusion(let exclusion): !exclusion.countries.contains(country)
      case .store(_, let entries): entries.contains { $0.countries.contains(country) }
      }
    }
  }

  /// "The intersection of `store` over all matching rules (`otherwise` where no matching rule has a
  /// `store`), minus the exclusions."
  func constraints(on user: User, dataClass: String) -> [Constraint] {
    var stores: [Constraint] = []
    for rule in rules {
      guard rule.residents.contains(user.residence) else { continue }
      if let classes = rule.classes, !classes.contains(dataClass) { continue }
      if let unless = rule.unless, user.attributes.contains(unless) { continue }
      if let store = rule.store { stores.append(.store(name: rule.name, store)) }
    }
    if stores.isEmpty { stores = [.store(name: "otherwise", otherwise)] }
    return stores + exclusions.map(Constraint.exclusion)
  }

  // MARK: What follows

  func legalRegions(under constraints: [Constraint]) -> Set<String> {
    Set(regions.filter { region in constraints.allSatisfy { $0.permits(region) } }.map(\.name))
  }

  func legalCountries(under constraints: [Constraint]) -> Set<String> {
    countries.filter { country in constraints.allSatisfy { $0.permitsSomebody(in: country) } }
  }

  /// What may be done with a user's data of a class.
  struct Answer {
    var legalRegions: Set<String>
    /// The legal regions in which a shard accepts the user.
    var servingRegions: Set<String>
    var legalCountries: Set<String>

    /// The outcome, as docs/words.md names it, in general or for one region.
    func outcome(in region: String?) -> String {
      if let region {
        if !legalRegions.contains(region) { return "refused" }
        return servingRegions.contains(region) ? "allowed" : "unserved"
      }
      if !servingRegions.isEmpty { return "allowed" }
      return legalCountries.isEmpty ? "unplaceable" : "unserved"
    }
  }

  func answer(_ user: User, under constraints: [Constraint]) -> Answer {
    let legal = legalRegions(under: constraints)
    let accepting = Set(shards.filter { $0.accepts.contains(user.residence) }.map(\.region))
    return Answer(
      legalRegions: legal, servingRegions: legal.intersection(accepting),
      legalCountries: legalCountries(under: constraints))
  }

  // MARK: Facts

  /// The countries excluded by a table of facts.
  ///
  /// "Facts inherit from the sovereign to territories without a row of their own"; a country the table does
  /// not know is as `missing` says.
  static func excluded(
    facts: [String: String], sovereigns: [String: String], is wanted: Set<String>,
    missing isExcluded: Bool, except: Set<String>
  ) -> Set<String> {
    var excluded: Set<String> = []
    for (country, sovereign) in sovereigns where !except.contains(country) {
      if let fact = facts[country] ?? facts[sovereign] {
        if wanted.contains(fact) { excluded.insert(country) }
      } else if isExcluded {
        excluded.insert(country)
      }
    }
    return excluded
  }

  /// All sets of the attributes.
  var attributeSets: [Set<String>] {
    attributes.reduce([[]]) { sets, attribute in sets + sets.map { $0.union([attribute]) } }
  }
}
