import DomicilePolicy
public import DomicileStorage
import Foundation

extension UserHandle {
  /// Erases the records of a collection, or those with some keys, physically. The user and the home stay.
  ///
  /// What was there when the call began is deleted in steps; repeating a call that was interrupted goes on. What the policy
  /// holds for a shortest time stays, and the receipt says until when.
  ///
  /// - Parameters:
  ///   - collection: The policy says to which class it belongs.
  ///   - keys: Which keys; all by default. A thread is a prefix.
  ///   - deadline: How long this may take; nil for the router's default.
  /// - Returns: What was erased; `pending` if somebody's reading keeps the bytes in a file for now.
  /// - Throws: ``RouterError`` with ``RouterError/Code/held`` if a legal hold is on the class.
  public func erase(
    _ collection: RecordCollection, keys: KeyRange = .all, deadline: Duration? = nil
  ) async throws(RouterError) -> ErasureReceipt {
    try await routed([collection], deadline: deadline) { route, law, end in
      let erased = try await route.shard.erase(
        RangeErasure(home: route.home, law: law, collection: collection.name, range: keys),
        by: end)
      let purge = await route.shard.purge(by: end)
      let name = route.shard.identity.name
      return ErasureReceipt(
        alias: "\(routes.entry.alias)",
        erased: [
          router.erased(
            erased.records, erased.bytes, dataClass: route.home.dataClass,
            collection: collection.name, shard: name)
        ],
        held: erased.held.map {
          [ErasureReceipt.Held($0, dataClass: route.home.dataClass, shard: name)]
        } ?? [],
        pending: ErasureReceipt.Pending(purge, route.shard.purgeProblem, place: name)
          .map { [$0] } ?? [],
        time: router.options.clock.now, policyGeneration: law.generation, serial: nil)
    }
  }

  /// Sets how long the records of a collection, or of the keys with a prefix, are kept: those that are stored, counted from
  /// when they were written, and those that will be without asking for a lifetime of their own.
  ///
  /// - Parameters:
  ///   - lifetime: ``RecordExpiry/after(_:)`` in whole seconds, ``RecordExpiry/never``, or
  ///     ``RecordExpiry/byDefault`` to take back what was set.
  ///   - collection: The policy says to which class it belongs.
  ///   - prefix: Nil for the whole collection. Of several that a key begins with the longest counts.
  ///   - deadline: How long this may take; nil for the router's default. Repeating the call goes on.
  /// - Throws: ``RouterError`` with ``RouterError/Code/lifetimeRefused`` if the policy does not allow it.
  public func setLifetime(
    _ lifetime: RecordExpiry, of collection: RecordCollection, prefix: RecordKey? = nil,
    deadline: Duration? = nil
  ) async throws(RouterError) {
    let prefix = prefix?.bytes ?? []
    guard prefix.count <= RecordLimits.keyBytesMax else {
      throw counted(
        RouterError(
          .invalidArgument,
          "A prefix has at most 1,024 bytes; this one has \(prefix.count). Nothing was changed."))
    }
    let wish: LifetimeRequest.Lifetime
    switch lifetime.kind {
    case .byDefault: wish = .byDefault
    case .never: wish = .seconds(nil)
    case .after(let duration) where duration >= .seconds(1):
      wish = .seconds(min(duration.components.seconds, 100 * 365 * 86_400))
    case .after, .at:
      throw counted(
        RouterError(
          .invalidArgument,
          "A lifetime for a collection is a duration of at least a second; nothing was changed."))
    }
    try await routed([collection], deadline: deadline) { route, law, end in
      try await route.shard.setLifetime(
        LifetimeRequest(
          home: route.home, law: law, collection: collection.name, prefix: prefix,
          lifetime: wish), by: end)
    }
  }
}
