import Foundation
import Testing

/// An import that is killed, again and again, and repeated until it ends.
@Suite struct ImportInterruptionTests {
  private static let lines = 8_000
  private static let command =
    "import people.csv --data data --user id --residence country --into inbox --record-key key"

  /// 6,000 people, a third of them with two records.
  private static let text =
    "id,country,key,note\n"
    + (0..<lines).map { line in
      let user = line % 6_000
      return "u\(user),\(["DE", "IE", "IN", "US"][user % 4]),k\(line),note \(line)\n"
    }.joined()

  @Test func `kills at any point leave no trace once the import has ended`() async throws {
    let undisturbed = try await Workspace.deployed()
    try undisturbed.write(Self.text, to: "people.csv")
    let clock = ContinuousClock()
    let start = clock.now
    expect(
      try await undisturbed.domicile(Self.command),
      output: """
        8000 lines: 6000 people admitted, 2000 lines of people known before
        records: 8000 written, 0 unchanged

        """)
    let duration = clock.now - start

    let killed = try await Workspace.deployed()
    try killed.write(Self.text, to: "people.csv")
    // The clock only chooses where the kills fall; nothing is expected of it.
    var kills = 0
    for share in [0.05, 0.2, 0.35, 0.1, 0.5, 0.3, 0.15] {
      let command = try killed.start(
        Workspace.tool, Self.command.split(separator: " ").map(String.init))
      try await Task.sleep(for: duration * share)
      command.kill()
      if try await command.result().exitCode == SIGKILL { kills += 1 }
    }
    let last = try await killed.domicile(Self.command)
    #expect(last.exitCode == 0 && last.error.isEmpty, "\(last)")
    #expect(kills > 0)

    expect(
      try await killed.domicile("doctor --data data").maskingSQLite,
      output: "sound: 6000 users, 0 groups, 12000 homes, 4 shards; SQLite VERSION\n")
    let expected = try await state(of: undisturbed)
    #expect(try await state(of: killed) == expected)
    #expect(expected.records.values.joined().count == Self.lines)

    let repeated = try await killed.domicile(Self.command)
    expect(
      repeated,
      output: """
        8000 lines: 0 people admitted, 8000 lines of people known before
        records: 0 written, 8000 unchanged

        """)
  }

  private struct EndState: Equatable {
    /// By country: the keys and values, in order. Which of two equal shards has a user is chance.
    var records: [String: [String]] = [:]
    /// By country, class and profile. A home placed but not opened yet is opened at its first use.
    var homes: [String: Int] = [:]
    var placements: [String] = []
  }

  private func state(of workspace: Workspace) async throws -> EndState {
    var state = EndState()
    for file in ["dublin/dublin-1", "dublin/dublin-2", "mumbai/mumbai-1", "ashburn/ashburn-1"] {
      let records = try await workspace.sqlite(
        "data/\(file).sqlite",
        "SELECT s.country, CAST(key AS TEXT), CAST(value AS TEXT) FROM record CROSS JOIN shard s")
      for record in records { state.records[String(record.prefix(2)), default: []].append(record) }
      let homes = try await workspace.sqlite(
        "data/\(file).sqlite",
        """
        SELECT s.country || ' ' || class || ' ' || profile, count(*)
        FROM home CROSS JOIN shard s WHERE state IN ('active', 'incoming') GROUP BY 1
        """)
      for home in homes {
        let fields = home.split(separator: "|")
        state.homes[String(fields[0]), default: 0] += Int(fields[1]) ?? 0
      }
    }
    state.records = state.records.mapValues { $0.sorted() }
    state.placements = try await workspace.sqlite(
      "data/directory.sqlite",
      """
      SELECT s.country, p.class, p.state, u.profile, count(*)
      FROM placement p JOIN shard s ON s.id = p.shard JOIN user u ON u.id = p.user
      GROUP BY 1, 2, 3, 4
      """)
    return state
  }
}
