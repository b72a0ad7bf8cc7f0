import ArgumentParser
import Domicile
import Foundation

struct PolicyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "Check, test, compare, explain, print and apply the policy.",
    subcommands: [
      PolicyCheckCommand.self, PolicyTestCommand.self, PolicyExplainCommand.self,
      PolicyDiffCommand.self, PolicyCoverageCommand.self,
      PolicyPrintCommand.self, PolicyApplyCommand.self,
    ])
}

struct PolicyCheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check the files of a policy, and say whom it cannot place or serve.")

  @OptionGroup var regions: RegionsOptions
  @OptionGroup var output: OutputOptions

  private struct Report: Encodable {
    struct Unplaced: Encodable {
      let residence: String
      let outcome: String
      let dataClasses: [String]
      let rules: [String]
      /// Each citation once.
      let conflict: [Verdict.Citation]
    }
    let isValid = true
    let policy: String
    let digest: String
    let countries: Int
    let excludedCountries: [String]
    let regions: Int
    let shards: Int
    let unplaced: [Unplaced]
    let warnings: [String]
  }

  func run() async throws {
    let policy = try regions.policy(json: output.json)
    try await reporting {
      let report = report(policy)
      if output.json { return try printJSON(report) }
      Terminal.print(
        "\(Terminal.styled("valid", .good)): policy “\(report.policy)”, digest"
          + " \(policy.digest.short)")
      Terminal.print(
        "\(report.countries) countries, \(report.excludedCountries.count) excluded;"
          + " \(report.regions) regions, \(report.shards) shards")
      if !report.unplaced.isEmpty {
        var table = TextTable("residents of", "are", "data classes", "by")
        for row in report.unplaced {
          table.add(
            row.residence, row.outcome, row.dataClasses.joined(separator: ", "),
            row.rules.joined(separator: ", "))
        }
        table.print()
        for line in reasons(of: report.unplaced.flatMap(\.conflict)) { Terminal.print(line) }
      }
      for warning in report.warnings { Terminal.print("warning: \(warning)") }
    }
  }

  private func report(_ policy: ResidencyPolicy) -> Report {
    var unplaced: [Report.Unplaced] = []
    for residence in policy.coverage().residences {
      let verdicts = residence.verdicts.filter { !$0.isAllowed }
      for (outcome, group) in Dictionary(grouping: verdicts, by: \.outcome).sorted(by: {
        $0.key.rawValue < $1.key.rawValue
      }) {
        let conflict = unique(group.flatMap(\.conflict))
        unplaced.append(
          Report.Unplaced(
            residence: "\(residence.code)", outcome: outcome.rawValue,
            dataClasses: group.map(\.dataClass), rules: names(of: conflict), conflict: conflict))
      }
    }
    return Report(
      policy: policy.name, digest: "\(policy.digest)",
      countries: policy.geography.countries.count,
      excludedCountries: policy.excludedCountries.map(\.description),
      regions: policy.topology.regions.count, shards: policy.topology.shards.count,
      unplaced: unplaced,
      warnings: policy.warnings.map(\.description)
        + policy.reviewsOverdue(on: .today).map {
          "the review of “\($0.name)” (\($0.line)) was due on \($0.review)"
        })
  }
}

/// The names of rules and exclusions, each once.
func names(of citations: [Verdict.Citation]) -> [String] {
  citations.map(\.name).reduce(into: []) { names, name in
    if !names.contains(name) { names.append(name) }
  }
}

