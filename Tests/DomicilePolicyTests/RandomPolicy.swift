import DomicilePolicy
import DomicileTesting

/// A small policy drawn from a seed, once as the naive model and once as the texts of a regions folder.
struct RandomPolicy {
  private(set) var naive = NaivePolicy()
  private(set) var texts: [String: String] = [:]

  private var random: SeededRandom
  private var countries: [String] = []
  /// What each word stands for that may name a jurisdiction.
  private var meanings: [(word: String, countries: Set<String>)] = []
  private var sovereigns: [String: String] = [:]
  private var facts: [String: String] = [:]
  private var scores: [String: String] = [:]
  private var hasScores = false
  private let certifications = ["DPF", "SEAL"]

  /// Days next to each other, so that first and last days are met.
  private static let days = ["2025-12-31", "2026-01-01", "2026-01-02", "2028-02-29", "2028-03-01"]

  /// The day on which the policy is asked.
  var day: String { naive.day }

  init(seed: UInt64) {
    random = SeededRandom(seed: seed)
    naive.day = Self.days[number(0...Self.days.count - 1)]
    drawCountries()
    drawFacts()
    drawPolicy()
    drawTopology()
  }

  // MARK: Drawing

  private mutating func number(_ range: ClosedRange<Int>) -> Int {
    Int.random(in: range, using: &random)
  }

  private mutating func happens(_ percent: Int) -> Bool { number(1...100) <= percent }

  private mutating func some<T>(of all: [T], atLeast least: Int, atMost most: Int) -> [T] {
    Array(all.shuffled(using: &random).prefix(number(least...most)))
  }

  private mutating func jurisdictions(atMost most: Int) -> (words: String, countries: Set<String>) {
    let chosen = some(of: meanings, atLeast: 1, atMost: most)
    return (
      "[\(chosen.map(\.word).joined(separator: ", "))]",
      chosen.reduce(into: []) { $0.formUnion($1.countries) }
    )
  }

  private mutating func drawCountries() {
    // `NO` and the like look like booleans and numbers to other readers of YAML.
    let codes = ["AQ", "DE", "FR", "IN", "NO", "RU", "US", "ZA"]
    countries = some(of: codes, atLeast: 2, atMost: happens(10) ? 8 : 5).sorted()
    naive.countries = Set(countries)
    var rows = "alpha2,name,sovereign,lat,lon\n"
    for country in countries {
      let owner =
        happens(70) ? country : happens(70) ? countries[number(0...countries.count - 1)] : ""
      sovereigns[country] = owner
      rows += "\(country),Land \(country),\(owner),\(number(-60...60)),\(number(-180...180))\n"
    }
    texts["facts/countries.csv"] = rows

    var groups = "group,code\n"
    for name in ["EEA", "G-20", "OECD"].prefix(number(0...3)) {
      let members = some(of: countries, atLeast: 1, atMost: countries.count)
      for member in members { groups += "\(name),\(member)\n" }
      meanings.append((name, Set(members)))
    }
    texts["facts/groups.csv"] = groups
    meanings += countries.map { ($0, [$0]) }
    meanings.append(("anywhere", Set(countries)))
  }

  private mutating func drawFacts() {
    var rows = "code,verdict\n"
    for country in countries where happens(70) || facts.isEmpty {
      // The first row has the verdict that an exclusion may ask for: one that never occurs is refused.
      let verdict = facts.isEmpty || happens(40) ? "bad" : happens(80) ? "good" : ""
      rows += "\(country),\(verdict)\n"
      if !verdict.isEmpty { facts[country] = verdict }
    }
    texts["facts/evidence.csv"] = rows
    // An index with a row for each year, as publishers give them.
    rows = "code,year,score\n"
    for country in countries where happens(70) {
      let score = happens(10) ? "" : "\(number(-3...9)).5"
      rows += "\(country),2025,\(number(0...9))\n\(country),2026,\(score)\n"
      if !score.isEmpty { scores[country] = score }
    }
    texts["facts/index.csv"] = rows + "\(countries[0]),1999,7\n"
    hasScores = rows.contains(",2026,")
  }

  /// Perhaps a first and a last day, as keys with their commas, and what they mean.
  private mutating func drawPeriod(_ percent: Int) -> (text: String, period: NaivePolicy.Period) {
    guard happens(percent) else { return ("", NaivePolicy.Period()) }
    let days = some(of: Self.days, atLeast: 2, atMost: 2).sorted()
    let period =
      happens(40)
      ? NaivePolicy.Period(from: days[0])
      : happens(50)
        ? NaivePolicy.Period(until: days[1])
        : NaivePolicy.Period(from: days[0], until: happens(20) ? days[0] : days[1])
    let words = [period.from.map { "from: \($0)" }, period.until.map { "until: \($0)" }]
    return (words.compactMap(\.self).joined(separator: ", "), period)
  }

