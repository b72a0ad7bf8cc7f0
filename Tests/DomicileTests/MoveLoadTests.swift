import Domicile
import DomicileTesting
import Foundation
import Testing

/// Backends write to users all the while these are moved: nothing is refused, and what they see has an order.
///
/// `DOMICILE_LONG_RUN_SECONDS=60` moves 200 users for so long, and prints how long writers had to wait.
@Suite(.serialized) struct MoveLoadTests {
  private static let isLong =
    ProcessInfo.processInfo.environment["DOMICILE_LONG_RUN_SECONDS"].flatMap(Double.init)

  /// A backend: reads and writes two keys of each user in turn, every two milliseconds.
  private static func work(data: String, path: String, name: String, users: Int) async throws {
    let file = NoteFile(path)
    let router = try await ResidencyRouter.open(data: data)
    var random = SystemRandomNumberGenerator()
    try await withThrowingTaskGroup { group in
      for task in 0..<4 {
        let draw = UInt64.random(in: .min ... .max, using: &random)
        group.addTask {
          var random = SeededRandom(seed: draw)
          var client = HistoryClient(name: "\(name).\(task)", file: file)
          while !FileManager.default.fileExists(atPath: "\(path).end") {
            let id = "user-\(Int.random(in: 0..<users, using: &random))"
            let key = "\(Int.random(in: 0..<2, using: &random))"
            let call: RecordedOperation.Call =
              switch Int.random(in: 0..<10, using: &random) {
              case 0..<3: .get
              case 3..<7: .put(client.nextValue, if: nil)
              case 7..<9:
                .put(
                  client.nextValue,
                  if: client.lastVersion["\(id)/\(key)"].map { .version($0) } ?? .absent)
              default: .delete(ifVersion: nil)
              }
            try await client.perform(call, on: key, of: router.user(UserID(id)), named: id)
            try await Task.sleep(for: .milliseconds(2))
          }
        }
      }
      try await group.waitForAll()
    }
    await router.close()
  }

  @Test func `users are moved to and fro while two backends write`() async throws {
    let users = Self.isLong == nil ? 20 : 200
    let deployment = try await SharedDeployment()
    let ids = (0..<users).map { UserID("user-\($0)") }
    try await deployment.withRouter { router in
      for id in ids {
        try await router.admit(id, residence: "US", dataClasses: ["messages"], region: "ashburn")
      }
    }
    let paths = (0..<2).map { "\(deployment.folder.path)/history.\($0)" }
    let moves = try await withThrowingTaskGroup(of: Int.self) { group in
      for (slot, path) in paths.enumerated() {
        group.addTask(executorPreference: ThreadPerJob()) { [data = deployment.data] in
          await #expect(processExitsWith: .success) {
            [data = data as String, path = path as String, slot = slot as Int, users = users as Int]
            in
            try await Self.work(data: data, path: path, name: "\(slot)", users: users)
          }
          return 0
        }
      }
      group.addTask {
        defer { for path in paths { NoteFile("\(path).end").note("end") } }
        return try await deployment.withRouter { router in
          while paths.contains(where: { NoteFile.read($0).count < 20 }) {
            try await Task.sleep(for: .milliseconds(10))
          }
          let end = ContinuousClock.now + .seconds(Self.isLong ?? 3)
          var count = 0
          for region in 0... {
            let target = ["mumbai", "dublin", "ashburn"][region % 3]
            let results = await router.move(
              ids.map { HomeMove(user: $0, dataClass: "messages", to: target) })
            for result in results {
              let report = try result.get()
              #expect(report.end == .moved, "\(String(describing: report.problem))")
              count += 1
            }
            if end < .now { break }
          }
          return count
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(moves >= users)
    let history = HistoryFiles(paths)
    #expect(history.damaged == [])
    #expect(history.errors == [:])
    #expect(history.unanswered == 0)
    let verdict = Linearizability.check(history.operations)
    #expect(verdict.isLinearizable, "\(verdict)")
    try await deployment.withRouter { router in
      let (doctor, ledger) = (try await router.doctor(deep: true), try router.verifyLedger())
      #expect(doctor.findings == [])
      #expect(ledger.findings == [])
    }
    report(history, moves: moves, users: users)
  }

  private func report(_ history: HistoryFiles, moves: Int, users: Int) {
    let waits = history.operations.compactMap { operation in
      operation.responded.map { Double($0 - operation.invoked) / 1e6 }
    }.sorted()
    let limits: [Double] = [1, 2, 5, 10, 20, 50, 100, 200, 500, .infinity]
    let histogram = limits.map { limit in "≤ \(limit) ms: \(waits.count { $0 <= limit })" }
    print(
      "moves under load: \(moves) of \(users) users, \(waits.count) operations; \(histogram.joined(separator: ", "))"
        + "; longest \(waits.last ?? 0) ms")
  }
}
