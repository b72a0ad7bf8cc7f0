import CDomicileSQLite
import DomicileSQLite
import DomicileTesting
import Foundation
import Synchronization
import Testing

@Suite struct VFSTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = "\(folder.path)/a.sqlite"
    try Connection(path: path, mode: .creating).execute(
      "create table note (number integer primary key, body blob) strict")
  }

  @Test func `a VFS that nobody knows opens nothing`() {
    #expect(throws: SQLiteError.self) { try Connection(path: path, mode: .writing, vfs: "nobody") }
  }

  @Test func `a database cannot have so many pages that they are mistaken`() throws {
    let connection = try Connection(path: path, mode: .writing)
    #expect(try connection.integer("pragma max_page_count") == 33_554_431)
  }

  // MARK: What cannot be kept clean

  @Test(arguments: [Connection.Mode.reading, .writing])
  func `a database with auto_vacuum is refused`(mode: Connection.Mode) throws {
    try Connection(path: path, mode: .writing).execute("pragma auto_vacuum = full; vacuum")
    let error = #expect(throws: SQLiteError.self) { try Connection(path: path, mode: mode) }
    #expect(error?.message.contains("auto_vacuum") == true)
  }

  @Test(arguments: [Connection.Mode.reading, .writing])
  func `a database with reserved bytes is refused`(mode: Connection.Mode) throws {
    let tool = Process()
    tool.executableURL = URL(filePath: "/usr/bin/env")
    tool.arguments = [
      "sqlite3", path, ".filectrl reserve_bytes 8", "pragma journal_mode = delete", "vacuum",
    ]
    tool.standardOutput = Pipe()
    try tool.run()
    tool.waitUntilExit()
    #expect(tool.terminationStatus == 0)
    let error = #expect(throws: SQLiteError.self) { try Connection(path: path, mode: mode) }
    #expect(error?.message.contains("reserves 8 bytes") == true)
  }

  // MARK: Registration

  @Test func `the same VFS can be registered again, and no other under its name`() {
    let name = "again-\(UUID().uuidString)"
    for _ in 1...2 { #expect(unsafe domicile_vfs_register(name, nil, nil, nil) == SQLITE_OK) }
    #expect(unsafe domicile_vfs_register(name, nil, { _, _ in 0 }, nil) == SQLITE_MISUSE)
    #expect(unsafe domicile_vfs_register("unix", nil, nil, nil) == SQLITE_MISUSE)
    #expect(unsafe domicile_vfs_register("new", "nobody", nil, nil) == SQLITE_NOTFOUND)
    #expect(unsafe domicile_vfs_unregister(name) == SQLITE_OK)
    #expect(unsafe domicile_vfs_unregister(name) == SQLITE_NOTFOUND)
    #expect(unsafe domicile_vfs_unregister("unix") == SQLITE_NOTFOUND)
  }

  @Test func `a VFS lies over another of ours too`() throws {
    let calls = Mutex(0)
    let count: @Sendable () -> Void = { calls.withLock { $0 += 1 } }
    let lower = try FileSystem(name: "lower-\(UUID().uuidString)") { _ in
      count()
      return 0
    }
    let upper = try FileSystem(name: "upper-\(UUID().uuidString)", over: lower.name) { _ in
      count()
      return 0
    }
    do {
      let connection = try Connection(path: path, mode: .writing, vfs: upper.name)
      try connection.run("insert into note values (1, zeroblob(5000))")
      #expect(try connection.text("pragma integrity_check") == "ok")
    }
    let total = calls.withLock { $0 }
    #expect(total > 20 && total % 2 == 0)
    withExtendedLifetime((upper, lower)) {}
  }

  // MARK: The hook

  @Test func `the hook sees each kind of call, with the file it is for`() throws {
    let calls = Mutex<[FileCall]>([])
    let record: @Sendable (FileCall) -> Void = { call in calls.withLock { $0.append(call) } }
    let files = try FileSystem(name: "watch-\(UUID().uuidString)") { call in
      record(call)
      return 0
    }
    do {
      let connection = try Connection(path: path, mode: .writing, vfs: files.name)
      try connection.run("insert into note values (1, zeroblob(5000))")
      try connection.execute("pragma wal_checkpoint(truncate)")
      try connection.execute("pragma locking_mode = normal; pragma journal_mode = delete")
      try connection.run("insert into note values (2, zeroblob(5000))")
    }
    withExtendedLifetime(files) {}
    let seen = calls.withLock { $0 }
    for operation in FileCall.Operation.allCases {
      #expect(seen.contains { $0.operation == operation }, "\(operation)")
    }
    for (kind, suffix) in [(.main, ""), (.wal, "-wal"), (.journal, "-journal")]
      as [(FileCall.Kind, String)]
    {
      let written = seen.filter { $0.operation == .write && $0.kind == kind }
      #expect(!written.isEmpty)
      #expect(written.allSatisfy { $0.path == path + suffix && $0.amount > 0 })
    }
    #expect(
      seen.filter { $0.operation == .write && $0.kind == .main }
        .allSatisfy { $0.amount == 4_096 && $0.offset % 4_096 == 0 })
    #expect(seen.contains { $0.operation == .delete && $0.kind == .wal })
  }

  @Test func `a read that comes short gives zeros`() throws {
    // Else the header would be read from the WAL.
    #expect(try Connection(path: path, mode: .writing).truncateWAL(patience: .milliseconds(10)))
    let files = try FileSystem(name: "short-\(UUID().uuidString)") { call in
      call.operation == .read && call.kind == .main ? 10 | 2 << 8 : 0
    }
    let error = #expect(throws: SQLiteError.self) {
      // An empty database, since the header is zero, which cannot be put into WAL mode without a write.
      let connection = try Connection(path: path, mode: .writing, vfs: files.name)
      try connection.run("insert into note values (1, null)")
    }
    #expect(error != nil)
    #expect(try Connection(path: path, mode: .writing).text("pragma integrity_check") == "ok")
  }
}
