import ArgumentParser
import Domicile
import Foundation

struct LedgerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ledger",
    abstract: "Show, verify and prove the ledger of decisions; sign checkpoints of it.",
    subcommands: [
      LedgerShowCommand.self, LedgerVerifyCommand.self, LedgerProveCommand.self,
      LedgerCheckpointCommand.self, LedgerCosignCommand.self, LedgerKeysCommand.self,
      LedgerRotateCommand.self,
    ])
}

struct LedgerShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "List entries of the ledger.")

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Option(help: ArgumentHelp("The first entry; they are numbered from 0.", valueName: "number"))
  var from: Int64 = 0

  @Option(help: ArgumentHelp("At most so many.", valueName: "count"))
  var limit = 100

  @Option(
    name: .customLong("kind"), parsing: .singleValue,
    help: ArgumentHelp("Of this kind only; may be repeated.", valueName: "kind"),
    transform: LedgerEntry.Kind.argument)
  var kinds: [LedgerEntry.Kind] = []

  @Option(
    help: ArgumentHelp("About the user or group with this alias only.", valueName: "alias"))
  var alias: String?

  func validate() throws {
    if limit < 0 || from < 0 {
      throw ValidationError("--from and --limit are numbers from 0 on.")
    }
  }

  func run() async throws {
    try await deployment.withRouter { router in
      var found: [NumberedEntry] = []
      var next = from
      while found.count < limit {
        let page = try router.ledgerEntries(from: next, limit: 2_000)
        guard let last = page.last else { break }
        next = last.number + 1
        found += page.filter { entry in
          (kinds.isEmpty || entry.entry.map { kinds.contains($0.kind) } ?? false)
            && (alias == nil || entry.entry?.alias == alias)
        }
      }
      found = Array(found.prefix(limit))
      if output.json { return try printJSON(found) }
      for entry in found { Terminal.print(entry.line) }
    }
  }
}

struct LedgerVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Read the whole ledger and check it; exit code 1 if something is wrong.",
    discussion: """
      It is compared with the checkpoint that was signed last, and with those that you give: checkpoints that \
      were printed earlier and kept elsewhere find a ledger that was changed and signed anew.
      """)

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Option(
    name: .customLong("since"), parsing: .singleValue,
    help: ArgumentHelp(
      "A file with a checkpoint that was signed earlier; may be repeated.", valueName: "file"))
  var since: [String] = []

  @Option(
    name: .customLong("key"), parsing: .singleValue,
    help: ArgumentHelp(
      "The key by which checkpoints are believed, as “ledger keys” printed it; may be repeated. By default those that the ledger names.",
      valueName: "key"), transform: NoteKey.argument)
  var keys: [NoteKey] = []

  @Option(
    help: ArgumentHelp(
      "The key of the witness that must have cosigned what --since names.", valueName: "key"),
    transform: NoteKey.witness)
  var witness: NoteKey?

  func validate() throws {
    if witness != nil && since.isEmpty {
      throw ValidationError(
        "--witness is about the checkpoints that --since names. Name one that the witness has cosigned."
      )
    }
  }

  func run() async throws {
    let notes = try since.map { try readText($0) }
    try await deployment.withRouter { router in
      let result = try router.verifyLedger(
        since: notes, keys: keys.isEmpty ? nil : keys, witness: witness)
      if output.json {
        try printJSON(result)
      } else {
        for finding in result.findings {
          Terminal.print("\(finding.entry.map { "entry \($0)" } ?? "ledger"): \(finding.message)")
        }
        let entries = result.size == 1 ? "1 entry" : "\(result.size) entries"
        let state =
          result.findings.isEmpty
          ? Terminal.styled("sound", .good)
          : Terminal.styled(counted(result.findings.count, "finding"), .bad)
        Terminal.print("\(state): \(entries), \(result.pruned) pruned; root \(result.root)")
      }
      if !result.findings.isEmpty { throw ExitCode.failure }
    }
  }
}

struct LedgerProveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prove",
    abstract:
      "Prove that an entry is in the ledger: a C2SP tlog-proof with a checkpoint signed now.")

  @Argument(help: "The number of the entry, from 0.")
  var entry: Int64

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await deployment.withRouter { router in
      let proof = try router.prove(entry: entry)
      if output.json { return try printJSON(proof) }
      Terminal.write(Array("\(proof)".utf8))
    }
  }
}

