import DomicileSQLite
import Foundation

/// The two homes of a move that are gone through, record by record.
package struct MoveCursor: Sendable {
  package let source: MoveHome
  package let target: MoveHome
  /// The last record that was looked at.
  package var after: RecordPosition?
  /// The last that is to be looked at; nil: to the end.
  package var last: RecordPosition?
  package var isDone = false
  /// The last records of the parts in which it was copied: where another can begin.
  package var parts: [RecordPosition] = []

  package init(source: MoveHome, target: MoveHome) {
    self.source = source
    self.target = target
  }
}

/// What comparing the homes of a cursor has come to.
package enum MoveComparison: Sendable, Equatable {
  /// To the end.
  case same
  /// Up to a record, after which it is to go on.
  case sameSoFar(RecordPosition)
  /// In this record at least.
  case different(RecordPosition)
  /// One of the two is not there under its serial.
  case lost
}

extension SQLiteShard {
  /// Compares homes with what a target has of them, as many as there are within so many records: byte by byte, in one snapshot of
  /// either shard. What has been noted here as changed is no difference: it is copied, and compared, again.
  ///
  /// It is done on a thread of its own: it takes longer than those of the cooperative pool should be kept.
  ///
  /// - Returns: Of the first homes, in their order.
  package func compare(
    _ cursors: ArraySlice<MoveCursor>, with target: SQLiteShard, unexpiredAt instant: Int64,
    recordsMax: Int
  ) async throws(StorageError) -> [MoveComparison] {
    let result: Result<[MoveComparison], StorageError> = await withCheckedContinuation {
      continuation in
      DispatchQueue.global().async {
        continuation.resume(
          returning: Result { () throws(StorageError) in
            try self.compareNow(cursors, with: target, instant, recordsMax)
          })
      }
    }
    return try result.get()
  }

  private func compareNow(
    _ cursors: ArraySlice<MoveCursor>, with target: SQLiteShard, _ instant: Int64,
    _ recordsMax: Int
  ) throws(StorageError) -> [MoveComparison] {
    try read { here, _ in
      try here.connection.snapshot {
        // After this one's snapshot: the mover alone writes there.
        try target.read { there, _ in
          try there.connection.snapshot {
            var comparisons: [MoveComparison] = []
            var left = recordsMax
            for cursor in cursors {
              if left <= 0 { break }
              guard let source = try Self.id(of: cursor.source, here),
                let target = try Self.id(of: cursor.target, there)
              else {
                comparisons.append(.lost)
                continue
              }
              let comparer = HomeComparer(
                source: source, target: target, here: here.connection, there: there.connection,
                instant: instant)
              comparisons.append(try comparer.compare(cursor, &left))
            }
            return comparisons
          }
        }
      }
    }
  }
}

/// Compares the records of two homes, collection by collection.
private struct HomeComparer {
  let source: Int64
  let target: Int64
  let here: Connection
  let there: Connection
  let instant: Int64

  func compare(_ cursor: MoveCursor, _ left: inout Int) throws -> MoveComparison {
    var after = cursor.after
    while let collection = try after?.collection ?? nextCollection(after: "", cursor.last) {
      let comparison = try compare(
        collection, after: after?.key ?? [], upTo: cursor.last, &left)
      guard comparison == .same else { return comparison }
      guard let next = try nextCollection(after: collection, cursor.last) else { break }
      after = RecordPosition(collection: next, key: [])
    }
    return .same
  }

  private func compare(
    _ collection: String, after key: [UInt8], upTo last: RecordPosition?, _ left: inout Int
  ) throws -> MoveComparison {
    let end = last?.collection == collection ? last?.key : nil
    let old = try here.movedRecords(of: source, collection, after: key, upTo: end, instant)
    defer { old.reset() }
    let new = try there.movedRecords(of: target, collection, after: key, upTo: end, instant)
    defer { new.reset() }
    var (hasOld, hasNew) = (try old.step(), try new.step())
    while hasOld || hasNew {
      let order = !hasNew ? -1 : !hasOld ? 1 : old.order(0, new)
      let row = order <= 0 ? old : new
      if order != 0 || !old.hasSame(1..<6, as: new) {
        guard try isNoted(collection, row.blob(0)) else {
          return .different(RecordPosition(collection: collection, key: row.blob(0)))
        }
      }
      left -= 1
      if left <= 0 {
        return .sameSoFar(RecordPosition(collection: collection, key: row.blob(0)))
      }
      if order <= 0 { hasOld = try old.step() }
      if order >= 0 { hasNew = try new.step() }
    }
    return .same
  }

  private func nextCollection(after: String, _ last: RecordPosition?) throws -> String? {
    let next = [
      try here.nextCollection(of: source, after: after),
      try there.nextCollection(of: target, after: after),
    ].compactMap(\.self).min { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    guard let next, let last else { return next }
    return last.collection.utf8.lexicographicallyPrecedes(next.utf8) ? nil : next
  }

  private func isNoted(_ collection: String, _ key: [UInt8]) throws -> Bool {
    try here.integer(
      "SELECT 1 FROM change WHERE home = ? AND collection = ? AND key = ?", .integer(source),
      .text(collection), .blob(key)) != nil
  }
}

extension Connection {
  /// The first collection of a home after another in which there is a record.
  func nextCollection(
    of home: Int64, after collection: String, in schema: String = "main"
  ) throws -> String? {
    try text(
      """
      SELECT collection FROM \(schema).record WHERE home = ? AND collection > ?
      ORDER BY collection LIMIT 1
      """, .integer(home), .text(collection))
  }

  /// The records of a collection after one key and up to another (nil: to the end).
  fileprivate func movedRecords(
    of home: Int64, _ collection: String, after key: [UInt8], upTo end: [UInt8]?,
    _ instant: Int64
  ) throws -> Statement {
    let statement = try prepare(
      """
      SELECT key, version, written, expires, labels, value FROM record
      WHERE home = ?1 AND collection = ?2 AND key > ?3 AND (expires IS NULL OR expires > ?4)
        \(end == nil ? "" : "AND key <= ?5") ORDER BY key
      """)
    let values: [SQLValue] = [
      .integer(home), .text(collection), .blob(key), .integer(instant),
    ]
    try statement.bind(values + (end.map { [.blob($0)] } ?? []))
    return statement
  }
}
