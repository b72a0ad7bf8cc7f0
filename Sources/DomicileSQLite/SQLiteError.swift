import CDomicileSQLite

/// An error that SQLite reported.
package struct SQLiteError: Error, Sendable, CustomStringConvertible {
  /// SQLite's extended result code (https://sqlite.org/rescode.html).
  package let code: Int32
  package let message: String
  /// The statement with `?` for its values, which are never part of an error.
  package let sql: String?

  package init(code: Int32, message: String, sql: String? = nil) {
    self.code = code
    self.message = message
    self.sql = sql
  }

  /// The code without its extension.
  package var primaryCode: Int32 { code & 0xFF }

  package var isFull: Bool { primaryCode == SQLITE_FULL }
  package var isInterrupted: Bool { primaryCode == SQLITE_INTERRUPT }
  package var isBusy: Bool { primaryCode == SQLITE_BUSY }
  package var isCorrupt: Bool { primaryCode == SQLITE_CORRUPT || primaryCode == SQLITE_NOTADB }

  package var description: String {
    "SQLite error \(code): \(message)" + (sql.map { " in “\($0)”" } ?? "")
  }
}
