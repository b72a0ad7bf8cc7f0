import DomicileTesting
import Foundation
import Testing
import Yams

@testable import DomicilePolicy

/// The canonical text of a policy says what the policy says, whatever is in it.
@Suite struct PolicyPrinterTests {
  /// All that a rulebook says, but for where it is written.
  private func content(of value: Any) -> String {
    switch value {
    case is SourceLine: return ""
    case let countries as IndexSet256: return "\(countries.members)"
    case let words as Set<String>: return "\(words.sorted())"
    case let flags as [String: Bool]: return "\(flags.sorted { $0.key < $1.key })"
    case let text as String: return text.debugDescription
    default:
      let children = Mirror(reflecting: value).children.filter { $0.label != "place" }
      if children.isEmpty { return "\(value)" }
      let parts = children.map { "\($0.label ?? "")=\(content(of: $0.value))" }
      return "(\(parts.joined(separator: " ")))"
    }
  }

  /// The texts of a policy with its rules and exclusions in one canonical file.
  private func printed(_ policy: ResidencyPolicy) -> [String: String] {
    var texts = policy.files.texts.filter { !$0.key.hasPrefix("rules/") }
    texts["policy.yaml"] = policy.canonicalText
    return texts
  }

  /// What is lost or changed by printing a policy and reading that; nil if nothing is.
  private func difference(afterPrinting texts: [String: String]) throws -> String? {
    let policy = try ResidencyPolicy(files: RegionFiles(texts: texts))
    let again = try ResidencyPolicy(files: RegionFiles(texts: printed(policy)))
    let (said, saidAgain) = (content(of: policy.written), content(of: again.written))
    if said != saidAgain { return "\(said)\nbecomes\n\(saidAgain)\nby\n\(policy.canonicalText)" }
    return again.canonicalText == policy.canonicalText ? nil : "printed again it differs"
  }

  // MARK: Identity

  static let policiesPerChunk: UInt64 = 1_500

  @Test(arguments: 0..<2 as Range<UInt64>)
  func `thousands of random policies say the same once printed`(chunk: UInt64) async throws {
    for seed in chunk * Self.policiesPerChunk..<(chunk + 1) * Self.policiesPerChunk {
      await Task.yield()
      let texts = try DecoratedPolicy(seed: seed).texts
      if let difference = try difference(afterPrinting: texts) {
        Issue.record("seed \(seed): \(difference)")
        return
      }
    }
  }

  @Test func `the shipped policy says the same once printed, with each of its lists`() throws {
    let shipped = try RegionFiles(folder: ShippedRegions.folder).texts
    #expect(try difference(afterPrinting: shipped) == nil)
    for list in ["core", "corroborated"] {
      let narrower = try ShippedRegions.texts(excluding: list)
      #expect(try difference(afterPrinting: narrower) == nil)
    }
  }

  @Test func `what is compared sees every difference`() throws {
    let said = content(of: try SmallPolicy().compile().written)
    for (original, replacement) in [
      ("name: gdpr", "name: gdpr-2"), ("residents: EEA", "residents: [EEA, GB]"),
      ("prefer: [EEA]", "prefer: [FR]"), ("unless: {attribute: scc-signed}", ""),
      ("US], certified: EU-US-DPF", "US], from: 2026-01-01"), ("2027-06-30", "2027-06-29"),
      ("reason: RBI/2017-18/153", "reason: RBI"), ("source: evidence.csv", ""),
      ("[inbox, threads]", "[inbox]"), ("missing: exclude", "missing: allow"),
      ("store: anywhere}", "store: anywhere, process: IN}"),
    ] {
      var small = SmallPolicy()
      small.policy.replace(original, with: replacement)
      #expect(content(of: try small.compile().written) != said, "\(original)")
    }
  }

  // MARK: Form

  @Test func `what cannot be seen is printed as a code`() throws {
    var small = SmallPolicy()
    small.policy.replace("RBI/2017-18/153", with: "a\u{202E}b\u{A0}c\u{E0061}d ü")
    let text = try small.compile().canonicalText
    #expect(text.contains(#"reason: "a\u202Eb\u00A0c\U000E0061d ü""#))
    #expect(try difference(afterPrinting: small.texts) == nil)
  }

