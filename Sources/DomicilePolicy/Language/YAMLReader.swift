import Yams

/// A node of a YAML file together with where it stands, and where problems go.
struct YAMLReader {
  let file: String
  let node: Node
  let log: ProblemLog
  /// Those that may hold a tag; see ``yamlLines``.
  private let lines: [[Unicode.Scalar]]

  /// Reads the one document of a file; nil, with the problem logged, if it is not YAML.
  static func document(file: String, text: String, log: ProblemLog) -> YAMLReader? {
    func fail(_ message: String, _ mark: Mark?) {
      log.add(
        PolicyProblem(file: file, line: mark?.line, column: mark?.column, message: message))
    }
    if let (line, column) = tooDeep(text) {
      log.add(
        PolicyProblem(file: file, line: line, column: column, message: "this is nested too deeply"))
      return nil
    }
    do {
      if let mark = try firstAnchor(text) {
        fail(noAnchors, mark)
        return nil
      }
      // The basic resolver takes every word for text, so that “no” and “"no"” are one key.
      guard let node = try Parser(yaml: text, resolver: .basic).singleRoot() else {
        fail("the file is empty", nil)
        return nil
      }
      return YAMLReader(file: file, node: node, log: log, lines: yamlLines(text))
    } catch YamlError.scanner(_, let problem, let mark, _),
      YamlError.parser(_, let problem, let mark, _)
    {
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let rest = mark.line <= lines.count ? lines[mark.line - 1].dropFirst(mark.column - 1) : ""
      if rest.hasPrefix("\t") {
        fail("this is not YAML: a tab; indent with spaces", mark)
      } else {
        fail("this is not YAML: \(problem)\(remedy(problem))", mark)
      }
    } catch YamlError.composer(_, let problem, let mark, _) {
      // The composer complains of two things only.
      fail(problem.contains("alias") ? noAnchors : "a second document begins; a file has one", mark)
    } catch YamlError.duplicatedKeysInMapping(let duplicates, let context) {
      if duplicates.contains(where: { $0.contains(inPlaceOfStar) }) {
        fail(noAnchors, context.mark)
        return nil
      }
      fail("the key “\(duplicates.joined(separator: "”, “"))” stands here twice", context.mark)
    } catch YamlError.reader(let problem, let offset, _, _) {
      let before = text.prefix(offset ?? 0)
      let line = before.split(separator: "\n", omittingEmptySubsequences: false)
      let column = (line.last?.unicodeScalars.count ?? 0) + 1
      log.add(
        PolicyProblem(
          file: file, line: line.count, column: column, message: "this is not YAML: \(problem)"))
    } catch {
      fail("this is not YAML", nil)
    }
    return nil
  }

  private static let bracketsMax = 64
  private static let indentationMax = 128

