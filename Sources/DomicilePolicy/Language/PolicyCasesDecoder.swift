/// Reads `tests.yaml`, logging every problem it meets.
struct PolicyCasesDecoder {
  let policy: ResidencyPolicy
  let log: ProblemLog

  /// In the order in which regions are asked about.
  private static let regionOutcomes: [Verdict.Outcome] = [.allowed, .refused, .unserved]

  func decode(_ text: String) -> [PolicyCase] {
    guard let root = YAMLReader.document(file: PolicyCases.file, text: text, log: log),
      let list = root.fields(.tests)?.required("cases")
    else { return [] }
    if list.isEmptyList { list.problem("“cases” needs at least one entry") }
    let entries = list.sequence()
    if entries.count > PolicyCases.casesMax {
      list.problem("\(entries.count) cases; at most \(PolicyCases.casesMax) are supported")
      return []
    }
    var lines: [String: SourceLine] = [:]
    let cases = entries.compactMap { policyCase($0, named: &lines) }
    let questions = cases.map {
      $0.residences.count * $0.classes.count * $0.expectation.questions
    }.reduce(0, +)
    if questions > PolicyCases.questionsMax {
      list.problem(
        "the cases take \(questions) verdicts; at most \(PolicyCases.questionsMax) are supported")
    }
    return cases
  }

  private func policyCase(_ reader: YAMLReader, named lines: inout [String: SourceLine])
    -> PolicyCase?
  {
    guard let fields = reader.fields(.policyCase) else { return nil }
    let name = fields["name"]?.text()
    if let name {
      if let first = lines[name] {
        fields["name"]?.problem("the name “\(name)” is already that of line \(first.line)")
      }
      lines[name] = reader.line
    }
    let residence = fields.required("residence")
    let residences = policy.geography.codes(
      policy.geography.jurisdictions(residence?.nonEmptyList("residence") ?? []))
    let attributes = fields["attributes"]?.list().compactMap {
      $0.known("attribute", among: policy.attributes)
    }
    let classes = fields["class"]?.nonEmptyList("class").compactMap {
      $0.known("data class", among: policy.classes.map(\.name))
    }
    let day = fields["on"]?.day()
    let expectation = fields.required("expect").flatMap { expect in
      fields["process"].map { processing($0, expect) }
        ?? (expect.isMapping ? regions(expect, classes: classes ?? []) : somewhere(expect))
    }
    let because = fields["because"].map { reasons($0, expectation) }
    guard let expectation else { return nil }
    return PolicyCase(
      name: name ?? title(fields), line: reader.line, residences: residences,
      attributes: attributes ?? [], classes: classes ?? policy.classes.map(\.name), day: day,
      expectation: expectation, because: because)
  }

  private func reasons(_ reader: YAMLReader, _ expectation: PolicyCase.Expectation?) -> Set<String>
  {
    let known = policy.written.exclusions.map(\.name) + policy.written.rules.map(\.name)
    if let expectation, !expectation.forbids {
      reader.problem("“because” says why data may not be somewhere, which is not expected here")
    }
    return Set(
      reader.nonEmptyList("because").compactMap {
        $0.known("rule or exclusion", among: known + ["otherwise"])
      })
  }

  // MARK: What is expected

  private func somewhere(_ reader: YAMLReader) -> PolicyCase.Expectation? {
    guard let word = reader.text() else { return nil }
    switch Verdict.Outcome(rawValue: word) {
    case .refused:
      reader.problem("“refused” is for regions, as in {refused: [REGION]}, or goes with “process”")
      return nil
    case let outcome?: return .somewhere(outcome)
    case nil:
      reader.problem(
        "“expect” is “allowed”, “unplaceable”, “unserved” or {allowed: [REGION], …}, not “\(word)”")
      return nil
    }
  }

  private func processing(_ reader: YAMLReader, _ expect: YAMLReader) -> PolicyCase.Expectation? {
    let countries = policy.geography.jurisdictions(reader.nonEmptyList("process"))
    let outcome = Verdict.Outcome(rawValue: expect.quietText)
    guard let outcome, [.allowed, .refused].contains(outcome) else {
      expect.problem("with “process”, “expect” is “allowed” or “refused”")
      return nil
    }
    return .processing(policy.geography.codes(countries), outcome)
  }

  private func regions(_ reader: YAMLReader, classes: [String]) -> PolicyCase.Expectation? {
    guard let fields = reader.fields(.expectedRegions) else { return nil }
    if reader.isEmptyMapping {
      let keys = LanguageMapping.expectedRegions.keys.map { "“\($0)”" }.joined(separator: ", ")
      reader.problem("“expect” needs at least one of \(keys)")
    }
    func known(_ reader: YAMLReader) -> String? {
      reader.known("region", among: policy.topology.regions.map(\.name))
    }
    var regions: [PolicyCase.ExpectedRegion] = []
    for outcome in Self.regionOutcomes {
      for entry in fields[outcome.rawValue]?.nonEmptyList(outcome.rawValue) ?? [] {
        guard let name = known(entry) else { continue }
        if regions.contains(where: { $0.name == name }) {
          entry.problem("the region “\(name)” stands here twice")
        }
        regions.append(PolicyCase.ExpectedRegion(name: name, outcome: outcome))
      }
    }
    let chosen = fields["chosen"].flatMap(known)
    if classes.contains(Rulebook.directoryClass) {
      fields["chosen"]?.problem(
        "no region is chosen for the class “directory”: the topology names it")
    }
    return .regions(regions, chosen: chosen)
  }

  /// A case without a name is called by what it says.
  private func title(_ fields: YAMLReader.Fields) -> String {
    func words(_ key: String) -> String? {
      fields[key].map { $0.list().map(\.quietText).joined(separator: ", ") }
    }
    var expected = words("expect") ?? ""
    if let expect = fields["expect"], expect.isMapping {
      expected = (expect.entries() ?? []).map { name, value in
        "\(name.quietText) \(value.list().map(\.quietText).joined(separator: ", "))"
      }.joined(separator: "; ")
    }
    let attributes = words("attributes").map { $0.isEmpty ? "" : " (\($0))" } ?? ""
    let parts = [
      "\(words("residence") ?? "")\(attributes)", words("class"), words("on").map { "on \($0)" },
      words("process").map { "processed in \($0)" },
    ]
    return "\(parts.compactMap(\.self).joined(separator: ", ")): \(expected)"
  }
}
