import DomicilePolicy
public import DomicileStorage
import Foundation

extension UserHandle {
  // MARK: Writing

  /// Stores `value` under `key`.
  ///
  /// When this returns the record is committed and synced. A record of that key is replaced, labels and expiry
  /// included.
  ///
  /// - Parameters:
  ///   - value: At most 1 MiB.
  ///   - key: 1 to 1,024 bytes.
  ///   - collection: The policy says to which class it belongs.
  ///   - labels: At most 8, by which records can be found: names of 1 to 64 bytes, values of at most 256.
  ///   - expires: From when on the record is no longer there.
  ///   - condition: What must be so for the write to happen.
  ///   - deadline: How long this may take; nil for the router's default.
  /// - Returns: The record's version.
  /// - Throws: ``RouterError`` with ``RouterError/Code/barred`` if the policy in force does not allow the home's
  ///   place for this user and class; ``RouterError/Code/versionMismatch``;
  ///   ``RouterError/Code/invalidArgument``. Nothing has been written then. With
  ///   ``RouterError/Code/outcomeUnknown`` it may have been.
  @discardableResult
  public func put(
    _ value: some Sequence<UInt8>, key: RecordKey, in collection: RecordCollection,
    labels: [String: String] = [:], expires: RecordExpiry = .byDefault,
    if condition: RecordCondition? = nil, deadline: Duration? = nil
  ) async throws(RouterError) -> RecordVersion {
    var batch = RecordBatch()
    batch.put(
      value, key: key, in: collection, labels: labels, expires: expires, if: condition)
    guard let version = try await write(batch, deadline: deadline)[0] else {
      preconditionFailure("a put has a version")
    }
    return version
  }

  /// Stores a value as JSON. The same promises as ``put(_:key:in:labels:expires:if:deadline:)``.
  @discardableResult
  public func put(
    encoding value: some Encodable & Sendable, key: RecordKey, in collection: RecordCollection,
    labels: [String: String] = [:], expires: RecordExpiry = .byDefault,
    if condition: RecordCondition? = nil, deadline: Duration? = nil
  ) async throws(RouterError) -> RecordVersion {
    try await put(
      encoded(value), key: key, in: collection, labels: labels, expires: expires, if: condition,
      deadline: deadline)
  }

  private func encoded(_ value: some Encodable) throws(RouterError) -> [UInt8] {
    do {
      return Array(try JSONEncoder().encode(value))
    } catch {
      throw RouterError(
        .invalidArgument, "The value cannot be encoded as JSON. Nothing was written.", cause: error)
    }
  }

  /// Deletes a record. When this returns the deletion is committed and synced.
  ///
  /// - Returns: Whether there was a record that had not expired.
  /// - Throws: ``RouterError``; deletions go on where the home is barred.
  @discardableResult
  public func delete(
    _ key: RecordKey, in collection: RecordCollection, if condition: RecordCondition? = nil,
    deadline: Duration? = nil
  ) async throws(RouterError) -> Bool {
    let operation = try operation(.delete, key: key, in: collection, if: condition)
    return try await outcomes([operation], in: [collection], deadline: deadline)[0].existed
  }

  /// Makes all changes of a batch, or none. All collections must be of one class.
  ///
  /// - Returns: The new version for each put, nil for each deletion, in their order.
  @discardableResult
  public func write(
    _ batch: RecordBatch, deadline: Duration? = nil
  ) async throws(RouterError) -> [RecordVersion?] {
    guard !batch.changes.isEmpty else { return [] }
    guard batch.changes.count <= RecordLimits.batchOperationsMax else {
      throw counted(
        RouterError(
          .invalidArgument,
          "A batch has at most \(RecordLimits.batchOperationsMax) changes; this one has"
            + " \(batch.changes.count). Nothing was written."))
    }
    let operations = try batch.changes.map { change throws(RouterError) in
      try operation(change.change, key: change.key, in: change.collection, if: change.condition)
    }
    return try await outcomes(
      operations, in: batch.changes.map(\.collection), deadline: deadline
    ).map(\.version)
  }

