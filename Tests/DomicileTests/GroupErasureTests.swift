import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

@testable import Domicile

/// An erased user leaves nothing in groups: neither records nor tags, whatever else goes on with the group.
@Suite struct GroupErasureTests {
  private let ada = UserID("ada")
  private let ben = UserID("ben")
  private let family = GroupID("family")
  private static let mark = "BENWROTETHIS"

  private static let keeping = RegionFiles.small.replacing(
    "messages: {collections: [inbox, threads]}", in: "policy.yaml",
    with: "messages: {collections: [inbox, threads], retention: {shortest: 10d}}")

  /// Ada (DE) and Ben (US) are in a group, in Dublin, where Ben has written.
  private func withGroup(
    _ files: RegionFiles = .small,
    _ body: (TemporaryDeployment, ResidencyRouter) async throws -> Void
  ) async throws {
    let deployment = try await TemporaryDeployment(files: files)
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "DE")
      try await router.admit(ben, residence: "US")
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      try await router.group(family, as: ben).put(Self.mark.utf8, key: "k", in: .inbox)
      try await body(deployment, router)
    }
  }

  private func isLeft(_ deployment: TemporaryDeployment) throws -> Bool {
    try marks([Self.mark], in: deployment.data) != []
  }

  private func marks(_ texts: [String], in folder: String) throws -> [String] {
    let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    let contents = files.compactMap { FileManager.default.contents(atPath: "\(folder)/\($0)") }
    return texts.filter { text in
      contents.contains { $0.range(of: Data(text.utf8)) != nil }
    }
  }

  @Test func `what the law holds in a group that was erased keeps its member's erasure waiting`()
    async throws
  {
    try await withGroup(Self.keeping) { deployment, router in
      #expect(try await router.erase(family).held.map(\.records) == [1])
      let receipt = try await router.erase(ben)
      #expect(receipt.held.map(\.records) == [1])
      deployment.clock.advance(by: .seconds(11 * 86_400))
      await router.finishErasures()
      await router.finishErasures()
      #expect(try router.directory.user(router.key.owner(ofUser: "ben")) == nil)
      #expect(try router.directory.user(router.key.owner(ofGroup: "family")) == nil)
      #expect(try !isLeft(deployment))
      #expect(try await router.doctor(deep: true).findings == [])
    }
  }

  @Test(arguments: [nil, ["messages"]] as [Set<String>?])
  func `a group whose erasure stopped half way is waited for`(dataClasses: Set<String>?)
    async throws
  {
    try await withGroup { deployment, router in
      let group = router.key.owner(ofGroup: "family")
      _ = try await router.directory.beginErasure(
        group, dataClasses: dataClasses, continuing: nil, at: deployment.clock.now, by: .soon)
      let pending = try await router.erase(ben, deadline: .seconds(4))
      #expect(!pending.isDone)
      deployment.clock.advance(by: .seconds(200))
      for _ in 1...3 {
        await router.finishErasures()
        deployment.clock.advance(by: .seconds(200))
      }
      #expect(try router.directory.user(router.key.owner(ofUser: "ben")) == nil)
      #expect(try !isLeft(deployment))
      #expect(try await router.doctor(deep: true).findings == [])
    }
  }

  @Test func `of an erased user it is told what is left in groups, why and until when`()
    async throws
  {
    try await withGroup(Self.keeping) { deployment, router in
      // Neither what others wrote there, nor a group where nothing is, is told.
      try await router.group(family, as: ada).put([1], key: "hers", in: .inbox)
      try await router.createGroup(
        GroupID("friends"), members: [ada, ben], dataClasses: ["messages"])
      let before = try await router.locate(ben, countsAll: true)
      #expect(!before.isErasing)
      #expect(before.groups?.map(\.erasable?.records).sorted { $0 ?? 0 < $1 ?? 0 } == [0, 1])
      let receipt = try await router.erase(ben)
      let left = try await router.locate(ben)
      #expect(left.isErasing)
      #expect(left.placements.isEmpty)
      #expect(left.groups?.count == 1)
      let group = try #require(left.groups?.first)
      #expect(group.group == (try await router.locate(family)).alias)
      #expect(group.state == .erasing)
      #expect(group.erasable?.records == 1)
      #expect(group.erasable?.held == receipt.held.first)
      #expect(group.erasable?.held?.until == deployment.clock.now.addingTimeInterval(10 * 86_400))
    }
  }

  @Test func `a legal hold on a user keeps what the user wrote in groups from being erased`()
    async throws
  {
    try await withGroup { deployment, router in
      #expect(try await router.hold(ben, name: "case-1", reason: "A court order.").isDone)
      let receipt = try await router.erase(ben)
      #expect(receipt.records == 0)
      #expect(receipt.held.map(\.records) == [1])
      let hers = try await router.group(family, as: ada)
      #expect(try await hers.get("k", in: .inbox)?.text == Self.mark)
      #expect(try await router.release(hold: "case-1", on: ben).isDone)
      #expect(try await hers.get("k", in: .inbox) == nil)
      #expect(try router.directory.user(router.key.owner(ofUser: "ben")) == nil)
      #expect(try !isLeft(deployment))
    }
  }

  @Test func `the end of a hold on a group lets the erasures of its members go on`() async throws {
    try await withGroup { deployment, router in
      _ = try await router.hold(family, name: "case-2", reason: "A court order.")
      #expect(try await router.erase(ben).held.map(\.until) == [nil])
      await router.finishErasures()
      #expect(try isLeft(deployment))
      #expect(try await router.release(hold: "case-2", on: family).isDone)
      await router.finishErasures()
      #expect(try router.directory.user(router.key.owner(ofUser: "ben")) == nil)
      #expect(try !isLeft(deployment))
      #expect(try await router.group(family, as: ada).get("k", in: .inbox) == nil)
    }
  }

  @Test func `what an erased user has in groups only can be held for longer`() async throws {
    try await withGroup { deployment, router in
      let first = deployment.clock.now.addingTimeInterval(3_600)
      _ = try await router.hold(ben, name: "case-1", reason: "A court order.", until: first)
      #expect(try await router.erase(ben).held.map(\.until) == [first])
      let longer = try await router.hold(ben, name: "case-1", reason: "Prolonged.")
      #expect(longer.dataClasses == ["messages"])
      #expect(longer.replaced.map(\.until) == [first])
      deployment.clock.advance(by: .seconds(7_200))
      await router.finishErasures()
      #expect(try isLeft(deployment))
      _ = try await router.release(hold: "case-1", on: ben)
      #expect(try !isLeft(deployment))
    }
  }

  @Test
  func `a hold is known to an erasure under way, whoever began it, before it is said to hold`()
    async throws
  {
    try await withGroup { deployment, router in
      let owner = router.key.owner(ofUser: "ben")
      let plan = try #require(
        try await router.directory.beginErasure(
          owner, dataClasses: nil, continuing: nil, at: deployment.clock.now, by: .soon))
      #expect(try await router.hold(ben, name: "case-1", reason: "A court order.").isDone)
      #expect(try isLeft(deployment))
      // Whoever began it has slept, and knows of no hold: it is outrun in the group's home, too.
      let shared = try #require(plan.shared.first)
      let shard = try await router.shard(named: shared.home.shard, by: .soon)
      let late = await shard.erase(
        AuthoredErasure(
          group: shared.group, dataClass: shared.home.dataClass, serial: shared.serial,
          author: shared.author, token: plan.token), by: .soon)
      #expect(late.error?.code == .outrun)
      #expect(late.records == 0)
      #expect(try isLeft(deployment))
      #expect(try await router.holds(on: ben).map(\.isPending) == [false])
    }
  }

  @Test func `a hold keeps what an erasure that stopped half way has left`() async throws {
    try await withGroup { deployment, router in
      try await router.user(ben).put("more".utf8, key: "own", in: .inbox)
      let owner = router.key.owner(ofUser: "ben")
      let plan = try #require(
        try await router.directory.beginErasure(
          owner, dataClasses: nil, continuing: nil, at: deployment.clock.now, by: .soon))
      // The home is stamped, and nothing of it is deleted yet: there the process ends.
      let home = try #require(plan.homes.first)
      try Connection(
        path: "\(deployment.data)/ashburn/\(home.shard).sqlite", mode: .writing
      ).run(
        """
        UPDATE home SET state = 'erased', serial = ?, alias = x'', profile = '', tags = 0 WHERE owner = ?
        """, .integer(plan.token), .blob(owner.bytes))
      #expect(try await router.hold(ben, name: "case-1", reason: "A court order.").isDone)
      deployment.clock.advance(by: .seconds(200))
      await router.finishErasures()
      let left = try await router.locate(ben)
      #expect(left.placements.map(\.erasable?.records) == [1])
      #expect(left.groups?.map(\.erasable?.records) == [1])
      _ = try await router.release(hold: "case-1", on: ben)
      #expect(try router.directory.user(owner) == nil)
    }
  }

  @Test func `what a user writes in groups can be held without a home of that class`() async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "DE")
      try await router.admit(ben, residence: "US", dataClasses: ["payments"])
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      try await router.group(family, as: ben).put(Self.mark.utf8, key: "k", in: .inbox)
      let hold = try await router.hold(ben, name: "case-1", reason: "A court order.")
      #expect(hold.dataClasses == ["messages", "payments"])
      #expect(try await router.erase(ben).held.map(\.dataClass) == ["messages"])
      #expect(try isLeft(deployment))
    }
  }

  @Test func `a hold that outlives the erasure of its class is on the class that comes after`()
    async throws
  {
    try await withGroup { deployment, router in
      _ = try await router.hold(
        ben, name: "case-1", dataClasses: ["messages"], reason: "A court order.")
      _ = try await router.erase(ben, dataClasses: ["messages"])
      try await router.admit(ben, residence: "US")
      try await router.user(ben).put("1".utf8, key: "new", in: .inbox)
      let refused = await #expect(throws: RouterError.self) {
        try await router.user(ben).delete("new", in: .inbox)
      }
      #expect(refused?.code == .held)
      #expect(try await router.doctor().findings == [])
    }
  }

  @Test func `the tags of an erased user do not stay in a home that was staged for a group`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(ada, residence: "DE")
      try await router.admit(ben, residence: "US")
    }
    try await OpenFiles.with(deployment) { files in
      let members = ["ada", "ben"].map { name in
        GroupMember(
          user: files.owner(name), author: OwnerAlias(bytes: files.owner(name).bytes))
      }
      let plan = AdmissionPlan(
        owner: files.key.owner(ofGroup: "family"), alias: OwnerAlias(bytes: Array(0..<16)),
        profile: HomeProfile([.european, .american]), kind: .newGroup(members: members),
        targets: [
          AdmissionPlan.Target(
            dataClass: "messages", shards: ["dublin-1"], legalShards: ["dublin-1"])
        ])
      let law = try files.directory.reference()
      let tickets = try await files.directory.beginAdmissions([plan], law: law, by: .soon)[0].get()
      let staging = HomeStaging(
        home: tickets[0].home, alias: tickets[0].alias, profile: tickets[0].profile)
      #expect(try await files.shard("dublin-1").stage([staging], law: law, by: .soon)[0] == nil)
    }
    try await deployment.withRouter { router in
      let receipt = try await router.erase(ben)
      #expect(receipt.isDone)
      let pending = try router.directory.pendingTags(of: nil, after: nil, limit: 10)
      #expect(pending.isEmpty)
    }
    try await OpenFiles.with(deployment) { files in
      let owner = files.key.owner(ofGroup: "family")
      let home = try files.shard("dublin-1").home(owner: owner, dataClass: "messages")
      // The row that dropping it has left is forgotten, too.
      #expect(home == nil)
    }
    try await deployment.withRouter { router in
      // Whoever goes on with it has a group without the erased member.
      try await router.createGroup(family, members: [ada], dataClasses: ["messages"])
      try await router.group(family, as: ada).put("1".utf8, key: "k", in: .inbox)
      #expect(try await router.doctor().findings == [])
    }
  }

  @Test func `a group's home that is missing does not keep the user's own data from going`()
    async throws
  {
    try await withGroup { deployment, router in
      try await router.user(ada).put("ADAWROTETHIS".utf8, key: "k", in: .inbox)
      let group = OwnerAlias(bytes: router.key.owner(ofGroup: "family").bytes)
      for number in 1...2 {
        try Connection(
          path: "\(deployment.data)/dublin/dublin-\(number).sqlite", mode: .writing
        ).execute("DELETE FROM home WHERE owner = x'\(group)'")
      }
      let receipt = try await router.erase(ada, deadline: .seconds(5))
      #expect(!receipt.isDone)
      #expect(try marks(["ADAWROTETHIS"], in: deployment.data) == [])
    }
  }

  @Test func `many erasures of one user at once come to their end`() async throws {
    try await withGroup { deployment, router in
      try await deployment.withRouter { other in
        try await withThrowingTaskGroup(of: Bool.self) { group in
          for number in 0..<4 {
            group.addTask {
              do {
                return try await (number.isMultiple(of: 2) ? router : other).erase(
                  ben, deadline: .seconds(60)
                ).isDone
              } catch let error as RouterError where error.code == .notFound {
                return true
              }
            }
          }
          for try await isDone in group { #expect(isDone) }
        }
      }
      #expect(try !isLeft(deployment))
      #expect(try await router.doctor(deep: true).findings == [])
    }
  }

  @Test
  func `a legal hold on a group keeps it from being deleted and erased, until it is released`()
    async throws
  {
    try await withGroup { deployment, router in
      #expect(try await router.hold(family, name: "case-2", reason: "A court order.").isDone)
      #expect(try await router.holds(on: family).map(\.name) == ["case-2"])
      let hers = try await router.group(family, as: ada)
      let refused = await #expect(throws: RouterError.self) {
        try await hers.delete("k", in: .inbox)
      }
      #expect(refused?.code == .held)
      #expect(try await router.erase(ben).held.map(\.records) == [1])
      #expect(try await router.erase(family).held.map(\.records) == [1])
      #expect(try await router.release(hold: "case-2", on: family).isDone)
      await router.finishErasures()
      #expect(try router.directory.user(router.key.owner(ofUser: "ben")) == nil)
      #expect(try router.directory.user(router.key.owner(ofGroup: "family")) == nil)
      #expect(try !isLeft(deployment))
      #expect(try await router.doctor(deep: true).findings == [])
    }
    let missing = await #expect(throws: RouterError.self) {
      try await withGroup { _, router in
        _ = try await router.hold(GroupID("nobody"), name: "case", reason: "…")
      }
    }
    #expect(missing?.code == .notFound)
  }
}
