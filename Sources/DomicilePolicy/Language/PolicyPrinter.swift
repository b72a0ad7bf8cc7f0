import Yams

/// Writes what `policy.yaml` and the files that it includes say as one text, with one form for everything.
///
/// The order of rules, exclusions, classes and lists stays as it is: verdicts show it.
struct PolicyPrinter {
  let documents: PolicyDecoder.Documents

  func text() -> String { Self.text(of: policy) }

  /// What is under a key of the policy; nil if nothing is.
  func text(_ key: String) -> String? {
    policy.mapping?.first { $0.key.string == key }.map { Self.text(of: $0.value) }
  }

  /// The rules or exclusions under a key, one by one.
  func texts(_ key: String) -> [String] {
    policy.mapping?.first { $0.key.string == key }?.value.sequence?.map(Self.text(of:)) ?? []
  }

  private static func text(of node: Node) -> String {
    do {
      return visible(try Yams.serialize(node: node, width: -1, allowUnicode: true))
    } catch {
      preconditionFailure("what was read from YAML cannot be written: \(error)")
    }
  }

  /// With codes for what cannot be seen, such as marks that turn the direction of writing: a reviewer shall see what there is.
  /// Whatever is not ASCII stands in double quotes.
  private static func visible(_ yaml: String) -> String {
    yaml.unicodeScalars.reduce(into: "") { result, scalar in
      guard !scalar.isASCII, scalar.isInvisible else { return result.unicodeScalars.append(scalar) }
      let digits = String(scalar.value, radix: 16, uppercase: true)
      let isShort = digits.count <= 4
      let zeros = String(repeating: "0", count: (isShort ? 4 : 8) - digits.count)
      result += "\\\(isShort ? "u" : "U")\(zeros)\(digits)"
    }
  }

  private var policy: Node {
    mapping([
      ("policy", documents.values("policy").first.map(text)),
      ("groups", sorted("groups", words)),
      ("assume", sorted("assume", flag)),
      ("exclude", entries("exclude", .exclusion)),
      ("attributes", attributes),
      ("classes", classes),
      ("rules", entries("rules", .rule)),
      ("otherwise", documents.values("otherwise").first.map { fields($0, .otherwise) }),
    ])
  }

  // MARK: What several files may have

  /// Mappings whose order says nothing.
  private func sorted(_ key: String, _ value: (YAMLReader) -> Node) -> Node? {
    let entries = documents.values(key).flatMap { $0.entries() ?? [] }
      .sorted { $0.name.quietText < $1.name.quietText }
    return entries.isEmpty ? nil : mapping(entries.map { ($0.name.quietText, value($0.value)) })
  }

  private func entries(_ key: String, _ kind: LanguageMapping) -> Node? {
    let entries = documents.values(key).flatMap { $0.sequence() }
    return entries.isEmpty ? nil : Node(entries.map { fields($0, kind) }, .implicit, .block)
  }

  private var attributes: Node? {
    let names = documents.values("attributes").flatMap { $0.sequence() }.map(\.quietText)
    return names.isEmpty ? nil : Node(names.sorted().map(text), .implicit, .flow)
  }

  private var classes: Node {
    mapping(
      documents.values("classes").flatMap { $0.entries() ?? [] }.map {
        ($0.name.quietText, fields($0.value, .dataClass))
      })
  }

  // MARK: Mappings

  private static let blocks: Set<LanguageMapping> = [.exclusion, .exception, .rule, .otherwise]

  private func fields(_ reader: YAMLReader, _ kind: LanguageMapping) -> Node {
    let fields = reader.fields(kind)
    return mapping(
      kind.keys.map { key in (key, fields?[key].flatMap { value($0, of: key, in: kind) }) },
      style: Self.blocks.contains(kind) ? .block : .flow)
  }

  /// Nil for a list of nothing where that says nothing.
  private func value(_ reader: YAMLReader, of key: String, in kind: LanguageMapping) -> Node? {
    switch key {
    case "store": return terms(reader, .storeTerm)
    case "copy", "process": return terms(reader, .placeTerm)
    case "except" where kind == .exclusion:
      return reader.isEmptyList
        ? nil : Node(reader.sequence().map { fields($0, .exception) }, .implicit, .block)
    case "collections": return reader.isEmptyList ? nil : words(reader)
    case "residents", "classes", "prefer", "when", "countries", "except", "is":
      return words(reader)
    case "where": return fields(reader, .condition)
    case "rows":
      let rows = (reader.entries() ?? []).sorted { $0.name.quietText < $1.name.quietText }
      return rows.isEmpty
        ? nil : mapping(rows.map { ($0.name.quietText, text($0.value)) }, style: .flow)
    case "unless": return fields(reader, .unless)
    case "retention": return fields(reader, .retention)
    case "unverified": return flag(reader)
    default: return text(reader)
    }
  }

  private func terms(_ reader: YAMLReader, _ kind: LanguageMapping) -> Node {
    let terms = reader.list()
    return Node(
      terms.map { $0.isMapping ? fields($0, kind) : text($0) }, .implicit,
      terms.contains(where: \.isMapping) ? .block : .flow)
  }

  private func mapping(_ entries: [(String, Node?)], style: Node.Mapping.Style = .block) -> Node {
    Node(
      entries.compactMap { key, value in value.map { (text(key), $0) } }, .implicit, style)
  }

  // MARK: Words

  private func words(_ reader: YAMLReader) -> Node {
    Node(reader.list().map(text), .implicit, .flow)
  }

  private func flag(_ reader: YAMLReader) -> Node { Node(reader.quietText, .implicit, .plain) }

  private func text(_ reader: YAMLReader) -> Node { text(reader.quietText) }

  /// Bare only if no reader of YAML takes it for anything but this word: some take `NO` and `y` for booleans, `0o7`
  /// and `1e3` for numbers, and a day for a point in time.
  private func text(_ text: String) -> Node {
    let letters = text.utf8.map { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 0x20 }
    let isWord =
      text.utf8.count > 1 && letters[0]
      && zip(text.utf8, letters).allSatisfy { byte, isLetter in
        isLetter || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "-")
      }
    let isBare = isWord && Node(text).tag == Tag(.str)
    return Node(text, .implicit, isBare ? .plain : .doubleQuoted)
  }
}

extension ResidencyPolicy {
  /// What `policy.yaml` and the files that it includes say, as one text that says the same.
  ///
  /// It has no comments, each list and mapping is written in one way, and in quotes is what another reader of YAML could take
  /// for a number or a boolean. Of two policies it shows how they differ.
  public var canonicalText: String { printer.text() }

  var printer: PolicyPrinter {
    let documents = PolicyDecoder.documents(
      files.texts[PolicyDecoder.file] ?? "", log: ProblemLog()
    ) { path, _ in files.texts[path] }
    guard let documents else {
      preconditionFailure("a policy that was compiled can be read again")
    }
    return PolicyPrinter(documents: documents)
  }
}
