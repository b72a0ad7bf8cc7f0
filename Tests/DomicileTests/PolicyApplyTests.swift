import Domicile
import DomicileTesting
import Foundation
import Testing

/// Putting a policy in force.
@Suite struct PolicyApplyTests {
  private static let extraShard = RegionFiles.small.replacing(
    "shards: {mumbai-1: {}}", in: "topology.yaml", with: "shards: {mumbai-1: {}, mumbai-2: {}}")

  /// The shard `mumbai-1` in the region `ashburn`, beside the one that is there.
  private static let shardCarriedAway = RegionFiles.small
    .replacing("shards: {mumbai-1: {}}", in: "topology.yaml", with: "shards: {mumbai-9: {}}")
    .replacing(
      "shards: {ashburn-1: {}}", in: "topology.yaml", with: "shards: {mumbai-1: {}}")

  @Test func `applying the policy in force again changes nothing`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let first = router.policyGeneration
      for _ in 0..<2 {
        let application = try await router.apply(regions: deployment.regions)
        #expect(application.generation == first)
        #expect(application.isApplied)
      }
      #expect(router.policyGeneration == first)
    }
  }

  @Test func `what a policy would bar is counted only where the law changes`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      for (user, residence) in [("ada", "DE"), ("ben", "US")] {
        try await router.admit(UserID(user), residence: residence)
      }
      try await router.createGroup(
        GroupID("group"), members: [UserID("ben")], dataClasses: ["messages"])
    }
    // A shard that is away cannot be counted, and need not be where nothing changes for it.
    try FileManager.default.moveItem(
      atPath: "\(deployment.data)/mumbai", toPath: "\(deployment.folder.path)/away")
    try await deployment.withRouter { router in
      let reworded = try ResidencyPolicy(
        files: .small.replacing("GDPR chapter V", in: "policy.yaml", with: "GDPR, chapter 5"))
      let nothing = await router.impact(of: reworded)
      #expect(nothing.rows.isEmpty && nothing.notCounted.isEmpty)
      let stricter = await router.impact(of: try ResidencyPolicy(files: .americansInIreland))
      #expect(stricter.barredHomes == 3)
      #expect(stricter.rows.map(\.residence) == ["US", "US"])
      #expect(stricter.notCounted.map(\.shard) == ["mumbai-1"])
    }
  }

  @Test func `records that a shorter limit would end sooner are counted before it is applied`()
    async throws
  {
    func limited(_ text: String) throws -> ResidencyPolicy {
      try ResidencyPolicy(
        files: .small.replacing(
          "[inbox, threads]}", in: "policy.yaml", with: "[inbox, threads], retention: \(text)}"))
    }
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let inbox = RecordCollection("inbox")
      try await router.admit(UserID("ada"), residence: "DE")
      let ada = try await router.user(UserID("ada"))
      try await ada.put("Hello".utf8, key: "old", in: inbox)
      try await ada.put("soon over".utf8, key: "short", in: inbox, expires: .after(.seconds(60)))
      deployment.clock.advance(by: .seconds(86_400))
      try await ada.put("Hello".utf8, key: "new", in: inbox)
      try await ada.put("soon over".utf8, key: "short", in: inbox, expires: .after(.seconds(60)))

      let shorter = await router.impact(of: try limited("{longest: 1h}"))
      #expect(shorter.shortenings.map(\.dataClass) == ["messages"])
      #expect(shorter.shortenedRecords == 2 && shorter.recordsEndingAtOnce == 1)
      #expect(
        shorter.shortenings.map(\.bytesEndingAtOnce) == ["Hello".utf8.count + "old".utf8.count])
      #expect(shorter.barredHomes == 0 && shorter.notCounted.isEmpty)

      let longEnough = await router.impact(of: try limited("{default: 7d, shortest: 1d}"))
      #expect(longEnough.shortenings.isEmpty)
      #expect(try await router.apply(limited("{longest: 1h}")).isApplied)
      // What is as short already is not shortened again.
      let longer = await router.impact(of: try limited("{longest: 2h}"))
      #expect(longer.shortenings.isEmpty)
    }
  }

  @Test func `the directory stays where its file is`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      for topology in [
        ("directory: dublin", "directory: mumbai"),
        ("dublin: {country: IE", "dublin: {country: DE"),
      ] {
        let elsewhere = RegionFiles.small.replacing(
          topology.0, in: "topology.yaml", with: topology.1)
        let impact = await router.impact(of: try ResidencyPolicy(files: elsewhere))
        #expect(impact.refusal?.hasPrefix("directoryInUse: ") == true, "\(impact)")
        await #expect(throws: RouterError.self) { try await router.apply(elsewhere) }
        #expect(router.policyGeneration == 1)
      }
    }
  }

  @Test func `whom the directory could no longer note where it lies is counted`() async throws {
    let barred = RegionFiles.small.replacing(
      "rules:\n", in: "policy.yaml",
      with: """
        rules:
          - name: not-in-the-directory
            residents: US
            classes: directory
            store: US
            reason: Test.

        """)
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      for (user, residence) in [("ada", "DE"), ("ben", "US"), ("uma", "US")] {
        try await router.admit(UserID(user), residence: residence)
      }
      let impact = await router.impact(of: try ResidencyPolicy(files: barred))
      #expect(impact.directoryEntries == 2 && impact.barredHomes == 0)
    }
  }

  @Test func `each change of policy has a higher generation and a return has too`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      var generations = [router.policyGeneration]
      for files in [RegionFiles.europeansInGermany, .small, .europeansInGermany] {
        let application = try await router.apply(files)
        #expect(application.isApplied)
        #expect(router.policyGeneration == application.generation)
        generations.append(application.generation)
      }
      #expect(generations == generations.sorted())
      #expect(Set(generations).count == 4)
    }
  }

  @Test func `every shard carries the directory's generation and digest and its own law`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in try await router.apply(.europeansInGermany) }
    try await OpenFiles.with(deployment) { files in
      let policy = try ResidencyPolicy(files: .europeansInGermany)
      let reference = try files.directory.reference()
      #expect(reference.digest == policy.digest)
      #expect(files.shards.count == 4)
      for definition in policy.topology.shards {
        let (stamp, law) = try files.shard(definition.name).stampedLaw()
        #expect(stamp == reference)
        #expect(law == policy.law(ofShard: definition))
      }
    }
  }

  @Test func `a router opened later decides by the directory and never by the folder`() async throws
  {
    let deployment = try await TemporaryDeployment()
    let first = try await deployment.withRouter { router in
      try await router.apply(.europeansInGermany)
    }
    try deployment.write(.small)
    try await deployment.withRouter { router in
      #expect(router.policyGeneration == first.generation)
      #expect(router.policy.digest == first.digest)
    }
    try FileManager.default.removeItem(atPath: deployment.regions)
    try await deployment.withRouter { router in
      #expect(router.policy.digest == first.digest)
    }
  }

  @Test func `a policy that is not valid changes nothing`() async throws {
    let deployment = try await TemporaryDeployment()
    try deployment.write(
      RegionFiles.small.replacing("store: EU", in: "policy.yaml", with: "store: EUU"))
    try await deployment.withRouter { router in
      let generation = router.policyGeneration
      let error = try await #require(throws: RouterError.self) {
        try await router.apply(regions: deployment.regions)
      }
      #expect(error.code == .invalidPolicy)
      #expect(error.problems.count == 1)
      #expect(error.problems[0].file == "policy.yaml")
      #expect(router.policyGeneration == generation)
    }
  }

  // MARK: Shards

  @Test func `a new shard is made when it is applied and takes users`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let application = try await router.apply(Self.extraShard)
      #expect(application.isApplied)
      let file = "\(deployment.data)/mumbai/mumbai-2.sqlite"
      #expect(FileManager.default.fileExists(atPath: file))
      for number in 0..<4 { try await router.admit(UserID("\(number)"), residence: "IN") }
    }
    try await OpenFiles.with(deployment) { files in
      let counts = try files.directory.shards().filter { $0.region == "mumbai" }.map(\.placements)
      #expect(counts == [4, 4])
    }
  }

  @Test func `a shard that holds placements is neither dropped nor carried away`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser(residence: "IN") { router, _ in
      let generation = router.policyGeneration
      let dropped = RegionFiles.small.replacing(
        "shards: {mumbai-1: {}}", in: "topology.yaml", with: "shards: {mumbai-2: {}}")
      for files in [dropped, Self.shardCarriedAway] {
        let error = try await #require(throws: RouterError.self) { try await router.apply(files) }
        #expect(error.code == .shardInUse)
        #expect(
          error.message == "The topology drops the shard mumbai-1 of the region mumbai (IN), or"
            + " puts it elsewhere, but it holds 2 placements. Nothing was applied. Keep the shard"
            + " where it is; to remove it, drain it and move them (“domicile plan --from mumbai-1”)"
            + " first.")
      }
      #expect(router.policyGeneration == generation)
      // A shard that holds nothing may go.
      let application = try await router.apply(
        RegionFiles.small.replacing(
          "shards: {dublin-1: {}, dublin-2: {}}", in: "topology.yaml",
          with: "shards: {dublin-1: {}}"))
      #expect(application.isApplied)
    }
  }

  @Test func `an empty shard that the topology carries to another region is a new file there`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      // Opens all shards where they are.
      try await router.apply(.small)
      let application = try await router.apply(Self.shardCarriedAway)
      #expect(application.isApplied)
      let admitted = try await router.admit(UserID("ann"), residence: "US")
      #expect(admitted.regions == ["messages": "ashburn", "payments": "ashburn"])
    }
    try await OpenFiles.with(deployment) { files in
      // Opened as the shard of its new region, whose folder holds the home.
      #expect(try files.shard("mumbai-1").identity.region == "ashburn")
      let open = try files.open("ann", "messages")
      #expect(open == ["mumbai-1"])
    }
  }

  // MARK: Pending

  @Test func `a shard that cannot be opened is pending and is raised before its first write`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("asha"), residence: "IN")
    }
    let folder = "\(deployment.data)/mumbai"
    let away = "\(deployment.folder.path)/away"
    try await deployment.withRouter { router in
      try FileManager.default.moveItem(atPath: folder, toPath: away)
      let application = try await router.apply(.americansInIreland)
      #expect(!application.isApplied)
      #expect(application.pending.map(\.shard) == ["mumbai-1"])
      #expect(application.pending.first?.reason.code == .unavailable)
      #expect(application.pending.first?.reason.region == "mumbai")

      let asha = try await router.user(UserID("asha"))
      let down = try await #require(throws: RouterError.self) {
        try await asha.put([1], key: "1", in: .inbox)
      }
      #expect(down.code == .unavailable)
      // Others do not notice.
      try await router.admit(UserID("ada"), residence: "DE")

      try FileManager.default.moveItem(atPath: away, toPath: folder)
      try await OpenFiles.with(deployment) { files in
        let stamped = try files.shard("mumbai-1").stampedLaw().0.generation
        #expect(stamped < application.generation)
      }
      try await asha.put([1], key: "1", in: .inbox)
      try await OpenFiles.with(deployment) { files in
        let stamped = try files.shard("mumbai-1").stampedLaw().0.generation
        #expect(stamped == application.generation)
      }
      let again = try await router.apply(.americansInIreland)
      #expect(again.isApplied)
      #expect(again.generation == application.generation)
    }
  }

  @Test func `an admission with one shard down is finished when the shard is back`() async throws {
    let files = RegionFiles.small.replacing(
      "  - name: kp-at-home", in: "policy.yaml",
      with: """
          - name: us-payments
            residents: US
            classes: payments
            store: IN
            reason: A test.
          - name: kp-at-home
        """)
    let deployment = try await TemporaryDeployment(files: files)
    let folder = "\(deployment.data)/mumbai"
    let away = "\(deployment.folder.path)/away"
    try await deployment.withRouter { router in
      try FileManager.default.moveItem(atPath: folder, toPath: away)
      let error = try await #require(throws: RouterError.self) {
        try await router.admit(UserID("ann"), residence: "US")
      }
      #expect(error.code == .unavailable)
      #expect(error.region == "mumbai")
      try FileManager.default.moveItem(atPath: away, toPath: folder)
      let admitted = try await router.admit(UserID("ann"), residence: "US")
      #expect(admitted.regions == ["messages": "ashburn", "payments": "mumbai"])
      #expect(admitted.isNew)
      let ann = try await router.user(UserID("ann"))
      try await ann.put([1], key: "1", in: .inbox)
      try await ann.put([1], key: "1", in: .receipts)
    }
  }

  @Test func `a crash between a shard's file and its note in the directory is repaired`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await OpenFiles.with(deployment) { files in
      _ = try await files.apply(Self.extraShard)
      try SQLiteShard.create(
        path: "\(deployment.data)/mumbai/mumbai-2.sqlite",
        identity: ShardIdentity(
          deployment: files.directory.deployment, name: "mumbai-2", region: "mumbai",
          country: "IN", keyCheck: files.directory.keyCheck))
      let note = try files.directory.shards().first { $0.name == "mumbai-2" }
      #expect(note?.isCreated == false)
    }
    try await deployment.withRouter { router in
      for number in 0..<4 { try await router.admit(UserID("\(number)"), residence: "IN") }
    }
    try await OpenFiles.with(deployment) { files in
      let shard = try #require(try files.directory.shards().first { $0.name == "mumbai-2" })
      #expect(shard.isCreated)
      #expect(shard.placements == 4)
    }
  }

  // MARK: At once

  @Test func `applies at once end with one policy that every shard carries`() async throws {
    let deployment = try await TemporaryDeployment()
    let candidates: [RegionFiles] = [.small, .europeansInGermany, .americansInIreland]
    try await deployment.withRouter { router in
      await withTaskGroup { group in
        for applier in 0..<6 {
          group.addTask {
            for round in 0..<10 {
              do {
                let application = try await router.apply(candidates[(applier + round) % 3])
                for (shard, reason) in application.pending {
                  Issue.record("\(shard) is pending: \(reason)")
                }
              } catch {
                Issue.record(error)
              }
            }
          }
        }
      }
      try await OpenFiles.with(deployment) { files in
        let reference = try files.directory.reference()
        #expect(router.policyGeneration == reference.generation)
        for shard in files.shards.values {
          let stamp = try shard.stampedLaw().0
          #expect(stamp == reference)
        }
      }
    }
  }
}
