import ArgumentParser
import Domicile

struct GroupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "group",
    abstract: "Make, change or erase a group, whose data lives only where every member's may.",
    subcommands: [
      GroupCreateCommand.self, GroupJoinCommand.self, GroupLeaveCommand.self,
      GroupWhereCommand.self, GroupEraseCommand.self,
    ])
}

/// A group, by the backend's id.
struct GroupArgument: ParsableArguments {
  @Argument(help: "The group's id.")
  var group: String

  var id: GroupID { GroupID(group) }
}

struct GroupCreateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make a group and decide where its data lives.")

  @OptionGroup var group: GroupArgument
  @OptionGroup var deployment: DeploymentOptions

  @Option(
    name: .customLong("member"), parsing: .singleValue,
    help: ArgumentHelp("A user's id; may be repeated.", valueName: "user"))
  var members: [String]

  @OptionGroup var classes: DataClassOptions

  @Option(help: "The region where the data should live; the policy may refuse it.")
  var region: String?

  func run() async throws {
    try await deployment.withRouter { router in
      let created = try await router.createGroup(
        group.id, members: members.map { UserID($0) }, dataClasses: classes.names, region: region)
      if !created.isNew { try await router.noteRead(of: group.id, command: "group create") }
      Terminal.print(created.isNew ? "created" : "was created before; nothing changed")
      for (dataClass, region) in created.regions.sorted(by: { $0.key < $1.key }) {
        Terminal.print("  \(dataClass) in \(region)")
      }
    }
  }
}

struct GroupJoinCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "join", abstract: "Make a user a member of a group.",
    discussion: """
      Refused if the group's data could not stay where it is, or could be nowhere. Exit code 5 if a shard does \
      not know of it yet: repeat the command, or leave it to an open router.
      """)

  @OptionGroup var group: GroupArgument
  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Flag(help: "Also if writes to the group's data are refused from then on.")
  var barsHomes = false

  func run() async throws {
    try await deployment.withRouter { router in
      try await router.join(user.id, to: group.id, barsHomes: barsHomes).report("joined", output)
    }
  }
}

struct GroupLeaveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "leave", abstract: "End a user's membership; what the user wrote stays.",
    discussion: "Exit code 5 if a shard does not know of it yet: an open router goes on with it.")

  @OptionGroup var group: GroupArgument
  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await deployment.withRouter { router in
      try await router.leave(user.id, from: group.id).report("left", output)
    }
  }
}

struct GroupWhereCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "where", abstract: "Say where a group's data lives.")

  @OptionGroup var group: GroupArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await deployment.withRouter { router in
      let location = try await router.locate(group.id)
      try await router.noteRead(of: group.id, command: "group where")
      try location.report(output)
    }
  }
}

struct GroupEraseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "erase", abstract: "Erase a group with all its data, from the files too.",
    discussion:
      "Exit codes and output as those of “domicile erase”. Without --yes it only says what would go."
  )

  @OptionGroup var group: GroupArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @OptionGroup var erasure: ErasureOptions

  func run() async throws {
    try await deployment.withRouter { router in
      guard erasure.yes else {
        let placements = try await router.locate(group.id, countsAll: true).placements
        try await router.noteRead(of: group.id, command: "group erase")
        return try refuseErasure(
          of: placements.map(\.wholeText) + kept(placements.map { ($0.shard, $0.erasable) })
            + ["the group, which nobody can find by id afterwards"])
      }
      try await router.erase(group.id, deadline: erasure.deadline?.duration).report(output)
    }
  }
}
