import ArgumentParser
import Domicile
import Foundation
import Logging

/// Where the deployment is.
struct DeploymentOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The data folder.", valueName: "folder"))
  var data = "./domicile-data"

  @Option(
    help: ArgumentHelp(
      "The file with the hash key; by default the data folder's name with “.key” behind it, or the"
        + " environment's DOMICILE_HASH_KEY.", valueName: "file"))
  var keyFile: String?

  @Option(
    name: .customLong("carry"), parsing: .singleValue,
    help: ArgumentHelp(
      "A region that this machine carries; may be repeated. By default all.", valueName: "region"))
  var carried: [String] = []

  var routerOptions: RouterOptions {
    var options = RouterOptions()
    // A command is over before there is anything to sweep; “domicile sweep” does it on purpose.
    options.sweepInterval = nil
    options.hashKey = keyFile.map(HashKeySource.file(path:))
    options.carriedRegions = carried.isEmpty ? nil : Set(carried)
    // What a command has to say it prints.
    options.logger = Logger(label: "domicile") { _ in SwiftLogNoOpLogHandler() }
    return options
  }

  /// Opens the deployment for the time of a command; errors end the command with their exit code.
  func withRouter(_ body: (ResidencyRouter) async throws -> Void) async throws {
    try await reporting(about: self) {
      let router = try await ResidencyRouter.open(data: data, options: routerOptions)
      do {
        try checkCarried(router.policy)
        try await body(router)
      } catch {
        await router.close()
        throw error
      }
      await router.close()
    }
  }

  /// A region misspelt would be one that nobody carries.
  func checkCarried(_ policy: ResidencyPolicy) throws(PolicyError) {
    for region in carried { _ = try policy.number(ofRegion: region) }
  }

  /// Which file or folder an error is about, where its message cannot say so.
  fileprivate func place(of error: RouterError) -> String? {
    switch error.code {
    case .notInitialized, .alreadyInitialized, .inUse: "data folder: \(data)"
    case .wrongKey:
      if let keyFile {
        "hash key: \(keyFile)"
      } else if ProcessInfo.processInfo.environment["DOMICILE_HASH_KEY"] != nil {
        "hash key: the environment's DOMICILE_HASH_KEY"
      } else {
        "hash key: \(URL(filePath: data).standardizedFileURL.path).key"
      }
    default: nil
    }
  }
}

/// The folder of a policy that may be applied.
struct RegionsOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The folder with policy.yaml, topology.yaml and facts/."))
  var regions = "./regions"

  func policy() throws -> ResidencyPolicy { try Self.policy(folder: regions) }

  /// Reads a policy; what is wrong with it is printed, each problem with its place.
  static func policy(folder: String) throws -> ResidencyPolicy {
    do throws(PolicyError) {
      return try ResidencyPolicy(folder: folder)
    } catch {
      let code = error.code == .invalid ? "invalidPolicy" : "\(error.code)"
      Terminal.error("\(code): \(error.message)")
      for problem in error.problems { Terminal.error("  \(folder)/\(problem)") }
      if error.problems.isEmpty { Terminal.error("  regions folder: \(folder)") }
      throw ExitCode.failure
    }
  }
}

/// How a reading command prints.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print JSON; docs/cli.md describes it.")
  var json = false
}

/// A user, by the backend's id.
struct UserArgument: ParsableArguments {
  @Argument(help: "The user's id.")
  var user: String

  var id: UserID { UserID(user) }
}

/// Runs `body`; an error of the router becomes a message and an exit code.
func reporting(
  about deployment: DeploymentOptions? = nil, _ body: () async throws -> Void
) async throws {
  do {
    try await body()
  } catch let error as RouterError {
    if let verdict = error.verdict, error.message == "Nothing was written. \(verdict)" {
      // The verdict begins with the code itself.
      Terminal.error("\(verdict)\nNothing was written.")
    } else {
      Terminal.error("\(error.code): \(error.message)")
    }
    for problem in error.problems { Terminal.error("  \(problem)") }
    if let place = deployment?.place(of: error) { Terminal.error("  \(place)") }
    throw error.exitCode
  } catch let error as PolicyError {
    Terminal.error("\(error.code): \(error.message)")
    throw error.code == .unknownName ? ExitCode.badInput : ExitCode.failure
  }
}

extension ExitCode {
  static let refused = ExitCode(3)
  static let notFound = ExitCode(4)
  static let pending = ExitCode(5)
  static let outcomeUnknown = ExitCode(6)
  static let elsewhere = ExitCode(7)
  /// EX_DATAERR of sysexits.
  static let badInput = ExitCode(65)
}

extension RouterError {
  var exitCode: ExitCode {
    switch code {
    case .refused, .unplaceable, .unserved, .barred: .refused
    case .notFound: .notFound
    case .outcomeUnknown: .outcomeUnknown
    case .elsewhere: .elsewhere
    case .unknownName, .invalidArgument: .badInput
    default: .failure
    }
  }
}
