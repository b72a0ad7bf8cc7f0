/// Reads `policy.yaml`, logging every problem it meets.
struct PolicyDecoder {
  static let file = "policy.yaml"
  let geography: Geography
  /// A table of facts by the name a policy uses; nil, with the problem logged, if there is none.
  let table: (_ name: String, _ at: YAMLReader) -> FactTable?
  let log: ProblemLog

  func decode(_ text: String) -> Rulebook? {
    guard let root = YAMLReader.document(file: Self.file, text: text, log: log),
      let fields = root.fields(
        ["policy", "exclude", "attributes", "classes", "rules", "otherwise"])
    else { return nil }
    let name = fields.required("policy")?.name("a policy")
    let attributes = attributes(fields["attributes"])
    let classes = fields.required("classes").map(classes)
    let exclusions = fields["exclude"]?.sequence().compactMap(exclusion) ?? []
    let rules =
      fields["rules"]?.sequence().compactMap {
        rule($0, attributes: attributes, classes: classes?.map(\.name))
      } ?? []
    for (key, count) in [("exclude", exclusions.count), ("rules", rules.count)]
    where count > Rulebook.rulesMax {
      fields[key]?.problem("\(count) entries; at most \(Rulebook.rulesMax) are supported")
    }
    let otherwise = fields.required("otherwise")
    unique(
      [("otherwise", otherwise?.line ?? root.line)] + exclusions.map { ($0.name, $0.line) }
        + rules.map { ($0.name, $0.line) })
    let store = otherwise?.fields(["store"]).flatMap { inner in
      inner.required("store").map(storeSet)
    }
    guard let name, let attributes, let classes, let otherwise, let store else { return nil }
    return Rulebook(
      name: name, exclusions: exclusions, attributes: attributes, classes: classes, rules: rules,
      otherwise: store, otherwiseLine: otherwise.line)
  }

  private func unique(_ names: [(String, SourceLine)]) {
    var lines: [String: SourceLine] = [:]
    for (name, line) in names {
      if let first = lines[name] {
        log.add(
          PolicyProblem(
            file: line.file, line: line.line,
            message: "the name “\(name)” is already that of line \(first.line)"))
      }
      lines[name] = line
    }
  }

  // MARK: Classes and attributes

  /// Sorted; nil, with the problem logged, if there is no telling what they are.
  private func attributes(_ reader: YAMLReader?) -> [String]? {
    guard let reader else { return [] }
    let entries = reader.sequence()
    if entries.isEmpty && !reader.isEmptyList { return nil }
    var names: Set<String> = []
    for entry in entries {
      guard let name = entry.name("an attribute") else { continue }
      if !names.insert(name).inserted { entry.problem("the attribute “\(name)” stands here twice") }
    }
    if names.count > Rulebook.attributesMax {
      reader.problem("\(names.count) attributes; at most \(Rulebook.attributesMax) are supported")
    }
    return names.sorted()
  }

  private func classes(_ reader: YAMLReader) -> [DataClassDefinition] {
    var owners: [String: String] = [:]
    var classes: [DataClassDefinition] = []
    for (nameReader, value) in reader.entries() ?? [] {
      guard let name = nameReader.name("a data class") else { continue }
      guard let fields = value.fields(["collections", "retention"]) else {
        classes.append(DataClassDefinition(name: name, collections: []))
        continue
      }
      let collections = fields["collections"]?.list() ?? []
      if name == Rulebook.directoryClass, let first = collections.first {
        first.problem("the class “directory” is the directory's own and has no collections")
      } else if name != Rulebook.directoryClass && collections.isEmpty {
        value.problem("the class “\(name)” needs “collections”, a list of at least one")
      }
      var names: [String] = []
      for collection in collections {
        guard let text = collection.name("a collection") else { continue }
        if let owner = owners[text] {
          collection.problem("the collection “\(text)” already belongs to the class “\(owner)”")
        }
        owners[text] = name
        names.append(text)
      }
      let retention = RetentionDecoder.decode(fields["retention"], dataClass: name)
      if name == Rulebook.metadataClass && fields["retention"]?.has("longest") != true {
        value.problem(
          "the class “metadata” needs a “longest”, since nobody may keep metadata without end;"
            + " add “retention: {longest: 90d}”")
      }
      classes.append(DataClassDefinition(name: name, collections: names, retention: retention))
    }
    if classes.count > Rulebook.classesMax {
      reader.problem("\(classes.count) data classes; at most \(Rulebook.classesMax) are supported")
    }
    if !classes.contains(where: { $0.name == Rulebook.directoryClass }) {
      reader.problem(
        "the class “directory” is missing: the directory is data too; add “directory: {}”")
    }
    return classes
  }

