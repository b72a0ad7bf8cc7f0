import DomicilePolicy
import DomicileSQLite

extension SQLiteShard {
  package func tallies() throws(StorageError) -> [HomeTally] {
    let (_, law) = try stampedLaw()
    var sums: [TallyKey: HomeTally] = [:]
    var last: Int64 = 0
    // Some homes at a time: one long reading would keep the WAL from being cut.
    while let end = try homeNumber(500, after: last) {
      let rows = try read { reader, now in
        try reader.connection.rows(
          """
          SELECT h.class, h.profile, count(DISTINCT h.id), count(r.home),
            total(length(r.key) + length(r.value))
          FROM home h LEFT JOIN record r ON r.home = h.id AND (r.expires IS NULL OR r.expires > ?1)
          WHERE h.id > ?2 AND h.id <= ?3 AND h.state IN ('active', 'copying', 'frozen')
          GROUP BY h.class, h.profile
          """, .integer(now), .integer(last), .integer(end),
          as: { row in
            HomeProfile(row.text(1)).map { profile in
              HomeTally(
                dataClass: row.text(0), profile: profile, homes: row.integer(2),
                records: row.integer(3), bytes: row.integer(4),
                isBarred: !law.permits(profile, dataClass: row.text(0)))
            }
          }
        ).compactMap(\.self)
      }
      for tally in rows {
        let key = TallyKey(dataClass: tally.dataClass, profile: "\(tally.profile)")
        sums[key] = sums[key].map { $0.adding(tally) } ?? tally
      }
      last = end
    }
    return sums.sorted { $0.key < $1.key }.map(\.value)
  }

  package func recordsOutlasting(
    seconds: Int64, dataClass: String
  ) throws(StorageError) -> OutlastingTally {
    var sum = OutlastingTally()
    var last: Int64 = 0
    while let end = try homeNumber(500, after: last) {
      let rows = try read { reader, now in
        try reader.connection.rows(
          """
          SELECT count(*), total(r.written + ?1 <= ?2),
            total((r.written + ?1 <= ?2) * (length(r.key) + length(r.value)))
          FROM home h JOIN record r ON r.home = h.id
          WHERE h.id > ?3 AND h.id <= ?4 AND h.class = ?5
            AND h.state IN ('active', 'copying', 'frozen', 'held')
            AND (r.expires IS NULL OR r.expires > max(?2, r.written + ?1))
          """, .integer(seconds * 1000), .integer(now), .integer(last), .integer(end),
          .text(dataClass), as: { ($0.integer(0), $0.integer(1), $0.integer(2)) })
      }
      for (records, older, bytes) in rows {
        sum.records += records
        sum.older += older
        sum.olderBytes += bytes
      }
      last = end
    }
    return sum
  }

  private struct TallyKey: Hashable, Comparable {
    let dataClass: String
    let profile: String
    static func < (left: TallyKey, right: TallyKey) -> Bool {
      (left.dataClass, left.profile) < (right.dataClass, right.profile)
    }
  }

  /// The number of the last of some homes after a number; nil if there are none.
  private func homeNumber(_ count: Int64, after id: Int64) throws(StorageError) -> Int64? {
    try read { reader, _ in
      try reader.connection.rows(
        "SELECT max(id) FROM (SELECT id FROM home WHERE id > ? ORDER BY id LIMIT ?)",
        .integer(id), .integer(count), as: { $0.integerIfPresent(0) }
      ).first ?? nil
    }
  }

  package func homes(after id: Int64, limit: Int) throws(StorageError) -> [HomeRow] {
    try read { reader, _ in
      try reader.connection.rows(
        "SELECT \(Self.homeColumns) FROM home WHERE id > ? ORDER BY id LIMIT ?", .integer(id),
        .integer(Int64(limit)), as: Self.homeRow)
    }.map { result throws(StorageError) in try result.get() }
  }

  package func home(owner: OwnerKey, dataClass: String) throws(StorageError) -> HomeRow? {
    try read { reader, _ in
      try reader.connection.rows(
        "SELECT \(Self.homeColumns) FROM home WHERE owner = ? AND class = ?", .blob(owner.bytes),
        .text(dataClass), as: Self.homeRow)
    }.first?.get()
  }

  /// Homes that are erased and still have records: right only while the directory notes their erasure.
  package func erasedHomesWithRecords() throws(StorageError) -> [HomeRow] {
    try read { reader, _ in
      try reader.connection.rows(
        """
        SELECT \(Self.homeColumns) FROM home
        WHERE state = 'erased' AND EXISTS (SELECT 1 FROM record r WHERE r.home = home.id)
        """, as: Self.homeRow)
    }.map { result throws(StorageError) in try result.get() }
  }

  private static var homeColumns: String { "id, owner, class, alias, serial, state, tags, profile" }

  private static func homeRow(_ row: Statement) -> Result<HomeRow, StorageError> {
    let state = HomeState(rawValue: row.text(5))
    let isEmpty = state == .absent || state == .erased
    let profile = isEmpty ? nil : HomeProfile(row.text(7))
    guard let owner = OwnerKey(bytes: row.blob(1)), let state,
      isEmpty || profile != nil
    else {
      return .failure(
        StorageError(.corrupt, "The home \(row.integer(0)) of this shard cannot be read."))
    }
    return .success(
      HomeRow(
        id: row.integer(0), owner: owner, dataClass: row.text(2),
        alias: OwnerAlias(bytes: row.blob(3)), serial: row.integer(4), state: state,
        tags: row.integer(6), profile: profile))
  }
}
