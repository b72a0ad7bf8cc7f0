@_exported public import DomicileDirectory
import DomicilePolicy
import DomicileSQLite
@_exported public import DomicileStorage
public import ServiceLifecycle
import Synchronization

/// Stores each user's records only where the policy in force allows.
///
/// Any number of routers, in any number of processes of one machine, may have the same data folder open: they behave as
/// one. A router decides by the policy in the directory, never by a folder of
/// texts, and refuses whatever would land in a place that the policy forbids.
///
/// ```swift
/// let router = try await ResidencyRouter.open(data: "domicile-data")
/// try await router.admit(UserID("ada"), residence: "DE")
/// let ada = try await router.user(UserID("ada"))
/// try await ada.put("Hello".utf8, key: "2026/0001", in: RecordCollection("inbox"))
/// ```
public final class ResidencyRouter: Service, Sendable {
  let options: RouterOptions
  let folder: DataFolder
  let directory: any DirectoryStore
  let shards: ShardTable
  let metrics: RouterMetrics
  let refusedWrites: RefusedWrites
  let key: HashKey
  private let state: Mutex<State>
  private let ticker: Task<Void, Never>
  /// When nobody could be moved who should not stay where they are.
  let fruitless = Mutex<MisplacedSign?>(nil)
  /// What goes on beside calls until the router is closed.
  private let maintenance = Mutex<[Task<Void, Never>]>([])

  private struct State {
    var inForce: PolicyInForce
    var cache: RouteCache
  }

  private init(
    folder: DataFolder, directory: SQLiteDirectory, key: HashKey,
    inForce: PolicyInForce, options: RouterOptions
  ) {
    self.options = options
    self.folder = folder
    self.directory = directory
    self.key = key
    refusedWrites = RefusedWrites(clock: options.clock)
    let metrics = RouterMetrics(factory: options.metrics)
    self.metrics = metrics
    let shards = ShardTable(
      folder: folder, directory: directory, options: options, metrics: metrics)
    self.shards = shards
    state = Mutex(State(inForce: inForce, cache: RouteCache(usersMax: options.cachedUsersMax)))
    ticker = Task.detached {
      while true {
        do { try await Task.sleep(for: .milliseconds(100)) } catch { return }
        directory.tick()
        for shard in shards.openShards { shard.tick() }
      }
    }
  }

  deinit {
    ticker.cancel()
    maintenance.withLock { tasks in tasks.forEach { $0.cancel() } }
  }

  // MARK: Opening and closing

  /// Makes a new deployment: the data folder, the hash key, the directory with its first policy, the shards.
  ///
  /// What an earlier try left half made is finished.
  ///
  /// - Parameters:
  ///   - data: The data folder; made if it is not there, for its owner alone.
  ///   - regions: The folder with `policy.yaml`, `topology.yaml` and `facts/`.
  ///   - options: As for ``open(data:options:)``, for the time of this call.
  /// - Returns: What became of stamping the shards; those of regions not carried here are pending.
  /// - Throws: ``RouterError`` with ``RouterError/Code/alreadyInitialized`` or
  ///   ``RouterError/Code/invalidPolicy``.
  @discardableResult
  public static func initialize(
    data: String, regions: String, options: RouterOptions = RouterOptions()
  ) async throws(RouterError) -> PolicyApplication {
    try options.checkActor()
    let policy = try routing { try ResidencyPolicy(folder: regions, on: options.today) }
    let folder = try DataFolder(making: data)
    let exists: Bool
    do {
      let lock = try folder.lock(isWaiting: false)
      defer { withExtendedLifetime(lock) {} }
      exists = SQLiteDirectory.exists(path: folder.directoryFile)
      // Shards are made under the same lock: what was begun is finished after it.
      if !exists {
        try routing {
          var random = InjectedRandom(source: options.random)
          let source = options.hashKey ?? folder.defaultKey
          // The key is made before the file: where there is a file, however damaged, a new key is not its key.
          let ledgerSource = options.ledgerKey ?? folder.defaultLedgerKey
          if !folder.hasDirectoryFile {
            try source.makeIfAbsent(.hash, using: &random)
            try ledgerSource.makeIfAbsent(.ledger, using: &random)
            try folder.checkpointFile.setAside()
          }
          try SQLiteDirectory.create(
            path: folder.directoryFile, key: source.readHashKey(),
            ledgerKey: ledgerSource.readLedgerKey(), policy: policy, clock: options.clock,
            actor: options.actorName, using: &random)
        }
      }
    }
    if exists { return try await finishInitialization(data: data, options: options) }
    var options = options
    options.sweepInterval = nil
    let router = try await open(data: data, options: options)
    do {
      try router.signFirst()
      let application = try await router.apply(policy)
      await router.close()
      return application
    } catch {
      await router.close()
      throw error
    }
  }

