import DomicileStorage
import DomicileTesting
import Foundation
import Synchronization
import Testing

/// The sweep deletes what has expired, and nothing else.
@Suite struct SweepTests {
  @Test func `what has expired goes, to the millisecond, with its labels`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      for seconds in 1...5 {
        try await store.fill([seconds], labels: ["kind": "a"], expiry: .after(.seconds(seconds)))
      }
      try await store.fill([9], labels: ["kind": "a"], expiry: .never)
      shard.clock.advance(by: .seconds(3) - .milliseconds(1))
      #expect(try await store.sweep().records == 2)
      shard.clock.advance(by: .milliseconds(1))
      let sweep = try await store.sweep()
      #expect(sweep.records == 1)
      #expect(!sweep.isClockInDoubt)
      #expect(sweep.purge == .done)
      #expect(try shard.texts("SELECT CAST(key AS TEXT) FROM record") == ["0004", "0005", "0009"])
      #expect(try shard.texts("SELECT CAST(key AS TEXT) FROM label") == ["0004", "0005", "0009"])
      #expect(try store.integrityFindings() == [])
    }
  }

  @Test(arguments: HomeState.allCases)
  func `only homes that are open or held are swept`(state: HomeState) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<150, expiry: .after(.seconds(1)))
      try await store.fill(0..<3, of: .ben, expiry: .after(.seconds(1)))
      try shard.set(state)
      shard.clock.advance(by: .seconds(1))
      let isSwept = [.active, .copying, .held].contains(state)
      #expect(try await store.sweep().records == (isSwept ? 153 : 3))
      #expect(try shard.count("record") == (isSwept ? 0 : 150))
      #expect(try shard.count("change") == (state == .copying ? 150 : 0))
    }
  }

  @Test func `a sweep that finds nothing takes no place among the writers`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in try await store.fill(0..<3, expiry: .after(.seconds(1))) }
    let transactions = try await shard.transactions { store in
      #expect(try await store.sweep().records == 0)
      try shard.set(.frozen)
      shard.clock.advance(by: .seconds(1))
      let sweep = try await store.sweep()
      #expect(sweep.records == 0)
    }
    #expect(transactions == 0)
  }

  @Test func `many records go in steps, and writers go on in between`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      for first in stride(from: 0, to: 5_000, by: 1_000) {
        try await store.fill(first..<first + 1_000, expiry: .after(.seconds(1)))
      }
    }
    shard.clock.advance(by: .seconds(1))
    let transactions = try await shard.transactions { store in
      async let sweep = store.sweep()
      for number in 0..<100 {
        try await store.fill([number], of: .ben)
        // One of the keys that are being swept: what is written anew stays.
        try await store.fill([number * 50], text: "new")
      }
      let swept = try await sweep.records
      #expect((4_900...5_000).contains(swept))
      #expect(try store.keys() == (0..<100).map { .numbered($0 * 50) })
      #expect(try store.keys(of: .ben).count == 100)
    }
    #expect(transactions >= 50)
    #expect(try shard.count("record") == 200)
  }

  @Test func `a sweep takes what comes up, though a home before it is under a hold`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<250, expiry: .after(.seconds(1)))
      try await store.fill(0..<250, of: .ben, expiry: .after(.seconds(2)))
      #expect(try await store.hold("case 7") == nil)
      shard.clock.advance(by: .seconds(2))
      #expect(try await store.sweep().records == 250)
      #expect(try await store.release("case 7") == nil)
      #expect(try await store.sweep().records == 250)
    }
  }

  @Test func `two shards of one file sweep each record once`() async throws {
    let shard = try await TestShard()
    let first = try shard.open()
    let second = try shard.open()
    try await first.fill(0..<1_000, labels: ["kind": "a"], expiry: .after(.seconds(1)))
    shard.clock.advance(by: .seconds(1))
    async let one = first.sweep().records
    async let other = second.sweep().records
    #expect(try await one + other == 1_000)
    #expect(try await first.sweep().records == 0)
    #expect(try shard.count("record") == 0)
    #expect(try second.integrityFindings() == [])
    await first.close()
    await second.close()
  }

  @Test func `a sweep waits while the clock is in doubt, and goes on once it is accepted`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<3, expiry: .after(.hours(1)))
      try await store.fill(3..<5, expiry: .after(.days(900)))
      shard.clock.set(by: .days(800))
      shard.clock.advance(by: .hours(1))
      let sweep = try await store.sweep()
      #expect(sweep.isClockInDoubt)
      #expect(sweep.records == 0)
      try await store.acceptClock()
      #expect(try await store.sweep().records == 3)
      #expect(try store.keys() == ["0003", "0004"])
    }
  }

  @Test func `much that is held is not looked at by every sweep, and none of the rest is missed`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<1_200, expiry: .after(.seconds(1)))
      #expect(try await store.hold("case-1") == nil)
      try await store.fill(0..<150, of: .ben, expiry: .after(.seconds(2)))
      shard.clock.advance(by: .seconds(3))
      #expect(try await store.sweep().records == 150)
      try await store.fill(200..<350, of: .ben, expiry: .after(.seconds(1)))
      shard.clock.advance(by: .seconds(2))
      #expect(try await store.sweep().records == 150)
      #expect(try shard.count("record") == 1_200)
    }
  }

  @Test func `a shard that is behind the directory is not swept by its old law`() async throws {
    let shard = try await TestShard()
    let generation = Mutex(LawReference.first.generation)
    try await shard.with {
      $0.readGeneration = { generation.withLock { $0 } }
    } _: { store in
      try await store.fill([1], expiry: .after(.seconds(1)))
      shard.clock.advance(by: .seconds(2))
      generation.withLock { $0 += 1 }
      let sweep = await #expect(throws: StorageError.self) { try await store.sweep() }
      #expect(sweep?.code == .policyChanged)
      let erasure = await #expect(throws: StorageError.self) { try await store.erase(token: 11) }
      #expect(erasure?.code == .policyChanged)
      #expect(try shard.count("record") == 1)
      generation.withLock { $0 -= 1 }
      #expect(try await store.sweep().records == 1)
    }
  }

  @Test func `what another process has accepted of the clock is known with the next sweep`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill([1], expiry: .after(.hours(1)))
      try await shard.with { other in
        shard.clock.set(by: .hours(5))
        #expect(try await store.sweep().isClockInDoubt)
        try await other.acceptClock()
        #expect(try await store.sweep().records == 1)
        #expect(!store.isClockInDoubt)
      }
    }
  }
}