  // MARK: Exclusions

  private func exclusion(_ reader: YAMLReader) -> Exclusion? {
    guard
      let fields = reader.fields(
        ["name", "where", "countries", "missing", "except", "reason", "source", "review"])
    else { return nil }
    let name = fields.required("name")?.name("an exclusion")
    let reason = fields.required("reason")?.text()
    var countries = IndexSet256()
    switch (fields["where"], fields["countries"]) {
    case (let condition?, nil):
      countries = matching(condition, missing: fields["missing"])
    case (nil, let list?):
      for entry in list.nonEmptyList("countries") { countries.formUnion(jurisdiction(entry)) }
      fields["missing"]?.problem("“missing” goes with “where”, not with “countries”")
    default:
      reader.problem("an exclusion needs either “where” or “countries”")
    }
    let excepted = fields["except"]?.sequence().map(exception) ?? []
    for exception in excepted { countries = countries.subtracting(exception) }
    let review = fields["review"]?.text()
    if let review, !isDay(review) {
      fields["review"]?.problem("“\(review)” is no day; write YYYY-MM-DD")
    }
    guard let name, let reason else { return nil }
    return Exclusion(
      name: name, line: reader.line, countries: countries, reason: reason,
      source: fields["source"]?.text(), review: review)
  }

  private func exception(_ reader: YAMLReader) -> IndexSet256 {
    guard let fields = reader.fields(["country", "reason", "source"]) else { return IndexSet256() }
    for key in ["reason", "source"] { _ = fields.required(key)?.text() }
    let country = fields.required("country").flatMap(geography.country)
    return IndexSet256(country.map { [$0] } ?? [])
  }

  /// The countries for which a table of facts says what is asked.
  ///
  /// A territory without a row of its own has its sovereign's; who has neither is as `missing` says. A row
  /// whose field is empty says nothing and counts as none.
  private func matching(_ reader: YAMLReader, missing: YAMLReader?) -> IndexSet256 {
    guard let fields = reader.fields(["facts", "column", "is"]),
      let facts = fields.required("facts"),
      let name = facts.text(), let table = table(name, facts),
      let columnReader = fields.required("column"),
      let columnName = columnReader.text(),
      let wanted = fields.required("is")
    else { return IndexSet256() }
    guard let key = table.header.firstIndex(of: "code") else {
      facts.problem("the table “\(name)” has no column “code”, which names the country of a row")
      return IndexSet256()
    }
    guard let column = table.header.firstIndex(of: columnName) else {
      columnReader.problem(
        "the table “\(name)” has no column “\(columnName)”;"
          + " \(suggestion(for: columnName, among: table.header))")
      return IndexSet256()
    }
    let occurring = Set(table.rows.map { $0.fields[column] })
    var values: Set<String> = []
    for value in wanted.nonEmptyList("is") {
      guard let text = value.text() else { continue }
      if occurring.contains(text) {
        values.insert(text)
      } else {
        value.problem(
          "the column “\(columnName)” never is “\(text)”; \(suggestion(for: text, among: occurring))"
        )
      }
    }
    var seen = IndexSet256()
    var rows: [CountryCode: String] = [:]
    for row in table.rows {
      let code = row.fields[key]
      func problem(_ message: String) {
        log.add(PolicyProblem(file: table.file, line: row.line, message: message))
      }
      guard let number = geography.number(ofCode: code) else {
        problem(geography.unknownCountry(code))
        continue
      }
      if seen.contains(number) { problem("the code “\(code)” stands here twice") }
      seen.insert(number)
      let fact = row.fields[column]
      if fact.isEmpty { continue }
      let place = "“\(revealing(fact))” in the column “\(columnName)”"
      if visible(fact).isEmpty {
        problem("\(place) is blank; write a value, or nothing")
      } else if !values.contains(fact),
        let near = values.sorted().first(where: { isNearly($0, fact) })
      {
        problem("\(place) is nearly “\(near)”; write one of them")
      }
      rows[geography.countries[number].code] = fact
    }
    let excludesMissing = excludesMissing(missing)
    var result = IndexSet256()
    for (number, country) in geography.countries.enumerated() {
      let fact = rows[country.code] ?? country.sovereign.flatMap { rows[$0] }
      if fact.map(values.contains) ?? excludesMissing { result.insert(number) }
    }
    return result
  }

