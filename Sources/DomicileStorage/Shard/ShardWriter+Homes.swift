import DomicileSQLite

extension ShardWriter {
  // MARK: Homes

  /// Stages a home as incoming, over nothing or over a row with a lower or equal token, and only if the law
  /// permits it.
  func stage(_ staging: HomeStaging, law reference: LawReference) throws -> StorageError? {
    let home = staging.home
    guard isInForce(reference) else { return refusal(.policyChanged) }
    guard permits(profile: "\(staging.profile)", dataClass: home.dataClass) else {
      return refusal(.barred)
    }
    if let old = try homeRow(home.owner, home.dataClass) {
      // The same token means the same staging, which may already have been opened.
      guard old.fence <= home.serial else { return outrun }
      switch old.state {
      case .absent, .incoming: break
      case .moved where old.fence < home.serial: break
      case .erased where old.fence < home.serial:
        // A later life must not begin with what an unfinished erasure has left.
        if try hasRecords(old.id) { return refusal(.erasing) }
      case .active where old.serial == home.serial: return nil
      default: return outrun
      }
    } else if home.serial <= floor {
      // Perhaps it was erased, and forgotten. Whoever asks takes a new token.
      return outrun
    }
    try connection.run(
      """
      INSERT INTO home (owner, class, alias, serial, state, tags, profile)
      VALUES (?, ?, ?, ?, 'incoming', ?, ?)
      ON CONFLICT (owner, class) DO UPDATE SET alias = excluded.alias, serial = excluded.serial,
        state = excluded.state, tags = excluded.tags, profile = excluded.profile, token = 0,
        frozen_until = NULL
      """,
      .blob(home.owner.bytes), .text(home.dataClass), .blob(staging.alias.bytes),
      .integer(home.serial), .integer(home.tags), .text("\(staging.profile)"))
    return nil
  }

  /// Opens a home that the directory names, at exactly the directory's serial.
  func open(_ home: HomeReference) throws -> StorageError? {
    try connection.run(
      """
      UPDATE home SET state = 'active'
      WHERE owner = ? AND class = ? AND serial = ? AND state = 'incoming'
      """,
      .blob(home.owner.bytes), .text(home.dataClass), .integer(home.serial))
    if connection.changes == 1 { return nil }
    let row = try homeRow(home.owner, home.dataClass)
    guard let row, row.serial == home.serial, row.state.answersReads else {
      return refusal(.moved)
    }
    return nil
  }

  /// Drops a staged home, leaving a row `absent` with the token; a row is made where there is none.
  /// With `onlyEarlierTags` one that was staged with the reference's tags, or later ones, stays.
  func drop(_ home: HomeReference, onlyEarlierTags: Bool = false) throws -> StorageError? {
    if let old = try homeRow(home.owner, home.dataClass) {
      guard old.fence <= home.serial else { return outrun }
      switch old.state {
      case .absent: break
      case .incoming:
        if onlyEarlierTags, old.tags >= home.tags { return nil }
      case .erased where old.fence < home.serial:
        // An earlier life's: whoever was to stage over it is outrun by the token.
        if try hasRecords(old.id) { return refusal(.erasing) }
      default: return outrun
      }
    } else if home.serial <= floor {
      return nil
    }
    try connection.run(
      """
      INSERT INTO home (owner, class, alias, serial, state, tags, profile)
      VALUES (?, ?, x'', ?, 'absent', 0, '')
      ON CONFLICT (owner, class) DO UPDATE SET alias = x'', serial = excluded.serial,
        state = 'absent', tags = 0, profile = '', token = 0
      """,
      .blob(home.owner.bytes), .text(home.dataClass), .integer(home.serial))
    return nil
  }

  /// Stamps a home with tags that have changed since it was staged, in whatever state its data can still be opened in.
  /// Tags never go back: a later stamp stays.
  func retag(_ staging: HomeStaging) throws -> StorageError? {
    let home = staging.home
    try connection.run(
      """
      UPDATE home SET tags = ?1, profile = ?2
      WHERE owner = ?3 AND class = ?4 AND serial = ?5 AND tags < ?1
        AND state IN ('incoming', 'active', 'copying', 'frozen', 'held')
      """,
      .integer(home.tags), .text("\(staging.profile)"), .blob(home.owner.bytes),
      .text(home.dataClass), .integer(home.serial))
    if connection.changes == 1 { return nil }
    let row = try homeRow(home.owner, home.dataClass)
    guard let row, row.serial == home.serial else { return refusal(.moved) }
    // An erased home has none.
    return row.tags >= home.tags || row.state == .erased ? nil : refusal(.moved)
  }

  /// Forgets some homes of which nothing is left: the keyed hash of the id would lead whoever has the key to the time of the
  /// erasure, and so to the alias. Their tokens are kept back by the floor. How many were forgotten.
  func forgetGone(limit: Int) throws -> Int {
    let rows = try connection.rows(
      """
      SELECT id, max(serial, token) FROM home WHERE state IN ('erased', 'absent', 'moved')
        AND NOT EXISTS (SELECT 1 FROM record WHERE record.home = home.id) LIMIT ?
      """, .integer(Int64(limit)), as: { (id: $0.integer(0), fence: $0.integer(1)) })
    for row in rows { try connection.run("DELETE FROM home WHERE id = ?", .integer(row.id)) }
    let authors = try connection.rows(
      "DELETE FROM author_erasure RETURNING token", as: { $0.integer(0) })
    guard let highest = (rows.map(\.fence) + authors).max() else { return 0 }
    floor = max(floor, highest)
    try connection.run("UPDATE shard SET floor = ?", .integer(floor))
    return rows.count
  }

  /// What the writer needs of a home's row.
  struct HomeInfo {
    let id: Int64
    let serial: Int64
    /// That of whoever moves it; 0: nobody has.
    let token: Int64
    let state: HomeState
    let tags: Int64
    let hasHolds: Bool
    /// Nobody with a lower token changes it.
    var fence: Int64 { max(serial, token) }
    /// Whether there may be records of it.
    var hasRecords: Bool { ![.absent, .erased, .moved].contains(state) }
  }

  func homeRow(_ owner: OwnerKey, _ dataClass: String) throws -> HomeInfo? {
    try selectHome.bind(1, owner.bytes)
    try selectHome.bind(2, dataClass)
    defer { selectHome.reset() }
    guard try selectHome.step() else { return nil }
    guard let state = HomeState(rawValue: selectHome.text(2)) else {
      throw StorageError(.corrupt, "A home of \(identity.place) has no known state.")
    }
    return HomeInfo(
      id: selectHome.integer(0), serial: selectHome.integer(1), token: selectHome.integer(7),
      state: state, tags: selectHome.integer(3), hasHolds: selectHome.integer(6) != 0)
  }

  var outrun: StorageError {
    StorageError(.outrun, "Another admission of this user went ahead; nothing was written.")
  }
}
