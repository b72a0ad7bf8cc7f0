import Domicile
import DomicileTesting
import Foundation
import Testing

/// What a command printed, and how it ended.
struct CommandResult: Equatable, CustomStringConvertible {
  var output: String
  var error: String
  var exitCode: Int32
  /// Standard output as it is, be it text or not.
  var bytes: [UInt8]
  /// What was signed, as a note.
  var checkpoint: String?

  static func == (left: CommandResult, right: CommandResult) -> Bool {
    (left.bytes, left.error, left.exitCode) == (right.bytes, right.error, right.exitCode)
  }

  var description: String {
    "exit code \(exitCode)\n--- standard output\n\(output)--- standard error\n\(error)---"
  }
}

/// A folder of one test, in which it runs the tool that lies beside the test runner.
final class Workspace: Sendable {
  let folder = Result { try TemporaryFolder() }

  static let tool =
    URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "domicile")

  /// The repository.
  static let repository = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .path(percentEncoded: false)

  /// The small policy's digest, as commands print it.
  static let smallDigest = (try? ResidencyPolicy(files: .small).digest.short) ?? ""

  var path: String { get throws { try folder.get().path } }

  /// A workspace with the small policy in `regions` and a deployment in `data`.
  static func deployed(_ files: RegionFiles = .small) async throws -> Workspace {
    let workspace = Workspace()
    try workspace.write(files)
    let result = try await workspace.domicile("init --regions regions --data data")
    try #require(result.exitCode == 0, "\(result)")
    return workspace
  }

  // MARK: Files

  func file(_ name: String) throws -> String { "\(try path)/\(name)" }

  func write(_ files: RegionFiles, to folder: String = "regions") throws {
    for (path, text) in files.texts { try write(text, to: "\(folder)/\(path)") }
  }

  func write(_ text: String, to name: String) throws { try folder.get().write(text, to: name) }

  func write(_ bytes: [UInt8], to name: String) throws {
    try Data(bytes).write(to: URL(filePath: try file(name)))
  }

  func read(_ name: String) throws -> String {
    try String(contentsOfFile: try file(name), encoding: .utf8)
  }

  func exists(_ name: String) throws -> Bool {
    FileManager.default.fileExists(atPath: try file(name))
  }

  func setMode(_ mode: Int, of name: String) throws {
    try FileManager.default.setAttributes(
      [.posixPermissions: mode], ofItemAtPath: try file(name))
  }

  // MARK: Programs

  /// Runs `domicile` with arguments that hold no spaces.
  func domicile(
    _ line: String, input: [UInt8] = [], environment: [String: String] = [:]
  ) async throws -> CommandResult {
    try await domicile(
      line.split(separator: " ").map(String.init), input: input, environment: environment)
  }

  func domicile(
    _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]
  ) async throws -> CommandResult {
    try await run(Self.tool, arguments, input: input, environment: environment)
  }

  /// Runs `domicile`; the decoded standard output.
  func json(_ line: String, exitCode: Int32 = 0) async throws -> Any {
    let result = try await domicile(line)
    try #require(result.exitCode == exitCode && result.error.isEmpty, "\(result)")
    return try JSONSerialization.jsonObject(with: Data(result.bytes))
  }

  /// Runs SQL with the `sqlite3` program, which knows nothing of Domicile; the rows of its answer.
  @discardableResult
  func sqlite(_ file: String, _ sql: String) async throws -> [String] {
    let result = try await run(URL(filePath: "/usr/bin/env"), ["sqlite3", file, sql])
    try #require(result.exitCode == 0 && result.error.isEmpty, "\(result)")
    return result.output.split(separator: "\n").map(String.init)
  }

  /// Runs a program in the folder until it ends.
  func run(
    _ program: URL, _ arguments: [String], input: [UInt8] = [],
    environment: [String: String] = [:]
  ) async throws -> CommandResult {
    try await start(program, arguments, input: input, environment: environment).result()
  }

  /// Starts a program in the folder.
  func start(
    _ program: URL, _ arguments: [String], input: [UInt8] = [],
    environment: [String: String] = [:]
  ) throws -> RunningCommand {
    // Files, not pipes: nothing blocks, and no other child inherits an end.
    let name = ".command-\(UUID().uuidString)"
    try write(input, to: "\(name).in")
    try write([], to: "\(name).out")
    try write([], to: "\(name).err")
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = URL(filePath: try path)
    var variables = ProcessInfo.processInfo.environment
    for name in ["DOMICILE_HASH_KEY", "DOMICILE_LEDGER_KEY", "NO_COLOR", "COLUMNS"] {
      variables[name] = nil
    }
    process.environment = variables.merging(environment) { $1 }
    process.standardInput = FileHandle(forReadingAtPath: try file("\(name).in"))
    process.standardOutput = FileHandle(forWritingAtPath: try file("\(name).out"))
    process.standardError = FileHandle(forWritingAtPath: try file("\(name).err"))
    let command = try RunningCommand(process, files: try file(name))
    for case let file as FileHandle in [
      process.standardInput, process.standardOutput, process.standardError,
    ] {
      try file.close()
    }
    return command
  }
}

