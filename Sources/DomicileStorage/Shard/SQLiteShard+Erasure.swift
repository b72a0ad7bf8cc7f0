import DomicileSQLite
import Synchronization

/// Erasures, lifetimes, holds and the sweep: each in steps that keep nobody waiting for long.
extension SQLiteShard {
  /// Rows that one step deletes or changes; a step goes into a batch with the writes that wait.
  private static var rowsPerStep: Int { 100 }

  /// Rows that one step sweeps while writes wait: about a millisecond.
  private static var rowsPerSharedStep: Int { 20 }

  // MARK: Erasure

  package func erase(
    _ erasure: HomeErasure, by deadline: ContinuousClock.Instant
  ) async -> ErasedHome {
    var result = ErasedHome()
    do throws(StorageError) {
      let refusal = try await commits.commit(by: deadline) { writer in
        try writer.beginErasure(erasure)
      }
      if let refusal { throw refusal }
      var after: RecordPosition?
      var hasMore = true
      while hasMore {
        let step = try await commits.commit(by: deadline) { [after] writer in
          try writer.eraseRecords(erasure, after: after, limit: Self.rowsPerStep)
        }.get()
        result.records += step.records
        result.bytes += step.bytes
        result.held = HeldHome.sum(result.held, step.held)
        after = step.last
        hasMore = step.hasMore
      }
    } catch {
      result.error = error
    }
    return result
  }

  package func erase(
    _ request: RangeErasure, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> ErasedRecords {
    var sum = ErasedRecords()
    try await inSteps(&sum, by: deadline) { writer, after in
      var step = request
      step.after = after?.key
      return try writer.erase(step, limit: Self.rowsPerStep)
    }
    return sum
  }

  package func erase(
    _ request: AuthoredErasure, by deadline: ContinuousClock.Instant
  ) async -> ErasedHome {
    var sum = ErasedRecords()
    var result = ErasedHome()
    do throws(StorageError) {
      try await inSteps(&sum, by: deadline) { writer, after in
        try writer.erase(request, after: after, limit: Self.rowsPerStep)
      }
    } catch {
      result.error = error
    }
    // Steps that were committed before an error are told.
    result.add(sum.records, sum.bytes)
    result.held = sum.held
    return result
  }

  /// Adds up steps that each begin after the last record of the one before.
  private func inSteps(
    _ sum: inout ErasedRecords, by deadline: ContinuousClock.Instant,
    _ step: @escaping @Sendable (ShardWriter, RecordPosition?) throws -> ErasedRecords
  ) async throws(StorageError) {
    repeat {
      let erased = try await commits.commit(by: deadline) { [after = sum.last] writer in
        try step(writer, after)
      }
      sum.records += erased.records
      sum.bytes += erased.bytes
      sum.held = HeldHome.sum(sum.held, erased.held)
      sum.last = erased.last
      sum.hasMore = erased.hasMore
    } while sum.hasMore
  }

  // MARK: Lifetimes and holds

  package func setLifetime(
    _ request: LifetimeRequest, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) {
    try await commits.commit(by: deadline) { writer in try writer.setLifetime(request) }
    var key: [UInt8]? = []
    while let after = key {
      key = try await commits.commit(by: deadline) { writer in
        try writer.fitLifetimes(request, after: after, limit: Self.rowsPerStep)
      }
    }
  }

  package func hold(
    _ homes: [HomeReference], name: String, until: Int64?, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in
      try homes.map { try writer.hold($0, name: name, until: until) }
    }
  }

