import DomicileTesting
import Foundation
import Testing

/// Plans as operators make them and carry them out.
@Suite struct MigrateCommandTests {
  private static let people = 600

  /// People of the United States, all in Mumbai.
  private func deployed(people: Int = people) async throws -> Workspace {
    let workspace = try await Workspace.deployed(
      .small.replacing(
        "otherwise: {store: anywhere}", in: "policy.yaml",
        with: """
            - name: first-in-mumbai
              residents: US
              prefer: IN
              reason: A test.
          otherwise: {store: anywhere}
          """))
    try workspace.write(
      "id,country,key,note\n"
        + (0..<2 * people).map { "u\($0 % people),US,k\($0),note \($0)\n" }.joined(),
      to: "people.csv")
    let result = try await workspace.domicile(
      "import people.csv --data data --user id --residence country --into inbox --record-key key")
    try #require(result.exitCode == 0, "\(result)")
    return workspace
  }

  private func records(_ workspace: Workspace) async throws -> [String] {
    try await workspace.sqlite("data/mumbai/mumbai-1.sqlite", "SELECT count(*) FROM record")
  }

  private func expectEmptied(_ workspace: Workspace) async throws {
    let plan = try await workspace.json("plan --from mumbai --json --data data") as? [String: Any]
    #expect((plan?["summary"] as? [String: Any])?["homes"] as? Int == 0)
    #expect(try await records(workspace) == ["0"])
    #expect(
      try await workspace.domicile("move status --data data").output == "no moves are under way\n")
    let doctor = try await workspace.domicile("doctor --deep --data data")
    #expect(doctor.exitCode == 0, "\(doctor)")
  }

  @Test func `a plan is made, kept, carried out, and then there is nothing to do`() async throws {
    let workspace = try await deployed(people: 20)
    let planned = try await workspace.domicile("plan --from mumbai --out p.jsonl --data data")
    #expect(planned.exitCode == 0)
    #expect(
      planned.output.contains("messages  mumbai-1  ashburn-1     20       40"), "\(planned)")
    #expect(planned.output.contains("40 homes to move, 40 records"), "\(planned)")
    let lines = try workspace.read("p.jsonl").split(separator: "\n")
    #expect(lines.count == 41)
    let migrated = try await workspace.domicile("migrate p.jsonl --data data")
    #expect(migrated.exitCode == 0, "\(migrated)")
    #expect(migrated.output.hasPrefix("finished: 40 homes moved, 0 there already, 40 records"))
    #expect(migrated.checkpoint != nil)
    let again = try await workspace.domicile("migrate p.jsonl --data data")
    #expect(again.output.hasPrefix("finished: 0 homes moved, 40 there already"), "\(again)")
    try await expectEmptied(workspace)
    let status = try await workspace.json("migrate status --json --data data") as? [[String: Any]]
    #expect(status?.count == 1)
    #expect(
      try await workspace.domicile("get u1 inbox k1 --data data").output.contains("note 1"))
  }

  @Test func `a region or country is evacuated, and twice is the same as once`() async throws {
    let workspace = try await deployed(people: 20)
    let evacuated = try await workspace.domicile("evacuate IN --data data")
    #expect(evacuated.exitCode == 0, "\(evacuated)")
    #expect(evacuated.output.hasPrefix("finished: 40 homes moved"), "\(evacuated)")
    #expect(evacuated.error.contains("state: draining"), "\(evacuated)")
    try await expectEmptied(workspace)
    #expect(
      try await workspace.domicile("evacuate mumbai --data data").output == "nobody is in mumbai\n")
  }

  @Test func `killed again and again, and begun again, it ends as one that nobody disturbs`()
    async throws
  {
    let workspace = try await deployed()
    let undisturbed = try await deployed()
    let command = "migrate p.jsonl --data data"
    for workspace in [workspace, undisturbed] {
      _ = try await workspace.domicile("plan --from mumbai --out p.jsonl --data data")
    }
    let start = ContinuousClock.now
    #expect(try await undisturbed.domicile(command).exitCode == 0)
    // The clock only chooses where the kills fall; nothing is expected of it.
    let duration = ContinuousClock.now - start
    for share in [0.1, 0.25, 0.15, 0.3, 0.2] {
      let process = try workspace.start(
        Workspace.tool, command.split(separator: " ").map(String.init))
      try await Task.sleep(for: duration * share)
      process.kill()
      _ = try await process.result()
    }
    let last = try await workspace.domicile(command)
    #expect(last.exitCode == 0, "\(last)")
    try await expectEmptied(workspace)
    let placements = "placements --json --data data"
    #expect(
      try await workspace.domicile(placements).output
        == undisturbed.domicile(placements).output)
    // Each home has one entry of its move.
    let moved = try await workspace.sqlite(
      "data/directory.sqlite", "SELECT count(*) FROM entry WHERE text LIKE '%\"kind\":\"moved\"%'")
    #expect(moved == ["\(2 * Self.people)"])
  }

  @Test func `ten processes at once with a plan each move everybody once`() async throws {
    let workspace = try await deployed(people: 150)
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<10 {
        group.addTask {
          do {
            let plan = "p\(number).jsonl"
            let planned = try await workspace.domicile(
              "plan --from mumbai --out \(plan) --data data")
            #expect(planned.exitCode == 0, "\(planned)")
            let result = try await workspace.domicile("migrate \(plan) --data data")
            #expect(result.exitCode == 0, "\(result)")
          } catch {
            Issue.record(error)
          }
        }
      }
    }
    try await expectEmptied(workspace)
    let moved = try await workspace.sqlite(
      "data/directory.sqlite", "SELECT count(*) FROM entry WHERE text LIKE '%\"kind\":\"moved\"%'")
    #expect(moved == ["300"])
  }

  @Test func `one process pauses, goes on with and aborts what another does`() async throws {
    let workspace = try await deployed(people: 300)
    _ = try await workspace.domicile("plan --from mumbai --out p.jsonl --data data")
    // Slow enough for the others to come.
    let process = try workspace.start(
      Workspace.tool,
      "migrate p.jsonl --max-bytes-per-second 200 --data data".split(separator: " ").map(
        String.init))
    func ask(_ word: String) async throws {
      while try await workspace.domicile("migrate \(word) --data data").exitCode != 0 {}
    }
    try await ask("pause")
    while try await !workspace.domicile("migrate status --data data").output.contains("paused") {}
    try await ask("resume")
    try await ask("abort")
    let result = try await process.result()
    #expect(result.exitCode == 5, "\(result)")
    #expect(result.output.hasPrefix("aborted: "), "\(result)")
    #expect(
      try await workspace.domicile("move status --data data").output == "no moves are under way\n")
    #expect(try await workspace.domicile("migrate p.jsonl --data data").exitCode == 0)
    try await expectEmptied(workspace)
  }

  @Test func `a plan of an earlier generation is refused, and the difference shown`() async throws {
    let workspace = try await deployed(people: 4)
    _ = try await workspace.domicile("plan --from mumbai --out p.jsonl --data data")
    try workspace.write(
      .small.replacing(
        "otherwise: {store: anywhere}", in: "policy.yaml",
        with: """
            - name: us-in-ireland
              residents: US
              store: IE
              reason: A test.
          otherwise: {store: anywhere}
          """))
    let candidate = try await workspace.domicile(
      "plan --regions regions --out candidate.jsonl --data data")
    #expect(candidate.exitCode == 0 && candidate.output.contains("us-in-ireland"), "\(candidate)")
    let early = try await workspace.domicile("migrate candidate.jsonl --data data")
    #expect(early.error.contains("planOutdated: The plan was made by a candidate"), "\(early)")
    let applied = try await workspace.domicile(
      "policy apply --regions regions --bars 8 --data data")
    try #require(applied.exitCode == 0, "\(applied)")
    let refused = try await workspace.domicile("migrate p.jsonl --data data")
    #expect(refused.exitCode == 1)
    #expect(
      refused.error.contains(
        "a new plan would have 0 homes more, 0 fewer, and 8 with another target"),
      "\(refused)")
    #expect(refused.error.contains("planOutdated: "), "\(refused)")
    let plan = try await workspace.domicile("plan --out p.jsonl --data data")
    #expect(plan.output.contains("us-in-ireland"), "\(plan)")
    #expect(try await workspace.domicile("migrate p.jsonl --data data").exitCode == 0)
    try await expectEmptied(workspace)
  }

  @Test(arguments: [
    ("migrate nothing.jsonl", "invalidPlan: There is no plan nothing.jsonl", 65),
    ("migrate people.csv", "invalidPlan: Line 1 of people.csv is not the header of a plan", 65),
    ("migrate empty", "invalidPlan: The plan empty is empty.", 65),
    (
      "migrate outside.jsonl", "invalidPlan: Line 1 of outside.jsonl is not the header of a plan",
      65
    ),
    ("migrate broken.jsonl", "invalidPlan: Line 2 of broken.jsonl is not a home of a plan.", 65),
    ("migrate", "Name a plan's file, or --watch", 64),
    ("migrate p --watch", "Name a plan's file, or --watch", 64),
    ("migrate p --window 1-2", "“1-2” are no hours; write them as 22:00-06:00.", 64),
    ("migrate p --parallel 0", "--parallel is 1 to 64.", 64),
    ("migrate p --max-bytes-per-second 0", "--max-bytes-per-second is at least 1.", 64),
    ("migrate pause", "No migration is going on.", 64),
    ("migrate abort 12345678", "notFound: Nobody is carrying out a migration “12345678”.", 4),
    ("plan --from nowhere", "unknownName: The topology has no shard “nowhere”", 65),
    ("plan --from mumbai --to nowhere", "unknownName: Unknown region “nowhere”", 65),
    ("plan --balance nowhere", "unknownName: Unknown region “nowhere”", 65),
    ("plan --user nobody", "notFound: No such user was admitted.", 4),
    ("plan --user u1 --from mumbai", "--user, --from and --balance exclude each other.", 64),
    ("plan --balance mumbai --to dublin", "--balance stays in its region.", 64),
    ("plan --out none/p", "none/p cannot be written.", 64),
    ("evacuate XX", "There is no region “XX”, and none in such a country.", 64),
  ])
  func `mistakes are named`(line: String, message: String, exitCode: Int32) async throws {
    let workspace = try await deployed(people: 2)
    try workspace.write("", to: "empty")
    _ = try await workspace.domicile("plan --from mumbai --out broken.jsonl --data data")
    let header = String(try workspace.read("broken.jsonl").split(separator: "\n")[0])
    let id = try #require(header.firstMatch(of: /"id":"[0-9a-f]+"/))
    try workspace.write(
      header.replacingCharacters(in: id.range, with: "\"id\":\"../../x\""), to: "outside.jsonl")
    try workspace.write("\(header)\n{\"alias\":\"x\"}\n", to: "broken.jsonl")
    let result = try await workspace.domicile("\(line) --data data")
    #expect(result.exitCode == exitCode, "\(result)")
    #expect(result.error.contains(message), "\(result)")
  }
}
