import DomicileTesting
import Foundation
import Synchronization
import Testing

@testable import Domicile
@testable import DomicileMigration

/// Whatever else is decided between any two transactions of a move.
@Suite struct MoveDisturbedTests {
  private let user = MovingUser.user
  private let threads = RecordCollection("threads")

  /// Runs a move that stops at each of its points in turn while something else happens.
  private func atEveryPoint(
    _ body: @Sendable (MovingUser, Int, MovePoint) async throws -> Void
  ) async throws {
    let points = try await MovingUser.points()
    #expect(points.count > 15)
    for (number, point) in points.enumerated() {
      try await body(MovingUser(), number, point)
    }
  }

  @Test func `another mover takes it over, and the first wakes up later`() async throws {
    try await atEveryPoint { moving, number, point in
      let comment = "taken over at \(number), \(point.step)"
      let deployment = moving.deployment
      let ends = Mutex<[MoveReport.End]>([])
      let stop = MoveStop(at: number) { _ in
        try await deployment.withRouter { router in
          let reports = try await router.resumeMoves(evenLeased: true)
          ends.withLock { $0 = reports.map(\.end) }
        }
      }
      let first = try await moving.withRouter(stop) { router in
        try await router.move(user, dataClass: "messages", to: "mumbai")
      }
      // At the last point there is none left to be taken over.
      #expect(ends.withLock { $0 } == [.moved] || first.end == .moved, "\(comment)")
      try await moving.check(in: "mumbai", comment)
    }
  }

  @Test func `somebody undoes it, and the mover wakes up later`() async throws {
    try await atEveryPoint { moving, number, point in
      let comment = "undone at \(number), \(point.step)"
      let deployment = moving.deployment
      let isUndone = Mutex(false)
      let stop = MoveStop(at: number) { _ in
        try await deployment.withRouter { router in
          do {
            let reports = try await router.abortMoves(of: MovingUser.user)
            isUndone.withLock { $0 = reports.map(\.end) == [.undone] }
          } catch let error as RouterError {
            // Past its commit point, or at its end.
            guard [RouterError.Code.invalidArgument, .notFound].contains(error.code) else {
              throw error
            }
          }
        }
      }
      _ = try await moving.withRouter(stop) { router in
        try await router.move(user, dataClass: "messages", to: "mumbai")
      }
      let isPastFlip =
        [.open, .empty, .end].contains(point.step) || point.step == .flip && !point.isBefore
      #expect(isUndone.withLock { $0 } != isPastFlip, "\(comment)")
      try await moving.check(in: isPastFlip ? "mumbai" : "dublin", comment)
    }
  }

