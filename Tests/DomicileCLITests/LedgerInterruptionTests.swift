import Domicile
import DomicileTesting
import Foundation
import Synchronization
import Testing

/// Two processes append to one ledger, and one of them is killed again and again: one tree, every acknowledged decision in it, none
/// twice.
@Suite struct LedgerInterruptionTests {
  /// More where somebody asks for it: 120 are a minute.
  private static let kills =
    ProcessInfo.processInfo.environment["DOMICILE_LEDGER_KILLS"].flatMap(Int.init) ?? 8

  @Test func `a process that is killed every half second leaves one ledger, and nothing twice`()
    async throws
  {
    let workspace = try await Workspace.deployed()
    let people = (0..<200_000).map { "b\($0),\(["DE", "IE", "IN", "US"][$0 % 4])\n" }
    try workspace.write("id,country\n" + people.joined(), to: "people.csv")
    let router = try await ResidencyRouter.open(data: try workspace.file("data"))
    let isOver = Flag()
    async let acknowledged = admitting(router, until: isOver)
    var killed = 0
    for _ in 0..<Self.kills {
      let command = try workspace.start(
        Workspace.tool,
        "import people.csv --data data --user id --residence country".split(separator: " ").map(
          String.init))
      try await Task.sleep(for: .milliseconds(500))
      command.kill()
      if try await command.result().exitCode == SIGKILL { killed += 1 }
    }
    // One that is left to end: on a busy machine the others may not have come to their first commit.
    try workspace.write("id,country\nlast,DE\n", to: "last.csv")
    let last = try await workspace.domicile(
      "import last.csv --data data --user id --residence country")
    #expect(last.exitCode == 0, "\(last)")
    isOver.set()
    let users = try await acknowledged
    #expect(killed > 0)
    #expect(!users.isEmpty)

    let result = try router.verifyLedger()
    #expect(result.findings.isEmpty, "\(result.findings)")
    var placed: [String: [String]] = [:]
    var next: Int64 = 0
    while true {
      let page = try router.ledgerEntries(from: next, limit: 5_000)
      guard let last = page.last else { break }
      next = last.number + 1
      for entry in page.compactMap(\.entry) where entry.kind == .admission {
        placed[entry.alias ?? "", default: []] += (entry.places ?? []).map(\.dataClass)
      }
    }
    #expect(next == result.size)
    // None twice: each class of each was placed once.
    #expect(placed.values.allSatisfy { Set($0).count == $0.count })
    for user in users {
      let location = try await router.locate(user)
      #expect(placed[location.alias]?.count == location.placements.count)
    }
    // The other process's too, as far as it came.
    #expect(placed.count > users.count)
    await router.close()
  }

  private final class Flag: Sendable {
    private let state = Atomic(false)
    var isSet: Bool { state.load(ordering: .relaxed) }
    func set() { state.store(true, ordering: .relaxed) }
  }

  /// Admits one after the other; those whose admission was acknowledged.
  private func admitting(
    _ router: ResidencyRouter, until isOver: Flag
  ) async throws -> [UserID] {
    var users: [UserID] = []
    while !isOver.isSet {
      let user = UserID("a\(users.count)")
      try await router.admit(user, residence: "DE", deadline: .seconds(60))
      users.append(user)
    }
    return users
  }
}
