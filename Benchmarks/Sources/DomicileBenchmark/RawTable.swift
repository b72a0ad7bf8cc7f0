import GRDBSQLite

/// SQLite's C API with prepared statements, and nothing around it.
///
/// `@unchecked Sendable`: used by one task at a time.
@safe
final class RawTable: @unchecked Sendable {
  private let connection: OpaquePointer
  private let upsert: OpaquePointer
  private let select: OpaquePointer
  private let begin: OpaquePointer
  private let commit: OpaquePointer
  private let owners = Table.owners
  private let collection = Array(Workload.collection.utf8)
  private let collectionOfMany = Array(Workload.collectionOfMany.utf8)
  private let keys = Table.keys
  private let manyKeys = Table.manyKeys

  init(path: String) throws {
    var opened: OpaquePointer?
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
    guard unsafe sqlite3_open_v2(path, &opened, flags, nil) == SQLITE_OK,
      let handle = unsafe opened
    else { throw BenchmarkError("\(path) cannot be opened") }
    func execute(_ sql: String) throws {
      guard unsafe sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else {
        throw BenchmarkError("“\(sql)” failed")
      }
    }
    func prepare(_ sql: String) throws -> OpaquePointer {
      var prepared: OpaquePointer?
      unsafe sqlite3_prepare_v3(
        handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
      guard let prepared = unsafe prepared else { throw BenchmarkError("“\(sql)” failed") }
      return unsafe prepared
    }
    try execute("PRAGMA journal_mode = WAL")
    try execute("PRAGMA synchronous = FULL")
    try execute("PRAGMA cache_size = -8192")
    let synchronous = unsafe try prepare("PRAGMA synchronous")
    defer { unsafe sqlite3_finalize(synchronous) }
    guard unsafe sqlite3_step(synchronous) == SQLITE_ROW,
      unsafe sqlite3_column_int(synchronous, 0) == 2
    else { throw BenchmarkError("SQLite does not sync its commits") }
    try execute(Table.schema)
    unsafe connection = handle
    unsafe upsert = try prepare(Table.upsert)
    unsafe select = try prepare(Table.select)
    unsafe begin = try prepare("BEGIN")
    unsafe commit = try prepare("COMMIT")
    unsafe run(begin)
    Table.forEachRecord { owner, collection, key, value in
      put(owner: owner, collection: Array(collection.utf8), key: key, version: 0, value: value)
    }
    unsafe run(commit)
  }

  deinit {
    unsafe sqlite3_finalize(upsert)
    unsafe sqlite3_finalize(select)
    unsafe sqlite3_finalize(begin)
    unsafe sqlite3_finalize(commit)
    unsafe sqlite3_close_v2(connection)
  }

  private func run(_ statement: OpaquePointer) {
    let code = unsafe sqlite3_step(statement)
    precondition(code == SQLITE_DONE, "a statement failed with \(code)")
    unsafe sqlite3_reset(statement)
  }

  /// Binds what identifies a record without copies: the bytes stay where they are while `body` runs.
  private func withKey<T>(
    _ statement: OpaquePointer, _ owner: [UInt8], _ collection: [UInt8], _ key: [UInt8],
    _ body: () -> T
  ) -> T {
    unsafe owner.withUnsafeBytes { owner in
      unsafe collection.withUnsafeBytes { collection in
        unsafe key.withUnsafeBytes { key in
          let text = unsafe collection.bindMemory(to: CChar.self)
          unsafe sqlite3_bind_blob(statement, 1, owner.baseAddress, Int32(owner.count), nil)
          unsafe sqlite3_bind_text(statement, 2, text.baseAddress, Int32(text.count), nil)
          unsafe sqlite3_bind_blob(statement, 3, key.baseAddress, Int32(key.count), nil)
          return body()
        }
      }
    }
  }

  private func put(
    owner: [UInt8], collection: [UInt8], key: [UInt8], version: Int64, value: [UInt8]
  ) {
    unsafe value.withUnsafeBytes { value in
      unsafe withKey(upsert, owner, collection, key) {
        unsafe sqlite3_bind_int64(upsert, 4, version)
        unsafe sqlite3_bind_int64(upsert, 5, Table.now)
        unsafe sqlite3_bind_blob(upsert, 6, value.baseAddress, Int32(value.count), nil)
        unsafe run(upsert)
      }
    }
  }

  private func get(owner: [UInt8], collection: [UInt8], key: [UInt8]) -> [UInt8] {
    unsafe withKey(select, owner, collection, key) {
      let code = unsafe sqlite3_step(select)
      precondition(code == SQLITE_ROW, "a record is not there")
      let bytes = unsafe sqlite3_column_blob(select, 2)
      let count = Int(unsafe sqlite3_column_bytes(select, 2))
      let value = unsafe [UInt8](UnsafeRawBufferPointer(start: bytes, count: count))
      unsafe sqlite3_reset(select)
      return value
    }
  }

  /// One commit.
  func put(_ draw: inout Draw) {
    put(
      owner: owners[draw.user()], collection: collection, key: keys[draw.key()],
      version: Int64(bitPattern: draw.next()), value: draw.value())
  }

  /// The bytes read.
  func get(_ draw: inout Draw) -> Int {
    get(owner: owners[draw.user()], collection: collection, key: keys[draw.key()]).count
  }

  /// The bytes read, on one snapshot.
  func getMany(_ draw: inout Draw) -> Int {
    let owner = owners[draw.userWithManyKeys()]
    unsafe run(begin)
    var values: [[UInt8]] = []
    for key in manyKeys {
      values.append(get(owner: owner, collection: collectionOfMany, key: key))
    }
    unsafe run(commit)
    return values.reduce(0) { $0 + $1.count }
  }
}
