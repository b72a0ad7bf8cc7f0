import Domicile
import DomicileSQLite
import DomicileTesting
import Foundation
import Synchronization
import Testing

/// Promise 4: what must go is gone from all files when it is reported done.
///
/// `scripts/gone-trials` makes it a long run.
@Suite(.serialized) struct GoneTests {
  static let environment = ProcessInfo.processInfo.environment
  static let isLong = environment["DOMICILE_GONE_TRIALS"] != nil
  private static let trials = environment["DOMICILE_GONE_TRIALS"].flatMap(UInt64.init) ?? 36
  private static let first = environment["DOMICILE_GONE_SEED"].flatMap(UInt64.init) ?? 0
  /// Fewer of those that start three processes each.
  private static let processTrials = max(6, trials / 20)

  /// Whether those who write beside go on.
  private final class Flag: Sendable {
    private let isSet = Mutex(true)
    var goesOn: Bool { isSet.withLock { $0 } }
    func stop() { isSet.withLock { $0 = false } }
  }

  /// Three routers of this process, each with connections and caches of its own, as three processes have them.
  private struct Trial {
    let plan: GonePlan
    let clock = ManualClock()
    let deployment: GoneDeployment
    let routers: [ResidencyRouter]
    let lives: [GoneLife]

    init(_ plan: GonePlan) async throws {
      self.plan = plan
      deployment = try await GoneDeployment(clock: clock.wallClock)
      var routers: [ResidencyRouter] = []
      for _ in 0..<GonePlan.processes { routers.append(try await deployment.open()) }
      self.routers = routers
      lives = routers.enumerated().map { process, router in
        GoneLife(plan, router: router, process: process, expiry: .after(.seconds(100)))
      }
      try await withThrowingTaskGroup { [lives] group in
        for life in lives { group.addTask { try await life.live() } }
        try await group.waitForAll()
      }
      if plan.way == .sweep { clock.advance(by: .seconds(200)) }
    }

    var eraser: GoneEraser {
      GoneEraser(plan: plan, router: routers[plan.eraser], purger: routers[plan.purger])
    }

    func close() async { for router in routers { await router.close() } }

    /// Calls `body` while all processes write, or one, and one reads.
    func amidWriters<Result: Sendable>(
      _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
      let flag = Flag()
      return try await withThrowingTaskGroup { [lives, plan] group in
        for (process, life) in lives.enumerated() where !plan.isAlone || process == plan.eraser {
          group.addTask { try await life.liveOn { flag.goesOn } }
        }
        group.addTask {
          try await lives[(plan.eraser + 1) % GonePlan.processes].read { flag.goesOn }
        }
        defer { flag.stop() }
        let result = try await body()
        flag.stop()
        try await group.waitForAll()
        return result
      }
    }
  }

  @Test(arguments: first..<first + trials)
  func `what went is in no file when that is reported done`(seed: UInt64) async throws {
    let plan = GonePlan(seed: seed)
    let comment: Comment = "seed \(seed), \(plan.way.rawValue)"
    let trial = try await Trial(plan)
    let deployment = trial.deployment
    #expect(try deployment.search.marks() != [], comment)
    let names = try deployment.names(of: GonePlan.marked)
    #expect(try deployment.find(names).count > 1, comment)

    let (eraser, clock) = (trial.eraser, trial.clock)
    try await trial.amidWriters {
      try await Task.sleep(for: .milliseconds(5))
      let outcome = try await eraser.eraseAll()
      #expect(outcome.isDone, comment)
      #expect(outcome.records > 0, comment)
      // At once, and after all have gone on with what is in their memory.
      for _ in 0..<3 {
        #expect(try deployment.search.marks() == [], comment)
        if plan.way == .user { #expect(try deployment.find(names) == [], comment) }
        clock.advance(by: .seconds(1))
        try await Task.sleep(for: .milliseconds(20))
      }
    }
    for life in trial.lives { try await life.check() }
    #expect(try await trial.routers[plan.purger].doctor().findings == [], comment)
    await trial.close()
    #expect(try deployment.search.marks() == [], comment)
    #expect(try deployment.problems() == [], comment)
  }

  // MARK: The search is not blind

  @Test(arguments: GonePlan.Way.allCases)
  func `while somebody reads an older state it is pending, and the search finds it`(
    way: GonePlan.Way
  ) async throws {
    let seed = UInt64(GonePlan.Way.allCases.firstIndex(of: way) ?? 0)
    let plan = GonePlan(seed: seed)
    let comment: Comment = "seed \(seed), \(plan.way.rawValue)"
    let trial = try await Trial(plan)
    let collection = plan.goingCollections[0]
    let file = try await trial.deployment.shardFile(
      of: GonePlan.marked, dataClass: collection == .receipts ? "payments" : "messages",
      by: trial.routers[0])
    let reader = try Connection(path: file, mode: .reading)
    try reader.execute("BEGIN")
    #expect(try reader.integer("SELECT count(*) FROM record") ?? 0 > 0)

    let pending = try await trial.eraser.erase(deadline: .milliseconds(300))
    #expect(!pending.isDone, comment)
    #expect(pending.records > 0, comment)
    #expect(try trial.deployment.search.marks() != [], comment)

    try reader.execute("COMMIT")
    let outcome = try await trial.eraser.eraseAll()
    // A sweep that finds nothing more to delete says of the purge that waits whether it is done.
    #expect(outcome.isDone, comment)
    #expect(try trial.deployment.search.marks() == [], comment)
    await trial.close()
  }

  // MARK: Expiry

  @Test func `what has expired is gone without a call`() async throws {
    let deployment = try await GoneDeployment()
    var options = RouterOptions()
    options.sweepInterval = .milliseconds(20)
    let router = try await ResidencyRouter.open(data: deployment.data, options: options)
    var random = SystemRandomNumberGenerator()
    try await router.admit(UserID(GonePlan.marked), residence: "DE")
    let user = try await router.user(UserID(GonePlan.marked))
    var kept: [RecordKey] = []
    for count in [8, 100, 5_000, 24 << 10, 1 << 20, 64, 3_000, 17] {
      for marks in [Marks.going, .staying] {
        let key = RecordKey(marks.bytes(16, using: &random))
        try await user.put(
          marks.bytes(count, using: &random), key: key, in: .inbox,
          labels: ["from": marks.text(40, using: &random)],
          expires: marks == .going ? .after(.seconds(1)) : .never)
        if marks == .staying { kept.append(key) }
      }
    }
    let last = ContinuousClock.now
    // The bound: they expire a second after the last write, the next sweep begins within an interval, and a purge that a
    // reader held up is tried again within a second. A busy machine gets a minute.
    while try deployment.search.marks() != [], last.duration(to: .now) < .seconds(60) {
      try await Task.sleep(for: .milliseconds(20))
    }
    let wait = last.duration(to: .now)
    #expect(try deployment.search.marks() == [])
    #expect(wait > .milliseconds(500))
    #expect(try await user.get(kept, in: .inbox).compactMap(\.self).count == kept.count)
    print("gone after expiring in 1 s: \(wait)")
    await router.close()
    #expect(try deployment.problems() == [])
  }

  // MARK: Processes

  /// Waits for something that another process does; whether it came within a minute or two.
  private static func wait(_ isThere: () -> Bool) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(90)
    while !isThere(), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
    return isThere()
  }

