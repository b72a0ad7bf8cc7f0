import DomicilePolicy
import DomicileSQLite

/// The steps of a move in a shard. Each asks the home for serial and token first: whoever has been taken over changes nothing, however
/// late it wakes. What adds bytes asks the law, too.
extension ShardWriter {
  // MARK: The source

  /// Stamps the source with the mover's token and has its changes noted; a home that an earlier mover has frozen is thawed.
  func beginCopy(_ home: MoveHome) throws -> StorageError? {
    guard let row = try homeRow(home.owner, home.dataClass), row.serial == home.serial else {
      return refusal(.moved)
    }
    guard row.fence <= home.token else { return outrun }
    guard [.active, .copying, .frozen].contains(row.state) else { return refusal(.moved) }
    // What was noted before is noted still: nothing was written while it was frozen.
    try set(.copying, home)
    return nil
  }

  /// Ends the copying before the flip: the source is what it was.
  func endCopy(_ home: MoveHome) throws -> StorageError? {
    guard let row = try homeRow(home.owner, home.dataClass), row.serial == home.serial else {
      return refusal(.moved)
    }
    guard row.fence <= home.token else { return outrun }
    guard [.active, .copying, .frozen].contains(row.state) else { return refusal(.moved) }
    try connection.run("DELETE FROM change WHERE home = ?", .integer(row.id))
    try set(.active, home)
    return nil
  }

  /// Takes no writes from here on, until the flip, or until `milliseconds` (since 1970) have come.
  func freeze(_ home: MoveHome, until milliseconds: Int64) throws -> StorageError? {
    guard let row = try mine(home), [.copying, .frozen].contains(row.state) else { return outrun }
    try set(.frozen, home, until: milliseconds)
    return nil
  }

  /// Takes writes again, and goes on noting them.
  func thaw(_ home: MoveHome) throws -> StorageError? {
    guard let row = try mine(home), [.copying, .frozen].contains(row.state) else { return outrun }
    try set(.copying, home)
    return nil
  }

  /// Forgets that records have changed which are still as they were copied.
  func settle(_ home: MoveHome, _ changes: [MovedChange]) throws -> StorageError? {
    guard let row = try mine(home), [.copying, .frozen].contains(row.state) else { return outrun }
    for change in changes {
      let now = try connection.rows(
        "SELECT version, written, expires FROM record WHERE home = ? AND collection = ? AND key = ?",
        .integer(row.id), .text(change.position.collection), .blob(change.position.key),
        as: { ($0.integer(0), $0.integer(1), $0.integerIfPresent(2)) }
      ).first
      let isSame =
        if let record = change.record, let now {
          record.version == now.0 && record.written == now.1 && record.expires == now.2
        } else if change.record == nil {
          // What had expired was not copied.
          now.map { $0.2.map { $0 <= self.now } ?? false } ?? true
        } else {
          false
        }
      if isSame {
        try connection.run(
          "DELETE FROM change WHERE home = ? AND collection = ? AND key = ?", .integer(row.id),
          .text(change.position.collection), .blob(change.position.key))
      }
    }
    return nil
  }

  /// Deletes some of what is left at a place that is not, or will not be, the home: the source after the flip, the target after an
  /// abort or an erasure. At the end the row is `moved` or `absent`, with the token. Whether there is more.
  func empty(_ home: MoveHome, leaving state: HomeState, limit: Int) throws -> Result<
    Bool, StorageError
  > {
    guard let row = try homeRow(home.owner, home.dataClass) else {
      // A sweep has forgotten it; or nothing was ever there, and nothing may be under a lower token.
      if state == .moved || home.token <= floor { return .success(false) }
      try stampGone(home, state)
      return .success(false)
    }
    guard row.fence <= home.token else { return .failure(outrun) }
    switch (state, row.state) {
    case (.moved, .frozen), (.moved, .moved):
      guard row.serial == home.serial else { return .failure(refusal(.moved)) }
    // An erasure empties whatever the move has made.
    case (.absent, .incoming), (.absent, .absent), (.absent, .moved), (.absent, .erased),
      (.absent, .frozen):
      break
    default: return .failure(outrun)
    }
    // Under the token before the first row goes.
    try connection.run(
      "UPDATE home SET token = ? WHERE id = ?", .integer(home.token), .integer(row.id))
    let more = try deleteSome(of: row.id, limit: limit)
    if more { return .success(true) }
    try forgetSettings(of: row.id)
    try stampGone(home, state)
    return .success(false)
  }

