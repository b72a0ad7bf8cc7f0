import ArgumentParser
import Domicile

struct PolicyPrintCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "print",
    abstract: "Print what a policy says as one text, for review.",
    discussion: """
      policy.yaml with the files that it includes, without comments and in one form for everything. The text is a \
      policy.yaml that says the same.
      """)

  @OptionGroup var regions: RegionsOptions

  func run() async throws {
    Terminal.write(Array(try regions.policy().canonicalText.utf8))
  }
}
