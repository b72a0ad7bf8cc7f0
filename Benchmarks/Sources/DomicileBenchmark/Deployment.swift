import Domicile
import Foundation
import Logging

/// Our side: a deployment of one region and one shard with its users and records.
///
/// That it syncs each commit needs no look from here, nor could one be had, since `synchronous` belongs to a
/// connection: `DomicileSQLite.Connection` sets FULL when it opens a file, reads it back, and opens nothing
/// if it is not so. ``Stage`` counts the syncs besides.
struct Deployment: Sendable {
  private let router: ResidencyRouter
  private let users: [UserHandle]
  private let inbox = RecordCollection(Workload.collection)
  private let many = RecordCollection(Workload.collectionOfMany)
  private let keys = (0..<Workload.keysPerUser).map { RecordKey(Workload.key($0)) }
  private let manyKeys = (0..<Workload.keysPerCall).map { RecordKey(Workload.keyOfMany($0)) }

  init(folder: String) async throws {
    let router = try await Self.open(folder: folder)
    users = try await Self.admit((0..<Workload.users).map { UserID("user-\($0)") }, to: router)
    self.router = router
    try await fill()
  }

  /// A new deployment. Without a clock it keeps the machine's time, and sweeps by itself.
  static func open(
    folder: String, clock: WallClock? = nil, regions: [String] = ["dublin"],
    set: (inout RouterOptions) -> Void = { _ in }
  ) async throws -> ResidencyRouter {
    for (name, text) in texts(regions: regions) {
      let file = URL(filePath: "\(folder)/regions/\(name)")
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    var options = RouterOptions()
    options.hashKey = .file(path: "\(folder)/data.key")
    options.logger = Logger(label: "benchmark") { _ in SwiftLogNoOpLogHandler() }
    if let clock {
      options.clock = clock
      options.sweepInterval = nil
    }
    set(&options)
    let data = "\(folder)/data"
    try await ResidencyRouter.initialize(
      data: data, regions: "\(folder)/regions", options: options)
    return try await ResidencyRouter.open(data: data, options: options)
  }

  /// The file of the shard in a deployment's folder.
  static func shardFile(folder: String) -> String { "\(folder)/data/dublin/dublin-1.sqlite" }

  static func admit(
    _ ids: [UserID], to router: ResidencyRouter, region: String? = nil
  ) async throws -> [UserHandle] {
    var handles: [UserHandle] = []
    for start in stride(from: 0, to: ids.count, by: 1_000) {
      let some = ids[start..<min(start + 1_000, ids.count)]
      for admitted in await router.admit(
        some.map { Admission(user: $0, residence: "DE", region: region) })
      {
        _ = try admitted.get()
      }
      for id in some { handles.append(try await router.user(id)) }
    }
    return handles
  }

  private func fill() async throws {
    var draw = Draw(seed: 1)
    for (number, user) in users.enumerated() {
      var batch = RecordBatch()
      for key in keys { batch.put(draw.value(), key: key, in: inbox) }
      if number < Workload.usersWithManyKeys {
        for key in manyKeys { batch.put(draw.value(), key: key, in: many) }
      }
      try await user.write(batch)
    }
  }

  func close() async { await router.close() }

  func put(_ draw: inout Draw) async throws {
    try await users[draw.user()].put(draw.value(), key: keys[draw.key()], in: inbox)
  }

  /// The bytes read.
  func get(_ draw: inout Draw) async throws -> Int {
    let record = try await users[draw.user()].get(keys[draw.key()], in: inbox)
    return record?.value.count ?? 0
  }

  /// The bytes read.
  func getMany(_ draw: inout Draw) async throws -> Int {
    let records = try await users[draw.userWithManyKeys()].get(manyKeys, in: many)
    return records.reduce(0) { $0 + ($1?.value.count ?? 0) }
  }

  private static func texts(regions: [String]) -> [String: String] {
    [
      "policy.yaml": """
      policy: benchmark
      classes:
        messages: {collections: [inbox, threads]}
        directory: {}
      rules:
        - name: eu-at-home
          residents: EU
          store: EU
          reason: A rule, so that there is something to decide.
      otherwise: {store: anywhere}
      """,
      "topology.yaml": """
      topology: benchmark
      directory: dublin
      operators:
        own: {jurisdictions: [IE]}
      regions:
      \(regions.map { "  \($0): {country: IE, operator: own, shards: {\($0)-1: {}}}" }.joined(separator: "\n"))
      """,
      "facts/countries.csv": """
      alpha2,name,sovereign,lat,lon
      DE,Germany,DE,51.2,10.4
      IE,Ireland,IE,53.2,-8.0
      """,
      "facts/groups.csv": """
      group,code
      EU,DE
      EU,IE
      """,
    ]
  }
}
