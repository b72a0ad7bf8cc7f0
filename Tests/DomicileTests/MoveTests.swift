import DomicileSQLite
import DomicileTesting
import Foundation
import Synchronization
import Testing

@testable import Domicile
@testable import DomicileMigration

/// A move loses nothing, doubles nothing and leaves nothing behind, whatever happens between its steps.
@Suite struct MoveTests {
  private let user = MovingUser.user

  @Test func `everything that a home has travels, and the source has nothing of it any more`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(user, residence: "US", dataClasses: ["messages"], region: "ashburn")
      let ada = try await router.user(user)
      try await ada.setLifetime(.after(.seconds(900)), of: .inbox, prefix: "short/")
      let version = try await ada.put("kept".utf8, key: "k", in: .inbox, labels: ["a": "1"])
      try await ada.put("short".utf8, key: "short/1", in: .inbox)
      try await ada.put("gone".utf8, key: "gone", in: .inbox, expires: .after(.seconds(5)))
      try await ada.put(
        [UInt8](repeating: 7, count: 900_000), key: "l", in: RecordCollection("threads"))
      deployment.clock.advance(by: .seconds(10))
      _ = try await router.hold(user, name: "case", reason: "R")
      let before = try await ada.get(["k", "short/1", "gone"], in: .inbox)

