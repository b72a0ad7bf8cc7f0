import Domicile
import DomicileTesting
import Foundation
import Testing

/// A policy that one process applies binds the writers of all; so do tags that it changes, and members of groups.
@Suite(.serialized) struct ApplyAcrossProcessesTests {
  private static let processes = 2
  private static let tasks = 6
  private static let americans = (0..<20).map { "american\($0)" }
  private static let indians = (0..<4).map { "indian\($0)" }
  /// Each has the American of its number as a member, who writes, and later a German.
  private static let groups = (0..<4).map { "american group \($0)" }

  /// What one put of a process came to.
  private struct Put {
    let process: Int
    let user: String
    let invoked: UInt64
    let responded: UInt64
    /// `written`, or an error's code.
    let outcome: String

    var isAmerican: Bool { user.hasPrefix("american") }
  }

  /// A moment by both clocks.
  private struct Moment {
    let monotonic = MonotonicTime.now
    let time = Date().milliseconds
  }

  /// Writes for all users, each record under a key of its own, until there is a file `stop`; two minutes at most,
  /// if whoever would make it is gone.
  private static func work(data: String, folder: String, process: Int) async throws {
    let file = NoteFile(notes(folder, process))
    let router = try await ResidencyRouter.open(data: data)
    let end = MonotonicTime.now + 120_000_000_000
    try await withThrowingTaskGroup { group in
      for task in 0..<tasks {
        group.addTask {
          var random = SystemRandomNumberGenerator()
          for number in 0... {
            let isOver = FileManager.default.fileExists(atPath: "\(folder)/stop")
            if isOver || MonotonicTime.now > end { return }
            let id = (americans + groups + indians).randomElement(using: &random) ?? ""
            let user = try await handle(of: id, router)
            let start = MonotonicTime.now
            var outcome = "written"
            do throws(RouterError) {
              try await user.put(
                [1], key: RecordKey("\(process).\(task).\(number)"), in: .inbox)
            } catch {
              outcome = "\(error.code)"
            }
            file.note("\(id.replacing(" ", with: "")) \(start) \(MonotonicTime.now) \(outcome)")
            // A refusal costs nothing: without a pause there are millions.
            if outcome != "written" { try await Task.sleep(for: .milliseconds(2)) }
          }
        }
      }
      try await group.waitForAll()
    }
    await router.close()
  }

  private static func handle(
    of id: String, _ router: ResidencyRouter
  ) async throws -> UserHandle {
    guard let number = groups.firstIndex(of: id) else { return try await router.user(UserID(id)) }
    return try await router.group(GroupID(id), as: UserID(americans[number]))
  }

  private static func notes(_ folder: String, _ process: Int) -> String {
    "\(folder)/notes.\(process)"
  }

  private static func puts(_ deployment: SharedDeployment) -> [Put] {
    (0..<processes).flatMap { process in
      NoteFile.read(notes(deployment.folder.path, process)).compactMap { words in
        guard words.count == 4, let start = UInt64(words[1]), let end = UInt64(words[2]) else {
          Issue.record("a damaged line: \(words)")
          return nil
        }
        return Put(
          process: process, user: words[0], invoked: start, responded: end, outcome: words[3])
      }
    }
  }

  /// Waits until each process has had so many puts for Americans come to something since a moment.
  private static func wait(
    for outcome: String, since moment: Moment, in deployment: SharedDeployment
  ) async throws {
    var seen = [Int](repeating: 0, count: processes)
    var files = (0..<processes).map { NoteReader(notes(deployment.folder.path, $0)) }
    for _ in 0..<3_000 {
      for process in files.indices {
        seen[process] += files[process].next().count { words in
          words[0].hasPrefix("american") && words[3] == outcome
            && UInt64(words[1]) ?? 0 > moment.monotonic
        }
      }
      if seen.allSatisfy({ $0 >= 20 }) { return }
      try await Task.sleep(for: .milliseconds(20))
    }
    Issue.record("the processes had not seen “\(outcome)” after long")
  }

