import Domicile
import DomicileTesting
import Testing

/// What a policy would change is said before it is applied.
@Suite struct PolicyDiffCommandTests {
  /// Europeans at home, each in the own country; a new rule; one country more that is excluded.
  private static let stricter = RegionFiles.small
    .replacing("    store: EU\n", in: "policy.yaml", with: "    store: DE\n")
    .replacing("countries: [KP]", in: "policy.yaml", with: "countries: [KP, US]")
    .replacing("in-payments", in: "policy.yaml", with: "rbi-payments")

  /// A deployment with the small policy and two people, and the stricter one in `next`.
  private func workspace() async throws -> Workspace {
    let workspace = try await Workspace.deployed()
    for line in [
      "admit ada --residence DE", "put ada inbox k Hello",
      "admit uma --residence US --region ashburn",
    ] {
      let result = try await workspace.domicile("\(line) --data data")
      try #require(result.exitCode == 0, "\(result)")
    }
    try workspace.write(Self.stricter, to: "next")
    return workspace
  }

  @Test func `the same policy twice is no difference`() async throws {
    let workspace = Workspace()
    try workspace.write(.small)
    expect(try await workspace.domicile("policy diff regions regions"), output: "no difference\n")
  }

  @Test func `what becomes legal, illegal or impossible is told by residence and class`()
    async throws
  {
    let workspace = try await workspace()
    expect(
      try await workspace.domicile("policy diff regions next"),
      output: """
        added: rbi-payments
        removed: in-payments
        now excluded: US
        residents of  class      were     are       gain  lose     because of
        DE IE         messages   allowed  unserved        dublin   eu-at-home
        DE IE         payments   allowed  unserved        dublin   eu-at-home
        DE IE         directory  allowed  unserved        dublin   eu-at-home
        IN US         messages   allowed  allowed         ashburn
        IN US         directory  allowed  allowed         ashburn
        US            payments   allowed  allowed         ashburn

        """, exitCode: 1)
  }

  @Test func `what is stored and would be barred is counted`() async throws {
    let workspace = try await workspace()
    let result = try await workspace.domicile("policy diff 1 next --homes --data data")
    #expect(result.exitCode == 1 && result.error.isEmpty, "\(result)")
    let counted = result.output.split(separator: "\n").drop { !$0.hasPrefix("It bars") }
    #expect(
      counted.joined(separator: "\n") == """
        It bars 4 homes with 6 bytes; 2 of them may be nowhere else.
        shard      country  class     residents of  homes  records  bytes  elsewhere  because of
        ashburn-1  US       messages  US                1        0      0  allowed    press-freedom
        ashburn-1  US       payments  US                1        0      0  allowed    press-freedom
        dublin-1   IE       messages  DE                1        1      6  unserved   eu-at-home
        dublin-1   IE       payments  DE                1        0      0  unserved   eu-at-home
        """)
    let json = try await workspace.json(
      "policy diff 1 next --homes --json --data data", exitCode: 1)
    let impact = (json as? [String: Any])?["impact"] as? [String: Any]
    #expect((impact?["rows"] as? [Any])?.count == 4)
  }

  @Test func `a policy that bars homes is applied by whoever repeats how many`() async throws {
    let workspace = try await workspace()
    let refusal =
      "; 2 of them may be nowhere else. See --dry-run, and repeat with --bars 4 if that is meant.\n"
    expect(
      try await workspace.domicile("policy apply --regions next --data data"),
      error: "notConfirmed: Nothing was applied. The policy would bar 4 homes\(refusal)",
      exitCode: 64)
    expect(
      try await workspace.domicile("policy apply --regions next --bars 3 --data data"),
      error: "notConfirmed: Nothing was applied. The policy would bar 4 homes, not 3\(refusal)",
      exitCode: 64)
    let trial = try await workspace.domicile("policy apply --regions next --dry-run --data data")
    #expect(trial.exitCode == 0 && trial.output.contains("It bars 4 homes with 6 bytes"))
    #expect(try await workspace.domicile("put ada inbox k2 v --data data").exitCode == 0)

    let applied = try await workspace.domicile("policy apply --regions next --bars 4 --data data")
    #expect(applied.exitCode == 0, "\(applied)")
    #expect(try await workspace.domicile("put ada inbox k2 v --data data").exitCode == 3)
    // What is barred already needs no word again.
    #expect(try await workspace.domicile("policy apply --regions next --data data").exitCode == 0)
  }

  @Test func `a generation that there was not, and a folder that is none, are named`() async throws
  {
    let workspace = try await Workspace.deployed()
    expect(
      try await workspace.domicile("policy diff 1 99 --data data"),
      error: "unknownName: No policy has the generation 99; the one in force has 1.\n", exitCode: 65
    )
    let missing = try await workspace.domicile("policy diff regions nowhere")
    #expect(missing.exitCode == 1 && missing.error.hasPrefix("unreadable: "))
  }
}
