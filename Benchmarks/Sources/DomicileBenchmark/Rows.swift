import Foundation

/// What is measured.
enum RowKind: String, CaseIterable {
  case putManyCallers = "put, 64 callers, one shard"
  case putOneCaller = "put, 1 caller"
  case get = "get by key, warm"
  case getMany = "get 64 keys in one call"
  case erase = "erase one user, purged"
  case sweep = "put during a sweep"
  case admitMany = "admit 1,000 users in one call"
  case admitOne = "admit one user, 64 callers"
  case moveLarge = "move 100,000 records of one user, verified"
  case moveAlone = "move 100,000 records, alone in their files"
  case moveSmall = "move 10,000 users of 10 records"
  case moveTogether = "move 10,000 users together"
  case moveFreeze = "freeze of a 1,000-record user's move"
  case verifyLedger = "verify a ledger of 1,000,000 entries, memory"
  case compile = "compile 10,000 rules"
  case compileMemory = "compile 10,000 rules, memory"
  case verdict = "a verdict by 10,000 rules"

  /// Whether it waits for syncs, so that the disk matters.
  var isWrite: Bool {
    switch self {
    case .putManyCallers, .putOneCaller, .erase, .sweep, .admitMany, .admitOne, .moveLarge,
      .moveAlone, .moveSmall, .moveTogether, .moveFreeze:
      true
    case .get, .getMany, .compile, .compileMemory, .verdict, .verifyLedger: false
    }
  }

  var goal: Row.Goal? {
    switch self {
    case .putManyCallers: .atLeast(5)
    case .get, .sweep: .atMost(2)
    case .erase: .atMost(0.1)
    case .compile, .compileMemory: .atMost(1)
    case .verdict: .atMost(1.2)
    case .admitMany, .admitOne: .atLeast(0.9)
    case .moveLarge: .atLeast(0.5)
    case .moveSmall, .moveTogether: .atLeast(20)
    case .moveFreeze: .atMost(4)
    case .verifyLedger: .atMost(1.5)
    case .putOneCaller, .getMany, .moveAlone: nil
    }
  }
}

/// All sides with their data in one folder, measured on one disk.
struct Stage {
  let folder: String
  let disk: Disk
  let shim: SyncShim?
  let plan: Plan

  func measure(_ kind: RowKind) async throws -> [Row] {
    let place = "\(folder)/\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: place) }
    switch kind {
    case .erase: return [try await erasures(kind, place)]
    case .sweep: return try await sweeps(kind, place)
    case .compile, .compileMemory, .verdict: return [try await policies(kind)]
    case .admitMany, .admitOne: return [try await admissions(kind, place)]
    case .moveLarge, .moveAlone, .moveSmall, .moveTogether, .moveFreeze:
      return [try await moves(kind, place)]
    case .verifyLedger: return [try await verifications(kind, place)]
    case .putManyCallers, .putOneCaller, .get, .getMany: break
    }
    // Ours first: it turns SQLite's memory statistics off for the process, to the good of all sides.
    let ours = try await Deployment(folder: place)
    do {
      let row = try await measure(kind, ours, place)
      await ours.close()
      return [row]
    } catch {
      await ours.close()
      throw error
    }
  }

  private func measure(
    _ kind: RowKind, _ ours: Deployment, _ place: String
  ) async throws -> Row {
    switch kind {
    case .putManyCallers:
      let table = try GRDBTable(path: "\(place)/grdb.sqlite")
      let row = try await puts(
        kind, callers: Workload.callers, baseline: "GRDB", ours.put, table.put)
      try table.assertDurable()
      try table.close()
      return row
    case .putOneCaller:
      let table = try RawTable(path: "\(place)/raw.sqlite")
      return try await puts(kind, callers: 1, baseline: "C API", ours.put) { table.put(&$0) }
    case .get:
      let table = try RawTable(path: "\(place)/raw.sqlite")
      return try await gets(kind, recordsPerCall: 1, ours.get) { table.get(&$0) }
    case .getMany:
      let table = try RawTable(path: "\(place)/raw.sqlite")
      return try await gets(kind, recordsPerCall: Workload.keysPerCall, ours.getMany) {
        table.getMany(&$0)
      }
    case .erase, .sweep, .compile, .compileMemory, .verdict, .admitMany, .admitOne, .verifyLedger,
      .moveLarge, .moveAlone, .moveSmall, .moveTogether, .moveFreeze:
      preconditionFailure("these have a deployment of their own, or none")
    }
  }

