import Foundation

/// The table of the other sides: what a backend would make for the same data without a router.
enum Table {
  static let schema = """
    CREATE TABLE record (
      owner BLOB NOT NULL, collection TEXT NOT NULL, key BLOB NOT NULL,
      version INTEGER NOT NULL, written INTEGER NOT NULL, value BLOB NOT NULL,
      PRIMARY KEY (owner, collection, key)
    ) WITHOUT ROWID
    """
  static let upsert = """
    INSERT INTO record (owner, collection, key, version, written, value) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
      version = excluded.version, written = excluded.written, value = excluded.value
    """
  static let select =
    "SELECT version, written, value FROM record WHERE owner = ? AND collection = ? AND key = ?"

  /// 16 bytes, spread over the whole range as our keyed hashes are.
  static let owners: [[UInt8]] = (0..<Workload.users).map { number in
    var draw = Draw(seed: UInt64(number) + 1_000_000)
    return (0..<16).map { _ in UInt8(truncatingIfNeeded: draw.next()) }
  }
  static let keys = (0..<Workload.keysPerUser).map { Array(Workload.key($0).utf8) }
  static let manyKeys = (0..<Workload.keysPerCall).map { Array(Workload.keyOfMany($0).utf8) }

  /// Calls `body` for each record that there is at the start.
  static func forEachRecord(
    _ body: (_ owner: [UInt8], _ collection: String, _ key: [UInt8], _ value: [UInt8]) throws ->
      Void
  ) rethrows {
    var draw = Draw(seed: 1)
    for (number, owner) in owners.enumerated() {
      for key in keys { try body(owner, Workload.collection, key, draw.value()) }
      guard number < Workload.usersWithManyKeys else { continue }
      for key in manyKeys { try body(owner, Workload.collectionOfMany, key, draw.value()) }
    }
  }

  static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1_000) }
}
