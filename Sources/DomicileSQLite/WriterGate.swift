import CDomicileSQLite
import Foundation

/// The gate of one SQLite file: the writers of all processes pass it one at a time, in turn.
///
/// SQLite's own lock is not fair: against one busy writer, a second process got one transaction in five
/// seconds. So a writer takes the lock of a file `next`, waits for that of `main`, and lets `next` go: whoever
/// leaves stands behind all who wait. Both are open-file-description locks, which the kernel drops when a
/// process dies, and never the database's own file.
///
/// To be used by one thread at a time.
package final class WriterGate {
  private let path: String
  private let next: Int32
  private let main: Int32

  /// Opens the gate's files beside a database; makes them if they are not there.
  package init(path: String) throws(SQLiteError) {
    self.path = path
    next = try Self.open("\(path)-next")
    do {
      main = try Self.open("\(path)-main")
    } catch {
      close(next)
      throw error
    }
  }

  deinit {
    close(next)
    close(main)
  }

  /// Does `body` while no other process, and no other gate of this one, is inside. `entered` is told how long
  /// the wait was.
  package func pass<T>(
    entered: (Duration) -> Void = { _ in }, _ body: () throws -> T
  ) throws -> T {
    let start = ContinuousClock.now
    try enter()
    defer { leave() }
    entered(ContinuousClock.now - start)
    return try body()
  }

  /// Goes inside, to ``leave()`` soon.
  package func enter() throws(SQLiteError) {
    try Self.lock(next)
    do throws(SQLiteError) {
      try Self.lock(main)
    } catch {
      domicile_unlock_file(next)
      throw error
    }
    domicile_unlock_file(next)
  }

  package func leave() { domicile_unlock_file(main) }

  // MARK: Clean files

  /// Whether our VFS alone has written the file since it was made or rewritten. To be asked inside.
  package var isFileClean: Bool { note?.matches(path: path) ?? false }

  /// Runs a checkpoint, or whatever else writes the main file, and notes how it left that. To be called inside.
  ///
  /// With `isRewritten` the file is known to be clean afterwards, whatever it was before.
  package func writeMainFile<T>(
    isRewritten: (T) -> Bool = { _ in false }, _ body: () throws -> T
  ) throws -> T {
    let wasClean = isFileClean
    if wasClean, let wal = CleanNote.File(path: "\(path)-wal") { keep(CleanNote(.copying, wal)) }
    let result = try body()
    if wasClean || isRewritten(result), let file = CleanNote.File(path: path) {
      keep(CleanNote(.clean, file))
    }
    return result
  }

  private var note: CleanNote? {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = unsafe pread(main, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return CleanNote(text: String(decoding: bytes.prefix(count), as: UTF8.self))
  }

  /// Before pages change the note is synced: what a power cut leaves must not look like another program's work.
  private func keep(_ note: CleanNote) {
    let bytes = Array(note.text.utf8)
    // A note that cannot be kept does not match any more: the file is rewritten once more than needed.
    _ = unsafe pwrite(main, bytes, bytes.count, 0)
    if note.state == .copying { fdatasync(main) }
  }

  private static func open(_ path: String) throws(SQLiteError) -> Int32 {
    let descriptor = unsafe Foundation.open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw SQLiteError(
        code: SQLITE_CANTOPEN, message: "lock file: \(unsafe String(cString: strerror(errno)))")
    }
    return descriptor
  }

  private static func lock(_ descriptor: Int32) throws(SQLiteError) {
    let code = domicile_wait_for_file(descriptor)
    guard code == 0 else {
      // SQLITE_IOERR_LOCK, which as a macro with an expression is not imported.
      throw SQLiteError(
        code: SQLITE_IOERR | 15 << 8,
        message: "lock file: \(unsafe String(cString: strerror(code)))")
    }
  }
}
