/// Where a rule or an exclusion is written.
public struct SourceLine: Hashable, Sendable, CustomStringConvertible {
  public let file: String
  /// Counted from 1.
  public let line: Int

  public var description: String { "\(file):\(line)" }
}

/// What a country must be for storage: in one of the terms.
struct StoreSet: Sendable {
  struct Term: Sendable {
    let countries: IndexSet256
    /// The certification the region's operator must hold for this term to count.
    var certified: String?
    /// Line and column of that certification.
    var place: (line: Int, column: Int)?
  }

  let terms: [Term]
  /// As written, for explanations: `EEA, GDPR-ADEQUACY-FULL, US (certified EU-US-DPF)`.
  let text: String

  /// Whether storing in the country is permitted to an operator with these certifications.
  func permits(_ country: Int, certifications: Set<String>) -> Bool {
    terms.contains { term in
      term.countries.contains(country)
        && term.certified.map(certifications.contains) ?? true
    }
  }

  /// The countries in which some operator could store: any certification may exist.
  var countries: IndexSet256 {
    terms.reduce(into: IndexSet256()) { $0.formUnion($1.countries) }
  }
}

/// A rule: what the data of some residents, in some classes, may be stored in.
struct Rule: Sendable {
  let name: String
  let line: SourceLine
  let residents: IndexSet256
  /// Nil: all classes.
  let classes: Set<String>?
  let store: StoreSet?
  /// Groups and countries in the order in which their regions are chosen.
  let prefer: [IndexSet256]
  /// The rule does not bind users who have this attribute.
  let unlessAttribute: String?
  let reason: String
  let source: String?

  func concerns(dataClass: String) -> Bool { classes?.contains(dataClass) ?? true }
}

/// Countries where nobody's data may be, whatever a rule says.
struct Exclusion: Sendable {
  let name: String
  let line: SourceLine
  let countries: IndexSet256
  let reason: String
  let source: String?
  /// The day from which the exclusion should be looked at again, `YYYY-MM-DD`.
  let review: String?
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

/// What `policy.yaml` says.
struct Rulebook: Sendable {
  var name: String
  var exclusions: [Exclusion]
  /// Sorted; an attribute's place is its bit.
  var attributes: [String]
  /// In the order of the file.
  var classes: [DataClassDefinition]
  var rules: [Rule]
  var otherwise: StoreSet
  var otherwiseLine: SourceLine

  /// The class whose data the directory itself is.
  static let directoryClass = "directory"
  /// The class that must say how long its records are kept at most.
  static let metadataClass = "metadata"
  static let attributesMax = 64
  static let classesMax = 64
  /// The most rules, and the most exclusions.
  static let rulesMax = 10_000
}
