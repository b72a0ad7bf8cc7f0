import DomicileStorage
import DomicileTesting
import Testing

/// A shard in a SQLite file keeps what every shard promises.
@Suite(.timeLimit(.minutes(1))) struct SQLiteShardConformanceTests {
  @Test(arguments: ShardStoreConformance.checks)
  func `a SQLite shard conforms`(check: ShardStoreConformance.Check) async throws {
    let folder = try TemporaryFolder.inMemory()
    try await check.run { clock in
      let path = "\(folder.path)/shard.sqlite"
      try SQLiteShard.create(path: path, identity: TestShard.identity)
      var options = SQLiteShard.Options()
      options.clock = clock
      return try SQLiteShard(path: path, identity: TestShard.identity, options: options)
    }
  }
}
