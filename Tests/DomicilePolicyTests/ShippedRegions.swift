import DomicilePolicy
import DomicileTesting
import Foundation
import Testing
import Yams

/// The repository's `regions` folder.
enum ShippedRegions {
  static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "regions").path

  static func policy() throws -> ResidencyPolicy { try ResidencyPolicy(folder: folder) }

  /// A file as YAML means it. The basic resolver leaves `NO` a word.
  static func yaml(_ name: String) throws -> [String: Any] {
    let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
    return try Yams.load(yaml: text, .basic) as? [String: Any] ?? [:]
  }

  /// The words of a list, or of what stands for a list of one.
  static func words(_ value: Any?) -> [String] {
    value as? [String] ?? (value as? String).map { [$0] } ?? []
  }

  /// Its texts with one of the narrower lists of `rules/` instead of the exclusion.
  static func texts(excluding list: String) throws -> [String: String] {
    var texts = try RegionFiles(folder: folder).texts
    let text = try #require(texts["policy.yaml"])
    let start = try #require(text.range(of: "\nexclude:\n")).lowerBound
    let end = try #require(text.range(of: "\nattributes:\n")).lowerBound
    texts["policy.yaml"] = text.replacingCharacters(
      in: start..<end, with: "\ninclude: rules/exclude-\(list).yaml\n")
    return texts
  }

  // MARK: As the naive evaluator reads it

  /// The rows of a table of facts, as values by column.
  static func table(_ name: String) throws -> [[String: String]] {
    let text = try String(contentsOfFile: "\(folder)/facts/\(name).csv", encoding: .utf8)
    let lines = text.split(separator: "\n").map(fields)
    return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(lines[0], $0)) }
  }

  /// Commas between quotes do not part fields.
  private static func fields(_ line: Substring) -> [String] {
    var fields = [""]
    for (index, piece) in line.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
    {
      if index.isMultiple(of: 2) {
        let parts = piece.split(separator: ",", omittingEmptySubsequences: false)
        fields[fields.count - 1] += parts[0]
        fields += parts.dropFirst().map(String.init)
      } else {
        fields[fields.count - 1] += piece
      }
    }
    return fields
  }

  static func naive() throws -> NaivePolicy {
    var reader = NaiveReader()
    reader.day = try policy().day.description
    for row in try table("countries") { reader.sovereigns[row["alpha2"] ?? ""] = row["sovereign"] }
    for row in try table("groups") {
      reader.groups[row["group"] ?? "", default: []].insert(row["code"] ?? "")
    }
    return try reader.policy()
  }
}

/// Reads `policy.yaml` and `topology.yaml` as they are written today; not a judge of mistakes.
private struct NaiveReader {
  var sovereigns: [String: String] = [:]
  var groups: [String: Set<String>] = [:]
  var day = ""

  private typealias Map = [String: Any]

  private func yaml(_ name: String) throws -> Map { try ShippedRegions.yaml(name) }

  private func words(_ value: Any?) -> [String] { ShippedRegions.words(value) }

  private func meaning(_ value: Any?) -> Set<String> {
    words(value).reduce(into: []) { all, word in
      all.formUnion(word == "anywhere" ? Set(sovereigns.keys) : groups[word] ?? [word])
    }
  }

  private func entries(_ value: Any?) -> [NaivePolicy.Entry] {
    (value as? [Any] ?? value.map { [$0] } ?? []).map { entry in
      let term = entry as? Map
      return NaivePolicy.Entry(
        countries: meaning(term?["countries"] ?? entry).subtracting(meaning(term?["except"])),
        certified: term?["certified"] as? String, period: period(term ?? [:]))
    }
  }

  private func period(_ map: Map) -> NaivePolicy.Period {
    NaivePolicy.Period(from: map["from"] as? String, until: map["until"] as? String)
  }

  func policy() throws -> NaivePolicy {
    let law = try yaml("policy.yaml")
    var naive = NaivePolicy(countries: Set(sovereigns.keys))
    naive.attributes = words(law["attributes"])
    naive.day = day
    naive.assumptions = (law["assume"] as? Map ?? [:]).mapValues { $0 as? String == "true" }
    naive.classes = (law["classes"] as? Map ?? [:]).keys.sorted()
    naive.otherwise = entries((law["otherwise"] as? Map)?["store"])
    for rule in law["rules"] as? [Map] ?? [] {
      naive.rules.append(
        NaivePolicy.Rule(
          name: rule["name"] as? String ?? "", residents: meaning(rule["residents"]),
          classes: rule["classes"].map { Set(words($0)) }, store: rule["store"].map(entries),
          copy: rule["copy"].map(entries), process: rule["process"].map(entries),
          when: words(rule["when"]), period: period(rule),
          unless: (rule["unless"] as? Map)?["attribute"] as? String))
    }
    for exclusion in law["exclude"] as? [Map] ?? [] {
      let name = exclusion["name"] as? String ?? ""
      let exceptions = (exclusion["except"] as? [Map] ?? []).map {
        NaivePolicy.Exception(country: $0["country"] as? String ?? "")
      }
      naive.exclusions.append(
        NaivePolicy.Exclusion(
          name: name, countries: try excluded(exclusion), exceptions: exceptions))
    }
    addTopology(try yaml("topology.yaml"), to: &naive)
    return naive
  }

  private func excluded(_ exclusion: Map) throws -> Set<String> {
    guard let condition = exclusion["where"] as? Map else {
      return meaning(exclusion["countries"])
    }
    let column = condition["column"] as? String ?? ""
    var facts: [String: String] = [:]
    for row in try ShippedRegions.table(condition["facts"] as? String ?? "") {
      facts[row["code"] ?? ""] = row[column]
    }
    return NaivePolicy.excluded(
      facts: facts, sovereigns: sovereigns, is: Set(words(condition["is"])),
      missing: exclusion["missing"] as? String != "allow")
  }

  private func addTopology(_ topology: Map, to naive: inout NaivePolicy) {
    var operators: [String: NaivePolicy.Operator] = [:]
    for (name, value) in topology["operators"] as? [String: Map] ?? [:] {
      operators[name] = NaivePolicy.Operator(
        jurisdictions: meaning(value["jurisdictions"]),
        certifications: Set(words(value["certifications"])))
    }
    for (name, value) in topology["regions"] as? [String: Map] ?? [:] {
      guard let country = value["country"] as? String,
        let operatedBy = operators[value["operator"] as? String ?? ""]
      else { continue }
      naive.regions.append(
        NaivePolicy.Region(name: name, country: country, operatedBy: operatedBy))
      for (shard, options) in value["shards"] as? [String: Map] ?? [:] {
        let accepts = options["accepts"].map(meaning) ?? naive.countries
        naive.shards.append(NaivePolicy.Shard(name: shard, region: name, accepts: accepts))
      }
    }
  }
}
