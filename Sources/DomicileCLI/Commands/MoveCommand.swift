import ArgumentParser
import Domicile
import Foundation

struct MoveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "move",
    abstract: "Move a home to another region while it is written and read.",
    discussion: """
      “domicile move USER --class CLASS --to REGION” begins a move and carries it to its end. A user whose id is the name of a \
      subcommand is named after “start”.
      """,
    subcommands: [
      MoveStartCommand.self, MoveStatusCommand.self, MoveResumeCommand.self, MoveAbortCommand.self,
    ], defaultSubcommand: MoveStartCommand.self)
}

struct MoveStartCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "start",
    abstract: "Copy a home to another region, compare it, and commit to it.",
    discussion: """
      Writers wait for a few syncs at most. Exit code 0 when the data is at the target and gone from the source, 5 when it stopped \
      half way (“move resume” goes on, “move abort” undoes it), 1 when it was undone, 3 when the policy refuses it.
      """)

  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var group: GroupFlag

  @Option(name: .customLong("class"), help: ArgumentHelp("The data class.", valueName: "name"))
  var dataClass: String

  @Option(name: .customLong("to"), help: ArgumentHelp("The region.", valueName: "region"))
  var region: String

  @Option(
    help: ArgumentHelp(
      "A shard of the region. By default the one with the fewest homes.", valueName: "shard"))
  var shard: String?

  func run() async throws {
    try await deployment.withRouter { router in
      let report =
        group.isSet
        ? try await router.move(
          GroupID(user.user), dataClass: dataClass, to: region, shard: shard)
        : try await router.move(user.id, dataClass: dataClass, to: region, shard: shard)
      try [report].print(output)
    }
  }
}

/// Whose moves, if not everybody's.
struct MoveSubjectOptions: ParsableArguments {
  @Option(name: .customLong("class"), help: ArgumentHelp("Of this data class.", valueName: "name"))
  var dataClass: String?
}

struct MoveStatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "List the moves that are under way.")

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await deployment.withRouter { router in
      let moves = try router.moves()
      if output.json { return try printJSON(moves) }
      if moves.isEmpty { return Terminal.print("no moves are under way") }
      var table = TextTable("alias", "class", "from", "to", "phase", "begun", "problem")
      for move in moves {
        let problem = move.problem ?? (move.leasedUntil < Date() ? "its mover is gone" : "")
        table.add(
          move.alias + (move.isGroup ? " (group)" : ""), move.dataClass, move.from, move.to,
          move.phase, move.begun.ISO8601Format(), problem)
      }
      table.print()
    }
  }
}

struct MoveResumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume",
    abstract:
      "Go on with moves: those of a user, also where another process is at it, or all whose mover is gone.",
    discussion: "Exit codes as those of “domicile move start”.")

  @Argument(help: "The user's id; by default everybody's moves whose mover is gone.")
  var user: String?

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var group: GroupFlag
  @OptionGroup var subject: MoveSubjectOptions

  func validate() throws {
    if user == nil, group.isSet || subject.dataClass != nil {
      throw ValidationError("--group and --class go with an id.")
    }
  }

  func run() async throws {
    try await deployment.withRouter { router in
      let reports =
        if let user {
          group.isSet
            ? try await router.resumeMoves(of: GroupID(user), dataClass: subject.dataClass)
            : try await router.resumeMoves(of: UserID(user), dataClass: subject.dataClass)
        } else {
          try await router.resumeMoves()
        }
      try reports.print(output)
    }
  }
}

struct MoveAbortCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "abort",
    abstract: "Undo a user's moves that are not committed: nothing is left at the target.",
    discussion: "Exit code 65 if the home is at the target already: the way back is another move.")

  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var group: GroupFlag
  @OptionGroup var subject: MoveSubjectOptions

  func run() async throws {
    try await deployment.withRouter { router in
      let reports =
        group.isSet
        ? try await router.abortMoves(of: GroupID(user.user), dataClass: subject.dataClass)
        : try await router.abortMoves(of: user.id, dataClass: subject.dataClass)
      try reports.print(output, undoing: true)
    }
  }
}

/// What became of a move, as JSON.
private struct MoveReportJSON: Encodable {
  let end: MoveReport.End
  let dataClass: String
  let from: String
  let to: String
  let records: Int
  let bytes: Int
  let longestFreezeMilliseconds: Double
  let problem: String?
}

extension [MoveReport] {
  /// Prints what became of moves, and ends with the exit code for the worst of it.
  fileprivate func print(_ output: OutputOptions, undoing: Bool = false) throws {
    if output.json {
      try printJSON(
        map { report in
          MoveReportJSON(
            end: report.end, dataClass: report.dataClass, from: report.from, to: report.to,
            records: report.records, bytes: report.bytes,
            longestFreezeMilliseconds: report.longestFreeze / .milliseconds(1),
            problem: report.problem?.description)
        })
    } else {
      if isEmpty { Terminal.print("nothing to do: no move waits for anybody") }
      for report in self {
        Terminal.print(report.text)
        if let problem = report.problem { Terminal.error("\(problem.code): \(problem.message)") }
      }
    }
    if contains(where: { $0.end == .unfinished }) { throw ExitCode.pending }
    if !undoing, contains(where: { $0.end == .undone }) { throw ExitCode.failure }
  }
}

extension MoveReport {
  fileprivate var text: String {
    let what = "\(dataClass) from \(from) to \(to)"
    switch end {
    case .alreadyThere: return "already there: \(dataClass) in \(to)"
    case .moved:
      let freeze = (longestFreeze / .milliseconds(1)).formatted(
        .number.precision(.fractionLength(1)))
      return
        "moved: \(what), \(counted(records, "record")) copied, writes waited \(freeze) ms at most"
    case .undone: return "undone: \(what); the home is where it was"
    case .unfinished: return "unfinished: \(what)"
    }
  }
}
