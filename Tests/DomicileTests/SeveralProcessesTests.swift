import Domicile
import DomicileTesting
import Foundation
import Synchronization
import Testing

/// Several processes with one shard open are as one, also when they are killed.
///
/// `DOMICILE_LONG_RUN_SECONDS=60` lets it run longer than the ordinary 6 seconds.
@Suite(.serialized) struct SeveralProcessesTests {
  private static let processes = 4
  private static let tasks = 16
  private static let users = ["asha", "ravi"]
  private static let hotKeys = ["0", "1"]

  /// What a process does: tasks that read and write a few keys that all share, and one of their own each, which
  /// the task of the process after this one goes on with.
  private static func work(data: String, file path: String, process: String, until end: UInt64)
    async throws
  {
    let file = NoteFile(path)
    NoteFile("\(path).process").note("\(getpid())")
    let router = try await ResidencyRouter.open(data: data)
    let slot = process.prefix { $0 != "." }
    try await withThrowingTaskGroup { group in
      for task in 0..<tasks {
        group.addTask {
          var random = SystemRandomNumberGenerator()
          var client = HistoryClient(name: "\(process).\(task)", file: file)
          while MonotonicTime.now < end {
            let isHot = Bool.random(using: &random)
            let id = isHot ? users.randomElement(using: &random) ?? users[0] : users[task % 2]
            let key =
              isHot ? hotKeys.randomElement(using: &random) ?? "0" : "own.\(slot).\(task)"
            let call = Self.call(
              value: client.nextValue, version: client.lastVersion["\(id)/\(key)"],
              draw: Int.random(in: 0..<100, using: &random))
            try await client.perform(call, on: key, of: router.user(UserID(id)), named: id)
          }
        }
      }
      try await group.waitForAll()
    }
    await router.close()
  }

  private static func call(
    value: String, version: String?, draw: Int
  ) -> RecordedOperation.Call {
    switch draw {
    case 0..<25: .get
    case 25..<60: .put(value, if: nil)
    case 60..<80: .put(value, if: version.map { .version($0) } ?? .absent)
    case 80..<88: .put(value, if: .absent)
    case 88..<96: .delete(ifVersion: nil)
    default: .delete(ifVersion: version)
    }
  }

  /// The files of the processes that run, and all that ever did.
  private final class Board: Sendable {
    private let state = Mutex<(running: [Int: String], all: [String])>(([:], []))

    var all: [String] { state.withLock { $0.all } }

    func begin(_ slot: Int, _ path: String) {
      state.withLock { state in
        state.running[slot] = path
        state.all.append(path)
      }
    }

    func end(_ slot: Int) { state.withLock { $0.running[slot] = nil } }

    /// Kills the process of a slot, if it has begun; only this kills it, so the number is still its own.
    func kill(_ slot: Int) -> Bool {
      state.withLock { state in
        guard let path = state.running[slot],
          let number = NoteFile.read("\(path).process").first?.first.flatMap(Int32.init)
        else { return false }
        return Foundation.kill(number, SIGKILL) == 0
      }
    }
  }

