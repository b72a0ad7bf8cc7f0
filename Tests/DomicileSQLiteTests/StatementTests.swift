import DomicileSQLite
import DomicileTesting
import Testing

@Suite struct StatementTests {
  private let folder: TemporaryFolder
  private let connection: Connection

  init() throws {
    folder = try TemporaryFolder()
    connection = try Connection(path: "\(folder.path)/a.sqlite", mode: .creating)
    try connection.execute("CREATE TABLE item (number INTEGER, name TEXT, body BLOB) STRICT")
  }

  // MARK: Values

  static let blobs: [[UInt8]] = [
    [], [0], [0, 0, 0], [0x61, 0, 0x62], [0xFF, 0xFE], [UInt8](repeating: 0, count: 1 << 20),
  ]

  @Test(arguments: blobs)
  func `bytes come back as they were, an empty blob too`(bytes: [UInt8]) throws {
    try connection.run("INSERT INTO item (body) VALUES (?)", .blob(bytes))
    let found = try connection.rows(
      "SELECT body, typeof(body), length(body) FROM item",
      as: { ($0.blob(0), $0.text(1), $0.integer(2), $0.isNull(0)) })
    #expect(found.count == 1)
    #expect(found[0].0 == bytes)
    #expect(found[0].1 == "blob")
    #expect(found[0].2 == bytes.count)
    #expect(!found[0].3)
  }

  static let texts = [
    "", "a", "\0", "a\0b", "名前", "\u{1F600}", "e\u{301}", "\u{E9}", "\u{FEFF}x", "it's \"so\"",
    String(repeating: "x", count: 100_000),
  ]

  @Test(arguments: texts)
  func `text comes back byte by byte, an empty text and NUL bytes too`(text: String) throws {
    try connection.run("INSERT INTO item (name) VALUES (?)", .text(text))
    let found = try connection.rows(
      "SELECT name, typeof(name), CAST(name AS BLOB) FROM item",
      as: { ($0.text(0), $0.text(1), $0.blob(2)) })
    #expect(found.count == 1)
    #expect(Array(found[0].0.utf8) == Array(text.utf8))
    #expect(found[0].1 == "text")
    #expect(found[0].2 == Array(text.utf8))
  }

  @Test func `a text that is a slice of another is bound as itself`() throws {
    let whole = "before middle after, all of it longer than a small string"
    let slice = whole.split(separator: " ")[1]
    try connection.run("INSERT INTO item (name) VALUES (?)", .text(String(slice)))
    #expect(try connection.text("SELECT name FROM item") == "middle")
  }

  @Test(arguments: [0, 1, -1, .min, .max] as [Int64])
  func `numbers come back`(number: Int64) throws {
    try connection.run("INSERT INTO item (number) VALUES (?)", .integer(number))
    #expect(try connection.integer("SELECT number FROM item") == number)
  }

  @Test func `NULL is none of the others`() throws {
    try connection.run("INSERT INTO item VALUES (?, ?, ?)", .null, .null, .null)
    let statement = try connection.prepare("SELECT number, name, body FROM item")
    defer { statement.reset() }
    #expect(try statement.step())
    for column: Int32 in 0..<3 { #expect(statement.isNull(column)) }
    #expect(statement.integerIfPresent(0) == nil)
    #expect(statement.integer(0) == 0)
    #expect(statement.text(1) == "")
    #expect(statement.blob(2) == [])
    #expect(try !statement.step())
  }

  @Test func `bytes with the same beginning are ordered as bytes are`() throws {
    let ordered: [[UInt8]] = [
      [], [0], [0, 0], [0, 1], [1], [0x7F], [0x80], [0xFE, 0xFF], [0xFF], [0xFF, 0], [0xFF, 0xFF],
    ]
    for bytes in ordered.reversed() {
      try connection.run("INSERT INTO item (body) VALUES (?)", .blob(bytes))
    }
    #expect(
      try connection.rows("SELECT body FROM item ORDER BY body", as: { $0.blob(0) }) == ordered)
  }

  // MARK: Use

  @Test func `a statement forgets its values when it is reset`() throws {
    let insert = try connection.prepare("INSERT INTO item (number, name) VALUES (?, ?)")
    try insert.bind([1, "one"])
    try insert.run()
    try insert.bind(1, 2)
    try insert.run()
    #expect(
      try connection.rows("SELECT number, name FROM item ORDER BY 1", as: { $0.isNull(1) })
        == [false, true])
  }

  @Test func `a statement that failed can be used again`() throws {
    try connection.execute("CREATE UNIQUE INDEX one ON item (number)")
    let insert = try connection.prepare("INSERT INTO item (number) VALUES (?)")
    try insert.bind(1, 1)
    try insert.run()
    try insert.bind(1, 1)
    #expect(throws: SQLiteError.self) { try insert.run() }
    try insert.bind(1, 2)
    try insert.run()
    #expect(try connection.integer("SELECT count(*) FROM item") == 2)
  }

  @Test func `a parameter that the statement does not have is refused`() throws {
    let statement = try connection.prepare("SELECT ?")
    defer { statement.reset() }
    #expect(throws: SQLiteError.self) { try statement.bind(2, 1) }
    #expect(throws: SQLiteError.self) { try statement.bind([1, 2]) }
  }

  @Test func `the same text is the same statement`() throws {
    #expect(try connection.prepare("SELECT 1") === connection.prepare("SELECT 1"))
  }

  @Test func `rows are handed over one by one, and an error stops them`() throws {
    struct Enough: Error {}
    for number in 1...5 as ClosedRange<Int64> {
      try connection.run("INSERT INTO item (number) VALUES (?)", .integer(number))
    }
    var seen: [Int64] = []
    #expect(throws: Enough.self) {
      try connection.forEachRow("SELECT number FROM item WHERE number > ?", [1]) { row in
        seen.append(row.integer(0))
        if seen.count == 2 { throw Enough() }
      }
    }
    #expect(seen == [2, 3])
    // The statement is free again.
    try connection.execute("DROP TABLE item")
  }

  @Test func `the first column of no row is nil`() throws {
    #expect(try connection.integer("SELECT number FROM item") == nil)
    #expect(try connection.text("SELECT name FROM item") == nil)
  }

  @Test func `statements outlive a connection that is let go`() throws {
    var other: Connection? = try Connection(path: "\(folder.path)/a.sqlite", mode: .writing)
    let statement = try #require(try other?.prepare("SELECT count(*) FROM item"))
    other = nil
    #expect(try statement.step())
    #expect(statement.integer(0) == 0)
  }
}
