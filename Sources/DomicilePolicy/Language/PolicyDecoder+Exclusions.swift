/// Exclusions, and conditions on tables of facts.
extension PolicyDecoder {
  func exclusion(_ reader: YAMLReader) -> Exclusion? {
    guard let fields = reader.fields(.exclusion) else { return nil }
    let name = fields.required("name")?.name("an exclusion")
    let reason = fields.required("reason")?.prose()
    var countries = IndexSet256()
    switch (fields["where"], fields["countries"]) {
    case (let condition?, nil):
      countries = matching(condition, missing: fields["missing"])
    case (nil, let list?):
      countries = geography.jurisdictions(list.nonEmptyList("countries"))
      fields["missing"]?.problem("“missing” goes with “where”, not with “countries”")
    default:
      reader.problem("an exclusion needs either “where” or “countries”")
    }
    let exceptions = fields["except"]?.sequence().compactMap(exception) ?? []
    guard let name, let reason else { return nil }
    return Exclusion(
      name: name, line: reader.line, listed: countries, exceptions: exceptions,
      period: period(fields), reason: reason, source: fields["source"]?.text(),
      review: fields["review"]?.day())
  }

  private func exception(_ reader: YAMLReader) -> Exclusion.Exception? {
    guard let fields = reader.fields(.exception) else { return nil }
    for key in ["reason", "source"] { _ = fields.required(key)?.prose() }
    let period = period(fields)
    return fields.required("country").flatMap(geography.country).map {
      Exclusion.Exception(country: $0, period: period)
    }
  }

  /// The countries for which a table of facts says what is asked.
  ///
  /// A territory without a row of its own has its sovereign's; who has neither is as `missing` says. A row
  /// whose field is empty says nothing and counts as none.
  private func matching(_ reader: YAMLReader, missing: YAMLReader?) -> IndexSet256 {
    guard let fields = reader.fields(.condition),
      let facts = fields.required("facts"),
      let name = facts.text(), let table = table(name, facts),
      let columnReader = fields.required("column"),
      let columnName = columnReader.text()
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
    let rows = selected(table, fields["rows"])
    guard let condition = condition(fields, rows.map { $0.fields[column] }, of: columnName, reader)
    else { return IndexSet256() }
    var seen = IndexSet256()
    var known: [CountryCode: Bool] = [:]
    for row in rows {
      let code = row.fields[key]
      func problem(_ message: @autoclosure () -> String) {
        if log.isFull { return }
        log.add(PolicyProblem(file: table.file, line: row.line, message: message()))
      }
      guard let number = geography.number(ofCode: code) else {
        problem(geography.unknownCountry(code))
        continue
      }
      if seen.contains(number) {
        problem(
          "the code “\(code)” stands here twice"
            + (fields["rows"] == nil ? "" : " among the rows that are asked for"))
      }
      seen.insert(number)
      let fact = row.fields[column]
      if fact.isEmpty { continue }
      if let message = condition.problem(with: fact, in: columnName) { problem(message) }
      known[geography.countries[number].code] = condition.holds(for: fact)
    }
    let excludesMissing = excludesMissing(missing)
    var result = IndexSet256()
    for (number, country) in geography.countries.enumerated() {
      let holds = known[country.code] ?? country.sovereign.flatMap { known[$0] }
      if holds ?? excludesMissing { result.insert(number) }
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

  /// The rows of a table that have certain values in other columns: `rows: {index: RSF, year: 2026}`.
  private func selected(_ table: FactTable, _ reader: YAMLReader?) -> [FactTable.Row] {
    var rows = table.rows
    for (column, value) in reader?.entries() ?? [] {
      guard let name = column.text(), let wanted = value.text() else { continue }
      guard let index = table.header.firstIndex(of: name) else {
        column.problem(
          "the table has no column “\(name)”; \(suggestion(for: name, among: table.header))")
        continue
      }
      let occurring = Set(rows.map { $0.fields[index] })
      if !occurring.contains(wanted) {
        value.problem(
          "the column “\(name)” never is “\(wanted)”; \(suggestion(for: wanted, among: occurring))")
      }
      rows = rows.filter { $0.fields[index] == wanted }
    }
    return rows
  }

  /// What is asked of a field.
  private enum Condition {
    case isOne(of: Set<String>)
    case isWithin(ClosedRange<Double>)

    func holds(for fact: String) -> Bool {
      switch self {
      case .isOne(let values): values.contains(fact)
      // What is no number is a problem, which is logged; the country is not let off.
      case .isWithin(let range): Double(fact).map(range.contains) ?? true
      }
    }

    /// What is wrong with a field, as far as the condition can tell.
    func problem(with fact: String, in column: String) -> String? {
      let place = "“\(revealing(fact))” in the column “\(column)”"
      if visible(fact).isEmpty { return "\(place) is blank; write a value, or nothing" }
      switch self {
      case .isOne(let values):
        guard !values.contains(fact),
          let near = values.sorted().first(where: { isNearly($0, fact) })
        else { return nil }
        return "\(place) is nearly “\(near)”; write one of them"
      case .isWithin:
        return isDecimal(fact) ? nil : "\(place) is no number, which the policy asks for"
      }
    }
  }

  private func condition(
    _ fields: YAMLReader.Fields, _ facts: [String], of column: String, _ reader: YAMLReader
  ) -> Condition? {
    if let wanted = fields["is"] {
      for key in ["at-least", "at-most"] where fields[key] != nil {
        fields[key]?.problem("“\(key)” does not go with “is”")
      }
      return .isOne(of: values(wanted, among: Set(facts), of: column))
    }
    func bound(_ key: String) -> Double? {
      fields[key]?.text().flatMap { text in
        if !isDecimal(text) { fields[key]?.problem("“\(text)” is no number") }
        return Double(text)
      }
    }
    guard fields["at-least"] != nil || fields["at-most"] != nil else {
      reader.problem("“where” needs “is”, “at-least” or “at-most”")
      return nil
    }
    let (least, most) = (bound("at-least") ?? -.infinity, bound("at-most") ?? .infinity)
    guard least <= most else {
      fields["at-most"]?.problem("“at-most” is less than “at-least”")
      return nil
    }
    return .isWithin(least...most)
  }

  /// The values that are asked for, each of which must occur.
  private func values(
    _ wanted: YAMLReader, among occurring: Set<String>, of column: String
  ) -> Set<String> {
    var values: Set<String> = []
    for value in wanted.nonEmptyList("is") {
      guard let text = value.text() else { continue }
      if occurring.contains(text) {
        values.insert(text)
      } else {
        value.problem(
          "the column “\(column)” never is “\(text)”; \(suggestion(for: text, among: occurring))")
      }
    }
    return values
  }
}

/// A number as tables write it: digits, perhaps with a sign and a point. `0x10` and `1e3` are not.
private func isDecimal(_ text: String) -> Bool {
  let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
  let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
  return (1...2).contains(parts.count)
    && parts.allSatisfy { part in !part.isEmpty && part.utf8.allSatisfy { (48...57).contains($0) } }
}