  @Test func `the user is erased, and nothing is left anywhere`() async throws {
    try await atEveryPoint { moving, number, point in
      let comment = "erased at \(number), \(point.step)"
      let deployment = moving.deployment
      let stop = MoveStop(at: number) { _ in
        try await deployment.withRouter { router in
          let receipt = try await router.erase(MovingUser.user)
          #expect(receipt.isDone, "\(comment): \(receipt.pending)")
        }
      }
      _ = try await moving.withRouter(stop) { router in
        try await router.move(user, dataClass: "messages", to: "mumbai")
      }
      try await deployment.withRouter { router in
        let gone = await #expect(throws: RouterError.self) { try await router.user(user) }
        #expect(gone?.code == .notFound, "\(comment)")
        #expect(try router.moves().isEmpty, "\(comment)")
        #expect(try await router.doctor(deep: true).findings == [], "\(comment)")
        #expect(try router.verifyLedger().findings.isEmpty, "\(comment)")
        // Another life is another's.
        try await router.admit(user, residence: "US", dataClasses: ["messages"], region: "mumbai")
        #expect(try await router.user(user).page(.inbox).records.isEmpty, "\(comment)")
      }
      for name in ["dublin/dublin-1", "dublin/dublin-2", "mumbai/mumbai-1"] {
        for ending in ["", "-wal"] {
          let bytes =
            FileManager.default.contents(
              atPath: "\(deployment.data)/\(name).sqlite\(ending)") ?? Data()
          #expect(
            bytes.range(of: Data("value of key-".utf8)) == nil, "\(comment): \(name)\(ending)")
        }
      }
    }
  }

  @Test func `a policy forbids the target, and no byte lands there after it was applied`()
    async throws
  {
    let forbidding = RegionFiles.small.replacing(
      "otherwise: {store: anywhere}", in: "policy.yaml",
      with: """
          - name: not-in-india
            residents: DE
            store: [EU, US]
            reason: A new law.
        otherwise: {store: anywhere}
        """)
    try await atEveryPoint { moving, number, point in
      let comment = "forbidden at \(number), \(point.step)"
      let deployment = moving.deployment
      let copied = Mutex<Int64>(0)
      @Sendable func records() async throws -> Int64 {
        try await OpenFiles.with(deployment) { files in
          try files.shards["mumbai-1"]?.contents(
            of: files.owner("ada"), dataClass: "messages", author: nil, holds: []
          ).records ?? 0
        }
      }
      let stop = MoveStop(at: number) { _ in
        try await deployment.withRouter { router in
          let policy = try ResidencyPolicy(files: forbidding, on: router.policy.day)
          #expect(try await router.apply(policy).isApplied, "\(comment)")
        }
        let there = try await records()
        copied.withLock { $0 = there }
      }
      let report = try await moving.withRouter(stop) { router in
        try await router.move(user, dataClass: "messages", to: "mumbai")
      }
      let isPastFlip =
        [.open, .empty, .end].contains(point.step) || point.step == .flip && !point.isBefore
      if isPastFlip {
        // It is where it may no longer be: barred, until it is moved on.
        #expect(report.end == .moved, "\(comment)")
        try await deployment.withRouter { router in
          let barred = await #expect(throws: RouterError.self) {
            try await router.user(user).put("x".utf8, key: "x", in: .inbox)
          }
          #expect(barred?.code == .barred, "\(comment)")
          let back = try await router.move(user, dataClass: "messages", to: "dublin")
          #expect(back.end == .moved, "\(comment)")
        }
      } else {
        #expect(report.end == .undone, "\(comment)")
        #expect(report.problem?.code == .barred, "\(comment)")
        #expect(try await records() == 0, "\(comment)")
      }
      try await moving.check(in: "dublin", comment)
    }
  }

  @Test func `the tags change, and a hold is placed, and both are true at the target`() async throws
  {
    try await atEveryPoint { moving, number, point in
      let comment = "changed at \(number), \(point.step)"
      let deployment = moving.deployment
      let stop = MoveStop(at: number) { _ in
        try await deployment.withRouter { router in
          _ = try await router.retag(MovingUser.user, residence: "IN")
          // While it is frozen the hold waits for the move to end, which waits for this.
          _ = try await router.hold(
            MovingUser.user, name: "case", reason: "R", deadline: .milliseconds(100))
        }
      }
      let report = try await moving.withRouter(stop) { router in
        try await router.move(user, dataClass: "messages", to: "mumbai")
      }
      #expect(report.end == .moved, "\(comment): \(String(describing: report.problem))")
      try await deployment.withRouter { router in
        await router.finishHolds()
        let ada = try await router.user(user)
        #expect(ada.profile?.residence == CountryCode("IN"), "\(comment)")
        let held = await #expect(throws: RouterError.self) {
          try await ada.delete(MovingUser.keys[0], in: .inbox)
        }
        #expect(held?.code == .held, "\(comment)")
        _ = try await router.release(hold: "case", on: user)
      }
      try await moving.check(in: "mumbai", comment)
    }
  }

  @Test func `records change, come and go, and the target has them as they are`() async throws {
    try await atEveryPoint { moving, number, point in
      let comment = "written at \(number), \(point.step)"
      let deployment = moving.deployment
      let isWritten = Mutex(false)
      let stop = MoveStop(at: number) { point in
        // Writers wait while it is frozen.
        let isFrozen =
          [.lastChanges, .flip].contains(point.step) || point.step == .freeze && !point.isBefore
        if isFrozen { return }
        try await deployment.withRouter { router in
          let ada = try await router.user(MovingUser.user)
          try await ada.put("new".utf8, key: "new", in: threads, labels: ["n": "1"])
          try await ada.put("changed".utf8, key: MovingUser.keys[1], in: .inbox)
          try await ada.delete(MovingUser.keys[2], in: .inbox)
        }
        isWritten.withLock { $0 = true }
      }
      let report = try await moving.withRouter(stop) { router in
        try await router.move(user, dataClass: "messages", to: "mumbai")
      }
      #expect(report.end == .moved, "\(comment)")
      try await deployment.withRouter { router in
        let ada = try await router.user(user)
        if isWritten.withLock({ $0 }) {
          #expect(try await ada.get("new", in: threads)?.text == "new", "\(comment)")
          #expect(try await ada.page(threads, label: ("n", "1")).records.count == 1, "\(comment)")
          #expect(
            try await ada.get(MovingUser.keys[1], in: .inbox)?.text == "changed", "\(comment)")
          #expect(try await ada.get(MovingUser.keys[2], in: .inbox) == nil, "\(comment)")
          for key in MovingUser.keys[1...2] {
            try await ada.put(
              "value of \(key.text ?? "")".utf8, key: key, in: .inbox, labels: ["of": "ada"])
          }
        }
      }
      try await moving.check(in: "mumbai", comment)
    }
  }
}
