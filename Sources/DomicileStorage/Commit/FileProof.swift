package import DomicileSQLite
import Foundation
import Synchronization

/// What a search for remnants found.
package enum RemnantSearchResult: Sendable, Equatable {
  /// Pages with bytes that nothing refers to, at most 100; none, if nothing is left of what was deleted.
  case searched([String])
  /// Somebody reads an older state, so that the WAL cannot be cut.
  case purgePending
}

/// The proof, in a thread of its own, that a file is clean which something else may have written.
struct FileProof {
  var isRunning = false
  var isClosing = false
  /// Tries that failed, since one went through.
  var failures = 0
  var nextTry: ContinuousClock.Instant?
  /// Of the last try.
  var problem: StorageError?
}

extension GroupCommit {
  /// Proves that nothing is left of what was deleted, or says where something is. Reads the whole file; writers wait only
  /// until it has begun. A file that something else has written is waited for until it is proved or rewritten, for
  /// ``Limits/proofPatience`` in all; then what it has now is told.
  ///
  /// - Throws: ``StorageError`` with `overloaded` if so much is written meanwhile that the search gave way.
  package func searchRemnants() throws(StorageError) -> RemnantSearchResult {
    try storing(in: place) {
      let gate = try WriterGate(path: path)
      let connection = try Connection(path: path, mode: .writing)
      let end = ContinuousClock.now + limits.proofPatience
      for _ in 0..<20 {
        guard let findings = try prove(gate, connection, atMost: 100) else { continue }
        if try !findings.isEmpty && !gate.pass({ gate.isFileClean(connection) }) {
          if waitForProof(until: end) { continue }
        } else if !findings.isEmpty {
          // It was noted as clean and is not: the next purge has it rewritten.
          try gate.pass { gate.noteUnclean() }
        }
        return .searched(findings.map(\.description))
      }
      return .purgePending
    }
  }

  /// Whether a purge, and with it the proof, has gone through.
  private func waitForProof(until end: ContinuousClock.Instant) -> Bool {
    let ticket = purges.ask()
    while !purges.isDone(ticket), end > .now {
      queue.wake()
      usleep(100_000)
    }
    return purges.isDone(ticket)
  }

  /// Proves that the file is clean, or rewrites it, beside the writers; purges wait for it. What went wrong with the last
  /// try, if that is so.
  @discardableResult
  func proveInBackground(at now: ContinuousClock.Instant = .now) -> StorageError? {
    let begins = proof.withLock { proof in
      guard !proof.isRunning, !proof.isClosing, proof.nextTry.map({ $0 <= now }) ?? true else {
        return false
      }
      proof.isRunning = true
      return true
    }
    guard begins else { return proof.withLock { $0.problem } }
    let thread = Thread { [self] in
      var isDone = false
      var problem: StorageError?
      do throws(StorageError) {
        isDone = try storing(in: place) { try proveOrRewrite() }
      } catch {
        problem = error
      }
      proof.withLock { proof in
        proof.isRunning = false
        proof.problem = problem
        proof.failures = isDone ? 0 : proof.failures + 1
        // Rewriting takes time and space: what failed is not repeated at once.
        let pause = Duration.milliseconds(100 << min(proof.failures, 12))
        proof.nextTry = isDone ? nil : .now + min(pause, .seconds(300))
      }
      guard isDone else { return }
      purges.retry()
      queue.wake()
    }
    thread.name = "domicile proof"
    thread.start()
    return proof.withLock { $0.problem }
  }

  private func proveOrRewrite() throws -> Bool {
    let gate = try WriterGate(path: path)
    let connection = try Connection(path: path, mode: .writing)
    guard let findings = try prove(gate, connection, atMost: 1) else { return false }
    if findings.isEmpty { return true }
    try gate.pass {
      // Another process may have done it.
      if gate.isFileClean(connection) { return }
      let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
      try connection.givingWay(when: { [self] in isClosing }) { try connection.rewrite(by: folder) }
    }
    // Pages are clean once they have left the WAL by our VFS: who copied it is not known, so it is proved.
    while !isClosing {
      if let findings = try prove(gate, connection, atMost: 1) { return findings.isEmpty }
      usleep(100_000)
    }
    return false
  }

  private var isClosing: Bool { proof.withLock { $0.isClosing } }

  /// Looks for what nothing refers to; nil if the WAL cannot be cut. A file without any is noted as clean: while the search
  /// reads, nobody can write the main file.
  private func prove(
    _ gate: WriterGate, _ connection: Connection, atMost limit: Int
  ) throws -> [PageRemnant]? {
    try gate.enter()
    var isInside = true
    defer { if isInside { gate.leave() } }
    let isCut = try gate.writeMainFile(connection) {
      try connection.truncateWAL(patience: limits.purgePatience)
    }
    guard isCut else { return nil }
    return try connection.snapshot {
      var pinned: FileState?
      let findings = try connection.unreferencedBytes(
        atMost: limit,
        whenPinned: {
          pinned = connection.fileState
          gate.leave()
          isInside = false
        }, isEnough: { [self] in isClosing || shouldGiveWay(connection) })
      if findings.isEmpty, let pinned {
        try gate.pass { gate.noteClean(pinned, connection) }
      }
      return findings
    }
  }

  /// Whether reading that takes long should end, so that it does not stop those who write.
  package func shouldGiveWay(_ connection: Connection) -> Bool {
    connection.walFrames > limits.walPagesMax / 2
  }
}
