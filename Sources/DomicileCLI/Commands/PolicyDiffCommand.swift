import ArgumentParser
import Domicile
import Foundation

struct PolicyDiffCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Say what one policy allows and another does not.",
    discussion: """
      Each policy is a folder, or the generation of one that was applied. Compared are users without \
      attributes. With --homes it counts, too, what the data folder holds that NEW would bar. Ends with 0 \
      if nothing differs, and with 1 if something does.
      """)

  @Argument(help: ArgumentHelp("A regions folder, or a generation.", valueName: "old"))
  var old: String

  @Argument(help: ArgumentHelp("A regions folder, or a generation.", valueName: "new"))
  var new: String

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Flag(help: "Count what is stored and NEW would bar.")
  var homes = false

  private struct JSON: Encodable {
    let difference: PolicyDifference
    let impact: PolicyImpact?
  }

  func run() async throws {
    let needsDeployment = homes || [old, new].contains { Int64($0) != nil }
    guard needsDeployment else {
      let policies = try [old, new].map { try RegionsOptions.policy(folder: $0) }
      return try report(PolicyDifference(from: policies[0], to: policies[1]), nil)
    }
    try await deployment.withRouter { router in
      let policies = try [old, new].map { name in
        try Int64(name).map { try router.policy(ofGeneration: $0) }
          ?? RegionsOptions.policy(folder: name)
      }
      let impact = homes ? await router.impact(of: policies[1]) : nil
      try report(PolicyDifference(from: policies[0], to: policies[1]), impact)
    }
  }

  private func report(_ difference: PolicyDifference, _ impact: PolicyImpact?) throws {
    if output.json {
      try printJSON(JSON(difference: difference, impact: impact))
    } else {
      difference.print()
      impact?.print()
    }
    if !difference.isEmpty { throw ExitCode.failure }
  }
}

extension PolicyDifference {
  /// Countries for which the same changes are in one line.
  func print() {
    if isEmpty { return Terminal.print("no difference") }
    for (what, names) in [
      ("added", addedRules), ("removed", removedRules), ("now excluded", newlyExcluded),
      ("no longer excluded", noLongerExcluded),
    ] where !names.isEmpty {
      Terminal.print("\(what): \(names.joined(separator: ", "))")
    }
    guard !changes.isEmpty else { return }
    var groups: [(key: [String], residences: [String])] = []
    for change in changes {
      let key = [
        change.dataClass, Self.word(change.before), Self.word(change.after),
        change.gained.joined(separator: ", "), change.lost.joined(separator: ", "),
        change.because.joined(separator: ", "),
      ]
      if let index = groups.firstIndex(where: { $0.key == key }) {
        groups[index].residences.append(change.residence)
      } else {
        groups.append((key, [change.residence]))
      }
    }
    var table = TextTable(
      "residents of", "class", "were", "are", "gain", "lose", "because of")
    for (key, residences) in groups {
      let shown = residences.prefix(8).joined(separator: " ")
      let all = residences.count > 8 ? "\(shown) and \(residences.count - 8) more" : shown
      table.add(all, key[0], key[1], key[2], key[3], key[4], key[5])
    }
    table.print()
  }

  private static func word(_ outcome: Verdict.Outcome?) -> String { outcome?.rawValue ?? "unknown" }
}

extension PolicyImpact {
  var barredHomesText: String { barredHomes == 1 ? "1 home" : "\(barredHomes) homes" }

  func print() {
    for shard in notCounted { Terminal.print("not counted: \(shard.shard): \(shard.reason)") }
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
}
