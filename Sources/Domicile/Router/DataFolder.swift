import DomicileDirectory
import DomicilePolicy
import DomicileSQLite
import DomicileStorage
import Foundation

/// The files of a deployment below one folder.
struct DataFolder: Sendable {
  /// The folder's real path: SQLite refuses symbolic links below it.
  let path: String

  var directoryFile: String { "\(path)/directory.sqlite" }
  var lockFile: String { "\(path)/domicile.lock" }

  /// The space that is kept back for a full disk on the volume of a region, or of the directory. Regions whose folders lie on
  /// the directory's volume share one.
  func ballast(region: String? = nil, bytes: Int) -> Ballast {
    let folder = region.map { "\(path)/\($0)" }
    let isApart = folder.map { volume(of: $0) != volume(of: path) } ?? false
    return Ballast(path: (isApart ? folder ?? path : path) + "/ballast", bytes: bytes)
  }

  private func volume(of folder: String) -> UInt64? {
    var status = stat()
    return unsafe stat(folder, &status) == 0 ? UInt64(status.st_dev) : nil
  }

  func shardFile(_ shard: String, region: String) -> String { "\(path)/\(region)/\(shard).sqlite" }

  /// The folder of a deployment that exists.
  init(existing path: String) throws(RouterError) {
    guard let real = realPath(path) else { throw Self.notInitialized }
    self.path = real
    guard unsafe access(real, R_OK | X_OK) == 0 || errno != EACCES || !isFolder else {
      throw RouterError(
        .unavailable,
        "The data folder may not be read by this user. Run as the user whose it is, or check its rights."
      )
    }
    guard hasDirectoryFile else {
      throw hasShardFiles ? Self.directoryMissing : Self.notInitialized
    }
  }

  private var isFolder: Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private var hasShardFiles: Bool {
    func names(_ folder: String) -> [String] {
      (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    }
    return names(path).contains { region in
      isName(region) && names("\(path)/\(region)").contains { $0.hasSuffix(".sqlite") }
    }
  }

  private static var directoryMissing: RouterError {
    RouterError(
      .unavailable,
      "The data folder has shards, but directory.sqlite is missing. Bring it back: a new one would know"
        + " nobody, and could not open the shards.")
  }

  var hasDirectoryFile: Bool { FileManager.default.fileExists(atPath: directoryFile) }

  /// Makes the folder if it is not there.
  init(making path: String) throws(RouterError) {
    try Self.makeFolder(path)
    guard let real = realPath(path) else {
      throw RouterError(.unavailable, "The data folder cannot be used. Check its path and rights.")
    }
    self.path = real
    if !hasDirectoryFile && hasShardFiles { throw Self.directoryMissing }
  }

  static var notInitialized: RouterError {
    RouterError(
      .notInitialized,
      "There is no deployment in the data folder. Run “domicile init”, or name the right folder.")
  }

  func makeRegionFolder(_ region: String) throws(RouterError) {
    try Self.makeFolder("\(path)/\(region)")
  }

  /// Files and folders of the deployment that others than the owner may read or write, as paths below it.
  func filesReadableByOthers() -> [String] {
    let names = (try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []
    return ([""] + names).filter { name in
      let attributes = try? FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")
      let mode = (attributes?[.posixPermissions] as? NSNumber)?.intValue ?? 0
      return mode & 0o077 != 0
    }.map { $0.isEmpty ? "the data folder" : $0 }.sorted()
  }

  /// Nobody but the owner may look inside.
  private static func makeFolder(_ path: String) throws(RouterError) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw RouterError(
        .unavailable, "A folder cannot be made. Check the path, its rights and the disk.",
        cause: error)
    }
    // The folder's own name must outlive a power cut as what is committed in it does.
    let parent = "\(path)/.."
    let descriptor = unsafe open(parent, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }

  /// Where the hash key is if nothing else was said.
  var defaultKey: KeySource {
    ProcessInfo.processInfo.environment["DOMICILE_HASH_KEY"] == nil
      ? .file(path: "\(path).key") : .environment(name: "DOMICILE_HASH_KEY")
  }

  /// Where the ledger key is if nothing else was said.
  var defaultLedgerKey: KeySource {
    ProcessInfo.processInfo.environment["DOMICILE_LEDGER_KEY"] == nil
      ? .file(path: "\(path).ledger.key") : .environment(name: "DOMICILE_LEDGER_KEY")
  }

  /// Where the checkpoint is that was signed last.
  var checkpointFile: CheckpointFile { CheckpointFile(path: "\(path).checkpoint") }

  /// The lock of whoever makes files of the deployment. To write in them needs no lock of the folder.
  func lock(isWaiting: Bool) throws(RouterError) -> FolderLock {
    do {
      return try FolderLock(file: lockFile, isWaiting: isWaiting)
    } catch {
      switch error {
      case .inUse:
        throw RouterError(
          .inUse,
          "Another process is making a deployment in the data folder. Wait until it has finished.")
      case .cannotOpen(let errno):
        throw RouterError(
          .unavailable, "The lock file of the data folder cannot be opened (errno \(errno)).")
      }
    }
  }
}

private func realPath(_ path: String) -> String? {
  guard let resolved = unsafe realpath(path, nil) else { return nil }
  defer { unsafe free(resolved) }
  return unsafe String(cString: resolved)
}
