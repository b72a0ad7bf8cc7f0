import DomicilePolicy
import DomicileTesting

/// A small policy drawn from a seed, once as the naive model and once as the texts of a regions folder.
struct RandomPolicy {
  var naive = NaivePolicy()
  private(set) var texts: [String: String] = [:]

  var random: SeededRandom
  var countries: [String] = []
  /// What each word stands for that may name a jurisdiction.
  var meanings: [(word: String, countries: Set<String>)] = []
  var sovereigns: [String: String] = [:]
  var facts: [String: String] = [:]
  var scores: [String: String] = [:]
  var hasScores = false
  let certifications = ["DPF", "SEAL"]

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

  mutating func number(_ range: ClosedRange<Int>) -> Int {
    Int.random(in: range, using: &random)
  }

  mutating func happens(_ percent: Int) -> Bool { number(1...100) <= percent }

  mutating func some<T>(of all: [T], atLeast least: Int, atMost most: Int) -> [T] {
    Array(all.shuffled(using: &random).prefix(number(least...most)))
  }

  mutating func jurisdictions(atMost most: Int) -> (words: String, countries: Set<String>) {
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
  mutating func drawPeriod(_ percent: Int) -> (text: String, period: NaivePolicy.Period) {
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

  func lines(_ period: (text: String, period: NaivePolicy.Period)) -> String {
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
    let exclusions = (0..<number(0...3)).map { drawExclusion("exclusion-\($0)") }
    let rules = (0..<number(0...4)).map { drawRule("rule-\($0)") }
    let includes = happens(20)
    let ownExclusions = includes ? number(0...exclusions.count) : exclusions.count
    let ownRules = includes ? number(0...rules.count) : rules.count
    yaml += list("exclude", exclusions.prefix(ownExclusions))
    yaml += list("rules", rules.prefix(ownRules))
    let included =
      list("exclude", exclusions.dropFirst(ownExclusions))
      + list("rules", rules.dropFirst(ownRules))
    if !included.isEmpty {
      yaml += "include: rules/more.yaml\n"
      texts["rules/more.yaml"] = included
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

  private func list(_ key: String, _ entries: some Sequence<String>) -> String {
    let text = entries.joined()
    return text.isEmpty ? "" : "\(key):\n\(text)"
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
