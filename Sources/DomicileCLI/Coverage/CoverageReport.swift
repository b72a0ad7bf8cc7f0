import Domicile

/// What there is to say of a policy's coverage, in the words that the terminal, the map and the page share.
struct CoverageReport {
  let policy: ResidencyPolicy
  let coverage: PolicyCoverage

  init(_ policy: ResidencyPolicy) {
    self.policy = policy
    coverage = policy.coverage()
  }

  var excluded: [PolicyCoverage.Residence] { coverage.residences.filter(\.isExcluded) }

  var idleRegions: [String] { coverage.places.filter(\.residences.isEmpty).map(\.region) }

  /// The day, and when it will have to be asked again.
  var day: String {
    "on \(policy.day)" + (policy.phase.end.map { ", until something changes on \($0)" } ?? "")
  }

  var summary: String {
    let states = PolicyCoverage.State.allCases.map { "\(coverage.count($0)) \($0.rawValue)" }
    return "\(coverage.residences.count) countries of residence: \(states.joined(separator: ", "));"
      + " \(excluded.count) excluded as places"
  }

  /// Where the data of an answer may live.
  func places(_ answer: PolicyCoverage.Answer) -> String {
    if answer.regions.isEmpty { return "nowhere" }
    let count = coverage.places.count
    return answer.regions.count == count && count > 1
      ? "all \(count) regions" : answer.regions.joined(separator: ", ")
  }

  /// The rules that say no. What the rules allow can be unserved because no shard accepts the residents.
  func cause(_ answer: PolicyCoverage.Answer) -> String {
    if answer.outcome == .allowed { return "" }
    return answer.conflict.isEmpty
      ? "what the shards accept" : names(of: answer.conflict).joined(separator: ", ")
  }

  /// Few countries by their codes, many by the number of their group.
  func residents(ofGroup number: Int) -> String {
    let codes = coverage.groups[number].residences
    return codes.count <= 8
      ? codes.map(\.description).joined(separator: ", ") : "group \(number + 1)"
  }

  func group(of country: CountryCode) -> PolicyCoverage.Group? {
    coverage.groups.first { $0.residences.contains(country) }
  }

  struct Refusal {
    let residents: String
    let answer: PolicyCoverage.Answer
  }

  /// What is not allowed, by group.
  var refusals: [Refusal] {
    coverage.groups.indices.flatMap { number in
      coverage.groups[number].answers.filter { $0.outcome != .allowed }.map {
        Refusal(residents: residents(ofGroup: number), answer: $0)
      }
    }
  }

  /// The rules and exclusions of all refusals, each once.
  var citations: [Verdict.Citation] { unique(refusals.flatMap(\.answer.conflict)) }
}

/// Each of them once.
func unique(_ citations: [Verdict.Citation]) -> [Verdict.Citation] {
  citations.reduce(into: []) { all, citation in
    if !all.contains(citation) { all.append(citation) }
  }
}

/// What they demand and why, in lines. One that stands in several conflicts gives its reason once.
func reasons(of citations: [Verdict.Citation]) -> [String] {
  var told: Set<String> = []
  return unique(citations).flatMap { citation in
    citation.lines.prefix(told.insert(citation.name).inserted ? 3 : 1)
  }
}

extension PolicyCoverage.Answer {
  /// The outcome as a state: what is allowed is served.
  var state: String { outcome == .allowed ? "served" : outcome.rawValue }
}
