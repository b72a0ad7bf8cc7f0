import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// Shard time: a clock that is set makes nothing come late or go early.
@Suite struct ShardTimeTests {
  // MARK: A clock that is set

  static let jumps: [Duration] = [
    .minutes(2), .hours(1), .days(400), .days(36_500), .zero - .minutes(2), .zero - .hours(1),
    .zero - .days(400), .zero - .days(20_000),
  ]

  @Test(arguments: jumps)
  func `a clock that is set while running changes nothing but stops the sweep`(
    jump: Duration
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill([0], expiry: .after(.hours(1)))
      try await store.fill([1], expiry: .after(.hours(3)))
      shard.clock.set(by: jump)
      #expect(store.isClockInDoubt)
      #expect(try store.keys() == ["0000", "0001"])
      // What is written now has its full lifetime.
      try await store.fill([2], expiry: .after(.hours(2)))
      #expect(try store.lifetime(.numbered(2)) == 7_200)

      shard.clock.advance(by: .hours(1) - .milliseconds(1))
      #expect(try store.keys() == ["0000", "0001", "0002"])
      shard.clock.advance(by: .milliseconds(1))
      #expect(try store.keys() == ["0001", "0002"])
      let sweep = try await store.sweep()
      #expect(sweep.isClockInDoubt)
      #expect(sweep.records == 0)
      #expect(try shard.count("record") == 3)

      // Somebody sets it right again.
      shard.clock.set(by: .zero - jump)
      #expect(!store.isClockInDoubt)
      #expect(try await store.sweep().records == 1)
      #expect(try store.keys() == ["0001", "0002"])
    }
  }

  @Test(arguments: [60, -60])
  func `a clock that is set by a minute at most is followed`(seconds: Int) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      shard.clock.advance(by: .hours(1))
      shard.clock.set(by: .seconds(seconds))
      #expect(!store.isClockInDoubt)
      try await store.write(.put("a"))
      #expect(try store.record("a")?.written == shard.clock.now)
    }
  }

  @Test(arguments: [Duration.hours(5), .days(4_000), .zero - .hours(5)])
  func `a new clock that is accepted is the time from then on`(jump: Duration) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill([0], expiry: .after(.hours(1)))
      shard.clock.advance(by: .minutes(10))
      shard.clock.set(by: jump)
      try await store.acceptClock()
      #expect(!store.isClockInDoubt)
      try await store.write(.put("a"))
      #expect(try store.record("a")?.written == shard.clock.now)
      #expect(try await store.sweep().records == (jump > .zero ? 1 : 0))
    }
    try await shard.with { store async throws in
      #expect(!store.isClockInDoubt)
      #expect(try store.record("a")?.written == shard.clock.now)
    }
  }

  // MARK: Restarts of the machine

  /// How long the machine was off, whether something was swept before, and whether the clock is believed then.
  static let restarts: [(off: Duration, isBelieved: Bool)] = [
    (.zero, true), (.hours(1), true), (.hours(23), true), (.days(30), false),
    (.days(4_000), false), (.zero - .hours(1), false), (.zero - .days(400), false),
  ]

  @Test(arguments: restarts, [0, 1, 40])
  func `after a restart the clock is believed within a day`(
    restart: (off: Duration, isBelieved: Bool), daysBefore: Int
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill([0])
      for _ in 0..<daysBefore {
        shard.clock.advance(by: .days(1))
        try await store.write(.put("daily"))
      }
      try await store.fill([1], expiry: .after(.hours(2)))
    }
    shard.clock.restartMachine(after: restart.off)
    try await shard.with { store in
      #expect(store.isClockInDoubt == !restart.isBelieved)
      #expect(try store.record(.numbered(0)) != nil)
      #expect(try (store.record(.numbered(1)) == nil) == (restart.off >= .hours(2)))
      let sweep = try await store.sweep()
      #expect(sweep.records == (restart.isBelieved && restart.off >= .hours(2) ? 1 : 0))
      // A commit keeps the new anchor: it is the same for who opens the file next.
      try await store.write(.put("daily"))
    }
    try await shard.with { store in
      #expect(store.isClockInDoubt == !restart.isBelieved)
      try await store.acceptClock()
      #expect(!store.isClockInDoubt)
      try await store.sweep()
      #expect(
        try (shard.integer("SELECT count(*) FROM record WHERE key = x'30303031'") == 0)
          == (restart.off >= .hours(2)))
    }
  }

  @Test func `a shard that is swept knows the time though nobody writes`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      for _ in 0..<60 {
        shard.clock.advance(by: .hours(1))
        try await store.sweep()
      }
    }
    shard.clock.restartMachine(after: .hours(22))
    try await shard.with { store in #expect(!store.isClockInDoubt) }
    shard.clock.restartMachine(after: .zero - .hours(24))
    try await shard.with { store in #expect(store.isClockInDoubt) }
  }

  @Test func `a clock in doubt is not what later clocks are measured by`() async throws {
    let shard = try await TestShard()
    try await shard.with { try await $0.fill([0]) }
    shard.clock.restartMachine(after: .days(4_000))
    try await shard.with { store in
      #expect(store.isClockInDoubt)
      try await store.fill([1])
    }
    shard.clock.restartMachine(after: .hours(1) - .days(4_000))
    try await shard.with { store async throws in
      #expect(!store.isClockInDoubt)
      #expect(try store.keys() == ["0000", "0001"])
    }
  }

  @Test func `a time behind after a restart goes on from where it was`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      shard.clock.advance(by: .days(1))
      try await store.fill([0], expiry: .after(.hours(1)))
    }
    shard.clock.restartMachine(after: .zero - .days(100))
    try await shard.with { store async throws in
      #expect(try store.keys() == ["0000"])
      shard.clock.advance(by: .hours(1))
      #expect(try store.keys() == [])
      #expect(try await store.sweep().records == 0)
    }
  }

  @Test func `what counts after a restart is the clock when the file is first opened`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { try await $0.fill([0], expiry: .after(.hours(3))) }
    shard.clock.restartMachine(after: .hours(1))
    // Somebody reads, and sets the clock before anybody writes.
    try await shard.with { store in
      #expect(try store.keys() == ["0000"])
      shard.clock.set(by: .hours(20))
      try await store.fill([1], of: .ben)
      #expect(store.isClockInDoubt)
      #expect(try store.keys() == ["0000"])
    }
    try await shard.with { store async throws in
      #expect(store.isClockInDoubt)
      #expect(try await store.sweep().records == 0)
      #expect(try store.keys() == ["0000"])
      shard.clock.set(by: .zero - .hours(20))
      #expect(!store.isClockInDoubt)
    }
  }

  // MARK: What a wrong clock wrote

  @Test(arguments: [Duration.zero, .minutes(90), .hours(8)])
  func `what a clock ahead wrote after a restart is dated back when the right one is accepted`(
    wait: Duration
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill([0], expiry: .after(.days(1)))
    }
    let before = try shard.texts("SELECT written || ' ' || expires FROM record")
    shard.clock.restartMachine(after: .hours(3))
    try await shard.with { store in
      let written = shard.now - 3 * 3_600_000
      try await store.fill([1], expiry: .after(.days(1)))
      try await store.fill([2], expiry: .never)
      shard.clock.advance(by: wait)
      shard.clock.set(by: .zero - .hours(3))
      #expect(store.isClockInDoubt)
      #expect(try store.keys() == ["0000", "0001", "0002"])
      try shard.set(.copying)
      try await store.acceptClock()
      #expect(try shard.texts("SELECT written || ' ' || expires FROM record LIMIT 1") == before)
      #expect(try store.record(.numbered(1))?.written.milliseconds == written)
      #expect(try store.lifetime(.numbered(1)) == 86_400)
      #expect(try store.record(.numbered(2))?.written.milliseconds == written)
      #expect(try store.lifetime(.numbered(2)) == nil)
      #expect(try shard.texts("SELECT CAST(key AS TEXT) FROM change") == ["0001", "0002"])
    }
  }

  // MARK: Two processes

  @Test(arguments: [Duration.hours(1), .zero - .hours(1), .seconds(50), .zero - .seconds(50)])
  func `two shards of one file whose clocks differ agree to the minute`(
    difference: Duration
  ) async throws {
    let shard = try await TestShard()
    let clock = shard.clock
    let other = WallClock(
      { clock.now + difference / .seconds(1) },
      sinceStart: { clock.now.timeIntervalSince1970.duration }, machineRun: "manual 0")
    // Both count from the start of the same machine.
    let first = try shard.open {
      $0.clock = WallClock(
        { clock.now }, sinceStart: { clock.now.timeIntervalSince1970.duration },
        machineRun: "manual 0")
    }
    try await first.acceptClock()
    let second = try shard.open { $0.clock = other }
    #expect(second.isClockInDoubt == (difference >= .hours(1) || difference <= .zero - .hours(1)))
    let start = shard.now
    for (number, store) in [(0, first), (1, second)] {
      try await store.fill([number], expiry: .after(.hours(2)))
      let expires = try #require(try first.record(.numbered(number))?.expires)
      #expect(abs(expires.milliseconds - start - 7_200_000) <= 60_000)
    }
    clock.advance(by: .hours(2) - .seconds(61))
    _ = try await (first.sweep(), second.sweep())
    for store in [first, second] { #expect(try store.keys() == ["0000", "0001"]) }
    clock.advance(by: .seconds(61 + 60))
    for store in [first, second] { #expect(try store.keys() == []) }
    #expect(try await first.sweep().records == 2)
    await first.close()
    await second.close()
  }
}

extension Double {
  /// So many seconds.
  fileprivate var duration: Duration { .milliseconds(Int64((self * 1_000).rounded())) }
}
