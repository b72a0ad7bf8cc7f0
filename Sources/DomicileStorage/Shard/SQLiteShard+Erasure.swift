import DomicileSQLite

/// Erasures, lifetimes, holds and the sweep: each in steps that keep nobody waiting for long.
extension SQLiteShard {
  /// Rows that one step deletes or changes; a step goes into a batch with the writes that wait.
  private static var rowsPerStep: Int { 100 }

  // MARK: Erasure

  package func erase(
    _ erasure: HomeErasure, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> ErasedHome {
    let held = try await commits.commit(by: deadline) { writer in
      try writer.beginErasure(erasure)
    }.get()
    var result = ErasedHome()
    result.held = held
    var hasMore = true
    while hasMore {
      let step = try await commits.commit(by: deadline) { writer in
        try writer.eraseRecords(erasure, limit: Self.rowsPerStep)
      }.get()
      result.records += step.records
      result.bytes += step.bytes
      hasMore = step.hasMore
    }
    return result
  }

  package func erase(
    _ request: RangeErasure, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> ErasedRecords {
    var step = request
    var result = ErasedRecords()
    repeat {
      let erased = try await commits.commit(by: deadline) { [step] writer in
        try writer.erase(step, limit: Self.rowsPerStep)
      }
      result.records += erased.records
      result.bytes += erased.bytes
      result.held = HeldHome.sum(result.held, erased.held)
      step.after = erased.last
      result.hasMore = erased.hasMore
    } while result.hasMore
    return result
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

  package func sweep(by deadline: ContinuousClock.Instant) async throws(StorageError) -> Sweep {
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
    while !time.isInDoubt, try hasExpired() {
      let step = try await commits.commit(by: deadline) { writer in
        try writer.sweep(limit: Self.rowsPerStep)
      }
      result.records += step.records
      if !step.hasMore { break }
    }
    // One reader must not keep the next shard's sweep back: the purge goes on by itself.
    if result.records > 0 || result.purge != .done {
      result.purge = await purge(by: min(deadline, .now + .seconds(1)))
    }
    return result
  }

  /// Whether there is something to sweep: asked without a place among the writers.
  private func hasExpired() throws(StorageError) -> Bool {
    try read { reader, now in
      try reader.connection.integer(
        """
        SELECT 1 FROM record r INDEXED BY record_expiry
        WHERE r.expires <= ?1 AND (SELECT state FROM home WHERE id = r.home)
          IN ('active', 'copying', 'held') AND NOT EXISTS (
            SELECT 1 FROM hold WHERE hold.home = r.home AND (until IS NULL OR until > ?1)) LIMIT 1
        """, .integer(now))
    } != nil
  }

  private func hasUnfitted() throws(StorageError) -> Bool {
    try read { reader, _ in
      try reader.connection.integer(
        "SELECT 1 FROM law_retention WHERE fitted IS NOT NULL LIMIT 1")
    } != nil
  }

  package func acceptClock(by deadline: ContinuousClock.Instant) async throws(StorageError) {
    try await commits.commit(by: deadline) { writer in try writer.acceptClock() }
  }
}

/// What became of a home that was erased.
package struct ErasedHome: Sendable, Equatable {
  package var records: Int64 = 0
  /// The bytes of their keys and values.
  package var bytes: Int64 = 0
  /// What must be kept for now; nil if nothing is.
  package var held: HeldHome?

  package init() {}
}

extension HeldHome {
  static func sum(_ left: HeldHome?, _ right: HeldHome?) -> HeldHome? {
    guard let left, let right else { return left ?? right }
    let isLater = (left.data.until ?? .max) >= (right.data.until ?? .max)
    return HeldHome(
      records: left.records + right.records, data: isLater ? left.data : right.data)
  }
}

/// What a sweep did.
package struct Sweep: Sendable, Equatable {
  /// Records that were deleted.
  package var records: Int64
  /// Whether nothing is swept, because nobody has accepted the clock.
  package var isClockInDoubt: Bool
  package var purge: PurgeState
}
