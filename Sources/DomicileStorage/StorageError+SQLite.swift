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
    } else if error.isInterrupted {
      self.init(
        .overloaded,
        "So much is written to \(place) that reading all of it gave way, for it keeps the WAL from being cut. Try"
          + " again when less is written.", cause: error)
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

extension StorageError {
  /// Why a file is not opened.
  package init(_ problem: DatabaseFile.Problem, in place: String) {
    switch problem {
    case .missing:
      self.init(
        .unavailable,
        "The file of \(place) is missing. Mount its volume or restore the file; a shard that held data is"
          + " never made anew.")
    case .walWithoutDatabase:
      self.init(
        .unavailable,
        "The file of \(place) is missing, but its WAL is there, which holds the latest commits. Bring the file"
          + " back to its WAL; without the file the WAL is of no use to anybody.")
    case .hardLinked:
      self.init(
        .foreignFile,
        "The file of \(place) has another name too (a hard link), by which it could be damaged. Remove the other"
          + " name.")
    case .notAFile:
      self.init(
        .foreignFile,
        "What has the name of the file of \(place) is not a file. Put the right file back.")
    case .networkFileSystem(let name):
      self.init(
        .unavailable,
        "The file of \(place) lies on a network file system (\(name)), where SQLite's WAL does not work. Put it on"
          + " a volume of this machine.")
    }
  }

  static func replaced(_ place: String) -> StorageError {
    StorageError(
      .foreignFile,
      "The file of \(place) was replaced while it was open. Put the right file in its place and restart the"
        + " process.")
  }
}

/// Runs a check of a file, turning what it finds into what it means here.
package func checking(
  _ place: String, _ body: () throws(DatabaseFile.Problem) -> Void
) throws(StorageError) {
  do { try body() } catch { throw StorageError(error, in: place) }
}