  private func stampGone(_ home: MoveHome, _ state: HomeState) throws {
    // Nothing in the row leads to the alias.
    try connection.run(
      """
      INSERT INTO home (owner, class, alias, serial, state, tags, profile, token)
      VALUES (?, ?, x'', ?, ?, 0, '', ?)
      ON CONFLICT (owner, class) DO UPDATE SET alias = x'', serial = excluded.serial,
        state = excluded.state, tags = 0, profile = '', lifetimes = 0, holds = 0,
        token = excluded.token, frozen_until = NULL
      """, .blob(home.owner.bytes), .text(home.dataClass),
      .integer(state == .moved ? home.serial : home.token), .text(state.rawValue),
      .integer(home.token))
  }

  /// Whether there is more.
  private func deleteSome(of home: Int64, limit: Int) throws -> Bool {
    let labels = try connection.rows(
      """
      SELECT collection, name, value, key FROM label WHERE home = ?
      ORDER BY collection, name, value, key LIMIT 1 OFFSET ?
      """, .integer(home), .integer(Int64(limit)),
      as: {
        (
          SQLValue.text($0.text(0)), SQLValue.text($0.text(1)), SQLValue.text($0.text(2)),
          SQLValue.blob($0.blob(3))
        )
      }
    ).first
    if let labels {
      try connection.run(
        "DELETE FROM label WHERE home = ? AND (collection, name, value, key) < (?, ?, ?, ?)",
        .integer(home), labels.0, labels.1, labels.2, labels.3)
      return true
    }
    try connection.run("DELETE FROM label WHERE home = ?", .integer(home))
    let end = try connection.rows(
      "SELECT collection, key FROM record WHERE home = ? ORDER BY collection, key LIMIT 1 OFFSET ?",
      .integer(home), .integer(Int64(limit)),
      as: { RecordPosition(collection: $0.text(0), key: $0.blob(1)) }
    ).first
    guard let end else {
      try connection.run("DELETE FROM record WHERE home = ?", .integer(home))
      return false
    }
    // Two ranges of the table's key, so that nothing has to be compared row by row.
    try connection.run(
      "DELETE FROM record WHERE home = ? AND collection < ?", .integer(home),
      .text(end.collection))
    try connection.run(
      "DELETE FROM record WHERE home = ? AND collection = ? AND key < ?", .integer(home),
      .text(end.collection), .blob(end.key))
    return true
  }

  // MARK: The target

  /// Makes the target's home, over nothing or what is gone, or takes over the one that an earlier mover has made.
  func stageCopy(_ home: MoveHome, _ staging: HomeStaging, law: LawReference) throws
    -> StorageError?
  {
    if let refusal = refusalOfBytes(law, staging.profile, home.dataClass) { return refusal }
    if let row = try homeRow(home.owner, home.dataClass) {
      guard row.fence <= home.token else { return outrun }
      switch row.state {
      case .absent: break
      case .incoming:
        // Another life's, or of an admission that went elsewhere: with nothing in it.
        if row.serial != home.serial, try hasRecords(row.id) { return refusal(.moved) }
      case .erased, .moved:
        if try hasRecords(row.id) { return refusal(.erasing) }
      default: return refusal(.moved)
      }
    } else if home.token <= floor {
      return outrun
    }
    try connection.run(
      """
      INSERT INTO home (owner, class, alias, serial, state, tags, profile, token)
      VALUES (?, ?, ?, ?, 'incoming', ?, ?, ?)
      ON CONFLICT (owner, class) DO UPDATE SET alias = excluded.alias, serial = excluded.serial,
        state = excluded.state, tags = excluded.tags, profile = excluded.profile,
        token = excluded.token, frozen_until = NULL
      """, .blob(home.owner.bytes), .text(home.dataClass), .blob(staging.alias.bytes),
      .integer(home.serial), .integer(staging.home.tags), .text("\(staging.profile)"),
      .integer(home.token))
    return nil
  }

  /// Writes records as they are at the source, and deletes those that are not there.
  func copy(_ copied: MoveChanges, law: LawReference) throws -> StorageError? {
    let row: HomeInfo
    switch try copyTarget(copied.home, law: law) {
    case .success(let home): row = home
    case .failure(let error): return error
    }
    for change in copied.changes { try put(change, home: row.id) }
    if let settings = copied.settings { try put(settings, home: row.id) }
    return nil
  }

