import Domicile
import DomicileTesting
import Foundation
import Testing

/// Several processes that have one data folder open.
@Suite struct SeveralProcessesTests {
  @Test func `four processes at once and a backend behave as one`() async throws {
    let workspace = try await Workspace.deployed()
    // This process is the backend, and sweeps meanwhile.
    let router = try await ResidencyRouter.open(data: try workspace.file("data"))
    try await router.admit(UserID("ada"), residence: "DE")
    let ada = try await router.user(UserID("ada"))
    let inbox = RecordCollection("inbox")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 1...4 {
        let user = "user\(number)"
        let residence = ["DE", "IN", "US", "IE"][number - 1]
        let lines: [(String, Int32)] = [
          ("admit \(user) --residence \(residence)", 0),
          ("put \(user) inbox k Hello", 0), ("put ada inbox from-\(number) Hello", 0),
          ("get ada inbox from-\(number)", 0), ("lifetime \(user) inbox --after 1y", 0),
          ("hold add \(user) case --reason R", 0), ("erase \(user) --yes", 8),
          // The release lets the erasure go on that the hold stopped.
          ("hold release \(user) case", 0), ("where \(user)", 4),
        ]
        group.addTask {
          for (line, exitCode) in lines {
            let result = try await workspace.domicile("\(line) --data data")
            #expect(result.exitCode == exitCode, "\(line): \(result)")
          }
        }
      }
      group.addTask {
        for number in 0..<500 {
          try await ada.put("\(number)".utf8, key: "backend/\(number)", in: inbox)
          _ = try await ada.get("from-1", in: inbox)
        }
      }
      try await group.waitForAll()
    }
    let page = try await ada.page(inbox, keys: .prefix("backend/"), limit: 1_000)
    #expect(page.records.count == 500)
    let others = try await ada.page(inbox, keys: .prefix("from-"))
    #expect(others.records.map(\.key.text) == (1...4).map { "from-\($0)" })
    expect(
      try await workspace.domicile("doctor --data data").maskingSQLite,
      output: "sound: 1 user, 0 groups, 2 homes, 4 shards; SQLite VERSION\n")
    await router.close()
    #expect(try await workspace.domicile("get ada inbox backend/499 --data data").output == "499")
  }
}