  private func lines(_ period: (text: String, period: NaivePolicy.Period)) -> String {
    period.text.split(separator: ", ").map { "    \($0)\n" }.joined()
  }

  private mutating func drawPolicy() {
    naive.attributes = Array(["adult", "minor", "scc"].prefix(number(0...3)))
    naive.classes = ["directory", "messages", "payments"].suffix(number(1...2)) + ["directory"]
    if naive.classes.count == 3 { naive.classes = ["messages", "payments", "directory"] }
    var yaml = "policy: random\n"
    if !naive.attributes.isEmpty {
      yaml += "attributes: [\(naive.attributes.joined(separator: ", "))]\n"
    }
    yaml += drawGroups()
    for name in ["handler", "listed"] where happens(50) {
      naive.assumptions[name] = happens(50)
    }
    if !naive.assumptions.isEmpty {
      let words = naive.assumptions.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
      yaml += "assume: {\(words.joined(separator: ", "))}\n"
    }
    yaml += "classes:\n"
    for name in naive.classes {
      yaml += "  \(name): \(name == "directory" ? "{}" : "{collections: [\(name)-1]}")\n"
    }
    let exclusions = number(0...3)
    if exclusions > 0 { yaml += "exclude:\n" }
    for index in 0..<exclusions { yaml += drawExclusion("exclusion-\(index)") }
    let rules = number(0...4)
    let own = happens(20) ? number(0...rules) : rules
    if own > 0 { yaml += "rules:\n" }
    for index in 0..<own { yaml += drawRule("rule-\(index)") }
    if own < rules {
      yaml += "include: rules/more.yaml\n"
      texts["rules/more.yaml"] =
        "rules:\n" + (own..<rules).map { drawRule("rule-\($0)") }.joined()
    }
    let (words, entries) = drawStore()
    naive.otherwise = entries
    var process = ""
    if happens(25) {
      let (words, entries) = drawStore(isCertifiable: false)
      naive.otherwiseProcess = entries
      process = ", process: \(words)"
    }
    texts["policy.yaml"] = yaml + "otherwise: {store: \(words)\(process)}\n"
  }

  /// Groups of the policy's own, each perhaps with the one that comes after it in the file.
  private mutating func drawGroups() -> String {
    var lines: [String] = []
    for index in (0..<number(0...2)).reversed() {
      let members = jurisdictions(atMost: 2)
      lines.insert("  OWN-\(index): \(members.words)\n", at: 0)
      meanings.append(("OWN-\(index)", members.countries))
    }
    return lines.isEmpty ? "" : "groups:\n\(lines.joined())"
  }

  private mutating func drawExclusion(_ name: String) -> String {
    var yaml = "  - name: \(name)\n    reason: because\n"
    var except: [String] = []
    if happens(30) {
      except = some(of: countries, atLeast: 1, atMost: 2)
      let list = except.map { "{country: \($0), reason: r, source: s}" }.joined(separator: ", ")
      yaml += "    except: [\(list)]\n"
    }
    let period = drawPeriod(30)
    yaml += lines(period)
    var excluded: Set<String>
    if hasScores, happens(30) {
      let allowsMissing = happens(50)
      let (least, most) = (number(-2...4), number(4...9))
      let bounds = happens(50) ? (-100, most) : happens(50) ? (least, 100) : (least, most)
      excluded = NaivePolicy.excluded(
        facts: scores, sovereigns: sovereigns,
        where: { (Double(bounds.0)...Double(bounds.1)).contains(Double($0) ?? 0) },
        missing: !allowsMissing, except: Set(except))
      let words = [
        bounds.0 == -100 ? nil : "at-least: \(bounds.0)",
        bounds.1 == 100 ? nil : "at-most: \(bounds.1)",
      ].compactMap(\.self).joined(separator: ", ")
      yaml += "    where: {facts: index, rows: {year: 2026}, column: score, \(words)}\n"
      if allowsMissing { yaml += "    missing: allow\n" }
    } else if happens(50) {
      let listed = some(of: countries, atLeast: 1, atMost: 2)
      excluded = Set(listed).subtracting(except)
      yaml += "    countries: [\(listed.joined(separator: ", "))]\n"
    } else {
      let allowsMissing = happens(60)
      excluded = NaivePolicy.excluded(
        facts: facts, sovereigns: sovereigns, is: ["bad"], missing: !allowsMissing,
        except: Set(except))
      yaml += "    where: {facts: evidence, column: verdict, is: bad}\n"
      // Without the word, what is missing is excluded.
      if allowsMissing { yaml += "    missing: allow\n" }
    }
    naive.exclusions.append(
      NaivePolicy.Exclusion(name: name, countries: excluded, period: period.period))
    return yaml
  }