  /// The home to which bytes may be copied now; else why not.
  func copyTarget(_ home: MoveHome, law: LawReference) throws -> Result<HomeInfo, StorageError> {
    guard let row = try mine(home), row.state == .incoming else { return .failure(outrun) }
    let profile = try connection.rows(
      "SELECT profile FROM home WHERE id = ?", .integer(row.id), as: { HomeProfile($0.text(0)) }
    ).first.flatMap(\.self)
    return refusalOfBytes(law, profile, home.dataClass).map { .failure($0) } ?? .success(row)
  }

  private func put(_ change: MovedChange, home: Int64) throws {
    let (collection, key) = (change.position.collection, change.position.key)
    try run(deleteLabel, labels(home, collection, key), home, collection, key)
    guard let record = change.record else {
      try deleteRecord.bind(1, home)
      try deleteRecord.bind(2, collection)
      try deleteRecord.bind(3, key)
      return try deleteRecord.run()
    }
    try upsertRecord.bind(1, home)
    try upsertRecord.bind(2, collection)
    try upsertRecord.bind(3, key)
    try upsertRecord.bind(4, record.version)
    try upsertRecord.bind(5, record.written)
    try upsertRecord.bind(6, record.expires)
    if let labels = record.labels {
      try upsertRecord.bind(7, labels)
    } else {
      try upsertRecord.bindNull(7)
    }
    try upsertRecord.bind(8, record.value)
    try upsertRecord.run()
    try run(
      insertLabel, record.labels.map(LabelText.decode) ?? [:], home, collection, key)
  }

  private func labels(
    _ home: Int64, _ collection: String, _ key: [UInt8]
  ) throws -> [String: String] {
    try selectRecord.bind(1, home)
    try selectRecord.bind(2, collection)
    try selectRecord.bind(3, key)
    defer { selectRecord.reset() }
    guard try selectRecord.step(), !selectRecord.isNull(2) else { return [:] }
    return try LabelText.decode(selectRecord.text(2))
  }

  private func put(_ settings: MovedSettings, home: Int64) throws {
    for table in ["lifetime", "hold"] {
      try connection.run("DELETE FROM \(table) WHERE home = ?", .integer(home))
    }
    for lifetime in settings.lifetimes {
      try connection.run(
        "INSERT INTO lifetime (home, collection, prefix, seconds) VALUES (?, ?, ?, ?)",
        .integer(home), .text(lifetime.collection), .blob(lifetime.prefix),
        lifetime.seconds.map(SQLValue.integer) ?? .null)
    }
    for hold in settings.holds { try put(hold, on: home) }
    try countHolds(home)
    try connection.run(
      "UPDATE home SET lifetimes = ? WHERE id = ?", .integer(Int64(settings.lifetimes.count)),
      .integer(home))
  }

  // MARK: Guards

  /// The home, if it is that of the mover.
  private func mine(_ home: MoveHome) throws -> HomeInfo? {
    guard let row = try homeRow(home.owner, home.dataClass), row.serial == home.serial,
      row.token == home.token
    else { return nil }
    return row
  }

  /// Why bytes may not come here.
  private func refusalOfBytes(
    _ reference: LawReference, _ profile: HomeProfile?, _ dataClass: String
  ) -> StorageError? {
    guard isInForce(reference) else { return refusal(.policyChanged) }
    guard let profile, permits(profile: "\(profile)", dataClass: dataClass) else {
      return refusal(.barred)
    }
    return nil
  }

  func hasRecords(_ home: Int64) throws(SQLiteError) -> Bool {
    try connection.integer("SELECT 1 FROM record WHERE home = ? LIMIT 1", .integer(home)) != nil
  }

  private func set(_ state: HomeState, _ home: MoveHome, until: Int64? = nil) throws {
    try connection.run(
      """
      UPDATE home SET state = ?, token = ?, frozen_until = ?
      WHERE owner = ? AND class = ? AND serial = ?
      """, .text(state.rawValue), .integer(home.token), until.map(SQLValue.integer) ?? .null,
      .blob(home.owner.bytes), .text(home.dataClass), .integer(home.serial))
  }
}
