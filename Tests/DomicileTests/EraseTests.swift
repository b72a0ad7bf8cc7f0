import DomicileDirectory
import DomicilePolicy
import DomicileSQLite
import DomicileTesting
import Foundation
import Testing

@testable import Domicile

/// Erasing a user, a class, a collection and a thread through the router.
@Suite struct EraseTests {
  private static let retention = RegionFiles.small.replacing(
    "payments: {collections: [receipts]}", in: "policy.yaml",
    with: "payments: {collections: [receipts], retention: {shortest: 5y}}")

  @Test func `an erased user is gone, with a receipt, and can be admitted anew`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      for number in 0..<250 {
        try await ada.put("v\(number)".utf8, key: "\(number)", in: .inbox, labels: ["l": "x"])
      }
      try await ada.put([1], key: "r", in: .receipts)
      try await router.admit(UserID("ben"), residence: "DE")
      let ben = try await router.user(UserID("ben"))
      try await ben.put("kept".utf8, key: "k", in: .inbox)

      let receipt = try await router.erase(UserID("ada"))
      #expect(receipt.isDone)
      #expect(receipt.records == 251)
      #expect(receipt.bytes == (0..<250).reduce(2) { $0 + 2 * "\($1)".utf8.count + 1 })
      #expect(receipt.erased.map(\.dataClass) == ["messages", "payments"])
      #expect(receipt.erased.allSatisfy { $0.country == "IE" })
      #expect(receipt.held == [])
      #expect(receipt.policyGeneration == router.policyGeneration)

      // Handles that are older than the erasure say so too.
      for attempt in [
        { _ = try await ada.get("1", in: .inbox) },
        { try await ada.put([1], key: "1", in: .inbox) },
        { _ = try await router.user(UserID("ada")) },
        { _ = try await router.erase(UserID("ada")) },
      ] as [() async throws -> Void] {
        let error = await #expect(throws: RouterError.self) { try await attempt() }
        #expect(error?.code == .notFound)
      }
      #expect(try await ben.get("k", in: .inbox)?.text == "kept")