  /// What one of three processes does: the files `go` and `stop` tell it when.
  private static func live(data: String, folder: String, seed: UInt64, process: Int) async throws {
    let plan = GonePlan(seed: seed)
    let notes = NoteFile("\(folder)/notes.\(process)")
    let router = try await ResidencyRouter.open(
      data: data, options: GoneDeployment.options(.system))
    let life = GoneLife(plan, router: router, process: process, expiry: .after(.seconds(1)))
    try await life.live()
    notes.note("lived")
    guard try await wait({ FileManager.default.fileExists(atPath: "\(folder)/go") }) else {
      throw CancellationError()
    }
    let end = ContinuousClock.now + .seconds(90)
    let goesOn: @Sendable () -> Bool = {
      !FileManager.default.fileExists(atPath: "\(folder)/stop") && .now < end
    }
    try await withThrowingTaskGroup { group in
      if !plan.isAlone || process == plan.eraser {
        group.addTask { try await life.liveOn(while: goesOn) }
      }
      if process == plan.purger { group.addTask { try await life.read(while: goesOn) } }
      if process == plan.eraser {
        group.addTask {
          try await Task.sleep(for: .milliseconds(plan.way == .sweep ? 1_200 : 5))
          let eraser = GoneEraser(plan: plan, router: router, purger: router)
          let outcome = try await eraser.eraseAll()
          notes.note("erased \(outcome.isDone && outcome.records > 0)")
        }
      }
      while goesOn() { try await Task.sleep(for: .milliseconds(5)) }
      try await group.waitForAll()
    }
    try await life.check()
    await router.close()
  }

  @Test(arguments: first..<first + processTrials)
  func `so it is with processes`(seed: UInt64) async throws {
    let plan = GonePlan(seed: seed)
    let comment: Comment = "seed \(seed), \(plan.way.rawValue)"
    let deployment = try await GoneDeployment()
    let (data, folder) = (deployment.data, deployment.folder.path)
    func notes(_ process: Int) -> [[String]] { NoteFile.read("\(folder)/notes.\(process)") }
    try await withThrowingTaskGroup { group in
      for process in 0..<GonePlan.processes {
        group.addTask(executorPreference: ThreadPerJob()) {
          await #expect(processExitsWith: .success, comment) {
            [
              data = data as String, folder = folder as String, seed = seed as UInt64,
              process = process as Int
            ] in
            do {
              try await Self.live(data: data, folder: folder, seed: seed, process: process)
            } catch {
              NoteFile("\(folder)/error.\(process)").note("\(error)")
              throw error
            }
          }
        }
      }
      defer { _ = try? deployment.folder.write("", to: "stop") }
      let haveLived = try await Self.wait {
        (0..<GonePlan.processes).allSatisfy { !notes($0).isEmpty }
      }
      #expect(haveLived, comment)
      #expect(try deployment.search.marks() != [], comment)
      let names = try deployment.names(of: GonePlan.marked)
      try deployment.folder.write("", to: "go")
      #expect(try await Self.wait { notes(plan.eraser).count == 2 }, comment)
      #expect(notes(plan.eraser).last == ["erased", "true"], comment)
      for _ in 0..<3 {
        #expect(try deployment.search.marks() == [], comment)
        if plan.way == .user { #expect(try deployment.find(names) == [], comment) }
        try await Task.sleep(for: .milliseconds(20))
      }
      try deployment.folder.write("", to: "stop")
      try await group.waitForAll()
    }
    for process in 0..<GonePlan.processes {
      #expect(NoteFile.read("\(folder)/error.\(process)") == [], comment)
    }
    #expect(try await deployment.withRouter { try await $0.doctor().findings } == [], comment)
    #expect(try deployment.search.marks() == [], comment)
    #expect(try deployment.problems() == [], comment)
  }
}
