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
  private var next: Int32
  private var main: Int32

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
    while true {
      try Self.lock(next)
      do throws(SQLiteError) {
        try Self.lock(main)
      } catch {
        domicile_unlock_file(next)
        throw error
      }
      domicile_unlock_file(next)
      if Self.isFile(next, "\(path)-next"), Self.isFile(main, "\(path)-main") { return }
      // Somebody has deleted the files: whoever comes new has others, and stands at another gate.
      domicile_unlock_file(main)
      try openAgain()
    }
  }

  private func openAgain() throws(SQLiteError) {
    let opened = try Self.open("\(path)-next")
    close(next)
    next = opened
    let other = try Self.open("\(path)-main")
    close(main)
    main = other
  }

  /// Whether a path names a file that is open. A disk that does not answer is no reason to doubt it.
  private static func isFile(_ descriptor: Int32, _ path: String) -> Bool {
    var (held, named) = (stat(), stat())
    guard unsafe fstat(descriptor, &held) == 0 else { return true }
    guard unsafe lstat(path, &named) == 0 else { return errno != ENOENT }
    return held.st_ino == named.st_ino && held.st_dev == named.st_dev
  }

  package func leave() { domicile_unlock_file(main) }

  /// Whether another writer waits, of whatever process. To be asked inside.
  package var isAwaited: Bool { domicile_is_file_locked(next) != 0 }

  // MARK: Clean files

  /// Whether our VFS alone has written the file since it was made, proved or rewritten. To be asked inside, of a
  /// connection that has read.
  package func isFileClean(_ connection: Connection) -> Bool {
    guard let note, let now = connection.fileState else { return false }
    return note.matches(now)
  }

  /// The same without a connection, of a file whose last checkpoint has ended.
  package var isFileClean: Bool {
    guard let note, note.state == .clean, let now = FileState(path: path) else { return false }
    return note.matches(now)
  }

  /// Runs checkpoints, and notes how they left the file. To be called inside.
  ///
  /// With `isRewritten` the file is known to be clean afterwards, whatever it was before.
  package func writeMainFile<T>(
    _ connection: Connection, isRewritten: (T) -> Bool = { _ in false }, _ body: () throws -> T
  ) throws -> T {
    let old = note
    _ = connection.checkpointsSeen()
    let before = connection.fileState
    let isClean = before.map { old?.matches($0) == true } ?? false
    if isClean, let before {
      keep(CleanNote(.copying, before).text)
      // Before pages change: what a power cut leaves must not look like another program's work.
      fdatasync(main)
    }
    let result = try body()
    if let seen = connection.checkpointsSeen() {
      if isRewritten(result) || isClean && seen.isUnbroken && old?.matches(seen.before) == true {
        keep(CleanNote(.clean, seen.after).text)
      }
    } else if let old, isClean {
      keep(old.text)
    }
    return result
  }

  /// Notes that the file is clean if nobody has written it since it had `state`, when that was found. To be called inside,
  /// with a snapshot open since then.
  package func noteClean(_ state: FileState, _ connection: Connection) {
    guard connection.fileState?.isSameFile(as: state) == true else { return }
    keep(CleanNote(.clean, state).text)
  }

  /// Forgets that the file was clean. To be called inside.
  package func noteUnclean() { keep(CleanNote.line("unclean")) }

  private var note: CleanNote? {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = unsafe pread(main, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return CleanNote(text: String(decoding: bytes.prefix(count), as: UTF8.self))
  }

  /// A note that cannot be kept does not match any more: the file is proved once more than needed.
  private func keep(_ line: String) {
    let bytes = Array(line.utf8)
    _ = unsafe pwrite(main, bytes, bytes.count, 0)
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
