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
    help: ArgumentHelp(
      "The file with the ledger key; by default the data folder's name with “.ledger.key” behind it, or the"
        + " environment's DOMICILE_LEDGER_KEY.", valueName: "file"))
  var ledgerKeyFile: String?

  @Option(
    help: ArgumentHelp(
      "Who acts, for the ledger; by default the system's user.", valueName: "name"))
  var actor: String?

  @Option(
    name: .customLong("carry"), parsing: .singleValue,
    help: ArgumentHelp(
      "A region that this machine carries; may be repeated. By default all.", valueName: "region"))
  var carried: [String] = []

  @Option(
    help: ArgumentHelp(
      "The country in which this process runs, for policies that say where data is processed; by default"
        + " the environment's DOMICILE_LOCATION.", valueName: "country"))
  var location: String?

  func validate() throws {
    if data.isEmpty {
      throw ValidationError("--data is empty. Name a folder, or leave it out for ./domicile-data.")
    }
    if ledgerKeyFile?.isEmpty == true {
      throw ValidationError(
        "--ledger-key-file is empty. Name a file, or leave it out for the data folder's name with “.ledger.key” behind it."
      )
    }
    if keyFile?.isEmpty == true {
      throw ValidationError(
        "--key-file is empty. Name a file, or leave it out for the data folder's name with “.key” behind it."
      )
    }
  }

  var routerOptions: RouterOptions {
    var options = RouterOptions()
    options.location = location ?? ProcessInfo.processInfo.environment["DOMICILE_LOCATION"]
    // A command is over before there is anything to sweep; “domicile sweep” does it on purpose.
    options.sweepInterval = nil
    options.hashKey = keyFile.map(KeySource.file(path:))
    options.ledgerKey = ledgerKeyFile.map(KeySource.file(path:))
    options.actor = actor
    options.carriedRegions = carried.isEmpty ? nil : Set(carried)
    // What a command has to say it prints.
    options.logger = Logger(label: "domicile") { _ in SwiftLogNoOpLogHandler() }
    return options
  }

  /// Opens the deployment for the time of a command; errors end the command with their exit code. What was decided
  /// is signed, and the checkpoint printed, whatever became of the command.
  func withRouter(
    signs: Bool = true, _ body: (ResidencyRouter) async throws -> Void
  ) async throws {
    try await reporting(about: self) {
      let router = try await ResidencyRouter.open(data: data, options: routerOptions)
      do {
        let size = try router.ledgerSize()
        do {
          try checkCarried(router.policy)
          try await body(router)
        } catch {
          if signs { printCheckpoint(router, since: size) }
          throw error
        }
        if signs { printCheckpoint(router, since: size) }
      } catch {
        await router.close()
        throw error
      }
      await router.close()
    }
  }

  /// Prints a checkpoint if the ledger has grown.
  func printCheckpoint(_ router: ResidencyRouter, since size: Int64) {
    do throws(RouterError) {
      guard try router.ledgerSize() > size else { return }
      // The note ends with a newline.
      Terminal.error(
        "checkpoint, to be kept elsewhere:\n\("\(try router.checkpoint())".dropLast())")
    } catch {
      Terminal.error("no checkpoint: \(error.code): \(error.message)")
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
    case .wrongLedgerKey:
      if let ledgerKeyFile {
        "ledger key: \(ledgerKeyFile)"
      } else if ProcessInfo.processInfo.environment["DOMICILE_LEDGER_KEY"] != nil {
        "ledger key: the environment's DOMICILE_LEDGER_KEY"
      } else {
        "ledger key: \(URL(filePath: data).standardizedFileURL.path).ledger.key"
      }
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

  func validate() throws {
    if regions.isEmpty {
      throw ValidationError("--regions is empty. Name a folder, or leave it out for ./regions.")
    }
  }

  func policy(json: Bool = false, on day: DayOptions? = nil) throws -> ResidencyPolicy {
    try Self.policy(folder: regions, json: json, on: day)
  }

  /// What is wrong with a policy, as JSON.
  private struct Invalid: Encodable {
    struct Problem: Encodable {
      let file: String
      let line: Int?
      let column: Int?
      let message: String
    }
    let isValid = false
    let problems: [Problem]
  }

  static func policy(
    folder: String, json: Bool = false, on day: DayOptions? = nil
  ) throws -> ResidencyPolicy {
    try reading(folder: folder, json: json) { () throws(PolicyError) in
      try ResidencyPolicy(folder: folder, on: day?.on ?? .today)
    }
  }

  func reading<Value>(
    json: Bool, invalid: String = "invalidPolicy", _ body: () throws(PolicyError) -> Value
  ) throws -> Value {
    try Self.reading(folder: regions, json: json, invalid: invalid, body)
  }

  /// Reads something of the folder; what is wrong with it is printed, each problem with its place. `invalid` is the code of the
  /// error if a file does not say what it must.
  private static func reading<Value>(
    folder: String, json: Bool, invalid: String = "invalidPolicy",
    _ body: () throws(PolicyError) -> Value
  ) throws -> Value {
    if folder.isEmpty { throw ValidationError("The name of a regions folder is empty.") }
    do throws(PolicyError) {
      return try body()
    } catch {
      if json, error.code == .invalid {
        let problems = error.problems.map {
          Invalid.Problem(file: $0.file, line: $0.line, column: $0.column, message: $0.message)
        }
        try printJSON(Invalid(problems: problems))
        throw ExitCode.failure
      }
      let code = error.code == .invalid ? invalid : "\(error.code)"
      Terminal.error("\(code): \(error.message)")
      for problem in error.problems { Terminal.error("  \(folder)/\(problem)") }
      if error.problems.isEmpty { Terminal.error("  regions folder: \(folder)") }
      throw ExitCode.failure
    }
  }
}

/// For which day a policy is asked: what has dates holds on some only.
struct DayOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The day, in UTC, for which the policy is asked, such as 2027-06-30. By default today.",
      valueName: "day"),
    transform: PolicyDay.argument)
  var on: PolicyDay?

  /// A policy as it is on the day; as it was compiled where none is given.
  func compile(_ policy: ResidencyPolicy) throws -> ResidencyPolicy {
    try on.map { try policy.compiled(on: $0) } ?? policy
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

/// A user's own data, or that of a group.
struct RecordOwnerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "In this group's data, as the user, who must be a member.", valueName: "group"))
  var group: String?

  func handle(of user: String, _ router: ResidencyRouter) async throws -> UserHandle {
    guard let group else { return try await router.user(UserID(user)) }
    return try await router.group(GroupID(group), as: UserID(user))
  }

  /// Notes in the ledger that an administrator is about to be shown records.
  func noteRead(
    by command: String, of user: String, _ collection: String, _ router: ResidencyRouter
  ) async throws {
    let classes = try [router.policy.dataClass(ofCollection: collection)]
    if let group {
      try await router.noteRead(of: GroupID(group), dataClasses: classes, command: command)
    } else {
      try await router.noteRead(of: UserID(user), dataClasses: classes, command: command)
    }
  }
}

