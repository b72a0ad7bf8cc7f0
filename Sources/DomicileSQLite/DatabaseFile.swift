import CDomicileSQLite
import Foundation

/// What is known of a database's file before it is opened.
package enum DatabaseFile {
  /// Why a file must not be opened as a database.
  package enum Problem: Error, Sendable, Equatable {
    case missing
    /// The WAL of a database is there, and the database is not.
    case walWithoutDatabase
    /// The file has other names: SQLite, opening it by two of them, would keep two WALs for it.
    case hardLinked
    case notAFile
    /// A file system of another machine, on which SQLite's WAL does not work.
    case networkFileSystem(name: String)
  }

  /// Checks a file that is to be opened.
  package static func check(_ path: String) throws(Problem) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else {
      throw hasWAL(path) ? .walWithoutDatabase : .missing
    }
    // A symbolic link is for SQLite to refuse.
    let kind = status.st_mode & S_IFMT
    guard kind == S_IFREG || kind == S_IFLNK else { throw .notAFile }
    guard kind == S_IFLNK || status.st_nlink == 1 else { throw .hardLinked }
    if let name = networkFileSystem(of: path) { throw .networkFileSystem(name: name) }
  }

  /// Checks a place where a database is to be made.
  package static func checkNew(_ path: String) throws(Problem) {
    do {
      try check(path)
    } catch .missing {
      let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
      if let name = networkFileSystem(of: folder) { throw .networkFileSystem(name: name) }
    }
  }

  /// Which file has this name now; nil if there is none.
  package static func inode(of path: String) -> UInt64? {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? UInt64(status.st_ino) : nil
  }

  /// The bytes of the WAL's file: it is not opened, because closing it would drop SQLite's locks.
  package static func walBytes(_ path: String) -> Int {
    var status = stat()
    return unsafe lstat("\(path)-wal", &status) == 0 ? Int(status.st_size) : 0
  }

  private static func hasWAL(_ path: String) -> Bool { walBytes(path) > 0 }

  private static func networkFileSystem(of path: String) -> String? {
    networkFileSystem(
      type: UInt32(truncatingIfNeeded: unsafe domicile_file_system_type(path)))
  }

  /// The name of a network file system by its number (Linux, `statfs(2)`); nil for any other.
  package static func networkFileSystem(type: UInt32) -> String? {
    switch type {
    case 0x6969: "NFS"
    case 0x517B, 0xFE53_4D42: "SMB"
    case 0xFF53_4D42: "CIFS"
    case 0x5346_414F, 0x6B41_4653: "AFS"
    case 0x00C3_6400: "Ceph"
    case 0x0BD0_0BD0: "Lustre"
    case 0x0102_1997: "9P"
    case 0x7374_6F6E, 0x7461_636F: "OCFS2"
    case 0x0116_1970: "GFS2"
    case 0x4750_4653: "GPFS"
    case 0x7375_7245: "Coda"
    case 0x564C: "NCP"
    default: nil
    }
  }
}
