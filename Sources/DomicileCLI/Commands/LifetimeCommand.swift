import ArgumentParser
import Domicile

struct LifetimeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lifetime",
    abstract: "Set how long the records of a user's collection are kept, old and new.",
    discussion: """
      Counted from when a record was written. It is for records whose writers ask for no lifetime of their \
      own from then on, and for all that are stored already. The policy's limits stay.
      """)

  @OptionGroup var user: UserArgument

  @Argument(help: "The collection, such as inbox.")
  var collection: String

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Option(help: ArgumentHelp("Keep them so long, such as 12h, 30d or 1y.", valueName: "time"))
  var after: Lifetime?

  @Flag(help: "Keep them until they are deleted, if the policy allows that.")
  var never = false

  @Flag(help: "Take back what was set: keep them as the policy says.")
  var `default` = false

  @Option(
    help: ArgumentHelp(
      "Only keys that begin so. Of several the longest counts.", valueName: "text"))
  var prefix: String?

  private struct Result: Encodable {
    let collection: String
    let prefix: String?
    let lifetime: String
    let seconds: Int64?
  }

  func validate() throws {
    if [after != nil, never, `default`].count(where: \.self) != 1 {
      throw ValidationError("Say how long: one of --after, --never and --default.")
    }
  }

  func run() async throws {
    let expiry: RecordExpiry = never ? .never : after.map { .after($0.duration) } ?? .byDefault
    try await deployment.withRouter { router in
      try await router.user(user.id).setLifetime(
        expiry, of: RecordCollection(collection), prefix: prefix.map { RecordKey($0) })
      if output.json {
        return try printJSON(
          Result(
            collection: collection, prefix: prefix,
            lifetime: never ? "never" : after == nil ? "default" : "after",
            seconds: after?.duration.components.seconds))
      }
      let time =
        never ? "until they are deleted" : after.map { "for \($0.text)" } ?? "as the policy says"
      Terminal.print("records are kept \(time)")
    }
  }
}
