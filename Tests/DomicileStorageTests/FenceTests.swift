import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Synchronization
import Testing

/// Promise 1, in the shard: nothing is written but behind everything that the shard itself knows.
@Suite struct FenceTests {
  struct Refusal: Sendable, CustomTestStringConvertible {
    let what: String
    /// What makes it so, past the shard.
    var sql = ""
    var home = HomeReference.ada
    var law = LawReference.first
    let code: StorageError.Code
    var testDescription: String { what }
  }

  static let beliefs = [
    Refusal(what: "a home that is not here", home: .numbered(9), code: .moved),
    Refusal(
      what: "a home of another class", home: .numbered(1, dataClass: "payments"), code: .moved),
    Refusal(what: "a serial of the past", home: .ada.with(serial: 9), code: .moved),
    Refusal(what: "a serial of the future", home: .ada.with(serial: 11), code: .moved),
    Refusal(what: "tags of the past", home: .ada.with(tags: 4), code: .retagged),
    Refusal(what: "tags of the future", home: .ada.with(tags: 6), code: .retagged),
    Refusal(
      what: "a generation of the past",
      law: LawReference(generation: 0, digest: LawReference.first.digest), code: .policyChanged),
    Refusal(
      what: "a generation of the future",
      law: LawReference(generation: 2, digest: LawReference.first.digest), code: .policyChanged),
    Refusal(
      what: "another digest",
      law: LawReference(generation: 1, digest: LawReference.second.digest), code: .policyChanged),
    Refusal(
      what: "an empty digest", law: LawReference(generation: 1, digest: PolicyDigest(bytes: [])),
      code: .policyChanged),
  ]

  static let states: [Refusal] =
    HomeState.allCases.compactMap { state in
      let code: StorageError.Code
      switch state {
      case .active, .copying: return nil
      case .absent, .moved, .erased, .held: code = .moved
      case .incoming: code = .notOpen
      case .frozen: code = .frozen
      }
      return Refusal(
        what: "a home that is \(state)", sql: "UPDATE home SET state = '\(state)'", code: code)
    } + [
      Refusal(
        what: "a home in a state of a later version", sql: "UPDATE home SET state = 'resting'",
        code: .moved)
    ]

  static let laws = [
    Refusal(
      what: "a profile of another country", sql: "UPDATE home SET profile = 'US'", code: .barred),
    Refusal(
      what: "a profile with an attribute that the law forbids",
      sql: "UPDATE home SET profile = 'DE minor'", code: .barred),
    Refusal(what: "a profile that is none", sql: "UPDATE home SET profile = 'de'", code: .barred),
    Refusal(what: "an empty profile", sql: "UPDATE home SET profile = ''", code: .barred),
    Refusal(
      what: "a profile with an attribute that the policy does not know",
      sql: "UPDATE home SET profile = 'DE vip'", code: .barred),
    Refusal(what: "no law at all", sql: "DELETE FROM law", code: .barred),
    Refusal(
      what: "a law for a country that is none", sql: "UPDATE law SET residence = 'Germany'",
      code: .barred),
    Refusal(
      what: "a home that is copied, of a profile that the law forbids",
      sql: "UPDATE home SET profile = 'US', state = 'copying'", code: .barred),
  ]

  static let collections = [
    Refusal(
      what: "a collection of another class",
      sql: "UPDATE home SET class = 'payments' WHERE profile = 'DE'",
      home: .numbered(1, dataClass: "payments"), code: .policyChanged),
    Refusal(
      what: "a collection that the law does not list",
      sql: "DELETE FROM law_collection WHERE collection = 'inbox'", code: .policyChanged),
  ]

