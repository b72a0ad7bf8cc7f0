import DomicileTesting

/// Groups, exclusions and rules.
extension RandomPolicy {
  /// Groups of the policy's own, each perhaps with the one that comes after it in the file.
  mutating func drawGroups() -> String {
    var lines: [String] = []
    for index in (0..<number(0...2)).reversed() {
      let members = jurisdictions(atMost: 2)
      lines.insert("  OWN-\(index): \(members.words)\n", at: 0)
      meanings.append(("OWN-\(index)", members.countries))
    }
    return lines.isEmpty ? "" : "groups:\n\(lines.joined())"
  }

  mutating func drawExclusion(_ name: String) -> String {
    var yaml = "  - name: \(name)\n    reason: because\n"
    var exceptions: [NaivePolicy.Exception] = []
    if happens(40) {
      var words: [String] = []
      for country in some(of: countries, atLeast: 1, atMost: 2)
        + (happens(20) ? [countries[0]] : [])
      {
        let period = drawPeriod(40)
        exceptions.append(NaivePolicy.Exception(country: country, period: period.period))
        let days = period.text.isEmpty ? "" : "\(period.text), "
        words.append("{country: \(country), \(days)reason: r, source: s}")
      }
      yaml += "    except: [\(words.joined(separator: ", "))]\n"
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
        missing: !allowsMissing)
      let words = [
        bounds.0 == -100 ? nil : "at-least: \(bounds.0)",
        bounds.1 == 100 ? nil : "at-most: \(bounds.1)",
      ].compactMap(\.self).joined(separator: ", ")
      yaml += "    where: {facts: index, rows: {year: 2026}, column: score, \(words)}\n"
      if allowsMissing { yaml += "    missing: allow\n" }
    } else if happens(50) {
      let listed = some(of: countries, atLeast: 1, atMost: 2)
      excluded = Set(listed)
      yaml += "    countries: [\(listed.joined(separator: ", "))]\n"
    } else {
      let allowsMissing = happens(60)
      excluded = NaivePolicy.excluded(
        facts: facts, sovereigns: sovereigns, is: ["bad"], missing: !allowsMissing)
      yaml += "    where: {facts: evidence, column: verdict, is: bad}\n"
      // Without the word, what is missing is excluded.
      if allowsMissing { yaml += "    missing: allow\n" }
    }
    naive.exclusions.append(
      NaivePolicy.Exclusion(
        name: name, countries: excluded, exceptions: exceptions, period: period.period))
    return yaml
  }

  mutating func drawRule(_ name: String) -> String {
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

  mutating func drawStore(
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
}
