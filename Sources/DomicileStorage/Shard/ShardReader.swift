import DomicileSQLite
import Foundation

/// A connection that reads, with its statements.
final class ShardReader {
  let connection: Connection
  /// Whether a home answers that a move has frozen.
  var readsFrozen = false
  private let selectHome: Statement
  private let selectRecord: Statement
  private let selectRecordOfHome: Statement

  static let columns = "r.key, r.version, r.written, r.expires, r.labels, r.value"

  init(connection: Connection) throws(SQLiteError) {
    self.connection = connection
    selectHome = try connection.prepare(
      "SELECT id, serial, state, tags FROM home WHERE owner = ? AND class = ?")
    selectRecord = try connection.prepare(
      """
      SELECT h.id, h.serial, h.state, h.tags, \(Self.columns)
      FROM home h LEFT JOIN record r ON r.home = h.id AND r.collection = ?3 AND r.key = ?4
        AND (r.expires IS NULL OR r.expires > ?5)
      WHERE h.owner = ?1 AND h.class = ?2
      """)
    selectRecordOfHome = try connection.prepare(
      """
      SELECT \(Self.columns) FROM record r
      WHERE r.home = ?1 AND r.collection = ?2 AND r.key = ?3 AND (r.expires IS NULL OR r.expires > ?4)
      """)
  }

  /// Home and record in one statement, so that "not found" is said only by a home that is open here.
  func record(
    home: HomeReference, collection: String, key: RecordKey, now: Int64
  ) throws -> StoredRecord? {
    try selectRecord.bind(1, home.owner.bytes)
    try selectRecord.bind(2, home.dataClass)
    try selectRecord.bind(3, collection)
    try selectRecord.bind(4, key.bytes)
    try selectRecord.bind(5, now)
    defer { selectRecord.reset() }
    guard try selectRecord.step() else { throw stale }
    try check(selectRecord, home)
    return selectRecord.isNull(4) ? nil : try Self.record(selectRecord, from: 4)
  }

  /// Records of one home in one snapshot: the home is looked at once.
  func records(
    home: HomeReference, collection: String, keys: [RecordKey], now: Int64
  ) throws -> [StoredRecord?] {
    try connection.snapshot {
      try selectRecordOfHome.bind(1, homeID(home))
      try selectRecordOfHome.bind(2, collection)
      try selectRecordOfHome.bind(4, now)
      defer { selectRecordOfHome.reset() }
      return try keys.map { key in
        try selectRecordOfHome.bind(3, key.bytes)
        defer { selectRecordOfHome.rewind() }
        return try selectRecordOfHome.step() ? try Self.record(selectRecordOfHome, from: 0) : nil
      }
    }
  }

  /// The number of the home; a statement of the same snapshot reads its records.
  func homeID(_ home: HomeReference) throws -> Int64 {
    try selectHome.bind(1, home.owner.bytes)
    try selectHome.bind(2, home.dataClass)
    defer { selectHome.reset() }
    guard try selectHome.step() else { throw stale }
    try check(selectHome, home)
    return selectHome.integer(0)
  }

  private func check(_ row: Statement, _ home: HomeReference) throws {
    guard row.integer(1) == home.serial else { throw stale }
    // The rule, without making a String of it.
    if !row.isText(2, "active") {
      switch HomeState(rawValue: row.text(2)) {
      case .active, .copying: break
      case .incoming: throw StorageError(.notOpen, "The home is not open yet.")
      case .frozen where readsFrozen: break
      case .frozen: throw StorageError(.frozen, "The home is being moved.")
      default: throw stale
      }
    }
    // Who may read, and where, is decided by the tags.
    guard row.integer(3) == home.tags else {
      throw StorageError(.retagged, "The tags have changed.")
    }
  }

  private var stale: StorageError {
    StorageError(.moved, "The home is not here, or not under that serial.")
  }

  static func record(_ row: Statement, from first: Int32) throws -> StoredRecord {
    var labels: [String: String] = [:]
    var author: String?
    if !row.isNull(first + 4) {
      labels = try LabelText.decode(row.text(first + 4))
      author = labels.removeValue(forKey: LabelText.author)
    }
    return StoredRecord(
      key: RecordKey(row.blob(first)), value: row.blob(first + 5),
      version: RecordVersion(number: row.integer(first + 1)),
      written: Date(milliseconds: row.integer(first + 2)),
      expires: row.integerIfPresent(first + 3).map(Date.init(milliseconds:)),
      labels: labels, author: author.flatMap { OwnerAlias($0) }.map(RecordAuthor.init))
  }
}
