import ArgumentParser
import Domicile
import Foundation

struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate",
    abstract: "Carry out a plan while backends read and write.",
    discussion: """
      “domicile migrate PLAN” may be stopped at any moment, also by a crash, and begun again: what was moved is not moved once more. \
      A plan whose file has the name of a subcommand is named after “run”.
      """,
    subcommands: [
      MigrateRunCommand.self, MigrateStatusCommand.self, MigratePauseCommand.self,
      MigrateResumeCommand.self, MigrateAbortCommand.self,
    ], defaultSubcommand: MigrateRunCommand.self)
}

/// How fast, and when.
struct PaceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("How many batches of up to 256 homes at the same time.", valueName: "number")
  )
  var parallel = 2

  @Option(
    help: ArgumentHelp(
      "Copy at most so many bytes of keys and values a second, on average.", valueName: "bytes"))
  var maxBytesPerSecond: Int?

  @Option(
    help: ArgumentHelp(
      "Begin no batch at other hours, by this machine's clock: 22:00-06:00.", valueName: "hours"))
  var window: String?

  func validate() throws {
    if !(1...64).contains(parallel) { throw ValidationError("--parallel is 1 to 64.") }
    if let maxBytesPerSecond, maxBytesPerSecond < 1 {
      throw ValidationError("--max-bytes-per-second is at least 1.")
    }
    if let window, MigrationWindow(window) == nil {
      throw ValidationError("“\(window)” are no hours; write them as 22:00-06:00.")
    }
  }

  var options: MigrationOptions {
    var options = MigrationOptions()
    options.parallel = parallel
    options.bytesPerSecond = maxBytesPerSecond
    options.window = window.flatMap(MigrationWindow.init)
    return options
  }
}

struct MigrateRunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Carry out a plan, or go on with one.",
    discussion: """
      It gives way to those who write: while a write waits much longer than usual, no batch is begun. Exit code 0 when every home of \
      the plan is where it should be, 3 when the policy refuses some, 1 when some failed, 5 when something is left to be done.
      """)

  @Argument(help: "The plan's file.", completion: .file())
  var plan: String?

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var pace: PaceOptions

  @Flag(
    help:
      "Without a plan: look every minute for homes that should not stay where they are, and move them, until stopped."
  )
  var watch = false

  func validate() throws {
    if watch != (plan == nil) {
      throw ValidationError("Name a plan's file, or --watch; “domicile plan --out FILE” makes one.")
    }
  }

  func run() async throws {
    try await deployment.withRouter { router in
      if watch {
        while true {
          let progress = try await router.migrateMisplaced(
            options: pace.options, observe: ProgressLine().show)
          Terminal.endProgress()
          if let progress, progress.homes > 0 { try progress.print(output) }
          try await Task.sleep(for: .seconds(60))
        }
      }
      let plan = try MigrationPlan(file: plan ?? "")
      do {
        let progress = try await router.migrate(
          plan, options: pace.options, observe: ProgressLine().show)
        Terminal.endProgress()
        try progress.print(output)
        try progress.exit()
      } catch let error as RouterError where error.code == .planOutdated {
        try await printDifference(router, plan)
        throw error
      }
    }
  }

  /// What a new plan would have otherwise.
  private func printDifference(_ router: ResidencyRouter, _ plan: MigrationPlan) async throws {
    var old = plan.targets
    var (added, changed) = (0, 0)
    _ = try await router.plan(plan.header.scope, to: plan.header.to) { move in
      guard let to = move.to else { return }
      let before = old.removeValue(forKey: MigrationPlan.key(move))
      if before == nil { added += 1 } else if before != to { changed += 1 }
    }
    Terminal.error(
      "a new plan would have \(counted(added, "home")) more, \(old.count) fewer, and \(changed) with another target"
    )
  }
}

struct EvacuateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evacuate",
    abstract: "Move everybody out of a country or region, at once.",
    discussion: """
      “plan” and “migrate” in one, again until nobody is left. Whoever is admitted meanwhile may still be placed there: give the \
      region “state: draining” in the topology and apply it first. Exit codes as those of “domicile migrate”; 1 also if some may be \
      nowhere else.
      """)

  @Argument(help: "A country's code, or a region.")
  var place: String

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var pace: PaceOptions

  @Option(
    help: ArgumentHelp(
      "Where to; by default where the policy would have them.", valueName: "region"))
  var to: String?

  func run() async throws {
    try await deployment.withRouter { router in
      let topology = router.policy.topology
      let regions = topology.regions.filter { $0.name == place || "\($0.country)" == place }
      guard !regions.isEmpty else {
        throw RouterError.noSuchPlace(place, topology)
      }
      let isOpen = topology.shards.contains { shard in
        shard.state == .open && regions.contains { $0.name == shard.region }
      }
      if isOpen {
        Terminal.error(
          "new users may still be placed in \(regions.map(\.name).joined(separator: ", ")): give it “state: draining” in topology.yaml, and apply it"
        )
      }
      var last = MigrationProgress()
      for _ in 0..<5 {
        var moves: [PlannedMove] = []
        let (header, summary) = try await router.plan(.regions(regions.map(\.name)), to: to) {
          if $0.to != nil { moves.append($0) }
        }
        if moves.isEmpty {
          if summary.homesWithoutPlace > 0 {
            Terminal.error(
              "\(counted(summary.homesWithoutPlace, "home")) may be nowhere else: “domicile plan --from \(regions[0].name)” says why"
            )
            throw ExitCode.failure
          }
          if last.homes == 0 { Terminal.print("nobody is in \(place)") }
          return
        }
        last = try await router.migrate(
          MigrationPlan(header: header, moves: moves), options: pace.options,
          observe: ProgressLine().show)
        Terminal.endProgress()
        try last.print(output)
        try last.exit()
      }
    }
  }
}