  /// The first place that is nested deeper than a policy ever is; nil if there is none.
  ///
  /// Yams reads nested nodes recursively, up to 1,000 deep, for which half a megabyte of stack is too small.
  /// Every bracket counts, quoted or not: this is no parser.
  private static func tooDeep(_ text: String) -> (line: Int, column: Int)? {
    var (line, column, brackets, isIndenting) = (1, 0, 0, true)
    for byte in text.utf8 {
      if byte & 0b1100_0000 != 0b1000_0000 { column += 1 }
      switch byte {
      case UInt8(ascii: "\n"): (line, column, isIndenting) = (line + 1, 0, true)
      case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "?"): break
      case UInt8(ascii: "["), UInt8(ascii: "{"): (brackets, isIndenting) = (brackets + 1, false)
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        (brackets, isIndenting) = (max(0, brackets - 1), false)
      default: isIndenting = false
      }
      if brackets > bracketsMax || isIndenting && column > indentationMax { return (line, column) }
    }
    return nil
  }

  /// Where the first anchor is; nil if there is none.
  ///
  /// By anchors and aliases a short text can stand for terabytes, and Yams looks at all of it where an alias is a key. So
  /// the text is first read with something else in the place of what may be an alias.
  private static func firstAnchor(_ text: String) throws -> Mark? {
    guard text.utf8.contains(UInt8(ascii: "&")) else { return nil }
    let parser = try Parser(yaml: text.replacing("*", with: inPlaceOfStar), resolver: .basic)
    // Nodes hold their anchors weakly; the parser keeps them alive.
    return try withExtendedLifetime(parser) { try parser.singleRoot().flatMap(firstAnchor) }
  }

  private static func firstAnchor(_ node: Node) -> Mark? {
    if node.anchor != nil { return node.mark }
    switch node {
    case .sequence(let sequence): return sequence.lazy.compactMap(firstAnchor).first
    case .mapping(let mapping):
      return mapping.lazy.compactMap { firstAnchor($0.key) ?? firstAnchor($0.value) }.first
    default: return nil
    }
  }

  /// The values of a mapping by key.
  struct Fields {
    let owner: YAMLReader
    fileprivate(set) var values: [String: YAMLReader] = [:]

    subscript(key: String) -> YAMLReader? { values[key] }

    /// The key's value; nil, with the problem logged, if it is missing.
    func required(_ key: String) -> YAMLReader? {
      if values[key] == nil { owner.problem("the key “\(key)” is missing") }
      return values[key]
    }
  }

  var line: SourceLine { SourceLine(file: file, line: node.mark?.line ?? 1) }

  var isMapping: Bool {
    guard case .mapping = node else { return false }
    return true
  }

  var isEmptyMapping: Bool { node.mapping?.isEmpty ?? false }

  /// Whether this is a mapping with the key, whatever its value.
  func has(_ key: String) -> Bool {
    node.mapping?.keys.contains { $0.scalar?.string == key } ?? false
  }

  /// A scalar's text, or nothing, without a word about it.
  var quietText: String { node.scalar?.string ?? "" }

  /// The message is not made if nobody will read it: to find the nearest right word takes a while.
  func problem(_ message: @autoclosure () -> String) {
    if log.isFull { return }
    log.add(
      PolicyProblem(
        file: file, line: node.mark?.line, column: node.mark?.column, message: message()))
  }

  /// Line and column, counted from 1.
  var mark: (line: Int, column: Int)? { node.mark.map { ($0.line, $0.column) } }

  /// The tag that is written before the node, or before the first key of a mapping without braces.
  ///
  /// The parser does not tell `!!str a` from `a`, so this looks at the text.
  private var writtenTag: String? {
    guard let mark, lines.indices.contains(mark.line - 1) else { return nil }
    let rest = lines[mark.line - 1].dropFirst(mark.column - 1)
    guard rest.first == "!" else { return nil }
    return String(String.UnicodeScalarView(rest.prefix { !$0.properties.isWhitespace }))
  }

  /// Tags are refused (`!include`, `!!str`): they promise what nothing here does.
  private func isBeyondTheLanguage() -> Bool {
    let tag = node.tag.rawValue
    if writtenTag != nil || !plainTags.contains(tag) {
      let tag = writtenTag ?? tag
      problem("the tag “\(tag)” is not part of the language; write it without")
      return true
    }
    return false
  }

  /// The entries of a mapping in their order; nil, with the problem logged, if this is none.
  func entries() -> [(name: YAMLReader, value: YAMLReader)]? {
    if isBeyondTheLanguage() { return nil }
    guard case .mapping(let mapping) = node else {
      problem("this must be a mapping of “key: value” lines; write {} for an empty one")
      return nil
    }
    // By the text of the key: what YAML takes for different nodes may be one word to us.
    var seen: Set<String> = []
    for key in mapping.keys {
      guard let text = key.scalar?.string, !seen.insert(text).inserted else { continue }
      reader(key).problem("the key “\(text)” stands here twice")
    }
    return mapping.map { (reader($0.key), reader($0.value)) }
  }

  /// The entries of a mapping, without a word about what is wrong with it.
  var quietEntries: [(name: YAMLReader, value: YAMLReader)] {
    node.mapping.map { $0.map { (reader($0.key), reader($0.value)) } } ?? []
  }

  /// The values of a mapping by key, of which only those of the language may occur.
  func fields(_ mapping: LanguageMapping) -> Fields? {
    // A word, or a list of one.
    let only = node.sequence.flatMap { $0.count == 1 ? reader($0[0]) : nil } ?? self
    if let word = only.node.scalar?.string, !word.isEmpty, let form = mapping.shortForm {
      problem("“\(only.quietText)” is no mapping; write \(form(only.quietText))")
      return nil
    }
    guard let entries = entries() else { return nil }
    let keys = mapping.keys
    var fields = Fields(owner: self)
    for (name, value) in entries {
      guard let key = name.text() else { continue }
      if keys.contains(key) {
        fields.values[key] = value
      } else {
        name.problem("unknown key “\(key)”; \(suggestion(for: key, among: keys))")
      }
    }
    return fields
  }

  /// The elements of a sequence; a single scalar or mapping is a list of one.
  func list() -> [YAMLReader] {
    if isBeyondTheLanguage() { return [] }
    guard case .sequence(let sequence) = node else { return [self] }
    return sequence.map(reader)
  }

  /// The elements of a list, which must have one: nothing is said by leaving all out.
  func nonEmptyList(_ key: String) -> [YAMLReader] {
    if isEmptyList { problem("“\(key)” needs at least one entry") }
    return list()
  }

  var isEmptyList: Bool { node.sequence?.isEmpty ?? false }

  /// The elements of a sequence, which this must be.
  func sequence() -> [YAMLReader] {
    guard case .sequence = node else {
      problem("this must be a list")
      return []
    }
    return list()
  }

  /// A scalar's text as it is written: `NO` is Norway's code, not false.
  func text() -> String? {
    if isBeyondTheLanguage() { return nil }
    guard case .scalar(let scalar) = node, !scalar.string.isEmpty else {
      problem("this must be a word or a text")
      return nil
    }
    return scalar.string
  }

  /// A text for people to read. One that a comment cuts off is refused: the number of a document goes with it.
  func prose() -> String? {
    guard let text = text() else { return nil }
    if text.allSatisfy(\.isWhitespace) {
      problem("this must be a word or a text")
    } else if let mark, lines.indices.contains(mark.line - 1) {
      let rest = String(
        String.UnicodeScalarView(lines[mark.line - 1].dropFirst(mark.column - 1)))
      // “ # a comment” is meant as one; “ #4” is a number.
      if let comment = rest.firstRange(of: " #"),
        rest[comment.upperBound...].first.map({ !$0.isWhitespace && $0 != "#" }) ?? false,
        rest[..<comment.lowerBound].split(separator: " ") == text.split(separator: " ")
      {
        problem(
          "what follows “\(text)” is a comment: put a text with “#” in it in quotes, and a comment on a line of its own"
        )
      }
    }
    return text
  }

  /// A name that may become a file's: `[a-z0-9-]{1,63}`.
  func name(_ what: String) -> String? {
    guard let text = text() else { return nil }
    guard isName(text) else {
      problem(
        "“\(text)” is no name for \(what): 1 to 63 of the lower-case letters a-z, digits and “-”")
      return nil
    }
    return text
  }

  private func reader(_ node: Node) -> YAMLReader {
    YAMLReader(file: file, node: node, log: log, lines: lines)
  }
}

