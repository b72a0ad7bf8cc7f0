/// A mapping of the language whose keys are fixed.
///
/// The schemas in `regions/schemas`, by which editors help, have the same keys; a test demands it.
package enum LanguageMapping: String, CaseIterable, Sendable {
  // policy.yaml, and what it includes
  case policy, included, exclusion, exception, condition, dataClass, retention, rule, unless
  /// A term of `store`.
  case storeTerm
  /// A term of `copy` or `process`.
  case placeTerm
  case otherwise
  // topology.yaml
  case topology, region, shard
  case regionOperator = "operator"
  // tests.yaml
  case tests
  case policyCase = "case"
  case expectedRegions

  package var keys: [String] {
    switch self {
    case .policy: ["policy", "otherwise"] + Self.included.keys
    case .included: ["include", "groups", "assume", "exclude", "attributes", "classes", "rules"]
    case .exclusion:
      [
        "name", "where", "countries", "missing", "except", "from", "until", "reason", "source",
        "review",
      ]
    case .exception: ["country", "from", "until", "reason", "source"]
    case .condition: ["facts", "rows", "column", "is", "at-least", "at-most"]
    case .dataClass: ["collections", "retention"]
    case .retention: ["default", "longest", "shortest"]
    case .rule:
      [
        "name", "residents", "classes", "store", "copy", "process", "prefer", "unless", "when",
        "from", "until", "reason", "source", "review", "unverified",
      ]
    case .unless: ["attribute"]
    case .storeTerm: ["countries", "certified"] + Self.placeTerm.keys.dropFirst()
    case .placeTerm: ["countries", "except", "from", "until"]
    case .otherwise: ["store", "process"]
    case .topology: ["topology", "directory", "operators", "regions"]
    case .region: ["country", "operator", "cloud", "state", "shards"]
    case .shard: ["accepts", "state"]
    case .regionOperator: ["jurisdictions", "certifications"]
    case .tests: ["cases"]
    case .policyCase:
      ["name", "residence", "attributes", "class", "on", "process", "expect", "because"]
    case .expectedRegions: ["allowed", "refused", "unserved", "chosen"]
    }
  }

  /// How a word is written that somebody puts where the mapping should be; nil: there is no telling.
  var shortForm: ((_ word: String) -> String)? {
    switch self {
    case .unless: { "{attribute: \($0)}" }
    case .otherwise: { "{store: \($0), process: \($0)}" }
    default: nil
    }
  }
}
