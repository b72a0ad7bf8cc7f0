package import DomicileSQLite

extension StorageError {
  /// What an error of SQLite means for whoever asked, before anything was committed.
  package init(_ error: SQLiteError, in place: String) {
    if error.isFull {
      self.init(
        .diskFull, "The disk of \(place) is full; nothing was written. Free space and try again.",
        cause: error)
    } else if error.isCorrupt {
      self.init(
        .corrupt,
        "The file of \(place) is damaged; nothing was written. Run “domicile doctor” and restore it.",
        cause: error)
    } else {
      self.init(
        .unavailable,
        "The file of \(place) cannot be used (SQLite error \(error.code)); nothing was written."
          + " Check the disk and the file's rights, then try again.", cause: error)
    }
  }
}

/// Runs `body`, turning errors of SQLite into what they mean here.
package func storing<T>(
  in place: String, _ body: () throws -> T
) throws(StorageError) -> T {
  do {
    return try body()
  } catch let error as StorageError {
    throw error
  } catch let error as SQLiteError {
    throw StorageError(error, in: place)
  } catch {
    throw StorageError(.unavailable, "\(place) failed unexpectedly.", cause: error)
  }
}
