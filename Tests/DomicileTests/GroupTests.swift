import DomicileTesting
import Foundation
import Testing

@testable import Domicile

/// A group's data lives only where every member's may, and nobody learns another's tags from it.
@Suite struct GroupTests {
  private let ada = UserID("ada")
  private let ben = UserID("ben")
  private let eve = UserID("eve")
  private let family = GroupID("family")

  /// Ada lives in Germany, Ben in the United States and Eve in India.
  private func withUsers(
    files: RegionFiles = .small,
    _ body: (TemporaryDeployment, ResidencyRouter) async throws -> Void
  ) async throws {
    let deployment = try await TemporaryDeployment(files: files)
    try await deployment.withRouter { router in
      for (user, residence) in [(ada, "DE"), (ben, "US"), (eve, "IN")] {
        try await router.admit(user, residence: residence)
      }
      try await body(deployment, router)
    }
  }

  @Test func `a group lives where all of its members may`() async throws {
    try await withUsers { _, router in
      let americans = try await router.createGroup(
        GroupID("americans"), members: [ben], dataClasses: ["messages"])
      #expect(americans.regions == ["messages": "ashburn"])
      let all = try await router.createGroup(
        family, members: [ben, ada, eve], dataClasses: ["messages"])
      #expect(all.regions == ["messages": "dublin"])
      #expect(all.isNew)
      let again = try await router.createGroup(
        family, members: [eve, ben, ada], dataClasses: ["messages"])
      #expect(again.regions == all.regions)
      #expect(!again.isNew)
      #expect(try await router.locate(family).residence == "DE, IN, US")
      #expect(try await router.doctor().findings == [])
    }
  }

  @Test func `a group that could live nowhere is refused without telling whose tags forbid it`()
    async throws
  {
    try await withUsers { _, router in
      let refused = await routerError { try await router.createGroup(family, members: [ada, eve]) }
      // Payments of a German stay in the EU, those of an Indian in India.
      #expect(refused?.code == .unplaceable)
      #expect(refused?.verdict?.residence == nil)
      #expect(refused?.verdict?.rules == [])
      #expect(refused?.verdict?.conflict == [])
      let message = try #require(refused?.message)
      for word in ["DE", "IN", "eu-at-home", "in-payments", "GDPR", "RBI"] {
        #expect(!message.contains(word), "\(message)")
      }
      #expect(message.contains("Payments of this group may live in no country"))
      let missing = await routerError { _ = try await router.group(family, as: ada) }
      #expect(missing?.code == .notFound)
    }
  }

  @Test func `members read and write, and records carry their author`() async throws {
    try await withUsers { _, router in
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      let hers = try await router.group(family, as: ada)
      let his = try await router.group(family, as: ben)
      try await hers.put("1".utf8, key: "a", in: .inbox, labels: ["kind": "note"])
      try await his.put("2".utf8, key: "b", in: .inbox)
      let found = try await hers.page(.inbox).records
      #expect(found.map(\.author) == [hers.author, his.author])
      #expect(found.map(\.labels) == [["kind": "note"], [:]])
      #expect(hers.author != his.author)
      // No name of the user's elsewhere.
      let alias = try await router.locate(ada).alias
      #expect(hers.author?.description != alias)
      // The last to write a record is its author.
      try await his.put("3".utf8, key: "a", in: .inbox)
      #expect(try await hers.get("a", in: .inbox)?.author == his.author)
      // A user's own records need none.
      let own = try await router.user(ada)
      try await own.put("4".utf8, key: "a", in: .inbox)
      #expect(try await own.get("a", in: .inbox)?.author == nil)
      #expect(hers.profile == nil)
      let stranger = await routerError { _ = try await router.group(family, as: eve) }
      #expect(stranger?.code == .notFound)
    }
  }

  @Test func `a join that leaves the group no place is refused, and tells nothing of the others`()
    async throws
  {
    try await withUsers { _, router in
      try await router.createGroup(family, members: [ada], dataClasses: ["payments"])
      let refused = await routerError { _ = try await router.join(eve, to: family) }
      #expect(refused?.code == .unplaceable)
      let message = try #require(refused?.message)
      for word in ["DE", "IN", "EU", "eu-at-home", "in-payments"] {
        #expect(!message.contains(word), "\(message)")
      }
      let outside = await routerError { _ = try await router.group(family, as: eve) }
      #expect(outside?.code == .notFound)
      #expect(try await router.locate(family).residence == "DE")
    }
  }

