import CDomicileSQLite

/// The WAL, and the main file into which it is copied.
extension Connection {
  // MARK: Checkpoints

  /// The pages in the WAL after this connection's last commit.
  package var walPages: Int { Int(unsafe walPagesStorage.pointee) }

  /// Copies what it can of the WAL into the database without waiting for anybody.
  ///
  /// To be called where no other connection, of any process, can commit meanwhile: a commit that begins the WAL
  /// anew during a checkpoint can corrupt the file (SQLite 3.7.0 to 3.51.2, https://sqlite.org/wal.html).
  package func checkpointPassively() throws(SQLiteError) {
    _ = try checkpoint(SQLITE_CHECKPOINT_PASSIVE)
  }

  /// Copies all of the WAL into the database and cuts it to nothing; whether that was possible. A reader of an
  /// older state, of whatever process, is waited for no longer than `patience`.
  ///
  /// To be called where ``checkpointPassively()`` may be.
  package func truncateWAL(patience: Duration) throws(SQLiteError) -> Bool {
    // What can be copied while readers read, so that only the last step has to wait for them.
    _ = try checkpoint(SQLITE_CHECKPOINT_PASSIVE)
    let milliseconds = patience / .milliseconds(1)
    unsafe sqlite3_busy_timeout(handle, Int32(max(1, min(milliseconds, 60_000))))
    defer { _ = unsafe sqlite3_busy_timeout(handle, Self.busyMilliseconds) }
    guard try checkpoint(SQLITE_CHECKPOINT_TRUNCATE) else { return false }
    unsafe walPagesStorage.pointee = 0
    // Other connections do so by themselves: to them the WAL has changed.
    forgetPages()
    return true
  }

  /// Whether it went through, and was not stopped by somebody who reads.
  private func checkpoint(_ mode: Int32) throws(SQLiteError) -> Bool {
    let code = unsafe sqlite3_wal_checkpoint_v2(handle, nil, mode, nil, nil)
    guard code == SQLITE_OK || code & 0xFF == SQLITE_BUSY else {
      throw error(code, sql: "wal_checkpoint")
    }
    return code == SQLITE_OK
  }

  /// Drops the pages that SQLite holds in memory and nobody uses. They are as they were written, not as the
  /// VFS cleaned them, and would bring what was deleted back into the WAL when they are written again.
  package func forgetPages() { unsafe sqlite3_db_release_memory(handle) }

  // MARK: The main file

  /// The main file as it is; nil if it is not there. Valid once the connection has read.
  package var fileState: FileState? {
    var state = domicile_file_state()
    guard unsafe domicile_file_state_now(handle, &state) == SQLITE_OK else { return nil }
    return FileState(state)
  }

  /// The pages in the WAL, by whomever they were written. Valid once the connection has read.
  package var walFrames: Int {
    var state = domicile_file_state()
    return unsafe domicile_file_state_now(handle, &state) == SQLITE_OK ? Int(state.frames) : 0
  }

  /// What the checkpoints of this connection since the last call found and left; nil if there were none.
  func checkpointsSeen() -> (before: FileState, after: FileState, isUnbroken: Bool)? {
    var seen = domicile_checkpoints()
    guard unsafe domicile_checkpoints_seen(handle, &seen) == SQLITE_OK, seen.count > 0 else {
      return nil
    }
    return (FileState(seen.before), FileState(seen.after), seen.is_broken == 0)
  }

  /// Writes every page anew, through our VFS, so that nothing is left of what was ever deleted. The copy on the way is a
  /// file without a name in `folder`, as large as the database; so is the WAL afterwards.
  package func rewrite(by folder: String) throws(SQLiteError) {
    try execute("PRAGMA temp_store = FILE")
    let result = unsafe folder.withCString { folder in
      unsafe domicile_vfs_temporary_folder(folder)
      defer { domicile_vfs_temporary_folder(nil) }
      return Result { () throws(SQLiteError) in try execute("VACUUM") }
    }
    try execute("PRAGMA temp_store = MEMORY")
    try result.get()
  }

  // MARK: Long reading

  /// Runs `body`, whose statements fail with `SQLITE_INTERRUPT` once `isEnough` says so: what reads for long keeps the WAL
  /// from being cut.
  package func givingWay<T>(
    when isEnough: @escaping () -> Bool, _ body: () throws -> T
  ) rethrows -> T {
    let question = Question(isEnough)
    unsafe sqlite3_progress_handler(
      handle, 10_000,
      { context in
        guard let context = unsafe context else { return 0 }
        let question = unsafe Unmanaged<Question>.fromOpaque(context).takeUnretainedValue()
        return question.isEnough() ? 1 : 0
      }, Unmanaged.passUnretained(question).toOpaque())
    defer { unsafe sqlite3_progress_handler(handle, 0, nil, nil) }
    return try withExtendedLifetime(question) { try body() }
  }
}

private final class Question {
  let isEnough: () -> Bool
  init(_ isEnough: @escaping () -> Bool) { self.isEnough = isEnough }
}
