/// Reads `policy.yaml` and the files that it includes, logging every problem it meets.
struct PolicyDecoder {
  static let file = "policy.yaml"
  let geography: Geography
  /// A table of facts by the name a policy uses; nil, with the problem logged, if there is none.
  let table: (_ name: String, _ at: YAMLReader) -> FactTable?
  let log: ProblemLog

  /// The file with everything that it includes, in the order of inclusion.
  struct Documents {
    fileprivate(set) var all: [YAMLReader.Fields] = []

    /// The values of a key, one for each file that has it.
    func values(_ key: String) -> [YAMLReader] { all.compactMap { $0[key] } }
  }

  /// Reads the file and what it includes, by asking for the text of each path below the regions folder.
  static func documents(
    _ text: String, log: ProblemLog, include: (_ path: String, _ at: YAMLReader) -> String?
  ) -> Documents? {
    guard let root = YAMLReader.document(file: file, text: text, log: log),
      let fields = root.fields(.policy)
    else { return nil }
    var documents = Documents(all: [fields])
    var seen: Set<String> = []
    func read(_ list: YAMLReader?) {
      for entry in list?.list() ?? [] {
        guard let path = entry.text() else { continue }
        guard let name = path.split(separator: "/").last?.split(separator: ".").first,
          path == "rules/\(name).yaml", isName(String(name))
        else {
          entry.problem("“\(path)” cannot be included: only files “rules/NAME.yaml” can")
          continue
        }
        guard seen.insert(path).inserted else {
          entry.problem("“\(path)” is included twice, or includes itself")
          continue
        }
        guard seen.count <= Rulebook.includesMax else {
          entry.problem("more than \(Rulebook.includesMax) files are included; put some together")
          return
        }
        guard let text = include(path, entry),
          let document = YAMLReader.document(file: path, text: text, log: log),
          let fields = document.fields(.included)
        else { continue }
        documents.all.append(fields)
        read(fields["include"])
      }
    }
    read(fields["include"])
    return documents
  }

  /// The geography with the groups that the policy defines by others.
  static func groups(_ documents: Documents, of geography: Geography) -> Geography {
    var definitions: [String: YAMLReader] = [:]
    for (nameReader, value) in documents.values("groups").flatMap({ $0.entries() ?? [] }) {
      guard let name = nameReader.text() else { continue }
      guard isGroupName(name), geography.jurisdiction(name) == nil, name != Geography.anywhere
      else {
        nameReader.problem(
          "“\(name)” is no name for a group of the policy: two or more of A-Z, 0-9 and “-”, and neither a"
            + " country's code nor a group in facts/groups.csv")
        continue
      }
      if definitions[name] != nil { nameReader.problem("the group “\(name)” stands here twice") }
      definitions[name] = value
    }
    return geography.adding(definitions)
  }

  func decode(_ documents: Documents) -> Rulebook? {
    guard let fields = documents.all.first else { return nil }
    let name = fields.required("policy")?.name("a policy")
    let attributes = attributes(documents.values("attributes"))
    let assumptions = assumptions(documents.values("assume"))
    let classLists = documents.values("classes")
    if classLists.isEmpty { _ = fields.required("classes") }
    let classes = classLists.isEmpty ? nil : classes(classLists)
    let ledgerRetention = ledgerRetention(classLists)
    let exclusions = entries(documents.values("exclude")).compactMap(exclusion)
    let declared = Declared(
      attributes: attributes, classes: classes?.map(\.name), assumptions: assumptions)
    let rules = entries(documents.values("rules")).compactMap { rule($0, declared: declared) }
    let otherwise = fields.required("otherwise")
    unique(
      [("otherwise", otherwise?.line ?? fields.owner.line)]
        + exclusions.map { ($0.name, $0.line) } + rules.map { ($0.name, $0.line) })
    let defaults = otherwise?.fields(.otherwise)
    let store = defaults?.required("store").map { terms($0, "store") }
    let process = defaults?["process"].map { terms($0, "process", allowsCertified: false) }
    guard let name, let attributes, let classes, let otherwise, let store else { return nil }
    return Rulebook(
      name: name, exclusions: exclusions, attributes: attributes, assumptions: assumptions ?? [:],
      classes: classes, ledgerRetention: ledgerRetention, rules: rules,
      otherwise: store,
      otherwiseProcess: process
        ?? CountryTerms(terms: [.init(countries: geography.all)], text: Geography.anywhere),
      otherwiseLine: otherwise.line)
  }

