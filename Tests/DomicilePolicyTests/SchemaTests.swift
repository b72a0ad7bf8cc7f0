import DomicilePolicy
import DomicileTesting
import Foundation
import Testing

/// The schemas of `regions/schemas`, by which editors help, against the decoder, which decides.
@Suite struct SchemaTests {
  private static let folder = "\(ShippedRegions.folder)/schemas"

  /// The mapping that a whole file is, by the schema's file.
  private static let roots: [String: LanguageMapping] = [
    "policy.schema.json": .policy, "rules.schema.json": .included,
    "topology.schema.json": .topology, "tests.schema.json": .tests,
  ]

  // MARK: Keys

  /// A schema of a mapping with fixed keys.
  private struct FixedMapping {
    let name: String
    let keys: Set<String>
    let isClosed: Bool
  }

  /// All of them within a schema; each is called by where it is defined.
  private func mappings(_ schema: Any, name: String) -> [FixedMapping] {
    if let list = schema as? [Any] { return list.flatMap { mappings($0, name: name) } }
    guard let object = schema as? [String: Any] else { return [] }
    var found: [FixedMapping] = []
    if object["type"] as? String == "object",
      let properties = object["properties"] as? [String: Any]
    {
      found.append(
        FixedMapping(
          name: name, keys: Set(properties.keys),
          isClosed: object["additionalProperties"] as? Bool == false))
    }
    for (key, value) in object {
      // What is neither defined by name nor the file itself would be a mapping without a name.
      let definitions = key == "$defs" ? value as? [String: Any] : nil
      found +=
        definitions.map { $0.flatMap { mappings($0.value, name: $0.key) } }
        ?? mappings(value, name: "\(name)/\(key)")
    }
    return found
  }

  @Test func `the schemas have the keys that the decoder knows, and no others`() throws {
    var found: [String: FixedMapping] = [:]
    for (file, root) in Self.roots {
      let data = try Data(contentsOf: URL(filePath: "\(Self.folder)/\(file)"))
      let schema = try JSONSerialization.jsonObject(with: data)
      for mapping in mappings(schema, name: root.rawValue) {
        #expect(found.updateValue(mapping, forKey: mapping.name) == nil, "\(mapping.name) twice")
      }
    }
    #expect(Set(found.keys) == Set(LanguageMapping.allCases.map(\.rawValue)))
    for mapping in LanguageMapping.allCases {
      let schema = try #require(found[mapping.rawValue])
      #expect(schema.keys == Set(mapping.keys), "\(mapping)")
      #expect(mapping.keys.count == schema.keys.count, "\(mapping) has a key twice")
      #expect(schema.isClosed, "\(mapping) may have any key")
    }
  }

  /// The shipped files, and the schema that each names.
  private static let shippedFiles: [(path: String, schema: String)] = [
    ("policy.yaml", "policy"), ("topology.yaml", "topology"), ("tests.yaml", "tests"),
    ("rules/exclude-core.yaml", "rules"), ("rules/exclude-corroborated.yaml", "rules"),
  ]

  @Test(arguments: shippedFiles)
  func `each file of the shipped policy names its schema first`(path: String, name: String) throws {
    let schema = "schemas/\(name).schema.json"
    let fromThere = path.contains("/") ? "../\(schema)" : schema
    #expect(try shipped(path).hasPrefix("# yaml-language-server: $schema=\(fromThere)\n"))
    #expect(FileManager.default.fileExists(atPath: "\(ShippedRegions.folder)/\(schema)"))
  }

  @Test func `no shipped file is without a schema`() throws {
    let paths = try FileManager.default.subpathsOfDirectory(atPath: ShippedRegions.folder)
    #expect(Set(paths.filter { $0.hasSuffix(".yaml") }) == Set(Self.shippedFiles.map(\.path)))
  }

  // MARK: Validation

  /// Reads `SCHEMA FILE` lines, and prints the name of each file that does not validate. Every scalar is a text, as for Domicile.
  private static let validator = """
    import json, os, sys
    import jsonschema, referencing, yaml
    folder = sys.argv[1]
    schemas = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            schemas[name] = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schemas[name])
    registry = referencing.Registry().with_resources(
        (name, referencing.Resource.from_contents(schema)) for name, schema in schemas.items())
    for line in sys.stdin:
        name, path = line.rstrip("\\n").split(" ", 1)
        with open(path, encoding="utf-8") as file:
            document = yaml.load(file, Loader=yaml.BaseLoader)
        validator = jsonschema.Draft202012Validator(schemas[name], registry=registry)
        if not validator.is_valid(document):
            print(path)
    """

