import Domicile
import Foundation
import Synchronization

/// A deployment whose one shard is written by some users while what others stored there expires.
final class SweepDeployment: Sendable {
  private static let recordsPerUser = 100
  private static let lifetime = Duration.seconds(3_600)

  private let router: ResidencyRouter
  private let clock = OffsetClock()
  private let writers: [UserHandle]
  private let others: [UserHandle]
  private let keys = (0..<Workload.keysPerUser).map { RecordKey(Workload.key($0)) }
  private let inbox = RecordCollection(Workload.collection)

  /// The records of a sweep.
  var records: Int { others.count * Self.recordsPerUser }

  init(folder: String, isSmoke: Bool) async throws {
    router = try await Deployment.open(folder: folder, clock: clock.wallClock)
    writers = try await Deployment.admit(
      (0..<Workload.users).map { UserID("user-\($0)") }, to: router)
    others = try await Deployment.admit(
      (0..<(isSmoke ? 20 : 10_000)).map { UserID("other-\($0)") }, to: router)
    var draw = Draw(seed: 1)
    for user in writers {
      var batch = RecordBatch()
      for key in keys { batch.put(draw.value(), key: key, in: inbox) }
      try await user.write(batch)
    }
  }

  func close() async { await router.close() }

  /// Stores what will expire, then lets it expire. Whose records expire next to each other in time is random, as
  /// where each was written at a time of its own.
  func fill() async throws {
    let start = clock.now
    let collection = RecordCollection(Workload.collectionOfMany)
    try await withThrowingTaskGroup { group in
      let tasks = 16
      for task in 0..<tasks {
        group.addTask { [others] in
          var draw = Draw(seed: UInt64.random(in: 0 ... .max))
          for user in stride(from: task, to: others.count, by: tasks) {
            var batch = RecordBatch()
            for record in 0..<Self.recordsPerUser {
              let part = Double(draw.next() >> 11) / Double(1 << 53)
              let expires = start.addingTimeInterval((1 + part) * (Self.lifetime / .seconds(1)))
              batch.put(
                draw.value(), key: RecordKey(Workload.keyOfMany(record)), in: collection,
                expires: .at(expires))
            }
            try await others[user].write(batch, deadline: .seconds(60))
          }
        }
      }
      try await group.waitForAll()
    }
    clock.advance(by: Self.lifetime * 3)
  }

  /// What 64 writers wait while nothing is swept.
  func writeAlone(for duration: Duration) async throws -> Latencies {
    try await write(until: .now + duration)
  }

  /// What 64 writers wait while a sweep runs, which is stopped after a while, and how long it took, with its purge if it
  /// came to its end.
  func writeDuringSweep(
    for duration: Duration
  ) async throws -> (latencies: Latencies, sweep: Duration, isAtEnd: Bool) {
    let start = ContinuousClock.now
    let sweep = Task {
      let result = await router.sweep(deadline: .seconds(600))
      return (result, ContinuousClock.now - start)
    }
    let latencies = try await write(until: start + duration)
    sweep.cancel()
    let (result, time) = await sweep.value
    let isAtEnd = result.allSatisfy { $0.problem == nil && !$0.isPurgePending }
    if isAtEnd, case let rest = await router.sweep(), rest.contains(where: { $0.records > 0 }) {
      throw BenchmarkError("a sweep ended before its end: \(rest)")
    }
    return (latencies, time, isAtEnd)
  }

  private func write(until end: ContinuousClock.Instant) async throws -> Latencies {
    try await withThrowingTaskGroup(of: [Double].self) { group in
      for _ in 0..<Workload.callers {
        group.addTask { [writers, keys, inbox] in
          var draw = Draw(seed: UInt64.random(in: 0 ... .max))
          var times: [Double] = []
          repeat {
            let start = ContinuousClock.now
            try await writers[draw.user()].put(draw.value(), key: keys[draw.key()], in: inbox)
            times.append((ContinuousClock.now - start) / .milliseconds(1))
          } while ContinuousClock.now < end
          return times
        }
      }
      return Latencies(try await group.reduce(into: []) { $0 += $1 })
    }
  }
}

/// How long calls took, in milliseconds.
struct Latencies {
  private let sorted: [Double]

  init(_ times: [Double]) { sorted = times.sorted() }

  func percentile(_ percent: Double) -> Double {
    sorted[Int((Double(sorted.count - 1) * percent / 100).rounded())]
  }
}

/// The machine's clock, put ahead as if time had passed.
private final class OffsetClock: Sendable {
  private let offset = Mutex(Duration.zero)
  private let start = (date: Date(), instant: ContinuousClock.now)

  private var passed: Duration { offset.withLock { $0 } + (ContinuousClock.now - start.instant) }

  var now: Date { start.date.addingTimeInterval(passed / .seconds(1)) }

  func advance(by duration: Duration) { offset.withLock { $0 += duration } }

  var wallClock: WallClock {
    WallClock({ self.now }, sinceStart: { self.passed }, machineRun: "benchmark")
  }
}