  @Test func `a join that would bar the home is refused unless that is asked for`() async throws {
    try await withUsers { _, router in
      try await router.createGroup(family, members: [ben], dataClasses: ["messages"])
      let his = try await router.group(family, as: ben)
      try await his.put("1".utf8, key: "k", in: .inbox)
      let refused = await routerError { _ = try await router.join(ada, to: family) }
      #expect(refused?.code == .refused)
      #expect(refused?.verdict?.alternatives == [])
      try await his.put("2".utf8, key: "k", in: .inbox)

      let change = try await router.join(ada, to: family, barsHomes: true)
      #expect(change.isDone)
      #expect(change.barred.map(\.region) == ["ashburn"])
      let barred = await routerError { try await his.put("3".utf8, key: "k", in: .inbox) }
      #expect(barred?.code == .barred)
      let hers = try await router.group(family, as: ada)
      #expect(try await hers.get("k", in: .inbox)?.text == "2")

      let left = try await router.leave(ada, from: family)
      #expect(left.barred == [])
      try await his.put("4".utf8, key: "k", in: .inbox)
      let gone = await routerError { _ = try await hers.get("k", in: .inbox) }
      #expect(gone?.code == .notFound)
    }
  }

  @Test func `who has left neither reads nor writes, in another router either`() async throws {
    try await withUsers { deployment, router in
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      try await deployment.withRouter { other in
        let his = try await other.group(family, as: ben)
        let hers = try await other.group(family, as: ada)
        try await his.put("1".utf8, key: "k", in: .inbox)
        #expect(try await router.leave(ben, from: family).isDone)
        // The other member's calls bring the router's routes up to date, which are shared.
        try await hers.put("2".utf8, key: "k", in: .inbox)
        let write = await routerError { try await his.put("3".utf8, key: "k", in: .inbox) }
        let read = await routerError { _ = try await his.get("k", in: .inbox) }
        #expect(write?.code == .notFound)
        #expect(read?.code == .notFound)
      }
      // What was interrupted is gone on with.
      #expect(try await router.leave(ben, from: family).isDone)
      let never = await routerError { _ = try await router.leave(eve, from: family) }
      #expect(never?.code == .notFound)
      #expect(try await router.join(ben, to: family).isDone)
      try await router.group(family, as: ben).put("4".utf8, key: "k", in: .inbox)
    }
  }

  @Test func `a group that everybody has left takes no writes, and can be erased`() async throws {
    try await withUsers { _, router in
      try await router.createGroup(family, members: [ada], dataClasses: ["messages"])
      try await router.group(family, as: ada).put("1".utf8, key: "k", in: .inbox)
      let change = try await router.leave(ada, from: family)
      #expect(change.isDone)
      #expect(change.barred.map(\.dataClass) == ["messages"])
      let receipt = try await router.erase(family)
      #expect(receipt.isDone)
      #expect(receipt.records == 1)
      let gone = await routerError { _ = try await router.locate(family) }
      #expect(gone?.code == .notFound)
      #expect(try await router.doctor(deep: true).findings == [])
    }
  }

  @Test func `a member's change of tags is the group's`() async throws {
    try await withUsers { _, router in
      try await router.createGroup(family, members: [ben], dataClasses: ["messages"])
      let his = try await router.group(family, as: ben)
      try await his.put("1".utf8, key: "k", in: .inbox)
      #expect(try await router.retag(ben, residence: "DE").isDone)
      let barred = await routerError { try await his.put("2".utf8, key: "k", in: .inbox) }
      #expect(barred?.code == .barred)
      #expect(barred?.verdict?.residence == nil)
      _ = try await router.retag(ben, residence: "US")
      try await his.put("3".utf8, key: "k", in: .inbox)
      #expect(try await router.doctor().findings == [])
    }
  }

  @Test func `with an erased member goes what the member wrote, and nothing else`() async throws {
    try await withUsers { deployment, router in
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      try await router.createGroup(
        GroupID("former"), members: [ada, ben], dataClasses: ["messages"])
      for group in [family, GroupID("former")] {
        let his = try await router.group(group, as: ben)
        for number in 0..<250 {
          try await his.put("BENWROTETHIS\(number)".utf8, key: "ben \(number)", in: .inbox)
        }
        try await router.group(group, as: ada).put("1".utf8, key: "ada", in: .threads)
      }
      _ = try await router.leave(ben, from: GroupID("former"))
      let receipt = try await router.erase(ben)
      #expect(receipt.isDone)
      #expect(receipt.records == 500)
      for group in [family, GroupID("former")] {
        let hers = try await router.group(group, as: ada)
        #expect(try await hers.page(.inbox).records == [])
        #expect(try await hers.get("ada", in: .threads)?.text == "1")
      }
      let gone = await routerError { _ = try await router.group(family, as: ben) }
      #expect(gone?.code == .notFound)
      #expect(try await router.locate(family).residence == "DE")
      #expect(try await router.doctor(deep: true).findings == [])
    }
  }