  @Test
  func `files, comments and styles do not matter, and what others could misread is in quotes`()
    throws
  {
    var texts = SmallPolicy().texts
    texts["policy.yaml"] = """
      # A comment.
      include: rules/more.yaml
      rules:
        - {reason: "NO: not #1", store: NO, residents: [NO, IN], name: at-home, when: yes-no}
      otherwise: {process: [IN, {until: 2027-01-01, countries: OURS}], store: anywhere}
      policy: 'on'
      classes: {y: {collections: [0x10]}, directory: {}}
      """
    texts["rules/more.yaml"] = """
      assume: {yes-no: true, no: "false"}
      attributes: [minor, adult]
      groups: {OURS: [FR, EEA], ALL: anywhere}
      exclude:
        - where: {column: verdict, facts: evidence, is: exclude, rows: {verdict: exclude, code: RU}}
          name: listed
          missing: allow
          except:
            - reason: |
                Two
                lines, “ü”.
              source: s
              country: FR
              until: 2026-12-31
          reason: >-
            folded
            text
      classes:
        more: {retention: {longest: 1y, default: 30d}, collections: inbox}
      """
    let policy = try ResidencyPolicy(files: RegionFiles(texts: texts))
    #expect(
      policy.canonicalText == #"""
        policy: "on"
        groups:
          ALL: [anywhere]
          OURS: [FR, EEA]
        assume:
          "no": false
          yes-no: true
        exclude:
        - name: listed
          where: {facts: evidence, rows: {code: RU, verdict: exclude}, column: verdict, is: [exclude]}
          missing: allow
          except:
          - country: FR
            until: "2026-12-31"
            reason: "Two\nlines, “ü”.\n"
            source: "s"
          reason: "folded text"
        attributes: [adult, minor]
        classes:
          "y": {collections: ["0x10"]}
          directory: {}
          more: {collections: [inbox], retention: {default: "30d", longest: "1y"}}
        rules:
        - name: at-home
          residents: ["NO", IN]
          store: ["NO"]
          when: [yes-no]
          reason: "NO: not #1"
        otherwise:
          store: [anywhere]
          process:
          - IN
          - {countries: [OURS], until: "2027-01-01"}

        """#)
    #expect(try difference(afterPrinting: texts) == nil)
  }

  @Test(arguments: [
    "NO", "no", "on", "y", "null", "~", "0x10", "0o7", "1e3", "1_000", "2027-06-30",
  ])
  func `a word that other readers take for something else is in quotes`(word: String) throws {
    var small = SmallPolicy()
    small.policy.replace("RBI/2017-18/153", with: word)
    let text = try small.compile().canonicalText
    #expect(text.contains("reason: \"\(word)\"\n"))
    let rules = try #require(Yams.compose(yaml: text)?.mapping?["rules"]?.sequence)
    #expect(rules.last?.mapping?["reason"]?.tag == Tag(.str))
  }
}

/// Random policies with more that decides nothing: texts that are hard to write, reviews, marks, retention.
private struct DecoratedPolicy {
  private(set) var texts: [String: String]
  private var random: SeededRandom

  private static let pieces = [
    "NO", "on", "0x10", "null", "a", "because", ": ", " #", "\"", "'", "\\", "\n", "\t", "  ", "- ",
    "? ", "& ",
    "*b", "!c", "|", ">", "%", "@", "`", ",", "[d]", "{e}", "=", "<<", "~", "ü", "😀", "\u{7}",
    "\u{85}", "\u{A0}",
    "\u{2028}", "\0",
  ]

  init(seed: UInt64) throws {
    texts = RandomPolicy(seed: seed).texts
    random = SeededRandom(seed: ~seed)
    for path in ["policy.yaml", "rules/more.yaml"] {
      guard let text = texts[path] else { continue }
      let lines = try text.split(separator: "\n").map { try decorated(String($0)) }
      texts[path] = lines.map { "\($0)\n" }.joined()
    }
  }

  private mutating func decorated(_ line: String) throws -> String {
    if line == "    reason: because" {
      var lines = "    reason: \(try hardText())"
      if Bool.random(using: &random) { lines += "\n    source: \(try hardText())" }
      if Bool.random(using: &random) { lines += "\n    review: 2028-02-29" }
      return lines
    }
    if line.hasPrefix("    residents: "), Bool.random(using: &random) {
      return "\(line)\n    unverified: \(Bool.random(using: &random))"
    }
    if line.contains("{collections: ") {
      return line.replacing("]}", with: "], retention: {longest: 1y, shortest: 1h}}")
    }
    return line.replacing("reason: r,", with: "reason: \(try hardText()),")
  }

  /// In quotes: a text of JSON is one of YAML.
  private mutating func hardText() throws -> String {
    let count = Int.random(in: 1...5, using: &random)
    // A blank one is refused.
    let text =
      (0..<count).compactMap { _ in Self.pieces.randomElement(using: &random) }.joined() + "r"
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    return String(decoding: try encoder.encode(text), as: UTF8.self)
  }
}
