import Domicile
import DomicileTesting
import Foundation
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
        added: rule rbi-payments
        removed: rule in-payments
        changed: exclusion press-freedom, rule eu-at-home
        now excluded: US
        residents of                       class      were     are       gain  lose     because of
        DE+none IE+none                    messages   allowed  unserved        dublin   eu-at-home
        DE+scc-signed IE+scc-signed IN US  messages   allowed  allowed         ashburn  press-freedom
        DE+none IE+none                    payments   allowed  unserved        dublin   eu-at-home
        DE+scc-signed IE+scc-signed US     payments   allowed  allowed         ashburn  press-freedom
        DE+none IE+none                    directory  allowed  unserved        dublin   eu-at-home
        residents of    class      may be processed in  no longer in
        DE IE IN KP US  messages                        US
        DE IE IN KP US  payments                        US
        DE IE IN KP US  directory                       US

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
        It does not allow what the directory notes, where it lies, about 1 user or group; they stay in it.
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
      error: "notConfirmed: Nothing was applied. The policy would bar 4 homes"
        + refusal.replacing(
          ". See",
          with:
            ". It would not allow what the directory notes, where it lies, about 1 user or group; nobody like them could be admitted. See"
        ),
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

  @Test func `a policy that bars homes from a later day on asks today`() async throws {
    let workspace = try await Workspace.deployed()
    #expect(try await workspace.domicile("admit ada --residence US --data data").exitCode == 0)
    try changed(
      workspace, "policy.yaml", "otherwise: {store: anywhere}",
      """
        - name: later
          residents: US
          store: IN
          from: 2099-01-01
          reason: A law to come.
      otherwise: {store: anywhere}
      """)
    let apply = "policy apply --regions next --data data"
    expect(
      try await workspace.domicile(apply),
      error:
        "notConfirmed: Nothing was applied. The policy would bar 2 homes from 2099-01-01 on; 0 of them may be nowhere else. See --dry-run, and repeat with --bars 2 if that is meant.\n",
      exitCode: 64)
    let trial = try await workspace.domicile("\(apply) --dry-run")
    #expect(
      trial.output.contains("It bars no home.\nFrom 2099-01-01 on:\nIt bars 2 homes with 0 bytes;"),
      "\(trial)")
    #expect(try await workspace.domicile("\(apply) --bars 2").exitCode == 0)
    // What is in force already needs no word again, whatever else is applied.
    try workspace.write(
      try workspace.read("next/policy.yaml").replacing("A law to come.", with: "A law that comes."),
      to: "next/policy.yaml")
    #expect(try await workspace.domicile(apply).exitCode == 0)
  }

  /// As `small`, with one line of its policy or topology written otherwise.
  private func changed(
    _ workspace: Workspace, _ file: String, _ from: String, _ to: String
  ) throws {
    try workspace.write(RegionFiles.small.replacing(from, in: file, with: to), to: "next")
  }

  @Test func `a policy that ends records sooner is applied by whoever repeats how many`()
    async throws
  {
    let workspace = try await workspace()
    try changed(
      workspace, "policy.yaml", "[inbox, threads]}", "[inbox, threads], retention: {longest: 1h}}")
    let trial = try await workspace.domicile("policy apply --regions next --dry-run --data data")
    expect(
      trial,
      output: """
        added: retention of messages: longest 1h
        It bars no home.
        It ends 1 record sooner, 0 of them at once.
        shard     country  class     end sooner  at once  bytes at once
        dublin-1  IE       messages           1        0              0

        """)
    expect(
      try await workspace.domicile("policy apply --regions next --data data"),
      error: """
        notConfirmed: Nothing was applied. The policy would end 1 record sooner than now; 0 of them at once. See \
        --dry-run, and repeat with --shortens 1 if that is meant.

        """, exitCode: 64)
    // More may be allowed than there are: others write meanwhile.
    let applied = try await workspace.domicile(
      "policy apply --regions next --shortens 5 --bars 5 --data data")
    #expect(applied.exitCode == 0, "\(applied)")
    #expect(
      try await workspace.domicile("policy apply --regions next --data data").exitCode == 0)
  }

  @Test(arguments: [
    ("directory: dublin", "directory: mumbai", "directoryInUse"),
    ("dublin-1: {}, ", "", "shardInUse"),
  ])
  func `a policy that would be refused is refused before anything has to be confirmed`(
    from: String, to: String, code: String
  ) async throws {
    let workspace = try await workspace()
    try changed(workspace, "topology.yaml", from, to)
    let trial = try await workspace.domicile("policy apply --regions next --dry-run --data data")
    #expect(trial.exitCode == 1 && trial.output.contains("It would be refused: \(code): "))
    let refused = try await workspace.domicile("policy apply --regions next --data data")
    #expect(refused.exitCode == 1 && refused.error.hasPrefix("\(code): "), "\(refused)")
  }

  @Test func `where the shards cannot be read nothing is barred unasked`() async throws {
    let workspace = try await workspace()
    try FileManager.default.moveItem(
      atPath: workspace.file("data/ashburn"), toPath: workspace.file("away"))
    let refused = try await workspace.domicile(
      "policy apply --regions next --data data")
    #expect(refused.exitCode == 64 && refused.error.contains("What ashburn-1 holds could not be"))
    // Whoever repeats the number knows that these are not all.
    let applied = try await workspace.domicile(
      "policy apply --regions next --bars 2 --data data")
    #expect(applied.exitCode == 5, "\(applied)")
  }

  @Test func `a rule that begins later is seen on its day`() async throws {
    let workspace = try await Workspace.deployed()
    try workspace.write(
      RegionFiles.small.replacing(
        "otherwise: {store: anywhere}", in: "policy.yaml",
        with: """
            - name: americans-at-home
              residents: US
              store: US
              reason: A law of the year 2100.
              from: 2100-01-01
          otherwise: {store: anywhere}
          """), to: "next")
    let today = try await workspace.domicile("policy diff regions next")
    expect(
      today,
      output: """
        added: rule americans-at-home
        from 2100-01-01 on they differ otherwise: compare them with --on 2100-01-01

        """, exitCode: 1)
    let then = try await workspace.domicile("policy diff regions next --on 2100-01-01")
    #expect(then.output.contains("americans-at-home\n") && then.output.contains("dublin"))
    let question = "policy explain --regions next --residence US --class messages --region dublin"
    #expect(try await workspace.domicile(question).exitCode == 0)
    #expect(try await workspace.domicile("\(question) --on 2100-01-01").exitCode == 3)
    let check = try await workspace.domicile("policy check --regions next")
    #expect(check.output.contains("check it with --on 2100-01-01"), "\(check)")
    #expect(
      try await workspace.domicile("policy check --regions next --on 2100-01-01").output
        .contains("directory"))
    let coverage = try await workspace.domicile(
      "policy coverage --regions next --on 2100-01-01")
    #expect(coverage.output.contains("on 2100-01-01"), "\(coverage)")
    let apply = "policy apply --regions next --data data --on 2100-01-01"
    #expect(try await workspace.domicile(apply).exitCode == 64)
    let trial = try await workspace.domicile("\(apply) --dry-run")
    #expect(trial.exitCode == 0 && trial.output.contains("americans-at-home\n"), "\(trial)")
    #expect(try await workspace.domicile("\(question) --on 2100-02-30").exitCode == 64)
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
