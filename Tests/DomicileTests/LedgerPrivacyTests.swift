import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

@testable import Domicile

/// The ledger holds nothing personal, and after an erasure nobody, with all files and keys in hand, gets from a person to an entry.
@Suite struct LedgerPrivacyTests {
  private let ada = UserID("ada")
  private let ben = UserID("ben")
  private let family = GroupID("family")

  private func files(_ deployment: TemporaryDeployment) -> [(name: String, bytes: Data)] {
    let names =
      FileManager.default.enumerator(atPath: deployment.data)?.compactMap { $0 as? String } ?? []
    return names.compactMap { name in
      FileManager.default.contents(atPath: "\(deployment.data)/\(name)").map { (name, $0) }
    }
  }

  /// Ada and Ben have lived: groups, tags, holds, reads and refusals; then Ben is erased.
  private func live(_ router: ResidencyRouter) async throws -> String {
    try await router.admit(ada, residence: "DE")
    try await router.admit(ben, residence: "US", attributes: ["scc-signed"])
    try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
    try await router.group(family, as: ben).put("hello".utf8, key: "k", in: .inbox)
    try await router.user(ben).put("hello".utf8, key: "k", in: .inbox)
    _ = try await router.retag(ben, residence: "IN")
    _ = try await router.hold(ben, name: "case-of-ben", reason: "Ben sues.")
    _ = try await router.release(hold: "case-of-ben", on: ben)
    try await router.noteRead(of: ben, dataClasses: ["messages"], command: "get")
    let alias = try await router.locate(ben).alias
    let receipt = try await router.erase(ben)
    #expect(receipt.isDone)
    #expect(receipt.alias == alias)
    return alias
  }

