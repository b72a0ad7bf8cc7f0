import DomicilePolicy
import DomicileSQLite

/// How long records are kept: the policy's limits, users' lifetimes, legal holds.
extension ShardWriter {
  // MARK: Lifetimes

  /// When a record that is written now expires, in shard time; nil for never.
  ///
  /// - Throws: ``StorageError`` with `lifetimeRefused` if what is asked for is outside what the policy says.
  func expires(
    _ expiry: RecordExpiry, _ operation: RecordOperation, home: FencedHome
  ) throws -> Int64? {
    let retention = law.retention[home.dataClass]
    if case .byDefault = expiry.kind {
      if home.hasLifetimes, let wish = try lifetime(operation, home: home.id) {
        // The law may have changed since the user set it.
        return fitted(wish.seconds.map { now + $0 * 1000 }, written: now, retention)
      }
      return retention?.standardSeconds.map { now + $0 * 1000 }
    }
    let expires = try expiry.milliseconds(now: now)
    guard fitted(expires, written: now, retention) == expires else {
      throw refusedLifetime(retention)
    }
    return expires
  }

  private func refusedLifetime(_ retention: ShardLaw.Retention?) -> StorageError {
    StorageError(
      .lifetimeRefused,
      "The policy does not allow that lifetime: \(retention?.rule ?? ""). Nothing was written. Ask for one within"
        + " these limits.")
  }

  /// The nearest moment that the policy allows.
  private func fitted(
    _ expires: Int64?, written: Int64, _ retention: ShardLaw.Retention?
  ) -> Int64? {
    var result = expires
    if let longest = retention?.longestSeconds {
      result = min(result ?? .max, written + longest * 1000)
    }
    if let shortest = retention?.shortestSeconds, let moment = result {
      result = max(moment, written + shortest * 1000)
    }
    return result
  }

  private struct Lifetime {
    /// Nil: until the record is deleted.
    let seconds: Int64?
  }

  /// What the user has set for the longest prefix of a key.
  private func lifetime(_ operation: RecordOperation, home: Int64) throws -> Lifetime? {
    try connection.rows(
      """
      SELECT seconds FROM lifetime
      WHERE home = ?1 AND collection = ?2 AND substr(?3, 1, length(prefix)) = prefix
      ORDER BY length(prefix) DESC LIMIT 1
      """, .integer(home), .text(operation.collection), .blob(operation.key),
      as: { Lifetime(seconds: $0.integerIfPresent(0)) }
    ).first
  }

  /// Keeps a user's lifetime for a collection or the keys with a prefix, or forgets it; what is stored is fitted to it by
  /// ``fitLifetimes(_:after:limit:)``.
  func setLifetime(_ request: LifetimeRequest) throws {
    let home = try fence(
      request.home, law: request.law, collections: [request.collection], isPut: true)
    let retention = law.retention[home.dataClass]
    if case .seconds(let seconds) = request.lifetime {
      // Longer than 30,000 years is longer than the calendar; the sum must not overflow.
      guard seconds.map({ (1...1_000_000_000_000).contains($0) }) ?? true else {
        throw StorageError(
          .invalidArgument, "A lifetime has 1 to 1,000,000,000,000 seconds. Nothing was changed.")
      }
      let wish = seconds.map { now + $0 * 1000 }
      guard fitted(wish, written: now, retention) == wish else { throw refusedLifetime(retention) }
      try connection.run(
        """
        INSERT INTO lifetime (home, collection, prefix, seconds) VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET seconds = excluded.seconds
        """, .integer(home.id), .text(request.collection), .blob(request.prefix),
        seconds.map(SQLValue.integer) ?? .null)
    } else {
      try connection.run(
        "DELETE FROM lifetime WHERE home = ? AND collection = ? AND prefix = ?", .integer(home.id),
        .text(request.collection), .blob(request.prefix))
    }
    let count = try connection.integer(
      "SELECT count(*) FROM lifetime WHERE home = ?", .integer(home.id))
    guard let count, count <= RecordLimits.lifetimesMax else {
      throw StorageError(
        .invalidArgument,
        "A user sets at most \(RecordLimits.lifetimesMax) lifetimes a class; nothing was changed. Take one back"
          + " first.")
    }
    try connection.run(
      "UPDATE home SET lifetimes = ? WHERE id = ?", .integer(count), .integer(home.id))
  }