/// What to look for where the parser was lost.
private func remedy(_ problem: String) -> String {
  if problem.contains("mapping values are not allowed") {
    return
      "; a text with “: ” in it must be in quotes, and a key stands exactly below the one before it"
  }
  if problem.contains("',' or") { return "; a comma is missing, or a bracket above is not closed" }
  if problem.contains("node content") {
    return "; a value is missing, or a bracket above is not closed"
  }
  if problem.contains("did not find expected") {
    return "; look at the lines above: what belongs together begins in the same column"
  }
  return ""
}

/// The lines of a text as the parser counts them, by YAML 1.1: some end where others see none. Those without “!” and “#” hold
/// neither tag nor comment and are left empty, since texts can be large.
private func yamlLines(_ text: String) -> [[Unicode.Scalar]] {
  var lines: [[Unicode.Scalar]] = []
  var line: [Unicode.Scalar] = []
  var previous: Unicode.Scalar?
  func endLine() {
    lines.append(line.contains { $0 == "!" || $0 == "#" } ? line : [])
    line.removeAll(keepingCapacity: true)
  }
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\n" where previous == "\r": break
    case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": endLine()
    default: line.append(scalar)
    }
    previous = scalar
  }
  endLine()
  return lines
}

/// The tags of nodes that have none written.
private let plainTags = Set(["str", "map", "seq"].map { "tag:yaml.org,2002:\($0)" })

/// A character for private use, which no text that is meant for people has.
private let inPlaceOfStar = "\u{E000}"

private let noAnchors = "anchors and aliases (& and *) are not part of the language; write it out"

/// Whether `text` can name a region, shard, class, collection, rule or attribute: 1 to 63 of `a-z`, `0-9`
/// and `-`.
public func isName(_ text: String) -> Bool {
  (1...63).contains(text.utf8.count)
    && text.utf8.allSatisfy { byte in
      byte == UInt8(ascii: "-") || byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
        || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }
}