  @Test func `entries have no id, residence, attribute, key, value, or name of a hold`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      _ = try await live(router)
      let entries = try router.ledgerEntries(limit: 1_000)
      let encoded = try entries.map {
        String(decoding: try JSONEncoder().encode($0.entry), as: UTF8.self)
      }.joined()
      for word in [
        "\"ben\"", "ada", "family", "scc-signed", "case-of-ben", "sues", "residence", "hello",
        "inbox",
      ] {
        #expect(!encoded.contains(word), "\(word)")
      }
      #expect(entries.count > 10)
    }
  }

  @Test func `after an erasure no file has the keyed hash of the id`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let owner = router.key.owner(ofUser: "ben")
      _ = try await live(router)
      for file in files(deployment) {
        #expect(file.bytes.range(of: Data(owner.bytes)) == nil, "\(file.name)")
      }
      #expect(try router.verifyLedger().findings.isEmpty)
      let history = #expect(throws: RouterError.self) { try router.history(of: ben) }
      #expect(history?.code == .notFound)
    }
  }

  @Test func `an erasure forgets what an admission has left in a shard that is no longer named`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ben, residence: "US")
      let owner = router.key.owner(ofUser: "ben")
      try Connection(
        path: "\(deployment.data)/dublin/dublin-1.sqlite", mode: .writing
      ).run(
        """
        INSERT INTO home (owner, class, alias, serial, state, tags, profile)
        VALUES (?, 'messages', x'', 2, 'absent', 0, '')
        """, .blob(owner.bytes))
      #expect(try await router.erase(ben).isDone)
      for file in files(deployment) {
        #expect(file.bytes.range(of: Data(owner.bytes)) == nil, "\(file.name)")
      }
    }
  }

  @Test
  func
    `after an erasure only the ledger and the tombstone know the alias, and no entry has a serial`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let alias = try await live(router)
      let bytes = try #require(OwnerAlias(alias)).bytes
      for file in files(deployment) where !file.name.hasPrefix("directory.sqlite") {
        #expect(file.bytes.range(of: Data(bytes)) == nil, "\(file.name)")
        #expect(file.bytes.range(of: Data(alias.utf8)) == nil, "\(file.name)")
      }
      let directory = try Connection(
        path: "\(deployment.data)/directory.sqlite", mode: .reading)
      let columns = try directory.rows(
        """
        SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name <> 'entry'
        """, as: { ($0.text(0), $0.text(1)) })
      for (table, column) in columns {
        let isKnown = try directory.integer(
          """
          SELECT 1 FROM \(table)
          WHERE instr(CAST("\(column)" AS BLOB), ?1) OR instr(CAST("\(column)" AS BLOB), ?2) LIMIT 1
          """, .blob(bytes), .blob(Array(alias.utf8)))
        #expect(
          (isKnown != nil) == (table == "tombstone" && column == "alias"), "\(table).\(column)")
      }
      // A serial would lead from a row that has a name to the entries beside it; the policy's generation says no more than the time.
      let texts = try directory.rows("SELECT text FROM entry", as: { $0.text(0) })
      #expect(texts.count > 5)
      #expect(!texts.contains { $0.contains("serial") || $0.contains("token") })
    }
  }

  @Test
  func `texts that are older than the policy says are gone from the files, and the rest verifies`()
    async throws
  {
    let keeping = RegionFiles.small.replacing(
      "directory: {}", in: "policy.yaml",
      with: "directory: {}\n  ledger: {retention: {longest: 30d}}")
    let deployment = try await TemporaryDeployment(files: keeping)
    try await deployment.withRouter { router in
      let alias = try await live(router)
      let note = try router.checkpoint()
      deployment.clock.advance(by: .seconds(31 * 86_400))
      // The shards notice that time has passed.
      _ = await router.sweep()
      try await router.admit(UserID("cyd"), residence: "DE")
      await router.tendLedger()
      #expect(try router.ledgerEntries(from: 2, limit: 1).first?.entry == nil)
      for file in files(deployment) where file.name.hasPrefix("directory.sqlite") {
        #expect(file.bytes.range(of: Data(alias.utf8)) == nil, "\(file.name)")
      }
      let result = try router.verifyLedger(since: ["\(note)"])
      #expect(result.findings.isEmpty, "\(result.findings)")
      // The report still knows where everybody is, and what it does not know.
      let report = try await router.report(asOf: deployment.clock.now)
      #expect(report.homes.reduce(0) { $0 + $1.homes } == 5)
      // But for the key and the policy.
      #expect(report.firstEntry == result.pruned + 2)
      #expect(report.policy != nil)
      #expect(result.pruned >= 9)
      let before = try await router.report(asOf: deployment.clock.now.addingTimeInterval(-86_400))
      #expect(before.homes.reduce(0) { $0 + $1.homes } == 3)
    }
  }

  @Test func `what was refused is counted, and an entry when the hour is over`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ben, residence: "US")
      _ = try await router.retag(ben, residence: "DE")
      for _ in 0..<3 {
        await #expect(throws: RouterError.self) {
          try await router.user(ben).put("x".utf8, key: "k", in: .inbox)
        }
      }
      await router.tendLedger()
      #expect(try !router.ledgerEntries().contains { $0.entry?.kind == .refusedWrites })
      deployment.clock.advance(by: .seconds(3_600))
      await router.tendLedger()
      let entry = try #require(
        try router.ledgerEntries().compactMap(\.entry).first { $0.kind == .refusedWrites })
      let counts = try #require(entry.refusedWrites)
      #expect(
        counts.map { "\($0.count) \($0.cause) \($0.dataClass) \($0.region)" } == [
          "3 barred messages ashburn"
        ])
    }
  }

  @Test func `what a policy bars is an entry once the shards know of it, whoever applied it`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    let barring = RegionFiles.small.replacing(
      "otherwise: {store: anywhere}", in: "policy.yaml",
      with: """
          - name: no-us
            residents: US
            store: IN
            reason: A new law.
        otherwise: {store: anywhere}
        """)
    try await deployment.withRouter { router in
      try await router.admit(ben, residence: "US", dataClasses: ["messages"])
      try await router.admit(UserID("cyd"), residence: "US", dataClasses: ["messages"])
      let policy = try ResidencyPolicy(files: barring, on: router.policy.day)
      #expect(try await router.apply(policy).isApplied)
      let entries = try router.ledgerEntries().compactMap(\.entry)
      #expect(entries.suffix(2).map(\.kind) == [.policy, .barring])
      let place = try #require(entries.last?.places?.first)
      #expect(place.homes == 2)
      #expect(place.country == "US")
      #expect(place.rules == ["no-us"])
      await router.tendLedger()
      #expect(try router.ledgerEntries().count == entries.count)
    }
  }

  @Test func `what is no longer barred is counted down, and nothing twice`() async throws {
    let deployment = try await TemporaryDeployment()
    let barring = RegionFiles.small.replacing(
      "otherwise: {store: anywhere}", in: "policy.yaml",
      with: """
          - name: no-us
            residents: US
            store: IN
            reason: A new law.
        otherwise: {store: anywhere}
        """)
    try await deployment.withRouter { router in
      let users = (0..<5).map { UserID("user-\($0)") }
      for user in users {
        try await router.admit(user, residence: "US", dataClasses: ["messages"])
      }
      func violations() async throws -> [String] {
        try await router.report(asOf: deployment.clock.now).violations.map {
          "\($0.homes) in \($0.country) by \($0.rules.joined(separator: " "))"
        }
      }
      #expect(try await violations().isEmpty)
      // One who may not stay where the home is; and back.
      _ = try await router.retag(users[0], residence: "DE")
      #expect(try await violations() == ["1 in US by eu-at-home"])
      _ = try await router.retag(users[0], residence: "US")
      #expect(try await violations().isEmpty)
      let policy = try ResidencyPolicy(files: barring, on: router.policy.day)
      #expect(try await router.apply(policy).isApplied)
      #expect(try await violations() == ["5 in US by no-us"])
      #expect(try await router.erase(users[0]).isDone)
      #expect(try await violations() == ["4 in US by no-us"])
      // By other rules, and still one home; then by none.
      _ = try await router.retag(users[1], residence: "DE")
      #expect(try await violations() == ["1 in US by eu-at-home", "3 in US by no-us"])
      _ = try await router.retag(users[1], residence: "IN")
      #expect(try await violations() == ["3 in US by no-us"])
      for user in users.dropFirst(2) { #expect(try await router.erase(user).isDone) }
      #expect(try await violations().isEmpty)
      let size = try router.ledgerSize()
      #expect(try await violations().isEmpty)
      #expect(try router.ledgerSize() == size)
      #expect(try router.verifyLedger().findings.isEmpty)
    }
  }

  @Test func `a home whose tags are still to come stays an open violation`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ben, residence: "US", dataClasses: ["messages"], region: "ashburn")
    }
    let (file, away) = (
      "\(deployment.data)/ashburn/ashburn-1.sqlite", "\(deployment.folder.path)/away.sqlite"
    )
    for ending in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file + ending) }
    try FileManager.default.moveItem(atPath: file, toPath: away)
    func violations(_ router: ResidencyRouter) async throws -> [Int] {
      try await router.report(asOf: deployment.clock.now).violations.map(\.homes)
    }
    try await deployment.withRouter { router in
      let change = try await router.retag(ben, residence: "DE", deadline: .seconds(1))
      #expect(!change.isDone)
      let open = try await violations(router)
      #expect(open == [1])
    }
    try FileManager.default.moveItem(atPath: away, toPath: file)
    try await deployment.withRouter { router in
      // The shard is back, and counted before anybody has come by.
      await router.tendLedger()
      let open = try await violations(router)
      #expect(open == [1])
      let receipt = try await router.erase(ben)
      #expect(receipt.isDone)
      let left = try await violations(router)
      #expect(left.isEmpty)
    }
  }

  @Test func `a group's entries name no member, and no rule that tells of one`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let erased = try await live(router)
      let group = try await router.locate(family).alias
      let others = try await [erased, router.locate(ada).alias]
      let entries = try router.ledgerEntries(limit: 1_000).compactMap(\.entry).filter {
        $0.alias == group
      }
      #expect(entries.map(\.kind) == [.admission])
      let text = String(decoding: try JSONEncoder().encode(entries), as: UTF8.self)
      #expect(others.allSatisfy { !text.contains($0) })
      #expect(entries.first?.places?.first?.rules == ["press-freedom"])
    }
  }
}