  @Test func `an erased member's handle in another router is refused before the records go`()
    async throws
  {
    try await withUsers { deployment, router in
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      try await deployment.withRouter { other in
        let his = try await other.group(family, as: ben)
        try await his.put("1".utf8, key: "k", in: .inbox)
        #expect(try await router.erase(ben).isDone)
        let late = await routerError { try await his.put("2".utf8, key: "k", in: .inbox) }
        #expect(late?.code == .notFound)
        // Another life of the user is another author, and no member.
        try await router.admit(ben, residence: "US")
        let later = await routerError { try await his.put("3".utf8, key: "k", in: .inbox) }
        #expect(later?.code == .notFound)
        #expect(try await router.join(ben, to: family).isDone)
        let stale = await routerError { try await his.put("4".utf8, key: "k", in: .inbox) }
        #expect(stale?.code == .notFound)
        let fresh = try await other.group(family, as: ben)
        try await fresh.put("5".utf8, key: "k", in: .inbox)
        #expect(try await fresh.get("k", in: .inbox)?.author != his.author)
      }
    }
  }

  @Test func `what is held in a group keeps the erasure waiting, and goes when it may`()
    async throws
  {
    let files = RegionFiles.small.replacing(
      "messages: {collections: [inbox, threads]}", in: "policy.yaml",
      with: "messages: {collections: [inbox, threads], retention: {shortest: 10d}}")
    try await withUsers(files: files) { deployment, router in
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      try await router.group(family, as: ben).put("1".utf8, key: "k", in: .inbox)
      let receipt = try await router.erase(ben)
      #expect(receipt.held.map(\.records) == [1])
      #expect(receipt.records == 0)
      let hers = try await router.group(family, as: ada)
      #expect(try await hers.get("k", in: .inbox)?.text == "1")
      let again = await routerError { try await router.admit(ben, residence: "US") }
      #expect(again?.code == .erasing)
      deployment.clock.advance(by: .seconds(11 * 86_400))
      await router.finishErasures()
      #expect(try await hers.get("k", in: .inbox) == nil)
      try await router.admit(ben, residence: "US")
      #expect(try await router.doctor().findings == [])
    }
  }

  @Test func `mistakes are named`() async throws {
    try await withUsers { _, router in
      let empty = await routerError { try await router.createGroup(family, members: []) }
      #expect(empty?.code == .invalidArgument)
      let unknown = await routerError {
        try await router.createGroup(family, members: [ada, UserID("nobody")])
      }
      #expect(unknown?.code == .notFound)
      let name = await routerError { try await router.createGroup(GroupID(""), members: [ada]) }
      #expect(name?.code == .invalidArgument)
      #expect(name?.message == "A group's id has 1 to 512 bytes; this one has 0.")
      let dataClass = await routerError {
        try await router.createGroup(family, members: [ada], dataClasses: ["mesages"])
      }
      #expect(dataClass?.code == .unknownName)
      let region = await routerError {
        try await router.createGroup(
          family, members: [ada], dataClasses: ["messages"], region: "ashburn")
      }
      #expect(region?.code == .refused)
      try await router.createGroup(family, members: [ada], dataClasses: ["messages"])
      let other = await routerError {
        try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      }
      #expect(other?.code == .groupExists)
      let missing = await routerError { _ = try await router.join(ada, to: GroupID("friends")) }
      #expect(missing?.code == .notFound)
      let nobody = await routerError { _ = try await router.join(UserID("nobody"), to: family) }
      #expect(nobody?.code == .notFound)
      #expect(try await router.join(ada, to: family).isDone)
    }
  }

  @Test func `a user and a group of the same id have nothing to do with each other`() async throws {
    try await withUsers { _, router in
      try await router.createGroup(GroupID("ada"), members: [ben], dataClasses: ["messages"])
      try await router.group(GroupID("ada"), as: ben).put("1".utf8, key: "k", in: .inbox)
      #expect(try await router.user(ada).get("k", in: .inbox) == nil)
      #expect(try await router.erase(GroupID("ada")).isDone)
      #expect(try await router.locate(ada).residence == "DE")
    }
  }

