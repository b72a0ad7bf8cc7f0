public import Foundation

/// A migration that is, or was, carried out on this deployment.
public struct MigrationStatus: Sendable, Codable {
  /// Of the plan.
  public let id: String
  /// Who carries it out.
  public let actor: String
  public let process: Int32
  public let begun: Date
  public let updated: Date
  public let progress: MigrationProgress

  /// Whether a process is at it.
  public var isAlive: Bool {
    let isOver = [.finished, .aborted].contains(progress.state)
    return !isOver && (kill(process, 0) == 0 || errno == EPERM)
  }
}

extension ResidencyRouter {
  /// The migrations of the last week, the newest first.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/unavailable`` if they cannot be read.
  public func migrations() throws(RouterError) -> [MigrationStatus] {
    try MigrationFolder(data: folder.path).statuses()
  }

  /// Has whoever carries out a migration pause, go on, or abort it. They find out within a second.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound`` if nobody is at such a migration.
  public func ask(_ wish: MigrationWish, ofMigration id: String) throws(RouterError) {
    let migrations = MigrationFolder(data: folder.path)
    guard try migrations.statuses().contains(where: { $0.id == id && $0.isAlive }) else {
      throw RouterError(
        .notFound,
        "Nobody is carrying out a migration “\(id)”. “domicile migrate status” lists them; “domicile migrate PLAN” begins one, or goes"
          + " on with it.")
    }
    try migrations.keep(wish, id)
  }
}

/// The folder by which processes that migrate tell others how far they are, and are told what to do.
struct MigrationFolder: Sendable {
  private let path: String

  init(data: String) { path = "\(data)/.migrations" }

  private func file(_ id: String, _ kind: String) -> URL {
    URL(filePath: "\(path)/\(id).\(kind)")
  }

  func statuses() throws(RouterError) -> [MigrationStatus] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path)
        .filter { $0.hasSuffix(".json") }
        .compactMap { name in
          // One that is being replaced just now is read the next time.
          (try? Data(contentsOf: URL(filePath: "\(path)/\(name)"))).flatMap {
            try? decoder.decode(MigrationStatus.self, from: $0)
          }
        }
        .sorted { ($0.begun, $0.id) > ($1.begun, $1.id) }
    } catch {
      throw RouterError(
        .unavailable, "The folder .migrations of the data folder cannot be read.", cause: error)
    }
  }

  func keep(_ status: MigrationStatus) throws(RouterError) {
    let encoder = JSONEncoder()
    encoder.dateEncodingStrategy = .iso8601
    encoder.outputFormatting = .sortedKeys
    try write { try replace(file(status.id, "json"), encoder.encode(status)) }
  }

  func keep(_ wish: MigrationWish, _ id: String) throws(RouterError) {
    try write { try replace(file(id, "wish"), Data(wish.rawValue.utf8)) }
  }

  /// At once, and readable by its owner alone.
  private func replace(_ file: URL, _ data: Data) throws {
    let new = "\(file.path).\(ProcessInfo.processInfo.processIdentifier)"
    guard
      FileManager.default.createFile(
        atPath: new, contents: data, attributes: [.posixPermissions: 0o600]),
      unsafe rename(new, file.path) == 0
    else { throw CocoaError(.fileWriteUnknown) }
  }

  func wish(_ id: String) -> MigrationWish {
    (try? Data(contentsOf: file(id, "wish")))
      .flatMap { MigrationWish(rawValue: String(decoding: $0, as: UTF8.self)) } ?? .run
  }

  /// Whether no other process carries out any: then moves that stand half way have no mover any more.
  func isNobodyElse() throws(RouterError) -> Bool {
    try statuses().allSatisfy {
      !$0.isAlive || $0.process == ProcessInfo.processInfo.processIdentifier
    }
  }

  /// Forgets what was wanted of an earlier run, and what is over for a week.
  func begin(_ id: String, at time: Date) throws(RouterError) {
    try write { try? FileManager.default.removeItem(at: file(id, "wish")) }
    for old in try statuses() where time.timeIntervalSince(old.updated) > 7 * 86_400 {
      for kind in ["json", "wish"] { try? FileManager.default.removeItem(at: file(old.id, kind)) }
    }
  }

  private func write(_ body: () throws -> Void) throws(RouterError) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      try body()
    } catch {
      throw RouterError(
        .unavailable,
        "The folder .migrations of the data folder cannot be written. Free space, or check its rights.",
        cause: error)
    }
  }
}