  private static func python(_ arguments: [String], input: String = "") throws -> (
    status: Int32, output: String
  ) {
    let folder = try TemporaryFolder()
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3"] + arguments
    process.standardInput = FileHandle(
      forReadingAtPath: try folder.write(input, to: "input"))
    let output = try folder.write("", to: "output")
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, try String(contentsOfFile: output, encoding: .utf8))
  }

  private static let hasValidator =
    (try? python(["-c", "import jsonschema, referencing, yaml"]).status) == 0

  /// Of some texts, each with the schema's file, the names of those that do not validate.
  private func invalid(_ texts: [(name: String, schema: String, text: String)]) throws -> [String] {
    let folder = try TemporaryFolder()
    var input = ""
    for (number, entry) in texts.enumerated() {
      input += "\(entry.schema) \(try folder.write(entry.text, to: "\(number).yaml"))\n"
    }
    let result = try Self.python(["-c", Self.validator, Self.folder], input: input)
    try #require(result.status == 0, "the validator failed")
    return result.output.split(separator: "\n").compactMap { path in
      Int(URL(filePath: String(path)).deletingPathExtension().lastPathComponent)
    }.map { texts[$0].name }
  }

  private func shipped(_ path: String) throws -> String {
    try String(contentsOfFile: "\(ShippedRegions.folder)/\(path)", encoding: .utf8)
  }

  private static let needed: Comment = "python3 with jsonschema and PyYAML is not installed"

  @Test(.enabled(if: hasValidator, needed))
  func `the shipped policy validates, and the small one, and one with every key`() throws {
    var texts: [(name: String, schema: String, text: String)] = []
    for (path, schema) in Self.shippedFiles {
      texts.append(("shipped \(path)", "\(schema).schema.json", try shipped(path)))
    }
    let printed = try ShippedRegions.policy().canonicalText
    texts.append(("printed policy", "policy.schema.json", printed))
    let small = SmallPolicy()
    texts.append(("small policy", "policy.schema.json", small.policy))
    texts.append(("small topology", "topology.schema.json", small.topology))
    texts.append(("every key", "policy.schema.json", Self.everyKey))
    texts.append(
      ("rules", "rules.schema.json", "rules:\n  - {name: r, residents: NO, prefer: NO, reason: no}")
    )
    for (number, entry) in Self.cases.enumerated() {
      texts.append(("case \(number)", "tests.schema.json", "cases: [\(entry)]"))
    }
    #expect(try invalid(texts) == [])
  }

  private static let everyKey = """
    policy: all
    include: [rules/asia.yaml, rules/africa.yaml]
    groups: {NORDIC: [NO, SE], NEAR: NORDIC}
    assume: {is-bank: true, is-carrier: "false"}
    exclude:
      - name: press
        where: {facts: press, rows: {index: RSF, year: 2026}, column: score, at-least: 1, at-most: -2.5}
        missing: allow
        except: [{country: NO, from: 2026-01-01, until: 2026-06-30, reason: r, source: s}]
        from: 2026-01-01
        until: 2027-01-01
        reason: r
        source: s
        review: 2027-01-01
      - {name: list, countries: [NO, NORDIC], reason: r}
      - {name: values, where: {facts: f, column: c, is: [a, 1]}, reason: r}
    attributes: [minor]
    classes:
      messages: {collections: inbox, retention: {default: 30d, longest: 1y, shortest: 1h}}
      directory: {}
    rules:
      - name: all
        residents: anywhere
        classes: messages
        store: [NO, {countries: [US], certified: DPF, except: NO, from: 2026-01-01, until: 2027-01-01}]
        copy: {countries: anywhere, except: [NO], from: 2026-01-01, until: 2027-01-01}
        process: [NO, {countries: US, until: 2027-01-01}]
        prefer: [NO, NORDIC]
        unless: {attribute: minor}
        when: [is-bank, is-carrier]
        from: 2026-01-01
        until: 2027-01-01
        reason: r
        source: s
        review: 2027-01-01
        unverified: true
    otherwise: {store: anywhere, process: {countries: NO, until: 2027-01-01}}
    """

  private static let cases = [
    "{residence: NO, expect: allowed}",
    "{name: n, residence: [NO, EEA], attributes: [], class: messages, on: 2026-01-01, expect: unserved, because: r}",
    "{residence: NO, process: [US], expect: refused, because: [a, b]}",
    "{residence: NO, expect: {allowed: a, refused: [b], unserved: [c], chosen: a}}",
  ]

  @Test(.enabled(if: hasValidator, needed))
  func `what has wrong keys, or lacks one, does not validate`() throws {
    let mistakes = (Mistake.rules + Mistake.policy + Mistake.retention + Mistake.topology).filter {
      $0.says.contains("unknown key") || $0.says.contains(/the key “[a-z]+” is missing/)
    }
    // With fewer, the words that pick them out are no longer those that are said.
    #expect(mistakes.count >= 20)
    var texts = try mistakes.map { mistake in
      let schema = mistake.file.replacing(".yaml", with: ".schema.json")
      return (
        name: mistake.testDescription, schema: schema,
        text: try #require(try mistake.texts()[mistake.file])
      )
    }
    for (entry, says) in CaseMistakesTests.mistakes
    where says.contains("unknown key") || says.contains("is missing")
      || says.contains("with “process”") || says.contains("“refused” is for regions")
    {
      texts.append((name: entry, schema: "tests.schema.json", text: "cases: [{\(entry)}]"))
    }
    #expect(try invalid(texts) == texts.map(\.name))
  }
}
