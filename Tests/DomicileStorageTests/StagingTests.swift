import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Testing

/// Staging, opening and dropping homes: who has the higher token decides, and every step can be repeated.
@Suite struct StagingTests {
  /// What is there before a step: a home with token 10 in a state, or no row.
  struct Case: Sendable, CustomTestStringConvertible {
    let state: HomeState?
    let token: Int64
    /// Nil where the step succeeds.
    let code: StorageError.Code?
    /// What is there then.
    let after: String?

    /// Lower than, equal to and higher than what is there.
    static let tokens: [Int64] = [9, 10, 11]

    init(
      _ state: HomeState?, token: Int64, _ code: StorageError.Code?, after: String? = nil
    ) {
      self.state = state
      self.token = token
      self.code = code
      self.after = after ?? state.map { "\($0) 10" }
    }

    var testDescription: String { "\(state?.rawValue ?? "nothing"), token \(token)" }
  }

  static let stagings: [Case] =
    [
      Case(nil, token: 10, nil, after: "incoming 10"),
      Case(.absent, token: 9, .outrun),
      Case(.absent, token: 10, nil, after: "incoming 10"),
      Case(.absent, token: 11, nil, after: "incoming 11"),
      Case(.incoming, token: 9, .outrun),
      Case(.incoming, token: 10, nil, after: "incoming 10"),
      Case(.incoming, token: 11, nil, after: "incoming 11"),
      Case(.active, token: 9, .outrun),
      // It was staged under this token and opened since: nothing is left to do.
      Case(.active, token: 10, nil),
      Case(.active, token: 11, .outrun),
      Case(.erased, token: 9, .outrun),
      // A later life needs a higher token.
      Case(.erased, token: 10, .outrun),
      Case(.erased, token: 11, nil, after: "incoming 11"),
      // What was moved away may come back to be placed here anew.
      Case(.moved, token: 9, .outrun),
      Case(.moved, token: 10, .outrun),
      Case(.moved, token: 11, nil, after: "incoming 11"),
    ]
    + [HomeState.copying, .frozen].flatMap { state in
      Case.tokens.map { Case(state, token: $0, .outrun) }
    }

  @Test(arguments: stagings)
  func `a home is staged over nothing or a lower or equal token`(of case: Case) async throws {
    try await check(`case`) { store, home in
      try await store.stage([HomeStaging(home, "DE")], law: .first, by: .soon)
    }
  }

  static let openings: [Case] =
    [
      Case(nil, token: 10, .moved),
      Case(.incoming, token: 9, .moved),
      Case(.incoming, token: 10, nil, after: "active 10"),
      Case(.incoming, token: 11, .moved),
      Case(.active, token: 9, .moved),
      Case(.active, token: 10, nil),
      Case(.active, token: 11, .moved),
      Case(.copying, token: 10, nil),
      Case(.copying, token: 11, .moved),
    ]
    + [HomeState.absent, .frozen, .moved, .erased].flatMap { state in
      Case.tokens.map { Case(state, token: $0, .moved) }
    }

  @Test(arguments: openings)
  func `a home is opened at exactly its token`(of case: Case) async throws {
    try await check(`case`) { store, home in try await store.open([home], by: .soon) }
  }

  static let drops: [Case] =
    [
      Case(nil, token: 10, nil, after: "absent 10"),
      Case(.absent, token: 9, .outrun),
      Case(.absent, token: 10, nil),
      Case(.absent, token: 11, nil, after: "absent 11"),
      Case(.incoming, token: 9, .outrun),
      Case(.incoming, token: 10, nil, after: "absent 10"),
      Case(.incoming, token: 11, nil, after: "absent 11"),
      // A later life's, which was never staged here.
      Case(.erased, token: 9, .outrun),
      Case(.erased, token: 10, .outrun),
      Case(.erased, token: 11, nil, after: "absent 11"),
    ]
    + [HomeState.active, .copying, .frozen, .moved].flatMap { state in
      Case.tokens.map { Case(state, token: $0, .outrun) }
    }

  @Test(arguments: drops)
  func `a home is dropped before it is open, and leaves its token`(of case: Case) async throws {
    try await check(`case`) { store, home in try await store.drop([home], by: .soon) }
  }