  @Test(arguments: beliefs + states + collections + laws)
  func `what does not hold in the shard is refused and nothing is written`(
    refusal: Refusal
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { try await $0.write(.put("old", labels: ["kind": "a"])) }
    if !refusal.sql.isEmpty { try shard.execute(refusal.sql) }
    let before = try shard.recordRows()
    try await shard.with { store in
      let changes: [[RecordOperation]] = [
        [try .put("new")],
        [try .put("old", labels: ["kind": "b"])],
        [try .put("new"), try .delete("old")],
        [try .delete("old"), try .put("new")],
      ]
      for operations in changes {
        let request = WriteRequest(
          home: refusal.home, law: refusal.law, operations: operations)
        let error = await #expect(throws: StorageError.self) {
          try await store.write(request, by: .soon)
        }
        #expect(error?.code == refusal.code)
        #expect(error?.message.hasSuffix("; nothing was written.") == true)
      }
    }
    #expect(try shard.recordRows() == before)
  }

  @Test(arguments: beliefs + states + collections)
  func `a deletion passes the same fence, but for the law's profiles`(
    refusal: Refusal
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { try await $0.write(.put("old")) }
    if !refusal.sql.isEmpty { try shard.execute(refusal.sql) }
    let before = try shard.recordRows()
    try await shard.with { store in
      let code = await code {
        try await store.write(.delete("old"), to: refusal.home, law: refusal.law)
      }
      #expect(code == refusal.code)
    }
    #expect(try shard.recordRows() == before)
  }

  @Test(arguments: states)
  func `a home that is not open answers no read, not even with nothing`(
    refusal: Refusal
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { try await $0.write(.put("old")) }
    try shard.execute(refusal.sql)
    try await shard.with { store in
      for key in ["old", "never"] as [RecordKey] {
        #expect(await code { _ = try store.record(key) } == refusal.code)
        #expect(
          await code { _ = try store.records(home: .ada, collection: "inbox", keys: [key, key]) }
            == refusal.code)
      }
      #expect(
        await code {
          _ = try store.page(PageRequest(home: .ada, collection: "inbox", limit: 1))
        } == refusal.code)
    }
  }

  @Test func `reads ask for the serial and the tags`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a"))
      #expect(try store.record("a", of: .ada) != nil)
      #expect(await code { _ = try store.record("a", of: .ada.with(tags: 99)) } == .retagged)
      #expect(await code { _ = try store.record("a", of: .ada.with(serial: 9)) } == .moved)
      #expect(await code { _ = try store.record("a", of: .numbered(9)) } == .moved)
    }
  }

  // MARK: Barred

  @Test func `what is barred can still be read and deleted`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a", labels: ["kind": "x"]), .put("b"), .put("c"))
      _ = try await store.raise(to: .second, law: .ireland, accepts: [], by: .soon)
      #expect(await code { try await store.write(.put("d"), law: .second) } == .barred)
      #expect(try store.record("a")?.text == "v")
      #expect(try store.keys(labelled: "kind", "x") == ["a"])
      let outcomes = try await store.write(.delete("a"), .delete("b"), law: .second)
      #expect(outcomes.map(\.existed) == [true, true])
      #expect(
        try store.page(PageRequest(home: .ada, collection: "inbox", limit: 9)).records
          .map(\.key.text) == ["c"])
      #expect(try store.tallies().first { $0.profile.description == "DE" }?.isBarred == true)
      try await store.write(.put("a"), to: .ben, law: .second)
    }
  }

  // MARK: The law changes

  @Test func `a write under the law of yesterday is refused from the moment of the change`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a"))
      #expect(try await store.raise(to: .second, law: .ireland, accepts: [], by: .soon))
      #expect(await code { try await store.write(.put("b")) } == .policyChanged)
      #expect(await code { try await store.write(.delete("a")) } == .policyChanged)
      #expect(await code { try await store.write(.put("b"), law: .second) } == .barred)
      #expect(
        try await store.raise(to: .third, law: .germanyAndIreland, accepts: [], by: .soon))
      #expect(await code { try await store.write(.put("b"), law: .second) } == .policyChanged)
      try await store.write(.put("b"), law: .third)
    }
    #expect(try shard.integer("SELECT count(*) FROM record") == 2)
  }

  @Test func `a law is never lowered`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      #expect(try await store.raise(to: .third, law: .ireland, accepts: ["IE"], by: .soon))
      let lower: [LawReference] = [
        .first, .second, LawReference(generation: 3, digest: LawReference.second.digest),
      ]
      for reference in lower {
        #expect(
          try await !store.raise(to: reference, law: .germanyAndIreland, accepts: [], by: .soon))
      }
      let (reference, law) = try store.stampedLaw()
      #expect(reference == .third)
      #expect(law == .ireland)
      #expect(await code { try await store.write(.put("a"), law: .third) } == .barred)
    }
  }

  @Test func `a law that was damaged is put right under its own generation`() async throws {
    let shard = try await TestShard()
    for table in ["law", "law_collection", "law_attribute"] {
      try shard.execute("DELETE FROM \(table)")
      try await shard.with { store in
        #expect(
          try await store.raise(
            to: .first, law: .germanyAndIreland, accepts: ["EU"], by: .soon))
        #expect(try store.stampedLaw().1 == .germanyAndIreland, "\(table)")
        try await store.write(.put("a"))
      }
    }
  }

  @Test func `what the directory has in force is asked before each batch`() async throws {
    let shard = try await TestShard()
    let generation = Mutex<Int64?>(1)
    let reader: @Sendable () throws -> Int64 = {
      guard let current = generation.withLock({ $0 }) else {
        throw StorageError(.unavailable, "The directory is gone.")
      }
      return current
    }
    try await shard.with {
      $0.readGeneration = reader
    } _: { store in
      try await store.write(.put("a"))
      // The directory has gone on, and the shard does not know it yet.
      generation.withLock { $0 = 2 }
      #expect(await code { try await store.write(.put("b")) } == .policyChanged)
      #expect(await code { try await store.write(.put("b"), law: .second) } == .policyChanged)
      #expect(await code { try await store.write(.delete("a")) } == .policyChanged)
      let staging = HomeStaging(.numbered(7), "DE")
      let refusals = try await store.stage([staging], law: .first, by: .soon)
      #expect(refusals.map { $0?.code } == [.policyChanged])
      #expect(try store.record("a") != nil)
      _ = try await store.raise(to: .second, law: .germanyAndIreland, accepts: [], by: .soon)
      try await store.write(.put("b"), law: .second)
      // Without a directory nothing is written.
      generation.withLock { $0 = nil }
      #expect(await code { try await store.write(.put("c"), law: .second) } == .unavailable)
      generation.withLock { $0 = 2 }
      try await store.write(.put("d"), law: .second)
    }
    #expect(
      try shard.dump("record").map { $0.prefix(16) } == [
        "1,'inbox',X'61',", "1,'inbox',X'62',", "1,'inbox',X'64',",
      ])
  }

  @Test func `a law that cannot be kept changes nothing`() async throws {
    let shard = try await TestShard()
    let twice = ShardLaw.messages(of: [.irish, .irish])
    try await shard.with { store in
      #expect(
        await code {
          _ = try await store.raise(to: .second, law: twice, accepts: [], by: .soon)
        } == .unavailable)
      try await store.write(.put("a"))
      let (reference, law) = try store.stampedLaw()
      #expect(reference == .first)
      #expect(law == .germanyAndIreland)
    }
  }

  @Test func `a shard that was never stamped takes nothing`() async throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/new.sqlite"
    try SQLiteShard.create(path: path, identity: TestShard.identity)
    let store = try SQLiteShard(path: path, identity: TestShard.identity)
    let unstamped = LawReference(generation: 0, digest: PolicyDigest(bytes: []))
    let refusals = try await store.stage(
      [HomeStaging(.ada, "DE")], law: unstamped, by: .soon)
    #expect(refusals.map { $0?.code } == [.barred])
    await store.close()
  }

  // MARK: Copying

  @Test func `a home that is copied notes the keys that change`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a"), .put("b"), .put("c"), .put("d", in: "threads"))
    }
    try shard.execute("UPDATE home SET state = 'copying' WHERE profile = 'DE'")
    try await shard.with { store in
      try await store.write(.put("a", "new"))
      try await store.write(.put("e"), .delete("b"))
      try await store.write(.delete("d", in: "threads"))
      // Nothing changes: no such record, a condition that does not hold, another home.
      try await store.write(.delete("never"))
      #expect(await code { try await store.write(.put("c", if: .absent)) } == .versionMismatch)
      #expect(
        await code { try await store.write(.put("f"), .put("c", if: .absent)) }
          == .versionMismatch)
      try await store.write(.put("a"), to: .ben)
      #expect(try store.record("a")?.text == "new")
    }
    #expect(
      try shard.dump("change") == [
        "1,'inbox',X'61'", "1,'inbox',X'62'", "1,'inbox',X'65'", "1,'threads',X'64'",
      ])
  }
}
