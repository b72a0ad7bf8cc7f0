import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Testing

/// A home is stamped with tags that have changed, over earlier ones only, in every state in which its data can be opened.
@Suite struct RetagTests {
  private func staging(
    _ profile: String, serial: Int64 = 10, tags: Int64
  ) -> HomeStaging {
    HomeStaging(.ada.with(serial: serial, tags: tags), profile)
  }

  @Test(arguments: HomeState.allCases)
  func `what has data takes the tags, what has none has moved, and what was erased needs none`(
    state: HomeState
  ) async throws {
    let shard = try await TestShard()
    try shard.set(state)
    let takes: Set<HomeState> = [.incoming, .active, .copying, .frozen, .held]
    let isRefused = !takes.contains(state) && state != .erased
    let before = try shard.dump("home")
    try await shard.with { store in
      // Repeating it is nothing new.
      for _ in 1...2 {
        let refusals = try await store.retag([staging("IE", tags: 6)], by: .soon)
        #expect(refusals.map { $0?.code } == [isRefused ? .moved : nil])
      }
      let row = try #require(try store.home(owner: HomeReference.ada.owner, dataClass: "messages"))
      #expect(row.state == state)
      #expect(row.tags == (takes.contains(state) ? 6 : 5))
      if takes.contains(state) { #expect(row.profile == HomeProfile("IE")) }
    }
    if !takes.contains(state) { #expect(try shard.dump("home") == before) }
  }

  @Test func `tags never go back, and another serial is another home`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let refusals = try await store.retag(
        [
          staging("IE", tags: 8), staging("DE", tags: 7), staging("US", tags: 8),
          staging("DE", serial: 9, tags: 9), staging("DE", serial: 11, tags: 9),
          HomeStaging(.numbered(7, tags: 9), "DE"),
        ], by: .soon)
      #expect(refusals.map { $0?.code } == [nil, nil, nil, .moved, .moved, .moved])
      let row = try #require(try store.home(owner: HomeReference.ada.owner, dataClass: "messages"))
      #expect(row.tags == 8)
      #expect(row.profile == HomeProfile("IE"))
      #expect(try store.home(owner: .numbered(7), dataClass: "messages") == nil)
    }
  }

  @Test func `a home is judged by the tags it was stamped with, from the next job of the batch on`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      let later = HomeReference.ada.with(tags: 6)
      _ = try await store.retag([staging("US", tags: 6)], by: .soon)
      #expect(await code { try await store.write(.put("a")) } == .retagged)
      #expect(await code { try await store.write(.put("a"), to: later) } == .barred)
      #expect(await code { try await store.write(.delete("a"), to: later) } == nil)
      _ = try await store.retag([staging("DE", tags: 7)], by: .soon)
      try await store.write(.put("a"), to: .ada.with(tags: 7))
    }
  }

  @Test func `a group's home takes a write only if all of its members' tags are permitted`()
    async throws
  {
    let shard = try await TestShard()
    let profiles =
      [
        ("DE\nIE", nil), ("DE\nUS", .barred), ("DE minor\nIE", .barred), ("", .barred),
        ("DE scc-signed\nIE", nil), ("DE\nIE unknown", .barred),
      ] as [(String, StorageError.Code?)]
    try await shard.with { store in
      for (number, (profile, expected)) in profiles.enumerated() {
        let tags = Int64(6 + number)
        _ = try await store.retag([staging(profile, tags: tags)], by: .soon)
        let found = await code { try await store.write(.put("a"), to: .ada.with(tags: tags)) }
        #expect(found == expected, "\(profile)")
      }
      let refused = try await store.stage(
        [HomeStaging(.numbered(7), "DE\nUS"), HomeStaging(.numbered(8), "DE\nIE")], law: .first,
        by: .soon)
      #expect(refused.map { $0?.code } == [.barred, nil])
    }
  }
}
