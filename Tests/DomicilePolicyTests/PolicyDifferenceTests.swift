import DomicilePolicy
import DomicileTesting
import Testing

/// Of two policies it is said what either allows and the other does not, and never that nothing differs where something does.
@Suite struct PolicyDifferenceTests {
  private func policy(_ files: RegionFiles, on day: String = "2026-01-01") throws
    -> ResidencyPolicy
  {
    try ResidencyPolicy(files: files, on: #require(PolicyDay(day)))
  }

  private func difference(
    _ new: RegionFiles, from old: RegionFiles = .small
  ) throws -> PolicyDifference {
    try PolicyDifference(from: policy(old), to: policy(new))
  }

  private static func small(_ from: String, _ to: String) -> RegionFiles {
    RegionFiles.small.replacing(from, in: "policy.yaml", with: to)
  }

  @Test func `other words that say the same are no difference`() throws {
    let reworded = Self.small(
      "attributes: [scc-signed]", "# What a user can have signed.\nattributes:\n  - scc-signed")
    let difference = try difference(reworded)
    #expect(difference.isEmpty, "\(difference)")
  }

  @Test func `retention is compared by what it says`() throws {
    let limited = Self.small("[inbox, threads]}", "[inbox, threads], retention: {longest: 7d}}")
    let shorter = Self.small("[inbox, threads]}", "[inbox, threads], retention: {longest: 1s}}")
    let same = Self.small("[inbox, threads]}", "[inbox, threads], retention: {longest: 168h}}")
    let added = try #require(try difference(limited).terms.first)
    #expect(added.kind == .retention && added.name == "messages")
    #expect(added.before == nil && added.after == "longest 7d")
    let changed = try difference(shorter, from: limited)
    #expect(changed.terms.map(\.before) == ["longest 7d"])
    #expect(changed.terms.map(\.after) == ["longest 1s"])
    #expect(changed.changes.isEmpty && !changed.isEmpty)
    #expect(try difference(same, from: limited).changes.isEmpty)
  }

  @Test func `how long the ledger is kept is a difference, and no class of the users'`() throws {
    let kept = Self.small("directory: {}", "directory: {}\n  ledger: {retention: {longest: 5y}}")
    let term = try #require(try difference(kept).terms.first)
    #expect(term.kind == .retention && term.name == "ledger")
    #expect(term.before == nil && term.after == "longest 5y")
    let policy = try ResidencyPolicy(files: kept)
    #expect(policy.ledgerLongest == .seconds(5 * 31_536_000))
    #expect(!policy.classes.map(\.name).contains("ledger"))
    #expect(try ResidencyPolicy(files: .small).ledgerLongest == nil)
  }

  @Test func `a rule that lets nobody off any more is a change for those with the attribute`()
    throws
  {
    let difference = try difference(
      Self.small("    unless: {attribute: scc-signed}\n", ""))
    #expect(difference.changes.allSatisfy { $0.attributes == ["scc-signed"] })
    let change = try #require(
      difference.changes.first { $0.residence == "DE" && $0.dataClass == "messages" })
    #expect(change.lost == ["ashburn", "mumbai"] || change.lost == ["mumbai", "ashburn"])
    #expect(change.because == ["eu-at-home"])
    #expect(difference.terms.map(\.kind) == [.rule])
  }

  @Test func `an attribute that is declared or no longer is named`() throws {
    let more = Self.small("[scc-signed]", "[scc-signed, minor]")
    let declared = try difference(more)
    #expect(declared.changes.isEmpty)
    #expect(declared.terms.map { [$0.name, $0.before, $0.after] } == [["minor", nil, "declared"]])
    let undeclared = try difference(.small, from: more)
    #expect(undeclared.terms.map { [$0.before, $0.after] } == [["declared", nil]])
  }

  @Test func `where processes may run is compared, too`() throws {
    let restricted = Self.small(
      "    store: EU\n", "    store: EU\n    process: [EU, IN]\n")
    let difference = try difference(restricted)
    #expect(difference.changes.isEmpty)
    let change = try #require(
      difference.processChanges.first { $0.residence == "DE" && $0.dataClass == "messages" })
    #expect(change.attributes == [] && change.gained.isEmpty && change.lost == ["US"])
    #expect(!difference.processChanges.contains { $0.residence == "US" })
    let location = try #require(difference.terms.first { $0.kind == .location })
    #expect(location.before == "need not be said" && location.after == "must be said")
  }

  @Test func `of the class directory is said what holds where the directory is`() throws {
    // Americans may be known anywhere but in Ireland, where the directory is.
    let barred = Self.small(
      "rules:\n",
      """
      rules:
        - name: not-in-the-directory
          residents: US
          classes: directory
          store: US
          reason: Test.

      """)
    let change = try #require(try difference(barred).changes.first)
    #expect(change.residence == "US" && change.dataClass == "directory")
    #expect(change.before == .allowed && change.after == .refused)
    #expect(change.gained.isEmpty && change.lost == ["dublin"])
    #expect(change.because == ["not-in-the-directory"])
  }

  @Test func `what the topology says is compared`() throws {
    let elsewhere = RegionFiles.small
      .replacing("directory: dublin", in: "topology.yaml", with: "directory: mumbai")
      .replacing("dublin-2: {}", in: "topology.yaml", with: "dublin-2: {accepts: EU}")
      .replacing("mumbai-1", in: "topology.yaml", with: "mumbai-9")
    let terms = try difference(elsewhere).terms
    #expect(
      terms.map { "\($0.kind.rawValue) \($0.name)" } == [
        "shard mumbai-1", "shard dublin-2", "shard mumbai-9", "directory ",
      ])
    #expect(terms.last?.before == "in dublin" && terms.last?.after == "in mumbai")
  }

  @Test func `collections and classes that come, go or change place are named`() throws {
    let moved = Self.small(
      "{collections: [inbox, threads]}\n  payments: {collections: [receipts]}",
      "{collections: [inbox]}\n  payments: {collections: [receipts, threads]}")
    let terms = try difference(moved).terms
    #expect(terms.map(\.name) == ["threads"])
    #expect(terms.map(\.before) == ["of the class messages"])
    #expect(terms.map(\.after) == ["of the class payments"])
  }

  @Test func `days on which two policies begin to differ otherwise are found`() throws {
    let dated = try policy(.smallDated)
    let today = try PolicyDifference(from: policy(.small), to: dated)
    #expect(today.changes.isEmpty)
    let later = try PolicyDifference.laterDays(from: policy(.small), to: dated)
    #expect(later == [PolicyDay("2026-01-11")])
    #expect(
      try !PolicyDifference(
        from: policy(.small, on: "2026-01-11"), to: policy(.smallDated, on: "2026-01-11")
      ).changes.isEmpty)
    // What both will say is no difference.
    #expect(try PolicyDifference.laterDays(from: dated, to: dated).isEmpty)
    let after = try policy(.smallDated, on: "2026-01-11")
    #expect(
      try PolicyDifference.laterDays(from: policy(.small, on: "2026-01-11"), to: after).isEmpty)
  }
}