  /// Runs the writing processes for the time of a call.
  private static func writing(
    _ deployment: SharedDeployment, _ body: () async throws -> Void
  ) async throws {
    try await deployment.withRouter { router in
      for id in americans { try await router.admit(UserID(id), residence: "US") }
      for id in indians { try await router.admit(UserID(id), residence: "IN") }
      try await router.admit(UserID("german"), residence: "DE")
      for (number, id) in groups.enumerated() {
        try await router.createGroup(
          GroupID(id), members: [UserID(americans[number])], dataClasses: ["messages"])
      }
      let place = try await router.locate(UserID(americans[0])).placements
        .first { $0.dataClass == "messages" }
      #expect(place?.region == "ashburn")
    }
    let stop = "\(deployment.folder.path)/stop"
    try await withThrowingTaskGroup { group in
      for process in 0..<processes {
        group.addTask(executorPreference: ThreadPerJob()) {
          [data = deployment.data, folder = deployment.folder.path] in
          await #expect(processExitsWith: .success) {
            [data = data as String, folder = folder as String, process = process as Int] in
            try await Self.work(data: data, folder: folder, process: process)
          }
        }
      }
      let result: Result<Void, any Error>
      do { result = .success(try await body()) } catch { result = .failure(error) }
      _ = FileManager.default.createFile(atPath: stop, contents: nil)
      try await group.waitForAll()
      try result.get()
    }
  }

  /// Looks for what landed in Ashburn, for Americans and their groups or for the groups only, between two moments, in the
  /// notes and in the shard.
  private static func expectNothing(
    between periods: [(Moment, Moment)], ofGroupsOnly: Bool = false,
    in deployment: SharedDeployment
  ) async throws {
    let landed = puts(deployment).filter { $0.isAmerican && $0.outcome == "written" }
    for (start, end) in periods {
      let illegal = landed.filter {
        $0.invoked > start.monotonic && $0.responded < end.monotonic
          && (!ofGroupsOnly || $0.user.hasPrefix("americangroup"))
      }
      #expect(illegal.isEmpty, "\(illegal)")
    }
    var records = 0
    try await deployment.withRouter { router in
      for id in americans + groups {
        for try await record in try await handle(of: id, router).list(.inbox) {
          records += 1
          if ofGroupsOnly && !groups.contains(id) { continue }
          let written = record.written.milliseconds
          #expect(
            !periods.contains { written > $0.0.time && written < $0.1.time },
            "\(id) has a record written at \(written)")
        }
      }
      let findings = try await router.doctor().findings.filter { $0.code != .barredHome }
      #expect(findings == [])
    }
    // All that was acknowledged is there, and nothing else: no write's outcome was unknown.
    #expect(records == landed.count)
    #expect(records > 0)
  }

  @Test func `after an apply not one write lands where another process believed it legal`()
    async throws
  {
    let deployment = try await SharedDeployment()
    var periods: [(Moment, Moment)] = []
    try await Self.writing(deployment) {
      try await deployment.withRouter { router in
        var moment = Moment()
        for _ in 0..<5 {
          try await Self.wait(for: "written", since: moment, in: deployment)
          let application = try await router.apply(.americansInIreland)
          let start = Moment()
          #expect(application.isApplied)
          try await Self.wait(for: "barred", since: start, in: deployment)
          moment = Moment()
          periods.append((start, moment))
          try await router.apply(.small)
        }
      }
    }
    try await Self.expectNothing(between: periods, in: deployment)
    let puts = Self.puts(deployment)
    #expect(Set(puts.map(\.outcome)) == ["written", "barred"])
    // Whom the policy does not concern was not disturbed.
    #expect(puts.allSatisfy { $0.isAmerican || $0.outcome == "written" })
  }

  /// Changes something about all Americans and their groups, and changes it back, five times, while two processes write.
  private static func changing(
    ofGroupsOnly: Bool = false, _ change: (ResidencyRouter) async throws -> Void,
    back: (ResidencyRouter) async throws -> Void
  ) async throws {
    let deployment = try await SharedDeployment()
    var periods: [(Moment, Moment)] = []
    try await writing(deployment) {
      try await deployment.withRouter { router in
        var moment = Moment()
        for _ in 0..<5 {
          try await wait(for: "written", since: moment, in: deployment)
          try await change(router)
          let start = Moment()
          try await wait(for: "barred", since: start, in: deployment)
          moment = Moment()
          periods.append((start, moment))
          try await back(router)
        }
      }
    }
    try await expectNothing(between: periods, ofGroupsOnly: ofGroupsOnly, in: deployment)
    #expect(Set(puts(deployment).map(\.outcome)) == ["written", "barred"])
  }

  @Test func `after a change of tags not one write lands where another process believed it legal`()
    async throws
  {
    func retag(_ router: ResidencyRouter, _ residence: String) async throws {
      for id in Self.americans {
        let change = try await router.retag(UserID(id), residence: residence)
        #expect(change.isDone)
      }
    }
    try await Self.changing { router in
      try await retag(router, "DE")
    } back: { router in
      try await retag(router, "US")
    }
  }

  @Test
  func `after a join not one write to the group lands where another process believed it legal`()
    async throws
  {
    let german = UserID("german")
    try await Self.changing(ofGroupsOnly: true) { router in
      for id in Self.groups {
        let change = try await router.join(german, to: GroupID(id), barsHomes: true)
        #expect(change.isDone)
      }
    } back: { router in
      for id in Self.groups {
        let change = try await router.leave(german, from: GroupID(id))
        #expect(change.isDone)
      }
    }
  }

  @Test func `a shard that was away while a policy was applied is raised before its first write`()
    async throws
  {
    let deployment = try await SharedDeployment()
    let folder = "\(deployment.data)/ashburn"
    let away = "\(deployment.folder.path)/away"
    var start: Moment?
    try await Self.writing(deployment) {
      try await Self.wait(for: "written", since: Moment(), in: deployment)
      // The writers have its file open, and go on; the process that applies finds nothing.
      try FileManager.default.moveItem(atPath: folder, toPath: away)
      let generation = try await deployment.withRouter { router in
        let application = try await router.apply(.americansInIreland)
        start = Moment()
        #expect(!application.isApplied)
        #expect(application.pending.map(\.shard) == ["ashburn-1"])
        #expect(application.pending.first?.reason.code == .unavailable)
        return application.generation
      }
      try await Task.sleep(for: .milliseconds(300))
      try FileManager.default.moveItem(atPath: away, toPath: folder)
      let back = Moment()
      try await Self.wait(for: "barred", since: back, in: deployment)
      let application = try await deployment.withRouter { router in
        try await router.apply(.americansInIreland)
      }
      #expect(application.isApplied)
      #expect(application.generation == generation)
    }
    let moment = try #require(start)
    try await Self.expectNothing(between: [(moment, Moment())], in: deployment)
  }

  @Test func `a shard that comes back is raised by whichever process writes first`() async throws {
    let deployment = try await SharedDeployment()
    let folder = "\(deployment.data)/ashburn"
    let away = "\(deployment.folder.path)/away"
    try await deployment.withRouter { router in
      try await router.admit(UserID("ann"), residence: "US")
    }
    try FileManager.default.moveItem(atPath: folder, toPath: away)
    try await deployment.withRouter { router in
      let application = try await router.apply(.americansInIreland)
      #expect(application.pending.map(\.shard) == ["ashburn-1"])
    }
    try FileManager.default.moveItem(atPath: away, toPath: folder)
    await #expect(processExitsWith: .success) { [data = deployment.data as String] in
      let router = try await ResidencyRouter.open(data: data)
      let ann = try await router.user(UserID("ann"))
      let error = try await #require(throws: RouterError.self) {
        try await ann.put([1], key: "k", in: .inbox)
      }
      #expect(error.code == .barred)
      // Deletions go on, and go through the shard: they raise it too.
      #expect(try await !ann.delete("k", in: .inbox))
      await router.close()
    }
    try await deployment.withRouter { router in
      #expect(try await router.user(UserID("ann")).get("k", in: .inbox) == nil)
      let findings = try await router.doctor().findings
      #expect(Set(findings.map(\.code)) == [.barredHome])
    }
  }
}
