/// Rules, and the countries that they permit.
extension PolicyDecoder {
  /// What rules may name; nil where there is no telling.
  struct Declared {
    let attributes: [String]?
    let classes: [String]?
    let assumptions: [String]?

    init(attributes: [String]?, classes: [String]?, assumptions: [String: Bool]?) {
      self.attributes = attributes
      self.classes = classes
      self.assumptions = assumptions?.keys.sorted()
    }
  }

  func rule(_ reader: YAMLReader, declared: Declared) -> Rule? {
    guard let fields = reader.fields(.rule) else { return nil }
    let name = fields.required("name")?.name("a rule")
    let reason = fields.required("reason")?.prose()
    let residents = geography.jurisdictions(
      fields.required("residents")?.nonEmptyList("residents") ?? [])
    let concerned = fields["classes"].map { list in
      Set(
        list.nonEmptyList("classes").compactMap {
          $0.known("data class", among: declared.classes)
        })
    }
    let store = fields["store"].map { terms($0, "store") }
    let copy = fields["copy"].map { terms($0, "copy", allowsCertified: false) }
    let process = fields["process"].map { terms($0, "process", allowsCertified: false) }
    let prefer =
      fields["prefer"]?.nonEmptyList("prefer").map { geography.jurisdiction($0) } ?? []
    if ["store", "copy", "process", "prefer"].allSatisfy({ fields[$0] == nil }) {
      reader.problem("a rule needs “store”, “copy”, “process” or “prefer”")
    }
    let unless = fields["unless"].flatMap { unless in
      unless.fields(.unless).flatMap {
        $0.required("attribute")
      }.flatMap { $0.known("attribute", among: declared.attributes) }
    }
    let assumptions =
      fields["when"]?.nonEmptyList("when").compactMap {
        $0.known("assumption", among: declared.assumptions)
      } ?? []
    guard let name, let reason else { return nil }
    return Rule(
      name: name, line: reader.line, residents: residents, classes: concerned, store: store,
      copy: copy, process: process, prefer: prefer, unlessAttribute: unless,
      assumptions: assumptions, period: period(fields), reason: reason,
      source: fields["source"]?.text(), review: fields["review"]?.day(),
      isUnverified: fields["unverified"]?.flag() ?? false)
  }

  func terms(
    _ reader: YAMLReader, _ key: String, allowsCertified: Bool = true
  ) -> CountryTerms {
    var terms: [CountryTerms.Term] = []
    var words: [String] = []
    for entry in reader.nonEmptyList(key) {
      guard entry.isMapping else {
        terms.append(CountryTerms.Term(countries: geography.jurisdiction(entry)))
        words.append(entry.quietText)
        continue
      }
      let term = allowsCertified ? LanguageMapping.storeTerm : .placeTerm
      let conditions = term.keys.filter { $0 != "countries" }
      guard let fields = entry.fields(term),
        let list = fields.required("countries")?.nonEmptyList("countries")
      else { continue }
      if conditions.allSatisfy({ fields[$0] == nil }) {
        entry.problem(
          "this needs a condition: \(conditions.map { "“\($0)”" }.joined(separator: ", "));"
            + " without one, name the countries in the list itself")
      }
      let certification = fields["certified"]
      let certified = certification?.text()
      let period = period(fields)
      let except = fields["except"]?.nonEmptyList("except") ?? []
      terms.append(
        CountryTerms.Term(
          countries: geography.jurisdictions(list).subtracting(geography.jurisdictions(except)),
          certified: certified,
          place: certification?.mark, period: period))
      let notes = [
        except.isEmpty ? nil : "without \(except.map(\.quietText).joined(separator: ", "))",
        certified.map { "certified \($0)" }, period.text,
      ].compactMap(\.self)
      words.append(
        "\(list.map(\.quietText).joined(separator: ", ")) (\(notes.joined(separator: ", ")))")
    }
    return CountryTerms(terms: terms, text: words.joined(separator: ", "))
  }
}
