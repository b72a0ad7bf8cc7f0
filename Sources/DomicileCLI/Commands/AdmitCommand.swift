import ArgumentParser
import Domicile

struct AdmitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "admit", abstract: "Admit a user: decide where each class of data lives.")

  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions

  @OptionGroup var profile: ProfileOptions

  @Option(help: "The region where they should live; the policy may refuse it.")
  var region: String?

  func run() async throws {
    try await deployment.withRouter { router in
      let admitted = try await router.admit(
        user.id, residence: profile.residence, attributes: profile.attributes,
        dataClasses: profile.classes.names, region: region)
      if !admitted.isNew { try await router.noteRead(of: user.id, command: "admit") }
      Terminal.print(admitted.isNew ? "admitted" : "was admitted before; nothing changed")
      for (dataClass, region) in admitted.regions.sorted(by: { $0.key < $1.key }) {
        Terminal.print("  \(dataClass) in \(region)")
      }
    }
  }
}
