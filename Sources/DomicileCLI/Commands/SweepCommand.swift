import ArgumentParser
import Domicile

struct SweepCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract:
      "Delete what has expired, from the files too, and go on with erasures and changes of tags.",
    discussion: """
      An open router does this by itself. Ends with 1 when a shard cannot be swept, and with 5 when a purge \
      is pending.
      """)

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Flag(help: "Take this machine's clock for right where it is in doubt. Look at it first.")
  var acceptClock = false

  @Option(
    help: ArgumentHelp(
      "How long one shard may take, such as 10m. By default 1m.", valueName: "time"))
  var deadline: Lifetime?

  private struct Row: Encodable {
    let shard: String
    let region: String
    let records: Int
    let isClockInDoubt: Bool
    let isPurgePending: Bool
    let purgeProblem: String?
    let problem: String?

    var state: String {
      if problem != nil { return "down" }
      let doubts = [isClockInDoubt ? "clock in doubt" : "", isPurgePending ? "purge pending" : ""]
      return doubts.allSatisfy(\.isEmpty)
        ? "done" : doubts.filter { !$0.isEmpty }.joined(separator: ", ")
    }
  }

  func run() async throws {
    try await deployment.withRouter { router in
      let sweeps = await router.sweep(acceptClock: acceptClock, deadline: deadline?.duration)
      await router.finishHolds()
      await router.finishErasures()
      await router.finishTagChanges()
      await router.tendLedger()
      let statuses = try await router.settledStatuses()
      let pending = Set(statuses.filter { $0.purgePendingSeconds != nil }.map(\.shard))
      let rows = sweeps.map { sweep in
        Row(
          shard: sweep.shard, region: sweep.region, records: sweep.records,
          isClockInDoubt: sweep.isClockInDoubt, isPurgePending: pending.contains(sweep.shard),
          purgeProblem: sweep.purgeProblem, problem: sweep.problem)
      }
      if output.json { try printJSON(rows) } else { Self.print(rows) }
      let unfinished = try router.unfinishedErasures()
      if unfinished > 0, !output.json {
        Terminal.print(
          "\(unfinished == 1 ? "1 erasure goes" : "\(unfinished) erasures go") on: whoever began it has a minute to"
            + " end it. Repeat the command after that.")
      }
      if rows.contains(where: { $0.isClockInDoubt || $0.problem != nil }) {
        throw ExitCode.failure
      }
      if rows.contains(where: \.isPurgePending) { throw ExitCode.pending }
    }
  }

  private static func print(_ rows: [Row]) {
    var table = TextTable("shard", "region", "records", "state")
    for row in rows { table.add(row.shard, row.region, "\(row.records)", row.state) }
    table.print()
    for row in rows {
      if let problem = row.problem ?? (row.isPurgePending ? row.purgeProblem : nil) {
        Terminal.print("\(row.shard): \(problem)")
      }
    }
    if rows.contains(where: \.isClockInDoubt) {
      Terminal.print(
        "clock in doubt: It differs from what the shard knows of the time, so nothing was swept. Look at the"
          + " clock; if it is right, repeat with --accept-clock.")
    }
    if rows.contains(where: { $0.isPurgePending && $0.purgeProblem == nil && $0.problem == nil }) {
      Terminal.print(
        "purge pending: Somebody reads an older state of the file. Let them finish; an open router goes on by"
          + " itself, else repeat the command.")
    }
  }
}
