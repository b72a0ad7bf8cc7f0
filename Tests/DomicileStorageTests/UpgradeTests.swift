import DomicilePolicy
import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// A shard of format 1 is brought to this format when it is opened, and loses nothing.
@Suite struct UpgradeTests {
  private static let records = 300

  private let folder: TemporaryFolder
  private var path: String { "\(folder.path)/dublin-1.sqlite" }

  /// A file with two homes, one of them with records, under the law of test shards.
  init() throws {
    folder = try .inMemory()
    let connection = try Connection(path: path, mode: .creating)
    try connection.execute(FirstFormat.sql)
    let identity = TestShard.identity
    try connection.run(
      "INSERT INTO shard VALUES (1, ?, ?, ?, ?, 'EU', ?, 1, ?, 0)", .blob(identity.deployment),
      .text(identity.name), .text(identity.region), .text(identity.country),
      .blob(identity.keyCheck), .blob(LawReference.first.digest.bytes))
    try connection.execute(
      """
      INSERT INTO law VALUES ('messages', 'DE', 'minor', ''), ('messages', 'IE', '', '');
      INSERT INTO law_collection VALUES
        ('inbox', 'messages'), ('threads', 'messages'), ('bills', 'payments');
      INSERT INTO law_attribute VALUES ('minor'), ('scc-signed');
      """)
    for home in [HomeReference.ada, .ben] {
      try connection.run(
        """
        INSERT INTO home (owner, class, alias, serial, state, tags, profile)
        VALUES (?, 'messages', x'A1', 10, 'active', 5, 'DE')
        """, .blob(home.owner.bytes))
    }
    let now = ManualClock().now.milliseconds
    for number in 0..<Self.records {
      let key = SQLValue.blob(Array(String.numbered(number).utf8))
      try connection.run(
        "INSERT INTO record VALUES (1, 'inbox', ?, ?, ?, ?, '{\"kind\":\"a\"}', x'76')", key,
        .integer(Int64(number)), .integer(now - 1_000),
        number < 100 ? .integer(now + 3_600_000) : .null)
      try connection.run("INSERT INTO label VALUES (1, 'inbox', 'kind', 'a', ?)", key)
    }
    try connection.execute("PRAGMA application_id = 0x444F4D53; PRAGMA user_version = 1")
  }

  private func open(_ clock: ManualClock = ManualClock()) throws -> SQLiteShard {
    var options = SQLiteShard.Options()
    options.clock = clock.wallClock
    return try SQLiteShard(path: path, identity: TestShard.identity, options: options)
  }

  private func schema(of path: String) throws -> [String] {
    try Connection(path: path, mode: .reading).rows(
      "SELECT name || ' ' || (SELECT group_concat(name || type || \"notnull\" || ifnull(dflt_value, '')) FROM pragma_table_info(s.name)) FROM sqlite_schema s ORDER BY name",
      as: { $0.text(0) })
  }

  @Test func `a shard of format 1 becomes one of this format, with all it holds`() async throws {
    let clock = ManualClock()
    let store = try open(clock)
    #expect(try Connection(path: path, mode: .reading).integer("PRAGMA user_version") == 4)
    #expect(!store.isClockInDoubt)
    #expect(try store.keys() == (0..<Self.records).map(String.numbered))
    #expect(try store.keys(labelled: "kind", "a").count == 100)
    let (reference, law) = try store.stampedLaw()
    #expect(reference == .first)
    #expect(law == .germanyAndIreland)
    #expect(try store.integrityFindings() == [])
    await store.close()

    let new = try await TestShard()
    #expect(try schema(of: path) == schema(of: new.path))
  }

  @Test func `what format 2 brings works on what format 1 has left`() async throws {
    let clock = ManualClock()
    var store = try open(clock)
    try await store.write(.put("new"), .delete("0299"))
    #expect(await code { try await store.write(.put("b"), law: .second) } == .policyChanged)
    try await store.setLifetime(.seconds(.day), prefix: "02")
    #expect(try store.lifetime("0200") == 86_400)
    clock.advance(by: .hours(1))
    #expect(try await store.sweep().records == 100)
    await store.close()

    store = try open(clock)
    try await store.keep(.limits(longest: .hour))
    // All were written an hour ago.
    #expect(try await store.sweep().records == 200)
    try await store.write(.put("newer"))
    #expect(try store.keys() == ["newer"])
    #expect(try await store.hold("case 7") == nil)
    #expect(try await store.erase(token: 20).held?.records == 1)
    #expect(try await store.release("case 7", on: .ada.with(serial: 20)) == nil)
    #expect(try await store.erase(token: 20).records == 1)
    #expect(try store.integrityFindings() == [])
    await store.close()
  }

  @Test func `two processes may open it at once`() async throws {
    await withTaskGroup { group in
      for writer in 0..<3 {
        group.addTask { [path] in
          _ = await #expect(processExitsWith: .success) {
            [path = path as String, writer = writer as Int] in
            var options = SQLiteShard.Options()
            options.clock = ManualClock().wallClock
            let store = try SQLiteShard(
              path: path, identity: TestShard.identity, options: options)
            for number in 0..<20 { try await store.write(.put("\(writer)/\(number)"), to: .ben) }
            await store.close()
          }
        }
      }
    }
    let store = try open()
    #expect(try store.keys(of: .ben).count == 60)
    #expect(try store.keys().count == Self.records)
    #expect(try store.integrityFindings() == [])
    await store.close()
  }

  @Test func `a file that belongs elsewhere, or is of a later format, stays as it is`() throws {
    let before = try schema(of: path)
    let other = ShardIdentity(
      deployment: TestShard.identity.deployment, name: "paris-1", region: "paris", country: "FR",
      keyCheck: TestShard.identity.keyCheck)
    func openingCode(_ identity: ShardIdentity) -> StorageError.Code? {
      do throws(StorageError) {
        _ = try SQLiteShard(path: path, identity: identity)
        return nil
      } catch {
        return error.code
      }
    }
    #expect(openingCode(other) == .foreignFile)
    #expect(try schema(of: path) == before)
    #expect(try Connection(path: path, mode: .reading).integer("PRAGMA user_version") == 1)
    try Connection(path: path, mode: .writing).execute("PRAGMA user_version = 5")
    #expect(openingCode(TestShard.identity) == .foreignFile)
    #expect(try schema(of: path) == before)
  }
}
