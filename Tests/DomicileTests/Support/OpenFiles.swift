import Domicile
import DomicileTesting

/// The files of a deployment, opened below the router: to leave in them what a crash would leave, and to see
/// what is in them.
struct OpenFiles {
  let key: HashKey
  let directory: SQLiteDirectory
  let shards: [String: SQLiteShard]

  init(_ deployment: TemporaryDeployment) throws {
    key = try KeySource.file(path: "\(deployment.data).key").readHashKey()
    let directory = try SQLiteDirectory(path: "\(deployment.data)/directory.sqlite", key: key)
    self.directory = directory
    var shards: [String: SQLiteShard] = [:]
    for entry in try directory.shards() where entry.isCreated {
      shards[entry.name] = try SQLiteShard(
        path: "\(deployment.data)/\(entry.region)/\(entry.name).sqlite",
        identity: ShardIdentity(
          deployment: directory.deployment, name: entry.name, region: entry.region,
          country: entry.country, keyCheck: directory.keyCheck))
    }
    self.shards = shards
  }

  func close() async {
    await directory.close()
    for shard in shards.values { await shard.close() }
  }

  /// Opens the files for the time of a call.
  static func with<Result>(
    _ deployment: TemporaryDeployment, _ body: (OpenFiles) async throws -> Result
  ) async throws -> Result {
    let files = try OpenFiles(deployment)
    do {
      let result = try await body(files)
      await files.close()
      return result
    } catch {
      await files.close()
      throw error
    }
  }

  func owner(_ id: String) -> OwnerKey { key.owner(ofUser: id) }

  func placement(_ id: String, _ dataClass: String) throws -> Placement? {
    try directory.user(owner(id))?.placements.first { $0.dataClass == dataClass }
  }

  /// The rows that shards have for a user and class, by shard.
  func homes(_ id: String, _ dataClass: String) throws -> [String: HomeRow] {
    try shards.compactMapValues { try $0.home(owner: owner(id), dataClass: dataClass) }
  }

  /// The shards whose home of a user and class takes writes.
  func open(_ id: String, _ dataClass: String) throws -> [String] {
    try homes(id, dataClass).filter { $0.value.state == .active || $0.value.state == .copying }
      .map(\.key)
  }

  func shard(_ name: String) throws -> SQLiteShard {
    guard let shard = shards[name] else { throw NoSuchShard(name: name) }
    return shard
  }

  struct NoSuchShard: Error { let name: String }
}

/// A law that was applied, with all that an admitter needs of it.
struct AppliedLaw {
  let reference: LawReference
  let policy: ResidencyPolicy
}

extension OpenFiles {
  /// Puts a policy in force in the directory, behind the back of whoever has it in memory.
  func apply(_ files: RegionFiles) async throws -> AppliedLaw {
    let policy = try ResidencyPolicy(files: files)
    let reference = try await directory.apply(policy, at: ManualClock().now, by: .soon)
    return AppliedLaw(reference: reference, policy: policy)
  }

  /// Stamps a shard.
  func raise(_ name: String, to law: AppliedLaw) async throws {
    for definition in law.policy.topology.shards where definition.name == name {
      _ = try await shard(name).raise(
        to: law.reference, law: law.policy.law(ofShard: definition),
        accepts: definition.accepts, by: .soon)
    }
  }

  func raiseAll(to law: AppliedLaw) async throws {
    for name in shards.keys.sorted() { try await raise(name, to: law) }
  }
}

extension ContinuousClock.Instant {
  /// Late enough for whatever a test does.
  static var soon: Self { .now + .seconds(60) }
}

/// Changes as a router makes them that finds nothing barred by them.
extension DirectoryStore {
  func changeTags(
    of owner: OwnerKey, to profile: ResidencyProfile, law: LawReference,
    by deadline: ContinuousClock.Instant
  ) async throws -> Bool {
    guard let entry = try user(owner) else { return false }
    return try await changeTags(
      of: owner, to: profile, law: law, barring: BarredPlaces(of: entry, barred: [:]), by: deadline)
  }
}

extension GroupJoining {
  init(group: UserEntry, user: UserEntry, author: OwnerAlias) {
    self.init(
      group: group, user: user, author: author, barred: BarredPlaces(of: group, barred: [:]))
  }
}
