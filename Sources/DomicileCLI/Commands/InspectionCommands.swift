import ArgumentParser
import Domicile

struct WhereCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "where", abstract: "Say where a user's data lives, and why it may live there.")

  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await deployment.withRouter { router in
      let location = try await router.locate(user.id)
      try await router.noteRead(of: user.id, command: "where")
      try location.report(output)
    }
  }
}

struct PlacementsCommand: AsyncParsableCommand {
  enum Grouping: String, CaseIterable, ExpressibleByArgument {
    case region, country, `class`, residence

    func key(_ tally: PlacementTally) -> String {
      switch self {
      case .region: tally.region
      case .country: tally.country
      case .class: tally.dataClass
      case .residence: tally.residence
      }
    }
  }

  static let configuration = CommandConfiguration(
    commandName: "placements", abstract: "Count homes, records and bytes.")

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Option(help: "What to group by.")
  var by: Grouping = .region

  private struct Row: Encodable {
    let key: String
    var homes = 0
    var records = 0
    var bytes = 0
    var barredHomes = 0
  }

  func run() async throws {
    try await deployment.withRouter { router in
      var rows: [String: Row] = [:]
      for tally in try await router.placements() {
        let key = by.key(tally)
        var row = rows[key] ?? Row(key: key)
        row.homes += tally.homes
        row.records += tally.records
        row.bytes += tally.bytes
        row.barredHomes += tally.barredHomes
        rows[key] = row
      }
      let sorted = rows.values.sorted { $0.key < $1.key }
      if output.json { return try printJSON(sorted) }
      var table = TextTable(by.rawValue, "homes", "records", "bytes", "barred")
      for row in sorted {
        table.add(row.key, "\(row.homes)", "\(row.records)", "\(row.bytes)", "\(row.barredHomes)")
      }
      table.print()
    }
  }
}

struct ShardsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shards", abstract: "List the shards and how they are.")

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await deployment.withRouter { router in
      let statuses = try await router.settledStatuses()
      if output.json { return try printJSON(statuses) }
      var table = TextTable(
        "shard", "region", "country", "operator", "accepts", "placements", "policy", "bytes",
        "state")
      for status in statuses {
        table.add(
          status.shard, status.region, status.country, status.operatedBy,
          status.accepts.joined(separator: ", "), "\(status.placements)",
          status.generation.map(String.init) ?? "-", status.fileBytes.map(String.init) ?? "-",
          Self.state(status))
      }
      table.print()
      for status in statuses where status.isCarried {
        if let problem = status.problem { Terminal.print("\(status.shard): \(problem)") }
      }
    }
  }

  private static func state(_ status: ShardStatus) -> String {
    if !status.isCarried { return "elsewhere" }
    if status.problem != nil { return "down" }
    var states = [status.isCurrent ? "up" : "behind"]
    if status.isClockInDoubt { states.append("clock in doubt") }
    if status.purgePendingSeconds != nil { states.append("purge pending") }
    return states.joined(separator: ", ")
  }
}

extension ResidencyRouter {
  /// How the shards are once the purges that need no patience are done: a router that was just opened waits for one in
  /// each file that others write.
  func settledStatuses() async throws -> [ShardStatus] {
    let end = ContinuousClock.now + .seconds(1)
    var statuses = try await shardStatuses()
    while statuses.contains(where: { $0.purgePendingSeconds != nil }), end > .now {
      try await Task.sleep(for: .milliseconds(20))
      statuses = try await shardStatuses()
    }
    return statuses
  }
}

struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check directory, shards, homes and files against each other.",
    discussion: "Exit code 1 on any finding.")

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Flag(
    help: "Prove, too, that nothing is left of what was deleted. Reads each file once more.")
  var deep = false

  func run() async throws {
    try await deployment.withRouter { router in
      let report = try await router.doctor(deep: deep)
      if output.json {
        try printJSON(report)
      } else {
        Self.print(report, shardsInAll: router.policy.topology.shards.count)
      }
      if report.findingCount > 0 { throw ExitCode.failure }
    }
  }

  private static func print(_ report: DoctorReport, shardsInAll: Int) {
    for finding in report.findings {
      Terminal.print("\(finding.code.rawValue): \(finding.message)")
    }
    if report.findingCount > report.findings.count {
      Terminal.print("and \(report.findingCount - report.findings.count) more")
    }
    let findings = counted(report.findingCount, "finding")
    let state =
      report.findingCount == 0 ? Terminal.styled("sound", .good) : Terminal.styled(findings, .bad)
    // A check of a part must not look like one of all.
    let shards =
      report.shards == shardsInAll
      ? "\(shardsInAll) shards" : "\(report.shards) of \(shardsInAll) shards"
    Terminal.print(
      "\(state): \(counted(report.users, "user")), \(counted(report.groups, "group")),"
        + " \(counted(report.homes, "home")), \(shards);"
        + " SQLite \(report.sqliteVersion)")
  }
}
