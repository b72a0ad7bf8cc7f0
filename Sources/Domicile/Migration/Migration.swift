import DomicileDirectory
import DomicileMigration
import DomicileStorage
import Foundation
import Logging
import Synchronization

extension ResidencyRouter {
  /// Carries out a plan. It may be stopped at any moment, also by a crash, and carried out again: what was moved is not moved once more.
  ///
  /// It gives way to those who write: while a write to one of the shards waits much longer than usual, it pauses before the next batch.
  ///
  /// - Parameters:
  ///   - plan: What is to be moved.
  ///   - options: How fast, and when.
  ///   - observe: Told how far it is, before and after each batch and while it waits; says whether to go on.
  /// - Returns: What became of it.
  /// - Throws: ``RouterError`` with ``RouterError/Code/planOutdated`` if another policy is in force than that by which the plan was made.
  ///   Nothing was moved then.
  public func migrate(
    _ plan: MigrationPlan, options: MigrationOptions = MigrationOptions(),
    observe: @escaping @Sendable (MigrationProgress) -> MigrationWish = { _ in .run }
  ) async throws(RouterError) -> MigrationProgress {
    try await checkIsCurrent(plan)
    let folder = MigrationFolder(data: folder.path)
    let id = plan.header.id
    let begun = self.options.clock.now
    let actor = self.options.actorName
    try folder.begin(id, at: begun)
    let told = Mutex(ContinuousClock.Instant?.none)
    let isAlone = try folder.isNobodyElse()
    let migration = Migration(router: self, plan: plan, settings: options, isAlone: isAlone) {
      progress in
      let isDue = told.withLock { told in
        let isDue =
          [.finished, .aborted].contains(progress.state)
          || told.map { ContinuousClock.now - $0 > .seconds(1) } ?? true
        if isDue { told = .now }
        return isDue
      }
      if isDue {
        // How far it is matters less than that it goes on.
        try? folder.keep(
          MigrationStatus(
            id: id, actor: actor, process: ProcessInfo.processInfo.processIdentifier, begun: begun,
            updated: Date(), progress: progress))
      }
      let wish = observe(progress)
      return wish == .run ? folder.wish(id) : wish
    }
    return await migration.run()
  }

  /// Moves the homes that should not stay where they are, as after a change of the policy, of a day, or of a user's residence.
  ///
  /// - Returns: What became of it; nil if there were none.
  /// - Throws: ``RouterError`` if the directory cannot be read.
  public func migrateMisplaced(
    options: MigrationOptions = MigrationOptions(),
    observe: @escaping @Sendable (MigrationProgress) -> MigrationWish = { _ in .run }
  ) async throws(RouterError) -> MigrationProgress? {
    guard let sign = try await misplacedSign(), fruitless.withLock({ $0 != sign }) else {
      return nil
    }
    var moves: [PlannedMove] = []
    let (header, _) = try await plan { if $0.to != nil { moves.append($0) } }
    if moves.isEmpty {
      fruitless.withLock { $0 = sign }
      return nil
    }
    return try await migrate(
      MigrationPlan(header: header, moves: moves), options: options, observe: observe)
  }

  /// What says that it pays to look at everybody; nil if it does not.
  private func misplacedSign() async throws(RouterError) -> MisplacedSign? {
    let current = try await currentPolicy()
    return try routing {
      let unsettled = try directory.shardsWithBarredHomes()
      let drained = Set(
        current.policy.topology.shards.filter { $0.state != .open }.map(\.name))
      let homes = try directory.shards().filter {
        $0.placements > 0 && (drained.contains($0.name) || unsettled.contains($0.name))
      }
      if unsettled.isEmpty, homes.isEmpty { return nil }
      return MisplacedSign(
        generation: current.reference.generation, barred: try directory.barredHomes(),
        homes: homes.reduce(into: [:]) { $0[$1.name] = $1.placements })
    }
  }

