/// The policy as docs/policy.md puts it, and nothing else: strings, sets and loops.
///
/// It shares no code with `DomicilePolicy`. Where the two differ, one of them has misread the design.
struct NaivePolicy {
  /// An entry of `store`: countries, and the certification that the operator must hold for it to count.
  struct Entry {
    var countries: Set<String>
    var certified: String?
    var period = Period()
  }

  /// The first and the last day on which something holds, as they are written: days in order are texts in order.
  struct Period {
    var from: String?
    var until: String?

    func holds(on day: String) -> Bool {
      if let from, day < from { return false }
      if let until, day > until { return false }
      return true
    }
  }

  struct Exclusion {
    var name: String
    /// Those that are named, or that the facts point to.
    var countries: Set<String>
    var exceptions: [Exception] = []
    var period = Period()
  }

  /// One country that an exclusion lets off.
  struct Exception {
    var country: String
    var period = Period()
  }

  struct Rule {
    var name: String
    var residents: Set<String>
    /// Nil: all of them.
    var classes: Set<String>?
    var store: [Entry]?
    /// Where a copy must be.
    var copy: [Entry]?
    /// Where a process may run.
    var process: [Entry]?
    /// What must be assumed of the deployment for the rule to match.
    var when: [String] = []
    var period = Period()
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
  /// Nil: anywhere.
  var otherwiseProcess: [Entry]?
  var assumptions: [String: Bool] = [:]
  /// Today.
  var day = "2026-01-01"
  var regions: [Region] = []
  var shards: [Shard] = []

  // MARK: What decides

  /// One thing that decides by itself where data may be: an exclusion, a rule's `store`, or `otherwise`.
  enum Constraint {
    case exclusion(Exclusion)
    case store(name: String, [Entry])
    case copy(name: String, [Entry])

    var name: String {
      switch self {
      case .exclusion(let exclusion): exclusion.name
      case .store(let name, _), .copy(let name, _): name
      }
    }

    /// A rule may have both parts, which decide by themselves.
    var key: String { if case .copy = self { "\(name)/copy" } else { name } }

    /// Whether it lets data be under the law of `country`, with an operator so certified.
    func permits(_ country: String, certifications: Set<String>) -> Bool {
      switch self {
      case .exclusion(let exclusion): return !exclusion.countries.contains(country)
      case .store(_, let entries), .copy(_, let entries):
        return entries.contains { entry in
          guard entry.countries.contains(country) else { return false }
          guard let certified = entry.certified else { return true }
          return certifications.contains(certified)
        }
      }
    }

    /// "Tested for the region's country and every one of its operator's jurisdictions."
    func permits(_ region: Region) -> Bool {
      // A copy is where the machine is.
      if case .copy = self { return permitsSomebody(in: region.country) }
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
      case .store(_, let entries), .copy(_, let entries):
        entries.contains { $0.countries.contains(country) }
      }
    }
  }

  /// "The intersection of `store` over all matching rules (`otherwise` where no matching rule has a
  /// `store`), minus the exclusions."
  func constraints(on user: User, dataClass: String) -> [Constraint] {
    var stores: [Constraint] = []
    var copies: [Constraint] = []
    for rule in rules where matches(rule, user, dataClass) {
      if let store = rule.store { stores.append(.store(name: rule.name, today(store))) }
      if let copy = rule.copy { copies.append(.copy(name: rule.name, today(copy))) }
    }
    if stores.isEmpty { stores = [.store(name: "otherwise", today(otherwise))] }
    return stores + copies + exclusionsToday.map(Constraint.exclusion)
  }

  /// The exclusions that hold, without the countries that they let off.
  private var exclusionsToday: [Exclusion] {
    exclusions.filter { $0.period.holds(on: day) }.map { exclusion in
      var exclusion = exclusion
      for exception in exclusion.exceptions where exception.period.holds(on: day) {
        exclusion.countries.remove(exception.country)
      }
      return exclusion
    }
  }

  private func matches(_ rule: Rule, _ user: User, _ dataClass: String) -> Bool {
    guard rule.residents.contains(user.residence), rule.period.holds(on: day) else { return false }
    if let classes = rule.classes, !classes.contains(dataClass) { return false }
    if let unless = rule.unless, user.attributes.contains(unless) { return false }
    return rule.when.allSatisfy { assumptions[$0] == true }
  }

  private func today(_ entries: [Entry]) -> [Entry] { entries.filter { $0.period.holds(on: day) } }

  /// "`process` likewise, each for itself."
  func processCountries(_ user: User, dataClass: String) -> Set<String> {
    var allowed = countries
    var isRestricted = false
    for rule in rules where matches(rule, user, dataClass) {
      guard let process = rule.process else { continue }
      isRestricted = true
      allowed.formIntersection(today(process).flatMap(\.countries))
    }
    if !isRestricted, let otherwiseProcess {
      allowed.formIntersection(today(otherwiseProcess).flatMap(\.countries))
    }
    for exclusion in exclusionsToday { allowed.subtract(exclusion.countries) }
    return allowed
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
    missing isExcluded: Bool
  ) -> Set<String> {
    excluded(facts: facts, sovereigns: sovereigns, where: wanted.contains, missing: isExcluded)
  }

  static func excluded(
    facts: [String: String], sovereigns: [String: String], where isWanted: (String) -> Bool,
    missing isExcluded: Bool
  ) -> Set<String> {
    var excluded: Set<String> = []
    for (country, sovereign) in sovereigns {
      if let fact = facts[country] ?? facts[sovereign] {
        if isWanted(fact) { excluded.insert(country) }
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
