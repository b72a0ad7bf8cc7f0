import DomicileDirectory
import DomicilePolicy
import DomicileStorage
import Synchronization

/// The shards that this process has open, opened when they are first asked for.
///
/// A shard that cannot be opened fails those who ask for it and nobody else.
final class ShardTable: Sendable {
  private let folder: DataFolder
  private let directory: any DirectoryStore
  private let carried: Set<String>?
  private let options: RouterOptions
  private let metrics: RouterMetrics
  private let state = Mutex(State())

  private struct State {
    var open: [Key: SQLiteShard] = [:]
    /// Those of which the directory is known to have noted that they were made.
    var noted: Set<Key> = []
    var isClosed = false
  }

  /// A shard and where it is: a topology may carry an empty one elsewhere, and that is another file.
  private struct Key: Hashable {
    let name: String
    let region: String
    let country: CountryCode

    init(_ definition: ShardDefinition, country: CountryCode) {
      name = definition.name
      region = definition.region
      self.country = country
    }
  }

  init(
    folder: DataFolder, directory: any DirectoryStore, options: RouterOptions,
    metrics: RouterMetrics
  ) {
    self.folder = folder
    self.directory = directory
    carried = options.carriedRegions
    self.options = options
    self.metrics = metrics
  }

  func carries(region: String) -> Bool { carried?.contains(region) ?? true }

  /// The shard, open; one that `isNew`, so that its file was never made, is made first.
  ///
  /// Throws ``RouterError`` with `elsewhere`, or what keeps the file from being opened.
  func shard(
    _ definition: ShardDefinition, country: CountryCode, isNew: Bool = false
  ) throws(RouterError) -> SQLiteShard {
    let region = definition.region
    let key = Key(definition, country: country)
    guard carries(region: region) else {
      throw RouterError(
        .elsewhere,
        "The region \(region) is not carried by this process. Forward the call to one that does.",
        region: region)
    }
    return try routing(region: region) {
      // Opening takes under a millisecond; whoever else needs a shard just now waits for it.
      try state.withLock { state in
        if state.isClosed { throw RouterError(.closed, "The router is closed.") }
        if let open = state.open[key] { return open }
        let identity = ShardIdentity(
          deployment: directory.deployment, name: definition.name, region: region,
          country: "\(country)",
          keyCheck: directory.keyCheck)
        let file = folder.shardFile(definition.name, region: region)
        if isNew {
          try folder.makeRegionFolder(region)
          // Of two processes that make it at once the second finds it made.
          let lock = try folder.lock(isWaiting: true)
          try withExtendedLifetime(lock) {
            try SQLiteShard.create(path: file, identity: identity)
          }
        }
        var shardOptions = SQLiteShard.Options()
        shardOptions.clock = options.clock
        shardOptions.random = options.random
        shardOptions.readGeneration = { [directory] in try directory.reference().generation }
        shardOptions.ballast = folder.ballast(region: region, bytes: options.ballastBytes)
        shardOptions.observe = metrics.batchObserver(shard: definition.name, region: region)
        let shard = try SQLiteShard(path: file, identity: identity, options: shardOptions)
        state.open[key] = shard
        return shard
      }
    }
  }

  /// The shard if it is open and the directory has noted that it was made.
  func noted(_ definition: ShardDefinition, country: CountryCode) -> SQLiteShard? {
    let key = Key(definition, country: country)
    return state.withLock { $0.noted.contains(key) ? $0.open[key] : nil }
  }

  func note(_ definition: ShardDefinition, country: CountryCode) {
    _ = state.withLock { $0.noted.insert(Key(definition, country: country)) }
  }

  /// Keeps space back in the regions whose shards are open, and for the directory.
  func fillBallasts() {
    let regions = Set(state.withLock { $0.open.keys.map(\.region) })
    for region in regions { folder.ballast(region: region, bytes: options.ballastBytes).fill() }
    folder.ballast(bytes: options.ballastBytes).fill()
  }

  var openShards: [SQLiteShard] { state.withLock { Array($0.open.values) } }

  func close() async {
    let open = state.withLock { state in
      state.isClosed = true
      defer { state.open = [:] }
      return state.open.values
    }
    for shard in open { await shard.close() }
  }
}
