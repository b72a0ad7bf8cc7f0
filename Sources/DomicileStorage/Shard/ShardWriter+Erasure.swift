import DomicilePolicy
import DomicileSQLite

/// What must go: erasures, and records that have expired. Each step is small; a purge makes it physical.
extension ShardWriter {
  // MARK: Homes

  /// Stamps a home `erased` under the erasure's token, over a lower or equal one; makes a row where there is none, so that
  /// nothing of the user can be staged later under an older token. Where something may have to be kept it is stamped `held`.
  func beginErasure(_ erasure: HomeErasure) throws -> StorageError? {
    guard isStampInForce else { return refusal(.policyChanged) }
    let old = try homeRow(erasure.owner, erasure.dataClass)
    if let old, old.fence > erasure.token { return outrun }
    // An erasure that stopped half way has left some.
    guard let old, try old.hasRecords || isLeft(old) else {
      try stampErased(erasure)
      return nil
    }
    // The directory knows a legal hold before its shards do.
    for hold in erasure.holds { try put(hold, on: old.id) }
    let mayKeep =
      try law.retention[erasure.dataClass]?.shortestSeconds != nil || hold(on: old.id) != nil
    guard mayKeep else {
      try stampErased(erasure)
      try forgetSettings(of: old.id)
      return nil
    }
    try connection.run(
      "UPDATE home SET state = 'held', serial = ?, token = 0 WHERE owner = ? AND class = ?",
      .integer(erasure.token), .blob(erasure.owner.bytes), .text(erasure.dataClass))
    return nil
  }

  /// Whether an erased home has records still.
  func isLeft(_ home: HomeInfo) throws(SQLiteError) -> Bool {
    guard home.state == .erased else { return false }
    return try hasRecords(home.id)
  }

  private func stampErased(_ erasure: HomeErasure) throws {
    // Nothing in the row leads to the alias, which outlives the mapping in tombstone and ledger.
    try connection.run(
      """
      INSERT INTO home (owner, class, alias, serial, state, tags, profile)
      VALUES (?, ?, x'', ?, 'erased', 0, '')
      ON CONFLICT (owner, class) DO UPDATE SET alias = x'', serial = excluded.serial,
        state = 'erased', tags = 0, profile = '', lifetimes = 0, holds = 0, token = 0
      """,
      .blob(erasure.owner.bytes), .text(erasure.dataClass), .integer(erasure.token))
  }

  func forgetSettings(of home: Int64) throws {
    for table in ["lifetime", "hold", "change"] {
      try connection.run("DELETE FROM \(table) WHERE home = ?", .integer(home))
    }
  }

