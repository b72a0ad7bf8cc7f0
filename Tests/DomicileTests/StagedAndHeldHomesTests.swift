import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

@testable import Domicile

/// What changes of tags and erasures leave in homes that were staged, held or are missing.
@Suite struct StagedAndHeldHomesTests {
  private let ada = UserID("ada")
  private let ben = UserID("ben")
  private let family = GroupID("family")

  @Test func `a take-over that stops keeps an erased member's tags in a staged home`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "DE")
      try await router.admit(ben, residence: "US")
    }
    func plan(_ files: OpenFiles, _ names: [String], _ profiles: [ResidencyProfile])
      -> AdmissionPlan
    {
      AdmissionPlan(
        owner: files.key.owner(ofGroup: "family"), alias: OwnerAlias(bytes: Array(0..<16)),
        profile: HomeProfile(profiles),
        kind: .newGroup(
          members: names.map { name in
            GroupMember(
              user: files.owner(name), author: OwnerAlias(bytes: files.owner(name).bytes))
          }),
        targets: [
          AdmissionPlan.Target(
            dataClass: "messages", shards: ["dublin-1"], legalShards: ["dublin-1"])
        ])
    }
    try await OpenFiles.with(deployment) { files in
      let law = try files.directory.reference()
      let tickets = try await files.directory.beginAdmissions(
        [plan(files, ["ada", "ben"], [.european, .american])], law: law, by: .soon)[0].get()
      let staging = HomeStaging(
        home: tickets[0].home, alias: tickets[0].alias, profile: tickets[0].profile)
      #expect(try await files.shard("dublin-1").stage([staging], law: law, by: .soon)[0] == nil)
      // Ben's erasure begins; somebody goes on with the group, and stops after the directory's step.
      _ = try await files.directory.beginErasure(
        files.owner("ben"), dataClasses: nil, continuing: nil, at: deployment.clock.now, by: .soon)
      _ = try await files.directory.beginAdmissions(
        [plan(files, ["ada"], [.european])], law: law, by: .soon)[0].get()
    }
    try await deployment.withRouter { router in
      let receipt = try await router.erase(ben)
      #expect(receipt.isDone)
    }
    try await OpenFiles.with(deployment) { files in
      let owner = files.key.owner(ofGroup: "family")
      let home = try files.shard("dublin-1").home(owner: owner, dataClass: "messages")
      #expect(home?.profile?.members.contains(.american) != true, "\(String(describing: home))")
    }
  }

  /// Ada was erased, and the admission of her next life stopped after its first step.
  private func withNewLifeHalfWay() async throws -> TemporaryDeployment {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "US", dataClasses: ["messages"])
      #expect(try await router.erase(ada).isDone)
    }
    try await OpenFiles.with(deployment) { files in
      let law = AppliedLaw(
        reference: try files.directory.reference(), policy: try ResidencyPolicy(files: .small))
      try await StepwiseAdmitter(files, user: "ada", profile: .american, law: law).take(.begin)
    }
    return deployment
  }

  @Test func `a new life whose target became illegal before it was staged is admitted`()
    async throws
  {
    let deployment = try await withNewLifeHalfWay()
    try await deployment.withRouter { router in
      #expect(try await router.retag(ada, residence: "DE").isDone)
      let admitted = try await router.admit(
        ada, residence: "DE", dataClasses: ["messages"], deadline: .seconds(3))
      #expect(admitted.regions == ["messages": "dublin"])
    }
  }

  @Test func `a new life whose target a new law forbids before it was staged is admitted`()
    async throws
  {
    let deployment = try await withNewLifeHalfWay()
    try await deployment.withRouter { router in
      try await router.apply(.americansInIreland)
      let admitted = try await router.admit(
        ada, residence: "US", dataClasses: ["messages"], deadline: .seconds(3))
      #expect(admitted.regions == ["messages": "dublin"])
    }
  }

  @Test func `an erasure of a class leaves the legal hold on what the user wrote in groups`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "DE")
      try await router.admit(ben, residence: "US")
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      try await router.group(family, as: ben).put("1".utf8, key: "k", in: .inbox)
      #expect(try await router.hold(ben, name: "case-1", reason: "A court order.").isDone)
      #expect(try await router.erase(ben, dataClasses: ["messages"]).isDone)
      #expect(try await router.holds(on: ben).map(\.dataClasses) == [["messages", "payments"]])
      let receipt = try await router.erase(ben)
      #expect(receipt.records == 0)
      #expect(receipt.held.map(\.records) == [1])
      let hers = try await router.group(family, as: ada)
      #expect(try await hers.get("k", in: .inbox)?.text == "1")
    }
  }

  @Test func `who has left places nothing for the group`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "DE")
      try await router.admit(ben, residence: "US")
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      let his = try await router.group(family, as: ben)
      #expect(try await router.leave(ben, from: family).isDone)
      let placed = await routerCode { try await his.place("payments", in: "dublin") }
      #expect(placed == .notFound)
      let told = await routerCode { try await his.place("payments", in: "ashburn") }
      #expect(told == .notFound)
      #expect(try await router.locate(family).placements.map(\.dataClass) == ["messages"])
    }
  }

  @Test func `a staged home that is dropped is purged with an erased member`() async throws {
    let deployment = try await TemporaryDeployment(
      files: .small.replacing(
        "attributes: [scc-signed]", in: "policy.yaml",
        with: "attributes: [scc-signed, verysecretattribute]"))
    let secret = try #require(ResidencyProfile("US verysecretattribute"))
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "US")
      try await router.admit(
        ben, residence: "US", attributes: ["verysecretattribute"], region: "ashburn")
    }
    try await deployment.withRouter { router in
      let key = router.key
      let law = try router.directory.reference()
      let members = ["ada", "ben"].map { name in
        GroupMember(
          user: key.owner(ofUser: name),
          author: OwnerAlias(bytes: key.owner(ofUser: name).bytes))
      }
      let plan = AdmissionPlan(
        owner: key.owner(ofGroup: "family"), alias: OwnerAlias(bytes: Array(0..<16)),
        profile: HomeProfile([secret, .american]), kind: .newGroup(members: members),
        targets: [
          AdmissionPlan.Target(
            dataClass: "messages", shards: ["dublin-1"], legalShards: ["dublin-1"])
        ])
      let tickets = try await router.directory.beginAdmissions([plan], law: law, by: .soon)[0]
        .get()
      let staging = HomeStaging(
        home: tickets[0].home, alias: tickets[0].alias, profile: tickets[0].profile)
      let shard = try await router.shard(
        try #require(router.inForce.shard("dublin-1")), in: router.inForce, by: .soon)
      #expect(try await shard.stage([staging], law: law, by: .soon)[0] == nil)
      let receipt = try await router.erase(ben)
      #expect(receipt.isDone)
      // Not after closing, which cuts the WAL.
      let files =
        FileManager.default.enumerator(atPath: deployment.data)?.compactMap { $0 as? String } ?? []
      for file in files {
        let bytes = FileManager.default.contents(atPath: "\(deployment.data)/\(file)") ?? Data()
        // The attribute's name is in the policy's text and in each law: look for it as a profile.
        #expect(bytes.range(of: Data("US verysecretattribute".utf8)) == nil, "\(file)")
      }
    }
  }

  @Test func `a hold on a user of whom only groups hold something keeps that`()
    async throws
  {
    let keeping = RegionFiles.small.replacing(
      "messages: {collections: [inbox, threads]}", in: "policy.yaml",
      with: "messages: {collections: [inbox, threads], retention: {shortest: 10d}}")
    let deployment = try await TemporaryDeployment(files: keeping)
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "DE")
      try await router.admit(ben, residence: "US")
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      try await router.group(family, as: ben).put("1".utf8, key: "k", in: .inbox)
      #expect(try await router.erase(ben).held.map(\.records) == [1])
      #expect(try await router.hold(ben, name: "case-1", reason: "A court order.").isDone)
      // The law no longer keeps it.
      deployment.clock.advance(by: .seconds(11 * 86_400))
      await router.finishErasures()
      #expect(try await router.locate(ben).groups?.map(\.erasable?.records) == [1])
      #expect(try await router.release(hold: "case-1", on: ben).isDone)
      #expect(try router.directory.user(router.key.owner(ofUser: "ben")) == nil)
    }
  }

  @Test func `a home that is missing keeps no home of a later page from being stamped`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    let count = 1_010
    try await deployment.withRouter { router in
      let admissions = (0..<count).map {
        Admission(user: UserID("user \($0)"), residence: "US", dataClasses: ["messages"])
      }
      for result in await router.admit(admissions, deadline: .seconds(120)) {
        _ = try result.get()
      }
      for number in 0..<count {
        _ = try await router.directory.changeTags(
          of: router.key.owner(ofUser: "user \(number)"), to: try #require(ResidencyProfile("IN")),
          law: router.inForce.reference, by: .soon)
      }
      let owner = OwnerAlias(bytes: router.key.owner(ofUser: "user 0").bytes)
      try Connection(path: "\(deployment.data)/ashburn/ashburn-1.sqlite", mode: .writing)
        .execute("DELETE FROM home WHERE owner = x'\(owner)'")
      await router.finishTagChanges()
      await router.finishTagChanges()
      let left = try router.directory.pendingTags(of: nil, after: nil, limit: 100)
      #expect(left.count == 1)
    }
  }
}