struct LedgerCheckpointCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint",
    abstract: "Sign the ledger as it is, and print that: a C2SP checkpoint, to be kept elsewhere.")

  @OptionGroup var deployment: DeploymentOptions

  @Option(
    help: ArgumentHelp(
      "Print the body of a request to a witness that knows so many entries, 0 for none (C2SP tlog-witness, add-checkpoint).",
      valueName: "count"))
  var request: Int64?

  @Option(
    help: ArgumentHelp(
      "Where the file is missing that says what was signed last: a file with a checkpoint that you kept, or “none”.",
      valueName: "file"))
  var last: String?

  func run() async throws {
    let kept = try last.flatMap { $0 == "none" ? nil : try readText($0) }
    try await deployment.withRouter { router in
      if last != nil { _ = try router.checkpoint(continuing: kept) }
      let text =
        try request.map { try router.witnessRequest(since: $0) } ?? "\(router.checkpoint())"
      Terminal.write(Array(text.utf8))
    }
  }
}

struct LedgerCosignCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cosign",
    abstract: "Add a witness's answer to the checkpoint that was signed last, and print that.")

  @Argument(help: "The file with the lines that the witness answered; “-” for standard input.")
  var file: String

  @OptionGroup var deployment: DeploymentOptions

  @Option(
    help: ArgumentHelp("The witness's key.", valueName: "key"),
    transform: NoteKey.witness)
  var witness: NoteKey

  func run() async throws {
    let lines = try readText(file)
    try await deployment.withRouter { router in
      Terminal.write(Array("\(try router.add(cosignatures: lines, by: witness))".utf8))
    }
  }
}

struct LedgerKeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys",
    abstract: "Print the keys by which checkpoints are verified, the one in force last.")

  @OptionGroup var deployment: DeploymentOptions

  func run() async throws {
    try await deployment.withRouter { router in
      for key in try router.ledgerKeys() { Terminal.print("\(key)") }
    }
  }
}

struct LedgerRotateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate",
    abstract: "Make another key the one that signs: an entry, signed by the key in force.",
    discussion:
      "From then on name the new file (--ledger-key-file), or put it where the old one was.")

  @OptionGroup var deployment: DeploymentOptions

  @Option(
    help: ArgumentHelp("The file with the new key; made if it is not there.", valueName: "file"))
  var newKeyFile: String

  func run() async throws {
    try await deployment.withRouter(signs: false) { router in
      let note = try await router.rotateLedgerKey(to: .file(path: newKeyFile))
      Terminal.print("rotated: checkpoints are signed with the key in \(newKeyFile) from now on")
      if let key = try router.ledgerKeys().last { Terminal.print("\(key)") }
      Terminal.error("checkpoint, to be kept elsewhere:\n\("\(note)".dropLast())")
    }
  }
}

struct HistoryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "Say where a user's data has been, since when, under which policy and rules.",
    discussion: "The text can be given to the user. That it was asked for is an entry itself.")

  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var group: GroupFlag

  func run() async throws {
    try await deployment.withRouter { router in
      let history =
        group.isSet
        ? try router.history(of: GroupID(user.user)) : try router.history(of: user.id)
      try await group.noteRead(by: "history", of: user, router)
      if output.json { return try printJSON(history) }
      for entry in history { Terminal.print(entry.line) }
    }
  }
}

struct ReportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract:
      "Say for a regulator what the ledger says of a day: policy, homes, refusals, erasures, violations; with proofs."
  )

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Option(
    help: ArgumentHelp(
      "The last day that is regarded, by UTC. By default everything until now.",
      valueName: "yyyy-mm-dd"))
  var asOf: Day?

  func run() async throws {
    try await deployment.withRouter { router in
      let report = try await router.report(asOf: asOf?.end.addingTimeInterval(-1) ?? Date())
      if output.json { return try printJSON(report) }
      report.printText()
    }
  }
}

/// A file's text, or that of standard input.
private func readText(_ file: String) throws -> String {
  let data =
    file == "-"
    ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: file)
  guard let data else { throw ValidationError("The file “\(file)” cannot be read.") }
  return String(decoding: data, as: UTF8.self)
}

extension LedgerEntry.Kind {
  fileprivate static func argument(_ text: String) throws -> LedgerEntry.Kind {
    guard let kind = LedgerEntry.Kind(rawValue: text) else {
      let known = allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("There is no kind of entry “\(text)”; known: \(known).")
    }
    return kind
  }
}

extension NoteKey {
  /// That of a witness: whoever keeps the ledger is none.
  fileprivate static func witness(_ text: String) throws -> NoteKey {
    let key = try argument(text)
    guard key.kind == .cosignature else {
      throw ValidationError("“\(text)” is no key of a witness: it does not cosign.")
    }
    return key
  }

  fileprivate static func argument(_ text: String) throws -> NoteKey {
    guard let key = NoteKey(text) else {
      throw ValidationError(
        "“\(text)” is no key; it is written as NAME+ID+KEY, as “domicile ledger keys” prints it.")
    }
    return key
  }
}
