import ArgumentParser
import Domicile

struct AdmitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "admit", abstract: "Admit a user: decide where each class of data lives.")

  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions

  @Option(help: "The country of residence, such as DE.")
  var residence: String

  @Option(
    name: .customLong("attribute"), parsing: .singleValue,
    help: "A declared attribute that is set; may be repeated.")
  var attributes: [String] = []

  @Option(
    name: .customLong("class"), parsing: .singleValue,
    help: "A data class to be placed; may be repeated. By default all.")
  var dataClasses: [String] = []

  @Option(help: "The region where they should live; the policy may refuse it.")
  var region: String?

  func run() async throws {
    try await deployment.withRouter { router in
      let admitted = try await router.admit(
        user.id, residence: residence, attributes: attributes,
        dataClasses: dataClasses.isEmpty ? nil : dataClasses, region: region)
      Terminal.print(admitted.isNew ? "admitted" : "was admitted before; nothing changed")
      for (dataClass, region) in admitted.regions.sorted(by: { $0.key < $1.key }) {
        Terminal.print("  \(dataClass) in \(region)")
      }
    }
  }
}
