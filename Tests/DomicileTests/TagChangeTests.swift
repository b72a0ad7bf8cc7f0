import DomicileTesting
import Foundation
import Testing

@testable import Domicile

/// Tags change in the directory first, then in every home; once that is done no write decided on the earlier ones is
/// committed, whoever decided it.
@Suite struct TagChangeTests {
  private let ada = UserID("ada")

  private func expectNothingPending(_ router: ResidencyRouter) throws {
    #expect(try router.directory.pendingTags(of: nil, after: nil, limit: 10).isEmpty)
  }

  private func expectFindings(
    _ codes: Set<DoctorFinding.Code>, _ router: ResidencyRouter
  ) async throws {
    #expect(Set(try await router.doctor().findings.map(\.code)) == codes)
  }

  @Test func `a home that became illegal is barred at once, and nothing else is`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser(residence: "US") { router, user in
      try await router.admit(UserID("ben"), residence: "US")
      try await user.put("1".utf8, key: "k", in: .inbox)
      let change = try await router.retag(ada, residence: "de")
      #expect(change.isDone)
      #expect(change.barred.map(\.dataClass) == ["messages", "payments"])
      #expect(change.barred.map(\.region) == ["ashburn", "ashburn"])
      #expect(change.barred[0].verdict?.outcome == .refused)
      #expect(user.profile == .european)

      let refused = await routerCode { try await user.put("2".utf8, key: "k", in: .inbox) }
      #expect(refused == .barred)
      #expect(try await user.get("k", in: .inbox)?.text == "1")
      #expect(try await user.delete("k", in: .inbox))
      try await router.user(UserID("ben")).put("1".utf8, key: "k", in: .inbox)
      #expect(try await router.locate(ada).residence == "DE")
      #expect(try await router.doctor().findings.map(\.code) == [.barredHome, .barredHome])
    }
  }

  @Test func `tags that allow the place again open it again`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser(residence: "US") { router, user in
      _ = try await router.retag(ada, residence: "DE")
      let change = try await router.retag(ada, residence: "DE", attributes: ["scc-signed"])
      #expect(change.isDone)
      #expect(change.barred == [])
      try await user.put("1".utf8, key: "k", in: .inbox)
      #expect(try await router.doctor().findings == [])
    }
  }

  @Test func `a router that believes the earlier tags learns the later ones from the home`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser(residence: "US") { router, user in
      try await user.put("1".utf8, key: "k", in: .inbox)
      try await deployment.withRouter { other in
        let theirs = try await other.user(ada)
        try await theirs.put("2".utf8, key: "k", in: .inbox)
        #expect(try await router.retag(ada, residence: "DE").isDone)
        let refused = await routerCode { try await theirs.put("3".utf8, key: "k", in: .inbox) }
        #expect(refused == .barred)
        #expect(theirs.profile == .european)
        #expect(try await router.retag(ada, residence: "US").barred == [])
        try await theirs.put("4".utf8, key: "k", in: .inbox)
      }
      #expect(try await user.get("k", in: .inbox)?.text == "4")
    }
  }

  @Test func `who may read, and where, is decided by the later tags too`() async throws {
    let deployment = try await TemporaryDeployment(
      files: .small.replacing(
        "    store: EU\n", in: "policy.yaml", with: "    store: EU\n    process: EU\n"))
    try await deployment.withRouter({ $0.location = "US" }) { router in
      try await router.admit(ada, residence: "IN", region: nil)
      let user = try await router.user(ada)
      try await user.put("1".utf8, key: "k", in: .inbox)
      try await deployment.withRouter { other in _ = try await other.retag(ada, residence: "DE") }
      let refused = await routerCode { _ = try await user.get("k", in: .inbox) }
      #expect(refused == .processingRefused)
      let listed = await routerCode { _ = try await user.page(.inbox) }
      #expect(listed == .processingRefused)
    }
  }

  @Test func `the same tags change nothing`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, user in
      let before = try router.directory.user(user.routes.owner)?.tags
      let change = try await router.retag(ada, residence: "DE")
      #expect(change.isDone)
      #expect(try router.directory.user(user.routes.owner)?.tags == before)
    }
  }

  @Test func `a shard that is away is pending and named, and stamped before its next write`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser(residence: "US") { _, user in
      try await user.put("1".utf8, key: "k", in: .inbox)
    }
    let (folder, away) = ("\(deployment.data)/ashburn", "\(deployment.folder.path)/away")
    try FileManager.default.moveItem(atPath: folder, toPath: away)
    try await deployment.withRouter { router in
      let change = try await router.retag(ada, residence: "DE")
      #expect(!change.isDone)
      #expect(change.pending.map(\.shard) == ["ashburn-1"])
      #expect(change.pending.first?.reason.code == .unavailable)
    }
    try FileManager.default.moveItem(atPath: away, toPath: folder)
    try await deployment.withRouter { router in
      try await expectFindings([.tagsPending], router)
      let user = try await router.user(ada)
      let refused = await routerCode { try await user.put("2".utf8, key: "k", in: .inbox) }
      #expect(refused == .barred)
      // A deletion goes through the home: it is stamped for it, and no other is.
      #expect(try await user.delete("k", in: .inbox))
      try await expectFindings([.tagsPending, .barredHome], router)
      await router.finishTagChanges()
      try await expectFindings([.barredHome], router)
      try expectNothingPending(router)
    }
  }

  @Test func `what somebody began is finished by any router`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser(residence: "US") { _, user in
      try await user.put("1".utf8, key: "k", in: .inbox)
    }
    try await OpenFiles.with(deployment) { files in
      let isKnown = try await files.directory.changeTags(
        of: files.owner("ada"), to: .european, law: files.directory.reference(), by: .soon)
      #expect(isKnown)
    }
    try await deployment.withRouter { router in
      await router.finishTagChanges()
      try expectNothingPending(router)
      try await expectFindings([.barredHome], router)
    }
  }

  @Test func `an admission that began under earlier tags is not committed`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "US", dataClasses: ["payments"])
    }
    try await OpenFiles.with(deployment) { files in
      let law = AppliedLaw(
        reference: try files.directory.reference(), policy: try ResidencyPolicy(files: .small))
      let admitter = StepwiseAdmitter(files, user: "ada", profile: .american, law: law)
      try await admitter.take(.begin)
      try await admitter.take(.stage)
      _ = try await files.directory.changeTags(
        of: files.owner("ada"), to: .european, law: law.reference, by: .soon)
      try await admitter.take(.commit)
      #expect(!admitter.hasCommitted)
      #expect(try files.open("ada", "messages") == [])
    }
    try await deployment.withRouter { router in
      let other = await routerCode { try await router.admit(ada, residence: "US") }
      #expect(other == .tagsDiffer)
      let admitted = try await router.admit(ada, residence: "DE")
      #expect(admitted.regions["messages"] == "dublin")
    }
  }

  @Test func `what cannot be changed is refused, and nothing is`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, _ in
      let unknown = await routerCode { _ = try await router.retag(UserID("eve"), residence: "DE") }
      #expect(unknown == .notFound)
      let country = await routerCode { _ = try await router.retag(ada, residence: "UK") }
      #expect(country == .unknownName)
      let attribute = await routerCode {
        _ = try await router.retag(ada, residence: "US", attributes: ["scc-sigend"])
      }
      #expect(attribute == .unknownName)
      #expect(try await router.locate(ada).residence == "DE")
      _ = try await router.directory.beginErasure(
        router.key.owner(ofUser: "ada"), dataClasses: nil, continuing: nil, at: Date(), by: .soon)
      let erasing = await routerCode { _ = try await router.retag(ada, residence: "US") }
      #expect(erasing == .erasing)
    }
  }

  @Test func `an erased user leaves nothing to be stamped`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser(residence: "US") { router, _ in
      _ = try await router.directory.changeTags(
        of: router.key.owner(ofUser: "ada"), to: .european, law: router.inForce.reference,
        by: .soon)
      #expect(try await router.erase(ada).isDone)
      try expectNothingPending(router)
      await router.finishTagChanges()
      try await router.admit(ada, residence: "DE")
      #expect(try await router.doctor().findings == [])
    }
  }

  @Test func `tags are checked by the law in force, and so is what they bar`() async throws {
    let deployment = try await TemporaryDeployment()
    let without = RegionFiles.small
      .replacing("attributes: [scc-signed]\n", in: "policy.yaml", with: "")
      .replacing("    unless: {attribute: scc-signed}\n", in: "policy.yaml", with: "")
    try await deployment.withUser(residence: "US") { router, _ in
      try await deployment.withRouter { other in try await other.apply(without) }
      let refused = await routerCode {
        _ = try await router.retag(ada, residence: "US", attributes: ["scc-signed"])
      }
      #expect(refused == .unknownName)
      try await deployment.withRouter { other in try await other.apply(.americansInIreland) }
      let change = try await router.retag(ada, residence: "US")
      #expect(change.barred.map(\.dataClass) == ["messages", "payments"])
    }
  }

  @Test func `a residence of which the directory may note nothing is told`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, _ in
      let change = try await router.retag(ada, residence: "KP")
      #expect(change.isDone)
      #expect(change.barred.map(\.dataClass) == ["directory", "messages", "payments"])
    }
  }

  @Test func `a shard of a group that hangs keeps no other home waiting`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser("ben", residence: "US") { router, _ in
      try await router.admit(ada, residence: "DE")
      try await router.createGroup(
        GroupID("family"), members: [ada, UserID("ben")], dataClasses: ["messages"])
      let away = "\(deployment.folder.path)/away"
      try await deployment.withRouter { other in
        let his = try await other.user(UserID("ben"))
        try await his.put("1".utf8, key: "k", in: .inbox)
        try FileManager.default.moveItem(atPath: "\(deployment.data)/dublin", toPath: away)
        _ = try await router.retag(UserID("ben"), residence: "IN", deadline: .seconds(2))
        let before = try other.directory.pendingTags(of: nil, after: nil, limit: 10).count
        try await his.put("2".utf8, key: "k", in: .inbox)
        #expect(before > 0)
        try FileManager.default.moveItem(atPath: away, toPath: "\(deployment.data)/dublin")
      }
    }
  }

  @Test func `a half-way admission under earlier tags is no disagreement`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "US", dataClasses: ["payments"])
    }
    try await OpenFiles.with(deployment) { files in
      let law = AppliedLaw(
        reference: try files.directory.reference(), policy: try ResidencyPolicy(files: .small))
      try await StepwiseAdmitter(files, user: "ada", profile: .american, law: law)
        .take(through: .stage)
    }
    try await deployment.withRouter { router in
      #expect(try await router.retag(ada, residence: "IN").isDone)
      try await expectFindings([.admissionHalfWay, .barredHome], router)
    }
  }
}
