import DomicilePolicy
import DomicileSQLite

/// What must go: erasures, and records that have expired. Each step is small; a purge makes it physical.
extension ShardWriter {
  // MARK: Homes

  /// Stamps a home `erased` under the erasure's token, over a lower or equal one; makes a row where there is none, so that
  /// nothing of the user can be staged later under an older token. What must be kept leaves it `held` instead.
  func beginErasure(_ erasure: HomeErasure) throws -> Result<HeldHome?, StorageError> {
    let old = try homeRow(erasure.owner, erasure.dataClass)
    if let old, old.serial > erasure.token { return .failure(outrun) }
    let held = try old.flatMap { try $0.hasRecords ? heldRecords($0, erasure.dataClass) : nil }
    if held != nil {
      try connection.run(
        "UPDATE home SET state = 'held', serial = ? WHERE owner = ? AND class = ?",
        .integer(erasure.token), .blob(erasure.owner.bytes), .text(erasure.dataClass))
      return .success(held)
    }
    // Nothing in the row leads to the alias, which outlives the mapping in tombstone and ledger.
    try connection.run(
      """
      INSERT INTO home (owner, class, alias, serial, state, tags, profile)
      VALUES (?, ?, x'', ?, 'erased', 0, '')
      ON CONFLICT (owner, class) DO UPDATE SET alias = x'', serial = excluded.serial,
        state = 'erased', tags = 0, profile = '', lifetimes = 0, holds = 0
      """,
      .blob(erasure.owner.bytes), .text(erasure.dataClass), .integer(erasure.token))
    if let old {
      for table in ["lifetime", "hold", "change"] {
        try connection.run("DELETE FROM \(table) WHERE home = ?", .integer(old.id))
      }
    }
    return .success(nil)
  }

  /// What of a home may not go yet, and how long that is so.
  private func heldRecords(_ home: HomeInfo, _ dataClass: String) throws -> HeldHome? {
    if home.hasHolds, let hold = try hold(on: home.id) {
      let count = try connection.integer(
        "SELECT count(*) FROM record WHERE home = ?", .integer(home.id))
      return HeldHome(records: count ?? 0, data: hold)
    }
    guard let retention = law.retention[dataClass], let shortest = retention.shortestSeconds,
      let (count, last) = try connection.rows(
        "SELECT count(*), max(written) FROM record WHERE home = ? AND written > ?",
        .integer(home.id), .integer(time.settled - shortest * 1000),
        as: { ($0.integer(0), $0.integer(1)) }
      ).first, count > 0
    else { return nil }
    return HeldHome(
      records: count, data: HeldData(until: last + shortest * 1000, rule: retention.rule))
  }

  /// Deletes records of a home that is being erased, some at a time.
  func eraseRecords(_ erasure: HomeErasure, limit: Int) throws -> Result<
    ErasedRecords, StorageError
  > {
    guard let home = try homeRow(erasure.owner, erasure.dataClass),
      home.serial == erasure.token, [.erased, .held].contains(home.state)
    else { return .failure(outrun) }
    if home.hasHolds, try hold(on: home.id) != nil { return .success(ErasedRecords()) }
    let shortest = law.retention[erasure.dataClass]?.shortestSeconds
    let isHeld = home.state == .held && shortest != nil
    let upTo = isHeld ? time.settled - (shortest ?? 0) * 1000 : .max
    var erased = try delete(
      connection.rows(
        """
        SELECT home, collection, key, labels, length(key) + length(value), 0 FROM record
        WHERE home = ? AND written <= ? LIMIT ?
        """, .integer(home.id), .integer(upTo), .integer(Int64(limit)), as: ExpiredRecord.init),
      limit: limit)
    if !erased.hasMore, let shortest, isHeld {
      // What is held goes as soon as it may.
      try connection.run(
        """
        UPDATE record SET expires = written + ?1
        WHERE home = ?2 AND (expires IS NULL OR expires > written + ?1) AND key IN (
          SELECT key FROM record
          WHERE home = ?2 AND (expires IS NULL OR expires > written + ?1) LIMIT ?3)
        """, .integer(shortest * 1000), .integer(home.id), .integer(Int64(limit)))
      erased.hasMore = connection.changes >= limit
    }
    return .success(erased)
  }

  // MARK: Ranges

  /// Deletes records of an open home by key, some at a time; what is held stays, and is told.
  func erase(_ request: RangeErasure, limit: Int) throws -> ErasedRecords {
    let home = try fence(
      request.home, law: request.law, collections: [request.collection], isPut: false)
    if home.hasHolds, let hold = try hold(on: home.id) { throw StorageError(hold) }
    let (lower, upper) = request.range.bounds
    let rows = try connection.rows(
      """
      SELECT home, collection, key, labels, length(key) + length(value), ?7, written FROM record
      WHERE home = ?1 AND collection = ?2 AND key >= ?3 AND (?4 IS NULL OR key < ?4)
        AND (?5 IS NULL OR key > ?5)
      ORDER BY key LIMIT ?6
      """, .integer(home.id), .text(request.collection), .blob(lower),
      upper.map(SQLValue.blob) ?? .null, request.after.map(SQLValue.blob) ?? .null,
      .integer(Int64(limit)), .integer(home.isCopying ? 1 : 0),
      as: { (record: ExpiredRecord($0), written: $0.integer(6)) })
    var kept: [HeldData] = []
    let going = rows.filter { row in
      guard let held = heldByLaw(written: row.written, dataClass: home.dataClass) else {
        return true
      }
      kept.append(held)
      return false
    }
    var erased = try delete(going.map(\.record), limit: limit)
    erased.hasMore = rows.count >= limit
    erased.last = rows.last?.record.key
    erased.held = kept.max { ($0.until ?? .max) < ($1.until ?? .max) }
      .map { HeldHome(records: Int64(kept.count), data: $0) }
    return erased
  }

