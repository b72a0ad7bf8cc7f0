import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Synchronization

/// The least that group commit works with: a file with a table of numbered notes, and one whose rows must
/// name a note by the time of COMMIT.
final class Notebook: CommitContext {
  let connection: Connection
  /// How many notebooks of this file were opened before this one.
  let edition: Int

  init(
    path: String, edition: Int, vfs: String = FileSystem.clean
  ) throws(SQLiteError) {
    connection = try Connection(path: path, mode: .writing, vfs: vfs)
    self.edition = edition
    try connection.execute("PRAGMA foreign_keys = ON")
  }

  func beginBatch() throws(SQLiteError) {}

  /// Whether ``settle()`` fails, as on a disk that fails for good; for this edition only.
  var failsToSettle = false

  func settle() throws(SQLiteError) {
    if failsToSettle { throw SQLiteError(code: 10, message: "the disk fails") }
    try connection.run("INSERT INTO settlement DEFAULT VALUES")
  }

  func write(_ number: Int, bytes: Int = 1) throws {
    try connection.run(
      "INSERT INTO note (number, body) VALUES (?, ?)", .integer(Int64(number)),
      .blob([UInt8](repeating: 1, count: bytes)))
  }

  func delete(_ number: Int) throws {
    try connection.run("DELETE FROM note WHERE number = ?", .integer(Int64(number)))
  }

  /// Makes the next COMMIT fail, with the transaction still open.
  func spoilCommit() throws {
    try connection.execute("INSERT INTO remark (note) VALUES (-1)")
  }

  /// Fails as a full disk does: SQLite rolls the whole transaction back by itself.
  func fillDisk() throws {
    let pages = try connection.integer("PRAGMA page_count") ?? 0
    try connection.execute("PRAGMA max_page_count = \(pages + 1)")
    defer { try? connection.execute("PRAGMA max_page_count = 1000000") }
    try write(.max, bytes: 100_000)
  }
}

/// A file of notes in a folder of its own.
final class NotebookFile: Sendable {
  let folder: TemporaryFolder
  private let editions = Mutex(0)
  private let batches = Mutex<[Int]>([])

  init() throws {
    folder = try .inMemory()
    try Connection(path: path, mode: .creating).execute(
      """
      CREATE TABLE note (number INTEGER PRIMARY KEY, body BLOB);
      CREATE TABLE settlement (number INTEGER PRIMARY KEY);
      CREATE TABLE remark (note INTEGER REFERENCES note (number) DEFERRABLE INITIALLY DEFERRED);
      """)
  }

  var path: String { "\(folder.path)/notes.sqlite" }

  /// The sizes of the batches so far; complete once the group commit is closed.
  var batchSizes: [Int] { batches.withLock { $0 } }

  func open(
    _ adjust: (inout GroupCommit<Notebook>.Limits) -> Void = { _ in }
  ) -> GroupCommit<Notebook> {
    var limits = GroupCommit<Notebook>.Limits()
    // A slow machine must not divide what a test puts together.
    limits.batchDurationMax = .seconds(300)
    adjust(&limits)
    return GroupCommit(
      path: path, place: "the notebook", limits: limits,
      observe: { [self] batch in batches.withLock { $0.append(batch.jobs) } },
      open: { [self] () throws(StorageError) in
        let edition = editions.withLock { editions in
          defer { editions += 1 }
          return editions
        }
        return try storing(in: "the notebook") { try Notebook(path: path, edition: edition) }
      })
  }

  /// The numbers of the notes that are in the file, by a connection of its own.
  func numbers() throws -> [Int] {
    try Connection(path: path, mode: .reading).rows(
      "SELECT number FROM note ORDER BY number", as: { Int($0.integer(0)) })
  }

  /// The size of the WAL's file.
  func walBytes() throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: "\(path)-wal")
    return (attributes[.size] as? NSNumber)?.intValue ?? 0
  }
}
