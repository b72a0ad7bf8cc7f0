import CAllocationCounter
import DomicileSQLite
import DomicileTesting
import Foundation
import Testing

/// A file that something else has written can be written anew, whatever its size.
@Suite struct RewriteTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = "\(folder.path)/a.sqlite"
    try Connection(path: path, mode: .creating).execute(
      "CREATE TABLE note (number INTEGER PRIMARY KEY, body BLOB) STRICT")
  }

  private static func fill(_ path: String, mebibytes: Int) throws -> Connection {
    let connection = try Connection(path: path, mode: .writing)
    try connection.transaction { () throws in
      for number in 0..<(mebibytes << 4) {
        try connection.run(
          "INSERT INTO note VALUES (?, zeroblob(65536))", .integer(Int64(number)))
      }
    }
    _ = try connection.truncateWAL(patience: .milliseconds(10))
    return connection
  }

  @Test func `it leaves the same rows and no other file`() throws {
    let connection = try Self.fill(path, mebibytes: 1)
    try connection.rewrite(by: folder.path)
    #expect(try connection.integer("SELECT sum(number + length(body)) FROM note") == 1_048_696)
    #expect(try connection.text("PRAGMA temp_store") == "2")
    #expect(try connection.truncateWAL(patience: .milliseconds(10)))
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(files == ["a.sqlite", "a.sqlite-shm", "a.sqlite-wal"])
  }

  @Test(.disabled(if: allocation_count() < 0, "a sanitizer keeps freed memory for a while"))
  func `it does not take memory of the file's size`() async throws {
    await #expect(processExitsWith: .success) { [path = path as String] in
      // The most memory that the process ever had, in kibibytes.
      func mostKibibytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM") }
        return try #require(line.flatMap { Int($0.filter(\.isNumber)) })
      }
      let connection = try Self.fill(path, mebibytes: 128)
      let before = try mostKibibytes()
      try connection.rewrite(by: (path as NSString).deletingLastPathComponent)
      #expect(try mostKibibytes() - before < 48 << 10)
    }
  }

  @Test func `a rewrite that fails leaves the file as it was`() throws {
    let connection = try Self.fill(path, mebibytes: 16)
    #expect(throws: SQLiteError.self) { try connection.rewrite(by: "\(folder.path)/missing") }
    #expect(try connection.text("PRAGMA temp_store") == "2")
    #expect(try connection.integer("SELECT count(*) FROM note") == 256)
    #expect(try connection.text("PRAGMA integrity_check") == "ok")
  }

  @Test func `no temporary file lands in the folder that the system has for them`() throws {
    let connection = try Connection(path: path, mode: .writing)
    try connection.execute("PRAGMA temp_store = FILE")
    let error = #expect(throws: SQLiteError.self) {
      try connection.execute(
        """
        CREATE TEMP TABLE t (a);
        WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 256)
        INSERT INTO t SELECT zeroblob(65536) FROM n
        """)
    }
    #expect(error?.primaryCode == 14)
  }
}