  /// The entries of lists; none, with the problem logged, if they are more than are supported.
  private func entries(_ lists: [YAMLReader]) -> [YAMLReader] {
    let entries = lists.flatMap { $0.sequence() }
    guard entries.count > Rulebook.rulesMax else { return entries }
    lists.first?.problem("\(entries.count) entries; at most \(Rulebook.rulesMax) are supported")
    return []
  }

  private func unique(_ names: [(String, SourceLine)]) {
    var lines: [String: SourceLine] = [:]
    for (name, line) in names {
      if let first = lines[name] {
        let place = first.file == line.file ? "line \(first.line)" : first.description
        log.add(
          PolicyProblem(
            file: line.file, line: line.line,
            message: "the name “\(name)” is already that of \(place)"))
      }
      lines[name] = line
    }
  }

  // MARK: Attributes, assumptions and classes

  /// Sorted; nil, with the problem logged, if there is no telling what they are.
  private func attributes(_ readers: [YAMLReader]) -> [String]? {
    var names: Set<String> = []
    for reader in readers {
      let entries = reader.sequence()
      if entries.isEmpty && !reader.isEmptyList { return nil }
      for entry in entries {
        guard let name = entry.name("an attribute") else { continue }
        if !names.insert(name).inserted {
          entry.problem("the attribute “\(name)” stands here twice")
        }
      }
    }
    if names.count > Rulebook.attributesMax {
      readers.first?.problem(
        "\(names.count) attributes; at most \(Rulebook.attributesMax) are supported")
      return nil
    }
    return names.sorted()
  }

  private func assumptions(_ readers: [YAMLReader]) -> [String: Bool]? {
    var assumptions: [String: Bool] = [:]
    for reader in readers {
      guard let entries = reader.entries() else { return nil }
      for (nameReader, value) in entries {
        guard let name = nameReader.name("an assumption"),
          let isSo = value.flag()
        else { continue }
        if assumptions.updateValue(isSo, forKey: name) != nil {
          nameReader.problem("the assumption “\(name)” stands here twice")
        }
      }
    }
    if assumptions.count > Rulebook.assumptionsMax {
      readers.first?.problem(
        "\(assumptions.count) assumptions; at most \(Rulebook.assumptionsMax) are supported")
      return nil
    }
    return assumptions
  }

