package import DomicileStorage

/// What every ``ShardStore`` promises, so that each backend is held to the same.
///
/// A test runs each of ``checks`` on a new shard of its backend:
///
/// ```swift
/// @Test(arguments: ShardStoreConformance.checks)
/// func `my shard conforms`(check: ShardStoreConformance.Check) async throws {
///   try await check.run { clock in try MyShard(clock: clock) }
/// }
/// ```
package enum ShardStoreConformance {
  /// All checks. States that no call of a store makes (`frozen`, `copying`, `moved`, `erased`) are not among them.
  package static let checks = lawChecks + homeChecks + recordChecks + pageChecks + wholeChecks

  /// A promise, and how it is looked at.
  package struct Check: Sendable, CustomStringConvertible {
    package let description: String
    private let body: @Sendable (Subject) async throws -> Void

    init(_ description: String, _ body: @escaping @Sendable (Subject) async throws -> Void) {
      self.description = description
      self.body = body
    }

    /// - Parameter make: Makes a new, empty shard, never stamped with a policy, on a clock.
    /// - Throws: A ``Failure`` if the shard does not keep the promise.
    package func run(
      on make: @Sendable (WallClock) async throws -> any ShardStore
    ) async throws {
      let clock = ManualClock()
      let store = try await make(clock.wallClock)
      do {
        try await body(Subject(store: store, clock: clock))
      } catch {
        await store.close()
        throw error
      }
      await store.close()
    }
  }

  /// What a shard did against its promise.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }
}