  private func puts(
    _ kind: RowKind, callers: Int, baseline name: String,
    _ ours: @escaping @Sendable (inout Draw) async throws -> Void,
    _ baseline: @escaping @Sendable (inout Draw) async throws -> Void
  ) async throws -> Row {
    var perSync: (ours: [Double], baseline: [Double]) = ([], [])
    func rate(
      _ figures: inout [Double], _ put: @escaping @Sendable (inout Draw) async throws -> Void
    ) async throws -> Double {
      let syncs = shim?.syncs ?? 0
      let start = ContinuousClock.now
      let rate = try await plan.writesPerSecond(callers: callers, put)
      let writes = rate * ((ContinuousClock.now - start) / .seconds(1))
      if let shim { figures.append(writes / Double(shim.syncs - syncs)) }
      return rate
    }
    let figures = try await plan.interleave {
      try await rate(&perSync.ours, ours)
    } baseline: {
      try await rate(&perSync.baseline, baseline)
    }
    // One caller's commits can share nothing, nor can GRDB's: less than a sync each is not durable.
    guard perSync.baseline.allSatisfy({ $0 <= 1.01 }),
      perSync.ours.allSatisfy({ $0 <= Double(callers) * 1.01 })
    else { throw BenchmarkError("\(kind.rawValue): somebody commits without a sync") }
    return Row(
      what: kind.rawValue, disk: disk, unit: .perSecond, baselineName: name,
      goal: plan.isSmoke ? nil : kind.goal,
      ours: figures.ours, baseline: figures.baseline,
      oursPerSync: perSync.ours.isEmpty ? nil : perSync.ours.median,
      baselinePerSync: perSync.baseline.isEmpty ? nil : perSync.baseline.median)
  }

  private func gets(
    _ kind: RowKind, recordsPerCall: Int,
    _ ours: (inout Draw) async throws -> Int, _ baseline: (inout Draw) async throws -> Int
  ) async throws -> Row {
    let figures = try await plan.interleave {
      try await plan.nanosecondsPerRecord(inEachCall: recordsPerCall, ours)
    } baseline: {
      try await plan.nanosecondsPerRecord(inEachCall: recordsPerCall, baseline)
    }
    return Row(
      what: kind.rawValue, disk: nil, unit: .nanoseconds, baselineName: "C API",
      goal: plan.isSmoke ? nil : kind.goal,
      ours: figures.ours, baseline: figures.baseline)
  }

  private func erasures(_ kind: RowKind, _ place: String) async throws -> Row {
    let ours = try await ErasureDeployment(folder: place, isSmoke: plan.isSmoke)
    let bytes = try ours.fileBytes()
    let figures: (ours: [Double], baseline: [Double])
    do {
      figures = try await plan.interleave(ours: ours.erase, baseline: ours.vacuum)
    } catch {
      await ours.close()
      throw error
    }
    await ours.close()
    var row = Row(
      what: kind.rawValue, disk: disk, unit: .milliseconds, baselineName: "VACUUM",
      goal: plan.isSmoke ? nil : kind.goal, ours: figures.ours, baseline: figures.baseline)
    row.remark = "the file had \(bytes >> 20) MiB"
    return row
  }

  /// What admissions cost with a ledger and without.
  private func admissions(_ kind: RowKind, _ place: String) async throws -> Row {
    let with = try await AdmissionDeployment(folder: "\(place)/with", keepsLedger: true)
    let without = try await AdmissionDeployment(folder: "\(place)/without", keepsLedger: false)
    let callers = kind == .admitMany ? 1 : Workload.callers
    let count = kind == .admitMany ? 1_000 : 1
    let figures = try await plan.interleave {
      try await plan.writesPerSecond(callers: callers) { _ in try await with.admit(count) }
    } baseline: {
      try await plan.writesPerSecond(callers: callers) { _ in try await without.admit(count) }
    }
    await with.close()
    await without.close()
    return Row(
      what: kind.rawValue, disk: disk, unit: .perSecond, baselineName: "no ledger",
      goal: plan.isSmoke ? nil : kind.goal, ours: figures.ours, baseline: figures.baseline)
  }

  /// What moves cost beside SQLite alone; how long writers wait beside one sync.
  private func moves(_ kind: RowKind, _ place: String) async throws -> Row {
    let (users, recordsPerUser) =
      switch kind {
      case .moveLarge, .moveAlone: (1, plan.isSmoke ? 2_000 : 100_000)
      case .moveSmall, .moveTogether: (plan.isSmoke ? 100 : 10_000, 10)
      default: (1, 1_000)
      }
    let stage = try await MoveDeployment(
      folder: place, users: users, recordsPerUser: recordsPerUser, isAlone: kind == .moveAlone)
    let sync = try syncMicroseconds(in: place) / 1_000
    let figures: (ours: [Double], baseline: [Double])
    do {
      switch kind {
      case .moveLarge, .moveAlone:
        figures = try await plan.interleave(ours: stage.move, baseline: stage.attach)
      case .moveSmall:
        // As many as show the rate: the rest would take as long each.
        let some = min(users, 500)
        figures = try await plan.interleave(ours: stage.move) {
          try stage.attachOneByOne(users: some)
        }
      case .moveTogether:
        let some = min(users, 50)
        figures = try await plan.interleave(ours: stage.move) {
          try await stage.moveEach(users: some)
        }
      default: figures = try await plan.interleave(ours: stage.freeze) { sync }
      }
    } catch {
      await stage.close()
      throw error
    }
    await stage.close()
    return Row(
      what: kind.rawValue, disk: disk, unit: kind == .moveFreeze ? .milliseconds : .perSecond,
      baselineName: kind == .moveFreeze
        ? "a sync"
        : kind == .moveSmall
          ? "ATTACH, one by one" : kind == .moveTogether ? "a call each" : "ATTACH, all at once",
      goal: plan.isSmoke ? nil : kind.goal, ours: figures.ours, baseline: figures.baseline)
  }

