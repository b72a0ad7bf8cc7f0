/// What the policy says of one user's data in one class: allowed or not, and why.
///
/// A verdict names countries, regions and rules, and no person.
public struct Verdict: Sendable, Hashable, Codable {
  public enum Outcome: String, Sendable, Codable {
    /// The data may live in the region, or, where none was asked for, in the alternatives.
    case allowed
    /// The data may not live in the region.
    case refused
    /// No country at all is legal: what is required and what is forbidden conflict.
    case unplaceable
    /// Some country is legal, but no region is there that takes the data.
    case unserved
  }

  /// A rule, an exclusion or `otherwise`, and what it had to do with the outcome.
  public struct Citation: Sendable, Hashable, Codable {
    /// The rule's or exclusion's name, or `otherwise`.
    public let name: String
    public let file: String
    public let line: Int
    /// What it demands here: `stores only in RU`.
    public let demand: String
    /// The reason that the policy gives.
    public let reason: String
    public let source: String?
  }

  public let outcome: Outcome
  public let dataClass: String
  /// The residence, as a code; nil for a group, whose members' tags are told to nobody.
  public let residence: String?
  /// The attributes that are set.
  public let attributes: [String]
  /// The region asked about, if any.
  public let region: String?
  /// The country of that region; of a process, where it runs, if that is known.
  public let country: String?
  /// Whether this is about reading and writing by a process somewhere, and not about where the data lives.
  public let isProcessing: Bool
  /// The rules that decided: for a refusal all that forbid, for an allowance all that were asked.
  public let rules: [Citation]
  /// Where nothing is legal, an irreducible set of rules that conflict: drop any one of them and some place
  /// becomes legal. For a refused region, one rule that suffices to forbid it.
  public let conflict: [Citation]
  /// The regions where the data may live and a shard accepts it, in the order in which they would be chosen:
  /// those that `prefer` names first, then the nearest.
  public let alternatives: [String]
  /// The countries that are legal, a region there or not, as codes.
  public let legalCountries: [String]
  /// The digest of the policy that says so.
  public let digest: String

  public var isAllowed: Bool { outcome == .allowed }

  /// Without the regions and countries that would be legal.
  package var withoutPlaces: Verdict {
    Verdict(
      outcome: outcome, dataClass: dataClass, residence: residence, attributes: attributes,
      region: region, country: country, isProcessing: isProcessing, rules: rules,
      conflict: conflict, alternatives: [], legalCountries: [], digest: digest)
  }
}

extension Verdict: CustomStringConvertible {
  /// One sentence: what was asked and the answer.
  public var summary: String {
    let tags = attributes.isEmpty ? "" : " (\(attributes.joined(separator: ", ")))"
    let whose =
      residence.map { "\(dataClass) of a resident of \($0)\(tags)" } ?? "\(dataClass) of this group"
    if isProcessing {
      let place =
        country.map { "a process in \($0)" } ?? "a process of which nobody said where it runs"
      return "\(outcome): \(whose) may \(isAllowed ? "" : "not ")be read and written by \(place)"
    }
    let place = region.map { "\($0) (\(country ?? ""))" }
    switch outcome {
    case .allowed:
      return place.map { "allowed: \(whose) may live in \($0)" }
        ?? "allowed: \(whose) may live in \(alternatives.joined(separator: ", "))"
    case .refused: return "refused: \(whose) may not live in \(place ?? "")"
    case .unplaceable: return "unplaceable: \(whose) may live in no country"
    case .unserved:
      if legalCountries.isEmpty, place == nil { return "unserved: no region takes \(whose)" }
      if let place {
        return "unserved: \(whose) may live in \(place), but no shard there accepts it"
      }
      let countries = legalCountries.prefix(12).joined(separator: ", ")
      let more = legalCountries.count > 12 ? ", …" : ""
      return "unserved: \(whose) may live in \(countries)\(more), but no region there takes it"
    }
  }

  /// The whole explanation: the summary and the reasons, a line each.
  public var description: String { ([summary] + reasons).joined(separator: "\n") }

  /// The summary without the outcome.
  package var claim: String { String(summary.dropFirst("\(outcome): ".count)) }

  /// The whole explanation as sentences, for an error whose code says the outcome.
  package var statement: String {
    let words = ([claim] + reasons).joined(separator: "\n")
    return words.prefix(1).uppercased() + words.dropFirst()
  }

  /// The rules that decided, with their reasons, and the legal alternatives; indented by two.
  public var reasons: [String] {
    var lines: [String] = []
    let cited = outcome == .allowed || outcome == .refused ? rules : conflict
    for citation in cited { lines += citation.lines }
    if residence == nil, !isAllowed, cited.isEmpty {
      lines.append(
        "  a group's data may be only where every member's may; whose may not is not told")
    }
    if isProcessing, !isAllowed {
      let countries = legalCountries.prefix(12).joined(separator: ", ")
      lines.append(
        legalCountries.isEmpty
          ? "  it may be processed nowhere"
          : "  legal instead: \(countries)\(legalCountries.count > 12 ? ", …" : "")")
    }
    // Of a group somebody may be told no places.
    if region != nil && outcome != .allowed && !(residence == nil && alternatives.isEmpty) {
      lines.append(
        alternatives.isEmpty
          ? "  no other region takes it"
          : "  legal instead: \(alternatives.joined(separator: ", "))")
    }
    return lines
  }
}

extension Verdict.Citation {
  /// Name and place, demand, reason and source; indented by two.
  package var lines: [String] {
    ["  \(name) (\(file):\(line)) \(demand)", "    because: \(reason)"]
      + (source.map { ["    source: \($0)"] } ?? [])
  }
}
