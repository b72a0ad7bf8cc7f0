import DomicileSQLite
import DomicileTesting
import Foundation
import Testing

@Suite struct ConnectionTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = "\(folder.path)/a.sqlite"
    try Connection(path: path, mode: .creating).execute(
      "CREATE TABLE note (number INTEGER PRIMARY KEY, body BLOB) STRICT")
  }

  private func open(_ mode: Connection.Mode = .writing) throws -> Connection {
    try Connection(path: path, mode: mode)
  }

  // MARK: Settings

  @Test(arguments: [Connection.Mode.reading, .writing])
  func `each setting that promises rest on is in force`(mode: Connection.Mode) throws {
    let connection = try open(mode)
    let settings = [
      "journal_mode": "wal", "synchronous": "2", "secure_delete": "1", "temp_store": "2",
      "mmap_size": "0", "wal_autocheckpoint": "0", "cell_size_check": "1", "trusted_schema": "0",
      "cache_size": "-8192", "page_size": "4096", "busy_timeout": "5000",
    ]
    for (name, value) in settings {
      #expect(try connection.text("PRAGMA \(name)") == value, "\(name)")
    }
  }

  @Test func `a file that is made can be read by its owner only`() throws {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
  }

  @Test func `a file that exists is not made again`() {
    let error = #expect(throws: SQLiteError.self) { try open(.creating) }
    #expect(error?.primaryCode == 14)
  }

  @Test(arguments: [Connection.Mode.reading, .writing])
  func `a file that is missing is not made on the fly`(mode: Connection.Mode) throws {
    let missing = "\(folder.path)/missing.sqlite"
    #expect(throws: SQLiteError.self) { try Connection(path: missing, mode: mode) }
    #expect(!FileManager.default.fileExists(atPath: missing))
  }

  @Test func `a connection that reads cannot write`() throws {
    let reader = try open(.reading)
    for sql in [
      "INSERT INTO note VALUES (1, x'')", "DELETE FROM note", "CREATE TABLE other (a)",
      "DROP TABLE note", "PRAGMA user_version = 7",
    ] {
      let error = #expect(throws: SQLiteError.self) { try reader.execute(sql) }
      #expect(error?.primaryCode == 8, "\(sql)")
    }
    #expect(try reader.integer("SELECT count(*) FROM note") == 0)
  }

  // MARK: Transactions

  @Test func `a transaction that throws leaves nothing`() throws {
    struct Unwilling: Error {}
    let connection = try open()
    #expect(throws: Unwilling.self) {
      try connection.transaction { () throws in
        try connection.run("INSERT INTO note VALUES (1, NULL)")
        #expect(!connection.isAutocommit)
        throw Unwilling()
      }
    }
    #expect(connection.isAutocommit)
    #expect(try connection.integer("SELECT count(*) FROM note") == 0)
    try connection.transaction { () throws in
      try connection.run("INSERT INTO note VALUES (1, NULL)")
    }
    #expect(try connection.integer("SELECT count(*) FROM note") == 1)
  }

  @Test func `a transaction that SQLite ended by itself throws its cause`() throws {
    let connection = try open()
    let pages = try #require(try connection.integer("PRAGMA page_count"))
    try connection.execute("PRAGMA max_page_count = \(pages)")
    let error = #expect(throws: SQLiteError.self) {
      try connection.transaction { () throws in
        try connection.run("INSERT INTO note VALUES (1, zeroblob(100000))")
      }
    }
    #expect(error?.isFull == true)
    #expect(connection.isAutocommit)
    try connection.transaction { () throws in
      try connection.run("INSERT INTO note VALUES (1, NULL)")
    }
  }

  @Test func `a snapshot does not see what others commit meanwhile`() throws {
    let writer = try open()
    let reader = try open(.reading)
    let counts = try reader.snapshot { () throws in
      let before = try reader.integer("SELECT count(*) FROM note")
      try writer.run("INSERT INTO note VALUES (1, NULL)")
      return [before, try reader.integer("SELECT count(*) FROM note")]
    }
    #expect(counts == [0, 0])
    #expect(try reader.integer("SELECT count(*) FROM note") == 1)
  }

  @Test func `a snapshot that throws is over`() throws {
    struct Unwilling: Error {}
    let reader = try open(.reading)
    #expect(throws: Unwilling.self) {
      try reader.snapshot { () throws in
        _ = try reader.integer("SELECT count(*) FROM note")
        throw Unwilling()
      }
    }
    #expect(reader.isAutocommit)
  }

  @Test func `changes are counted, those of the last statement and all`() throws {
    let connection = try open()
    let before = connection.totalChanges
    try connection.run("INSERT INTO note VALUES (1, NULL), (2, NULL), (3, NULL)")
    try connection.run("DELETE FROM note WHERE number > 1")
    #expect(connection.changes == 2)
    #expect(connection.totalChanges == before + 5)
    try connection.run("DELETE FROM note WHERE number > 1")
    #expect(connection.changes == 0)
    #expect(connection.totalChanges == before + 5)
  }

  // MARK: The WAL

  @Test func `the WAL grows until it is asked to be copied, and then begins again`() throws {
    let connection = try open()
    for number in 1...50 as ClosedRange<Int64> {
      try connection.run("INSERT INTO note VALUES (?, zeroblob(4000))", .integer(number))
    }
    let grown = connection.walPages
    #expect(grown > 50)
    try connection.checkpointPassively()
    try connection.run("INSERT INTO note VALUES (51, NULL)")
    #expect((1...10).contains(connection.walPages))
    #expect(try connection.truncateWAL(patience: .milliseconds(1)))
    #expect(connection.walPages == 0)
    let wal = try FileManager.default.attributesOfItem(atPath: "\(path)-wal")
    #expect((wal[.size] as? NSNumber)?.intValue == 0)
  }

  @Test func `a reader in the way does not make the copying wait or fail`() throws {
    let connection = try open()
    let reader = try open(.reading)
    try reader.execute("BEGIN")
    #expect(try reader.integer("SELECT count(*) FROM note") == 0)
    try connection.run("INSERT INTO note VALUES (1, NULL)")
    try connection.checkpointPassively()
    #expect(try reader.integer("SELECT count(*) FROM note") == 0)
    try reader.execute("COMMIT")
    #expect(try reader.integer("SELECT count(*) FROM note") == 1)
  }

  // MARK: Errors

  @Test func `an error names the statement and none of its values`() throws {
    let marker = "marker-5a1f"
    let connection = try open()
    try connection.execute(
      "CREATE TABLE person (name TEXT PRIMARY KEY CHECK (length(name) < 20)) STRICT")
    try connection.run("INSERT INTO person VALUES (?)", .text(marker))
    let failures: [(String, [SQLValue])] = [
      ("INSERT INTO person VALUES (?)", [.text(marker)]),
      ("INSERT INTO person VALUES (?)", [.text(marker + marker)]),
      ("INSERT INTO note VALUES (?, NULL)", [.text(marker)]),
      ("INSERT INTO note VALUES (1, ?)", [.text(marker)]),
      ("SELECT json(?)", [.text(marker)]),
      ("SELECT abs(?)", [.integer(.min)]),
    ]
    for (sql, values) in failures {
      let statement = try connection.prepare(sql)
      defer { statement.reset() }
      try statement.bind(values)
      let error = #expect(throws: SQLiteError.self) { _ = try statement.step() }
      #expect(error?.sql == sql)
      #expect(error?.description.contains(marker) == false)
      #expect(error?.description.contains("?") == true)
      #expect(!"\(String(reflecting: error))".contains(marker))
    }
  }

  @Test func `an error has SQLite's extended code`() throws {
    let connection = try open()
    try connection.run("INSERT INTO note VALUES (1, NULL)")
    let error = #expect(throws: SQLiteError.self) {
      try connection.run("INSERT INTO note VALUES (1, NULL)")
    }
    #expect(error?.code == 1555)
    #expect(error?.primaryCode == 19)
    #expect(
      error?.description
        == "SQLite error 1555: UNIQUE constraint failed: note.number"
        + " in “INSERT INTO note VALUES (1, NULL)”")
  }

  @Test func `a statement that is wrong is not prepared`() throws {
    let connection = try open()
    for sql in ["SELEC 1", "SELECT nothing FROM note", ""] {
      #expect(throws: SQLiteError.self) { try connection.prepare(sql) }
    }
  }

  @Test func `a file that is no database is told apart from one that is`() throws {
    try folder.write(String(repeating: "no database ", count: 1_000), to: "b.sqlite")
    let error = #expect(throws: SQLiteError.self) {
      try Connection(path: "\(folder.path)/b.sqlite", mode: .writing)
    }
    #expect(error?.isCorrupt == true)
  }

  #if os(Linux)
    @Test func `a file that could not be opened is not kept open`() throws {
      let file = try folder.write(String(repeating: "no database ", count: 1_000), to: "b.sqlite")
      for _ in 1...3 {
        #expect(throws: SQLiteError.self) { try Connection(path: file, mode: .writing) }
      }
      let files = FileManager.default
      let open = try files.contentsOfDirectory(atPath: "/proc/self/fd").filter { descriptor in
        (try? files.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")) == file
      }
      #expect(open == [])
    }
  #endif

  @Test func `a database that is held is busy`() throws {
    let connection = try open()
    try connection.execute("PRAGMA busy_timeout = 0")
    let other = try open()
    try other.execute("BEGIN IMMEDIATE")
    let error = #expect(throws: SQLiteError.self) {
      try connection.transaction { () throws in }
    }
    #expect(error?.isBusy == true)
    #expect(connection.isAutocommit)
  }
}
