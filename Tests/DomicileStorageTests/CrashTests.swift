import DomicileStorage
import DomicileTesting
import Foundation
import Synchronization
import Testing

/// Promise 3: a process killed at any moment loses no write that it acknowledged, and leaves none half done.
@Suite(.timeLimit(.minutes(5))) struct CrashTests {
  private static let killsPerSeed = 25

  @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
  func `kill -9 at any moment loses no acknowledged write`(seed: UInt64) async throws {
    let shard = try await TestShard(seed: seed)
    var states = [CrashScript.State](repeating: [:], count: CrashScript.writers)
    var acknowledgedInAll = 0
    for round in 0..<Self.killsPerSeed {
      let acknowledgements = "\(shard.folder.path)/acknowledged-\(round)"
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [
          path = shard.path as String, log = acknowledgements as String, seed = seed as UInt64,
          round = round as Int
        ] in
        try await CrashingProcess(path: path, log: log, seed: seed, round: round).run()
      }
      let acknowledged = try CrashScript.readLog(acknowledgements)
      acknowledgedInAll += acknowledged.reduce(0, +)

      try await shard.with { store in
        #expect(try store.integrityFindings() == [], "seed \(seed), round \(round)")
        for writer in 0..<CrashScript.writers {
          // Each writer waits for an acknowledgement before its next request: only one is in doubt.
          var script = CrashScript(seed: seed, round: round, writer: writer)
          var expected = states[writer]
          for _ in 0..<acknowledged[writer] { script.next().apply(to: &expected) }
          var further = expected
          script.next().apply(to: &further)
          let found = try CrashScript.state(of: writer, in: store)
          #expect(
            found == expected || found == further,
            "seed \(seed), round \(round), writer \(writer), \(acknowledged[writer]) acknowledged")
          states[writer] = found
        }
      }
    }
    #expect(acknowledgedInAll > 100)
  }
}

/// What a writer does, drawn from seed, round and writer, so that whoever looks afterwards knows it too.
struct CrashScript {
  /// The values by key.
  typealias State = [RecordKey: String]

  static let writers = 4

  struct Change {
    var puts: [(key: RecordKey, text: String)] = []
    var deletions: [RecordKey] = []

    func apply(to state: inout State) {
      for (key, text) in puts { state[key] = text }
      for key in deletions { state[key] = nil }
    }

    func operations() throws -> [RecordOperation] {
      try puts.map { try .put($0.key, $0.text, labels: ["length": "\($0.text.utf8.count)"]) }
        + deletions.map { try .delete($0) }
    }
  }

  private var random: SeededRandom
  private let writer: Int
  private let round: Int
  private var step = 0

  init(seed: UInt64, round: Int, writer: Int) {
    random = SeededRandom(seed: seed << 32 | UInt64(round) << 8 | UInt64(writer))
    self.writer = writer
    self.round = round
  }

  mutating func next() -> Change {
    step += 1
    var change = Change()
    let keys = (0..<6).map { RecordKey("\(writer)/\($0)") }.shuffled(using: &random)
    for key in keys.prefix([1, 1, 1, 3].pick(&random)) {
      if Int.random(in: 0..<4, using: &random) == 0 {
        change.deletions.append(key)
      } else {
        let filler = String(repeating: "x", count: Int.random(in: 0...3_000, using: &random))
        change.puts.append((key, "\(round)/\(step)/\(filler)"))
      }
    }
    return change
  }

  /// How many requests of each writer were acknowledged.
  static func readLog(_ path: String) throws -> [Int] {
    var counts = [Int](repeating: 0, count: writers)
    guard let log = FileManager.default.contents(atPath: path) else { return counts }
    for byte in log { counts[Int(byte)] += 1 }
    return counts
  }

  static func state(of writer: Int, in store: SQLiteShard) throws -> State {
    let request = PageRequest(
      home: .ada, collection: "inbox", range: .prefix(RecordKey("\(writer)/")), limit: 1_000)
    let records = try store.page(request).records
    return Dictionary(uniqueKeysWithValues: records.map { ($0.key, $0.text ?? "?") })
  }
}

/// A process that writes until it kills itself.
private struct CrashingProcess: Sendable {
  let path: String
  let log: String
  let seed: UInt64
  let round: Int

  func run() async throws {
    var random = SeededRandom(seed: seed << 32 | UInt64(round) << 8 | 0xFF)
    // Half of the processes die some time after their start, half at an acknowledgement.
    var last = Int.max
    if Bool.random(using: &random) {
      let delay = Duration.microseconds(Int.random(in: 0...40_000, using: &random))
      let killer = Thread {
        let end = ContinuousClock.now + delay
        while ContinuousClock.now < end { usleep(50) }
        kill(getpid(), SIGKILL)
      }
      killer.start()
    } else {
      last = Int.random(in: 0...80, using: &random)
    }
    let log = AcknowledgementLog(path: log, last: last)
    var options = SQLiteShard.Options()
    options.limits.walPagesBeforeCheckpoint = Int.random(in: 3...60, using: &random)
    let store = try SQLiteShard(path: path, identity: TestShard.identity, options: options)
    try await withThrowingTaskGroup { group in
      for writer in 0..<CrashScript.writers {
        group.addTask {
          var script = CrashScript(seed: seed, round: round, writer: writer)
          while true {
            let operations = try script.next().operations()
            _ = try await store.write(
              WriteRequest(home: .ada, law: .first, operations: operations), by: .soon)
            log.note(writer)
          }
        }
      }
      try await group.waitForAll()
    }
  }
}

/// Notes each acknowledgement where the death of the process does not reach it.
private final class AcknowledgementLog: Sendable {
  private let descriptor: Int32
  private let last: Int
  private let count = Atomic(0)

  /// Begins a log after whose last acknowledgement the process kills itself.
  init(path: String, last: Int) {
    descriptor = unsafe open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0o600)
    precondition(descriptor >= 0, "the log cannot be made")
    self.last = last
  }

  func note(_ writer: Int) {
    if count.add(1, ordering: .relaxed).newValue > last { kill(getpid(), SIGKILL) }
    var byte = UInt8(writer)
    let written = unsafe write(descriptor, &byte, 1)
    precondition(written == 1, "the log cannot be written")
  }
}
