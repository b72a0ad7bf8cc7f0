import Domicile
import DomicileSQLite
import DomicileTesting
import Foundation
import Synchronization
import Testing

extension GoneTests {
  /// Counts what SQLite is about to change in its files, and kills the process before one of these steps.
  private final class KillSwitch: Sendable {
    private let left = Mutex<Int?>(nil)

    func arm(at number: Int) { left.withLock { $0 = number } }

    /// Whether the steps were too few.
    var isLeft: Bool { left.withLock { $0 ?? 0 > 0 } }

    func count(_ call: FileCall) {
      guard [.write, .sync, .truncate, .delete].contains(call.operation) else { return }
      let isTime = left.withLock { left in
        left = left.map { $0 - 1 }
        return left == 0
      }
      if isTime { kill(getpid(), SIGKILL) }
    }
  }

  /// A clock that all processes of a round share; rounds are two minutes apart.
  private static func clock(round: Int, later seconds: Int = 0) -> WallClock {
    let time = round * 120 + seconds
    return WallClock(
      { Date(timeIntervalSince1970: 1_767_225_600 + Double(time)) },
      sinceStart: { .seconds(time) }, machineRun: "one")
  }

  private static func erase(
    _ user: String, way: GonePlan.Way, by router: ResidencyRouter
  ) async throws(RouterError) -> ErasureReceipt {
    way == .user
      ? try await router.erase(UserID(user))
      : try await router.user(UserID(user)).erase(.inbox)
  }

  /// Erases in a process whose files are behind a hook: our VFS, under the product's own name, which is free until the
  /// first connection is opened.
  private static func eraseAndDie(
    data: String, user: String, way: GonePlan.Way, round: Int, step: Int, notes: String
  ) async throws {
    let killSwitch = KillSwitch()
    let files = try FileSystem(name: FileSystem.clean) { call in
      killSwitch.count(call)
      return 0
    }
    let router = try await ResidencyRouter.open(
      data: data, options: GoneDeployment.options(clock(round: round)))
    _ = try await router.user(UserID(user)).page(.inbox)
    killSwitch.arm(at: step)
    let receipt = try await erase(user, way: way, by: router)
    NoteFile(notes).note("through \(receipt.isDone && killSwitch.isLeft)")
    withExtendedLifetime(files) {}
    kill(getpid(), SIGKILL)
  }

  private static func fill(
    _ user: UserHandle, _ marks: Marks, way: GonePlan.Way, using random: inout SeededRandom
  ) async throws {
    for collection in [RecordCollection.inbox, .receipts] {
      for number in 0..<12 {
        let count = number == 0 ? 24 << 10 : Int.random(in: 8...400, using: &random)
        let goes = way == .user || collection == .inbox ? marks : .staying
        try await user.put(
          goes.bytes(count, using: &random),
          key: RecordKey(goes.bytes(.random(in: 8...60, using: &random), using: &random)),
          in: collection, labels: ["from": goes.text(30, using: &random)])
      }
    }
  }

  @Test(arguments: [GonePlan.Way.user, .collection])
  func `an erasure killed at any step is finished by whoever comes next`(
    way: GonePlan.Way
  ) async throws {
    let seed = UInt64.random(in: .min ... .max)
    var random = SeededRandom(seed: seed)
    let deployment = try await GoneDeployment(clock: Self.clock(round: 0))
    var (round, step) = (0, 0)
    while true {
      // Each step in the long run, else about every eighth.
      step += Self.isLong ? 1 : .random(in: 1...15, using: &random)
      round += 1
      let comment: Comment = "seed \(seed), \(way.rawValue), step \(step), round \(round)"
      let id = "marked.\(round)"
      let notes = "\(deployment.folder.path)/notes.\(round)"
      let names = try await deployment.withRouter(clock: Self.clock(round: round)) { router in
        // A shard has room for both: what one leaves, the other's pages would show.
        for user in [id, "other.\(round)"] { try await router.admit(UserID(user), residence: "IN") }
        try await Self.fill(
          router.user(UserID("other.\(round)")), .staying, way: way, using: &random)
        try await Self.fill(router.user(UserID(id)), .going, way: way, using: &random)
        let names = try deployment.names(of: id)
        #expect(try deployment.search.marks() != [], comment)
        // This router stays open, with what it has in memory, while another process dies.
        await #expect(processExitsWith: .signal(SIGKILL), comment) {
          [
            data = deployment.data as String, id = id as String, way = way.rawValue as String,
            round = round as Int, step = step as Int, notes = notes as String
          ] in
          try await Self.eraseAndDie(
            data: data, user: id, way: .init(rawValue: way) ?? .user, round: round, step: step,
            notes: notes)
        }
        if round % 2 == 0 {
          let isDone = try await Self.finish(id, way: way, by: router, comment)
          #expect(try deployment.search.marks() == [], comment)
          if isDone, way == .user { #expect(try deployment.find(names) == [], comment) }
        }
        return names
      }
      // A minute later, whoever erased may be thought dead.
      try await deployment.withRouter(clock: Self.clock(round: round, later: 61)) { router in
        if way == .user {
          await router.finishErasures()
          let left = try? await router.locate(UserID(id)).placements
          #expect(left?.contains { $0.state == .erasing } != true, comment)
        }
        _ = try await Self.finish(id, way: way, by: router, comment)
        let other = try await router.user(UserID("other.\(round)"))
        #expect(try await other.page(.inbox).records.count == 12, comment)
        #expect(try await router.doctor().findings == [], comment)
        if way == .collection { _ = try await router.erase(UserID(id)) }
      }
      #expect(try deployment.search.marks() == [], comment)
      #expect(try deployment.find(names) == [], comment)
      #expect(try deployment.problems() == [], comment)
      if NoteFile.read(notes) == [["through", "true"]] { break }
      try #require(step < 5_000, comment)
    }
    #expect(round > 3)
    print("killed while erasing (\(way.rawValue)): \(round - 1) times, at steps 1 to \(step)")
  }

  /// Asks again, as one who was not answered does: either it is done then, or it had been. Whether it was said to be done.
  private static func finish(
    _ user: String, way: GonePlan.Way, by router: ResidencyRouter, _ comment: Comment
  ) async throws -> Bool {
    do throws(RouterError) {
      let receipt = try await erase(user, way: way, by: router)
      #expect(receipt.isDone, comment)
      return receipt.isDone
    } catch {
      #expect(way == .user && error.code == .notFound, comment)
      return false
    }
  }
}
