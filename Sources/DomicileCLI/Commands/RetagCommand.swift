import ArgumentParser
import Domicile

struct RetagCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retag",
    abstract: "Give a user other tags: the residence, and the attributes that are set from now on.",
    discussion: """
      The user's homes, and those of the user's groups, are judged by them at once: one that is no longer legal is \
      barred. Exit code 5 if a shard does not know of them yet: repeat the command, or leave it to an open router.
      """)

  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var tags: TagOptions

  func run() async throws {
    try await deployment.withRouter { router in
      let change = try await router.retag(
        user.id, residence: tags.residence, attributes: tags.attributes)
      try change.report("retagged", output)
    }
  }
}

extension TagChange {
  private struct JSON: Encodable {
    struct Pending: Encodable {
      let shard: String
      let reason: String
    }
    let isDone: Bool
    let barred: [BarredHome]
    let barredGroups: [GroupPlacement]
    let pending: [Pending]
  }

  static let nobodyIsLeft =
    "no members: everybody has left; nobody can write, and the data stays until the group is erased"

  /// Prints what became of it, and ends with the exit code for what is pending.
  func report(_ done: String, _ output: OutputOptions) throws {
    if output.json {
      try printJSON(
        JSON(
          isDone: isDone, barred: barred, barredGroups: barredGroups,
          pending: pending.map { JSON.Pending(shard: $0.shard, reason: $0.reason.description) }))
    } else {
      Terminal.print(isDone ? done : "pending")
      // No law is in the way of a group without members, and no region takes it: there is nothing to explain.
      if hasNoMembers { Terminal.print(Self.nobodyIsLeft) }
      for home in hasNoMembers ? [] : barred {
        Terminal.print(
          home.dataClass == "directory"
            ? "barred: what the directory notes in \(home.region); it stays there until the user is erased"
            : "barred: \(home.dataClass) in \(home.region); writes are refused")
        for line in home.verdict?.reasons ?? [] { Terminal.print(line) }
      }
      for place in barredGroups {
        Terminal.print(
          "barred: \(place.dataClass) of the group \(place.group) in \(place.region); writes are refused"
        )
      }
      for (shard, reason) in pending {
        Terminal.error("pending: the shard \(shard): \(reason.message)")
      }
    }
    if !isDone { throw ExitCode.pending }
  }
}
