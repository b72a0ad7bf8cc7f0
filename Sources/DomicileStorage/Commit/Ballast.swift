import Foundation

/// Space that a region keeps back, to be given up on a full disk: deleting takes space before it frees any.
///
/// A file of zeros. One that is there and empty was given up: nothing is added until there is room to fill it again.
/// All processes see the same file.
package final class Ballast: Sendable {
  private let path: String
  private let bytes: Int

  /// - Parameters:
  ///   - path: The file.
  ///   - bytes: Its size; 0 for no ballast at all.
  package init(path: String, bytes: Int) {
    self.path = path
    self.bytes = bytes
  }

  /// Whether there is one; nil if none is to be kept.
  package var isFilled: Bool? { bytes > 0 ? size == Int64(bytes) : nil }

  /// Whether it was given up, and there has been no room since.
  var isReleased: Bool { bytes > 0 && size == 0 }

  private var size: Int64? {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? Int64(status.st_size) : nil
  }

  /// Gives the space up; false if there was none to give.
  func release() -> Bool {
    guard let size, size > 0 else { return false }
    return unsafe truncate(path, 0) == 0
  }

  /// How much may be written on a volume; nil if nobody can say.
  static func freeBytes(onVolumeOf path: String) -> Int? {
    var status = statvfs()
    guard unsafe statvfs(path, &status) == 0 else { return nil }
    return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
  }

  /// Takes the space, if there is room for much more than that.
  package func fill() {
    guard bytes > 0, size != Int64(bytes) else { return }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    guard let free = Self.freeBytes(onVolumeOf: folder), free >= 4 * bytes else { return }
    // Made under another name: a file that is there and empty, or half, would be taken for one that was given up.
    let new = "\(path).new"
    let file = unsafe open(new, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { return }
    defer { close(file) }
    #if os(Linux)
      let isFilled = posix_fallocate(file, 0, off_t(bytes)) == 0
    #else
      let isFilled = ftruncate(file, off_t(bytes)) == 0
    #endif
    guard isFilled, ftruncate(file, off_t(bytes)) == 0, unsafe rename(new, path) == 0 else {
      _ = unsafe unlink(new)
      return
    }
  }
}
