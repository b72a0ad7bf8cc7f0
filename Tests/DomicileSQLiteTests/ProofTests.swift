import DomicileSQLite
import DomicileTesting
import Foundation
import Testing

@Suite struct ProofTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = "\(folder.path)/a.sqlite"
    let connection = try Connection(path: path, mode: .creating)
    try connection.execute(
      """
      create table note (number integer primary key, body blob) strict;
      insert into note values (1, zeroblob(8576)), (2, zeroblob(90000)), (3, zeroblob(100));
      delete from note where number = 2;
      """)
    try connection.execute("pragma wal_checkpoint(truncate)")
  }

  private func find(atMost limit: Int = 100) throws -> [PageRemnant] {
    let connection = try Connection(path: path, mode: .reading)
    return try connection.snapshot { () throws in try connection.unreferencedBytes(atMost: limit) }
  }

  private func integer(_ sql: String) throws -> Int {
    Int(try #require(try Connection(path: path, mode: .reading).integer(sql)))
  }

  /// Changes the file while nobody has it open.
  private func plant(_ bytes: [UInt8], page: Int, at offset: Int) throws {
    let file = try #require(FileHandle(forUpdatingAtPath: path))
    try file.seek(toOffset: UInt64((page - 1) * 4_096 + offset))
    try file.write(contentsOf: bytes)
    try file.close()
  }

  /// The four bytes of the file header from `offset` on.
  private func header(_ offset: Int) throws -> Int {
    let bytes = try #require(FileManager.default.contents(atPath: path))
    return bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
  }

  @Test func `a clean file has nothing to find`() throws {
    #expect(try find() == [])
    #expect(try header(36) > 10)
  }

  @Test func `a byte behind the cell pointers is found`() throws {
    let page = try integer("select pageno from dbstat where name = 'note' and pagetype = 'leaf'")
    try plant([7], page: page, at: 40)
    #expect(try find() == [PageRemnant(page: UInt32(page), kind: .gap)])
  }

  @Test func `a byte behind the end of a value is found, the number of a page is not`() throws {
    let page = try integer(
      "select pageno from dbstat where pagetype = 'overflow' order by payload")
    try plant([0, 0, 0, 5], page: page, at: 4_088)
    #expect(try find() == [])
    try plant([1, 0, 0, 5], page: page, at: 4_088)
    #expect(try find() == [PageRemnant(page: UInt32(page), kind: .overflowTail)])
  }

  @Test func `a byte in a free page is found, the number of a page in the list's own is not`()
    throws
  {
    let trunk = try header(32)
    let leaf = try header((trunk - 1) * 4_096 + 8)
    try plant([0, 0, 0, 5], page: trunk, at: 4_000)
    #expect(try find() == [])
    try plant([1, 0, 0, 5], page: trunk, at: 4_000)
    try plant([7], page: leaf, at: 4_095)
    #expect(
      try Set(find()) == [
        PageRemnant(page: UInt32(trunk), kind: .freeTrunkTail),
        PageRemnant(page: UInt32(leaf), kind: .freeLeaf),
      ])
    #expect(try find(atMost: 1).count == 1)
  }

  @Test func `pages without a place are found, behind the end of the database too`() throws {
    let pages = try integer("pragma page_count")
    try plant([0, 0, 0, 0], page: 1, at: 32)
    let lost = try find()
    #expect(lost.count == (try header(36)))
    #expect(lost.allSatisfy { $0.kind == .unused })
    try plant([7], page: pages + 2, at: 100)
    #expect(try find().contains(PageRemnant(page: UInt32(pages + 2), kind: .unused)))
  }

  @Test func `a byte in the unused part of the file's header is found`() throws {
    try plant([7], page: 1, at: 80)
    #expect(try find() == [PageRemnant(page: 1, kind: .fileHeader)])
  }

  @Test func `without a snapshot or with a WAL there is no answer`() throws {
    let connection = try Connection(path: path, mode: .writing)
    #expect(throws: SQLiteError.self) { try connection.unreferencedBytes() }
    try connection.run("insert into note values (4, null)")
    #expect(throws: SQLiteError.self) {
      try connection.snapshot { () throws in try connection.unreferencedBytes() }
    }
  }

  @Test func `others may commit while the search goes on`() throws {
    let reader = try Connection(path: path, mode: .reading)
    let writer = try Connection(path: path, mode: .writing)
    try reader.snapshot { () throws in
      #expect(try reader.unreferencedBytes() == [])
      try writer.run("delete from note")
      // The main file stays while the snapshot is open.
      try writer.checkpointPassively()
      #expect(try reader.integer("select count(*) from note") == 2)
    }
  }
}