  /// Runs processes that are killed in turn, others in their places; returns their files.
  private static func killing(
    _ deployment: SharedDeployment, seconds: Double, random: SeededRandom
  ) async -> [String] {
    let board = Board()
    let end = MonotonicTime.now + UInt64(seconds * 1e9)
    await withTaskGroup { group in
      for slot in 0..<processes {
        group.addTask(executorPreference: ThreadPerJob()) {
          [data = deployment.data, folder = deployment.folder.path] in
          var round = 0
          while MonotonicTime.now < end {
            defer { round += 1 }
            let process = "\(slot).\(round)"
            let path = "\(folder)/history.\(process)"
            board.begin(slot, path)
            let result = await #expect(
              processExitsWith: .signal(SIGKILL)
            ) {
              [
                data = data as String, path = path as String, process = process as String,
                end = end as UInt64
              ] in
              try await Self.work(data: data, file: path, process: process, until: end)
              kill(getpid(), SIGKILL)
            }
            board.end(slot)
            if result == nil { return }
          }
        }
      }
      group.addTask {
        var random = random
        // The last ones are left to end by themselves.
        while MonotonicTime.now + 1_000_000_000 < end {
          try? await Task.sleep(for: .milliseconds(500))
          _ = board.kill(Int.random(in: 0..<processes, using: &random))
        }
      }
    }
    return board.all
  }

  /// Runs processes that nobody kills; returns their files.
  private static func measuring(_ deployment: SharedDeployment, seconds: Double) async -> [String] {
    let paths = (0..<processes).map { "\(deployment.folder.path)/history.\($0).measured" }
    let end = MonotonicTime.now + UInt64(seconds * 1e9)
    await withTaskGroup { group in
      for (slot, path) in paths.enumerated() {
        group.addTask(executorPreference: ThreadPerJob()) { [data = deployment.data] in
          await #expect(processExitsWith: .success) {
            [
              data = data as String, path = path as String, slot = slot as Int, end = end as UInt64
            ] in
            try await Self.work(data: data, file: path, process: "\(slot).measured", until: end)
          }
        }
      }
    }
    return paths
  }

  @Test func `histories of processes that are killed and replaced have an order`() async throws {
    let seed = UInt64.random(in: .min ... .max)
    let wanted = ProcessInfo.processInfo.environment["DOMICILE_LONG_RUN_SECONDS"]
    let seconds = wanted.flatMap(Double.init) ?? 6
    let deployment = try await SharedDeployment()
    try await deployment.withRouter { router in
      for id in Self.users { try await router.admit(UserID(id), residence: "IN") }
    }
    let killed = await Self.killing(
      deployment, seconds: seconds * 2 / 3, random: SeededRandom(seed: seed))
    let measured = await Self.measuring(deployment, seconds: seconds / 3)
    let history = HistoryFiles(killed + measured)
    #expect(history.damaged == [])
    #expect(killed.count > Self.processes)
    #expect(history.errors == [:], "seed \(seed)")

    var operations = history.operations
    try await deployment.withRouter { router in
      let file = "\(deployment.folder.path)/history.end"
      var client = HistoryClient(name: "end", file: NoteFile(file))
      for place in Set(operations.map(\.key)).sorted() {
        let words = place.split(separator: "/").map(String.init)
        let user = try await router.user(UserID(words[0]))
        await client.perform(.get, on: words[1], of: user, named: words[0])
      }
      let end = HistoryFiles([file])
      #expect(end.errors == [:])
      operations += end.operations
      let findings = try await router.doctor().findings
      #expect(findings == [], "seed \(seed)")
    }
    let verdict = Linearizability.check(operations)
    #expect(verdict.isLinearizable, "seed \(seed), \(verdict)")
    // Were it not so, it would have been noticed.
    let places = Dictionary(grouping: operations, by: \.key).sorted {
      ($1.value.count, $0.key) < ($0.value.count, $1.key)
    }
    var random = SeededRandom(seed: seed)
    for doubling in [false, true] {
      // On a busy machine the hottest may have too few.
      var found: [RecordedOperation]?
      for (_, place) in places where found == nil {
        found = place.spoilt(doubling: doubling, using: &random)
      }
      let spoilt = try #require(found, "seed \(seed)")
      #expect(!Linearizability.check(spoilt).isLinearizable, "seed \(seed)")
    }
    report(history, killed: killed.count, measured: HistoryFiles(measured))
  }

  private func report(_ history: HistoryFiles, killed: Int, measured: HistoryFiles) {
    let rates = measured.tallies.values.map { Double($0.written) / max(0.001, $0.seconds) }
    let (slowest, fastest) = (rates.min() ?? 0, rates.max() ?? 0)
    #expect(slowest >= fastest / 4, "writes a second: \(rates)")
    func milliseconds(_ wait: UInt64) -> String { "\(wait / 1_000_000) ms" }
    print(
      """
      several processes: \(killed) one after the other in \(Self.processes) places, \(history.operations.count) operations, \
      \(history.unanswered) never answered; writes a second, slowest and fastest: \
      \(Int(slowest)), \(Int(fastest)); worst wait \(milliseconds(history.worstWait)), \
      with nobody killed \(milliseconds(measured.worstWait))
      """)
  }
}
