import DomicilePolicy
import DomicileSQLite

extension ShardWriter {
  static func readLaw(_ connection: Connection) throws(SQLiteError) -> ShardLaw {
    let rows = try connection.rows(
      "SELECT class, residence, considering, attributes FROM law",
      as: { row in
        CountryCode(row.text(1)).map { residence in
          ShardLaw.Row(
            dataClass: row.text(0), residence: residence,
            considering: row.text(2).split(separator: " ").map(String.init),
            having: row.text(3).split(separator: " ").map(String.init))
        }
      })
    let collections = try connection.rows(
      "SELECT collection, class FROM law_collection", as: { ($0.text(0), $0.text(1)) })
    return ShardLaw(
      rows: rows.compactMap(\.self),
      collections: Dictionary(collections, uniquingKeysWith: { first, _ in first }),
      attributes: try connection.rows(
        "SELECT attribute FROM law_attribute", as: { $0.text(0) }),
      retention: Dictionary(
        try connection.rows(
          "SELECT class, standard, longest, shortest, rule FROM law_retention",
          as: { row in
            (
              row.text(0),
              ShardLaw.Retention(
                standardSeconds: row.integerIfPresent(1), longestSeconds: row.integerIfPresent(2),
                shortestSeconds: row.integerIfPresent(3), rule: row.text(4))
            )
          }), uniquingKeysWith: { first, _ in first }))
  }

  // MARK: The law

  /// Stamps the shard with a policy, unless it has a later one. Whether the shard has this one now.
  func raise(
    to reference: LawReference, law: ShardLaw, accepts: [String]
  ) throws(SQLiteError) -> Bool {
    if stamp == reference, try Self.readLaw(connection) == law { return true }
    if stamp.generation == reference.generation, stamp.digest != reference.digest { return false }
    guard stamp.generation <= reference.generation else { return false }
    for table in ["law", "law_collection", "law_attribute"] {
      try connection.execute("DELETE FROM \(table)")
    }
    try raise(retention: law.retention)
    for (collection, dataClass) in law.collections {
      try connection.run(
        "INSERT INTO law_collection (collection, class) VALUES (?, ?)", .text(collection),
        .text(dataClass))
    }
    for attribute in law.attributes {
      try connection.run("INSERT INTO law_attribute (attribute) VALUES (?)", .text(attribute))
    }
    let insert = try connection.prepare(
      "INSERT INTO law (class, residence, considering, attributes) VALUES (?, ?, ?, ?)")
    for row in law.rows {
      try insert.bind([
        .text(row.dataClass), .text("\(row.residence)"),
        .text(row.considering.joined(separator: " ")), .text(row.having.joined(separator: " ")),
      ])
      try insert.run()
    }
    try connection.run(
      "UPDATE shard SET generation = ?, digest = ?, accepts = ?", .integer(reference.generation),
      .blob(reference.digest.bytes), .text(accepts.joined(separator: " ")))
    // Jobs later in this batch are decided by the new law.
    stamp = reference
    generationInForce = max(generationInForce, reference.generation)
    self.law = law
    verdicts = [:]
    lawStamp = nil
    return true
  }

  /// What is stored of a class whose limits have changed is fitted to them from then on, step by step.
  private func raise(retention: [String: ShardLaw.Retention]) throws(SQLiteError) {
    let old = try Self.readLaw(connection).retention
    let unfitted = try connection.rows(
      "SELECT class FROM law_retention WHERE fitted IS NOT NULL", as: { $0.text(0) })
    try connection.execute("DELETE FROM law_retention")
    for (dataClass, limits) in retention {
      let known = old[dataClass]
      let isSame =
        known?.longestSeconds == limits.longestSeconds
        && known?.shortestSeconds == limits.shortestSeconds
      // From the first home on, also where it is under way: it is done in steps and loses nothing.
      let fitted: Int64? = isSame && !unfitted.contains(dataClass) ? nil : 0
      try connection.run(
        """
        INSERT INTO law_retention (class, standard, longest, shortest, rule, fitted)
        VALUES (?, ?, ?, ?, ?, ?)
        """, .text(dataClass), Self.value(limits.standardSeconds),
        Self.value(limits.longestSeconds), Self.value(limits.shortestSeconds), .text(limits.rule),
        Self.value(fitted))
    }
  }

  private static func value(_ number: Int64?) -> SQLValue { number.map(SQLValue.integer) ?? .null }
}
