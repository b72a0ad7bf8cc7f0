import ArgumentParser
import Domicile
import Foundation

struct TopologyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topology",
    abstract: "Add, drain, freeze and remove regions and shards of a running deployment.",
    discussion: """
      Edit topology.yaml, “topology plan --out FILE”, review the file, “topology apply FILE”. The rest of the policy stays as it is.
      """,
    subcommands: [TopologyPlanCommand.self, TopologyApplyCommand.self])
}

struct TopologyPlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Say what the topology of a folder would change, and whom that would bar.",
    discussion: "Changes nothing. Exit code 1 if the change would be refused.")

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var regions: RegionsOptions
  @OptionGroup var output: OutputOptions

  @Option(help: ArgumentHelp("A file for the change, to be applied.", valueName: "file"))
  var out: String?

  private struct Report: Encodable {
    let change: TopologyChange
    let impact: PolicyImpact
  }

  func run() async throws {
    let files = try regions.reading(json: output.json) { () throws(PolicyError) in
      try RegionFiles(folder: regions.regions)
    }
    try await deployment.withRouter { router in
      let (change, policy) = try await router.topologyChange(to: files)
      let impact = await router.impact(of: policy)
      if let out {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard
          FileManager.default.createFile(
            atPath: out, contents: try encoder.encode(change),
            attributes: [.posixPermissions: 0o600])
        else { throw ValidationError("\(out) cannot be written. Name another file with --out.") }
      }
      if output.json {
        try printJSON(Report(change: change, impact: impact))
      } else {
        for line in change.changes { Terminal.print(line) }
        if change.changes.isEmpty { Terminal.print("nothing would change") }
        impact.print()
        if let out { Terminal.print("to apply it: domicile topology apply \(out)") }
      }
      if impact.refusal != nil { throw ExitCode.failure }
    }
  }
}

struct TopologyApplyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply", abstract: "Put a planned topology in force.",
    discussion: """
      Refused if somebody else has changed the topology since it was planned, and if it drops a shard that holds anything. Exit codes \
      as those of “policy apply”.
      """)

  @Argument(help: "The file that “topology plan --out” has written.", completion: .file())
  var file: String

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var limits: EffectLimits

  func run() async throws {
    guard let data = FileManager.default.contents(atPath: file),
      let change = try? JSONDecoder().decode(TopologyChange.self, from: data)
    else {
      Terminal.error(
        "invalidPlan: \(file) is no change of a topology, or cannot be read. Make one by “domicile topology plan --out”."
      )
      throw ExitCode.badInput
    }
    try await deployment.withRouter { router in
      let policy = try await router.policy(with: change)
      let (impact, later) = try await router.impacts(of: policy, insteadOf: router.policy)
      try limits.check(impact, later)
      let before = router.policyGeneration
      let application = try await router.apply(change)
      try report(application, over: before)
    }
  }
}
