import ArgumentParser
import Domicile
import Foundation

struct ImportCommand: AsyncParsableCommand {
  enum Format: String, CaseIterable, ExpressibleByArgument {
    case csv, ndjson
  }

  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Admit the people of a file, and store a record of each line.",
    discussion: """
      CSV with a header line, or one JSON object a line. Lines that are wrong and people whom the policy \
      refuses are left out and listed, by line number and reason, in NAME.bad.csv and NAME.refused.csv; all \
      others are kept. Repeat it after an interruption: nothing is doubled.

      Exit code 3 if people were refused, 65 if lines were wrong.
      """)

  @Argument(help: "The file: .csv, .ndjson or .jsonl.")
  var file: String

  @OptionGroup var deployment: DeploymentOptions

  @Option(help: ArgumentHelp("The column with the user's id.", valueName: "column"))
  var user: String

  @Option(
    help: ArgumentHelp(
      "The column with the country of residence. Without it the users must have been admitted.",
      valueName: "column"))
  var residence: String?

  @Option(
    help: ArgumentHelp(
      "The column with the attributes that are set, separated by spaces.", valueName: "column"))
  var attributes: String?

  @Option(
    help: ArgumentHelp("Store each line as a record of this collection.", valueName: "collection"))
  var into: String?

  @Option(help: ArgumentHelp("The column with the record's key.", valueName: "column"))
  var recordKey: String?

  @Option(help: ArgumentHelp("The folder for the two lists.", valueName: "folder"))
  var rejects = "."

  @Option(help: "The file's format; by default as its name says.")
  var format: Format?

  func validate() throws {
    if (into == nil) != (recordKey == nil) {
      throw ValidationError("--into and --record-key go together.")
    }
    if residence == nil && into == nil {
      throw ValidationError("Say what to do: --residence to admit people, --into to store records.")
    }
  }

  func run() async throws {
    let columns = ImportColumns(
      user: user, residence: residence, attributes: attributes, key: recordKey)
    let name = URL(filePath: file).lastPathComponent
    let stem = (name as NSString).deletingPathExtension
    try checkFiles()
    do {
      let refused = try RejectFile(path: "\(rejects)/\(stem).refused.csv")
      let bad = try RejectFile(path: "\(rejects)/\(stem).bad.csv")
      if resolvedFormat == .csv {
        try await run(CSVRows(file: file, columns: columns), refused: refused, bad: bad)
      } else {
        try await run(JSONLinesRows(file: file, columns: columns), refused: refused, bad: bad)
      }
    } catch let line as BadLine {
      Terminal.error("badLine: \(name):\(line.line): \(line.reason)")
      throw ExitCode.badInput
    } catch let error as CocoaError {
      Terminal.error(
        "unavailable: A file cannot be read or written: \(file), or one of the lists in \(rejects)."
          + " \(error.localizedDescription)")
      throw ExitCode.failure
    }
  }

  /// What can be known of the files before the deployment is opened.
  private func checkFiles() throws {
    let files = FileManager.default
    guard files.fileExists(atPath: file) else {
      Terminal.error("unavailable: There is no file “\(file)”.")
      throw ExitCode.badInput
    }
    guard !Self.isFolder(file), files.isReadableFile(atPath: file) else {
      Terminal.error("unavailable: “\(file)” is a folder, or may not be read.")
      throw ExitCode.badInput
    }
    if !files.fileExists(atPath: rejects) {
      try? files.createDirectory(
        atPath: rejects, withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o700])
    }
    guard Self.isFolder(rejects), files.isWritableFile(atPath: rejects) else {
      Terminal.error(
        "unavailable: The lists of lines that are left out cannot be written to “\(rejects)”."
          + " Name a folder with --rejects.")
      throw ExitCode.failure
    }
  }

  private static func isFolder(_ path: String) -> Bool {
    (try? URL(filePath: path).resolvingSymlinksInPath().resourceValues(forKeys: [.isDirectoryKey]))?
      .isDirectory ?? false
  }

  private var resolvedFormat: Format {
    if let format { return format }
    return file.hasSuffix(".ndjson") || file.hasSuffix(".jsonl") ? .ndjson : .csv
  }

  private func run(_ rows: some ImportRows, refused: RejectFile, bad: RejectFile) async throws {
    var rows = rows
    try await deployment.withRouter { router in
      if let into { _ = try router.policy.dataClass(ofCollection: into) }
      var job = ImportJob(
        router: router, collection: into.map(RecordCollection.init), refused: refused, bad: bad)
      do {
        defer { Terminal.endProgress() }
        try await job.run(&rows) { totals in
          Terminal.progress(
            "\(totals.lines) lines, \(totals.refused) refused, \(totals.bad) wrong")
        }
      } catch let error as RouterError {
        Terminal.error(
          "Stopped after \(job.totals.lines) lines. Mend what follows and repeat the import: nothing is doubled."
        )
        throw error
      }
      try finish(job)
    }
  }

  private func finish(_ job: ImportJob) throws {
    let totals = job.totals
    if residence == nil {
      Terminal.print("\(totals.lines) lines")
    } else {
      Terminal.print(
        "\(totals.lines) lines: \(totals.admitted) people admitted,"
          + " \(totals.knownBefore) lines of people known before")
    }
    if into != nil {
      Terminal.print("records: \(totals.written) written, \(totals.unchanged) unchanged")
    }
    if totals.refused > 0 { Terminal.print("\(totals.refused) refused: see \(job.refused.path)") }
    if totals.bad > 0 { Terminal.print("\(totals.bad) wrong: see \(job.bad.path)") }
    if totals.bad > 0 { throw ExitCode.badInput }
    if totals.refused > 0 { throw ExitCode.refused }
  }
}
