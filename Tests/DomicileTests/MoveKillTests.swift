import DomicileTesting
import Foundation
import Testing

@testable import Domicile
@testable import DomicileMigration

/// A real SIGKILL, and a real SIGSTOP, before and after every transaction of every step of a move.
@Suite struct MoveKillTests {
  private static let user = MovingUser.user

  /// Moves in a process of its own, with the deployment's clock, which stands still; at a point it signals itself.
  private static func move(data: String, at number: Int, signal: Int32, notes: String) async throws
  {
    var options = RouterOptions()
    options.clock = ManualClock().wallClock
    options.sweepInterval = nil
    options.ballastBytes = 1 << 20
    let stop = MoveStop(at: number) { _ in
      NoteFile(notes).note("\(getpid())")
      kill(getpid(), signal)
      // Continued for a moment, because it was stopped inside the gate of a file: the mover goes on when it is told to.
      while !FileManager.default.fileExists(atPath: "\(notes).go") {
        try await Task.sleep(for: .milliseconds(2))
      }
    }
    options.moveSettings.observe = { try await stop.reach($0) }
    options.moveSettings.limits.records = 10
    // A machine that is busy must not end a freeze.
    options.moveSettings.freezeBudget = .seconds(60)
    let router = try await ResidencyRouter.open(data: data, options: options)
    let report = try? await router.move(user, dataClass: "messages", to: "mumbai")
    await router.close()
    NoteFile(notes).note("\(report?.end.rawValue ?? "failed")")
  }

  private static func isPastFlip(_ point: MovePoint) -> Bool {
    [.open, .empty, .end].contains(point.step) || point.step == .flip && !point.isBefore
  }

  /// Kills at every point; `after` says what somebody else does then, and where the home is in the end.
  private func killed(
    _ after: (ResidencyRouter, MovePoint) async throws -> String
  ) async throws {
    for (number, point) in try await MovingUser.points().enumerated() {
      let comment = "killed at \(number), \(point.isBefore ? "before" : "after") \(point.step)"
      let moving = try await MovingUser()
      let (data, notes) = (moving.deployment.data, "\(moving.deployment.folder.path)/notes")
      await #expect(processExitsWith: .signal(SIGKILL), "\(comment)") {
        [data = data as String, number = number as Int, notes = notes as String] in
        try await Self.move(data: data, at: number, signal: SIGKILL, notes: notes)
      }
      // Before anybody comes by, one home at most takes writes, and the records are there.
      try await OpenFiles.with(moving.deployment) { files in
        let open = try files.open("ada", "messages")
        #expect(open.count <= 1, "\(comment)")
      }
      let region = try await moving.deployment.withRouter { router in
        let region = try await after(router, point)
        #expect(try router.verifyLedger().findings.isEmpty, "\(comment)")
        return region
      }
      try await moving.check(in: region, comment)
    }
  }

  @Test func `another process goes on with it`() async throws {
    try await killed { router, point in
      let reports = try await router.resumeMoves(evenLeased: true)
      // After the last transaction there is nothing left to be done.
      let isOver = point.step == .end && !point.isBefore && reports.isEmpty
      #expect(isOver || reports.map(\.end) == [.moved], "\(point)")
      // Twice is the same as once.
      #expect(try await router.resumeMoves(evenLeased: true).isEmpty)
      return "mumbai"
    }
  }

  @Test func `another process undoes it`() async throws {
    try await killed { router, point in
      do {
        let reports = try await router.abortMoves(of: Self.user)
        #expect(reports.map(\.end) == [.undone], "\(point)")
        return "dublin"
      } catch {
        #expect(Self.isPastFlip(point), "\(point): \(error)")
        return "mumbai"
      }
    }
  }

  @Test func `a backend writes at once, without waiting for the mover's lease`() async throws {
    for (number, point) in try await MovingUser.points().enumerated() {
      let comment = "killed at \(number), \(point.step)"
      let moving = try await MovingUser()
      let (data, notes) = (moving.deployment.data, "\(moving.deployment.folder.path)/notes")
      await #expect(processExitsWith: .signal(SIGKILL), "\(comment)") {
        [data = data as String, number = number as Int, notes = notes as String] in
        try await Self.move(data: data, at: number, signal: SIGKILL, notes: notes)
      }
      // The freeze has a deadline; the lease has not come to its end.
      moving.deployment.clock.advance(by: .seconds(10))
      try await moving.deployment.withRouter { router in
        let user = try await router.user(Self.user)
        let key = MovingUser.keys[0]
        try await user.put("written".utf8, key: key, in: .inbox)
        #expect(try await user.get(key, in: .inbox)?.text == "written", "\(comment)")
        // And whoever was to move it goes on with that.
        _ = try await router.resumeMoves(evenLeased: true)
        #expect(try await user.get(key, in: .inbox)?.text == "written", "\(comment)")
        try await user.put("value of key-0".utf8, key: key, in: .inbox, labels: ["of": "ada"])
      }
      try await moving.check(in: "mumbai", comment)
    }
  }

  @Test(arguments: [true, false])
  func `the process is only stopped, and goes on after somebody has taken it over`(
    isResumed: Bool
  ) async throws {
    for (number, point) in try await MovingUser.points().enumerated() {
      let comment = "stopped at \(number), \(point.step), \(isResumed ? "resumed" : "undone")"
      let moving = try await MovingUser()
      let (data, notes) = (moving.deployment.data, "\(moving.deployment.folder.path)/notes")
      try await withThrowingTaskGroup { group in
        group.addTask(executorPreference: ThreadPerJob()) {
          await #expect(processExitsWith: .success, "\(comment)") {
            [data = data as String, number = number as Int, notes = notes as String] in
            try await Self.move(data: data, at: number, signal: SIGSTOP, notes: notes)
          }
        }
        var process: Int32?
        while process == nil {
          try await Task.sleep(for: .milliseconds(5))
          process = NoteFile.read(notes).first?.first.flatMap(Int32.init)
        }
        // The note comes before the signal. Who is stopped inside the gate of a file keeps all others out of it: for a moment it
        // is let go on.
        let stopped = try #require(process)
        let pulse = Task {
          while (try? await Task.sleep(for: .milliseconds(300))) != nil {
            kill(stopped, SIGCONT)
            try? await Task.sleep(for: .milliseconds(10))
            kill(stopped, SIGSTOP)
          }
        }
        try await Task.sleep(for: .milliseconds(20))
        try await moving.deployment.withRouter { router in
          if isResumed {
            _ = try await router.resumeMoves(evenLeased: true)
          } else {
            _ = try? await router.abortMoves(of: Self.user)
          }
        }
        try await OpenFiles.with(moving.deployment) { files in
          let open = try files.open("ada", "messages")
          #expect(open.count == 1, "\(comment)")
        }
        pulse.cancel()
        await pulse.value
        NoteFile("\(notes).go").note("go")
        kill(stopped, SIGCONT)
        try await group.waitForAll()
      }
      try await moving.check(
        in: isResumed || Self.isPastFlip(point) ? "mumbai" : "dublin", comment)
    }
  }
}