  private func excludesMissing(_ reader: YAMLReader?) -> Bool {
    guard let word = reader?.text() else { return true }
    if !["exclude", "allow"].contains(word) {
      reader?.problem("“missing” is “exclude” or “allow”, not “\(word)”")
    }
    return word != "allow"
  }

  // MARK: Rules

  private func rule(_ reader: YAMLReader, attributes: [String]?, classes: [String]?) -> Rule? {
    guard
      let fields = reader.fields(
        ["name", "residents", "classes", "store", "prefer", "unless", "reason", "source"])
    else { return nil }
    let name = fields.required("name")?.name("a rule")
    let reason = fields.required("reason")?.text()
    var residents = IndexSet256()
    for entry in fields.required("residents")?.nonEmptyList("residents") ?? [] {
      residents.formUnion(jurisdiction(entry))
    }
    let concerned = fields["classes"].map { list in
      Set(list.nonEmptyList("classes").compactMap { known($0, "data class", among: classes) })
    }
    let store = fields["store"].map(storeSet)
    let prefer = fields["prefer"]?.nonEmptyList("prefer").map(jurisdiction) ?? []
    if fields["store"] == nil && fields["prefer"] == nil {
      reader.problem("a rule needs “store” or “prefer”")
    }
    let unless = fields["unless"].flatMap { unless in
      unless.fields(["attribute"]).flatMap {
        $0.required("attribute")
      }.flatMap { known($0, "attribute", among: attributes) }
    }
    guard let name, let reason else { return nil }
    return Rule(
      name: name, line: reader.line, residents: residents, classes: concerned, store: store,
      prefer: prefer, unlessAttribute: unless, reason: reason, source: fields["source"]?.text())
  }

  /// A name that must be among those declared, unless there is no telling which those are.
  private func known(_ reader: YAMLReader, _ what: String, among names: [String]?) -> String? {
    guard let text = reader.text() else { return nil }
    guard let names, !names.contains(text) else { return text }
    reader.problem("unknown \(what) “\(text)”; \(suggestion(for: text, among: names))")
    return nil
  }

  private func storeSet(_ reader: YAMLReader) -> StoreSet {
    var terms: [StoreSet.Term] = []
    var words: [String] = []
    for entry in reader.nonEmptyList("store") {
      if entry.isMapping {
        guard let fields = entry.fields(["countries", "certified"]),
          let list = fields.required("countries")?.nonEmptyList("countries")
        else { continue }
        let reader = fields.required("certified")
        let certified = reader?.text()
        let countries = list.reduce(into: IndexSet256()) { $0.formUnion(jurisdiction($1)) }
        terms.append(StoreSet.Term(countries: countries, certified: certified, place: reader?.mark))
        let names = list.map(\.quietText).joined(separator: ", ")
        words.append("\(names) (certified \(certified ?? ""))")
      } else {
        terms.append(StoreSet.Term(countries: jurisdiction(entry)))
        words.append(entry.quietText)
      }
    }
    return StoreSet(terms: terms, text: words.joined(separator: ", "))
  }

  private func jurisdiction(_ reader: YAMLReader) -> IndexSet256 {
    geography.jurisdiction(reader)
  }
}

extension Geography {
  /// The countries that a word of a file means; empty, with the problem logged, if it means none.
  func jurisdiction(_ reader: YAMLReader) -> IndexSet256 {
    guard let text = reader.text() else { return IndexSet256() }
    if text == Self.anywhere { return all }
    if let found = jurisdiction(text) { return found }
    reader.problem(unknownJurisdiction(text))
    return IndexSet256()
  }

  /// The number of the one country that a word of a file means; nil, with the problem logged, if none.
  func country(_ reader: YAMLReader) -> Int? {
    guard let text = reader.text() else { return nil }
    let number = number(ofCode: text)
    if number == nil { reader.problem(unknownCountry(text)) }
    return number
  }
}

/// Whether `text` is a day of the Gregorian calendar, `YYYY-MM-DD` (ISO 8601).
private func isDay(_ text: String) -> Bool {
  let parts = text.split(separator: "-", omittingEmptySubsequences: false)
  guard parts.count == 3, parts.map(\.utf8.count) == [4, 2, 2],
    text.utf8.allSatisfy({ $0 == 45 || (48...57).contains($0) }),
    let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2])
  else { return false }
  let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  let days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  return (1...12).contains(month) && day >= 1 && day <= days[month - 1]
}