  // MARK: The sweep

  /// Deletes records that have expired, some at a time, up to the high-water and no further. A class whose policy has
  /// changed waits until what is stored fits it.
  func sweep(limit: Int) throws -> ErasedRecords {
    guard !time.isInDoubt else { return ErasedRecords() }
    let rows = try connection.rows(
      """
      SELECT r.home, r.collection, r.key, r.labels, length(r.key) + length(r.value),
        h.state = 'copying'
      FROM record r INDEXED BY record_expiry JOIN home h ON h.id = r.home
      WHERE r.expires <= ?1 AND h.state IN ('active', 'copying', 'held') AND NOT EXISTS (
        SELECT 1 FROM hold WHERE hold.home = r.home AND (until IS NULL OR until > ?1))
        AND NOT EXISTS (
          SELECT 1 FROM law_retention WHERE class = h.class AND fitted IS NOT NULL)
      ORDER BY r.expires LIMIT ?2
      """, .integer(now), .integer(Int64(limit)), as: ExpiredRecord.init)
    guard !rows.isEmpty else { return ErasedRecords() }
    try advanceHighWater()
    return try delete(rows, limit: limit)
  }

  /// Takes the clock for right, whatever it was before. What was written by a clock ahead of it is dated back, its
  /// lifetime unchanged.
  func acceptClock() throws {
    let accepted = TimeAnchor.accepted(clock)
    let ahead = now - accepted.shardTime
    if ahead > ShardTime.skew {
      // Shard time has gone on evenly since the anchor was set: all that was written since is as far ahead.
      let since = try min(anchor().shardTime, accepted.shardTime + 1)
      try connection.run(
        """
        INSERT OR IGNORE INTO change (home, collection, key)
        SELECT home, collection, key FROM record
        WHERE written >= ? AND home IN (SELECT id FROM home WHERE state = 'copying')
        """, .integer(since))
      try connection.run(
        """
        UPDATE record SET written = written - ?1, expires = expires - ?1 WHERE written >= ?2
        """, .integer(ahead), .integer(since))
    }
    try accepted.keep(in: connection)
    try beginBatch()
  }

  /// Notes the time by which something is deleted, before it is: no clock can bring that back.
  private func advanceHighWater() throws {
    var anchor = try anchor()
    anchor.advance(to: time, every: 1)
    try anchor.keep(in: connection)
  }

  private func delete(_ rows: [ExpiredRecord], limit: Int) throws -> ErasedRecords {
    var erased = ErasedRecords()
    for row in rows {
      if row.isCopying { try note(home: row.home, collection: row.collection, key: row.key) }
      let labels = try row.labels.map(LabelText.decode) ?? [:]
      for (name, value) in labels {
        try deleteLabel.bind(1, row.home)
        try deleteLabel.bind(2, row.collection)
        try deleteLabel.bind(3, name)
        try deleteLabel.bind(4, value)
        try deleteLabel.bind(5, row.key)
        try deleteLabel.run()
      }
      try deleteRecord.bind(1, row.home)
      try deleteRecord.bind(2, row.collection)
      try deleteRecord.bind(3, row.key)
      try deleteRecord.run()
      erased.records += 1
      erased.bytes += row.bytes
    }
    erased.hasMore = rows.count >= limit
    return erased
  }
}

/// A record that goes, with its labels.
private struct ExpiredRecord {
  let home: Int64
  let collection: String
  let key: [UInt8]
  let labels: String?
  let bytes: Int64
  let isCopying: Bool

  init(_ row: Statement) {
    home = row.integer(0)
    collection = row.text(1)
    key = row.blob(2)
    labels = row.isNull(3) ? nil : row.text(3)
    bytes = row.integer(4)
    isCopying = row.integer(5) != 0
  }
}

/// The erasure of one home, under a token of the directory.
package struct HomeErasure: Sendable {
  package let owner: OwnerKey
  package let dataClass: String
  package let token: Int64

  package init(owner: OwnerKey, dataClass: String, token: Int64) {
    self.owner = owner
    self.dataClass = dataClass
    self.token = token
  }
}

/// The erasure of some records of a home that stays.
package struct RangeErasure: Sendable {
  package let home: HomeReference
  package let law: LawReference
  package let collection: String
  package let range: KeyRange
  /// Where the last step ended.
  package var after: [UInt8]?

  package init(
    home: HomeReference, law: LawReference, collection: String, range: KeyRange,
    after: [UInt8]? = nil
  ) {
    self.home = home
    self.law = law
    self.collection = collection
    self.range = range
    self.after = after
  }
}

/// What a step deleted.
package struct ErasedRecords: Sendable, Equatable {
  package var records: Int64 = 0
  /// The bytes of their keys and values.
  package var bytes: Int64 = 0
  package var hasMore = false
  /// The last key that a step by key looked at.
  package var last: [UInt8]?
  package var held: HeldHome?

  package init() {}
}

/// Records that may not go yet.
package struct HeldHome: Sendable, Equatable {
  package let records: Int64
  /// The one that ends last.
  package let data: HeldData
}
