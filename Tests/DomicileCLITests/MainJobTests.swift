import Foundation
import Testing

/// The job that scripts/quickstart shows, judged by other means than Domicile's own: the `sqlite3` program and
/// a plain reading of the facts.
@Suite struct MainJobTests {
  private static let regions = "\(Workspace.repository)/regions"
  private static let people = "\(Workspace.repository)/Examples/data/laureates.csv"

  private static let importArguments = [
    "import", people, "--data", "data", "--user", "id", "--residence", "residence", "--into",
    "profile", "--record-key", "year", "--rejects", "rejects",
  ]

  @Test func `every laureate's record is where the law allows it, and the refused left no trace`()
    async throws
  {
    let workspace = Workspace()
    let made = try await workspace.domicile(["init", "--data", "data", "--regions", Self.regions])
    #expect(made.exitCode == 0 && made.error.isEmpty)

    expect(
      try await workspace.domicile(Self.importArguments),
      output: """
        990 lines: 960 people admitted, 0 lines of people known before
        records: 960 written, 0 unchanged
        30 refused: see rejects/laureates.refused.csv

        """, exitCode: 3)

    try await checkRecords(workspace)
    try await checkRefused(workspace)

    expect(
      try await workspace.domicile("doctor --data data").maskingSQLite,
      output: "sound: 960 users, 0 groups, 3840 homes, 16 shards; SQLite VERSION\n")

    // A repeat changes nothing, and says the same of the refused.
    let refused = try workspace.read("rejects/laureates.refused.csv")
    expect(
      try await workspace.domicile(Self.importArguments),
      output: """
        990 lines: 0 people admitted, 960 lines of people known before
        records: 0 written, 960 unchanged
        30 refused: see rejects/laureates.refused.csv

        """, exitCode: 3)
    #expect(try workspace.read("rejects/laureates.refused.csv") == refused)
  }

  @Test func `policy check lists who has no place, with the reasons`() async throws {
    let workspace = Workspace()
    let result = try await workspace.domicile(["policy", "check", "--regions", Self.regions])
    #expect(result.exitCode == 0 && result.error.isEmpty)
    let digest = try #require(result.output.firstMatch(of: /digest ([0-9a-f]{12})\n/)).1
    let table = """
      valid: policy “default”, digest \(digest)
      250 countries, 65 excluded; 14 regions, 16 shards
      residents of  are          data classes                                      by
      CN            unplaceable  profile, messages, payments, metadata, directory  cn-localisation, exclusion-evidence
      IR            unplaceable  messages                                          ir-messages, exclusion-evidence
      KZ            unplaceable  profile, messages, payments, metadata, directory  kz-localisation, exclusion-evidence
      RU            unplaceable  profile, messages, payments, metadata, directory  ru-localisation, exclusion-evidence
      RW            unplaceable  profile, messages, payments, metadata, directory  rw-localisation, exclusion-evidence
      UG            unplaceable  payments                                          ug-payments, exclusion-evidence
      VN            unplaceable  profile, messages, payments, metadata, directory  vn-localisation, exclusion-evidence
      ZM            unserved     profile, messages, payments, metadata, directory  zm-localisation

      """
    #expect(result.output.hasPrefix(table))
    let rest: [Substring] = result.output.dropFirst(table.count).split(separator: "\n")
    let reasons = rest.filter { $0.hasPrefix("    because: ") }
    let warnings = rest.filter { $0.hasPrefix("warning: policy.yaml:") }
    #expect(reasons.count == 9 && warnings.count == 3)
    // 8 laws; the exclusion for each of 7; a reason for each law and the exclusion, and a source for all but one;
    // the day of the next change.
    #expect(rest.count == 36)
  }

  /// Each record against the country that its shard says of itself.
  private func checkRecords(_ workspace: Workspace) async throws {
    let law = try PlainLaw(facts: "\(Self.regions)/facts")
    let expected = try await people(workspace).filter {
      !PlainLaw.nowhere.contains($0.residence)
    }
    var found: [String: String] = [:]
    for file in try shardFiles(workspace) {
      let rows = try await workspace.sqlite(
        file,
        """
        SELECT s.country, h.profile, json_extract(CAST(r.value AS TEXT), '$.id'),
          json_extract(CAST(r.value AS TEXT), '$.residence')
        FROM record r JOIN home h ON h.id = r.home CROSS JOIN shard s
        WHERE r.collection = 'profile' AND h.class = 'profile' AND h.state = 'active'
        """)
      for row in rows {
        let fields = row.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        try #require(fields.count == 4)
        let (country, profile, id, residence) = (fields[0], fields[1], fields[2], fields[3])
        #expect(law.permits(residence: residence, country: country), "\(residence) in \(country)")
        #expect(profile == residence)
        #expect(found.updateValue(residence, forKey: id) == nil, "\(id) has two records")
      }
      let homes = try await workspace.sqlite(
        file, "SELECT DISTINCT s.country, h.profile FROM home h CROSS JOIN shard s")
      for home in homes.map({ $0.split(separator: "|").map(String.init) }) {
        #expect(law.permits(residence: home[1], country: home[0]), "a home: \(home)")
      }
    }
    #expect(found.count == 960)
    #expect(found == Dictionary(uniqueKeysWithValues: expected.map { ($0.id, $0.residence) }))
  }