extension RouterError {
  fileprivate static func noSuchPlace(_ place: String, _ topology: RegionTopology) -> any Error {
    ValidationError(
      "There is no region “\(place)”, and none in such a country. There are: \(topology.regions.map { "\($0.name) (\($0.country))" }.joined(separator: ", "))."
    )
  }
}

// MARK: Others' migrations

struct MigrateStatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "List the migrations of the last week, and how far they are.")

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await deployment.withRouter { router in
      let migrations = try router.migrations()
      if output.json { return try printJSON(migrations) }
      if migrations.isEmpty { return Terminal.print("no migrations in the last week") }
      var table = TextTable("migration", "by", "begun", "state", "done", "of", "failed", "left")
      for migration in migrations {
        let progress = migration.progress
        let isOver = [.finished, .aborted].contains(progress.state)
        table.add(
          migration.id, migration.actor, migration.begun.ISO8601Format(),
          isOver || migration.isAlive ? progress.state.rawValue : "stopped", "\(progress.done)",
          "\(progress.homes)", "\(progress.refused + progress.failed + progress.unfinished)",
          isOver ? "" : progress.timeLeft)
      }
      table.print()
    }
  }
}

/// Which migration; by default the one that is going on.
struct MigrationSubject: ParsableArguments {
  @Argument(help: "The migration's id; by default the only one that is going on.")
  var id: String?

  func ask(_ wish: MigrationWish, _ deployment: DeploymentOptions) async throws {
    try await deployment.withRouter { router in
      let alive = try router.migrations().filter(\.isAlive)
      guard let id = id ?? (alive.count == 1 ? alive[0].id : nil) else {
        throw ValidationError(
          alive.isEmpty
            ? "No migration is going on."
            : "Several migrations are going on; name one of \(alive.map(\.id).joined(separator: ", "))."
        )
      }
      try router.ask(wish, ofMigration: id)
      Terminal.print("asked: \(wish == .run ? "resume" : wish.rawValue) \(id)")
    }
  }
}

struct MigratePauseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pause", abstract: "Have a migration begin no further batch for now.")
  @OptionGroup var subject: MigrationSubject
  @OptionGroup var deployment: DeploymentOptions
  func run() async throws { try await subject.ask(.pause, deployment) }
}

struct MigrateResumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Have a paused migration go on.")
  @OptionGroup var subject: MigrationSubject
  @OptionGroup var deployment: DeploymentOptions
  func run() async throws { try await subject.ask(.run, deployment) }
}

struct MigrateAbortCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "abort",
    abstract: "Have a migration end: what is not committed is undone, what was moved stays.")
  @OptionGroup var subject: MigrationSubject
  @OptionGroup var deployment: DeploymentOptions
  func run() async throws { try await subject.ask(.abort, deployment) }
}

// MARK: Progress

/// The line on a terminal that says how far it is.
private struct ProgressLine {
  @Sendable func show(_ progress: MigrationProgress) -> MigrationWish {
    if Terminal.isError { Terminal.progress(progress.line) }
    return .run
  }
}

extension MigrationProgress {
  fileprivate var timeLeft: String {
    guard let seconds = secondsLeft else { return "?" }
    return Duration.seconds(seconds.rounded()).formatted(
      .units(allowed: [.days, .hours, .minutes, .seconds], width: .narrow, maximumUnitCount: 2))
  }

  fileprivate var line: String {
    let rate = secondsWorked > 0 ? Double(bytes) / secondsWorked : 0
    let counts =
      "\(done) of \(counted(homes, "home")), \(bytes.formatted(.byteCount(style: .file, spellsOutZero: false)))"
    let speed = "\(Int(rate).formatted(.byteCount(style: .file, spellsOutZero: false)))/s"
    let pause = longestFreezeMilliseconds.formatted(.number.precision(.fractionLength(1)))
    let state = state == .running ? "" : "\(state.rawValue): "
    return
      "\(state)\(counts), \(speed), \(timeLeft) left, writes waited \(pause) ms at most, \(refused) refused, \(failed) failed"
  }

  fileprivate func print(_ output: OutputOptions) throws {
    if output.json { return try printJSON(self) }
    let pause = longestFreezeMilliseconds.formatted(.number.precision(.fractionLength(1)))
    Terminal.print(
      "\(state.rawValue): \(counted(moved, "home")) moved, \(alreadyThere) there already, \(counted(records, "record")),"
        + " \(bytes.formatted(.byteCount(style: .file, spellsOutZero: false))) in \(Int(secondsWorked.rounded())) s, writes waited \(pause) ms at most"
    )
    if outdated > 0 {
      Terminal.print(
        "\(counted(outdated, "home")) no longer where the plan has them, and left alone")
    }
    for (count, what) in [
      (refused, "refused"), (failed, "failed"), (unfinished, "unfinished"),
    ] where count > 0 {
      Terminal.print("\(counted(count, "home")) \(what)")
    }
    for problem in problems {
      Terminal.error(
        "\(problem.code): \(counted(problem.homes, "home")), such as \(problem.alias): \(problem.message)"
      )
    }
  }

  fileprivate func exit() throws {
    if state == .aborted || unfinished > 0 { throw ExitCode.pending }
    if failed > 0 { throw ExitCode.failure }
    if refused > 0 { throw ExitCode.refused }
  }
}
