import DomicilePolicy
import DomicileSQLite
import DomicileTesting
import Testing

@testable import DomicileStorage

/// What the writer remembers of the law must not outlive a change of it that was undone.
@Suite(.timeLimit(.minutes(1))) struct LawCacheTests {
  private struct Undone: Error {}

  private let shard: TestShard
  private let commits: GroupCommit<ShardWriter>

  init() async throws {
    let shard = try await TestShard()
    self.shard = shard
    var limits = GroupCommit<ShardWriter>.Limits()
    limits.batchDurationMax = .seconds(300)
    commits = GroupCommit(path: shard.path, place: "the shard", limits: limits) {
      () throws(StorageError) in
      try storing(in: "the shard") {
        try ShardWriter(
          connection: Connection(path: shard.path, mode: .writing), identity: TestShard.identity,
          clock: shard.clock.wallClock, random: { UInt64.random(in: .min ... .max) })
      }
    }
  }

  private func put(
    _ key: RecordKey, law: LawReference
  ) throws -> @Sendable (ShardWriter) throws -> StorageError.Code? {
    let request = WriteRequest(home: .ada, law: law, operations: [try .put(key)])
    return { writer in
      do {
        _ = try writer.write(request)
        return nil
      } catch let error as StorageError {
        return error.code
      }
    }
  }

  @Test func `within a batch, whoever comes after a change is judged by it`() async throws {
    let held = await HeldCommit(commits)
    let before = await held.submit(try put("a", law: .first))
    let raise = await held.submit { try $0.raise(to: .second, law: .ireland, accepts: []) }
    let old = await held.submit(try put("b", law: .first))
    let new = await held.submit(try put("c", law: .second))
    try await held.release()
    #expect(try await before.value == nil)
    #expect(try await raise.value)
    #expect(try await old.value == .policyChanged)
    #expect(try await new.value == .barred)
    await commits.close()
    #expect(try shard.integer("SELECT count(*) FROM record") == 1)
  }

  @Test func `a change that was undone by itself decides nothing`() async throws {
    let held = await HeldCommit(commits)
    let raise = await held.submit { writer in
      _ = try writer.raise(to: .second, law: .ireland, accepts: [])
      throw Undone()
    }
    let old = await held.submit(try put("b", law: .first))
    let new = await held.submit(try put("c", law: .second))
    try await held.release()
    await #expect(throws: StorageError.self) { try await raise.value }
    #expect(try await old.value == nil)
    #expect(try await new.value == .policyChanged)
    await commits.close()
    #expect(try shard.integer("SELECT count(*) FROM record") == 1)
  }

  @Test func `a change that was lost with its batch, and not done again, decides nothing`()
    async throws
  {
    let held = await HeldCommit(commits)
    let isAgain = Flag()
    let raise = await held.submit { writer in
      if isAgain.isRaised { throw Undone() }
      isAgain.raise()
      _ = try writer.raise(to: .second, law: .ireland, accepts: [])
    }
    let loser = await held.submit { writer in
      try writer.connection.execute("ROLLBACK")
      throw Undone()
    }
    let old = await held.submit(try put("b", law: .first))
    let new = await held.submit(try put("c", law: .second))
    try await held.release()
    await #expect(throws: StorageError.self) { try await raise.value }
    await #expect(throws: StorageError.self) { try await loser.value }
    #expect(try await old.value == nil)
    #expect(try await new.value == .policyChanged)
    await commits.close()
    #expect(try shard.integer("SELECT count(*) FROM record") == 1)
  }
}