      let report = try await router.move(user, dataClass: "messages", to: "dublin")
      #expect(report.end == .moved)
      #expect(report.records == 3)
      #expect(try await ada.get(["k", "short/1", "gone"], in: .inbox) == before)
      #expect(before[0]?.version == version)
      #expect(before[1]?.expires != nil && before[2] == nil)
      let listed = try await ada.page(.inbox, label: ("a", "1")).records
      #expect(listed.map(\.text) == ["kept"])
      let held = await #expect(throws: RouterError.self) {
        try await ada.delete("k", in: .inbox)
      }
      #expect(held?.code == .held)
      // The lifetime that was set holds for what is written after.
      try await ada.put("later".utf8, key: "short/2", in: .inbox)
      #expect(try await ada.get("short/2", in: .inbox)?.expires != nil)
      #expect(try await router.doctor(deep: true).findings.isEmpty)
      let kinds = try router.ledgerEntries().compactMap(\.entry?.kind)
      #expect(kinds.filter { [.moving, .moved].contains($0) } == [.moving, .moved])
      #expect(try router.verifyLedger().findings.isEmpty)
    }
  }

  @Test func `what cannot be moved says why, and nothing is changed`() async throws {
    let moving = try await MovingUser()
    try await moving.deployment.withRouter { router in
      func code(_ region: String, _ dataClass: String = "messages", shard: String? = nil) async
        -> RouterError.Code?
      {
        do {
          _ = try await router.move(user, dataClass: dataClass, to: region, shard: shard)
          return nil
        } catch { return error.code }
      }
      #expect(await code("nowhere") == .unknownName)
      #expect(await code("mumbai", "nothing") == .unknownName)
      #expect(await code("mumbai", "directory") == .invalidArgument)
      #expect(await code("mumbai", "payments") == .notFound)
      #expect(await code("mumbai", shard: "dublin-1") == .unknownName)
      let there = try await router.move(user, dataClass: "messages", to: "dublin")
      #expect(there.end == .alreadyThere)
      _ = try await router.retag(user, residence: "DE")
      #expect(await code("mumbai") == .refused)
      let nobody = await #expect(throws: RouterError.self) {
        try await router.move(UserID("nobody"), dataClass: "messages", to: "mumbai")
      }
      #expect(nobody?.code == .notFound)
      #expect(try router.moves().isEmpty)
    }
    try await moving.deployment.withRouter({ $0.carriedRegions = ["dublin"] }) { router in
      _ = try await router.retag(user, residence: "DE", attributes: ["scc-signed"])
      let away = await #expect(throws: RouterError.self) {
        try await router.move(user, dataClass: "messages", to: "mumbai")
      }
      #expect(away?.code == .elsewhere && away?.region == "mumbai")
    }
    try await moving.check(in: "dublin", "refused")
  }

  @Test func `a group moves as users do, with its authors`() async throws {
    let deployment = try await TemporaryDeployment()
    let (family, ben) = (GroupID("family"), UserID("ben"))
    try await deployment.withRouter { router in
      for user in [user, ben] { try await router.admit(user, residence: "US", region: "ashburn") }
      try await router.createGroup(
        family, members: [user, ben], dataClasses: ["messages"], region: "ashburn")
      let (mine, his) = try await (router.group(family, as: user), router.group(family, as: ben))
      try await mine.put("a".utf8, key: "a", in: .inbox)
      try await his.put("b".utf8, key: "b", in: .inbox)
      #expect(try await router.move(family, dataClass: "messages", to: "dublin").end == .moved)
      #expect(try await mine.get("b", in: .inbox)?.author == his.author)
      // What one of them wrote goes with that user, from the new place.
      #expect(try await router.erase(ben).isDone)
      #expect(try await mine.get("b", in: .inbox) == nil)
      #expect(try await mine.get("a", in: .inbox)?.text == "a")
      #expect(try await router.doctor(deep: true).findings.isEmpty)
    }
  }

  @Test func `many are moved together, and one that is refused stops nobody else`() async throws {
    let deployment = try await TemporaryDeployment()
    let users = (0..<60).map { UserID("user-\($0)") }
    try await deployment.withRouter { router in
      for (number, user) in users.enumerated() {
        try await router.admit(
          user, residence: number == 7 ? "DE" : "US", dataClasses: ["messages"], region: "dublin")
        try await router.user(user).put("of \(number)".utf8, key: "k", in: .inbox)
      }
      let results = await router.move(
        users.map { HomeMove(user: $0, dataClass: "messages", to: "mumbai") })
      for (number, result) in results.enumerated() {
        switch result {
        case .success(let report): #expect(report.end == .moved && number != 7)
        case .failure(let error): #expect(error.code == .refused && number == 7)
        }
        let user = try await router.user(users[number])
        #expect(try await user.get("k", in: .inbox)?.text == "of \(number)")
      }
      #expect(try await router.doctor(deep: true).findings.isEmpty)
      #expect(try router.verifyLedger().findings.isEmpty)
    }
  }

  @Test func `a record that is not as it was at the source stops the move, and is named`()
    async throws
  {
    let moving = try await MovingUser()
    let data = moving.deployment.data
    let verify = try #require(
      try await MovingUser.points().firstIndex { $0.step == .verify && $0.isBefore })
    let stop = MoveStop(at: verify) { _ in
      let file = try Connection(path: "\(data)/mumbai/mumbai-1.sqlite", mode: .writing)
      try file.execute(
        "UPDATE record SET value = CAST('value of kez-3' AS BLOB) WHERE key = CAST('key-3' AS BLOB)"
      )
    }
    try await moving.withRouter(stop) { router in
      let report = try await router.move(user, dataClass: "messages", to: "mumbai")
      #expect(report.end == .undone)
      #expect(report.problem?.code == .corrupt)
      #expect(report.problem?.message.contains("“key-3”") == true)
    }
    try await moving.check(in: "dublin", "a flipped bit")
  }

  @Test func `a target without room is no target`() async throws {
    let moving = try await MovingUser()
    try await moving.deployment.withRouter({ $0.moveSettings.freeBytes = { _ in 1 << 20 } }) {
      router in
      let refusal = await #expect(throws: RouterError.self) {
        try await router.move(user, dataClass: "messages", to: "mumbai")
      }
      #expect(refusal?.code == .diskFull)
      let moves = try router.moves()
      #expect(moves.isEmpty)
    }
    try await moving.check(in: "dublin", "no room")
  }

  @Test func `a target that has filled up since is emptied, and the home stays`() async throws {
    let moving = try await MovingUser()
    let free = Mutex([1 << 40])
    try await moving.deployment.withRouter({
      // Room when it is planned, and none when the copying begins.
      $0.moveSettings.freeBytes = { _ in free.withLock { $0.popLast() ?? 1 << 20 } }
    }) { router in
      let report = try await router.move(user, dataClass: "messages", to: "mumbai")
      #expect(report.end == .undone)
      #expect(report.problem?.code == .diskFull)
    }
    try await moving.check(in: "dublin", "full")
  }

  @Test(arguments: [
    (MoveState.Step.copy, MoveReport.End.unfinished), (.verify, .unfinished), (.freeze, .moved),
    (.open, .moved), (.empty, .moved),
  ])
  func `a move whose task is cancelled stops where nobody waits, or goes on to its end`(
    step: MoveState.Step, end: MoveReport.End
  ) async throws {
    let moving = try await MovingUser()
    let task = Mutex(Task<MoveReport, any Error>?.none)
    let stop = MoveStop(at: nil)
    try await moving.deployment.withRouter({
      $0.moveSettings.observe = { point in
        try await stop.reach(point)
        if point.step == step, !point.isBefore { task.withLock { $0?.cancel() } }
      }
    }) { router in
      let moved = task.withLock { task in
        let move = Task { try await router.move(user, dataClass: "messages", to: "mumbai") }
        task = move
        return move
      }
      let report = try await moved.value
      #expect(report.end == end)
      #expect(report.problem?.code == (end == .moved ? nil : .cancelled))
      try await router.user(user).put("at once".utf8, key: "k", in: .inbox)
      try await router.user(user).delete("k", in: .inbox)
      if end == .unfinished { _ = try await router.resumeMoves(of: user) }
    }
    try await moving.check(in: "mumbai", "\(step)")
  }

  @Test func `freezes that take too long are given up, and the home stays`() async throws {
    let moving = try await MovingUser()
    let stop = MoveStop(at: nil)
    try await moving.deployment.withRouter({
      $0.moveSettings.freezeBudget = .zero
      $0.moveSettings.observe = { try await stop.reach($0) }
    }) { router in
      let report = try await router.move(user, dataClass: "messages", to: "mumbai")
      #expect(report.end == .undone)
      #expect(report.problem?.code == .deadlineExceeded)
    }
    #expect(stop.seen.filter { $0.step == .freeze && $0.isBefore }.count == MoveState.freezesMax)
    try await moving.check(in: "dublin", "no budget")
  }

  @Test func `what has expired is not copied, and a home without records moves`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(user, residence: "US", dataClasses: ["messages"], region: "ashburn")
      let ada = try await router.user(user)
      try await ada.put("gone".utf8, key: "gone", in: .inbox, expires: .after(.seconds(5)))
      deployment.clock.advance(by: .seconds(6))
      let report = try await router.move(user, dataClass: "messages", to: "dublin")
      #expect(report.end == .moved && report.records == 0)
      #expect(try await ada.get("gone", in: .inbox) == nil)
      #expect(try await router.doctor(deep: true).findings.isEmpty)
    }
  }
}