  private mutating func drawRule(_ name: String) -> String {
    let residents = jurisdictions(atMost: 3)
    var rule = NaivePolicy.Rule(name: name, residents: residents.countries)
    var yaml = "  - name: \(name)\n    reason: because\n    residents: \(residents.words)\n"
    if happens(30) {
      let classes = some(of: naive.classes, atLeast: 1, atMost: 2)
      rule.classes = Set(classes)
      yaml += "    classes: [\(classes.joined(separator: ", "))]\n"
    }
    if happens(40), let attribute = naive.attributes.randomElement(using: &random) {
      rule.unless = attribute
      yaml += "    unless: {attribute: \(attribute)}\n"
    }
    if !naive.assumptions.isEmpty, happens(30) {
      rule.when = some(of: naive.assumptions.keys.sorted(), atLeast: 1, atMost: 2)
      yaml += "    when: [\(rule.when.joined(separator: ", "))]\n"
    }
    let period = drawPeriod(30)
    rule.period = period.period
    yaml += lines(period)
    if happens(80) {
      let (words, entries) = drawStore()
      rule.store = entries
      yaml += "    store: \(words)\n"
    }
    if happens(25) {
      let (words, entries) = drawStore(isCertifiable: false)
      rule.copy = entries
      yaml += "    copy: \(words)\n"
    }
    if happens(25) {
      let (words, entries) = drawStore(isCertifiable: false)
      rule.process = entries
      yaml += "    process: \(words)\n"
    }
    if rule.store == nil && rule.copy == nil && rule.process == nil || happens(20) {
      yaml += "    prefer: \(jurisdictions(atMost: 2).words)\n"
    }
    naive.rules.append(rule)
    return yaml
  }

  private mutating func drawStore(
    isCertifiable: Bool = true
  ) -> (words: String, entries: [NaivePolicy.Entry]) {
    var words: [String] = []
    var entries: [NaivePolicy.Entry] = []
    for chosen in some(of: meanings, atLeast: 1, atMost: 4) {
      var entry = NaivePolicy.Entry(countries: chosen.countries)
      var conditions: [String] = []
      if isCertifiable, happens(25) {
        let certified = certifications[number(0...1)]
        entry.certified = certified
        conditions.append("certified: \(certified)")
      }
      let period = drawPeriod(20)
      if !period.text.isEmpty {
        entry.period = period.period
        conditions.append(period.text)
      }
      if happens(10) {
        let except = countries[number(0...countries.count - 1)]
        entry.countries.remove(except)
        conditions.append("except: \(except)")
      }
      words.append(
        conditions.isEmpty
          ? chosen.word
          : "{countries: \(chosen.word), \(conditions.joined(separator: ", "))}")
      entries.append(entry)
    }
    if happens(25) {
      words.append("anywhere")
      entries.append(NaivePolicy.Entry(countries: naive.countries))
    }
    return ("[\(words.joined(separator: ", "))]", entries)
  }

  private mutating func drawTopology() {
    var yaml = "topology: random\ndirectory: region-0\noperators:\n"
    var operators: [NaivePolicy.Operator] = []
    for index in 0..<number(1...3) {
      let seats = some(of: countries, atLeast: 1, atMost: 2)
      let held = some(of: certifications, atLeast: 0, atMost: 2)
      operators.append(
        NaivePolicy.Operator(jurisdictions: Set(seats), certifications: Set(held)))
      let list = held.isEmpty ? "" : ", certifications: [\(held.joined(separator: ", "))]"
      yaml += "  operator-\(index): {jurisdictions: [\(seats.joined(separator: ", "))]\(list)}\n"
    }
    yaml += "regions:\n"
    for index in 0..<number(1...5) {
      let name = "region-\(index)"
      let country = countries[number(0...countries.count - 1)]
      let run = number(0...operators.count - 1)
      naive.regions.append(
        NaivePolicy.Region(name: name, country: country, operatedBy: operators[run]))
      yaml += "  \(name):\n    country: \(country)\n    operator: operator-\(run)\n    shards:\n"
      for shard in 0..<(happens(25) ? 2 : 1) {
        let shardName = "shard-\(index)-\(shard)"
        var accepts = (words: "", countries: naive.countries)
        if happens(30) { accepts = jurisdictions(atMost: 2) }
        naive.shards.append(
          NaivePolicy.Shard(name: shardName, region: name, accepts: accepts.countries))
        yaml +=
          "      \(shardName): {\(accepts.words.isEmpty ? "" : "accepts: \(accepts.words)")}\n"
      }
    }
    texts["topology.yaml"] = yaml
  }
}
