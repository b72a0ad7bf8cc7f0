import Domicile
import Foundation
import GRDBSQLite

/// A deployment whose one shard has about 180 MB, from which users are erased.
final class ErasureDeployment {
  private static let recordsPerUser = 100
  /// How often a user's records were written, some each time.
  private static let rounds = 4

  private let router: ResidencyRouter
  private let file: String
  private let copy: String
  private var left: [Int]

  init(folder: String, isSmoke: Bool) async throws {
    file = Deployment.shardFile(folder: folder)
    copy = "\(folder)/copy.sqlite"
    // With a clock, so that no sweep of its own comes between.
    router = try await Deployment.open(folder: folder, clock: .system)
    left = Array(0..<(isSmoke ? 20 : 480))
    let users = try await Deployment.admit(left.map(Self.id), to: router)
    var draw = Draw(seed: 1)
    let perRound = Self.recordsPerUser / Self.rounds
    for round in 0..<Self.rounds {
      for user in left.shuffled(using: &draw) {
        var batch = RecordBatch()
        for record in 0..<perRound {
          var value = Self.mark(user)
          let count = 256 + Int(draw.next() % 3_841)
          while value.count < count { value.append(UInt8(truncatingIfNeeded: draw.next())) }
          batch.put(
            value, key: RecordKey("2026/\(round * perRound + record)"),
            in: RecordCollection(Workload.collection))
        }
        try await users[user].write(batch)
      }
    }
    left.shuffle(using: &draw)
  }

  private static func id(_ user: Int) -> UserID { UserID("user-\(user)") }

  /// What the values of a user begin with, and nothing else has.
  private static func mark(_ user: Int) -> [UInt8] {
    var draw = Draw(seed: UInt64(user) + 2_000_000)
    return (0..<16).map { _ in UInt8(truncatingIfNeeded: draw.next()) }
  }

  func fileBytes() throws -> Int {
    try URL(filePath: file).resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
  }

  func close() async { await router.close() }

  /// Milliseconds of one user's erasure, until the receipt says that no byte is left, which is looked up.
  func erase() async throws -> Double {
    guard let user = left.popLast() else { throw BenchmarkError("all users are erased") }
    guard try holds(user) else { throw BenchmarkError("a user is not in the file") }
    let start = ContinuousClock.now
    let receipt = try await router.erase(Self.id(user), deadline: .seconds(60))
    let time = ContinuousClock.now - start
    guard receipt.isDone, receipt.records == Self.recordsPerUser, try !holds(user) else {
      throw BenchmarkError("an erasure is not done: \(receipt.pending)")
    }
    return time / .milliseconds(1)
  }

  /// Whether a value of the user is in a file of the shard.
  private func holds(_ user: Int) throws -> Bool {
    let mark = Data(Self.mark(user))
    return try [file, "\(file)-wal"].contains { path in
      guard FileManager.default.fileExists(atPath: path) else { return false }
      return try Data(contentsOf: URL(filePath: path), options: .alwaysMapped)
        .range(of: mark) != nil
    }
  }

  /// Milliseconds of what makes the same so with SQLite alone, in a copy of the file.
  func vacuum() throws -> Double {
    // The last erasure left the WAL empty, and nobody writes.
    try? FileManager.default.removeItem(atPath: copy)
    try FileManager.default.copyItem(atPath: file, toPath: copy)
    let plain = try PlainConnection(path: copy)
    let start = ContinuousClock.now
    try plain.execute("VACUUM")
    try plain.truncateWAL()
    return (ContinuousClock.now - start) / .milliseconds(1)
  }
}

/// SQLite as it is, set up as our connections are.
@safe
final class PlainConnection {
  private let handle: OpaquePointer

  init(path: String) throws {
    var opened: OpaquePointer?
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX
    guard unsafe sqlite3_open_v2(path, &opened, flags, nil) == SQLITE_OK,
      let handle = unsafe opened
    else { throw BenchmarkError("\(path) cannot be opened") }
    unsafe self.handle = handle
    for (name, value) in [
      ("journal_mode", "wal"), ("synchronous", "2"), ("secure_delete", "1"), ("temp_store", "2"),
      ("mmap_size", "0"), ("wal_autocheckpoint", "0"), ("cache_size", "-8192"),
    ] {
      try execute("PRAGMA \(name) = \(value)")
      guard try text("PRAGMA \(name)") == value else {
        throw BenchmarkError("\(name) cannot be \(value)")
      }
    }
  }

  deinit { unsafe sqlite3_close_v2(handle) }

  func execute(_ sql: String) throws {
    guard unsafe sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else {
      throw BenchmarkError("“\(sql)” failed")
    }
  }

  private func text(_ sql: String) throws -> String? {
    var statement: OpaquePointer?
    guard unsafe sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK else {
      throw BenchmarkError("“\(sql)” failed")
    }
    defer { unsafe sqlite3_finalize(statement) }
    guard unsafe sqlite3_step(statement) == SQLITE_ROW,
      let text = unsafe sqlite3_column_text(statement, 0)
    else { return nil }
    return unsafe String(cString: text)
  }

  func truncateWAL() throws {
    let code = unsafe sqlite3_wal_checkpoint_v2(
      handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
    guard code == SQLITE_OK else { throw BenchmarkError("the checkpoint failed with \(code)") }
  }
}
