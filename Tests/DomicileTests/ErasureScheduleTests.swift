import DomicileDirectory
import DomicilePolicy
import DomicileSQLite
import DomicileTesting
import Foundation
import Testing

@testable import Domicile

/// Erasures, legal holds and policies that come between each other's steps.
@Suite struct ErasureScheduleTests {
  private static let retention = RegionFiles.small.replacing(
    "payments: {collections: [receipts]}", in: "policy.yaml",
    with: "payments: {collections: [receipts], retention: {shortest: 5y}}")

  private let user = UserID("ada")

  /// Time goes by, and an open router does what it does by itself.
  private func pass(
    _ time: Duration, _ router: ResidencyRouter, _ deployment: TemporaryDeployment
  ) async {
    for _ in 0..<3 {
      deployment.clock.advance(by: time)
      _ = await router.sweep()
      await router.finishErasures()
    }
  }

  private func isGone(_ router: ResidencyRouter) async -> Bool {
    do throws(RouterError) {
      return try await router.locate(user).placements.allSatisfy { $0.state != .erasing }
    } catch {
      return error.code == .notFound
    }
  }

  // MARK: What was held

  @Test func `a hold that is given an end lets the erasure that it stopped go on after it`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      _ = try await router.hold(user, name: "c", reason: "x")
      #expect(try await router.erase(user).held.map(\.until) == [nil])
      _ = try await router.hold(
        user, name: "c", reason: "x", until: deployment.clock.now.addingTimeInterval(3_600),
        shortens: true)
      #expect(try await router.doctor().findings == [])
      await pass(.seconds(7_200), router, deployment)
      #expect(await isGone(router))
    }
  }

  @Test func `a hold that is released between the steps of an erasure does not come back`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      _ = try await router.hold(user, name: "c", dataClasses: ["messages"], reason: "x")
      let (owner, now) = (router.key.owner(ofUser: "ada"), deployment.clock.now)
      let plan = try #require(
        try await router.directory.beginErasure(
          owner, dataClasses: nil, continuing: nil, at: now, by: .soon))
      // The home in the shard has the old serial still, so the shard is not told, and the hold stays noted.
      #expect(try await !router.release(hold: "c", on: user).isDone)
      var held: Set<String> = []
      for home in plan.homes {
        let definition = try #require(router.inForce.shard(home.shard))
        let shard = try await router.shard(definition, in: router.inForce, by: .soon)
        let erased = await shard.erase(
          HomeErasure(
            owner: owner, dataClass: home.dataClass, token: plan.token,
            holds: plan.holds[home.dataClass] ?? []), by: .soon)
        if erased.held != nil { held.insert(home.dataClass) }
      }
      #expect(held == ["messages"])
      // Now it is; and what the run that is behind says of the time does not count any more.
      #expect(try await router.release(hold: "c", on: user).isDone)
      _ = try await router.directory.finishErasure(
        plan, held: held, isSharedHeld: false, due: nil, at: now, by: .soon)
      await pass(.seconds(120), router, deployment)
      #expect(await isGone(router))
    }
  }

  @Test func `a shorter shortest lets go what a longer one held`() async throws {
    let deployment = try await TemporaryDeployment(files: Self.retention)
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "r", in: .receipts)
      #expect(try await router.erase(user).held.count == 1)
      try deployment.write(
        Self.retention.replacing("shortest: 5y", in: "policy.yaml", with: "shortest: 5d"))
      #expect(try await router.apply(regions: deployment.regions).isApplied)
      await pass(.seconds(5 * 86_400), router, deployment)
      #expect(await isGone(router))
    }
  }

  @Test func `a release ends the erasure that waited for it`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      _ = try await router.hold(user, name: "c", reason: "x")
      _ = try await router.erase(user)
      #expect(try await router.release(hold: "c", on: user).isDone)
      #expect(await isGone(router))
    }
  }

  // MARK: What comes next

  @Test func `going on with an erasure of classes does not reach a class that was placed anew`()
    async throws
  {
    let deployment = try await TemporaryDeployment(files: Self.retention)
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      try await ada.put("v".utf8, key: "r", in: .receipts)
      let owner = router.key.owner(ofUser: "ada")
      _ = try await router.directory.beginErasure(
        owner, dataClasses: ["messages", "payments"], continuing: nil, at: deployment.clock.now,
        by: .soon)
      // Maintenance reads what is to be gone on with, and is then slow.
      let entry = try #require(try router.directory.user(owner))
      #expect(try await router.erase(user, dataClasses: ["messages"]).isDone)
      try await router.admit(user, residence: "DE", dataClasses: ["messages"])
      let next = try await router.user(user)
      try await next.put("acknowledged".utf8, key: "new", in: .inbox)
      _ = try await router.erase(
        owner, dataClasses: ["messages", "payments"], continuing: entry.alias, by: .soon)
      #expect(try await next.get("new", in: .inbox)?.text == "acknowledged")
    }
  }

  @Test func `an erasure of a class that has ended is not listed any more`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      #expect(try await router.erase(user, dataClasses: ["payments"]).isDone)
      #expect(try router.unfinishedErasures() == 0)
      let later = deployment.clock.now.addingTimeInterval(1e6)
      #expect(try router.directory.dueErasures(at: later, limit: 10) == [])
    }
  }

  // MARK: Done

  @Test func `of two erasures at once neither says done while the directory holds the user`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      let other = try await deployment.open()
      let reader = try Connection(path: "\(deployment.data)/directory.sqlite", mode: .reading)
      try reader.execute("BEGIN")
      _ = try reader.integer("SELECT count(*) FROM user")
      async let one = router.erase(user, deadline: .seconds(2))
      async let two = other.erase(user, deadline: .seconds(2))
      for receipt in [try? await one, try? await two].compactMap(\.self) {
        #expect(!receipt.isDone)
      }
      try reader.execute("COMMIT")
      await other.close()
    }
  }

  @Test func `a sweep says pending while another process's deletion is in the WAL`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      let other = try await deployment.open()
      _ = await other.sweep()
      try await ada.put("v".utf8, key: "k", in: .inbox, expires: .after(.seconds(60)))
      let reader = try Connection(
        path: "\(deployment.data)/dublin/dublin-1.sqlite", mode: .reading)
      try reader.execute("BEGIN")
      _ = try reader.integer("SELECT count(*) FROM record")
      deployment.clock.advance(by: .seconds(120))
      #expect(await router.sweep().contains { $0.records == 1 && $0.isPurgePending })
      #expect(await other.sweep().contains { $0.isPurgePending })
      try reader.execute("COMMIT")
      #expect(await other.sweep().allSatisfy { !$0.isPurgePending })
      await other.close()
    }
  }
}
