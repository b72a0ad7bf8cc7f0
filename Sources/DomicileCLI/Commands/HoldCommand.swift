import ArgumentParser
import Domicile
import Foundation

struct HoldCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hold", abstract: "Put data of a user under a legal hold, or end that.",
    subcommands: [HoldAddCommand.self, HoldReleaseCommand.self, HoldListCommand.self])
}

struct HoldAddCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Keep data of a user from being erased, deleted, replaced or swept.",
    discussion: """
      A hold of the same name on the same class gets the new reason and end; the output names the end before. \
      That it ends earlier must be asked for. Exit code 5 if a shard does not know of it yet: repeat the command.
      """)

  @OptionGroup var user: UserArgument
  @OptionGroup var name: HoldNameArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var classes: DataClassOptions

  @OptionGroup var group: GroupFlag

  @Option(help: ArgumentHelp("Why, for whoever asks later.", valueName: "text"))
  var reason: String

  @Option(
    help: ArgumentHelp(
      "The last day of the hold, by UTC. By default it lasts until it is released.",
      valueName: "yyyy-mm-dd"))
  var until: Day?

  @Flag(help: "Also if a hold of that name ends earlier by it.")
  var shortens = false

  func run() async throws {
    try await deployment.withRouter { router in
      let result =
        group.isSet
        ? try await router.hold(
          GroupID(user.user), name: name.name, dataClasses: classes.names, reason: reason,
          until: until?.end, shortens: shortens)
        : try await router.hold(
          user.id, name: name.name, dataClasses: classes.names, reason: reason, until: until?.end,
          shortens: shortens)
      let end = LegalHold.endText(until?.end)
      let before = result.replaced.map { hold in
        let classes = hold.dataClasses.joined(separator: ", ")
        return
          "before, \(hold.dataClasses == result.dataClasses ? "" : "\(classes) ")until \(hold.endText)"
      }
      let held = "\(result.dataClasses.joined(separator: ", ")), until \(end)"
      // What others of a group may do is not the user's to keep.
      let groups = group.isSet ? [] : try await router.locate(user.id).groups ?? []
      let open = Set(
        groups.filter { result.dataClasses.contains($0.dataClass) }.map(\.group)
      ).sorted()
      try report(
        result, "held", ([held] + before).joined(separator: "; "), replaced: result.replaced, output
      )
      if !open.isEmpty, !output.json {
        Terminal.print(
          "not held: what the user wrote in groups is kept from being erased with the user, but members, the user too, can"
            + " delete and replace it. Hold these groups as well (--group): \(open.joined(separator: ", "))"
        )
      }
    }
  }
}

struct HoldReleaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "release", abstract: "End a legal hold; an erasure that it stopped goes on.",
    discussion: "Exit code 5 if a shard does not know of it yet: repeat the command.")

  @OptionGroup var user: UserArgument
  @OptionGroup var name: HoldNameArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @OptionGroup var group: GroupFlag

  func run() async throws {
    try await deployment.withRouter { router in
      let result =
        group.isSet
        ? try await router.release(hold: name.name, on: GroupID(user.user))
        : try await router.release(hold: name.name, on: user.id)
      let (command, whose) = group.isSet ? ("group where", "group") : ("where", "user")
      let goesOn =
        group.isSet ? "the erasure of the group or of a member goes on" : "the erasure goes on"
      let next =
        result.resumesErasure
        ? "; \(goesOn): “domicile \(command)” says what is left, and no such \(whose) when all is gone"
        : ""
      try report(
        result, "released", result.dataClasses.joined(separator: ", ") + next,
        resumesErasure: result.resumesErasure, output)
    }
  }
}

struct HoldListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the legal holds on a user's data.")

  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @OptionGroup var group: GroupFlag

  func run() async throws {
    try await deployment.withRouter { router in
      let holds =
        group.isSet
        ? try await router.holds(on: GroupID(user.user)) : try await router.holds(on: user.id)
      try await group.noteRead(by: "hold list", of: user, router)
      if output.json { return try printJSON(holds) }
      var table = TextTable("name", "classes", "placed", "until", "reason")
      for hold in holds {
        table.add(
          hold.name, hold.dataClasses.joined(separator: ", "), hold.placed.ISO8601Format(),
          hold.endText + (hold.hasEnded ? " (ended)" : "") + (hold.isPending ? " (pending)" : ""),
          hold.reason)
      }
      table.print()
    }
  }
}

extension LegalHold {
  var hasEnded: Bool { until.map { $0 <= Date() } ?? false }
}

struct HoldNameArgument: ParsableArguments {
  @Argument(help: "The hold's name, such as the number of a case.")
  var name: String
}

/// A day of the calendar, `2027-06-30`.
struct Day: ExpressibleByArgument {
  /// When the next day begins, by UTC.
  let end: Date

  init?(argument: String) {
    guard argument.wholeMatch(of: /[0-9]{4}-[0-9]{2}-[0-9]{2}/) != nil,
      let begin = try? Date("\(argument)T00:00:00Z", strategy: .iso8601),
      begin.ISO8601Format().hasPrefix(argument)
    else { return nil }
    end = begin.addingTimeInterval(86_400)
    // A year has four digits.
    if argument == "9999-12-31" { return nil }
  }
}

/// Prints what became of a hold, and ends with the exit code for what is pending.
private func report(
  _ result: HoldResult, _ done: String, _ what: String, replaced: [LegalHold]? = nil,
  resumesErasure: Bool? = nil, _ output: OutputOptions
) throws {
  struct Result: Encodable {
    struct Pending: Encodable {
      let shard: String
      let reason: String
    }
    let dataClasses: [String]
    let isDone: Bool
    let pending: [Pending]
    let replaced: [LegalHold]?
    let resumesErasure: Bool?
  }
  if output.json {
    let pending = result.pending.map {
      Result.Pending(shard: $0.shard, reason: $0.reason.description)
    }
    try printJSON(
      Result(
        dataClasses: result.dataClasses, isDone: result.isDone, pending: pending,
        replaced: replaced, resumesErasure: resumesErasure))
  } else {
    Terminal.print("\(result.isDone ? done : "pending"): \(what)")
    for (shard, reason) in result.pending {
      let place = shard == "directory" ? "the directory" : "the shard \(shard)"
      Terminal.error("pending: \(place): \(reason.message)")
    }
  }
  if !result.isDone { throw ExitCode.pending }
}
