import ArgumentParser
import Domicile
import Foundation

struct PolicyCoverageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coverage",
    abstract:
      "Say of every country where its residents' data may live, and whom each region serves.",
    discussion: """
      About users without attributes. That some cannot be served is no failure: the exit code is 0.

      --svg and --html draw a map, from \(WorldMap.file) in the regions folder.
      """)

  @OptionGroup var regions: RegionsOptions
  @OptionGroup var day: DayOptions
  @OptionGroup var output: OutputOptions

  @Option(help: ArgumentHelp("Write a map of the world to this file.", valueName: "file"))
  var svg: String?

  @Option(
    help: ArgumentHelp(
      "Write a page to this file: the map, the answers, the reasons.", valueName: "file"))
  var html: String?

  func validate() throws {
    func place(_ file: String?) -> URL? { file.map { URL(filePath: $0).standardizedFileURL } }
    if svg != nil, place(svg) == place(html) {
      throw ValidationError("--svg and --html name the same file.")
    }
  }

  func run() async throws {
    let policy = try regions.policy(json: output.json, on: day)
    try await reporting {
      let report = CoverageReport(policy)
      // Nothing is printed unless everything could be written.
      if svg != nil || html != nil { try write(CoverageMap(report, shapes: shapes())) }
      if output.json { return try printJSON(CoverageJSON(report)) }
      Self.print(report)
    }
  }

  // MARK: Files

  private func shapes() throws -> WorldMap {
    do throws(PolicyError) {
      return try WorldMap(folder: regions.regions)
    } catch {
      Terminal.error("\(error.code): \(error.message)")
      Terminal.error("  regions folder: \(regions.regions)")
      throw ExitCode.failure
    }
  }

  private func write(_ map: CoverageMap) throws {
    if let svg { try Self.write(map.file, to: svg) }
    if let html { try Self.write(CoveragePage(map: map).text, to: html) }
  }

  /// Replaces a file whole or not at all.
  private static func write(_ text: String, to path: String) throws {
    func unavailable(_ why: String) -> ExitCode {
      Terminal.error(
        "unavailable: “\(path)” cannot be written: \(why). Name a file in a folder that exists and may be"
          + " written.")
      return .failure
    }
    let file = URL(filePath: path).resolvingSymlinksInPath()
    let attributes = try? FileManager.default.attributesOfItem(atPath: file.path)
    let kind = attributes?[.type] as? FileAttributeType
    guard kind == nil || kind == .typeRegular else { throw unavailable("it is no regular file") }
    do {
      try Data(text.utf8).write(to: file, options: .atomic)
    } catch {
      throw unavailable(reason(error))
    }
  }

  private static func reason(_ error: any Error) -> String {
    switch (error as? CocoaError)?.code {
    case .fileNoSuchFile: "its folder does not exist"
    case .fileWriteNoPermission: "that is not permitted"
    case .fileWriteOutOfSpace: "the disk is full"
    case .fileWriteVolumeReadOnly: "the disk is read-only"
    default: "the system refuses it"
    }
  }

  // MARK: Terminal

  private static func print(_ report: CoverageReport) {
    Terminal.print(
      "policy “\(report.policy.name)”, digest \(report.policy.digest.short), \(report.day)")
    Terminal.print(report.summary)
    var answers = TextTable("group", "countries", "data classes", "are", "may live in")
    for (number, group) in report.coverage.groups.enumerated() {
      for (place, answer) in group.answers.enumerated() {
        answers.add(
          place == 0 ? "\(number + 1)" : "", place == 0 ? "\(group.residences.count)" : "",
          answer.dataClasses.joined(separator: ", "), answer.state, report.places(answer))
      }
    }
    answers.print()
    printRefusals(report)
    for (number, group) in report.coverage.groups.enumerated() {
      printList("group \(number + 1)", group.residences.map(\.description))
    }
    printList("excluded as places", report.excluded.map(\.code.description))
    printList("regions that serve nobody", report.idleRegions)
  }

  private static func printRefusals(_ report: CoverageReport) {
    guard !report.refusals.isEmpty else { return }
    var refusals = TextTable("residents of", "are", "data classes", "by")
    for refusal in report.refusals {
      refusals.add(
        refusal.residents, refusal.answer.state,
        refusal.answer.dataClasses.joined(separator: ", "), report.cause(refusal.answer))
    }
    refusals.print()
    for line in reasons(of: report.citations) { Terminal.print(line) }
  }

  private static func printList(_ title: String, _ words: [String]) {
    for line in wrapped("\(title):", words.isEmpty ? ["none"] : words) { Terminal.print(line) }
  }

  /// Words with commas between them, in lines of 100 characters; those after the first are indented.
  private static func wrapped(_ title: String, _ words: [String]) -> [String] {
    var lines = [title]
    for (number, word) in words.enumerated() {
      let text = number == words.count - 1 ? word : "\(word),"
      if lines[lines.count - 1].count + 1 + text.count > 100 {
        lines.append("  \(text)")
      } else {
        lines[lines.count - 1] += " \(text)"
      }
    }
    return lines
  }
}

/// The coverage as JSON, which docs/cli.md describes.
private struct CoverageJSON: Encodable {
  struct Answer: Encodable {
    let dataClasses: [String]
    let outcome: Verdict.Outcome
    let regions: [String]
    let conflict: [Verdict.Citation]
  }
  struct Group: Encodable {
    let residences: [String]
    let state: PolicyCoverage.State
    let answers: [Answer]
  }
  struct Country: Encodable {
    let residence: String
    let name: String
    let state: PolicyCoverage.State
    let isExcluded: Bool
    /// The place in `groups`.
    let group: Int
  }
  struct Region: Encodable {
    let region: String
    let country: String
    let residences: [String]
  }
  let policy: String
  let digest: String
  let day: String
  let changesOn: String?
  let states: [String: Int]
  let groups: [Group]
  let countries: [Country]
  let regions: [Region]

  init(_ report: CoverageReport) {
    let coverage = report.coverage
    policy = report.policy.name
    digest = "\(report.policy.digest)"
    day = "\(report.policy.day)"
    changesOn = report.policy.phase.end?.description
    states = PolicyCoverage.State.allCases.reduce(into: [:]) { states, state in
      states[state.rawValue] = coverage.count(state)
    }
    groups = coverage.groups.map { group in
      Group(
        residences: group.residences.map(\.description), state: group.state,
        answers: group.answers.map {
          Answer(
            dataClasses: $0.dataClasses, outcome: $0.outcome, regions: $0.regions,
            conflict: $0.conflict)
        })
    }
    countries = coverage.residences.map { residence in
      Country(
        residence: "\(residence.code)", name: residence.name, state: residence.state,
        isExcluded: residence.isExcluded,
        group: coverage.groups.firstIndex { $0.residences.contains(residence.code) } ?? 0)
    }
    regions = coverage.places.map { place in
      Region(
        region: place.region, country: "\(place.country)",
        residences: place.residences.map(\.description))
    }
  }
}