  /// Looks at some records of a home that is being erased, in the order of keys, and deletes those that may go. What is held
  /// stays, is told, and goes as soon as it may. At the end a home of which nothing is left is stamped `erased`.
  func eraseRecords(_ erasure: HomeErasure, after: RecordPosition?, limit: Int) throws -> Result<
    ErasedRecords, StorageError
  > {
    guard isStampInForce else { return .failure(refusal(.policyChanged)) }
    let row = try homeRow(erasure.owner, erasure.dataClass)
    // A sweep has forgotten it already.
    if row == nil, erasure.token <= floor { return .success(ErasedRecords()) }
    guard let home = row, home.serial == erasure.token, [.erased, .held].contains(home.state)
    else { return .failure(outrun) }
    let hold = home.hasHolds ? try hold(on: home.id) : nil
    let shortest =
      home.state == .held ? law.retention[erasure.dataClass]?.shortestSeconds : nil
    let rows = try connection.rows(
      """
      SELECT home, collection, key, labels, length(key) + length(value), 0, written, expires FROM record
      WHERE home = ?1 AND (collection, key) > (?2, ?3) ORDER BY collection, key LIMIT ?4
      """, .integer(home.id), .text(after?.collection ?? ""), .blob(after?.key ?? []),
      .integer(Int64(limit)),
      as: { (record: ExpiredRecord($0), written: $0.integer(6), expires: $0.integerIfPresent(7)) })
    var held: [HeldData] = []
    var going: [ExpiredRecord] = []
    for row in rows {
      let byLaw =
        home.state == .held ? heldByLaw(written: row.written, dataClass: erasure.dataClass) : nil
      guard let reason = hold ?? byLaw else {
        going.append(row.record)
        continue
      }
      held.append(reason)
      if let end = shortest.map({ row.written + $0 * 1000 }), row.expires.map({ $0 > end }) ?? true
      {
        try set(expires: end, home: home.id, row.record.collection, row.record.key)
      }
    }
    var erased = try delete(going)
    erased.last = rows.last.map {
      RecordPosition(collection: $0.record.collection, key: $0.record.key)
    }
    erased.hasMore = rows.count >= limit
    erased.held = HeldHome(held)
    if !erased.hasMore, home.state == .held {
      if try !hasRecords(home.id) {
        try stampErased(erasure)
        try forgetSettings(of: home.id)
      }
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
    var erased = try delete(going.map(\.record))
    erased.hasMore = rows.count >= limit
    erased.last = rows.last.map {
      RecordPosition(collection: request.collection, key: $0.record.key)
    }
    erased.held = HeldHome(kept)
    return erased
  }

  // MARK: Authors

  /// Deletes what a user wrote in a group's home, some at a time; what is held stays, and is told.
  func erase(
    _ request: AuthoredErasure, after: RecordPosition?, limit: Int
  ) throws -> ErasedRecords {
    guard isStampInForce else { throw refusal(.policyChanged) }
    try keep(token: request.token, of: request.author)
    guard let home = try homeRow(request.group, request.dataClass), home.serial == request.serial,
      home.state != .frozen
    else { throw refusal(.moved) }
    let groupHold = home.hasHolds ? try self.hold(on: home.id) : nil
    let hold = groupHold ?? request.holds.compactMap(held(by:)).first
    var rows: [(record: ExpiredRecord, written: Int64)] = []
    // Collection by collection, so that each is entered at its author.
    let collections = law.collections.filter { $0.value == request.dataClass }.map(\.key).sorted()
    for collection in collections where collection >= after?.collection ?? "" && rows.count < limit
    {
      let key = collection == after?.collection ? after?.key : nil
      rows += try connection.rows(
        Self.authoredSQL, .integer(home.id), .text(collection), .text("\(request.author)"),
        .blob(key ?? []), .integer(Int64(limit - rows.count)),
        .integer(home.state == .copying ? 1 : 0),
        as: { (record: ExpiredRecord($0), written: $0.integer(6)) })
    }
    var kept: [HeldData] = []
    let going = rows.filter { row in
      let held = hold ?? heldByLaw(written: row.written, dataClass: request.dataClass)
      if let held { kept.append(held) }
      return held == nil
    }
    var erased = try delete(going.map(\.record))
    erased.hasMore = rows.count >= limit
    erased.last = rows.last.map {
      RecordPosition(collection: $0.record.collection, key: $0.record.key)
    }
    erased.held = HeldHome(kept)
    return erased
  }

  /// Whoever has erased under a lower token is outrun from now on: a later run may know of a legal hold.
  private func keep(token: Int64, of author: OwnerAlias) throws {
    let last = try connection.integer(
      "SELECT token FROM author_erasure WHERE author = ?", .text("\(author)"))
    guard last.map({ $0 <= token }) ?? (token > floor) else { throw outrun }
    if last == token { return }
    try connection.run(
      """
      INSERT INTO author_erasure (author, token) VALUES (?, ?)
      ON CONFLICT DO UPDATE SET token = excluded.token
      """, .text("\(author)"), .integer(token))
  }

  static let authoredSQL = """
    SELECT r.home, r.collection, r.key, r.labels, length(r.key) + length(r.value), ?6, r.written
    FROM label l JOIN record r ON r.home = l.home AND r.collection = l.collection AND r.key = l.key
    WHERE l.home = ?1 AND l.collection = ?2 AND l.name = '\(LabelText.author)' AND l.value = ?3 AND l.key > ?4
    ORDER BY l.key LIMIT ?5
    """

  // MARK: The sweep

  /// Of records that looked expired, deletes those that are: up to the high-water and no further. A class whose policy has
  /// changed waits until what is stored fits it.
  ///
  /// - Throws: ``StorageError`` with `policyChanged` while the shard is behind the directory, whose law may hold them.
  func sweep(_ candidates: [SweepCandidate]) throws -> ErasedRecords {
    guard !time.isInDoubt else { return ErasedRecords() }
    guard isStampInForce else { throw refusal(.policyChanged) }
    let rows = try candidates.compactMap { candidate in
      try connection.rows(
        """
        SELECT r.home, r.collection, r.key, r.labels, length(r.key) + length(r.value),
          h.state = 'copying'
        FROM record r JOIN home h ON h.id = r.home
        WHERE r.home = ?2 AND r.collection = ?3 AND r.key = ?4 AND r.expires <= ?1
          AND \(Self.isSwept)
        """, .integer(now), .integer(candidate.home), .text(candidate.collection),
        .blob(candidate.key), as: ExpiredRecord.init
      ).first
    }
    guard !rows.isEmpty else { return ErasedRecords() }
    try advanceHighWater()
    return try delete(rows)
  }

  /// Whether an expired record `r` of a home `h` goes at the time `?1`.
  static let isSwept = """
    h.state IN ('active', 'copying', 'held') AND NOT EXISTS (
      SELECT 1 FROM hold WHERE hold.home = r.home AND (until IS NULL OR until > ?1))
    AND NOT EXISTS (SELECT 1 FROM law_retention WHERE class = h.class AND fitted IS NOT NULL)
    """

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

  private func delete(_ rows: [ExpiredRecord]) throws -> ErasedRecords {
    var erased = ErasedRecords()
    for row in rows {
      if row.isCopying { try note(home: row.home, collection: row.collection, key: row.key) }
      let labels = try row.labels.map(LabelText.decode) ?? [:]
      try run(deleteLabel, labels, row.home, row.collection, row.key)
      try deleteRecord.bind(1, row.home)
      try deleteRecord.bind(2, row.collection)
      try deleteRecord.bind(3, row.key)
      try deleteRecord.run()
      erased.records += 1
      erased.bytes += row.bytes
    }
    return erased
  }
}

/// An expired record, as whoever looked for it saw it.
struct SweepCandidate: Sendable {
  let expires: Int64
  let home: Int64
  let collection: String
  let key: [UInt8]
  /// Whether it could go then.
  let isSwept: Bool
}

/// Where a record is in its home.
package struct RecordPosition: Sendable, Hashable {
  package let collection: String
  package let key: [UInt8]
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
  /// The legal holds that the directory notes on the class; the shard may not know of them yet.
  package let holds: [HomeHold]

  package init(owner: OwnerKey, dataClass: String, token: Int64, holds: [HomeHold] = []) {
    self.owner = owner
    self.dataClass = dataClass
    self.token = token
    self.holds = holds
  }
}

/// A legal hold on a home.
package struct HomeHold: Sendable, Hashable {
  package let name: String
  /// Milliseconds since 1970; nil: until it is released.
  package let until: Int64?

  package init(name: String, until: Int64?) {
    self.name = name
    self.until = until
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

/// The erasure of what a user wrote in a group's home.
package struct AuthoredErasure: Sendable {
  package let group: OwnerKey
  package let dataClass: String
  /// The home's.
  package let serial: Int64
  package let author: OwnerAlias
  /// Of the run of the erasure.
  package let token: Int64
  /// The legal holds on the author's own data of the class.
  package let holds: [HomeHold]

  package init(
    group: OwnerKey, dataClass: String, serial: Int64, author: OwnerAlias, token: Int64,
    holds: [HomeHold] = []
  ) {
    self.token = token
    self.group = group
    self.dataClass = dataClass
    self.serial = serial
    self.author = author
    self.holds = holds
  }
}

/// What a step deleted.
package struct ErasedRecords: Sendable, Equatable {
  package var records: Int64 = 0
  /// The bytes of their keys and values.
  package var bytes: Int64 = 0
  package var hasMore = false
  /// The last record that the step looked at.
  package var last: RecordPosition?
  package var held: HeldHome?

  package init() {}
}

/// Records that may not go yet.
package struct HeldHome: Sendable, Equatable {
  package let records: Int64
  /// The one that ends last.
  package let data: HeldData

  package init(records: Int64, data: HeldData) {
    self.records = records
    self.data = data
  }

  /// Nil if nothing is held.
  init?(_ held: [HeldData]) {
    guard let last = held.max(by: { ($0.until ?? .max) < ($1.until ?? .max) }) else { return nil }
    self.init(records: Int64(held.count), data: last)
  }
}