  /// Changes a record by what is there: reads it, calls `change`, and writes what that returns if nobody else
  /// has written meanwhile; else begins again, until the deadline.
  ///
  /// Labels and expiry of the record are kept.
  ///
  /// - Parameters:
  ///   - key: 1 to 1,024 bytes.
  ///   - collection: The policy says to which class it belongs.
  ///   - deadline: How long this may take, all repetitions together; nil for the router's default.
  ///   - change: Given the record, or nil if there is none, returns the new value, or nil to delete it.
  ///     May be called more than once.
  /// - Returns: The record's version now; nil if it is gone.
  /// - Throws: What `change` throws; ``RouterError`` as a put or a deletion does, with
  ///   ``RouterError/Code/versionMismatch`` only if others wrote until the deadline.
  @discardableResult
  public func update(
    _ key: RecordKey, in collection: RecordCollection, deadline: Duration? = nil,
    _ change: (StoredRecord?) throws -> [UInt8]?
  ) async throws -> RecordVersion? {
    let end = ContinuousClock.now + (deadline ?? router.options.deadline)
    while true {
      let old = try await get(key, in: collection)
      let condition = old.map { RecordCondition.version($0.version) } ?? .absent
      let rest = end - .now
      let value = try change(old)
      do throws(RouterError) {
        guard let value else {
          if old != nil { try await delete(key, in: collection, if: condition, deadline: rest) }
          return nil
        }
        return try await put(
          value, key: key, in: collection, labels: old?.labels ?? [:],
          expires: old?.expires.map(RecordExpiry.at) ?? .never, if: condition, deadline: rest)
      } catch {
        guard error.code == .versionMismatch, end > .now else { throw error }
      }
    }
  }

  // MARK: Reading

  /// The record of a key; nil if there is none, or it has expired.
  public func get(
    _ key: RecordKey, in collection: RecordCollection
  ) async throws(RouterError) -> StoredRecord? {
    try await get([key], in: collection)[0]
  }

  /// The value of a key decoded from JSON; nil if there is none.
  public func get<Value: Decodable>(
    _ key: RecordKey, in collection: RecordCollection, as type: Value.Type
  ) async throws -> Value? {
    try await get(key, in: collection)?.decode(type)
  }

  /// The records of some keys, in the order of the keys, all as they were at one moment.
  public func get(
    _ keys: [RecordKey], in collection: RecordCollection
  ) async throws(RouterError) -> [StoredRecord?] {
    guard !keys.isEmpty else { return [] }
    return try await routed([collection], deadline: nil) { route, _, _ in
      try checkIsProcessable(route)
      let records = try answering(route) { isFrozen in
        try route.shard.records(
          home: route.home, collection: collection.name, keys: keys, evenFrozen: isFrozen)
      }
      route.counters.count(read: keys.count)
      return records
    }
  }

  // MARK: Helpers

  private func operation(
    _ change: RecordOperation.Change, key: RecordKey, in collection: RecordCollection,
    if condition: RecordCondition?
  ) throws(RouterError) -> RecordOperation {
    do {
      return try RecordOperation(
        change, collection: collection.name, key: key, condition: condition)
    } catch {
      throw counted(RouterError(error))
    }
  }

  private func outcomes(
    _ operations: [RecordOperation], in collections: [RecordCollection], deadline: Duration?
  ) async throws(RouterError) -> [RecordOutcome] {
    let hasPut = operations.contains { if case .put = $0.change { true } else { false } }
    return try await routed(collections, deadline: deadline) { route, law, end in
      // The fast refusal; the shard's fence asks again, by what the shard itself knows.
      if hasPut && !route.isLegal {
        try confirm(route)
        throw barred(route)
      }
      // What goes may go from anywhere.
      if hasPut { try checkIsProcessable(route) }
      let outcomes = try await route.shard.write(
        WriteRequest(
          home: route.home, law: law, operations: operations, author: membership?.author), by: end)
      route.counters.count(written: operations.count)
      return outcomes
    }
  }
}

/// Changes that are made together or not at all.
public struct RecordBatch: Sendable {
  struct Change: Sendable {
    let change: RecordOperation.Change
    let key: RecordKey
    let collection: RecordCollection
    let condition: RecordCondition?
  }

  private(set) var changes: [Change] = []

  public init() {}

  /// Adds a put; see ``UserHandle/put(_:key:in:labels:expires:if:deadline:)``.
  public mutating func put(
    _ value: some Sequence<UInt8>, key: RecordKey, in collection: RecordCollection,
    labels: [String: String] = [:], expires: RecordExpiry = .byDefault,
    if condition: RecordCondition? = nil
  ) {
    changes.append(
      Change(
        change: .put(value: Array(value), labels: labels, expiry: expires), key: key,
        collection: collection, condition: condition))
  }

  /// Adds a deletion.
  public mutating func delete(
    _ key: RecordKey, in collection: RecordCollection, if condition: RecordCondition? = nil
  ) {
    changes.append(
      Change(change: .delete, key: key, collection: collection, condition: condition))
  }
}
