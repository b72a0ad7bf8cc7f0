/// Where a rule or an exclusion is written.
public struct SourceLine: Hashable, Sendable, CustomStringConvertible {
  public let file: String
  /// Counted from 1.
  public let line: Int

  public var description: String { "\(file):\(line)" }
}

/// What a country must be: in one of the terms.
struct CountryTerms: Sendable {
  struct Term: Sendable {
    let countries: IndexSet256
    /// The certification the region's operator must hold for this term to count.
    var certified: String?
    /// Line and column of that certification.
    var place: (line: Int, column: Int)?
    var period = PolicyPeriod.always
  }

  var terms: [Term]
  /// As written, for explanations: `EEA, GDPR-ADEQUACY-FULL, US (certified EU-US-DPF)`.
  let text: String

  /// Whether a country is permitted to an operator with these certifications.
  func permits(_ country: Int, certifications: Set<String>) -> Bool {
    terms.contains { term in
      term.countries.contains(country)
        && term.certified.map(certifications.contains) ?? true
    }
  }

  /// The countries that are permitted to some operator: any certification may exist.
  var countries: IndexSet256 {
    terms.reduce(into: IndexSet256()) { $0.formUnion($1.countries) }
  }

  func holding(on day: PolicyDay) -> CountryTerms {
    CountryTerms(terms: terms.filter { $0.period.contains(day) }, text: text)
  }
}

/// A rule: where the data of some residents, in some classes, may be.
struct Rule: Sendable {
  let name: String
  let line: SourceLine
  let residents: IndexSet256
  /// Nil: all classes.
  let classes: Set<String>?
  /// Where it may be stored, and nowhere else.
  var store: CountryTerms?
  /// Where it must be stored, and may be elsewhere too. With one home that is where the home must be.
  var copy: CountryTerms?
  /// Where a process that reads or writes it may run.
  var process: CountryTerms?
  /// Groups and countries in the order in which their regions are chosen.
  let prefer: [IndexSet256]
  /// The rule does not bind users who have this attribute.
  let unlessAttribute: String?
  /// The rule binds only where all of these are assumed of the deployment.
  let assumptions: [String]
  let period: PolicyPeriod
  let reason: String
  let source: String?
  /// The day from which the rule should be looked at again.
  let review: PolicyDay?
  /// Nobody has checked that the law says so.
  let isUnverified: Bool

  func concerns(dataClass: String) -> Bool { classes?.contains(dataClass) ?? true }
}

/// Countries where nobody's data may be, whatever a rule says.
struct Exclusion: Sendable {
  /// One country is let off.
  struct Exception: Sendable {
    let country: Int
    let period: PolicyPeriod
  }

  let name: String
  let line: SourceLine
  /// Those that are named, or that the facts point to.
  let listed: IndexSet256
  var exceptions: [Exception]
  let period: PolicyPeriod
  let reason: String
  let source: String?
  /// The day from which the exclusion should be looked at again.
  let review: PolicyDay?

  /// Those that are listed and not let off.
  var countries: IndexSet256 { listed.subtracting(IndexSet256(exceptions.map(\.country))) }
}

/// A kind of data and the collections that hold it.
public struct DataClassDefinition: Sendable {
  public let name: String
  public let collections: [String]
  /// How long its records are kept; nil: as their writers ask.
  public let retention: Retention?

  init(name: String, collections: [String], retention: Retention? = nil) {
    self.name = name
    self.collections = collections
    self.retention = retention
  }
}

/// What `policy.yaml` and the files that it includes say.
struct Rulebook: Sendable {
  var name: String
  var exclusions: [Exclusion]
  /// Sorted; an attribute's place is its bit.
  var attributes: [String]
  /// What is taken for so of this deployment.
  var assumptions: [String: Bool]
  /// In the order of the files.
  var classes: [DataClassDefinition]
  /// Of the class ``ledgerClass``, which is no user's.
  var ledgerRetention: Retention?
  var rules: [Rule]
  /// Where no rule with `store` matches.
  var otherwise: CountryTerms
  /// Where no rule with `process` matches.
  var otherwiseProcess: CountryTerms
  var otherwiseLine: SourceLine

  /// The class whose data the directory itself is.
  static let directoryClass = "directory"
  /// The class of the ledger's entries.
  static let ledgerClass = "ledger"
  /// The class that must say how long its records are kept at most.
  static let metadataClass = "metadata"
  static let attributesMax = 64
  static let classesMax = 64
  static let assumptionsMax = 1_000
  static let includesMax = 256
  /// How many groups may be within each other.
  static let groupDepthMax = 64
  /// The most rules, and the most exclusions.
  static let rulesMax = 10_000

  /// Whether a rule can bind here at all: all that it needs is assumed of the deployment.
  func concerns(_ rule: Rule) -> Bool { rule.assumptions.allSatisfy { assumptions[$0] ?? false } }

  /// What holds on a day, of this deployment.
  func holding(on day: PolicyDay) -> Rulebook {
    var result = self
    result.exclusions = exclusions.filter { $0.period.contains(day) }.map { exclusion in
      var exclusion = exclusion
      exclusion.exceptions.removeAll { !$0.period.contains(day) }
      return exclusion
    }
    result.rules = rules.filter { rule in
      rule.period.contains(day) && concerns(rule)
    }.map { rule in
      var rule = rule
      rule.store = rule.store?.holding(on: day)
      rule.copy = rule.copy?.holding(on: day)
      rule.process = rule.process?.holding(on: day)
      return rule
    }
    result.otherwise = otherwise.holding(on: day)
    result.otherwiseProcess = otherwiseProcess.holding(on: day)
    return result
  }

  /// The days on which something begins or ends to hold, in order.
  var changes: [PolicyDay] {
    let terms =
      (rules.flatMap { [$0.store, $0.copy, $0.process] } + [otherwise, otherwiseProcess])
      .compactMap(\.self).flatMap(\.terms)
    let exceptions = exclusions.flatMap(\.exceptions)
    let periods =
      rules.map(\.period) + exclusions.map(\.period) + exceptions.map(\.period)
      + terms.map(\.period)
    return Set(periods.flatMap(\.changes)).sorted()
  }
}