struct PolicyExplainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Say where data may live, or why it may not.",
    discussion: """
      By the policy in force in the data folder, or with --regions by the files of a candidate. With --with, of \
      the data of a group first, then of each member's. Exit code 3 if it may not.
      """)

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Option(help: "Decide by the policy of this folder instead of the one in force.")
  var regions: String?

  @OptionGroup var profile: ProfileOptions

  @Option(
    name: .customLong("with"), parsing: .singleValue,
    help: ArgumentHelp(
      "Another member of a group: the residence, and attributes with spaces between them; may be repeated.",
      valueName: "tags"))
  var others: [String] = []

  @Option(help: "Ask about this region. By default: where at all.")
  var region: String?

  func run() async throws {
    if let regions {
      let policy = try RegionsOptions.policy(folder: regions)
      try await reporting { try explain(policy) }
    } else {
      try await deployment.withRouter { router in try explain(router.policy) }
    }
  }

  private func explain(_ policy: ResidencyPolicy) throws {
    let asked = try policy.profile(
      residence: profile.residence, attributes: profile.attributes)
    let members =
      try [asked]
      + others.map { text in
        let words = text.split(separator: " ").map(String.init)
        return try policy.profile(residence: words.first ?? "", attributes: words.dropFirst())
      }
    let classes = profile.classes.names ?? policy.classes.map(\.name)
    let verdicts: [(all: Verdict, each: [Verdict])] = try classes.map { dataClass in
      let region = region ?? policy.onlyRegion(of: dataClass)
      let each = try members.map { try policy.verdict(for: $0, dataClass: dataClass, in: region) }
      guard each.count > 1 else { return (all: each[0], each: []) }
      return (
        all: try policy.groupVerdict(
          for: HomeProfile(members), dataClass: dataClass, in: region), each: each
      )
    }
    if output.json {
      try printJSON(verdicts.flatMap { [$0.all] + $0.each })
    } else {
      for verdict in verdicts {
        Terminal.print(verdict.all.styledDescription)
        for member in verdict.each { Terminal.print(member.styledDescription) }
      }
    }
    if verdicts.contains(where: { !$0.all.isAllowed }) { throw ExitCode.refused }
  }
}

extension ResidencyPolicy {
  /// The directory lies in one region; data of any other class may go wherever it is allowed.
  fileprivate func onlyRegion(of dataClass: String) -> String? {
    dataClass == "directory" ? topology.directoryRegion : nil
  }
}

extension Verdict {
  var styledOutcome: String { Terminal.styled(outcome.rawValue, isAllowed ? .good : .bad) }

  /// The explanation with its first word coloured.
  var styledDescription: String {
    description.replacing("\(outcome.rawValue):", with: "\(styledOutcome):", maxReplacements: 1)
  }
}

struct PolicyApplyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply", abstract: "Put the policy of a folder in force.",
    discussion: """
      Ends with 0 when no write decided under an earlier policy can be committed any more, and with 5 when \
      shards are pending; those are named, and raised before their next write. A policy that would bar homes \
      which are legal now is applied only if --bars repeats how many; --dry-run says it.
      """)

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var regions: RegionsOptions

  @Flag(help: "Apply nothing; say what would change, and which homes would be barred.")
  var dryRun = false

  @Option(help: ArgumentHelp("How many homes it is meant to bar.", valueName: "homes"))
  var bars: Int?

  func run() async throws {
    let policy = try regions.policy()
    try await deployment.withRouter { router in
      let impact = await router.impact(of: policy)
      if dryRun {
        PolicyDifference(from: router.policy, to: policy).print()
        return impact.print()
      }
      guard impact.barredHomes == bars ?? 0 else { return try refuse(impact) }
      let application = try await router.apply(policy)
      Terminal.print(
        "\(application.isApplied ? "applied" : "pending"): policy generation"
          + " \(application.generation), digest \(application.digest.short)")
      try report(pending: application)
    }
  }

  private func refuse(_ impact: PolicyImpact) throws {
    Terminal.error(
      "notConfirmed: Nothing was applied. The policy would bar \(impact.barredHomesText)"
        + (bars.map { ", not \($0)" } ?? "")
        + "; \(impact.homesWithoutPlace) of them may be nowhere else. See"
        + " --dry-run, and repeat with --bars \(impact.barredHomes) if that is meant.")
    throw ExitCode.validationFailure
  }
}