  /// How much memory a process takes that verifies a large ledger, against a small one.
  private func verifications(_ kind: RowKind, _ place: String) async throws -> Row {
    let large = try await LedgerFolder(
      folder: "\(place)/large", entries: plan.isSmoke ? 20_000 : 1_000_000)
    let small = try await LedgerFolder(folder: "\(place)/small", entries: 100_000)
    var seconds: [Double] = []
    let figures = try await plan.interleave {
      let (mebibytes, time) = try large.verifyInChild()
      seconds.append(time)
      return mebibytes
    } baseline: {
      try small.verifyInChild().mebibytes
    }
    var row = Row(
      what: kind.rawValue, disk: nil, unit: .mebibytes, baselineName: "100,000",
      goal: plan.isSmoke ? nil : kind.goal, ours: figures.ours, baseline: figures.baseline)
    row.remark =
      "one pass over \(large.entries) entries took \(Int(seconds.median.rounded())) s,"
      + " \(Int(Double(large.entries) / seconds.median)) entries/s"
    return row
  }

  /// What a policy of many rules costs, against what it may cost, or against one of few rules.
  private func policies(_ kind: RowKind) async throws -> Row {
    let budgetMilliseconds = 2_000.0
    let budgetMebibytes = 100.0
    let figures: (ours: [Double], baseline: [Double])
    var (unit, baseline, remark) = (Row.Unit.milliseconds, "budget", String?.none)
    switch kind {
    case .compile:
      figures = try await plan.interleave {
        try ManyRules.milliseconds(rules: ManyRules.rules)
      } baseline: {
        budgetMilliseconds
      }
      let bytes = ManyRules.texts(rules: ManyRules.rules).values.reduce(0) { $0 + $1.utf8.count }
      remark = "the texts have \(bytes >> 10) KiB"
    case .compileMemory:
      unit = .mebibytes
      figures = try await plan.interleave {
        try ManyRules.mebibytesInChild()
      } baseline: {
        budgetMebibytes
      }
    default:
      (unit, baseline) = (.nanoseconds, "10 rules")
      let many = try ManyRules.Verdicts(rules: ManyRules.rules)
      let few = try ManyRules.Verdicts(rules: ManyRules.fewRules)
      figures = try await plan.interleave {
        try many.nanoseconds(for: plan.slice)
      } baseline: {
        try few.nanoseconds(for: plan.slice)
      }
    }
    var row = Row(
      what: kind.rawValue, disk: nil, unit: unit, baselineName: baseline,
      goal: plan.isSmoke ? nil : kind.goal, ours: figures.ours, baseline: figures.baseline)
    row.remark = remark
    return row
  }

  /// What writers wait with and without a sweep, in turns until one sweep came to its end.
  private func sweeps(_ kind: RowKind, _ place: String) async throws -> [Row] {
    let stage = try await SweepDeployment(folder: place, isSmoke: plan.isSmoke)
    var pairs: [(with: Latencies, without: Latencies)] = []
    var sweep = Duration.zero
    do {
      try await stage.fill()
      _ = try await stage.writeAlone(for: plan.slice * 4)
      var isAtEnd = false
      while !isAtEnd {
        let without = try await stage.writeAlone(for: plan.slice * 4)
        let with = try await stage.writeDuringSweep(for: plan.slice * 4)
        pairs.append((with.latencies, without))
        sweep += with.sweep
        isAtEnd = with.isAtEnd
      }
    } catch {
      await stage.close()
      throw error
    }
    await stage.close()
    // The sweep ended during the last.
    if pairs.count > 1 { pairs.removeLast() }
    var rows = [50.0, 99].map { percent in
      Row(
        what: "\(kind.rawValue), 64 callers, p\(Int(percent))", disk: disk, unit: .milliseconds,
        baselineName: "no sweep", goal: plan.isSmoke || percent < 99 ? nil : kind.goal,
        ours: pairs.map { $0.with.percentile(percent) },
        baseline: pairs.map { $0.without.percentile(percent) })
    }
    let seconds = sweep / .seconds(1)
    let rate = Int(Double(stage.records) / seconds)
    rows[1].remark =
      "the sweep of \(stage.records) records took \(Int(seconds.rounded())) s with its purge,"
      + " \(rate) records/s; \(pairs.count) pairs of \(plan.slice * 4 / .seconds(1)) s"
    return rows
  }
}
