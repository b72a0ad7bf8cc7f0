import DomicileSQLite
import Foundation
import Synchronization

/// Copies records of homes that are moved, from file to file, inside SQLite: neither keys nor values pass through memory of ours.
///
/// It writes to the target as another process would: with a connection of its own, which reads the source's file beside it, through
/// the gate, and by the same guards as all steps of a move. Where something is there already, records are copied one by one instead.
///
/// `@unchecked Sendable`: the connection is used on one queue only.
package final class BulkCopy: @unchecked Sendable {
  private let queue = DispatchQueue(label: "domicile bulk copy")
  private let target: SQLiteShard
  private let writer: ShardWriter
  private let gate: WriterGate
  private var connection: Connection { writer.connection }
  /// Bytes that were written since the writer thread was last asked to copy the WAL.
  private var bytesSinceCheckpoint = 0

  /// After so much a transaction ends if another writer waits.
  private static let atOnce = (records: 2_000, bytes: 2 << 20)
  /// After so much it ends in any case, and before it goes on, the WAL is copied.
  private static let most = (records: 32_000, bytes: 8 << 20)

  package init(from source: SQLiteShard, to target: SQLiteShard) throws(StorageError) {
    self.target = target
    (writer, gate) = try storing(in: target.identity.place) {
      let writer = try target.makeWriter()
      let path = source.commits.path.replacingOccurrences(of: "'", with: "''")
      try writer.connection.execute("ATTACH '\(path)' AS source")
      return (writer, try WriterGate(path: target.commits.path))
    }
  }

  /// What became of a home in one transaction.
  package enum Outcome: Sendable {
    /// All, or some: then it is to go on there.
    case copied(MoveCursor)
    /// The target has records of it already.
    case occupied
    case refused(StorageError)
  }

  /// What became of one transaction.
  package struct Step: Sendable {
    /// Of homes that it was about: the first, in their order.
    package var outcomes: [Outcome] = []
    package var records = 0
    package var bytes = 0
  }

  /// Copies some of what comes next into homes that have nothing yet; as many homes as go into one transaction.
  package func copy(
    _ cursors: some Collection<MoveCursor> & Sendable, law: LawReference,
    unexpiredAt instant: Int64
  ) async throws(StorageError) -> Step {
    let place = target.identity.place
    let result: Result<Step, StorageError> = await withCheckedContinuation { continuation in
      queue.async { [self] in
        continuation.resume(
          returning: Result { () throws(StorageError) in
            try storing(in: place) {
              try gate.pass { try transact { try copy(cursors, law, instant) } }
            }
          })
      }
    }
    let step = try result.get()
    try await checkpoint(after: step.bytes + step.records * 64)
    return step
  }

  private func transact(_ body: () throws -> Step) throws -> Step {
    if target.commits.ballast?.isReleased == true {
      throw StorageError.noRoom(in: target.identity.place)
    }
    try connection.execute("BEGIN")
    do {
      try writer.beginBatch()
      let step = try body()
      try connection.execute("COMMIT")
      return step
    } catch {
      if !connection.isAutocommit { try? connection.execute("ROLLBACK") }
      throw error
    }
  }

  /// The writer thread copies the WAL into the file when it has written: also what was written here.
  private func checkpoint(after bytes: Int) async throws(StorageError) {
    bytesSinceCheckpoint += bytes
    guard bytesSinceCheckpoint > Self.most.bytes / 2 else { return }
    bytesSinceCheckpoint = 0
    try await target.commits.commit(by: .now + .seconds(10), addsData: true) { writer in
      try writer.settle()
    }
  }

  private func copy(
    _ cursors: some Collection<MoveCursor>, _ law: LawReference, _ instant: Int64
  ) throws -> Step {
    var step = Step()
    var sinceLook = (records: 0, bytes: 0)
    for var cursor in cursors {
      let target: ShardWriter.HomeInfo
      switch try writer.copyTarget(cursor.target, law: law) {
      case .success(let home): target = home
      case .failure(let error):
        step.outcomes.append(.refused(error))
        continue
      }
      if cursor.after == nil, try writer.hasRecords(target.id) {
        step.outcomes.append(.occupied)
        continue
      }
      guard let source = try sourceID(cursor.source) else {
        step.outcomes.append(
          .refused(StorageError(.moved, "The home is not at the source under its serial.")))
        continue
      }
      repeat {
        let chunk = try copy(source, to: target.id, &cursor, instant)
        step.records += chunk.records
        step.bytes += chunk.bytes
        sinceLook.records += chunk.records
        sinceLook.bytes += chunk.bytes
        if sinceLook.records >= Self.atOnce.records || sinceLook.bytes >= Self.atOnce.bytes {
          let isFull = step.records >= Self.most.records || step.bytes >= Self.most.bytes
          if isFull || gate.isAwaited {
            step.outcomes.append(.copied(cursor))
            return step
          }
          sinceLook = (0, 0)
        }
      } while !cursor.isDone
      step.outcomes.append(.copied(cursor))
    }
    return step
  }

  /// Copies what goes into one chunk, of one collection, and puts the cursor behind it.
  private func copy(
    _ source: Int64, to target: Int64, _ cursor: inout MoveCursor, _ instant: Int64
  ) throws -> (records: Int, bytes: Int) {
    guard
      let collection = try cursor.after?.collection
        ?? connection.nextCollection(of: source, after: "", in: "source")
    else {
      cursor.isDone = true
      return (0, 0)
    }
    let after = cursor.after?.key ?? []
    let chunk = try chunk(of: source, collection, after: after, instant)
    func run(_ sql: String) throws {
      try connection.run(
        sql, .integer(source), .text(collection), .blob(after), .integer(instant),
        .integer(Int64(chunk.records)), .integer(target))
    }
    if chunk.records > 0 {
      try run(
        """
        INSERT INTO main.record (home, collection, key, version, written, expires, labels, value)
        SELECT ?6, collection, key, version, written, expires, labels, value FROM source.record
        \(Self.isNext)
        """)
    }
    if chunk.hasLabels {
      try run(
        """
        INSERT INTO main.label (home, collection, name, value, key)
        SELECT ?6, s.collection, j.key, j.value, s.key
        FROM (SELECT collection, key, labels FROM source.record \(Self.isNext)) s, json_each(s.labels) j
        WHERE s.labels IS NOT NULL
        """)
    }
    if let end = chunk.end {
      let position = RecordPosition(collection: collection, key: end)
      cursor.after = position
      cursor.parts.append(position)
    } else if let next = try connection.nextCollection(of: source, after: collection, in: "source")
    {
      cursor.after = RecordPosition(collection: next, key: [])
    } else {
      cursor.isDone = true
    }
    return (chunk.records, chunk.bytes)
  }

  private static let isNext = """
    WHERE home = ?1 AND collection = ?2 AND key > ?3 AND (expires IS NULL OR expires > ?4)
    ORDER BY key LIMIT ?5
    """

  /// How much of what comes next in a collection goes into one chunk, and its last key; nil: all the rest.
  private func chunk(
    of home: Int64, _ collection: String, after key: [UInt8], _ instant: Int64
  ) throws -> (end: [UInt8]?, records: Int, bytes: Int, hasLabels: Bool) {
    let statement = try connection.prepare(
      "SELECT length(value), labels IS NULL, key FROM source.record \(Self.isNext)")
    try statement.bind([
      .integer(home), .text(collection), .blob(key), .integer(instant), .integer(-1),
    ])
    defer { statement.reset() }
    var (records, bytes, hasLabels) = (0, 0, false)
    while try statement.step() {
      records += 1
      bytes += Int(statement.integer(0))
      hasLabels = hasLabels || statement.integer(1) == 0
      if records >= Self.atOnce.records || bytes >= Self.atOnce.bytes {
        return (statement.blob(2), records, bytes, hasLabels)
      }
    }
    return (nil, records, bytes, hasLabels)
  }

  private func sourceID(_ home: MoveHome) throws -> Int64? {
    try connection.integer(
      "SELECT id FROM source.home WHERE owner = ? AND class = ? AND serial = ?",
      .blob(home.owner.bytes), .text(home.dataClass), .integer(home.serial))
  }
}
