import Foundation
import GRDB

/// Plain GRDB: one `await queue.write` with one upsert for each put.
struct GRDBTable: Sendable {
  private let queue: DatabaseQueue
  private let owners = Table.owners.map { Data($0) }
  private let keys = Table.keys.map { Data($0) }

  init(path: String) throws {
    var configuration = Configuration()
    configuration.journalMode = .wal
    queue = try DatabaseQueue(path: path, configuration: configuration)
    // GRDB sets NORMAL when it turns WAL on, after everything that the configuration could say.
    try queue.writeWithoutTransaction { database in
      try database.execute(sql: "PRAGMA synchronous = FULL; PRAGMA cache_size = -8192")
    }
    try assertDurable()
    try queue.write { database in
      try database.execute(sql: Table.schema)
      try Table.forEachRecord { owner, collection, key, value in
        try database.cachedStatement(sql: Table.upsert).execute(
          arguments: [Data(owner), collection, Data(key), 0, 0, Data(value)])
      }
    }
  }

  /// Asked before and after the timing.
  func assertDurable() throws {
    let (synchronous, journal) = try queue.inDatabase { database in
      (
        try Int.fetchOne(database, sql: "PRAGMA synchronous"),
        try String.fetchOne(database, sql: "PRAGMA journal_mode")
      )
    }
    guard synchronous == 2, journal == "wal" else {
      throw BenchmarkError("GRDB does not sync its commits (synchronous is \(synchronous ?? -1))")
    }
  }

  func put(_ draw: inout Draw) async throws {
    let owner = owners[draw.user()]
    let value = Data(draw.value())
    let key = keys[draw.key()]
    let version = Int64(bitPattern: draw.next())
    try await queue.write { database in
      try database.cachedStatement(sql: Table.upsert).execute(
        arguments: [owner, Workload.collection, key, version, Table.now, value])
    }
  }

  func close() throws { try queue.close() }
}
