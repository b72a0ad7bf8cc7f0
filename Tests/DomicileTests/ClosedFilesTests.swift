import Domicile
import DomicileSQLite
import DomicileTesting
import Foundation
import Testing

/// Promise 7 for the files of a deployment: opening and initializing.
@Suite struct ClosedFilesTests {
  /// What opening a deployment throws.
  private func failure(
    _ deployment: TemporaryDeployment, data: String? = nil
  ) async throws -> RouterError {
    try await #require(throws: RouterError.self) {
      let router = try await ResidencyRouter.open(
        data: data ?? deployment.data, options: deployment.options)
      await router.close()
    }
  }

  private static let notInitialized =
    "There is no deployment in the data folder. Run “domicile init”, or name the right folder."

  // MARK: The data folder

  @Test func `a data folder that is not there, empty, or a file holds no deployment`() async throws
  {
    let deployment = try await TemporaryDeployment()
    let folder = deployment.folder.path
    try FileManager.default.createDirectory(
      atPath: "\(folder)/empty", withIntermediateDirectories: false)
    try deployment.folder.write("text", to: "file")
    for name in ["nowhere", "empty", "file"] {
      let error = try await failure(deployment, data: "\(folder)/\(name)")
      #expect(error.code == .notInitialized)
      #expect(error.message == Self.notInitialized)
    }
    // Asking made nothing.
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/nowhere"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/empty").isEmpty)
  }

  @Test func `a data folder behind a symbolic link is the same deployment`() async throws {
    let deployment = try await TemporaryDeployment()
    let link = "\(deployment.folder.path)/link"
    try FileManager.default.createSymbolicLink(
      atPath: link, withDestinationPath: deployment.data)
    let router = try await ResidencyRouter.open(data: link, options: deployment.options)
    try await router.admit(UserID("ada"), residence: "DE")
    try await deployment.withRouter { second in
      let location = try await second.locate(UserID("ada"))
      #expect(location.placements.count == 2)
    }
    await router.close()
  }

  @Test func `a deployment that somebody else is making is in use`() async throws {
    let deployment = try await TemporaryDeployment()
    let lock = try FolderLock(file: "\(deployment.data)/domicile.lock")
    let error = try await #require(throws: RouterError.self) {
      try await ResidencyRouter.initialize(
        data: deployment.data, regions: deployment.regions, options: deployment.options)
    }
    #expect(error.code == .inUse)
    #expect(
      error.message
        == "Another process is making a deployment in the data folder. Wait until it has finished.")
    withExtendedLifetime(lock) {}
  }

  @Test func `several routers of a process are one`() async throws {
    let deployment = try await TemporaryDeployment()
    let first = try await deployment.open()
    let second = try await deployment.open()
    try await first.admit(UserID("ada"), residence: "DE")
    let ada = try await second.user(UserID("ada"))
    let version = try await ada.put("one".utf8, key: "k", in: .inbox)
    let same = try await first.user(UserID("ada"))
    #expect(try await same.get("k", in: .inbox)?.version == version)
    try await same.delete("k", in: .inbox)
    #expect(try await ada.get("k", in: .inbox) == nil)
    await first.close()
    try await ada.put("two".utf8, key: "k", in: .inbox)
    await second.close()
    try await deployment.withRouter { router in
      let report = try await router.doctor()
      #expect(report.findings == [])
    }
  }

  // MARK: The directory

  @Test func `a missing directory is refused and never made anew by opening`() async throws {
    let deployment = try await TemporaryDeployment()
    for suffix in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: "\(deployment.data)/directory.sqlite\(suffix)")
    }
    let error = try await failure(deployment)
    #expect(error.code == .unavailable)
    #expect(
      error.message
        == "The data folder has shards, but directory.sqlite is missing. Bring it back: a new one would"
        + " know nobody, and could not open the shards.")
    // Nor is a new deployment made around the shards of this one.
    await #expect(throws: RouterError.self) {
      try await ResidencyRouter.initialize(data: deployment.data, regions: deployment.regions)
    }
    #expect(!FileManager.default.fileExists(atPath: "\(deployment.data)/directory.sqlite"))
  }

  @Test func `a directory that is another file is refused`() async throws {
    let deployment = try await TemporaryDeployment()
    let file = "\(deployment.data)/directory.sqlite"
    try FileManager.default.removeItem(atPath: file)
    try FileManager.default.copyItem(
      atPath: "\(deployment.data)/dublin/dublin-1.sqlite", toPath: file)
    let shard = try await failure(deployment)
    #expect(shard.code == .foreignFile)
    #expect(
      shard.message
        == "directory.sqlite is not a directory that this version of Domicile reads (format 5)."
        + " If “domicile init” was interrupted, run it again; else put the right file back.")

    try deployment.folder.write(
      String(repeating: "not a database", count: 1_000), to: "data/directory.sqlite")
    let text = try await failure(deployment)
    #expect(text.code == .corrupt)
    #expect(
      text.message
        == "The file of the directory is damaged; nothing was written. Run “domicile doctor” and"
        + " restore it.")
  }

  // MARK: The key

  @Test func `a wrong, missing or public hash key is refused`() async throws {
    let deployment = try await TemporaryDeployment()
    let key = "\(deployment.data).key"
    let right = try String(contentsOfFile: key, encoding: .utf8)

    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: key)
    let open = try await failure(deployment)
    #expect(open.code == .wrongKey)
    #expect(
      open.message
        == "The file with the hash key may be read by others (mode 640). Run “chmod 600” on it, and"
        + " consider who may have read it.")

    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
    for text in [String(repeating: "0", count: 64), "", "ff", String(right.dropFirst(2))] {
      try Data(text.utf8).write(to: URL(filePath: key))
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
      let error = try await failure(deployment)
      #expect(error.code == .wrongKey)
      #expect(
        error.message
          == (text.count == 64
            ? "The hash key is not the one that this deployment was made with. Use the right key: with"
              + " another one no user would be found."
            : "What should be the hash key is not 64 hexadecimal digits. Use the right key."))
    }

    try FileManager.default.removeItem(atPath: key)
    let missing = try await failure(deployment)
    #expect(missing.code == .wrongKey)
    #expect(
      missing.message
        == "The file with the hash key is missing or may not be read. Bring it back from where it is"
        + " escrowed: without it no user can be found by id, and a new key would find nobody.")
    #expect(!FileManager.default.fileExists(atPath: key))

    var options = deployment.options
    options.hashKey = .environment(name: "DOMICILE_TEST_KEY_THAT_IS_NOT_SET")
    let unset = try await #require(throws: RouterError.self) {
      _ = try await ResidencyRouter.open(data: deployment.data, options: options)
    }
    #expect(unset.code == .wrongKey)
    #expect(
      unset.message
        == "The environment variable DOMICILE_TEST_KEY_THAT_IS_NOT_SET with the hash key is not set."
    )
  }

  // MARK: Initializing

  @Test func `a deployment is initialized once`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in try await ada.put([1], key: "k", in: .inbox) }
    let error = try await #require(throws: RouterError.self) {
      try await ResidencyRouter.initialize(
        data: deployment.data, regions: deployment.regions, options: deployment.options)
    }
    #expect(error.code == .alreadyInitialized)
    #expect(
      error.message == "There is a deployment in the data folder already. It was left as it is.")
    try await deployment.withUser { _, ada in
      let kept = try await ada.get("k", in: .inbox)
      #expect(kept?.value == [1])
    }
  }

  @Test func `initializing with a policy that is not valid makes nothing`() async throws {
    let folder = try TemporaryFolder()
    try folder.write("policy: 1", to: "regions/policy.yaml")
    for regions in ["regions", "nowhere"] {
      await #expect(throws: RouterError.self) {
        try await ResidencyRouter.initialize(
          data: "\(folder.path)/data", regions: "\(folder.path)/\(regions)")
      }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["regions"])
  }

  @Test func `a file in the place of the data folder is left as it is`() async throws {
    let deployment = try await TemporaryDeployment()
    let file = try deployment.folder.write("text", to: "file")
    let error = try await #require(throws: RouterError.self) {
      try await ResidencyRouter.initialize(
        data: file, regions: deployment.regions, options: deployment.options)
    }
    #expect(error.code == .unavailable)
    #expect(try String(contentsOfFile: file, encoding: .utf8) == "text")
  }

  enum HalfDone: CaseIterable {
    case emptyFolder, keyMade, keyDraftLeft, directoryEmpty, shardsMissing
  }

  @Test(arguments: HalfDone.allCases)
  func `what an interrupted initialization left is finished`(half: HalfDone) async throws {
    let deployment = try await TemporaryDeployment()
    let files = FileManager.default
    let key = "\(deployment.data).key"
    let firstKey = try String(contentsOfFile: key, encoding: .utf8)
    if half == .shardsMissing {
      // The directory is complete and the crash came before the first shard was made.
      for region in ["ashburn", "dublin", "mumbai"] {
        try files.removeItem(atPath: "\(deployment.data)/\(region)")
      }
      try Connection(path: "\(deployment.data)/directory.sqlite", mode: .writing)
        .execute("UPDATE shard SET created = 0")
    } else {
      try files.removeItem(atPath: deployment.data)
      try files.createDirectory(atPath: deployment.data, withIntermediateDirectories: false)
    }
    switch half {
    case .emptyFolder: try files.removeItem(atPath: key)
    case .keyDraftLeft: try files.moveItem(atPath: key, toPath: "\(key).new")
    case .directoryEmpty: try deployment.folder.write("", to: "data/directory.sqlite")
    case .keyMade, .shardsMissing: break
    }
    if half != .shardsMissing {
      let application = try await ResidencyRouter.initialize(
        data: deployment.data, regions: deployment.regions, options: deployment.options)
      #expect(application.isApplied)
    }
    try await deployment.withUser { _, ada in try await ada.put([1], key: "k", in: .inbox) }
    let keptKey = try String(contentsOfFile: key, encoding: .utf8) == firstKey
    #expect(keptKey == (half != .emptyFolder && half != .keyDraftLeft))
  }

  @Test func `where a directory is damaged no new key is made`() async throws {
    let deployment = try await TemporaryDeployment()
    let key = "\(deployment.data).key"
    try FileManager.default.removeItem(atPath: key)
    try deployment.folder.write(
      String(repeating: "not a database", count: 1_000), to: "data/directory.sqlite")
    let error = try await #require(throws: RouterError.self) {
      try await ResidencyRouter.initialize(
        data: deployment.data, regions: deployment.regions, options: deployment.options)
    }
    #expect(error.code == .wrongKey)
    #expect(!FileManager.default.fileExists(atPath: key))
  }

  @Test func `files and folders are for their owner alone`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in try await ada.put([1], key: "k", in: .inbox) }
    let names = try FileManager.default.subpathsOfDirectory(atPath: deployment.data)
    #expect(names.contains("dublin/dublin-1.sqlite"))
    for path in names.map({ "\(deployment.data)/\($0)" }) + [
      deployment.data, "\(deployment.data).key",
    ] {
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      let mode = try #require(attributes[.posixPermissions] as? NSNumber).intValue
      #expect(mode & 0o077 == 0, "\(path)")
    }
  }
}
