public import DomicileStorage

extension UserHandle {
  /// A page of a collection's records, by key.
  ///
  /// - Parameters:
  ///   - collection: The policy says to which class it belongs.
  ///   - keys: Which keys; all by default.
  ///   - label: A label that the records must have, with this value; nil for all records.
  ///   - order: By key; ascending by default.
  ///   - limit: 1 to 1,000.
  ///   - cursor: ``RecordPage/next`` of the page before; nil for the first.
  /// - Returns: The records, and where the next page begins.
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound`` if the user has no home for the class.
  public func page(
    _ collection: RecordCollection, keys: KeyRange = .all,
    label: (name: String, value: String)? = nil, order: RecordOrder = .ascending,
    limit: Int = 100, after cursor: RecordCursor? = nil
  ) async throws(RouterError) -> RecordPage {
    try await routed([collection], deadline: nil) { route, _, _ in
      try checkIsProcessable(route)
      var request = PageRequest(
        home: route.home, collection: collection.name, range: keys, label: label, order: order,
        limit: limit, after: cursor)
      let page = try answering(route) { evenFrozen in
        request.evenFrozen = evenFrozen
        return try route.shard.page(request)
      }
      route.counters.count(read: page.records.count)
      return page
    }
  }

  /// The records of a collection whose keys begin with `prefix`, by key, read page by page as they are asked
  /// for. Each page is as it was at one moment; between two pages records may come and go.
  ///
  /// - Parameters:
  ///   - collection: The policy says to which class it belongs.
  ///   - prefix: The bytes with which the keys begin.
  ///   - order: By key; ascending by default.
  ///   - limit: How many records at most; nil for all.
  ///   - cursor: ``RecordPage/next`` of a page read before; nil to begin at the beginning.
  /// - Returns: A sequence that reads when it is iterated, and then may throw ``RouterError``.
  public func list(
    _ collection: RecordCollection, prefix: RecordKey, order: RecordOrder = .ascending,
    limit: Int? = nil, after cursor: RecordCursor? = nil
  ) -> RecordList {
    list(collection, keys: .prefix(prefix), order: order, limit: limit, after: cursor)
  }

  /// The records of a collection with keys in a range, and with a label if one is named, by key.
  public func list(
    _ collection: RecordCollection, keys: KeyRange = .all,
    label: (name: String, value: String)? = nil, order: RecordOrder = .ascending,
    limit: Int? = nil, after cursor: RecordCursor? = nil
  ) -> RecordList {
    RecordList(
      user: self, collection: collection, keys: keys, label: label, order: order, limit: limit,
      after: cursor)
  }
}

/// Records as an asynchronous sequence. It throws ``RouterError``.
public struct RecordList: AsyncSequence, Sendable {
  public typealias Element = StoredRecord
  public typealias Failure = RouterError

  let user: UserHandle
  let collection: RecordCollection
  let keys: KeyRange
  let label: (name: String, value: String)?
  let order: RecordOrder
  let limit: Int?
  let after: RecordCursor?

  private static var pageRecords: Int { 100 }

  public func makeAsyncIterator() -> Iterator {
    Iterator(list: self, left: limit ?? .max, cursor: after)
  }

  public struct Iterator: AsyncIteratorProtocol {
    let list: RecordList
    var left: Int
    var cursor: RecordCursor?
    var page: ArraySlice<StoredRecord> = []
    var isAtEnd = false

    public mutating func next() async throws(RouterError) -> StoredRecord? {
      try await next(isolation: nil)
    }

    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(RouterError) -> StoredRecord? {
      if page.isEmpty {
        guard !isAtEnd, left > 0 else { return nil }
        let next = try await list.user.page(
          list.collection, keys: list.keys, label: list.label, order: list.order,
          limit: Swift.min(left, RecordList.pageRecords), after: cursor)
        page = next.records[...]
        cursor = next.next
        isAtEnd = next.next == nil
      }
      guard let record = page.popFirst() else { return nil }
      left -= 1
      return record
    }
  }
}
