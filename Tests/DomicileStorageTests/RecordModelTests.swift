import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// A shard does what a dictionary would do: 100,000 random steps, and no difference. Under the thread sanitizer they take
/// some minutes.
@Suite(.timeLimit(.minutes(15))) struct RecordModelTests {
  private static let stepsPerSeed = 25_000

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func `a shard and a plain model never differ`(seed: UInt64) async throws {
    let homes = [HomeReference.ada, .ben, .numbered(3)]
    let shard = try await TestShard(seed: seed, homes: [HomeStaging(homes[2], "IE")])
    var run = try Run(shard: shard, homes: homes, seed: seed)
    for step in 0..<Self.stepsPerSeed {
      do {
        try await run.step()
      } catch {
        Issue.record("seed \(seed), step \(step): \(error)")
        break
      }
    }
    await run.store.close()
    // The run has been everywhere, or it proves little.
    #expect(run.counts.refusals > Self.stepsPerSeed / 50)
    #expect(run.counts.records > Self.stepsPerSeed / 5)
    #expect(run.counts.reopenings > Self.stepsPerSeed / 2_000)
  }

  private struct Difference: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }

  private struct Run {
    let shard: TestShard
    let homes: [HomeReference]
    var store: SQLiteShard
    var script: RecordScript
    var model = RecordModel()
    var counts = (refusals: 0, records: 0, reopenings: 0)

    init(shard: TestShard, homes: [HomeReference], seed: UInt64) throws {
      self.shard = shard
      self.homes = homes
      store = try shard.open { $0.limits.walPagesBeforeCheckpoint = 200 }
      script = RecordScript(seed: seed, homes: homes)
    }

    var now: Int64 { shard.clock.now.milliseconds }

    mutating func step() async throws {
      switch script.next(model, now: now) {
      case .write(let request): try compare(request, await Self.write(request, to: store))
      case .writeTogether(let requests): try await writeTogether(requests)
      case .read(let home, let collection, let keys):
        let found = try store.records(home: home, collection: collection, keys: keys)
        let place = RecordModel.Place(home: home, collection: collection)
        for (key, record) in zip(keys, found) {
          try equal(record?.entry, model.record(place, key, at: now), "the record \(key.bytes)")
        }
        guard found.count == keys.count else { throw Difference("\(found.count) answers") }
      case .page(let request): _ = try page(request)
      case .walk(var request):
        repeat { request.after = try page(request) } while request.after != nil
      case .advance(let duration): shard.clock.advance(by: duration)
      case .reopen: try await reopen()
      }
    }

    // MARK: Writing

    private static func write(
      _ request: WriteRequest, to store: SQLiteShard
    ) async -> Result<[RecordOutcome], StorageError> {
      do throws(StorageError) {
        return .success(try await store.write(request, by: .soon))
      } catch {
        return .failure(error)
      }
    }

    private mutating func writeTogether(_ requests: [WriteRequest]) async throws {
      let results = await withTaskGroup { [store] group in
        for (index, request) in requests.enumerated() {
          group.addTask { (index, await Self.write(request, to: store)) }
        }
        return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      }
      for (index, request) in requests.enumerated() {
        guard let result = results[index] else { throw Difference("no answer") }
        try compare(request, result)
      }
    }

    private mutating func compare(
      _ request: WriteRequest, _ result: Result<[RecordOutcome], StorageError>
    ) throws {
      switch (model.plan(request, at: now), result) {
      case (.success(let plan), .success(let outcomes)):
        try equal(outcomes.map(\.existed), plan.existed, "whether records were there")
        let arePuts = request.operations.map {
          if case .put = $0.change { true } else { false }
        }
        try equal(outcomes.map { $0.version != nil }, arePuts, "whether versions were drawn")
        model.apply(plan, outcomes)
      case (.failure(let refusal), .failure(let error)):
        try equal(error.code, refusal.code, "the refusal")
        counts.refusals += 1
      case (.success, .failure(let error)):
        throw Difference("refused against the model: \(error)")
      case (.failure(let refusal), .success):
        throw Difference("written against the model, which says \(refusal.code)")
      }
    }

    // MARK: Reading

    private mutating func page(_ request: PageRequest) throws -> RecordCursor? {
      let page = try store.page(request)
      let expected = model.page(request, at: now)
      try equal(page.records.map(\.entry), expected.records, "the page \(request)")
      try equal(page.next != nil, expected.hasMore, "whether \(request) goes on")
      try equal(page.next.map(\.key), expected.hasMore ? expected.records.last?.key : nil, "cursor")
      counts.records += page.records.count
      return page.next
    }

    /// Closes and opens the shard, and looks at all of it.
    private mutating func reopen() async throws {
      await store.close()
      store = try shard.open { $0.limits.walPagesBeforeCheckpoint = 200 }
      counts.reopenings += 1
      try equal(store.integrityFindings(), [], "the file's check")
      let now = now
      for home in homes {
        for collection in ["inbox", "threads"] {
          _ = try page(PageRequest(home: home, collection: collection, limit: 1_000))
        }
      }
      let there = model.entries.values.joined().filter { $0.isThere(at: now) }
      let tallies = try store.tallies()
      try equal(tallies.map(\.homes).reduce(0, +), Int64(homes.count), "homes")
      try equal(tallies.map(\.records).reduce(0, +), Int64(there.count), "records")
      try equal(
        tallies.map(\.bytes).reduce(0, +),
        Int64(there.map { $0.key.bytes.count + $0.value.count }.reduce(0, +)), "bytes")
    }

    private func equal<Value: Equatable>(_ found: Value, _ expected: Value, _ what: String) throws {
      guard found != expected else { return }
      throw Difference("\(what) is \(found) and should be \(expected)".prefix(2_000).description)
    }
  }
}