  /// Gives stored records, some at a time in the order of keys, the lifetime that they would have if they were written
  /// now, counted from when they were. The last key it looked at; nil at the end.
  func fitLifetimes(
    _ request: LifetimeRequest, after key: [UInt8], limit: Int
  ) throws -> [UInt8]? {
    let home = try fence(
      request.home, law: request.law, collections: [request.collection], isPut: true)
    let retention = law.retention[home.dataClass]
    let (_, upper) = KeyRange.prefix(RecordKey(request.prefix)).bounds
    let rows = try connection.rows(
      """
      SELECT key, written, expires FROM record
      WHERE home = ?1 AND collection = ?2 AND key > ?3 AND key >= ?4 AND (?5 IS NULL OR key < ?5)
        AND (expires IS NULL OR expires > ?6)
      ORDER BY key LIMIT ?7
      """, .integer(home.id), .text(request.collection), .blob(key), .blob(request.prefix),
      upper.map(SQLValue.blob) ?? .null, .integer(now), .integer(Int64(limit)),
      as: { (key: $0.blob(0), written: $0.integer(1), expires: $0.integerIfPresent(2)) })
    for row in rows {
      let operation = try RecordOperation(
        .delete, collection: request.collection, key: RecordKey(row.key))
      let wish =
        try home.hasLifetimes
        ? lifetime(operation, home: home.id) : nil
      let seconds = wish.map(\.seconds) ?? retention?.standardSeconds
      var expires = fitted(
        seconds.map { row.written + $0 * 1000 }, written: row.written, retention)
      // Nobody asked for it to be kept longer; its writer may have asked for less.
      if request.lifetime == .byDefault, let old = row.expires {
        expires = min(expires ?? .max, old)
      }
      if expires != row.expires {
        try set(expires: expires, home: home.id, request.collection, row.key)
        if home.isCopying {
          try note(home: home.id, collection: request.collection, key: row.key)
        }
      }
    }
    return rows.count == limit ? rows.last?.key : nil
  }

  func set(
    expires: Int64?, home: Int64, _ collection: String, _ key: [UInt8]
  ) throws {
    try connection.run(
      "UPDATE record SET expires = ? WHERE home = ? AND collection = ? AND key = ?",
      expires.map(SQLValue.integer) ?? .null, .integer(home), .text(collection), .blob(key))
  }

  // MARK: A changed policy

  /// Fits the records of classes whose retention has changed to it, some at a time, in the order of homes and keys. Whether
  /// there is more to do.
  func fitToLaw(limit: Int) throws -> Bool {
    guard
      var cursor = try connection.rows(
        """
        SELECT class, fitted, fitted_collection, fitted_key FROM law_retention
        WHERE fitted IS NOT NULL LIMIT 1
        """, as: FitCursor.init
      ).first, let retention = law.retention[cursor.dataClass]
    else { return false }
    let homes = try connection.rows(
      "SELECT id, class, state FROM home WHERE id >= ? ORDER BY id LIMIT ?",
      .integer(cursor.home), .integer(Int64(limit)),
      as: { (id: $0.integer(0), dataClass: $0.text(1), state: HomeState(rawValue: $0.text(2))) })
    var left = limit
    for home in homes {
      if home.id != cursor.home { cursor.begin(home.id) }
      guard home.dataClass == cursor.dataClass, let state = home.state,
        [.active, .copying, .held].contains(state)
      else { continue }
      left -= try fit(&cursor, isCopying: state == .copying, retention, limit: left)
      if left <= 0 { break }
    }
    let isAtEnd = left > 0 && homes.count < limit
    if left > 0, let last = homes.last { cursor.begin(last.id + 1) }
    try connection.run(
      """
      UPDATE law_retention SET fitted = ?, fitted_collection = ?, fitted_key = ? WHERE class = ?
      """, isAtEnd ? .null : .integer(cursor.home), .text(isAtEnd ? "" : cursor.collection),
      .blob(isAtEnd ? [] : cursor.key), .text(cursor.dataClass))
    return true
  }

  /// Up to where the records of a class have been fitted.
  private struct FitCursor {
    let dataClass: String
    private(set) var home: Int64
    var collection: String
    var key: [UInt8]

    init(_ row: Statement) {
      dataClass = row.text(0)
      home = row.integer(1)
      collection = row.text(2)
      key = row.blob(3)
    }

    mutating func begin(_ home: Int64) {
      self.home = home
      collection = ""
      key = []
    }
  }

  /// How many records of the cursor's home it looked at.
  private func fit(
    _ cursor: inout FitCursor, isCopying: Bool, _ retention: ShardLaw.Retention, limit: Int
  ) throws -> Int {
    let home = cursor.home
    let rows = try connection.rows(
      """
      SELECT collection, key, written, expires FROM record
      WHERE home = ? AND (collection, key) > (?, ?) ORDER BY collection, key LIMIT ?
      """, .integer(home), .text(cursor.collection), .blob(cursor.key), .integer(Int64(limit)),
      as: { row in
        (
          collection: row.text(0), key: row.blob(1), written: row.integer(2),
          expires: row.integerIfPresent(3)
        )
      })
    for row in rows {
      let expires = fitted(row.expires, written: row.written, retention)
      if expires != row.expires {
        try set(expires: expires, home: home, row.collection, row.key)
        if isCopying { try note(home: home, collection: row.collection, key: row.key) }
      }
    }
    if let last = rows.last {
      cursor.collection = last.collection
      cursor.key = last.key
    }
    return rows.count
  }

