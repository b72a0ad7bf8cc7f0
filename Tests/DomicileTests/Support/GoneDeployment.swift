import Domicile
import DomicileDirectory
import DomicileSQLite
import DomicileTesting
import Foundation

/// A deployment that several routers, of this process or of others, have open while something goes.
struct GoneDeployment {
  let folder: TemporaryFolder
  private let clock: WallClock

  var data: String { "\(folder.path)/data" }
  var search: FileSearch { FileSearch(data: data) }

  init(clock: WallClock = .system) async throws {
    folder = try .inMemory()
    self.clock = clock
    for (path, text) in RegionFiles.small.texts { try folder.write(text, to: "regions/\(path)") }
    try await ResidencyRouter.initialize(
      data: data, regions: "\(folder.path)/regions", options: Self.options(clock))
  }

  /// What is swept, and when, is for the test to say.
  static func options(_ clock: WallClock) -> RouterOptions {
    var options = RouterOptions()
    options.clock = clock
    options.sweepInterval = nil
    return options
  }

  func open(clock: WallClock? = nil) async throws -> ResidencyRouter {
    try await ResidencyRouter.open(data: data, options: Self.options(clock ?? self.clock))
  }

  /// Opens a router for the time of a call.
  func withRouter<Result>(
    clock: WallClock? = nil, _ body: (ResidencyRouter) async throws -> Result
  ) async throws -> Result {
    let router = try await open(clock: clock)
    do {
      let result = try await body(router)
      await router.close()
      return result
    } catch {
      await router.close()
      throw error
    }
  }

  /// How files name a user, as long as the directory knows one.
  struct Names: Sendable {
    let owner: [UInt8]
    let alias: [UInt8]
  }

  func names(of user: String) throws -> Names {
    let owner = try KeySource.file(path: "\(data).key").readHashKey().owner(ofUser: user).bytes
    let directory = try Connection(path: "\(data)/directory.sqlite", mode: .reading)
    let alias = try directory.rows(
      "SELECT alias FROM user WHERE owner = ?", .blob(owner), as: { $0.blob(0) })
    guard alias.count == 1 else { throw CocoaError(.keyValueValidation) }
    return Names(owner: owner, alias: alias[0])
  }

  /// What a user's names left behind where they must not.
  func find(_ names: Names) throws -> [String] {
    try search.names(owner: names.owner, alias: names.alias)
  }

  /// The paths of all databases.
  var databases: [String] {
    get throws {
      try FileManager.default.subpathsOfDirectory(atPath: data).filter { $0.hasSuffix(".sqlite") }
        .sorted().map { "\(data)/\($0)" }
    }
  }

  /// The shard in which a user's class is.
  func shardFile(of user: String, dataClass: String, by router: ResidencyRouter) async throws
    -> String
  {
    let placements = try await router.locate(UserID(user)).placements
    guard let placement = placements.first(where: { $0.dataClass == dataClass }),
      let file = try databases.first(where: { $0.hasSuffix("/\(placement.shard).sqlite") })
    else { throw CocoaError(.fileNoSuchFile) }
    return file
  }

  /// What is wrong with the files once everybody has closed them: damage, and bytes that nothing refers to.
  func problems() throws -> [String] {
    try databases.flatMap { path in
      let connection = try Connection(path: path, mode: .reading)
      let remnants = try connection.snapshot { () throws in try connection.unreferencedBytes() }
      let damage = try connection.rows("PRAGMA integrity_check", as: { $0.text(0) })
        .filter { $0 != "ok" }
      return (remnants.map(\.description) + damage).map { "\(path): \($0)" }
    }
  }
}