/// A program that was started.
final class RunningCommand: Sendable {
  private let process: Process
  private let files: String
  private let ended: AsyncStream<Int32>

  fileprivate init(_ process: Process, files: String) throws {
    self.process = process
    self.files = files
    let (ended, continuation) = AsyncStream.makeStream(of: Int32.self)
    self.ended = ended
    process.terminationHandler = { process in
      continuation.yield(process.terminationStatus)
      continuation.finish()
    }
    try process.run()
  }

  /// Ends the program as a crash would. It may have ended already.
  func kill() { Foundation.kill(process.processIdentifier, SIGKILL) }

  /// Waits for the program's end. To be asked once.
  func result() async throws -> CommandResult {
    var status: Int32 = -1
    for await end in ended { status = end }
    let output = try Data(contentsOf: URL(filePath: "\(files).out"))
    let error = try Data(contentsOf: URL(filePath: "\(files).err"))
    for end in ["in", "out", "err"] {
      try FileManager.default.removeItem(atPath: "\(files).\(end)")
    }
    // What is signed differs from run to run; LedgerCommandTests looks at it.
    let told = String(decoding: error, as: UTF8.self)
    let note = told.firstMatch(of: String.checkpoint).map { String($0.output) }
    return CommandResult(
      output: String(decoding: output, as: UTF8.self),
      error: told.withoutCheckpoint,
      exitCode: status, bytes: Array(output),
      checkpoint: note.map { String($0.drop { $0 != "\n" }.dropFirst()) })
  }
}

/// Compares everything that a command did, exactly.
func expect(
  _ result: CommandResult, output: String = "", error: String = "", exitCode: Int32 = 0,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(result.output == output, sourceLocation: sourceLocation)
  #expect(result.error == error, sourceLocation: sourceLocation)
  #expect(result.exitCode == exitCode, sourceLocation: sourceLocation)
}

extension String {
  fileprivate static var checkpoint: Regex<Substring> {
    /checkpoint, to be kept elsewhere:\n(?:.+\n){3}\n(?:— .+\n)+/
  }

  var withoutCheckpoint: String { replacing(Self.checkpoint, with: "") }

  /// The text with what differs from run to run replaced by a word for it.
  func masking(_ pattern: Regex<Substring>, as word: String) -> String {
    replacing(pattern, with: word)
  }

  /// The version of the SQLite library depends on the machine.
  var maskingSQLite: String { masking(/SQLite [0-9.]+/, as: "SQLite VERSION") }
}

extension CommandResult {
  func masking(_ pattern: Regex<Substring>, as word: String) -> CommandResult {
    var masked = self
    masked.output = output.masking(pattern, as: word)
    return masked
  }

  var maskingSQLite: CommandResult { masking(/SQLite [0-9.]+/, as: "SQLite VERSION") }
}
