import ArgumentParser
import Foundation

@main
struct DomicileBenchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares Domicile with what it is built on, in turns within one run.",
    discussion:
      "Run it by scripts/benchmark, which preloads the virtual disk. Times are compared with"
      + " nothing but each other: on another machine, or at another hour, only the ratios stay.")

  @Option(help: "What a sync costs; may be repeated. (default: both virtual disks)")
  var disk: [Disk] = []

  @Option(help: "Where the data goes. (default: memory; for the real disk the temporary folder)")
  var folder: String?

  @Option(help: "Pairs of each row.")
  var pairs = 9

  @Option(help: "Seconds for each side of a pair.")
  var slice = 0.5

  @Option(help: "Only rows whose name contains this; may be repeated.")
  var only: [String] = []

  @Option(help: "A file for the figures of all pairs as JSON.")
  var json: String?

  @Flag(help: "Try each row for a moment, to see that it works; the figures mean nothing.")
  var smoke = false

  @Flag(
    help: ArgumentHelp(
      "Compile the policy of many rules, and print the memory.", visibility: .hidden))
  var compileOnce = false

  @Option(
    help: ArgumentHelp(
      "Verify the ledger in this folder, and print memory and time.", visibility: .hidden))
  var verifyOnce: String?

  func validate() throws {
    guard pairs > 0, slice > 0, slice < 3_600 else {
      throw ValidationError(
        "There must be at least one pair, and its slices between 0 and 3,600 s.")
    }
  }

  func run() async throws {
    if compileOnce { return try ManyRules.printPeakOfOneCompilation() }
    if let verifyOnce {
      return try await LedgerFolder.printPeakOfOneVerification(folder: verifyOnce)
    }
    let shim = SyncShim()
    let disks = disk.isEmpty ? [.virtual100us, .virtual1ms] : disk
    guard shim != nil || disks == [.real] else {
      throw ValidationError("A virtual disk needs the preloaded shim: run scripts/benchmark.")
    }
    let plan = Plan(
      pairs: smoke ? 1 : pairs, slice: .seconds(smoke ? 0.03 : slice), isSmoke: smoke)
    var report = Report(pairs: plan.pairs, sliceSeconds: plan.slice / .seconds(1), isSmoke: smoke)
    for (number, disk) in disks.enumerated() {
      shim?.mount(disk)
      let parent = folder ?? disk.defaultFolder
      let place = "\(parent)/domicile-benchmark-\(UUID().uuidString)"
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: place) }
      report.syncs.append(
        Report.MeasuredSync(
          disk: disk, folder: parent, microseconds: try syncMicroseconds(in: place)))
      let stage = Stage(folder: place, disk: disk, shim: shim, plan: plan)
      for kind in RowKind.allCases where number == 0 || kind.isWrite {
        guard only.isEmpty || only.contains(where: kind.rawValue.contains) else { continue }
        FileHandle.standardError.write(Data("\(kind.rawValue), \(disk.rawValue) …\n".utf8))
        report.rows += try await stage.measure(kind)
      }
    }
    print(report.heading())
    print()
    print(report.table())
    if let remarks = report.remarks() { print("\n\(remarks)") }
    if let json { try report.json().write(to: URL(filePath: json)) }
  }
}
