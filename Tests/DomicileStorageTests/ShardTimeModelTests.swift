import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// Whatever somebody does to the clock while the machine runs, records live as long as they should by the time that
/// really passes, to the minute. Clocks are right at a restart, and only a right clock is accepted.
@Suite(.timeLimit(.minutes(5))) struct ShardTimeModelTests {
  private static let stepsPerSeed = 300

  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func `records live as long as they should, by the time that really passes`(
    seed: UInt64
  ) async throws {
    let shard = try await TestShard(seed: seed)
    var run = try Run(shard: shard, seed: seed)
    for step in 0..<Self.stepsPerSeed {
      do {
        try await run.step()
        try run.check()
      } catch {
        Issue.record("seed \(seed), step \(step), after \(run.last): \(error)")
        break
      }
    }
    await run.store.close()
    // The run has been everywhere, or it proves little.
    #expect(run.swept > 5)
    #expect(run.restarts > 2)
    #expect(run.doubts > 2)
  }

  private struct Difference: Error, CustomStringConvertible { let description: String }

  private struct Run {
    /// How exact lifetimes are, in milliseconds.
    static let tolerance: Int64 = 60_000

    let shard: TestShard
    var store: SQLiteShard
    var random: SeededRandom
    /// The time that has really passed.
    var truth: Int64 = 0
    /// How far the clock was set away from it.
    var offset: Int64 = 0
    /// When records should expire.
    var expiries: [String: Int64] = [:]
    /// Those that were swept.
    var gone: Set<String> = []
    /// When the shard last knew the time for certain.
    var lastCertain: Int64 = 0
    /// Whether it may doubt a right clock: it was off for long.
    var mayDoubt = false
    var last = ""
    var (swept, restarts, doubts) = (0, 0, 0)

    init(shard: TestShard, seed: UInt64) throws {
      self.shard = shard
      store = try shard.open()
      random = SeededRandom(seed: seed)
    }

    // MARK: Steps

    mutating func step() async throws {
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<35: try await put()
      case 35..<58:
        advance(
          by: Int64.random(in: 1...[1_000, 90_000, 21_600_000].pick(&random), using: &random))
      case 58..<63: set(to: Int64.random(in: -30_000...30_000, using: &random))
      case 63..<70:
        let far = farOff()
        set(to: far)
      case 70..<78: set(to: 0)
      case 78..<83: try await restart()
      case 83..<86: try await reopen()
      case 86..<96: try await sweep()
      default:
        // Who accepts a clock has looked at another one.
        last = "accept"
        set(to: 0)
        try await store.acceptClock()
        lastCertain = truth
        mayDoubt = false
      }
    }

    private mutating func put() async throws {
      let key = String.numbered(expiries.count)
      let longest: Int64 = [10_000, 3_600_000, 259_200_000].pick(&random)
      let lifetime = Int64.random(in: 1...longest, using: &random)
      last = "put \(key) for \(lifetime)"
      try await store.write(.put(RecordKey(key), expiry: .after(.milliseconds(lifetime))))
      expiries[key] = truth + lifetime
      if !store.isClockInDoubt { lastCertain = truth }
    }

    private mutating func advance(by milliseconds: Int64) {
      last = "advance by \(milliseconds)"
      shard.clock.advance(by: .milliseconds(milliseconds))
      truth += milliseconds
    }

    private mutating func farOff() -> Int64 {
      let far = Int64.random(
        in: 120_000...[3_600_000, 86_400_000, 900 * 86_400_000].pick(&random), using: &random)
      return Bool.random(using: &random) ? far : -far
    }

    private mutating func set(to next: Int64) {
      last = "set to \(next)"
      shard.clock.set(by: .milliseconds(next - offset))
      offset = next
    }

    private mutating func restart() async throws {
      set(to: 0)
      let off = Int64.random(
        in: 0...[60_000, 36_000_000, 259_200_000].pick(&random), using: &random)
      last = "restart after \(off)"
      await store.close()
      shard.clock.restartMachine(after: .milliseconds(off))
      truth += off
      // The high-water may be an hour older than what the shard last did.
      if truth - lastCertain > 22 * 3_600_000 { mayDoubt = true }
      store = try shard.open()
      restarts += 1
    }

    private mutating func reopen() async throws {
      last = "reopen"
      await store.close()
      store = try shard.open()
    }

    private mutating func sweep() async throws {
      last = "sweep"
      let sweep = try await store.sweep()
      swept += Int(sweep.records)
      if sweep.isClockInDoubt {
        doubts += 1
        guard sweep.records == 0 else { throw Difference(description: "swept in doubt") }
      } else {
        lastCertain = truth
        let late = try stored().filter { expiry($0) + Self.tolerance <= truth }
        guard late == [] else { throw Difference(description: "\(late) was not swept") }
      }
    }

    // MARK: Checks

    private func expiry(_ key: String) -> Int64 { expiries[key] ?? 0 }

    private func stored() throws -> Set<String> {
      Set(try shard.texts("SELECT CAST(key AS TEXT) FROM record"))
    }

    mutating func check() throws {
      let stored = try stored()
      let early = expiries.keys.filter { !stored.contains($0) && !gone.contains($0) }
      for key in early {
        guard expiry(key) - Self.tolerance <= truth else {
          throw Difference(description: "\(key) was deleted \(expiry(key) - truth) ms early")
        }
        gone.insert(key)
      }
      let visible = Set(try store.keys())
      for (key, expiry) in expiries {
        if visible.contains(key), truth > expiry + Self.tolerance {
          throw Difference(description: "\(key) is visible \(truth - expiry) ms late")
        }
        if !visible.contains(key), truth < expiry - Self.tolerance {
          throw Difference(description: "\(key) is hidden \(expiry - truth) ms early")
        }
      }
      let isDoubted = store.isClockInDoubt
      if abs(offset) > 100_000, !isDoubted {
        throw Difference(description: "a clock \(offset) ms off is not doubted")
      }
      if offset == 0, !mayDoubt, isDoubted {
        throw Difference(description: "a right clock is doubted")
      }
    }
  }
}
