import ArgumentParser
import Domicile
import Foundation

struct PolicyDiffCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Say what one policy allows and another does not.",
    discussion: """
      Each policy is a folder, or the generation of one that was applied. With --homes it counts, too, what the \
      data folder holds that NEW would bar, or keep for less time. Ends with 0 if nothing differs, and with 1 if \
      something does.
      """)

  @Argument(help: ArgumentHelp("A regions folder, or a generation.", valueName: "old"))
  var old: String

  @Argument(help: ArgumentHelp("A regions folder, or a generation.", valueName: "new"))
  var new: String

  @OptionGroup var day: DayOptions
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Flag(help: "Count what is stored and NEW would bar, or keep for less time.")
  var homes = false

  private struct JSON: Encodable {
    let difference: PolicyDifference
    /// Days on which they begin to differ otherwise.
    let laterDays: [String]
    let impact: PolicyImpact?
  }

  func run() async throws {
    let needsDeployment = homes || [old, new].contains { Int64($0) != nil }
    guard needsDeployment else {
      let policies = try [old, new].map { try RegionsOptions.policy(folder: $0, on: day) }
      return try report(policies, nil)
    }
    try await deployment.withRouter { router in
      let policies = try [old, new].map { name in
        try Int64(name).map { try day.compile(router.policy(ofGeneration: $0)) }
          ?? RegionsOptions.policy(folder: name, on: day)
      }
      try report(policies, homes ? await router.impact(of: policies[1]) : nil)
    }
  }

  private func report(_ policies: [ResidencyPolicy], _ impact: PolicyImpact?) throws {
    let difference = PolicyDifference(from: policies[0], to: policies[1])
    let later = try PolicyDifference.laterDays(from: policies[0], to: policies[1])
    if output.json {
      try printJSON(
        JSON(difference: difference, laterDays: later.map(\.description), impact: impact))
    } else {
      difference.print(later: later)
      impact?.print()
    }
    if !difference.isEmpty || !later.isEmpty { throw ExitCode.failure }
  }
}

extension PolicyDifference {
  func print(later: [PolicyDay]) {
    if isEmpty { Terminal.print(later.isEmpty ? "no difference" : "no difference until then") }
    printTerms()
    for (what, names) in [
      ("now excluded", newlyExcluded), ("no longer excluded", noLongerExcluded),
    ] where !names.isEmpty {
      Terminal.print("\(what): \(names.joined(separator: ", "))")
    }
    printPlaces()
    printProcessing()
    for day in later {
      Terminal.print("from \(day) on they differ otherwise: compare them with --on \(day)")
    }
  }

  /// What has much to say by its name, all in a line; the rest with its words.
  private func printTerms() {
    let long: Set<PolicyTerm.Kind> = [
      .rule, .exclusion, .otherwise, .attribute, .dataClass, .region,
    ]
    for (what, isIncluded) in [
      ("added", { $0.before == nil }), ("removed", { $0.after == nil }),
      ("changed", { $0.before != nil && $0.after != nil }),
    ] as [(String, (TermChange) -> Bool)] {
      let terms = terms.filter(isIncluded)
      let named = terms.filter { long.contains($0.kind) }.map(\.label)
      if !named.isEmpty { Terminal.print("\(what): \(named.joined(separator: ", "))") }
      for term in terms where !long.contains(term.kind) {
        let words = [term.before, term.after].compactMap(\.self).joined(separator: " → ")
        Terminal.print("\(what): \(term.label) \(words)")
      }
    }
  }

  /// Residents for whom the same changes are in one line.
  private func printPlaces() {
    var groups = LineGroups()
    for change in changes {
      groups.add(
        change.residence, change.attributes,
        [
          change.dataClass, Self.word(change.before), Self.word(change.after),
          change.gained.joined(separator: ", "), change.lost.joined(separator: ", "),
          change.because.isEmpty ? "the topology" : change.because.joined(separator: ", "),
        ])
    }
    groups.print("residents of", "class", "were", "are", "gain", "lose", "because of")
  }

  private func printProcessing() {
    var groups = LineGroups()
    for change in processChanges {
      groups.add(
        change.residence, change.attributes,
        [change.dataClass, some(change.gained), some(change.lost)])
    }
    groups.print("residents of", "class", "may be processed in", "no longer in")
  }

  private static func word(_ outcome: Verdict.Outcome?) -> String { outcome?.rawValue ?? "unknown" }
}

extension PolicyDifference.TermChange {
  fileprivate var label: String {
    switch kind {
    case .retention: "retention of \(name):"
    case .location: "where processes run"
    case .directory, .otherwise: kind.rawValue
    default: "\(kind.rawValue) \(name)"
    }
  }
}

/// Lines of a table that differ in the residents only are one.
private struct LineGroups {
  private var groups: [(line: [String], residents: [String])] = []
  private var places: [[String]: Int] = [:]

  mutating func add(_ residence: String, _ attributes: [String]?, _ line: [String]) {
    let tags = attributes.map { $0.isEmpty ? ["none"] : $0 } ?? []
    let resident = ([residence] + tags).joined(separator: "+")
    if let place = places[line] {
      groups[place].residents.append(resident)
    } else {
      places[line] = groups.count
      groups.append((line, [resident]))
    }
  }

  func print(_ titles: String...) {
    guard !groups.isEmpty else { return }
    var table = TextTable(titles)
    for (line, residents) in groups { table.add([some(residents)] + line) }
    table.print()
  }
}

/// The first of some codes, and how many there are more.
private func some(_ codes: [String]) -> String {
  let shown = codes.prefix(8).joined(separator: " ")
  return codes.count > 8 ? "\(shown) and \(codes.count - 8) more" : shown
}

extension PolicyImpact {
  var barredHomesText: String { counted(barredHomes, "home") }
  var shortenedRecordsText: String {
    counted(shortenedRecords, "record")
  }

  var directoryEntriesText: String {
    directoryEntries == 1 ? "1 user or group" : "\(directoryEntries) users and groups"
  }

  func print() {
    if let refusal { Terminal.print("It would be refused: \(refusal)") }
    for shard in notCounted { Terminal.print("not counted: \(shard.shard): \(shard.reason)") }
    printBarred()
    printShortenings()
    if directoryEntries > 0 {
      Terminal.print(
        "It does not allow what the directory notes, where it lies, about \(directoryEntriesText);"
          + " they stay in it.")
    }
  }

  func printBarred() {
    guard barredHomes > 0 else { return Terminal.print("It bars no home.") }
    Terminal.print(
      "It bars \(barredHomesText) with \(barredBytes) bytes;"
        + " \(homesWithoutPlace) of them may be nowhere else.")
    var table = TextTable(
      "shard", "country", "class", "residents of", "homes", "records", "bytes", "elsewhere",
      "because of")
    for row in rows {
      table.add(
        row.shard, row.country, row.dataClass,
        ([row.residence] + row.attributes).joined(separator: " "), "\(row.homes)",
        "\(row.records)", "\(row.bytes)", row.outcome?.rawValue ?? "unknown tags",
        row.because.joined(separator: ", "))
    }
    table.print()
  }

  private func printShortenings() {
    guard shortenedRecords > 0 else { return }
    Terminal.print(
      "It ends \(shortenedRecordsText) sooner, \(recordsEndingAtOnce) of them at once.")
    var table = TextTable("shard", "country", "class", "end sooner", "at once", "bytes at once")
    for row in shortenings {
      table.add(
        row.shard, row.country, row.dataClass, "\(row.records)", "\(row.endingAtOnce)",
        "\(row.bytesEndingAtOnce)")
    }
    table.print()
  }
}