  /// Nil, with the problem logged, if they are more than are supported.
  private func classes(_ readers: [YAMLReader]) -> [DataClassDefinition]? {
    var owners: [String: String] = [:]
    var classes: [DataClassDefinition] = []
    let entries = readers.flatMap { $0.entries() ?? [] }
    if entries.count > Rulebook.classesMax {
      readers.first?.problem(
        "\(entries.count) data classes; at most \(Rulebook.classesMax) are supported")
      return nil
    }
    for (nameReader, value) in entries {
      guard let name = nameReader.name("a data class") else { continue }
      if name == Rulebook.ledgerClass { continue }
      if classes.contains(where: { $0.name == name }) {
        nameReader.problem("the class “\(name)” stands here twice")
      }
      guard let fields = value.fields(.dataClass) else {
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
    if !classes.contains(where: { $0.name == Rulebook.directoryClass }) {
      readers.first?.problem(
        "the class “directory” is missing: the directory is data too; add “directory: {}”")
    }
    return classes
  }

  /// How long the ledger keeps the texts of its entries: what the policy says of the class `ledger`, which is none of the users'.
  func ledgerRetention(_ readers: [YAMLReader]) -> Retention? {
    let entries = readers.flatMap { $0.quietEntries }.filter {
      $0.name.quietText == Rulebook.ledgerClass
    }
    guard let value = entries.first?.value, let fields = value.fields(.dataClass) else {
      return nil
    }
    if entries.count > 1 { entries[1].name.problem("the class “ledger” stands here twice") }
    if let first = fields["collections"]?.list().first {
      first.problem("the class “ledger” is the ledger's own and has no collections")
    }
    for key in ["default", "shortest"] where fields["retention"]?.has(key) == true {
      value.problem("the class “ledger” takes “longest” only: how long texts of entries are kept")
    }
    let retention = RetentionDecoder.decode(fields["retention"], dataClass: Rulebook.ledgerClass)
    if let longest = retention?.longest, longest < .seconds(30 * 86_400) {
      fields["retention"]?.problem(
        "the ledger keeps the texts of its entries for 30d at least: nobody could look into a complaint else"
      )
    }
    return retention
  }

  /// From when to when, both days included.
  func period(_ fields: YAMLReader.Fields) -> PolicyPeriod {
    let period = PolicyPeriod(from: fields["from"]?.day(), until: fields["until"]?.day())
    if let from = period.from, let until = period.until, until < from {
      fields["until"]?.problem("“until” (\(until)) is before “from” (\(from))")
    }
    return period
  }
}

extension YAMLReader {
  /// A day; nil, with the problem logged, if this is none.
  func day() -> PolicyDay? {
    guard let text = text() else { return nil }
    let day = PolicyDay(text)
    if day == nil { problem("“\(text)” is no day; write YYYY-MM-DD") }
    return day
  }

  /// A name that must be among those declared, unless there is no telling which those are.
  func known(_ what: String, among names: [String]?) -> String? {
    guard let text = text() else { return nil }
    guard let names, !names.contains(text) else { return text }
    problem("unknown \(what) “\(text)”; \(suggestion(for: text, among: names))")
    return nil
  }

  /// `true` or `false`; nil, with the problem logged, if this is neither.
  func flag() -> Bool? {
    guard let text = text() else { return nil }
    if text == "true" { return true }
    if text == "false" { return false }
    problem("“\(text)” is neither “true” nor “false”")
    return nil
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

  /// The countries that the words of a list mean together.
  func jurisdictions(_ list: [YAMLReader]) -> IndexSet256 {
    list.reduce(into: IndexSet256()) { $0.formUnion(jurisdiction($1)) }
  }

  /// The number of the one country that a word of a file means; nil, with the problem logged, if none.
  func country(_ reader: YAMLReader) -> Int? {
    guard let text = reader.text() else { return nil }
    let number = number(ofCode: text)
    if number == nil { reader.problem(unknownCountry(text)) }
    return number
  }

  /// With groups that are made of others; one that contains itself is a problem.
  func adding(_ definitions: [String: YAMLReader]) -> Geography {
    var result = self
    var isOpen: Set<String> = []
    func resolve(_ name: String, _ value: YAMLReader) {
      guard isOpen.count < Rulebook.groupDepthMax else {
        value.problem(
          "groups are within each other more than \(Rulebook.groupDepthMax) deep; name the countries"
        )
        return result.keep(IndexSet256(), as: name)
      }
      isOpen.insert(name)
      var countries = IndexSet256()
      for member in value.nonEmptyList(name) {
        let text = member.quietText
        if isOpen.contains(text) {
          member.problem("the group “\(text)” contains itself")
          continue
        }
        if let definition = definitions[text], result.jurisdiction(text) == nil {
          resolve(text, definition)
        }
        countries.formUnion(result.jurisdiction(member))
      }
      isOpen.remove(name)
      result.keep(countries, as: name)
    }
    for (name, value) in definitions.sorted(by: { $0.key < $1.key })
    where result.jurisdiction(name) == nil {
      resolve(name, value)
    }
    return result
  }
}
