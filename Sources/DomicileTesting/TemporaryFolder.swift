import Foundation

/// A folder that is gone when the value is.
public final class TemporaryFolder: Sendable {
  /// The real path, without symbolic links.
  public let path: String

  public convenience init() throws {
    try self.init(in: FileManager.default.temporaryDirectory)
  }

  /// A folder in memory where the system has such (`/dev/shm`), for tests that sync often and survive no
  /// loss of power.
  package static func inMemory() throws -> TemporaryFolder {
    let memory = "/dev/shm"
    guard FileManager.default.isWritableFile(atPath: memory) else { return try TemporaryFolder() }
    return try TemporaryFolder(in: URL(filePath: memory))
  }

  private init(in parent: URL) throws {
    let folder = parent.resolvingSymlinksInPath()
      .appending(path: "domicile-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    path = folder.path(percentEncoded: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a text below the folder, making folders on the way, and returns the file's path.
  @discardableResult
  public func write(_ text: String, to name: String) throws -> String {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(filePath: file))
    return file
  }
}