  /// Runs a step twice: what succeeded can be repeated and changes nothing more, as does what was refused.
  private func check(
    _ case: Case,
    _ step: (SQLiteShard, HomeReference) async throws -> [StorageError?]
  ) async throws {
    let home = HomeReference.numbered(7)
    let shard = try await TestShard(homes: [HomeStaging(home, "DE")])
    if let state = `case`.state {
      try shard.execute("UPDATE home SET state = '\(state)' WHERE owner = \(Self.owner)")
    } else {
      try shard.execute("DELETE FROM home WHERE owner = \(Self.owner)")
    }
    try await shard.with { store in
      for _ in 1...2 {
        let refusals = try await step(store, home.with(serial: `case`.token))
        #expect(refusals.map { $0?.code } == [`case`.code])
        let row = try store.home(owner: home.owner, dataClass: home.dataClass)
        #expect(row.map { "\($0.state) \($0.serial)" } == `case`.after)
      }
    }
    #expect(try shard.integer("SELECT count(*) FROM home WHERE state = 'active'") ?? 0 >= 2)
  }

  private static let owner = "x'07070707070707070707070707070707'"

  // MARK: The law

  @Test(arguments: [
    LawReference.second,
    LawReference(generation: 0, digest: LawReference.first.digest),
    LawReference(generation: 1, digest: LawReference.second.digest),
  ])
  func `nothing is staged under another law`(law: LawReference) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let staging = HomeStaging(.numbered(7), "DE")
      let refusals = try await store.stage([staging], law: law, by: .soon)
      #expect(refusals.map { $0?.code } == [.policyChanged])
    }
    #expect(try shard.integer("SELECT count(*) FROM home") == 2)
  }

  @Test func `what the law does not permit is not staged, and its neighbours are`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let refusals = try await store.stage(
        [
          HomeStaging(.numbered(7), "DE"), HomeStaging(.numbered(8), "US"),
          HomeStaging(.numbered(9), "DE minor"), HomeStaging(.ada.with(serial: 11), "DE"),
          HomeStaging(.numbered(11, dataClass: "payments"), "DE"), HomeStaging(.numbered(12), "IE"),
        ], law: .first, by: .soon)
      #expect(
        refusals.map { $0?.code } == [nil, .barred, .barred, .outrun, .barred, nil])
    }
    #expect(try shard.integer("SELECT count(*) FROM home WHERE state = 'incoming'") == 2)
  }

  @Test func `a home opens even where a later law bars it, and takes nothing then`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let home = HomeReference.numbered(7)
      _ = try await store.stage([HomeStaging(home, "DE")], law: .first, by: .soon)
      _ = try await store.raise(to: .second, law: .ireland, accepts: [], by: .soon)
      #expect(try await store.open([home], by: .soon).map { $0?.code } == [nil])
      #expect(
        await code { try await store.write(.put("a"), to: home, law: .second) } == .barred)
      #expect(try store.record("a", of: home) == nil)
    }
  }

  // MARK: What a row holds

  @Test func `a home that was taken over has the later profile, tags and alias`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let home = HomeReference.numbered(7)
      _ = try await store.stage([HomeStaging(home, "DE")], law: .first, by: .soon)
      let profile = try #require(HomeProfile("IE"))
      let later = HomeStaging(
        home: home.with(serial: 11, tags: 6), alias: OwnerAlias(bytes: [UInt8](0..<16)),
        profile: profile)
      _ = try await store.stage([later], law: .first, by: .soon)
      let row = try #require(try store.home(owner: home.owner, dataClass: "messages"))
      #expect(row.state == .incoming)
      #expect(row.serial == 11)
      #expect(row.tags == 6)
      #expect(row.profile == profile)
      #expect(row.alias == OwnerAlias(bytes: [UInt8](0..<16)))
    }
  }

  @Test func `a dropped home keeps nothing of the user but the key and the token`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let home = HomeReference.numbered(7)
      _ = try await store.stage([HomeStaging(home, "DE")], law: .first, by: .soon)
      _ = try await store.drop([home.with(serial: 12)], by: .soon)
      let row = try #require(try store.home(owner: home.owner, dataClass: "messages"))
      #expect(row.state == .absent)
      #expect(row.serial == 12)
      #expect(row.profile == nil)
      #expect(row.alias.bytes == [])
      #expect(row.tags == 0)
    }
  }

  @Test func `homes are listed in pages, in the order of their numbers`() async throws {
    let others = (10..<30).map { HomeStaging(.numbered($0), "IE") }
    let shard = try await TestShard(homes: others)
    try await shard.with { store in
      var found: [OwnerKey] = []
      var last: Int64 = 0
      while true {
        let page = try store.homes(after: last, limit: 7)
        #expect(page.count <= 7)
        found += page.map(\.owner)
        guard let id = page.last?.id else { break }
        last = id
      }
      #expect(
        found == [HomeReference.ada.owner, HomeReference.ben.owner] + others.map(\.home.owner))
    }
  }
}
