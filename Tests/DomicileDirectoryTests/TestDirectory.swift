import DomicileDirectory
import DomicilePolicy
import DomicileStorage
import DomicileTesting

/// A directory in a folder of its own.
struct TestDirectory {
  let folder: TemporaryFolder
  let key: HashKey
  let ledgerKey: LedgerKey
  let policy: ResidencyPolicy

  var path: String { "\(folder.path)/directory.sqlite" }

  /// Makes the file of a directory with the small policy in force.
  init() throws {
    folder = try TemporaryFolder()
    var random = SeededRandom(seed: 1)
    guard let key = HashKey(bytes: 0..<32) else { preconditionFailure("32 bytes are a key") }
    self.key = key
    guard let ledgerKey = LedgerKey(bytes: Array(0..<32)) else {
      preconditionFailure("32 bytes are a key")
    }
    self.ledgerKey = ledgerKey
    policy = try ResidencyPolicy(files: .small)
    try SQLiteDirectory.create(
      path: path, key: key, ledgerKey: ledgerKey, policy: policy, clock: ManualClock().wallClock,
      actor: "tests", using: &random)
  }

  /// Opens the directory for the time of a call.
  @discardableResult
  func open<Result>(
    clock: WallClock = ManualClock().wallClock, _ body: (SQLiteDirectory) async throws -> Result
  ) async throws -> Result {
    let directory = try SQLiteDirectory(path: path, key: key, clock: clock, actor: "tests")
    do {
      let result = try await body(directory)
      await directory.close()
      return result
    } catch {
      await directory.close()
      throw error
    }
  }

  /// A plan to place a user's messages in the first of some shards.
  func plan(
    _ id: String, _ profile: String = "US", in shards: [String] = ["ashburn-1"],
    legal: Set<String>? = nil, dataClass: String = "messages"
  ) -> AdmissionPlan {
    guard let profile = HomeProfile(profile) else { preconditionFailure("not a profile") }
    let owner = key.owner(ofUser: id)
    return AdmissionPlan(
      owner: owner, alias: OwnerAlias(bytes: owner.bytes), profile: profile,
      targets: [
        AdmissionPlan.Target(
          dataClass: dataClass, shards: shards, legalShards: legal ?? Set(shards))
      ])
  }
}

extension SQLiteDirectory {
  /// Begins admissions under the law in force.
  func begin(_ plans: [AdmissionPlan]) async throws -> [AdmissionTicket] {
    try await beginAdmissions(plans, law: reference(), by: .soon).flatMap { try $0.get() }
  }

  /// Begins and commits admissions; the homes are not staged.
  func place(_ plans: [AdmissionPlan]) async throws {
    let tickets = try await begin(plans)
    for refusal in try await commitAdmissions(tickets, law: reference(), by: .soon) {
      if let refusal { throw refusal }
    }
  }

  /// The placements that each shard is said to hold, and those that there are.
  func counts() throws -> (said: [String: Int64], real: [String: Int64]) {
    var real: [String: Int64] = [:]
    for entry in try users(after: 0, limit: 100_000) {
      for placement in entry.placements { real[placement.shard, default: 0] += 1 }
    }
    let said = try shards().filter { $0.placements != 0 }.map { ($0.name, $0.placements) }
    return (Dictionary(uniqueKeysWithValues: said), real)
  }
}

extension ContinuousClock.Instant {
  /// Late enough for whatever a test does.
  static var soon: Self { .now + .seconds(60) }
}

/// Changes as a router makes them that finds nothing barred by them.
extension SQLiteDirectory {
  func changeTags(
    of owner: OwnerKey, to profile: ResidencyProfile, law: LawReference,
    by deadline: ContinuousClock.Instant
  ) async throws -> Bool {
    guard let entry = try user(owner) else { return false }
    return try await changeTags(
      of: owner, to: profile, law: law, barring: BarredPlaces(of: entry, barred: [:]), by: deadline)
  }
}