  /// What an earlier try left half made is finished, under the policy that it put in force.
  private static func finishInitialization(
    data: String, options: RouterOptions
  ) async throws(RouterError) -> PolicyApplication {
    var options = options
    options.sweepInterval = nil
    let router = try await open(data: data, options: options)
    do throws(RouterError) {
      let statuses = try await router.shardStatuses()
      let isComplete = statuses.allSatisfy { status in
        !status.isCarried || status.isCurrent || status.problem != nil && status.placements > 0
      }
      guard !isComplete else {
        throw RouterError(
          .alreadyInitialized,
          "There is a deployment in the data folder already. It was left as it is.")
      }
      try router.signFirst()
      let application = try await router.apply(router.policy)
      await router.close()
      return application
    } catch {
      await router.close()
      throw error
    }
  }

  /// Opens a deployment.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/notInitialized``,
  ///   ``RouterError/Code/wrongKey``, or what keeps the directory from being opened. A shard that cannot be
  ///   opened fails those who ask for it, later.
  public static func open(
    data: String, options: RouterOptions = RouterOptions()
  ) async throws(RouterError) -> ResidencyRouter {
    try options.checkActor()
    let folder = try DataFolder(existing: data)
    let router = try routing {
      let key = try (options.hashKey ?? folder.defaultKey).readHashKey()
      let directory = try SQLiteDirectory(
        path: folder.directoryFile, key: key,
        ballast: folder.ballast(bytes: options.ballastBytes), clock: options.clock,
        actor: options.actorName, keepsLedger: options.keepsLedger)
      let applied = try directory.policyInForce()
      let policy = try ResidencyPolicy(files: applied.files, on: applied.day)
      if let location = options.location { _ = try policy.number(ofCountry: location) }
      let inForce = PolicyInForce(
        reference: applied.reference, policy: policy, location: options.location)
      return ResidencyRouter(
        folder: folder, directory: directory, key: key, inForce: inForce,
        options: options)
    }
    // Before the first write.
    do throws(RouterError) {
      _ = try await router.currentPolicy()
    } catch {
      await router.close()
      throw error
    }
    router.startMaintenance()
    return router
  }

  /// Finishes the writes that wait and closes all files. Later calls answer ``RouterError/Code/closed``.
  public func close() async {
    let running = maintenance.withLock { tasks in
      defer { tasks = [] }
      return tasks
    }
    for task in running { task.cancel() }
    for task in running { await task.value }
    ticker.cancel()
    await noteRefusedWrites()
    await shards.close()
    await directory.close()
  }

  private func startMaintenance() {
    guard let interval = options.sweepInterval else { return }
    let task = Task.detached { [weak self] in
      var rounds = MaintenanceRounds()
      while !Task.isCancelled {
        // Not kept over the pause: whoever lets go of the router without closing it ends this too.
        await self?.maintain(&rounds)
        if self == nil { return }
        do { try await Task.sleep(for: interval) } catch { return }
      }
    }
    // Beside it: a migration may take hours.
    let migrating = Task.detached { [weak self] in
      while !Task.isCancelled, self?.options.migrates != nil {
        await self?.migrateByItself()
        do { try await Task.sleep(for: .seconds(60)) } catch { return }
      }
    }
    maintenance.withLock { $0 = [task, migrating] }
  }

  /// Runs until the service group shuts down, then closes.
  public func run() async throws {
    try? await gracefulShutdown()
    await close()
  }

  // MARK: The policy in force

  var inForce: PolicyInForce { state.withLock { $0.inForce } }

  /// The policy by which this router decides.
  public var policy: ResidencyPolicy { inForce.policy }

  /// The generation of the policy by which this router decides: it grows with each apply.
  public var policyGeneration: Int64 { inForce.reference.generation }

  func adopt(_ next: PolicyInForce) {
    state.withLock { state in
      if state.inForce.reference.generation < next.reference.generation { state.inForce = next }
    }
  }

  // MARK: Users

  /// The handle of a user that was admitted. The id is hashed and the user's routes are read once.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound``.
  public func user(_ id: UserID) async throws(RouterError) -> UserHandle {
    let owner = key.owner(ofUser: try id.checked())
    if let cached = state.withLock({ $0.cache.routes(owner) }) {
      return UserHandle(router: self, routes: cached)
    }
    guard let entry = try routing({ try directory.user(owner) }) else { throw Self.userNotFound }
    guard !entry.isErasing else { throw Self.userIsErased }
    return UserHandle(router: self, routes: cache(entry))
  }

  static var userNotFound: RouterError {
    RouterError(
      .notFound,
      "No such user was admitted. Check the id, or admit the user first (“domicile admit”).")
  }

  static var userIsErased: RouterError {
    RouterError(
      .notFound,
      "This user is being erased, or was but for what must be kept: nothing can be read or written any more."
    )
  }

  /// Forgets a user who is gone.
  func forget(_ owner: OwnerKey) { state.withLock { $0.cache.forget(owner) } }

  /// The routes of an entry that was just read, for all handles of the user.
  @discardableResult
  func cache(_ entry: UserEntry) -> UserRoutes {
    state.withLock { state in
      if let known = state.cache.routes(entry.owner) {
        known.replace(entry)
        return known
      }
      let routes = UserRoutes(entry)
      state.cache.keep(routes)
      return routes
    }
  }
}

/// A generator over the random numbers that were handed in.
struct InjectedRandom: RandomNumberGenerator {
  let source: @Sendable () -> UInt64
  mutating func next() -> UInt64 { source() }
}
