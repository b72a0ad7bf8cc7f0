import ArgumentParser
import Domicile
import Foundation

struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "List the homes that have to move, where to, and who cannot be anywhere.",
    discussion: """
      By default all that should not stay where they are: the policy forbids the place, the shard does not accept them, or it is \
      drained. Changes nothing. “domicile migrate FILE” carries out what --out has written.
      """)

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var scope: PlanScopeOptions

  @Option(
    help: ArgumentHelp(
      "Judge by the policy of this folder instead of the one in force.", valueName: "folder"))
  var regions: String?

  @Option(help: ArgumentHelp("A file for the plan, a line for each home.", valueName: "file"))
  var out: String?

  @Flag(help: "Print each home, not only sums.")
  var homes = false

  private struct Report: Encodable {
    let plan: MigrationHeader
    let summary: MigrationSummary
    let homes: [PlannedMove]?
  }

  func run() async throws {
    let candidate = try regions.map { try RegionsOptions.policy(folder: $0) }
    try await deployment.withRouter { router in
      var listed: [PlannedMove] = []
      let (header, summary) = try await scope.plan(
        router, by: candidate, out: out, isListed: homes, &listed)
      if output.json {
        return try printJSON(
          Report(plan: header, summary: summary, homes: homes ? listed : nil))
      }
      if homes { listed.printTable() } else { summary.print() }
      summary.printSum(out: out)
    }
  }
}

/// Which homes are to move.
struct PlanScopeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Only this user's homes.", valueName: "id"))
  var user: String?

  @Option(
    help: ArgumentHelp("Empty this region or shard; may be repeated.", valueName: "region|shard"))
  var from: [String] = []

  @Option(
    help: ArgumentHelp(
      "Bring the shards of this region to the same number of homes.", valueName: "region"))
  var balance: String?

  @Option(
    help: ArgumentHelp(
      "Where to; by default where the policy would have them.", valueName: "region"))
  var to: String?

  func validate() throws {
    if [user != nil, !from.isEmpty, balance != nil].filter({ $0 }).count > 1 {
      throw ValidationError("--user, --from and --balance exclude each other.")
    }
    if balance != nil, to != nil { throw ValidationError("--balance stays in its region.") }
  }

  func scope(_ policy: ResidencyPolicy) throws -> MigrationScope {
    if let balance { return .balance(balance) }
    if from.isEmpty { return .misplaced }
    let regions = Set(policy.topology.regions.map(\.name))
    if from.count == 1, !regions.contains(from[0]) { return .shard(from[0]) }
    return .regions(from)
  }

  /// Makes the plan, and writes it to a file, if one is named, when it is whole.
  func plan(
    _ router: ResidencyRouter, by candidate: ResidencyPolicy?, out: String?, isListed: Bool,
    _ listed: inout [PlannedMove]
  ) async throws -> (MigrationHeader, MigrationSummary) {
    let file = try out.map(PlanFile.init)
    let policy = candidate ?? router.policy
    let (header, summary) = try await router.plan(
      scope(policy), of: user.map { UserID($0) }, to: to, by: candidate
    ) { move in
      try file?.add(move)
      if isListed { listed.append(move) }
    }
    try file?.finish(header)
    return (header, summary)
  }
}

/// A plan's file that is being written. Its header is known at the end and stands at the beginning, so the lines are kept beside it.
final class PlanFile {
  private let path: String
  private let lines: FileHandle
  private var buffer = Data()

  init(_ path: String) throws {
    self.path = path
    let lines = "\(path).lines"
    guard
      FileManager.default.createFile(
        atPath: lines, contents: nil, attributes: [.posixPermissions: 0o600]),
      let handle = FileHandle(forUpdatingAtPath: lines)
    else { throw ValidationError("\(path) cannot be written. Name another file with --out.") }
    self.lines = handle
  }

  deinit { try? FileManager.default.removeItem(atPath: "\(path).lines") }

  func add(_ move: PlannedMove) throws {
    buffer += try MigrationPlan.line(move)
    if buffer.count > 1 << 16 { try flush() }
  }

  private func flush() throws {
    try lines.write(contentsOf: buffer)
    buffer = Data()
  }

  func finish(_ header: MigrationHeader) throws {
    try flush()
    let whole = "\(path).new"
    guard
      FileManager.default.createFile(
        atPath: whole, contents: try MigrationPlan.line(header),
        attributes: [.posixPermissions: 0o600]), let handle = FileHandle(forWritingAtPath: whole)
    else { throw ValidationError("\(path) cannot be written. Name another file with --out.") }
    try handle.seekToEnd()
    try lines.seek(toOffset: 0)
    while let part = try lines.read(upToCount: 1 << 20), !part.isEmpty {
      try handle.write(contentsOf: part)
    }
    try handle.synchronize()
    try handle.close()
    guard unsafe rename(whole, path) == 0 else {
      throw ValidationError("\(path) cannot be written. Name another file with --out.")
    }
  }
}

extension [PlannedMove] {
  fileprivate func printTable() {
    var table = TextTable("who", "class", "from", "to", "records", "bytes", "why")
    for move in self {
      table.add(
        move.alias + (move.group == true ? " (group)" : ""), move.dataClass, move.from,
        move.to ?? "-", move.records.map(String.init) ?? "?", move.bytes.map(String.init) ?? "?",
        reason(move.why, move.conflict))
    }
    if !isEmpty { table.print() }
  }
}

private func reason(_ why: [String], _ conflict: [String]?) -> String {
  why.joined(separator: ", ")
    + (conflict.map { "; nowhere else: \($0.joined(separator: ", "))" } ?? "")
}

extension MigrationSummary {
  fileprivate func print() {
    var table = TextTable("class", "from", "to", "homes", "records", "bytes", "why")
    for row in rows {
      table.add(
        row.dataClass, row.from, row.to ?? "-", "\(row.homes)", "\(row.records)", "\(row.bytes)",
        reason(row.why, row.conflict))
    }
    if !rows.isEmpty { table.print() }
  }

  func printSum(out: String?) {
    if rows.isEmpty { return Terminal.print("nothing to do: every home may stay where it is") }
    Terminal.print(
      "\(counted(homes, "home")) to move, \(counted(records, "record")), \(bytes.formatted(.byteCount(style: .file, spellsOutZero: false)))"
    )
    if homesWithoutPlace > 0 {
      Terminal.print("\(counted(homesWithoutPlace, "home")) may be nowhere else")
    }
    if notCounted > 0 {
      Terminal.print("the records of \(counted(notCounted, "home")) could not be counted")
    }
    if let out, homes > 0 { Terminal.print("to carry it out: domicile migrate \(out)") }
  }
}
