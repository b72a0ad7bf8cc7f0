import CDomicileSQLite
import Foundation

/// A connection to one SQLite database, for one thread at a time.
///
/// Opened through our VFS in WAL mode with `synchronous=FULL`, `secure_delete=ON`, `temp_store=MEMORY` and no
/// automatic checkpoints; each setting is read back, and a connection that does not have it is not opened.
@safe
package final class Connection {
  package enum Mode: Sendable { case reading, writing, creating }

  /// One row of a result.
  package typealias Row = Statement

  let handle: OpaquePointer
  let walPagesStorage: UnsafeMutablePointer<Int32>
  private var cache: [String: Statement] = [:]

  /// SQLite's version, such as `3.40.1`.
  package static var libraryVersion: String { unsafe String(cString: sqlite3_libversion()) }

  private static let configured: Void = {
    domicile_sqlite_configure()
    // If this fails, no connection opens: SQLite does not know the VFS.
    unsafe domicile_vfs_register(FileSystem.clean, nil, nil, nil)
  }()

  /// How long a statement waits for a lock that somebody holds past the gate: a tool, or a recovery.
  static let busyMilliseconds: Int32 = 5_000

  /// The size of a database page in bytes.
  package static let pageBytes = 4096

  /// The most pages of a database: our VFS tells pages apart by it (domicile_vfs.h).
  package static let pagesMax = (1 << 25) - 1

  package init(
    path: String, mode: Mode, vfs: String = FileSystem.clean
  ) throws(SQLiteError) {
    _ = Self.configured
    var opened: OpaquePointer?
    let flags =
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW
      | (mode == .creating ? SQLITE_OPEN_CREATE : 0)
    if mode == .creating { try Self.createFile(path) }
    let code = unsafe sqlite3_open_v2(path, &opened, flags, vfs)
    guard code == SQLITE_OK, let opened = unsafe opened else {
      let message = unsafe String(cString: sqlite3_errstr(code))
      unsafe sqlite3_close_v2(opened)
      throw SQLiteError(code: code, message: message)
    }
    unsafe handle = opened
    unsafe walPagesStorage = .allocate(capacity: 1)
    unsafe walPagesStorage.initialize(to: 0)
    try configure(mode)
    try verifyFile(vfs)
  }

  deinit {
    cache.removeAll()
    unsafe sqlite3_close_v2(handle)
    unsafe walPagesStorage.deallocate()
  }

  /// An empty file that only its owner may read; SQLite gives the WAL the same rights.
  private static func createFile(_ path: String) throws(SQLiteError) {
    let descriptor = unsafe open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw SQLiteError(
        code: SQLITE_CANTOPEN, message: unsafe String(cString: strerror(errno)))
    }
    close(descriptor)
  }

  private func configure(_ mode: Mode) throws(SQLiteError) {
    unsafe sqlite3_busy_timeout(handle, Self.busyMilliseconds)
    if mode == .creating { try execute("PRAGMA page_size = \(Self.pageBytes)") }
    let settings: [(String, String, String)] = [
      ("journal_mode", "WAL", "wal"), ("synchronous", "FULL", "2"), ("secure_delete", "ON", "1"),
      ("temp_store", "MEMORY", "2"), ("mmap_size", "0", "0"), ("wal_autocheckpoint", "0", "0"),
      ("cell_size_check", "ON", "1"), ("trusted_schema", "OFF", "0"),
      ("cache_size", "-8192", "-8192"), ("max_page_count", "\(Self.pagesMax)", "\(Self.pagesMax)"),
    ]
    for (name, value, expected) in settings {
      try execute("PRAGMA \(name) = \(value)")
      let actual = try text("PRAGMA \(name)")
      // An SQLite without memory mapping answers nothing to mmap_size.
      guard actual == expected || name == "mmap_size" && actual == nil else {
        throw SQLiteError(
          code: SQLITE_ERROR, message: "\(name) is \(actual ?? "unset") and cannot be \(value)")
      }
    }
    if mode == .reading { try execute("PRAGMA query_only = ON") }
    unsafe domicile_sqlite_watch_wal(handle, walPagesStorage)
    let code = unsafe domicile_sqlite_keep_wal_at_close(handle)
    guard code == SQLITE_OK else { throw error(code, sql: "no checkpoint at close") }
  }

  /// Checks what clean pages rest on and no setting of a connection can change.
  private func verifyFile(_ vfs: String) throws(SQLiteError) {
    func require(_ condition: Bool, _ message: String) throws(SQLiteError) {
      if !condition { throw SQLiteError(code: SQLITE_ERROR, message: message) }
    }
    try require(unsafe domicile_vfs_is_used(handle, vfs) != 0, "the VFS is not \(vfs)")
    try require(
      try text("PRAGMA auto_vacuum") == "0",
      "the database has auto_vacuum, with which pages cannot be kept clean")
    var reserved: Int32 = 0
    let code = unsafe domicile_reserved_bytes(handle, &reserved)
    guard code == SQLITE_OK else { throw error(code, sql: "reserved bytes") }
    try require(reserved == 0, "the database reserves \(reserved) bytes of each page: must be 0")
  }

  // MARK: Statements

  /// Runs statements that take no values and give no rows.
  package func execute(_ sql: String) throws(SQLiteError) {
    let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw error(code, sql: sql) }
  }

  /// A prepared statement, kept for the life of the connection.
  package func prepare(_ sql: String) throws(SQLiteError) -> Statement {
    if let cached = cache[sql] { return cached }
    var prepared: OpaquePointer?
    let code = unsafe sqlite3_prepare_v3(
      handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
    guard code == SQLITE_OK, let prepared = unsafe prepared else { throw error(code, sql: sql) }
    let statement = unsafe Statement(handle: prepared, sql: sql)
    cache[sql] = statement
    return statement
  }

  /// Runs a statement that gives no rows.
  package func run(_ sql: String, _ values: SQLValue...) throws(SQLiteError) {
    let statement = try prepare(sql)
    defer { statement.reset() }
    try statement.bind(values)
    while try statement.step() {}
  }

  /// Calls `body` with each row of a result. The row is valid during the call only.
  package func forEachRow<E: Error>(
    _ sql: String, _ values: [SQLValue], _ body: (Row) throws(E) -> Void
  ) throws {
    let statement = try prepare(sql)
    defer { statement.reset() }
    try statement.bind(values)
    while try statement.step() { try body(statement) }
  }

  /// The rows of a result, each turned into a value.
  package func rows<T>(
    _ sql: String, _ values: SQLValue..., as transform: (Row) -> T
  ) throws(SQLiteError) -> [T] {
    let statement = try prepare(sql)
    defer { statement.reset() }
    try statement.bind(values)
    var result: [T] = []
    while try statement.step() { result.append(transform(statement)) }
    return result
  }

  /// The first column of the first row as text; nil if there is no row.
  package func text(_ sql: String, _ values: SQLValue...) throws(SQLiteError) -> String? {
    let statement = try prepare(sql)
    defer { statement.reset() }
    try statement.bind(values)
    return try statement.step() ? statement.text(0) : nil
  }

  /// The first column of the first row as an integer; nil if there is no row, or for NULL.
  package func integer(_ sql: String, _ values: SQLValue...) throws(SQLiteError) -> Int64? {
    let statement = try prepare(sql)
    defer { statement.reset() }
    try statement.bind(values)
    return try statement.step() ? statement.integerIfPresent(0) : nil
  }

  /// The number of rows that the last statement changed.
  package var changes: Int { Int(unsafe sqlite3_changes(handle)) }

  /// The number of rows that were changed so far, also by what was undone.
  package var totalChanges: Int { Int(unsafe sqlite3_total_changes(handle)) }

  func error(_ code: Int32, sql: String) -> SQLiteError {
    SQLiteError(code: code, message: unsafe String(cString: sqlite3_errmsg(handle)), sql: sql)
  }

  // MARK: Transactions

  /// Whether no transaction is open. SQLite closes one by itself after some errors.
  package var isAutocommit: Bool { unsafe sqlite3_get_autocommit(handle) != 0 }

  /// Runs `body` in a transaction that is rolled back if it throws.
  package func transaction<T, E: Error>(_ body: () throws(E) -> T) throws -> T {
    try execute("BEGIN IMMEDIATE")
    do {
      let result = try body()
      try execute("COMMIT")
      return result
    } catch {
      if !isAutocommit { try? execute("ROLLBACK") }
      throw error
    }
  }

  /// Runs `body` on one snapshot.
  package func snapshot<T, E: Error>(_ body: () throws(E) -> T) throws -> T {
    try execute("BEGIN")
    defer { if !isAutocommit { try? execute("COMMIT") } }
    return try body()
  }
}