  /// What a router does of it that is told to.
  func migrateByItself() async {
    guard let settings = options.migrates else { return }
    do throws(RouterError) {
      guard let progress = try await migrateMisplaced(options: settings) else { return }
      options.logger.info(
        "homes that should not stay where they are were moved",
        metadata: ["moved": "\(progress.moved)", "failed": "\(progress.refused + progress.failed)"])
    } catch {
      options.logger.warning(
        "homes that should not stay where they are cannot be moved",
        metadata: ["error.code": "\(error.code)"])
    }
  }

  private func checkIsCurrent(_ plan: MigrationPlan) async throws(RouterError) {
    try reloadPolicy()
    let current = try await currentPolicy()
    let digest = "\(current.policy.digest)"
    let generation = plan.header.generation
    guard
      plan.header.digest != digest
        || generation ?? current.reference.generation != current.reference.generation
    else { return }
    throw RouterError(
      .planOutdated,
      "The plan was made by \(generation.map { "the policy of generation \($0)" } ?? "a candidate"), digest \(plan.header.digest.prefix(12));"
        + " in force is generation \(current.reference.generation), digest \(digest.prefix(12)). Nothing was moved. Make a new plan."
    )
  }

  /// Moves homes together; for each what became of it, or nil if there is nothing to be moved any more.
  fileprivate func carryOut(
    _ moves: [PlannedMove], isAlone: Bool
  ) async -> [Result<MoveReport, RouterError>?] {
    var results = [Result<MoveReport, RouterError>?](repeating: nil, count: moves.count)
    var candidates: [(index: Int, candidate: MoveCandidate)] = []
    do throws(RouterError) {
      let entries = try routing {
        try directory.users(named: moves.map { OwnerAlias($0.alias) ?? OwnerAlias(bytes: []) })
      }
      for (index, (move, entry)) in zip(moves, entries).enumerated() {
        guard let to = move.to, let region = inForce.shard(to)?.region, let entry,
          let placement = entry.placement(move.dataClass), placement.state == .placed,
          !entry.isErasing
        else { continue }
        if placement.shard != to, placement.shard != move.from { continue }
        if placement.shard == to {
          let isUnderWay = try routing {
            try directory.moves(of: entry.owner).contains { $0.dataClass == move.dataClass }
          }
          results[index] =
            isUnderWay
            ? await resume(entry.owner, move, isAlone)
            : .success(
              MoveReport(
                end: .alreadyThere, dataClass: move.dataClass, from: move.from, to: to, records: 0,
                bytes: 0, longestFreeze: .zero, problem: nil))
          continue
        }
        candidates.append(
          (
            index,
            MoveCandidate(
              owner: entry.owner, dataClass: move.dataClass, region: region, shard: to)
          ))
      }
      let moved = await move(batch: candidates.map(\.candidate))
      for ((index, candidate), result) in zip(candidates, moved) {
        if case .failure(let error) = result, error.code == .moveUnderWay {
          results[index] = await resume(candidate.owner, moves[index], isAlone)
        } else {
          results[index] = result
        }
      }
    } catch {
      for index in moves.indices where results[index] == nil { results[index] = .failure(error) }
    }
    return results
  }

  /// Goes on with a move whose mover is gone; another's that is at work is left alone.
  private func resume(
    _ owner: OwnerKey, _ move: PlannedMove, _ isAlone: Bool
  ) async -> Result<MoveReport, RouterError> {
    do throws(RouterError) {
      let due = try routing {
        try directory.moves(of: owner).filter {
          $0.dataClass == move.dataClass && (isAlone || $0.lease <= options.clock.now)
        }
      }
      if let report = try await takeOver(due, evenLeased: isAlone).first { return .success(report) }
      return .failure(RouterError(.moveUnderWay, "Another process is moving this home."))
    } catch {
      return .failure(error)
    }
  }

  /// Undoes a move that has not come to its commit point.
  fileprivate func undo(_ move: PlannedMove) async {
    guard let alias = OwnerAlias(move.alias),
      let entry = try? directory.users(named: [alias])[0],
      let under = try? directory.moves(of: entry.owner).filter({ $0.dataClass == move.dataClass })
    else { return }
    _ = try? await abort(under)
  }

