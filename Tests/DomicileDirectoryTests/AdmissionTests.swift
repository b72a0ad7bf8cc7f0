import DomicileDirectory
import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Testing

/// The steps of an admission in the directory: what each checks.
@Suite struct AdmissionTests {
  private func changedPolicy() throws -> ResidencyPolicy {
    try ResidencyPolicy(
      files: RegionFiles.small.replacing("policy: small", in: "policy.yaml", with: "policy: other"))
  }

  @Test func `every step refuses a law that is not in force`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      let old = try directory.reference()
      let tickets = try await directory.begin([test.plan("ann")])
      _ = try await directory.apply(changedPolicy(), at: ManualClock().now, by: .soon)
      let begun = try await directory.beginAdmissions([test.plan("bob")], law: old, by: .soon)
      let refused = try #require(throws: StorageError.self) { try begun[0].get() }
      #expect(refused.code == .policyChanged)
      let retargeted = try await directory.retarget(tickets, law: old, by: .soon)
      #expect(retargeted.map { $0?.code } == [.policyChanged])
      let committed = try await directory.commitAdmissions(tickets, law: old, by: .soon)
      #expect(committed.map { $0?.code } == [.policyChanged])
      let ann = try #require(try directory.user(test.key.owner(ofUser: "ann")))
      #expect(ann.placements.map(\.state) == [.admitting])
      #expect(try directory.user(test.key.owner(ofUser: "bob")) == nil)
    }
  }

  @Test func `a generation that comes back with the same texts is another law`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      let first = try directory.reference()
      _ = try await directory.apply(changedPolicy(), at: ManualClock().now, by: .soon)
      let back = try await directory.apply(test.policy, at: ManualClock().now, by: .soon)
      #expect(back.digest == first.digest)
      #expect(back.generation > first.generation)
      let begun = try await directory.beginAdmissions([test.plan("ann")], law: first, by: .soon)
      let refused = try #require(throws: StorageError.self) { try begun[0].get() }
      #expect(refused.code == .policyChanged)
    }
  }

  @Test func `a target half way is kept while it is legal`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      let first = try await directory.begin([test.plan("ann", in: ["dublin-2"])])[0]
      let legal: Set = ["dublin-1", "dublin-2", "mumbai-1"]
      let again = try await directory.begin([test.plan("ann", in: ["dublin-1"], legal: legal)])[0]
      #expect(again.shard == "dublin-2")
      #expect(again.illegalShard == nil)
      #expect(again.home.serial > first.home.serial)
      let late = try await directory.commitAdmissions(
        [first], law: directory.reference(), by: .soon)
      #expect(late.map { $0?.code } == [.outrun])
      let good = try await directory.commitAdmissions(
        [again], law: directory.reference(), by: .soon)
      #expect(good.map { $0?.code } == [nil])
    }
  }

  @Test func `a target that became illegal is named until it is dropped`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      _ = try await directory.begin([test.plan("ann", in: ["ashburn-1"])])
      let ticket = try await directory.begin([test.plan("ann", in: ["mumbai-1"])])[0]
      #expect(ticket.shard == "mumbai-1")
      #expect(ticket.illegalShard == "ashburn-1")
      let owner = test.key.owner(ofUser: "ann")
      #expect(try directory.user(owner)?.placements.map(\.shard) == ["ashburn-1"])
      #expect(try directory.user(owner)?.placements.map(\.serial) == [ticket.home.serial])
      // Without the change of target there is no commit.
      let law = try directory.reference()
      let early = try await directory.commitAdmissions([ticket], law: law, by: .soon)
      #expect(early.map { $0?.code } == [.outrun])
      let changed = try await directory.retarget([ticket], law: law, by: .soon)
      #expect(changed.map { $0?.code } == [nil])
      #expect(try directory.counts().said == ["mumbai-1": 1])
      let twice = try await directory.retarget([ticket], law: law, by: .soon)
      #expect(twice.map { $0?.code } == [.outrun])
      let committed = try await directory.commitAdmissions([ticket], law: law, by: .soon)
      #expect(committed.map { $0?.code } == [nil])
      #expect(try directory.counts().said == ["mumbai-1": 1])
    }
  }

  @Test func `what is placed is not begun again`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      try await directory.place([test.plan("ann")])
      #expect(try await directory.begin([test.plan("ann", in: ["mumbai-1"])]).isEmpty)
      #expect(
        try directory.user(test.key.owner(ofUser: "ann"))?.placements.map(\.shard) == ["ashburn-1"])
    }
  }

  @Test func `a shard with an admission half way is in use`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      _ = try await directory.begin([test.plan("ann", in: ["mumbai-1"])])
      let without = try ResidencyPolicy(
        files: RegionFiles.small.replacing(
          "shards: {mumbai-1: {}}", in: "topology.yaml", with: "shards: {mumbai-2: {}}"))
      let before = try directory.reference()
      let error = await #expect(throws: StorageError.self) {
        try await directory.apply(without, at: ManualClock().now, by: .soon)
      }
      #expect(error?.code == .shardInUse)
      #expect(try directory.reference() == before)
      #expect(try directory.shards().map(\.name).contains("mumbai-1"))
    }
  }
}
