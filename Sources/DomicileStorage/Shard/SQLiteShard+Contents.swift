import DomicileSQLite

/// What an erasure would find, or has left.
extension SQLiteShard {
  package func contents(
    of owner: OwnerKey, dataClass: String, author: OwnerAlias?, holds: [HomeHold]
  ) throws(StorageError) -> HomeContents {
    let settled = time.settled
    let found = try read { reader, _ in
      try reader.connection.snapshot { () throws -> HomeContents? in
        let connection = reader.connection
        guard
          let home = try connection.integer(
            "SELECT id FROM home WHERE owner = ? AND class = ?", .blob(owner.bytes),
            .text(dataClass))
        else { return nil }
        let law = try connection.rows(
          "SELECT shortest, rule FROM law_retention WHERE class = ?", .text(dataClass),
          as: { (shortest: $0.integerIfPresent(0).map { $0 * 1000 }, rule: $0.text(1)) }
        ).first
        let oldest = SQLValue.integer(settled - (law?.shortest ?? 0))
        let all =
          if let author {
            try connection.rows(
              Self.authoredContentsSQL, .integer(home), oldest, .text(dataClass),
              .text("\(author)"),
              as: Self.counts)
          } else {
            try connection.rows(Self.ownSQL, .integer(home), oldest, as: Self.counts)
          }
        let (records, young, newest) = all[0]
        if records == 0 { return HomeContents(records: 0, held: nil) }
        let noted = try ShardWriter.hold(on: home, in: connection, at: settled)
        let legal = ([noted] + holds.map { HeldData(by: $0, at: settled) }).compactMap(\.self)
        if let hold = legal.max(by: { ($0.until ?? .max) < ($1.until ?? .max) }) {
          return HomeContents(records: records, held: HeldHome(records: records, data: hold))
        }
        guard let law, let shortest = law.shortest, young > 0 else {
          return HomeContents(records: records, held: nil)
        }
        return HomeContents(
          records: records,
          held: HeldHome(
            records: young, data: HeldData(until: newest + shortest, rule: law.rule)))
      }
    }
    return found ?? HomeContents(records: 0, held: nil)
  }

  private static func counts(_ row: Statement) -> (records: Int64, young: Int64, newest: Int64) {
    (row.integer(0), row.integer(1), row.integer(2))
  }

  private static let ownSQL = """
    SELECT count(*), total(written > ?2), max(written) FROM record WHERE home = ?1
    """

  /// Collection by collection, so that each is entered at its author: `CROSS` keeps that order.
  static let authoredContentsSQL = """
    SELECT count(*), total(r.written > ?2), max(r.written)
    FROM law_collection c
      CROSS JOIN label l ON l.home = ?1 AND l.collection = c.collection
        AND l.name = '\(LabelText.author)' AND l.value = ?4
      CROSS JOIN record r ON r.home = ?1 AND r.collection = c.collection AND r.key = l.key
    WHERE c.class = ?3
    """
}

/// How many records are in a home, or one author's of them.
package struct HomeContents: Sendable, Equatable {
  package let records: Int64
  /// Those that an erasure of the whole has to leave for now.
  package let held: HeldHome?

  package init(records: Int64, held: HeldHome?) {
    self.records = records
    self.held = held
  }
}