/// Data classes by name.
struct DataClassOptions: ParsableArguments {
  @Option(
    name: .customLong("class"), parsing: .singleValue,
    help: ArgumentHelp("A data class; may be repeated. By default all.", valueName: "name"))
  var dataClasses: [String] = []

  /// Nil: all.
  var names: [String]? { dataClasses.isEmpty ? nil : dataClasses }
}

/// Somebody's tags.
struct TagOptions: ParsableArguments {
  @Option(help: "The country of residence, such as DE.")
  var residence: String

  @Option(
    name: .customLong("attribute"), parsing: .singleValue,
    help: "A declared attribute that is set; may be repeated.")
  var attributes: [String] = []
}

/// Somebody's tags, and of which data the question is.
struct ProfileOptions: ParsableArguments {
  @OptionGroup var tags: TagOptions
  @OptionGroup var classes: DataClassOptions

  var residence: String { tags.residence }
  var attributes: [String] { tags.attributes }
}

/// How an erasure is asked for.
struct ErasureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "How long this may take, such as 30s; what is not done then is pending. By default 10s.",
      valueName: "time"))
  var deadline: Lifetime?

  @Flag(help: "Erase, and do not only say what would be erased.")
  var yes = false
}

/// Whose data a hold is on, where that may be a group's.
struct GroupFlag: ParsableArguments {
  @Flag(name: .customLong("group"), help: "The id is that of a group.")
  var isSet = false

  /// Notes in the ledger that an administrator is about to be shown what is kept about somebody.
  func noteRead(
    by command: String, of user: UserArgument, _ router: ResidencyRouter
  ) async throws {
    if isSet {
      try await router.noteRead(of: GroupID(user.user), command: command)
    } else {
      try await router.noteRead(of: user.id, command: command)
    }
  }
}

/// A time with its unit, as policies write it: `90s`, `12h`, `30d`, `1y`.
struct Lifetime: ExpressibleByArgument {
  let duration: Duration
  /// As it was written.
  let text: String

  init?(argument: String) {
    let units: [Character: Int64] = [
      "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000,
    ]
    let digits = argument.dropLast()
    guard let last = argument.last, let unit = units[last],
      digits.allSatisfy({ $0.isASCII && $0.isNumber }), digits.first != "0",
      let count = Int64(digits), count <= 100 * 31_536_000 / unit
    else { return nil }
    duration = .seconds(count * unit)
    text = argument
  }
}

/// Runs `body`; an error of the router becomes a message and an exit code.
func reporting(
  about deployment: DeploymentOptions? = nil, _ body: () async throws -> Void
) async throws {
  do {
    try await body()
  } catch let error as RouterError {
    if let verdict = error.verdict,
      error.message.hasPrefix("Nothing was written. \(verdict.statement)")
    {
      let hint = error.message.dropFirst("Nothing was written. \(verdict.statement)".count)
      // The verdict begins with the code itself.
      Terminal.error("\(verdict)\(hint)\nNothing was written.")
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
  static let held = ExitCode(8)
  /// EX_DATAERR of sysexits.
  static let badInput = ExitCode(65)
}

extension RouterError {
  var exitCode: ExitCode {
    switch code {
    case .refused, .unplaceable, .unserved, .barred, .processingRefused, .lifetimeRefused:
      .refused
    case .notFound: .notFound
    case .outcomeUnknown: .outcomeUnknown
    case .elsewhere: .elsewhere
    case .held: .held
    case .unknownName, .invalidArgument, .invalidPlan: .badInput
    default: .failure
    }
  }
}

extension PolicyDay {
  fileprivate static func argument(_ text: String) throws -> PolicyDay {
    guard let day = PolicyDay(text) else {
      throw ValidationError("“\(text)” is no day; write it as 2027-06-30.")
    }
    return day
  }

  /// Today, in UTC, by the machine's clock.
  static var today: PolicyDay { PolicyDay(secondsSince1970: Date().timeIntervalSince1970) }
}
