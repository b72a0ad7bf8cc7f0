import DomicileTesting
import Foundation
import Synchronization

@testable import Domicile
@testable import DomicileMigration

/// Does something at one of the points before and after the transactions of a move.
final class MoveStop: Sendable {
  private let state: Mutex<(left: Int, seen: [MovePoint])>
  private let action: @Sendable (MovePoint) async throws -> Void

  /// At the point of a number, from 0 on; nil: at none.
  init(at number: Int?, _ action: @escaping @Sendable (MovePoint) async throws -> Void = { _ in }) {
    state = Mutex((number ?? .max, []))
    self.action = action
  }

  /// The points that were passed.
  var seen: [MovePoint] { state.withLock { $0.seen } }

  func reach(_ point: MovePoint) async throws {
    let isTime = state.withLock { state in
      state.seen.append(point)
      state.left -= 1
      return state.left == -1
    }
    if isTime { try await action(point) }
  }
}

/// A deployment with a user whose messages are in Ireland, and may be in India.
struct MovingUser {
  static let user = UserID("ada")
  static let keys = (0..<30).map { RecordKey("key-\($0)") }
  let deployment: TemporaryDeployment

  init() async throws {
    deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(
        Self.user, residence: "DE", attributes: ["scc-signed"], dataClasses: ["messages"],
        region: "dublin")
      let user = try await router.user(Self.user)
      for key in Self.keys {
        try await user.put(
          "value of \(key.text ?? "")".utf8, key: key, in: .inbox, labels: ["of": "ada"])
      }
    }
  }

  /// A router that stops a move where it is told to.
  func withRouter<Result>(
    _ stop: MoveStop, _ body: (ResidencyRouter) async throws -> Result
  ) async throws -> Result {
    try await deployment.withRouter(
      {
        $0.moveSettings.observe = { try await stop.reach($0) }
        // On a busy machine a freeze that takes too long would add points to those that are counted.
        $0.moveSettings.freezeBudget = .seconds(60)
        // Few are much, so that they are copied from file to file.
        $0.moveSettings.limits.records = 10
      }, body)
  }

  /// How many points a move passes that nothing disturbs.
  static func points() async throws -> [MovePoint] {
    let moving = try await MovingUser()
    let stop = MoveStop(at: nil)
    try await moving.withRouter(stop) { router in
      _ = try await router.move(user, dataClass: "messages", to: "mumbai")
    }
    return stop.seen
  }

  struct Unsound: Error, CustomStringConvertible { let description: String }

  /// All records are there, once, where the directory says; nothing is left elsewhere; and all who check are content.
  func check(in region: String, _ comment: String) async throws {
    try await deployment.withRouter { router in
      let user = try await router.user(Self.user)
      let found = try await user.get(Self.keys, in: .inbox)
      for (key, record) in zip(Self.keys, found)
      where record?.text != "value of \(key.text ?? "")" || record?.labels != ["of": "ada"] {
        throw Unsound(description: "\(comment): \(key.text ?? "") is \(record?.text ?? "missing")")
      }
      let place = try await router.locate(Self.user).placements.first?.region
      guard place == region else {
        throw Unsound(
          description: "\(comment): the home is in \(place ?? "nowhere"), not in \(region)")
      }
      guard try router.moves().isEmpty else {
        throw Unsound(description: "\(comment): a move is under way still")
      }
      let doctor = try await router.doctor(deep: true)
      guard doctor.findings.isEmpty else {
        throw Unsound(description: "\(comment): \(doctor.findings.map(\.message))")
      }
    }
    try await OpenFiles.with(deployment) { files in
      let homes = try files.homes("ada", "messages")
      let open = homes.filter { [.active, .copying].contains($0.value.state) }
      guard open.count == 1 else {
        throw Unsound(description: "\(comment): \(open.count) homes take writes")
      }
      for (name, shard) in files.shards where open[name] == nil {
        let records = try shard.contents(
          of: files.owner("ada"), dataClass: "messages", author: nil, holds: []
        ).records
        guard records == 0 else {
          throw Unsound(description: "\(comment): \(records) records are left in \(name)")
        }
      }
      for entry in try files.directory.shards() where open[entry.name] == nil {
        let path = "\(deployment.data)/\(entry.region)/\(entry.name).sqlite"
        for file in [path, "\(path)-wal"] {
          let bytes = FileManager.default.contents(atPath: file) ?? Data()
          guard bytes.range(of: Data("value of key-".utf8)) == nil else {
            throw Unsound(description: "\(comment): bytes are left in \(file)")
          }
        }
      }
    }
  }
}