  // MARK: What is held

  /// Refuses to delete or replace what the policy or a legal hold still holds.
  ///
  /// - Throws: ``StorageError`` with `held`, until when and under which rule.
  func checkMayGo(written: Int64, home: FencedHome) throws {
    let hold = home.hasHolds ? try self.hold(on: home.id) : nil
    guard let held = hold ?? heldByLaw(written: written, dataClass: home.dataClass) else { return }
    throw StorageError(held)
  }

  func heldByLaw(written: Int64, dataClass: String) -> HeldData? {
    guard let retention = law.retention[dataClass], let seconds = retention.shortestSeconds,
      written + seconds * 1000 > time.settled
    else { return nil }
    return HeldData(until: written + seconds * 1000, rule: retention.rule)
  }

  /// The legal hold that ends last.
  func hold(on home: Int64) throws -> HeldData? {
    try Self.hold(on: home, in: connection, at: time.settled)
  }

  static func hold(
    on home: Int64, in connection: Connection, at settled: Int64
  ) throws -> HeldData? {
    try connection.rows(
      """
      SELECT name, until FROM hold WHERE home = ? AND (until IS NULL OR until > ?)
      ORDER BY until IS NULL DESC, until DESC LIMIT 1
      """, .integer(home), .integer(settled),
      as: { HomeHold(name: $0.text(0), until: $0.integerIfPresent(1)) }
    ).first.flatMap { HeldData(by: $0, at: settled) }
  }

  /// What a legal hold keeps; nil if it has ended.
  func held(by hold: HomeHold) -> HeldData? { HeldData(by: hold, at: time.settled) }

  /// Puts a home under a legal hold, or changes when that ends. Why not, if it cannot be.
  func hold(_ home: HomeReference, name: String, until: Int64?) throws -> StorageError? {
    guard let row = try homeRow(home.owner, home.dataClass) else {
      // Of what was erased, and forgotten, nothing is there to be held.
      return home.serial <= floor ? nil : refusal(.moved)
    }
    guard row.serial == home.serial else { return refusal(.moved) }
    // What a move has copied with the last changes is what the target has.
    if row.state == .frozen { return refusal(.frozen) }
    if row.state == .erased {
      guard try isLeft(row) else { return nil }
      // An erasure that goes on looks at each step whether something is held.
      try connection.run("UPDATE home SET state = 'held' WHERE id = ?", .integer(row.id))
    } else if !row.hasRecords {
      return refusal(.moved)
    }
    try put(HomeHold(name: name, until: until), on: row.id)
    return nil
  }

  func put(_ hold: HomeHold, on home: Int64) throws {
    try connection.run(
      """
      INSERT INTO hold (home, name, until) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET until = excluded.until
      """, .integer(home), .text(hold.name), hold.until.map(SQLValue.integer) ?? .null)
    try countHolds(home)
  }

  /// Ends a legal hold; there may be none.
  func release(_ home: HomeReference, name: String) throws -> StorageError? {
    guard let row = try homeRow(home.owner, home.dataClass) else {
      return home.serial <= floor ? nil : refusal(.moved)
    }
    guard row.serial == home.serial else { return refusal(.moved) }
    if row.state == .frozen { return refusal(.frozen) }
    try connection.run(
      "DELETE FROM hold WHERE home = ? AND name = ?", .integer(row.id), .text(name))
    try countHolds(row.id)
    return nil
  }

  func countHolds(_ home: Int64) throws {
    try connection.run(
      "UPDATE home SET holds = (SELECT count(*) FROM hold WHERE home = ?1) WHERE id = ?1",
      .integer(home))
  }
}

/// Why data may not go yet.
package struct HeldData: Sendable, Equatable {
  /// Milliseconds since 1970; nil: until somebody ends the legal hold.
  package let until: Int64?
  /// As the policy says, or the name of the legal hold.
  package let rule: String
}

extension HeldData {
  /// Nil if the legal hold has ended.
  init?(by hold: HomeHold, at settled: Int64) {
    if let until = hold.until, until <= settled { return nil }
    self.init(until: hold.until, rule: "the legal hold “\(hold.name)”")
  }
}

/// A lifetime that a user sets for what is stored under a prefix, and for what will be.
package struct LifetimeRequest: Sendable {
  package enum Lifetime: Sendable, Equatable {
    /// As the policy says.
    case byDefault
    /// Nil: until the record is deleted.
    case seconds(Int64?)
  }
  package let home: HomeReference
  package let law: LawReference
  package let collection: String
  /// Empty: the whole collection.
  package let prefix: [UInt8]
  package let lifetime: Lifetime

  package init(
    home: HomeReference, law: LawReference, collection: String, prefix: [UInt8], lifetime: Lifetime
  ) {
    self.home = home
    self.law = law
    self.collection = collection
    self.prefix = prefix
    self.lifetime = lifetime
  }
}
