import Domicile
import DomicileTesting
import Foundation

/// A deployment that several processes have open, each with the system's clock.
struct SharedDeployment {
  let folder: TemporaryFolder

  var data: String { "\(folder.path)/data" }

  init(files: RegionFiles = .small) async throws {
    folder = try TemporaryFolder()
    for (path, text) in files.texts { try folder.write(text, to: "regions/\(path)") }
    try await ResidencyRouter.initialize(data: data, regions: "\(folder.path)/regions")
  }

  /// Opens a router for the time of a call.
  @discardableResult
  func withRouter<Result>(
    _ body: (ResidencyRouter) async throws -> Result
  ) async throws -> Result {
    let router = try await ResidencyRouter.open(data: data)
    do {
      let result = try await body(router)
      await router.close()
      return result
    } catch {
      await router.close()
      throw error
    }
  }
}

/// Nanoseconds that all processes of the machine count alike.
enum MonotonicTime {
  static var now: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// A file to which a process appends lines, each in one call: what is in it happened before the process was killed.
final class NoteFile: Sendable {
  private let descriptor: Int32

  init(_ path: String) {
    descriptor = unsafe open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0o600)
  }

  deinit { close(descriptor) }

  func note(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = unsafe write(descriptor, bytes, bytes.count)
  }

  /// The words of the lines; none if there is no file yet. A line without its end does not count.
  static func read(_ path: String) -> [[String]] {
    var reader = NoteReader(path)
    return reader.next()
  }
}

/// Reads a ``NoteFile`` as it grows.
struct NoteReader {
  private let path: String
  private var offset: UInt64 = 0

  init(_ path: String) { self.path = path }

  /// The words of the lines that came since the last call.
  mutating func next() -> [[String]] {
    guard let file = FileHandle(forReadingAtPath: path) else { return [] }
    defer { try? file.close() }
    guard (try? file.seek(toOffset: offset)) != nil, let data = try? file.readToEnd(),
      let end = data.lastIndex(of: 10)
    else { return [] }
    offset += UInt64(end + 1 - data.startIndex)
    return data[..<end].split(separator: 10).map { line in
      line.split(separator: 32).map { String(decoding: $0, as: UTF8.self) }
    }
  }
}