  package func release(
    _ homes: [HomeReference], name: String, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in
      try homes.map { try writer.release($0, name: name) }
    }
  }

  // MARK: The sweep

  package func sweep(
    purgesAll: Bool, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Sweep {
    // Another process may have accepted the clock.
    let kept = try read { reader, _ in try TimeAnchor.kept(in: reader.connection) }
    if kept.machineRun == clock.machineRun { anchor.keep(kept) }
    var result = Sweep(records: 0, isClockInDoubt: time.isInDoubt, purge: purgeState)
    if !time.isInDoubt, time.now - highWater > 3_600_000 {
      // Nobody writes here: a commit notes how late it is.
      try await commits.commit(by: deadline) { _ in }
    }
    while try hasUnfitted() {
      let hasMore = try await commits.commit(by: deadline) { writer in
        try writer.fitToLaw(limit: Self.rowsPerStep)
      }
      if !hasMore { break }
    }
    swept.begin()
    var hasMore = !time.isInDoubt
    while hasMore {
      let found = try expired()
      var going = found.filter(\.isSwept)[...]
      while !going.isEmpty {
        // Rows of many users lie on as many pages: where somebody writes, few at a time.
        let step = Array(going.prefix(commits.depth > 0 ? Self.rowsPerSharedStep : going.count))
        going.removeFirst(step.count)
        result.records += try await commits.commit(by: deadline) { writer in
          try writer.sweep(step).records
        }
      }
      hasMore = found.count >= Self.rowsPerStep && !time.isInDoubt
    }
    let forgotten = try await forgetGone(by: deadline)
    // One reader must not keep the next shard's sweep back: the purge goes on by itself.
    let mayHold = purgesAll && commits.hasWAL
    if result.records > 0 || forgotten || result.purge != .done || mayHold {
      result.purge = await purge(by: min(deadline, .now + .seconds(1)))
    }
    return result
  }

  /// Whether there is any row of a user or group, of whatever state.
  package func hasRow(of owner: OwnerKey) throws(StorageError) -> Bool {
    try read { reader, _ in
      try reader.connection.integer(
        "SELECT 1 FROM home WHERE owner = ? LIMIT 1", .blob(owner.bytes)) != nil
    }
  }

  /// Forgets the homes of which nothing is left; whether there were any. Admissions that had begun before take new tokens: so
  /// not at every erasure.
  package func forgetGone(by deadline: ContinuousClock.Instant) async throws(StorageError) -> Bool {
    let isThere = try read { reader, _ in
      try reader.connection.integer(
        """
        SELECT EXISTS (SELECT 1 FROM home INDEXED BY home_gone WHERE state IN ('erased', 'absent', 'moved'))
          OR EXISTS (SELECT 1 FROM author_erasure)
        """) != 0
    }
    guard isThere else { return false }
    var count = 0
    while true {
      let step = try await commits.commit(by: deadline) { writer in
        try writer.forgetGone(limit: Self.rowsPerStep)
      }
      count += step
      if step < Self.rowsPerStep { return count > 0 }
    }
  }

  /// The next records that have expired, the held ones among them, after those that this process looked at lately: asked
  /// without a place among the writers.
  private func expired() throws(StorageError) -> [SweepCandidate] {
    let last = swept.last
    let found = try read { reader, now in
      try reader.connection.rows(
        """
        SELECT r.expires, r.home, r.collection, r.key, \(ShardWriter.isSwept)
        FROM record r INDEXED BY record_expiry JOIN home h ON h.id = r.home
        WHERE r.expires <= ?1 AND (r.expires, r.home, r.collection, r.key) > (?2, ?3, ?4, ?5)
        ORDER BY r.expires, r.home, r.collection, r.key LIMIT ?6
        """, .integer(now), .integer(last?.expires ?? .min), .integer(last?.home ?? 0),
        .text(last?.collection ?? ""), .blob(last?.key ?? []), .integer(Int64(Self.rowsPerStep)),
        as: { row in
          SweepCandidate(
            expires: row.integer(0), home: row.integer(1), collection: row.text(2),
            key: row.blob(3), isSwept: row.integer(4) != 0)
        })
    }
    swept.pass(found)
    return found
  }

  func hasUnfitted() throws(StorageError) -> Bool {
    try read { reader, _ in
      try reader.connection.integer(
        "SELECT 1 FROM law_retention WHERE fitted IS NOT NULL LIMIT 1")
    } != nil
  }

  package func acceptClock(by deadline: ContinuousClock.Instant) async throws(StorageError) {
    try await commits.commit(by: deadline) { writer in try writer.acceptClock() }
    swept.startOver()
  }
}

/// What became of a home that was erased.
package struct ErasedHome: Sendable {
  package var records: Int64 = 0
  /// The bytes of their keys and values.
  package var bytes: Int64 = 0
  /// What must be kept for now; nil if nothing is.
  package var held: HeldHome?
  /// Why it did not come to its end; what was deleted before is counted.
  package var error: StorageError?

  package init() {}

  package mutating func add(_ records: Int64, _ bytes: Int64) {
    self.records += records
    self.bytes += bytes
  }
}

extension HeldHome {
  package static func sum(_ left: HeldHome?, _ right: HeldHome?) -> HeldHome? {
    guard let left, let right else { return left ?? right }
    let isLater = (left.data.until ?? .max) >= (right.data.until ?? .max)
    return HeldHome(
      records: left.records + right.records, data: isLater ? left.data : right.data)
  }
}

/// Up to where the sweeps of this process have looked. What is held stays, however often it is looked at: where there is
/// much of it, not every sweep begins with it again.
final class SweepCursor: Sendable {
  private static let heldMax = 1_000
  private static let startsOverAfter = Duration.seconds(30)

  private struct State {
    var last: SweepCandidate?
    var heldCount = 0
    var began = ContinuousClock.now
  }
  private let state = Mutex(State())

  var last: SweepCandidate? { state.withLock { $0.last } }

  func begin(at now: ContinuousClock.Instant = .now) {
    state.withLock { state in
      let goesOn = state.heldCount > Self.heldMax && now - state.began < Self.startsOverAfter
      if !goesOn { state = State(began: now) }
    }
  }

  func pass(_ seen: [SweepCandidate]) {
    state.withLock { state in
      state.last = seen.last ?? state.last
      state.heldCount += seen.count { !$0.isSwept }
    }
  }

  func startOver() { state.withLock { $0 = State() } }
}

/// What a sweep did.
package struct Sweep: Sendable, Equatable {
  /// Records that were deleted.
  package var records: Int64
  /// Whether nothing is swept, because nobody has accepted the clock.
  package var isClockInDoubt: Bool
  package var purge: PurgeState
}
