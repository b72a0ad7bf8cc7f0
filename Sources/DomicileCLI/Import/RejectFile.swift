import Foundation

/// Lines that were not imported, as CSV: their number, a code and the reason. Never what stood in them: people
/// whose data may not be stored here must not be stored in the list of those.
struct RejectFile {
  let path: String
  private var handle: FileHandle?
  private(set) var count = 0

  /// Removes what an earlier import left; the file is made with its first line.
  init(path: String) throws {
    self.path = path
    if FileManager.default.fileExists(atPath: path) {
      try FileManager.default.removeItem(atPath: path)
    }
  }

  mutating func add(line: Int, code: String, reason: String) throws {
    if handle == nil {
      let made = FileManager.default.createFile(
        atPath: path, contents: Data("line,code,reason\n".utf8),
        attributes: [.posixPermissions: 0o600])
      guard made, let opened = FileHandle(forWritingAtPath: path) else {
        throw CocoaError(.fileWriteUnknown)
      }
      try opened.seekToEnd()
      handle = opened
    }
    let quoted = reason.replacingOccurrences(of: "\"", with: "\"\"")
    try handle?.write(contentsOf: Data("\(line),\(code),\"\(quoted)\"\n".utf8))
    count += 1
  }
}
