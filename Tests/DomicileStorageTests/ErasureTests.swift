import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Foundation
import Synchronization
import Testing

/// Erasing a home: stamped under the erasure's token, then emptied, and nothing of it comes back.
@Suite struct ErasureTests {
  // MARK: The token

  struct Case: Sendable, CustomTestStringConvertible {
    /// What is there, with token 10; nil for no row.
    let state: HomeState?
    let token: Int64
    var isOutrun: Bool { state != nil && token < 10 }
    var testDescription: String { "\(state?.rawValue ?? "nothing"), token \(token)" }
  }

  static let cases = ([nil] + HomeState.allCases).flatMap { state in
    ([9, 10, 11] as [Int64]).map { Case(state: state, token: $0) }
  }

  @Test(arguments: cases)
  func `a home is stamped over a lower or equal token, and not under one`(
    of case: Case
  ) async throws {
    let home = HomeReference.numbered(7)
    let shard = try await TestShard(
      homes: `case`.state == nil ? [] : [HomeStaging(home, "DE")])
    if let state = `case`.state { try shard.set(state, home) }
    let before = try shard.dump("home")
    try await shard.with { store in
      for _ in 1...2 {
        #expect(
          await code { try await store.erase(home, token: `case`.token) }
            == (`case`.isOutrun ? .outrun : nil))
      }
      guard !`case`.isOutrun else { return #expect(try shard.dump("home") == before) }
      let row = try #require(try store.home(owner: home.owner, dataClass: home.dataClass))
      #expect(row.state == .erased)
      #expect(row.serial == `case`.token)
      #expect(row.profile == nil)
      #expect(row.alias.bytes == [])
      #expect(row.tags == 0)
      #expect(try store.homes(after: 0, limit: 10).map(\.state) == [.active, .active, .erased])
    }
  }

