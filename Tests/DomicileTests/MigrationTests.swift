import DomicileTesting
import Foundation
import Synchronization
import Testing

@testable import Domicile

/// Plans say who has to move and who cannot, and carrying them out leaves nothing to be planned.
@Suite struct MigrationTests {
  private static let drainedMumbai = RegionFiles.small.replacing(
    "mumbai: {country: IN,", in: "topology.yaml", with: "mumbai: {state: draining, country: IN,")
  private static let frozenMumbai = RegionFiles.small.replacing(
    "mumbai: {country: IN,", in: "topology.yaml", with: "mumbai: {state: frozen, country: IN,")

  /// Users whose messages are in India and could be elsewhere.
  private func deployed(users: Int = 20) async throws -> TemporaryDeployment {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      for number in 0..<users {
        let id = UserID("u\(number)")
        try await router.admit(id, residence: "US", dataClasses: ["messages"], region: "mumbai")
        try await router.user(id).put("of \(number)".utf8, key: "k", in: .inbox)
      }
    }
    return deployment
  }

  private func plan(
    _ router: ResidencyRouter, _ scope: MigrationScope = .misplaced, to region: String? = nil
  ) async throws -> MigrationPlan {
    var moves: [PlannedMove] = []
    let (header, _) = try await router.plan(scope, to: region) { moves.append($0) }
    return MigrationPlan(header: header, moves: moves)
  }

  // MARK: Plans

  @Test func `where everybody may be, nobody has to move`() async throws {
    try await deployed().withRouter { router in
      let (header, summary) = try await router.plan { _ in }
      #expect(summary.rows.isEmpty && summary.homes == 0)
      #expect(header.generation == router.policyGeneration)
    }
  }

  @Test func `homes that a policy forbids go where it wants them, with the rules that say so`()
    async throws
  {
    try await deployed(users: 3).withRouter { router in
      let candidate = try ResidencyPolicy(files: .americansInIreland)
      let (header, summary) = try await router.plan(by: candidate)
      #expect(header.generation == nil)
      #expect(summary.homes == 3 && summary.records == 3 && summary.bytes > 0)
      #expect(summary.rows.allSatisfy { $0.why == ["us-in-ireland"] && $0.from == "mumbai-1" })
      // The two shards of Ireland get as many each as can be.
      #expect(Set(summary.rows.map(\.to)) == ["dublin-1", "dublin-2"])
    }
  }

  @Test func `who can be nowhere is named, with the rules that conflict`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, _ in
      let candidate = try ResidencyPolicy(files: .europeansInGermany)
      let (_, summary) = try await router.plan(by: candidate)
      #expect(summary.homes == 0 && summary.homesWithoutPlace == 2)
      #expect(summary.rows.allSatisfy { $0.to == nil && $0.conflict == ["eu-at-home"] })
    }
  }

  @Test func `a region or shard is emptied, and shards are brought to the same`() async throws {
    try await deployed().withRouter { router in
      let emptied = try await plan(router, .regions(["mumbai", "dublin"]))
      #expect(Set(emptied.targets.values) == ["ashburn-1"])
      #expect(try await router.migrate(plan(router, .shard("mumbai-1"), to: "dublin")).moved == 20)
      let counts = try await router.placements().map(\.homes).reduce(0, +)
      #expect(counts == 20)
      // Ten each: nothing to be done; after one shard was emptied into the other, half goes back.
      #expect(try await plan(router, .balance("dublin")).targets.isEmpty)
      let one = try await plan(router, .shard("dublin-1"), to: "dublin")
      #expect(Set(one.targets.values) == ["dublin-2"])
      #expect(try await router.migrate(one).moved == 10)
      let balanced = try await plan(router, .balance("dublin"))
      #expect(balanced.targets.count == 10 && Set(balanced.targets.values) == ["dublin-1"])
    }
  }

  @Test func `a region, shard or user that is not known is said to be so`() async throws {
    try await deployed(users: 1).withRouter { router in
      for scope in [MigrationScope.regions(["nowhere"]), .shard("none"), .balance("nowhere")] {
        let error = await #expect(throws: RouterError.self) { try await router.plan(scope) }
        #expect(error?.code == .unknownName)
      }
      let error = await #expect(throws: RouterError.self) {
        try await router.plan(of: UserID("nobody"))
      }
      #expect(error?.code == .notFound)
    }
  }

  // MARK: Drained and frozen

  @Test func `a drained region takes nobody new, keeps who is there, and is emptied by a plan`()
    async throws
  {
    try await deployed().withRouter { router in
      #expect(
        await router.impact(of: try ResidencyPolicy(files: Self.drainedMumbai)).barredHomes == 0)
      #expect(try await router.apply(Self.drainedMumbai).isApplied)
      let user = try await router.user(UserID("u0"))
      try await user.put("still".utf8, key: "k", in: .inbox)
      for attempt in ["admit", "move"] {
        let error = await #expect(throws: RouterError.self) {
          if attempt == "admit" {
            try await router.admit(UserID("new"), residence: "US", region: "mumbai")
          } else {
            try await router.admit(UserID("new"), residence: "US", region: "ashburn")
            _ = try await router.move(UserID("new"), dataClass: "messages", to: "mumbai")
          }
        }
        #expect(error?.code == .unserved && error?.message.contains("drained") == true)
      }
      // Whoever would be placed there goes elsewhere.
      try await router.admit(UserID("near"), residence: "IN", dataClasses: ["messages"])
      #expect(try await router.locate(UserID("near")).placements.map(\.region) != ["mumbai"])
      let misplaced = try await plan(router)
      #expect(misplaced.targets.count == 20)
      #expect(try await router.migrate(misplaced).moved == 20)
      #expect(try await plan(router).targets.isEmpty)
      #expect(try await user.get("k", in: .inbox)?.text == "still")
      #expect(try await router.doctor(deep: true).findings.isEmpty)
    }
  }

  @Test func `a frozen region's homes are barred until they are moved`() async throws {
    try await deployed(users: 2).withRouter { router in
      #expect(
        await router.impact(of: try ResidencyPolicy(files: Self.frozenMumbai)).barredHomes == 2)
      #expect(try await router.apply(Self.frozenMumbai).isApplied)
      let user = try await router.user(UserID("u0"))
      let error = await #expect(throws: RouterError.self) {
        try await user.put("no".utf8, key: "k", in: .inbox)
      }
      #expect(error?.code == .barred)
      #expect(try await user.get("k", in: .inbox)?.text == "of 0")
      #expect(try await router.migrateMisplaced()?.moved == 2)
      try await user.put("yes".utf8, key: "k", in: .inbox)
    }
  }

  // MARK: Carrying out

  @Test
  func `a plan made by another policy is refused, and one of a candidate until it is in force`()
    async throws
  {
    try await deployed(users: 2).withRouter { router in
      let old = try await plan(router, .regions(["mumbai"]))
      var moves: [PlannedMove] = []
      let candidate = try ResidencyPolicy(files: .americansInIreland)
      let (header, _) = try await router.plan(by: candidate) { moves.append($0) }
      let new = MigrationPlan(header: header, moves: moves)
      for outdated in [new] {
        let error = await #expect(throws: RouterError.self) { try await router.migrate(outdated) }
        #expect(error?.code == .planOutdated)
      }
      _ = try await router.apply(candidate)
      let error = await #expect(throws: RouterError.self) { try await router.migrate(old) }
      #expect(error?.code == .planOutdated)
      #expect(try await router.migrate(new).moved == 2)
      let again = try await router.migrate(new)
      #expect(again.moved == 0 && again.alreadyThere == 2 && again.state == .finished)
    }
  }

  @Test func `what is no longer as the plan has it is left alone`() async throws {
    try await deployed(users: 4).withRouter { router in
      let plan = try await plan(router, .regions(["mumbai"]), to: "ashburn")
      _ = try await router.move(UserID("u0"), dataClass: "messages", to: "dublin")
      _ = try await router.erase(UserID("u1"))
      let progress = try await router.migrate(plan)
      #expect(progress.moved == 2 && progress.outdated == 2)
      #expect(try await router.locate(UserID("u0")).placements.map(\.region) == ["dublin"])
    }
  }

  @Test func `whoever may not go is refused with a reason, and the others go`() async throws {
    try await deployed(users: 3).withRouter { router in
      let plan = try await plan(router, .regions(["mumbai"]), to: "ashburn")
      _ = try await router.retag(UserID("u1"), residence: "DE")
      let progress = try await router.migrate(plan)
      #expect(progress.moved == 2 && progress.refused == 1 && progress.done == 3)
      #expect(progress.problems.map(\.code) == ["refused"])
    }
  }

  @Test func `a migration is paused, goes on, and is aborted, by others too`() async throws {
    try await deployed(users: 3).withRouter { router in
      let plan = try await plan(router, .regions(["mumbai"]), to: "ashburn")
      let seen = Mutex<[MigrationProgress.State]>([])
      let progress = try await router.migrate(plan) { progress in
        let paused = seen.withLock { seen in
          seen.append(progress.state)
          return seen.count { $0 == .paused }
        }
        return progress.moved > 0 || paused >= 2 ? .run : .pause
      }
      #expect(progress.state == .finished && progress.moved == 3)
      #expect(seen.withLock { $0.contains(.paused) })
      let status = try #require(try router.migrations().first)
      #expect(status.id == plan.header.id && status.progress == progress && !status.isAlive)
      let error = #expect(throws: RouterError.self) {
        try router.ask(.pause, ofMigration: plan.header.id)
      }
      #expect(error?.code == .notFound)

      let back = try await self.plan(router, .regions(["ashburn"]), to: "dublin")
      let aborted = try await router.migrate(back) { progress in
        if progress.state == .running { try? router.ask(.abort, ofMigration: back.header.id) }
        return .run
      }
      #expect(aborted.state == .aborted)
      #expect(try router.moves().isEmpty)
      #expect(try await router.migrate(back).state == .finished)
      #expect(try await self.plan(router, .regions(["ashburn"])).targets.isEmpty)
    }
  }

  @Test func `no more is copied than may be, and nothing outside the hours`() async throws {
    let deployment = try await deployed(users: 2)
    // The clock stands at midnight, UTC.
    let hour = Calendar.current.component(.hour, from: deployment.clock.now)
    try await deployment.withRouter { router in
      let plan = try await plan(router, .regions(["mumbai"]), to: "ashburn")
      var options = MigrationOptions()
      let later = (hour + 2) % 24
      options.window = MigrationWindow(
        "\(later < 10 ? "0" : "")\(later):00-\(later < 10 ? "0" : "")\(later):30")
      options.bytesPerSecond = 1_000_000
      let isOutside = Mutex(false)
      let progress = try await router.migrate(plan, options: options) { progress in
        if progress.state == .outsideWindow, progress.moved == 0 {
          isOutside.withLock { $0 = true }
          deployment.clock.advance(by: .seconds(2 * 3_600 + 60))
        }
        return .run
      }
      #expect(isOutside.withLock(\.self) && progress.moved == 2)
    }
  }

  @Test func `it pauses where a write waits much longer than usual, for a second at most`() {
    let usual = Duration.milliseconds(2)
    #expect(Migration.pause(.milliseconds(2), least: usual) == nil)
    #expect(Migration.pause(.milliseconds(19), least: usual) == nil)
    #expect(Migration.pause(.milliseconds(30), least: usual) == .milliseconds(300))
    #expect(Migration.pause(.seconds(3), least: usual) == .seconds(1))
    // A disk that is always slow is no reason to wait.
    #expect(Migration.pause(.milliseconds(90), least: .milliseconds(40)) == nil)
  }

  @Test func `batches are smaller where a freeze was long, and larger where it was short`() {
    let moves = (0..<600).map { number in
      PlannedMove(
        alias: "\(number)", group: nil, dataClass: "messages", from: "a-1", to: "b-1", why: [],
        conflict: nil, records: 1, bytes: 1)
    }
    var batches = PlannedBatches(moves)
    #expect(batches.next()?.count == 64)
    batches.adapt(to: .milliseconds(51))
    #expect(batches.next()?.count == 32)
    for _ in 0..<5 { batches.adapt(to: .milliseconds(51)) }
    #expect(batches.next()?.count == 8)
    batches.adapt(to: .milliseconds(30))
    #expect(batches.next()?.count == 8)
    for _ in 0..<9 { batches.adapt(to: .milliseconds(3)) }
    #expect(batches.next()?.count == 256)
    // What is left, and no more.
    #expect(batches.next()?.count == 232)
    #expect(batches.next() == nil)
    // What is large goes alone.
    let large = PlannedMove(
      alias: "l", group: nil, dataClass: "messages", from: "a-1", to: "b-1", why: [],
      conflict: nil, records: 1, bytes: 64 << 20)
    var mixed = PlannedBatches([large] + moves)
    #expect(mixed.next()?.count == 1)
  }

  @Test(arguments: [
    ("22:00-06:00", true), ("00:00-24:00", true), ("09:30-17:15", true), ("22-6", false),
    ("22:00-22:00", false), ("25:00-06:00", false), ("24:00-06:00", false), ("", false),
  ])
  func `hours are read, or are none`(text: String, isValid: Bool) {
    #expect((MigrationWindow(text) != nil) == isValid)
  }

  @Test func `hours may go over midnight`() throws {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
    let night = try #require(MigrationWindow("22:00-06:00"))
    let hours = (0..<24).filter {
      night.contains(Date(timeIntervalSince1970: Double($0) * 3_600), in: calendar)
    }
    #expect(hours == Array(0..<6) + [22, 23])
  }

  @Test func `who can be nowhere keeps nobody else from being moved later`() async throws {
    let deployment = try await deployed(users: 2)
    try await deployment.withRouter { router in
      try await router.admit(UserID("ada"), residence: "DE")
      _ = try await router.apply(.europeansInGermany)
      // Once looked for in vain, and then not looked for.
      for _ in 0..<2 { #expect(try await router.migrateMisplaced() == nil) }
      let drained = RegionFiles.europeansInGermany.replacing(
        "mumbai: {country: IN,", in: "topology.yaml", with: "mumbai: {state: draining, country: IN,"
      )
      _ = try await router.apply(drained)
      #expect(try await router.migrateMisplaced()?.moved == 2)
      #expect(try await router.migrateMisplaced() == nil)
      // The policy lets her stay again; then another wants her elsewhere.
      _ = try await router.apply(.small)
      #expect(try await router.migrateMisplaced() == nil)
      try await router.user(UserID("ada")).put("x".utf8, key: "k", in: .inbox)
    }
  }

  @Test func `a router that is asked to moves by itself who should not stay`() async throws {
    let deployment = try await deployed(users: 2)
    try await deployment.withRouter({ $0.migrates = MigrationOptions() }) { router in
      try await router.apply(.americansInIreland)
      await router.migrateByItself()
      #expect(
        Set(try await router.locate(UserID("u0")).placements.map(\.region)) == ["dublin"])
      #expect(try await router.migrateMisplaced() == nil)
    }
  }
}