  @Test func `a class that the group has no home for is placed when it is asked for`()
    async throws
  {
    try await withUsers { _, router in
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      let hers = try await router.group(family, as: ada)
      try await hers.place("payments", in: "dublin")
      try await hers.put("1".utf8, key: "k", in: .receipts)
      // Who has joined meanwhile counts.
      try await router.createGroup(GroupID("work"), members: [ben], dataClasses: ["messages"])
      let his = try await router.group(GroupID("work"), as: ben)
      _ = try await router.join(ada, to: GroupID("work"), barsHomes: true)
      let refused = await routerError { try await his.place("payments", in: "ashburn") }
      #expect(refused?.code == .refused)
    }
  }

  @Test func `members with the same tags learn no more of each other than others`() async throws {
    let files = RegionFiles.small.replacing(
      "attributes: [scc-signed]", in: "policy.yaml", with: "attributes: [scc-signed, minor]")
    let deployment = try await TemporaryDeployment(files: files)
    try await deployment.withRouter { router in
      for user in [ada, ben] {
        try await router.admit(user, residence: "DE", attributes: ["minor"])
      }
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      let hers = try await router.group(family, as: ada)
      let refused = await routerError { try await hers.place("payments", in: "ashburn") }
      let message = try #require(refused?.message)
      for word in ["DE", "minor", "eu-at-home", "GDPR"] {
        #expect(!message.contains(word), "\(message)")
      }
    }
  }

  @Test func `who leaves learns nothing of who stays`() async throws {
    try await withUsers { _, router in
      try await router.createGroup(family, members: [ben], dataClasses: ["messages"])
      _ = try await router.join(ada, to: family, barsHomes: true)
      let change = try await router.leave(ben, from: family)
      let verdict = try #require(change.barred.first?.verdict)
      #expect(verdict.residence == nil)
      #expect(verdict.rules == [])
      #expect(!"\(verdict)".contains("DE"))
    }
  }

  @Test func `an attribute that the policy no longer knows is told to no other member`()
    async throws
  {
    try await withUsers { deployment, router in
      _ = try await router.retag(ada, residence: "DE", attributes: ["scc-signed"])
      try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
      try deployment.write(
        .small.replacing("attributes: [scc-signed]\n", in: "policy.yaml", with: "")
          .replacing("    unless: {attribute: scc-signed}\n", in: "policy.yaml", with: ""))
      #expect(try await router.apply(regions: deployment.regions).isApplied)
      let his = try await router.group(family, as: ben)
      let refusals = [
        await routerError { _ = try await router.join(eve, to: family) },
        await routerError { try await his.place("payments", in: "dublin") },
        await routerError { try await router.createGroup(GroupID("other"), members: [ada, ben]) },
        await routerError { try await his.put("1".utf8, key: "k", in: .inbox) },
      ]
      for refusal in refusals {
        let refusal = try #require(refusal)
        #expect([.unplaceable, .refused, .barred].contains(refusal.code), "\(refusal)")
        #expect(!refusal.message.contains("scc-signed"), "\(refusal)")
      }
    }
  }

  @Test func `a join is decided anew if a class was placed meanwhile`() async throws {
    try await withUsers { _, router in
      try await router.createGroup(family, members: [ada], dataClasses: ["messages"])
      let directory = router.directory
      let group = try #require(try directory.user(router.key.owner(ofGroup: "family")))
      let user = try #require(try directory.user(router.key.owner(ofUser: "eve")))
      try await router.group(family, as: ada).place("payments", in: "dublin")
      let refusal = try await directory.join(
        GroupJoining(group: group, user: user, author: group.alias), law: directory.reference(),
        by: .soon)
      #expect(refusal?.code == .outrun)
      let refused = await routerError { _ = try await router.join(eve, to: family) }
      #expect(refused?.code == .unplaceable)
    }
  }

  @Test func `a group that everybody has left is named as such, and is nobody's in the directory`()
    async throws
  {
    try await withUsers { _, router in
      try await router.createGroup(family, members: [ada], dataClasses: ["messages"])
      _ = try await router.leave(ada, from: family)
      let findings = try await router.doctor().findings
      #expect(findings.map(\.code) == [.emptyGroup])
      #expect(findings[0].message.contains("everybody has left"))
    }
  }
}