  @Test(arguments: [false, true])
  func `only a later life is staged over what was erased`(wasThere: Bool) async throws {
    let home = HomeReference.numbered(7)
    let shard = try await TestShard(homes: wasThere ? [HomeStaging(home, "DE")] : [])
    try await shard.with { store in
      if wasThere { try await store.fill(0..<10, of: home) }
      try await store.erase(home, token: 20)
      for (serial, refusal) in [(19, .outrun), (20, .outrun), (21, nil)]
        as [(Int64, StorageError.Code?)]
      {
        let staging = HomeStaging(home.with(serial: serial), "IE")
        #expect(
          try await store.stage([staging], law: .first, by: .soon).map { $0?.code } == [refusal])
      }
      let later = home.with(serial: 21)
      #expect(try await store.open([later], by: .soon).map { $0?.code } == [nil])
      #expect(try store.keys(of: later) == [])
      try await store.write(.put("new"), to: later)
      #expect(try store.keys(of: later) == ["new"])
      // The erasure of the earlier life comes late.
      #expect(await code { try await store.erase(home, token: 20) } == .outrun)
      #expect(try store.keys(of: later) == ["new"])
    }
  }

  @Test func `a later life never sees what an unfinished erasure has left`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in try await store.fill(0..<10) }
    // The process died after the stamp.
    try shard.execute("UPDATE home SET state = 'erased', serial = 20 WHERE id = 1")
    try await shard.with { store in
      let later = HomeReference.ada.with(serial: 21)
      let staging = HomeStaging(later, "DE")
      #expect(
        try await store.stage([staging], law: .first, by: .soon).map { $0?.code } == [.erasing])
      #expect(try await store.erase(token: 20).records == 10)
      #expect(try await store.stage([staging], law: .first, by: .soon).map { $0?.code } == [nil])
      _ = try await store.open([later], by: .soon)
      #expect(try store.keys(of: later) == [])
    }
  }

  @Test(arguments: [10, 20] as [Int64])
  func `an erased home answers that it has moved`(token: Int64) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a"))
      try await store.erase(token: token)
      for home in [HomeReference.ada, .ada.with(serial: token)] {
        #expect(await code { try await store.write(.put("b"), to: home) } == .moved)
        #expect(await code { try await store.write(.delete("a"), to: home) } == .moved)
        #expect(await code { _ = try store.record("a", of: home) } == .moved)
        #expect(await code { _ = try store.keys(of: home) } == .moved)
        #expect(await code { try await store.erase(.all, of: home) } == .moved)
        #expect(await code { try await store.setLifetime(.byDefault, of: home) } == .moved)
        #expect(try await store.open([home], by: .soon).map { $0?.code } == [.moved])
      }
    }
  }

  // MARK: What goes

  @Test func `all that belongs to a home goes, and nothing of its neighbours`() async throws {
    let shard = try await TestShard()
    let tables = ["record", "label", "change", "lifetime", "hold"]
    try await shard.with { store in
      for home in [HomeReference.ada, .ben] {
        try shard.set(.copying, home)
        try await store.fill(0..<150, of: home, text: "héllo", labels: ["kind": "a", "of": "b"])
        try await store.fill(0..<100, of: home, in: "threads")
        try await store.setLifetime(.seconds(.day), prefix: "0", of: home)
        #expect(try await store.hold("case 7", until: shard.now + 1_000, on: home) == nil)
      }
      shard.clock.advance(by: .seconds(1))
      for table in tables { #expect(try shard.count(table) > 0) }
      let neighbours = try tables.map { table in
        try shard.dump(table).filter { $0.hasPrefix("2,") }
      }
      let erased = try await store.erase(token: 20)
      #expect(erased.records == 250)
      #expect(erased.bytes == 150 * (4 + 6) + 100 * (4 + 5))
      #expect(erased.held == nil)
      let left = try tables.map { try shard.dump($0) }
      #expect(left == neighbours)
      #expect(
        try shard.dump("home")[0]
          == "1,X'\(String(repeating: "01", count: 16))','messages',X'',20,'erased',0,'',0,0,0,NULL"
      )
      #expect(try store.keys(of: .ben).count == 150)
      #expect(try store.integrityFindings() == [])
    }
  }

  @Test func `an erasure goes in steps, and its neighbours write in between`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in try await store.fill(0..<950) }
    let transactions = try await shard.transactions { store in
      async let erased = store.erase(token: 20)
      for number in 0..<20 { try await store.fill([number], of: .ben) }
      #expect(try await erased.records == 950)
    }
    #expect(transactions >= 10)
    #expect(try shard.count("record") == 20)
  }

  @Test func `repeating an erasure finds nothing more, under this token or a later`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<3)
      #expect(try await store.erase(token: 20).bytes == 27)
      for token in [20, 22] as [Int64] {
        let erased = try await store.erase(token: token)
        #expect(erased.records == 0)
        #expect(erased.bytes == 0)
      }
      #expect(await code { try await store.erase(token: 21) } == .outrun)
    }
  }

  @Test func `after erasure and purge no byte of it is in the files`() async throws {
    let home = HomeReference.numbered(7)
    let shard = try await TestShard()
    let marks = ["KEYMARK", "VALUEMARK", "LABELMARK", "PREFIXMARK", "HOLDMARK", "ALIASMARKALIASMA"]
    func marksFound() throws -> [String] {
      let files = try [shard.path, "\(shard.path)-wal"].map { path in
        try Data(contentsOf: URL(filePath: path))
      }
      return marks.filter { mark in files.contains { $0.range(of: Data(mark.utf8)) != nil } }
    }
    try await shard.with { store in
      let staging = HomeStaging(
        home: home, alias: OwnerAlias(bytes: Array("ALIASMARKALIASMA".utf8)),
        profile: try #require(HomeProfile("DE")))
      _ = try await store.stage([staging], law: .first, by: .soon)
      _ = try await store.open([home], by: .soon)
      for number in 0..<150 {
        try await store.write(
          .put("KEYMARK\(number)", "VALUEMARK", labels: ["kind": "LABELMARK"]), to: home)
        try await store.fill([number], of: .ben, labels: ["kind": "a"])
      }
      try await store.setLifetime(.seconds(.day), prefix: "PREFIXMARK", of: home)
      _ = try await store.hold("HOLDMARK", until: shard.now, on: home)
      #expect(try marksFound() == marks)
      try await store.erase(home, token: 20)
      #expect(await store.purge(by: .soon) == .done)
      #expect(try marksFound() == [])
    }
  }

  // MARK: Crashes

  @Test(.timeLimit(.minutes(5)), arguments: 1...12 as ClosedRange<UInt64>)
  func `kill -9 at any moment leaves an erasure that can be repeated`(seed: UInt64) async throws {
    let shard = try await TestShard(seed: seed)
    try await shard.with { store in
      for first in stride(from: 0, to: 3_000, by: 500) {
        try await store.fill(first..<first + 500, labels: ["kind": "a"])
      }
      try await store.fill(0..<50, of: .ben, labels: ["kind": "a"])
    }
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [path = shard.path as String, seed = seed as UInt64] in
      var random = SeededRandom(seed: seed)
      let deaths = Countdown(Int.random(in: 0...30, using: &random))
      let isInside = Bool.random(using: &random)
      var options = SQLiteShard.Options()
      options.clock = ManualClock().wallClock
      options.limits.walPagesBeforeCheckpoint = Int.random(in: 3...60, using: &random)
      // Inside a transaction, or between two.
      if isInside {
        options.readGeneration = {
          deaths.next(); return 1
        }
      } else {
        options.observe = { _ in deaths.next() }
      }
      let store = try SQLiteShard(path: path, identity: TestShard.identity, options: options)
      try await store.erase(token: 20)
    }
    try await shard.with { store in
      let left = try shard.integer("SELECT count(*) FROM record WHERE home = 1") ?? -1
      #expect(left % 100 == 0)
      #expect(try store.integrityFindings() == [])
      #expect(try store.erasedHomesWithRecords().count <= (left > 0 ? 1 : 0))
      #expect(try await store.erase(token: 20).records == left)
      #expect(try store.integrityFindings() == [])
      #expect(try store.keys(of: .ben).count == 50)
      #expect(try shard.count("label") == 50)
    }
  }
}

/// Kills the process after so many calls.
private final class Countdown: Sendable {
  private let left: Atomic<Int>
  init(_ count: Int) { left = Atomic(count) }
  func next() {
    if left.subtract(1, ordering: .relaxed).oldValue == 0 { kill(getpid(), SIGKILL) }
  }
}
