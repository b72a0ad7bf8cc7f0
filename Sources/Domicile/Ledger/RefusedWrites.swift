import DomicileDirectory
import DomicileStorage
import Foundation
import Logging
import Synchronization

/// Counts the calls that the law refused, until the directory is told: every few seconds, and when the router is closed. One entry
/// for each would let anybody fill the disk.
final class RefusedWrites: Sendable {
  private let counts = Mutex<[RefusedWriteKey: Int64]>([:])
  private let clock: WallClock

  init(clock: WallClock) { self.clock = clock }

  private static let causes: Set<RouterError.Code> = [
    .barred, .held, .lifetimeRefused, .processingRefused,
  ]

  func count(_ error: RouterError, dataClass: String) {
    guard Self.causes.contains(error.code) else { return }
    let key = RefusedWriteKey(
      time: Int64(clock.now.timeIntervalSince1970), cause: "\(error.code)", dataClass: dataClass,
      region: error.region ?? "")
    counts.withLock { $0[key, default: 0] += 1 }
  }

  /// What was counted since the last call.
  func take() -> [RefusedWriteKey: Int64] {
    counts.withLock { counts in
      defer { counts = [:] }
      return counts
    }
  }

  /// Puts back what could not be told.
  func putBack(_ untold: [RefusedWriteKey: Int64]) {
    counts.withLock { $0.merge(untold, uniquingKeysWith: +) }
  }
}

extension ResidencyRouter {
  /// Tells the directory of the writes that were refused; those of hours that are over become entries.
  func noteRefusedWrites() async {
    let counts = refusedWrites.take()
    let now = options.clock.now
    do throws(StorageError) {
      let isOver = try directory.hasRefusedWrites(before: now)
      if counts.isEmpty && !isOver { return }
      try await directory.count(counts, at: now, by: .now + options.deadline)
    } catch {
      refusedWrites.putBack(counts)
      options.logger.warning(
        "refused writes cannot be noted", metadata: ["error.code": "\(error.code)"])
    }
  }
}