      let again = try await router.admit(UserID("ada"), residence: "US")
      #expect(again.isNew)
      let next = try await router.user(UserID("ada"))
      #expect(try await next.page(.inbox).records.isEmpty)
      try await next.put([2], key: "1", in: .inbox)
      let report = try await router.doctor()
      #expect(report.findings == [])
    }
  }

  @Test func `a class is erased by itself`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put([1], key: "m", in: .inbox)
      try await ada.put([1], key: "r", in: .receipts)
      let receipt = try await router.erase(UserID("ada"), dataClasses: ["payments"])
      #expect(receipt.isDone && receipt.records == 1)
      #expect(try await ada.get("m", in: .inbox)?.value == [1])
      let error = await #expect(throws: RouterError.self) { try await ada.get("r", in: .receipts) }
      #expect(error?.code == .notFound)
      try await router.admit(UserID("ada"), residence: "DE")
      #expect(try await ada.get("r", in: .receipts) == nil)
      let report = try await router.doctor()
      #expect(report.findings == [])
    }
  }

  @Test func `a collection and a thread are erased, the user stays`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      for thread in ["a/", "b/"] {
        for number in 0..<120 {
          try await ada.put([1], key: RecordKey("\(thread)\(number)"), in: .threads)
        }
      }
      try await ada.put([1], key: "a/1", in: .inbox)
      let thread = try await ada.erase(.threads, keys: .prefix("a/"))
      #expect(thread.isDone && thread.records == 120)
      #expect(thread.erased.map(\.collection) == ["threads"])
      #expect(try await ada.page(.threads, limit: 1_000).records.count == 120)
      let rest = try await ada.erase(.threads)
      #expect(rest.records == 120)
      #expect(try await ada.get("a/1", in: .inbox) != nil)
      #expect(try await ada.erase(.threads).records == 0)
    }
  }

  @Test func `what the policy holds is kept out of reach, and goes when it may`() async throws {
    let deployment = try await TemporaryDeployment(files: Self.retention)
    try await deployment.withUser { router, ada in
      try await ada.put([1], key: "m", in: .inbox)
      try await ada.put([1], key: "r", in: .receipts)
      let delete = await #expect(throws: RouterError.self) {
        try await ada.delete("r", in: .receipts)
      }
      #expect(delete?.code == .held)
      let until = deployment.clock.now.addingTimeInterval(5 * 365 * 86_400)
      #expect(delete?.heldUntil == until)
      #expect(
        delete?.message
          == "The record is held by payments: shortest 5y (policy.yaml:9), until 2030-12-31T00:00:00Z;"
          + " nothing was deleted or replaced. Try again after that.")

      let receipt = try await router.erase(UserID("ada"))
      #expect(receipt.isDone)
      #expect(receipt.records == 1)
      #expect(receipt.held.map(\.until) == [until])
      #expect(receipt.held.map(\.rule) == ["payments: shortest 5y (policy.yaml:9)"])
      #expect(receipt.held.map(\.records) == [1])
      await #expect(throws: RouterError.self) { try await ada.get("r", in: .receipts) }
      let again = await #expect(throws: RouterError.self) {
        try await router.admit(UserID("ada"), residence: "DE")
      }
      #expect(again?.code == .erasing)
      #expect(try await router.locate(UserID("ada")).placements.map(\.state) == [.erasing])

      deployment.clock.advance(by: .seconds(5 * 365 * 86_400 + 1))
      #expect(await router.sweep().map(\.records).reduce(0, +) == 1)
      await router.finishErasures()
      let gone = await #expect(throws: RouterError.self) { try await router.locate(UserID("ada")) }
      #expect(gone?.code == .notFound)
      #expect(try await router.admit(UserID("ada"), residence: "DE").isNew)
    }
  }

  @Test func `a legal hold stops deletions and erasures until it is released`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox, expires: .after(.seconds(60)))
      let held = try await router.hold(
        UserID("ada"), name: "case-1", dataClasses: ["messages"], reason: "A court order.")
      #expect(held.isDone)
      #expect(try await router.holds(on: UserID("ada")).map(\.name) == ["case-1"])
      for attempt in [
        { try await ada.delete("k", in: .inbox) },
        { try await ada.put([1], key: "k", in: .inbox) },
        { _ = try await ada.erase(.inbox) },
      ] as [() async throws -> Void] {
        let error = await #expect(throws: RouterError.self) { try await attempt() }
        #expect(error?.code == .held)
        #expect(error?.message.contains("the legal hold “case-1”, until that is released") == true)
      }
      deployment.clock.advance(by: .seconds(120))
      #expect(await router.sweep().map(\.records).reduce(0, +) == 0)
      let receipt = try await router.erase(UserID("ada"))
      #expect(receipt.held.map(\.rule) == ["the legal hold “case-1”"])
      #expect(receipt.held.map(\.until) == [nil])

      #expect(try await router.release(hold: "case-1", on: UserID("ada")).isDone)
      await router.finishErasures()
      let gone = await #expect(throws: RouterError.self) { try await router.locate(UserID("ada")) }
      #expect(gone?.code == .notFound)
      let report = try await router.doctor()
      #expect(report.findings == [])
    }
  }

  @Test func `a shard that is down leaves the erasure pending, and any router ends it`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    let file = "\(deployment.data)/dublin/dublin-1.sqlite"
    try await deployment.withUser { _, ada in try await ada.put([1], key: "k", in: .inbox) }
    try FileManager.default.moveItem(atPath: file, toPath: "\(file).away")
    try await deployment.withRouter { router in
      let receipt = try await router.erase(UserID("ada"))
      #expect(!receipt.isDone)
      #expect(receipt.pending.map(\.place) == ["dublin-1"])
      let error = await #expect(throws: RouterError.self) { try await router.user(UserID("ada")) }
      #expect(error?.code == .notFound)
    }
    try FileManager.default.moveItem(atPath: "\(file).away", toPath: file)
    deployment.clock.advance(by: .seconds(61))
    try await deployment.withRouter { router in
      await router.finishErasures()
      let gone = await #expect(throws: RouterError.self) { try await router.locate(UserID("ada")) }
      #expect(gone?.code == .notFound)
      let report = try await router.doctor()
      #expect(report.findings == [])
      #expect(report.homes == 0)
    }
  }

  @Test func `going on with an erasure never touches the user's next life`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, _ in
      let owner = router.key.owner(ofUser: "ada")
      let first = try #require(try router.directory.user(owner))
      _ = try await router.erase(UserID("ada"))
      try await router.admit(UserID("ada"), residence: "DE")
      let next = try await router.user(UserID("ada"))
      try await next.put("kept".utf8, key: "k", in: .inbox)
      // What maintenance does that looked before the erasure ended; and the same for the life that has begun.
      for alias in [first.alias, next.routes.entry.alias] {
        let plan = try await router.directory.beginErasure(
          owner, dataClasses: nil, continuing: alias, at: deployment.clock.now,
          by: .now + .seconds(10))
        #expect(plan == nil)
      }
      #expect(try await next.get("k", in: .inbox)?.text == "kept")
    }
  }

  @Test func `the erasure of one class leaves that of another to be gone on with`() async throws {
    let deployment = try await TemporaryDeployment(files: Self.retention)
    try await deployment.withUser { router, ada in
      try await ada.put([1], key: "m", in: .inbox)
      try await ada.put([1], key: "r", in: .receipts)
      let payments = try await router.erase(UserID("ada"), dataClasses: ["payments"])
      #expect(payments.held.count == 1)
      #expect(try await router.erase(UserID("ada"), dataClasses: ["messages"]).isDone)
      deployment.clock.advance(by: .seconds(6 * 365 * 86_400))
      await router.finishErasures()
      #expect(try await router.locate(UserID("ada")).placements.isEmpty)
    }
  }

  @Test func `a legal hold that has not reached its shard stops an erasure all the same`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      let owner = router.key.owner(ofUser: "ada")
      // The first step of a hold, and a process that dies before the second.
      let hold = LegalHold(
        name: "case-1", dataClasses: ["messages"], reason: "A court order.",
        placed: deployment.clock.now, until: nil)
      _ = try await router.directory.addHold(
        hold, on: owner, shortens: false, by: .now + .seconds(10))
      let receipt = try await router.erase(UserID("ada"))
      #expect(receipt.held.map(\.rule) == ["the legal hold “case-1”"])
      #expect(receipt.records == 0)

      // One that is being released is not told to the shard again.
      _ = try await router.directory.endHold(
        "case-1", on: owner, at: deployment.clock.now, by: .now + .seconds(10))
      #expect(try await router.release(hold: "case-1", on: UserID("ada")).isDone)
      let gone = await #expect(throws: RouterError.self) { try await router.locate(UserID("ada")) }
      #expect(gone?.code == .notFound)
    }
  }

  @Test func `an erasure that goes on is left alone, and one that died is taken over`() async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      let owner = router.key.owner(ofUser: "ada")
      let directory = router.directory
      let start = deployment.clock.now
      func due(after seconds: Double) throws -> Bool {
        try directory.dueErasures(at: start.addingTimeInterval(seconds), limit: 10) == [owner]
      }
      let plan = try #require(
        try await directory.beginErasure(
          owner, dataClasses: nil, continuing: nil, at: start, by: .now + .seconds(10)))
      #expect(try !due(after: 59))
      #expect(try due(after: 60))
      #expect(
        try await directory.renewErasure(
          plan, at: start.addingTimeInterval(20), by: .now + .seconds(10)))
      #expect(try !due(after: 79))
      #expect(try due(after: 80))
      // A clock that was ahead when the erasure died does not keep it back for as long.
      #expect(try due(after: -3_600))
      // Somebody takes it over: whoever had it does not renew it any more.
      _ = try await directory.beginErasure(
        owner, dataClasses: nil, continuing: plan.alias, at: start, by: .now + .seconds(10))
      #expect(
        try await !directory.renewErasure(plan, at: start, by: .now + .seconds(10)))
    }
  }

  @Test func `a shard that is behind is raised before anything is erased or swept in it`()
    async throws
  {
    let deployment = try await TemporaryDeployment(files: Self.retention)
    try await deployment.withUser { router, ada in
      try await ada.put([1], key: "r", in: .receipts)
      // The new policy is in the directory, and no shard has heard of it.
      let policy = try ResidencyPolicy(
        files: Self.retention.replacing("shortest: 5y", in: "policy.yaml", with: "shortest: 9y"))
      _ = try await router.directory.apply(
        policy, over: nil, at: deployment.clock.now, by: .now + .seconds(10))
      deployment.clock.advance(by: .seconds(6 * 365 * 86_400))
      let receipt = try await router.erase(UserID("ada"), dataClasses: ["payments"])
      #expect(receipt.held.map(\.rule) == ["payments: shortest 9y (policy.yaml:9)"])
      #expect(receipt.records == 0)
    }
  }

  @Test func `an open router sweeps and ends erasures by itself`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      try await ada.put([1], key: "k", in: .inbox, expires: .after(.seconds(60)))
    }
    deployment.clock.advance(by: .seconds(120))
    try await deployment.withRouter({ $0.sweepInterval = .milliseconds(10) }) { _ in
      let shard = try Connection(
        path: "\(deployment.data)/dublin/dublin-1.sqlite", mode: .reading)
      while try shard.integer("SELECT count(*) FROM record") != 0 { await Task.yield() }
    }
  }
}
