import CDomicileSQLite
import Foundation

/// A value for a statement off the write path.
package enum SQLValue: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
  case integer(Int64)
  case text(String)
  case blob([UInt8])
  case null

  package init(stringLiteral value: String) { self = .text(value) }
  package init(integerLiteral value: Int64) { self = .integer(value) }
}

/// A prepared statement, and the row it stands on. Parameters count from 1, columns from 0.
@safe
package final class Statement {
  private let handle: OpaquePointer
  private let sql: String

  init(handle: OpaquePointer, sql: String) {
    unsafe self.handle = handle
    self.sql = sql
  }

  deinit { unsafe sqlite3_finalize(handle) }

  // MARK: Parameters

  package func bind(_ values: [SQLValue]) throws(SQLiteError) {
    for (offset, value) in values.enumerated() {
      let index = Int32(offset + 1)
      switch value {
      case .integer(let number): try bind(index, number)
      case .text(let text): try bind(index, text)
      case .blob(let bytes): try bind(index, bytes)
      case .null: try bindNull(index)
      }
    }
  }

  package func bind(_ index: Int32, _ value: Int64) throws(SQLiteError) {
    try check(unsafe sqlite3_bind_int64(handle, index, value))
  }

  package func bind(_ index: Int32, _ value: Int64?) throws(SQLiteError) {
    if let value { try bind(index, value) } else { try bindNull(index) }
  }

  package func bindNull(_ index: Int32) throws(SQLiteError) {
    try check(unsafe sqlite3_bind_null(handle, index))
  }

  package func bind(_ index: Int32, _ text: String) throws(SQLiteError) {
    var text = text
    let code = text.withUTF8 { utf8 in
      unsafe utf8.withMemoryRebound(to: CChar.self) { characters in
        unsafe domicile_sqlite_bind_text(
          handle, index, characters.baseAddress, Int32(characters.count))
      }
    }
    try check(code)
  }

  package func bind(_ index: Int32, _ bytes: [UInt8]) throws(SQLiteError) {
    let code = unsafe bytes.withUnsafeBytes { buffer in
      unsafe domicile_sqlite_bind_blob(handle, index, buffer.baseAddress, Int32(buffer.count))
    }
    try check(code)
  }

  private func check(_ code: Int32) throws(SQLiteError) {
    guard code == SQLITE_OK else {
      throw SQLiteError(
        code: code, message: unsafe String(cString: sqlite3_errstr(code)), sql: sql)
    }
  }

  // MARK: Steps

  /// Goes to the next row; false if there is none.
  package func step() throws(SQLiteError) -> Bool {
    let code = unsafe sqlite3_step(handle)
    switch code {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default:
      let message = unsafe String(cString: sqlite3_errmsg(sqlite3_db_handle(handle)))
      throw SQLiteError(code: code, message: message, sql: sql)
    }
  }

  /// Runs a statement that gives no rows, and makes it ready for the next values.
  package func run() throws(SQLiteError) {
    defer { reset() }
    while try step() {}
  }

  /// Ends the statement's hold on the database and forgets its values.
  package func reset() {
    unsafe sqlite3_reset(handle)
    unsafe sqlite3_clear_bindings(handle)
  }

  /// Ends the statement's hold on the database and keeps its values.
  package func rewind() { unsafe sqlite3_reset(handle) }

  // MARK: Columns

  /// Whether a column holds just this text.
  package func isText(_ column: Int32, _ text: StaticString) -> Bool {
    guard let bytes = unsafe sqlite3_column_text(handle, column) else { return false }
    let count = Int(unsafe sqlite3_column_bytes(handle, column))
    return unsafe count == text.utf8CodeUnitCount && memcmp(bytes, text.utf8Start, count) == 0
  }

  package func isNull(_ column: Int32) -> Bool {
    unsafe sqlite3_column_type(handle, column) == SQLITE_NULL
  }

  package func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, column) }

  package func integerIfPresent(_ column: Int32) -> Int64? {
    isNull(column) ? nil : integer(column)
  }

  package func text(_ column: Int32) -> String {
    guard let bytes = unsafe sqlite3_column_text(handle, column) else { return "" }
    let count = Int(unsafe sqlite3_column_bytes(handle, column))
    return unsafe String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
  }

  package func blob(_ column: Int32) -> [UInt8] {
    guard let bytes = unsafe sqlite3_column_blob(handle, column) else { return [] }
    let count = Int(unsafe sqlite3_column_bytes(handle, column))
    return unsafe [UInt8](UnsafeRawBufferPointer(start: bytes, count: count))
  }

  // MARK: Rows of two statements

  /// Whether two rows have the same in their first columns: the same kinds of values, and the same bytes.
  package func hasSame(_ columns: Range<Int32>, as other: Statement) -> Bool {
    columns.allSatisfy { column in
      let kind = unsafe sqlite3_column_type(handle, column)
      guard unsafe kind == sqlite3_column_type(other.handle, column) else { return false }
      switch kind {
      case SQLITE_NULL: return true
      case SQLITE_INTEGER: return integer(column) == other.integer(column)
      default: return order(column, other) == 0
      }
    }
  }

  /// How a text or blob of this row compares to that of another, byte by byte, as SQLite orders them: below, above or equal to 0.
  package func order(_ column: Int32, _ other: Statement) -> Int {
    let left = unsafe sqlite3_column_blob(handle, column)
    let right = unsafe sqlite3_column_blob(other.handle, column)
    let leftCount = Int(unsafe sqlite3_column_bytes(handle, column))
    let rightCount = Int(unsafe sqlite3_column_bytes(other.handle, column))
    if let left = unsafe left, let right = unsafe right {
      let order = Int(unsafe memcmp(left, right, min(leftCount, rightCount)))
      if order != 0 { return order }
    }
    return leftCount - rightCount
  }
}
