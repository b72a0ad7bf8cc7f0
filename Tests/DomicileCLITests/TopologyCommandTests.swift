import Domicile
import DomicileTesting
import Foundation
import Testing

/// The topology of a running deployment is changed by plans.
@Suite struct TopologyCommandTests {
  private func edit(_ workspace: Workspace, _ old: String, _ new: String) throws {
    try workspace.write(RegionFiles.small.replacing(old, in: "topology.yaml", with: new))
  }

  private func run(
    _ workspace: Workspace, _ line: String, exitCode: Int32 = 0
  ) async throws -> CommandResult {
    let result = try await workspace.domicile("\(line) --data data")
    #expect(result.exitCode == exitCode, "\(line): \(result)")
    return result
  }

  private static let oslo =
    "oslo: {country: IE, operator: own-ie, shards: {oslo-1: {}}}\n  dublin: {"

  @Test func `a region is added, drained, emptied and removed while it is used`() async throws {
    let workspace = try await Workspace.deployed()
    _ = try await run(workspace, "admit ada --residence DE")
    try edit(workspace, "dublin: {", Self.oslo)
    let added = try await run(workspace, "topology plan --regions regions --out t.json")
    #expect(
      added.output.hasPrefix(
        "+ region oslo: IE, operator own-ie, jurisdictions IE, certifications none, cloud none\n+ shard oslo-1: in oslo, accepts anywhere, open\n"
      ), "\(added)")
    #expect(try await run(workspace, "topology apply t.json").output.hasPrefix("applied: "))
    #expect(
      try await run(workspace, "topology apply t.json").output.hasPrefix("in force already: "))
    _ = try await run(workspace, "move ada --class messages --to oslo")

    // It holds something: it cannot be dropped.
    try workspace.write(.small)
    let planned = try await run(
      workspace, "topology plan --regions regions --out t.json", exitCode: 1)
    #expect(planned.output.contains("- shard oslo-1: in oslo, accepts anywhere, open"))
    let refused = try await run(workspace, "topology apply t.json", exitCode: 1)
    #expect(
      refused.error.contains(
        "shardInUse: The topology drops the shard oslo-1 of the region oslo (IE), or puts it elsewhere, but it holds 1 placements."
      ), "\(refused)")
    #expect(refused.error.contains("domicile plan --from oslo-1"), "\(refused)")

    try edit(
      workspace, "dublin: {",
      Self.oslo.replacingOccurrences(of: "oslo: {", with: "oslo: {state: draining, "))
    let drained = try await run(workspace, "topology plan --regions regions --out t.json")
    #expect(
      drained.output.hasPrefix(
        "~ shard oslo-1: open → draining\n"), "\(drained)")
    _ = try await run(workspace, "topology apply t.json")
    _ = try await run(workspace, "evacuate oslo")
    try workspace.write(.small)
    _ = try await run(workspace, "topology plan --regions regions --out t.json")
    _ = try await run(workspace, "topology apply t.json")
    #expect(try await run(workspace, "placements").output.contains("dublin"))
    #expect(try await run(workspace, "doctor --deep").output.contains("sound: "))
  }

  @Test func `of two changes at once the second is refused, with what the first changed`()
    async throws
  {
    let workspace = try await Workspace.deployed()
    try edit(workspace, "dublin: {", Self.oslo)
    _ = try await run(workspace, "topology plan --regions regions --out first.json")
    try edit(workspace, "dublin-2: {}", "dublin-2: {state: draining}")
    _ = try await run(workspace, "topology plan --regions regions --out second.json")
    _ = try await run(workspace, "topology apply first.json")
    let refused = try await run(workspace, "topology apply second.json", exitCode: 1)
    #expect(
      refused.error.contains("planOutdated: The topology was changed by somebody else"),
      "\(refused)")
    #expect(refused.error.contains("+ shard oslo-1: in oslo"), "\(refused)")
    // The rest of the policy may change meanwhile.
    try edit(workspace, "dublin: {", Self.oslo)
    try workspace.write("nothing", to: "ignored")
    let same = try await run(workspace, "topology plan --regions regions --out same.json")
    #expect(same.output.hasPrefix("nothing would change\n"), "\(same)")
  }

  @Test func `a change that bars homes wants to be meant`() async throws {
    let workspace = try await Workspace.deployed()
    _ = try await run(workspace, "admit uma --residence US")
    try edit(
      workspace, "ashburn: {country: US,", "ashburn: {state: frozen, country: US,")
    let planned = try await run(workspace, "topology plan --regions regions --out t.json")
    #expect(planned.output.contains("2 homes"), "\(planned)")
    let unsure = try await run(workspace, "topology apply t.json", exitCode: 64)
    #expect(unsure.error.contains("notConfirmed: Nothing was applied."), "\(unsure)")
    _ = try await run(workspace, "topology apply t.json --bars 2")
    #expect(try await run(workspace, "put uma inbox k v", exitCode: 3).error.contains("barred"))
    let plan = try await run(workspace, "plan --out p.jsonl")
    #expect(plan.output.contains("frozen"), "\(plan)")
    _ = try await run(workspace, "migrate p.jsonl")
    _ = try await run(workspace, "put uma inbox k v")
  }

  @Test func `files with mistakes are named`() async throws {
    let workspace = try await Workspace.deployed()
    try workspace.write("{}", to: "none.json")
    for file in ["none.json", "missing.json"] {
      let result = try await run(workspace, "topology apply \(file)", exitCode: 65)
      #expect(result.error.contains("invalidPlan: \(file) is no change of a topology"))
    }
    try edit(workspace, "dublin-2: {}", "dublin-2: {state: closed}")
    let result = try await workspace.domicile("topology plan --regions regions --data data")
    #expect(result.exitCode != 0)
    #expect(
      result.error.contains("unknown state “closed”"), "\(result)")
  }
}