  /// How long a write to a shard waits just now.
  fileprivate func timeToWrite(shard name: String) async -> Duration? {
    let start = ContinuousClock.now
    let deadline = start + options.deadline
    guard let shard = try? await shard(named: name, by: deadline),
      (try? await shard.waitForTurn(by: deadline)) != nil
    else { return nil }
    return .now - start
  }
}

/// By what a router sees, without looking at everybody, that homes may not stay where they are. While it stays the same, and nobody
/// could be moved, nobody is looked for.
struct MisplacedSign: Sendable, Equatable {
  let generation: Int64
  let barred: [String: Int]
  /// In shards where some are barred, or that are drained.
  let homes: [String: Int64]
}

/// A plan being carried out.
actor Migration {
  private let router: ResidencyRouter
  private let plan: MigrationPlan
  private let settings: MigrationOptions
  /// Whether moves that stand half way when this begins have no mover any more. Those of the batches beside are another's, but not in these.
  private let isAlone: Bool
  private let observe: @Sendable (MigrationProgress) -> MigrationWish
  private var progress = MigrationProgress()
  private var wish = MigrationWish.run
  private var workDone = 0.0
  /// Of homes that did not have to be moved any more: that says nothing of the speed.
  private var workSaved = 0.0
  /// Work a second, and when it was measured.
  private var speed: Double?
  private var measured = (seconds: 0.0, work: 0.0)
  /// What somebody else has in hand, or what failed for a while.
  private var later: [(move: PlannedMove, problem: RouterError?)] = []
  /// The least that a write has waited.
  private var leastWait: Duration?
  private var since = ContinuousClock.now

  /// How often that is tried again, a second apart: a mover that is gone holds its move for half a minute.
  private static let roundsMax = 60

  init(
    router: ResidencyRouter, plan: MigrationPlan, settings: MigrationOptions, isAlone: Bool,
    observe: @escaping @Sendable (MigrationProgress) -> MigrationWish
  ) {
    self.router = router
    self.plan = plan
    self.settings = settings
    self.isAlone = isAlone
    self.observe = observe
    progress.homes = plan.size.homes
  }

  func run() async -> MigrationProgress {
    var batches = PlannedBatches(plan.moves)
    await carryOut(&batches)
    for _ in 0..<Self.roundsMax where !later.isEmpty && wish != .abort {
      try? await Task.sleep(for: .seconds(1))
      if Task.isCancelled { break }
      var again = PlannedBatches(later.map(\.move))
      later = []
      await carryOut(&again)
    }
    if wish == .abort { for (move, _) in later { await router.undo(move) } }
    progress.unfinished = later.count
    for case (let move, let problem?) in later { progress.add(problem, alias: move.alias) }
    progress.state = wish == .abort || Task.isCancelled ? .aborted : .finished
    progress.secondsLeft = progress.state == .finished ? 0 : nil
    _ = observe(progress)
    return progress
  }

  private func carryOut(_ batches: inout PlannedBatches) async {
    typealias Outcome = ([PlannedMove], [Result<MoveReport, RouterError>?])
    await withTaskGroup(of: Outcome.self) { group in
      var running = 0
      var isAtEnd = false
      since = .now
      while true {
        while !isAtEnd, running < max(1, settings.parallel), await mayGoOn() {
          guard let batch = batches.next() else {
            isAtEnd = true
            break
          }
          await giveWay(to: batch)
          running += 1
          group.addTask { [router, isAlone] in
            (batch, await router.carryOut(batch, isAlone: isAlone))
          }
        }
        if wish == .abort { group.cancelAll() }
        guard running > 0, let (moves, outcomes) = await group.next() else { break }
        running -= 1
        for (move, outcome) in zip(moves, outcomes) { note(move, outcome) }
        let freezes = outcomes.compactMap { try? $0?.get().longestFreeze }
        if let longest = freezes.max(), longest > .zero { batches.adapt(to: longest) }
        tell()
      }
    }
  }

  private func note(_ move: PlannedMove, _ outcome: Result<MoveReport, RouterError>?) {
    var (isDone, problem) = (true, RouterError?.none)
    switch outcome {
    case nil: progress.outdated += 1
    case .success(let report):
      progress.records += report.records
      progress.bytes += report.bytes
      progress.longestFreezeMilliseconds = max(
        progress.longestFreezeMilliseconds, report.longestFreeze / .milliseconds(1))
      switch report.end {
      case .moved: progress.moved += 1
      case .alreadyThere: progress.alreadyThere += 1
      // The disks had too much to do for a freeze: perhaps not in a second.
      case .undone where report.problem?.code == .deadlineExceeded:
        (isDone, problem) = (false, report.problem)
      case .undone:
        progress.failed += 1
        if let problem = report.problem { progress.add(problem, alias: move.alias) }
      case .unfinished: (isDone, problem) = (false, report.problem)
      }
    case .failure(let error):
      switch error.code {
      case .moveUnderWay, .overloaded, .cancelled, .deadlineExceeded:
        (isDone, problem) = (false, error)
      case .refused, .unplaceable, .unserved, .processingRefused:
        progress.refused += 1
        progress.add(error, alias: move.alias)
      default:
        progress.failed += 1
        progress.add(error, alias: move.alias)
      }
    }
    guard isDone else { return later.append((move, problem)) }
    if case .success(let report) = outcome, report.end != .alreadyThere {
      workDone += move.work
    } else {
      workSaved += move.work
    }
  }

  // MARK: Pace

  /// Waits until another batch may begin; false if none may any more.
  private func mayGoOn() async -> Bool {
    while !Task.isCancelled {
      let isTime = settings.window?.contains(router.options.clock.now) ?? true
      progress.state = wish == .pause ? .paused : isTime ? .running : .outsideWindow
      tell()
      if wish == .abort { return false }
      if progress.state == .running, wish == .run, isInPace { return true }
      try? await Task.sleep(for: .milliseconds(100))
    }
    return false
  }

  /// Whether no more was copied than may have been by now.
  private var isInPace: Bool {
    guard let limit = settings.bytesPerSecond, limit > 0 else { return true }
    return Double(progress.bytes) <= Double(limit) * progress.secondsWorked
  }

  /// For how long to pause where a write waits so long, and has waited at least so long; nil if it is no longer than usual.
  static func pause(_ wait: Duration, least: Duration) -> Duration? {
    wait > .milliseconds(20) && wait > least * 5 ? min(wait * 10, .seconds(1)) : nil
  }

  /// Pauses while those who write to the shards of a batch wait much longer than usual.
  private func giveWay(to batch: [PlannedMove]) async {
    for shard in Set(batch.flatMap { [$0.from, $0.to ?? $0.from] }).sorted() {
      guard let wait = await router.timeToWrite(shard: shard) else { continue }
      leastWait = min(leastWait ?? wait, wait)
      guard let pause = Self.pause(wait, least: leastWait ?? wait) else { continue }
      try? await Task.sleep(for: pause)
      progress.secondsGivenWay += pause / .seconds(1)
    }
  }

  /// What was done in the last half minute or so counts most: disks and writers have not always as much to do.
  private func measureSpeed() {
    let seconds = progress.secondsWorked - measured.seconds
    if seconds >= 2 {
      let now = (workDone - measured.work) / seconds
      speed = speed.map { $0 + (now - $0) * (1 - exp(-seconds / 30)) } ?? now
      measured = (progress.secondsWorked, workDone)
    }
    guard let speed, speed > 0 else { return }
    progress.secondsLeft = max(0, plan.size.work - workSaved - workDone) / speed
  }

  private func tell() {
    let now = ContinuousClock.now
    if progress.state == .running { progress.secondsWorked += (now - since) / .seconds(1) }
    since = now
    measureSpeed()
    wish = observe(progress)
  }
}
