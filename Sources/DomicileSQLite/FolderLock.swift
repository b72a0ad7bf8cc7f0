import CDomicileSQLite
import Foundation

/// An exclusive lock on a folder, for making files in it: held by a file there until the value is gone, however
/// the process ends.
package final class FolderLock: Sendable {
  package enum Failure: Error, Sendable {
    case inUse
    case cannotOpen(errno: Int32)
  }

  private let descriptor: Int32

  /// With `isWaiting` whoever has the lock is waited for; without, they cause ``Failure/inUse``.
  package init(file: String, isWaiting: Bool = false) throws(Failure) {
    let opened = unsafe open(file, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard opened >= 0 else { throw .cannotOpen(errno: errno) }
    let code = isWaiting ? domicile_wait_for_file(opened) : domicile_lock_file(opened)
    guard code == 0 else {
      close(opened)
      throw code == EAGAIN || code == EACCES ? .inUse : .cannotOpen(errno: code)
    }
    descriptor = opened
  }

  deinit {
    // Closing alone is not enough while a child of this process, between fork and exec, has the file too.
    domicile_unlock_file(descriptor)
    close(descriptor)
  }
}
