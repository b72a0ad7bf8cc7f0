import DomicileDirectory
import DomicilePolicy
import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// The file of a directory, its serials, users and policies.
@Suite struct SQLiteDirectoryTests {
  // MARK: The file

  @Test func `a directory that was made is opened with its policy and shards`() async throws {
    let test = try TestDirectory()
    #expect(SQLiteDirectory.exists(path: test.path))
    try await test.open { directory in
      let applied = try directory.policyInForce()
      #expect(applied.files == test.policy.files)
      #expect(applied.reference.digest == test.policy.digest)
      #expect(applied.applied == ManualClock().now)
      #expect(try directory.reference() == applied.reference)
      #expect(directory.deployment.count == 16)
      #expect(directory.keyCheck == test.key.checkValue)
      #expect(
        try directory.shards().map { "\($0.region)/\($0.name) \($0.country) \($0.isCreated)" } == [
          "ashburn/ashburn-1 US false", "dublin/dublin-1 IE false", "dublin/dublin-2 IE false",
          "mumbai/mumbai-1 IN false",
        ])
      #expect(try directory.integrityFindings() == [])
    }
  }

  @Test func `making a directory that is complete changes nothing`() async throws {
    let test = try TestDirectory()
    let before = try await test.open { directory in
      (directory.deployment, try directory.reference())
    }
    var random = SeededRandom(seed: 2)
    let other = RegionFiles.small.replacing("small", in: "policy.yaml", with: "other")
    try SQLiteDirectory.create(
      path: test.path, key: test.key, ledgerKey: test.ledgerKey,
      policy: ResidencyPolicy(files: other),
      using: &random)
    let after = try await test.open { directory in
      (directory.deployment, try directory.reference())
    }
    #expect(before == after)
  }

  @Test func `another key does not open it`() throws {
    let test = try TestDirectory()
    let other = try #require(HashKey(bytes: 1..<33))
    let error = try #require(throws: StorageError.self) {
      try SQLiteDirectory(path: test.path, key: other)
    }
    #expect(error.code == .wrongKey)
  }

  @Test func `files that are no directory do not open`() throws {
    let test = try TestDirectory()
    let other = "\(test.folder.path)/other.sqlite"
    let connection = try Connection(path: other, mode: .creating)
    try connection.execute("CREATE TABLE t (x)")
    let foreign = try #require(throws: StorageError.self) {
      try SQLiteDirectory(path: other, key: test.key)
    }
    #expect(foreign.code == .foreignFile)
    #expect(!SQLiteDirectory.exists(path: other))

    let text = try test.folder.write(String(repeating: "text ", count: 1_000), to: "text")
    let damaged = try #require(throws: StorageError.self) {
      try SQLiteDirectory(path: text, key: test.key)
    }
    #expect(damaged.code == .corrupt)
    #expect(!SQLiteDirectory.exists(path: text))

    let missing = try #require(throws: StorageError.self) {
      try SQLiteDirectory(path: "\(test.folder.path)/missing", key: test.key)
    }
    #expect(missing.code == .unavailable)
    #expect(!FileManager.default.fileExists(atPath: "\(test.folder.path)/missing"))
  }

  @Test func `a directory of a later format does not open`() throws {
    let test = try TestDirectory()
    try Connection(path: test.path, mode: .writing).execute("PRAGMA user_version = 6")
    let error = try #require(throws: StorageError.self) {
      try SQLiteDirectory(path: test.path, key: test.key)
    }
    #expect(error.code == .foreignFile)
  }

  @Test func `a directory of format 2 is brought to this one, with all it holds`() async throws {
    let test = try TestDirectory()
    try await test.open { try await $0.place([test.plan("ada")]) }
    try Connection(path: test.path, mode: .writing).execute(
      """
      DROP TABLE entry; DROP TABLE subtree; DROP TABLE ledger; DROP TABLE signing_key;
      DROP INDEX hold_telling; ALTER TABLE hold DROP COLUMN telling;
      DROP TABLE refused_write; DROP TABLE tally; DROP TABLE move; ALTER TABLE placement DROP COLUMN is_admitted;
      ALTER TABLE tombstone ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
      DROP TABLE member; DROP TABLE outbox; ALTER TABLE user DROP COLUMN is_group;
      PRAGMA user_version = 2
      """)
    try await test.open { directory in
      let ada = try #require(try directory.user(test.key.owner(ofUser: "ada")))
      #expect(!ada.isGroup)
      #expect(ada.placements.map(\.shard) == ["ashburn-1"])
      // The ledger begins with the homes that there were.
      let first = try #require(try directory.entries(from: 0, limit: 10).first?.entry)
      #expect(first.kind == .pruning)
      #expect(first.totals?.map(\.homes) == [1])
      #expect(try directory.verifyLedger(since: []).findings.isEmpty)
      let european = try #require(ResidencyProfile("DE"))
      #expect(
        try await directory.changeTags(
          of: ada.owner, to: european, law: directory.reference(), by: .soon))
      let pending = try directory.pendingTags(of: nil, after: nil, limit: 10)
      #expect(pending.map(\.staging.home.dataClass) == ["messages"])
      try await directory.noteStamped(pending, by: .soon)
      #expect(try directory.pendingTags(of: nil, after: nil, limit: 10).isEmpty)
    }
  }

  @Test func `what was stamped with tags that have changed again stays pending`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      try await directory.place([test.plan("ada")])
      let owner = test.key.owner(ofUser: "ada")
      for residence in ["DE", "IE"] {
        let profile = try #require(ResidencyProfile(residence))
        let first = try directory.pendingTags(of: owner, after: nil, limit: 10)
        #expect(
          try await directory.changeTags(
            of: owner, to: profile, law: directory.reference(), by: .soon))
        try await directory.noteStamped(first, by: .soon)
        let pending = try directory.pendingTags(of: owner, after: nil, limit: 10)
        #expect(pending.map(\.staging.profile) == [HomeProfile(profile)])
      }
    }
  }

  @Test func `a group follows its members, however many have the same tags`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      let users = (0..<9).map { "user \($0)" }
      for (number, user) in users.enumerated() {
        try await directory.place([test.plan(user, ["US", "DE", "IE"][number % 3])])
      }
      let owners = users.map(test.key.owner(ofUser:))
      let group = test.key.owner(ofGroup: "group")
      let profile = try #require(HomeProfile("DE\nIE\nUS"))
      let plan = AdmissionPlan(
        owner: group, alias: OwnerAlias(bytes: group.bytes), profile: profile,
        kind: .newGroup(
          members: owners.map { GroupMember(user: $0, author: OwnerAlias(bytes: $0.bytes)) }),
        targets: [
          AdmissionPlan.Target(
            dataClass: "messages", shards: ["dublin-1"], legalShards: ["dublin-1"])
        ])
      try await directory.place([plan])
      var tags = try #require(try directory.user(group)).tags
      // Those who live in Ireland leave, one after the other; each leaving is a new version.
      for (number, owner) in owners.enumerated() where number % 3 == 2 {
        #expect(try await directory.leave(group, user: owner, by: .soon))
        let entry = try #require(try directory.user(group))
        #expect(entry.tags > tags)
        #expect("\(entry.profile)" == (number == 8 ? "DE\nUS" : "DE\nIE\nUS"))
        tags = entry.tags
      }
      #expect(try directory.authors(in: group).count == 6)
      // A change of one member's tags that the group's set does not show is none of its home's business.
      let american = try #require(ResidencyProfile("US"))
      #expect(
        try await directory.changeTags(
          of: owners[1], to: american, law: directory.reference(), by: .soon))
      #expect(try directory.user(group)?.tags == tags)
    }
  }

  @Test func `texts that were changed do not come into force`() async throws {
    let test = try TestDirectory()
    try Connection(path: test.path, mode: .writing).execute(
      "UPDATE policy_text SET text = replace(text, 'EU', 'US') WHERE path = 'policy.yaml'")
    try await test.open { directory in
      let error = try #require(throws: StorageError.self) { try directory.policyInForce() }
      #expect(error.code == .corrupt)
    }
  }

  // MARK: Serials

  @Test func `serials only grow and none comes back after opening again`() async throws {
    let test = try TestDirectory()
    var serials: [Int64] = []
    for round in 0..<4 {
      try await test.open { directory in
        for number in 0..<5 {
          let tickets = try await directory.begin([test.plan("\(round) \(number)")])
          serials += tickets.flatMap { [$0.home.tags, $0.home.serial] }
          // Taken over: the token grows and the version of the tags stays.
          let again = try await directory.begin([test.plan("\(round) \(number)")])
          #expect(again.map(\.home.tags) == tickets.map(\.home.tags))
          serials += again.map(\.home.serial)
        }
        let files = RegionFiles.small.replacing(
          "policy: small", in: "policy.yaml", with: "policy: small-\(round)")
        let reference = try await directory.apply(
          ResidencyPolicy(files: files), at: ManualClock().now, by: .soon)
        serials.append(reference.generation)
      }
    }
    #expect(serials.count == 4 * 16)
    #expect(serials == serials.sorted())
    #expect(Set(serials).count == serials.count)
  }

  // MARK: Phases

  @Test func `a phase begins only while its texts are in force`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      let later = try ResidencyPolicy(files: .smallDated, on: #require(PolicyDay("2026-01-11")))
      _ = try await directory.apply(
        ResidencyPolicy(files: .smallDated, on: #require(PolicyDay("2026-01-01"))),
        at: ManualClock().now,
        by: .soon)
      // Somebody applies another policy after the end of the phase was seen.
      let other = try await directory.apply(test.policy, at: ManualClock().now, by: .soon)
      #expect(
        try await directory.beginPhase(of: later, at: ManualClock().now, by: .soon) == other)
      #expect(try directory.reference() == other)
    }
  }

  @Test func `the day of the policy in force never goes back`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      let day = try #require(PolicyDay("2026-01-11"))
      _ = try await directory.apply(
        ResidencyPolicy(files: .smallDated, on: day), at: ManualClock().now, by: .soon)
      let other = try ResidencyPolicy(
        files: RegionFiles.smallDated.replacing("A law", in: "policy.yaml", with: "The law"),
        on: #require(PolicyDay("2026-01-01")))
      let reference = try await directory.apply(other, at: ManualClock().now, by: .soon)
      #expect(try directory.reference() == reference)
      #expect(try directory.day() == day)
    }
    // A writer that comes later does not either.
    let kept = try await test.open { directory in try directory.day() }
    #expect(kept == PolicyDay("2026-01-11"))
  }

  // MARK: Users

  @Test func `users come page by page with all their placements`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      for number in 0..<25 {
        try await directory.place([
          test.plan("\(number)"), test.plan("\(number)", dataClass: "payments"),
        ])
      }
      var found: [UserEntry] = []
      var pages = 0
      while true {
        let page = try directory.users(after: found.last?.id ?? 0, limit: 10)
        guard !page.isEmpty else { break }
        found += page
        pages += 1
      }
      #expect(pages == 3)
      #expect(found.map(\.owner) == (0..<25).map { test.key.owner(ofUser: "\($0)") })
      #expect(found.allSatisfy { $0.placements.map(\.dataClass) == ["messages", "payments"] })
      #expect(found.allSatisfy { $0.placements.allSatisfy { $0.state == .placed } })
    }
  }

  @Test func `a user is found by the hash and by nothing else`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      try await directory.place([test.plan("ada", "DE scc-signed", in: ["dublin-1"])])
      let ada = try #require(try directory.user(test.key.owner(ofUser: "ada")))
      #expect("\(ada.profile)" == "DE scc-signed")
      #expect(ada.placements.map(\.shard) == ["dublin-1"])
      #expect(try directory.user(test.key.owner(ofUser: "Ada")) == nil)
    }
  }

  @Test func `a user keeps the tags and alias of the first admission`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      try await directory.place([test.plan("ada", "DE", in: ["dublin-1"])])
      let first = try #require(try directory.user(test.key.owner(ofUser: "ada")))
      let results = try await directory.beginAdmissions(
        [test.plan("ada", "US", dataClass: "payments"), test.plan("bob")],
        law: directory.reference(), by: .soon)
      let error = try #require(throws: StorageError.self) { try results[0].get() }
      #expect(error.code == .retagged)
      #expect(try results[1].get().count == 1)
      let after = try #require(try directory.user(test.key.owner(ofUser: "ada")))
      #expect(after.alias == first.alias)
      #expect(after.tags == first.tags)
      #expect(after.placements == first.placements)
    }
  }

  // MARK: Counts

  @Test func `the counts of placements are right after any admissions`() async throws {
    let test = try TestDirectory()
    let seed = UInt64.random(in: .min ... .max)
    var random = SeededRandom(seed: seed)
    let shards = ["ashburn-1", "dublin-1", "dublin-2", "mumbai-1"]
    try await test.open { directory in
      for step in 0..<300 {
        let id = "user \(Int.random(in: 0..<40, using: &random))"
        let legal = Set(shards.filter { _ in Bool.random(using: &random) })
        guard !legal.isEmpty else { continue }
        let tickets = try await directory.begin([
          test.plan(id, in: legal.sorted(), legal: legal)
        ])
        let law = try directory.reference()
        if Bool.random(using: &random) {
          _ = try await directory.retarget(tickets, law: law, by: .soon)
        }
        if Int.random(in: 0..<10, using: &random) == 0 {
          _ = try await directory.commitAdmissions(tickets, law: law, by: .soon)
        }
        let counts = try directory.counts()
        #expect(counts.said == counts.real, "seed \(seed), step \(step)")
      }
    }
  }

  @Test func `the least loaded of equal shards is chosen and a user's classes stay together`()
    async throws
  {
    let test = try TestDirectory()
    let equal = ["dublin-1", "dublin-2"]
    try await test.open { directory in
      for number in 0..<6 { try await directory.place([test.plan("\(number)", in: equal)]) }
      #expect(try directory.counts().said == ["dublin-1": 3, "dublin-2": 3])
      for number in 0..<6 {
        try await directory.place([test.plan("\(number)", in: equal, dataClass: "payments")])
        let entry = try #require(try directory.user(test.key.owner(ofUser: "\(number)")))
        #expect(Set(entry.placements.map(\.shard)).count == 1)
      }
    }
  }
}
