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
  @OptionGroup var day: DayOptions
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
    /// The next day on which something begins or ends to hold.
    let nextChange: String?
  }

  func run() async throws {
    let policy = try regions.policy(json: output.json, on: day)
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
      if let day = report.nextChange {
        Terminal.print("something begins or ends to hold on \(day): check it with --on \(day)")
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
        },
      nextChange: policy.phase.end?.description)
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

  @OptionGroup var day: DayOptions
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
      let policy = try RegionsOptions.policy(folder: regions, on: day)
      try await reporting { try explain(policy) }
    } else {
      try await deployment.withRouter { router in try explain(day.compile(router.policy)) }
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
      which are legal now, on a later day too, or end records sooner than now, is applied only if --bars and --shortens say how many \
      at most; --dry-run counts them.
      """)

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var regions: RegionsOptions
  @OptionGroup var day: DayOptions

  @Flag(
    help: """
      Apply nothing; say what would change, which homes would be barred, and which records would end sooner. \
      Ends with 1 if the policy would be refused.
      """)
  var dryRun = false

  @OptionGroup var limits: EffectLimits

  func validate() throws {
    if day.on != nil, !dryRun {
      throw ValidationError("--on is for --dry-run: a policy is applied as it is today.")
    }
  }

  func run() async throws {
    let policy = try regions.policy(on: day)
    try await deployment.withRouter { router in
      let old = try day.compile(router.policy)
      let (impact, later) = try await router.impacts(of: policy, insteadOf: old)
      if dryRun { return try printTrial(old, policy, impact, later) }
      try limits.check(impact, later)
      let before = router.policyGeneration
      let application = try await router.apply(policy)
      try report(application, over: before)
    }
  }

  private func printTrial(
    _ old: ResidencyPolicy, _ new: ResidencyPolicy, _ impact: PolicyImpact,
    _ later: [(day: PolicyDay, impact: PolicyImpact)]
  ) throws {
    PolicyDifference(from: old, to: new).print(later: later.map(\.day))
    impact.print()
    for (day, impact) in later where impact.barredHomes > 0 {
      Terminal.print("From \(day) on:")
      impact.printBarred()
    }
    if impact.refusal != nil { throw ExitCode.failure }
  }
}

extension ResidencyRouter {
  /// What a policy does to what is stored: now, and on the later days on which it would do other things than the old one.
  func impacts(
    of policy: ResidencyPolicy, insteadOf old: ResidencyPolicy
  ) async throws -> (now: PolicyImpact, later: [(day: PolicyDay, impact: PolicyImpact)]) {
    var later: [(day: PolicyDay, impact: PolicyImpact)] = []
    for day in try PolicyDifference.laterDays(from: old, to: policy) {
      later.append((day, try await impact(of: policy, on: day)))
    }
    return (await impact(of: policy), later)
  }
}

/// How much of what is stored something that is applied may bar, or end.
struct EffectLimits: ParsableArguments {
  @Option(help: ArgumentHelp("How many homes at most it is meant to bar.", valueName: "homes"))
  var bars: Int?

  @Option(
    help: ArgumentHelp(
      "How many records at most it is meant to end sooner than they end now.", valueName: "records")
  )
  var shortens: Int?

  /// Ends the command if more would happen than the options say is meant.
  func check(
    _ impact: PolicyImpact, _ later: [(day: PolicyDay, impact: PolicyImpact)]
  ) throws {
    // What is refused anyway needs no confirmation.
    guard impact.refusal == nil, let missing = unconfirmed(impact, later) else { return }
    Terminal.error("notConfirmed: Nothing was applied. \(missing)")
    throw ExitCode.validationFailure
  }

  /// What the policy would do to what is stored that the options do not say is meant; nil if nothing.
  private func unconfirmed(
    _ impact: PolicyImpact, _ later: [(day: PolicyDay, impact: PolicyImpact)]
  ) -> String? {
    // It bars by itself when the day comes: then nobody is asked.
    let worst = later.max { $0.impact.barredHomes < $1.impact.barredHomes }
    let isLater = (worst?.impact.barredHomes ?? 0) > impact.barredHomes
    let barring = isLater ? worst?.impact ?? impact : impact
    let from = isLater ? worst.map { " from \($0.day) on" } ?? "" : ""
    var effects: [String] = []
    var options: [String] = []
    func check(_ count: Int, _ allowed: Int?, _ option: String, _ effect: String, _ how: String) {
      if count > 0 { options.append("\(option) \(count)") }
      guard count > allowed ?? 0 else { return }
      effects.append(
        "The policy would \(effect)\(allowed.map { ", not \($0)" } ?? ""); \(how).")
    }
    check(
      barring.barredHomes, bars, "--bars", "bar \(barring.barredHomesText)\(from)",
      "\(barring.homesWithoutPlace) of them may be nowhere else")
    check(
      impact.shortenedRecords, shortens, "--shortens",
      "end \(impact.shortenedRecordsText) sooner than now",
      "\(impact.recordsEndingAtOnce) of them at once")
    if impact.directoryEntries > 0, bars == nil {
      effects.append(
        "It would not allow what the directory notes, where it lies, about \(impact.directoryEntriesText); nobody like them"
          + " could be admitted.")
      if options.isEmpty { options.append("--bars 0") }
    }
    if !impact.notCounted.isEmpty, bars == nil, shortens == nil {
      effects += impact.notCounted.map {
        "What \($0.shard) holds could not be counted: \($0.reason)"
      }
      if options.isEmpty { options.append("--bars 0") }
    }
    if effects.isEmpty { return nil }
    return effects.joined(separator: " ")
      + " See --dry-run, and repeat with \(options.joined(separator: " ")) if that is meant."
  }
}
