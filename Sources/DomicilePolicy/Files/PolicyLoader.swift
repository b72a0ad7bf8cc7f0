/// Puts the texts of a policy together, noting which of them it uses.
final class PolicyLoader {
  struct Parts {
    let geography: Geography
    let rulebook: Rulebook
    let topology: RegionTopology
  }

  private let texts: [String: String]
  private let log: ProblemLog
  private var tables: [String: FactTable?] = [:]
  private(set) var used: Set<String> = []

  init(texts: [String: String], log: ProblemLog) {
    self.texts = texts
    self.log = log
  }

  /// Nil, with the problems logged, if there is any.
  func load() -> Parts? {
    guard let countries = table("countries"), let groups = table("groups") else { return nil }
    var geography: Geography
    do {
      geography = try Geography(countries: countries, groups: groups)
    } catch {
      log.add(error)
      return nil
    }
    let documents = text(PolicyDecoder.file).flatMap {
      PolicyDecoder.documents($0, log: log, include: included)
    }
    if let documents { geography = PolicyDecoder.groups(documents, of: geography) }
    let rulebook = documents.flatMap {
      PolicyDecoder(geography: geography, table: table(_:at:), log: log).decode($0)
    }
    let topology = text(TopologyDecoder.file).flatMap {
      TopologyDecoder(
        geography: geography, cloudRegions: { self.table("cloud-regions", at: $0) }, log: log
      ).decode($0)
    }
    guard let rulebook, let topology, log.problems.isEmpty else { return nil }
    return Parts(geography: geography, rulebook: rulebook, topology: topology)
  }

  private func text(_ path: String) -> String? {
    used.insert(path)
    if texts[path] == nil { log.add(PolicyProblem(file: path, message: "the file is missing")) }
    return texts[path]
  }

  private func included(_ path: String, at reader: YAMLReader) -> String? {
    guard let text = texts[path] else {
      let known = texts.keys.filter { $0.hasPrefix("rules/") }
      reader.problem("there is no “\(path)”; \(suggestion(for: path, among: known))")
      return nil
    }
    used.insert(path)
    return text
  }

  private func table(_ name: String) -> FactTable? {
    let path = "facts/\(name).csv"
    if let known = tables[name] { return known }
    var table: FactTable?
    if let text = text(path) {
      do {
        table = try FactTable(file: path, text: text)
      } catch {
        log.add(error)
      }
    }
    tables[name] = .some(table)
    return table
  }

  private func table(_ name: String, at reader: YAMLReader) -> FactTable? {
    if texts["facts/\(name).csv"] != nil { return table(name) }
    let known = texts.keys.compactMap { path in
      path.hasPrefix("facts/") ? String(path.dropFirst(6).dropLast(4)) : nil
    }
    reader.problem("no table “\(name)” in facts; \(suggestion(for: name, among: known))")
    return nil
  }
}