  /// No byte of whom the policy refused: not in a shard, not in the directory, not in the list of them.
  private func checkRefused(_ workspace: Workspace) async throws {
    let refused = try await people(workspace).filter {
      PlainLaw.nowhere.contains($0.residence)
    }
    #expect(refused.count == 30)
    let list = try workspace.read("rejects/laureates.refused.csv").split(separator: "\n")
    #expect(list.count == 31)
    for line in list.dropFirst() {
      #expect(
        line.wholeMatch(
          of: /\d+,unplaceable,"[a-z]+ of a resident of (CN|IR|RU|VN) .*"/)
          != nil)
    }
    #expect(try !workspace.exists("rejects/laureates.bad.csv"))

    let root = try workspace.path
    let names = try FileManager.default.subpathsOfDirectory(atPath: root)
    var searched = 0
    for name in names where name.hasPrefix("data") || name.hasPrefix("rejects") {
      guard let bytes = FileManager.default.contents(atPath: "\(root)/\(name)") else { continue }
      searched += 1
      for person in refused {
        #expect(bytes.range(of: Data(person.name.utf8)) == nil, "\(person.name) in \(name)")
        #expect(
          bytes.range(of: Data("\"id\":\"\(person.id)\"".utf8)) == nil, "\(person.id) in \(name)")
      }
    }
    #expect(searched >= 16 + 3)
  }

  private struct Person {
    let id: String
    let name: String
    let residence: String
  }

  /// The people of the file, as the `sqlite3` program reads CSV.
  private func people(_ workspace: Workspace) async throws -> [Person] {
    let result = try await workspace.run(
      URL(filePath: "/usr/bin/env"),
      [
        "sqlite3", ":memory:", "-cmd", ".import --csv \(Self.people) people",
        "SELECT id, name, residence FROM people",
      ])
    let people = result.output.split(separator: "\n").map { line in
      let fields = line.split(separator: "|").map(String.init)
      return Person(id: fields[0], name: fields[1], residence: fields[2])
    }
    try #require(people.count == 990)
    return people
  }

  private func shardFiles(_ workspace: Workspace) throws -> [String] {
    let files = try FileManager.default.subpathsOfDirectory(atPath: try workspace.file("data"))
      .filter { $0.hasSuffix(".sqlite") && $0.contains("/") }
    #expect(files.count == 16)
    return files.map { "data/\($0)" }
  }
}

/// What the shipped policy says, told again from its facts in the simplest way: no compiler, no sets of regions.
/// Countries only; that every operator's jurisdiction is legal as well is the policy tests' business.
private struct PlainLaw {
  private var excluded: Set<String> = []
  private var groups: [String: Set<String>] = [:]

  init(facts: String) throws {
    for row in try Self.rows("\(facts)/exclusion-evidence.csv") where row.last == "exclude" {
      excluded.insert(row[0])
    }
    for row in try Self.rows("\(facts)/groups.csv") { groups[row[0], default: []].insert(row[1]) }
    try #require(excluded.count == 65)
    try #require(groups["EEA"]?.count == 30)
  }

  /// Only the first columns and the last are looked at: they hold no quoted commas.
  private static func rows(_ file: String) throws -> [[String]] {
    try String(contentsOfFile: file, encoding: .utf8).split(whereSeparator: \.isNewline)
      .dropFirst().map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }
  }

  private func isIn(_ country: String, _ names: String...) -> Bool {
    names.contains { groups[$0]?.contains(country) ?? false }
  }

  func permits(residence: String, country: String) -> Bool {
    if excluded.contains(country) { return false }
    if isIn(residence, "EEA", "EU-TERRITORY") {
      return isIn(country, "EEA", "EU-TERRITORY", "GDPR-ADEQUACY-FULL") || country == "US"
    }
    return !Self.nowhere.contains(residence)
  }

  /// Where a law on some class of their data demands storage at home and home is excluded, nobody is admitted.
  static let nowhere: Set = ["CN", "IR", "KZ", "RU", "RW", "UG", "VN", "ZM"]
}
