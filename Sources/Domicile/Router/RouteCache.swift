import DomicileDirectory
import DomicilePolicy
import DomicileStorage
import Synchronization

/// A user's routes, shared by all handles of the user.
final class UserRoutes: Sendable {
  let owner: OwnerKey
  private let state: Mutex<State>

  private struct State {
    var entry: UserEntry
    /// For one generation of the policy, by class.
    var generation: Int64 = 0
    var routes: [String: Route] = [:]
  }

  init(_ entry: UserEntry) {
    owner = entry.owner
    state = Mutex(State(entry: entry))
  }

  var entry: UserEntry { state.withLock { $0.entry } }

  /// Forgets what was believed.
  func replace(_ entry: UserEntry) {
    state.withLock { $0 = State(entry: entry) }
  }

  func route(_ dataClass: String, generation: Int64) -> Route? {
    state.withLock { $0.generation == generation ? $0.routes[dataClass] : nil }
  }

  func keep(_ route: Route, generation: Int64) {
    state.withLock { state in
      if state.generation != generation {
        state.generation = generation
        state.routes = [:]
      }
      state.routes[route.home.dataClass] = route
    }
  }
}

/// Where a call for one user and class goes.
struct Route: Sendable {
  let home: HomeReference
  let shard: SQLiteShard
  let region: String
  let counters: RecordCounters
  /// Whether the policy in force permits writes there; ``ResidencyPolicy/permits(_:dataClass:region:)``.
  let isLegal: Bool
  /// Whether this process, where it runs, may read and write the data.
  let isProcessable: Bool
}

/// Routes of the users last asked for, in bounded memory.
///
/// Two halves: what is used moves to the young one; when that is full the old one is dropped.
struct RouteCache: Sendable {
  private var young: [OwnerKey: UserRoutes] = [:]
  private var old: [OwnerKey: UserRoutes] = [:]
  private let halfMax: Int

  init(usersMax: Int) { halfMax = max(1, usersMax / 2) }

  var count: Int { young.count + old.count }

  mutating func routes(_ owner: OwnerKey) -> UserRoutes? {
    if let found = young[owner] { return found }
    guard let found = old.removeValue(forKey: owner) else { return nil }
    keep(found)
    return found
  }

  mutating func forget(_ owner: OwnerKey) {
    young[owner] = nil
    old[owner] = nil
  }

  mutating func keep(_ routes: UserRoutes) {
    if young.count >= halfMax {
      old = young
      young = [:]
    }
    young[routes.owner] = routes
  }
}
