package import DomicileSQLite
import Synchronization

/// Connections that read, called synchronously: a read is cheaper than a change of threads.
///
/// There are as many in use as threads that read; a few are kept for the next.
package final class ReaderPool<Reader: AnyObject>: Sendable where Reader: SendableMetatype {
  // A reader is used by the thread that took it and by no other.
  private struct Idle: @unchecked Sendable {
    var readers: [Reader] = []
    var isClosed = false
  }

  private struct Taken: @unchecked Sendable {
    var reader: Reader?
    var isClosed = false
  }

  private let idle = Mutex(Idle())
  private let keptMax = 4
  private let path: String
  private let place: String
  private let check: @Sendable () throws -> Void
  private let make: @Sendable (Connection) throws -> Reader

  /// Makes a pool for a file that errors call `place`, such as `the shard dublin-1`.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - place: What errors call it.
  ///   - check: Called before each read; throws if there is no answer now.
  ///   - make: Makes what reads on a new connection.
  package init(
    path: String, place: String, check: @escaping @Sendable () throws -> Void,
    make: @escaping @Sendable (Connection) throws -> Reader
  ) {
    self.path = path
    self.place = place
    self.check = check
    self.make = make
  }

  package func read<T>(_ body: (Reader) throws -> T) throws(StorageError) -> T {
    try storing(in: place) {
      try check()
      let reader = try take()
      defer { giveBack(reader) }
      return try body(reader)
    }
  }

  private func take() throws -> Reader {
    let taken = idle.withLock { idle in
      idle.isClosed ? Taken(isClosed: true) : Taken(reader: idle.readers.popLast())
    }
    if taken.isClosed { throw StorageError(.closed, "\(place) is closed.") }
    if let reader = taken.reader { return reader }
    return try make(Connection(path: path, mode: .reading))
  }

  private func giveBack(_ reader: Reader) {
    let back = Taken(reader: reader)
    idle.withLock { idle in
      guard !idle.isClosed, idle.readers.count < keptMax, let reader = back.reader else { return }
      idle.readers.append(reader)
    }
  }

  package func close() {
    idle.withLock { idle in
      idle.isClosed = true
      idle.readers = []
    }
  }
}
