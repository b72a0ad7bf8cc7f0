import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Testing

/// Records of a group carry their author, and what an author wrote is erased without the rest.
@Suite struct AuthoredErasureTests {
  private let eve = OwnerAlias(bytes: [UInt8](repeating: 0xE0, count: 16))
  private let max = OwnerAlias(bytes: [UInt8](repeating: 0xA0, count: 16))

  private func write(
    _ store: SQLiteShard, _ keys: [RecordKey], by author: OwnerAlias?,
    in collection: String = "inbox",
    labels: [String: String] = [:]
  ) async throws {
    let operations = try keys.map { key in
      try RecordOperation.put(key, in: collection, labels: labels)
    }
    _ = try await store.write(
      WriteRequest(home: .ada, law: .first, operations: operations, author: author), by: .soon)
  }

  private func erase(
    _ author: OwnerAlias, _ store: SQLiteShard, serial: Int64 = 10
  ) async throws -> ErasedHome {
    let erased = await attempt(author, store, serial: serial)
    if let error = erased.error { throw error }
    return erased
  }

  private func attempt(_ author: OwnerAlias, _ store: SQLiteShard, serial: Int64 = 10) async
    -> ErasedHome
  {
    await store.erase(
      AuthoredErasure(
        group: HomeReference.ada.owner, dataClass: "messages", serial: serial, author: author,
        token: 100),
      by: .soon)
  }

  @Test func `the author is no label that a caller sees, sets or counts`() async throws {
    let shard = try await TestShard()
    let labels = Dictionary(uniqueKeysWithValues: (1...8).map { ("name\($0)", "v") })
    try await shard.with { store in
      try await write(store, ["a"], by: eve, labels: labels)
      let record = try #require(try store.record("a"))
      #expect(record.labels == labels)
      #expect(record.author == RecordAuthor(eve))
      #expect(try store.keys(labelled: "name1", "v") == ["a"])
      #expect(throws: StorageError.self) { try RecordOperation.put("b", labels: ["": "v"]) }
      // Whoever writes it next is its author; nobody, in a user's own home.
      try await write(store, ["a"], by: max)
      #expect(try store.record("a")?.author == RecordAuthor(max))
      try await write(store, ["a"], by: nil)
      #expect(try store.record("a")?.author == nil)
      try await store.write(.delete("a"))
    }
    #expect(try shard.recordRows() == [])
  }

  @Test func `what one author wrote goes, in all collections of the class, and nothing else does`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      let many = (0..<250).map { RecordKey.numbered($0) }
      try await write(store, many, by: eve, labels: ["kind": "note"])
      try await write(store, ["a", "b"], by: eve, in: "threads")
      try await write(store, ["c", "d"], by: max, in: "threads")
      try await write(store, ["e"], by: nil)
      try await store.write(.put("f"), to: .ben)
      let erased = try await erase(eve, store)
      #expect(erased.records == 252)
      #expect(erased.bytes == Int64(250 * 5 + 2 * 2))
      #expect(erased.held == nil)
      #expect(try store.keys() == ["e"])
      #expect(try await erase(eve, store).records == 0)
    }
    #expect(try shard.count("record") == 4)
    #expect(try shard.count("label") == 2)
  }

  @Test func `what a move copies meanwhile is noted for it`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await write(store, ["a"], by: eve)
      try shard.set(.copying)
      #expect(try await erase(eve, store).records == 1)
    }
    #expect(try shard.count("change") == 1)
  }

  @Test func `a home that is elsewhere, or frozen, answers that it has moved`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await write(store, ["a"], by: eve)
      #expect(await code { _ = try await erase(eve, store, serial: 9) } == .moved)
      #expect(await code { _ = try await erase(eve, store, serial: 11) } == .moved)
      try shard.set(.frozen)
      #expect(await code { _ = try await erase(eve, store) } == .moved)
    }
    #expect(try shard.count("record") == 1)
  }

  @Test func `a legal hold on the group, and the shortest lifetime, keep it`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await write(store, ["a", "b"], by: eve)
      #expect(try await store.hold("case") == nil)
      let held = try await erase(eve, store)
      #expect(held.records == 0)
      #expect(held.held?.records == 2)
      #expect(held.held?.data.until == nil)
      #expect(try await store.release("case") == nil)
      try await store.keep(.limits(shortest: .day))
      shard.clock.advance(by: .hours(1))
      try await write(store, ["c"], by: eve)
      shard.clock.advance(by: .hours(23))
      let kept = try await erase(eve, store)
      #expect(kept.records == 2)
      #expect(kept.held?.records == 1)
      #expect(try store.keys() == ["c"])
    }
  }

  @Test func `what went before something stopped it is counted`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await write(store, (0..<150).map { RecordKey.numbered($0) }, by: eve)
    }
    try shard.execute(
      "UPDATE record SET labels = '?' WHERE key = (SELECT max(key) FROM record)")
    try await shard.with { store in
      let stopped = await attempt(eve, store)
      #expect(stopped.error != nil)
      #expect(stopped.records == 100)
    }
    #expect(try shard.count("record") == 50)
  }

  @Test func `what an author's erasure would leave is known before it`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      func contents(_ author: OwnerAlias?, _ holds: [HomeHold] = []) throws -> HomeContents {
        try store.contents(
          of: HomeReference.ada.owner, dataClass: "messages", author: author, holds: holds)
      }
      try await write(store, ["a", "b"], by: eve)
      try await write(store, ["c"], by: max)
      #expect(try contents(eve) == HomeContents(records: 2, held: nil))
      #expect(try contents(nil).records == 3)
      #expect(try contents(eve, [HomeHold(name: "ended", until: 1)]).held == nil)
      #expect(
        try contents(eve, [HomeHold(name: "h", until: nil)]).held?.data.rule
          == "the legal hold “h”")
      #expect(try await store.hold("case") == nil)
      #expect(try contents(max).held?.records == 1)
      #expect(try await store.release("case") == nil)
      try await store.keep(.limits(shortest: .day))
      shard.clock.advance(by: .hours(1))
      try await write(store, ["d"], by: eve)
      shard.clock.advance(by: .hours(23))
      let before = try contents(eve)
      #expect(before.records == 3)
      #expect(try await erase(eve, store).held == before.held)
      #expect(try contents(eve) == HomeContents(records: 1, held: before.held))
    }
    try await shard.with { store in
      let nobody = try store.contents(
        of: .numbered(99), dataClass: "messages", author: nil, holds: [])
      #expect(nobody == HomeContents(records: 0, held: nil))
    }
  }
}
