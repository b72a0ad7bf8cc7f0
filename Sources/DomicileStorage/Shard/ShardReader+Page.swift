import DomicileSQLite

extension ShardReader {
  /// A page by key, or by label and key, on the snapshot that is open.
  func page(_ request: PageRequest, home: Int64, now: Int64) throws -> RecordPage {
    guard (1...RecordLimits.pageRecordsMax).contains(request.limit) else {
      throw StorageError(
        .invalidArgument,
        "A page has 1 to \(RecordLimits.pageRecordsMax) records; \(request.limit) were asked for.")
    }
    var (lower, upper) = request.range.bounds
    var includesLower = true
    if let cursor = request.after?.key.bytes {
      if request.order == .ascending, !cursor.lexicographicallyPrecedes(lower) {
        lower = cursor
        includesLower = false
      } else if request.order == .descending {
        upper = upper.map { cursor.lexicographicallyPrecedes($0) ? cursor : $0 } ?? cursor
      }
    }
    let statement = try connection.prepare(
      Self.pageSQL(
        byLabel: request.label != nil, order: request.order, includesLower: includesLower,
        hasUpper: upper != nil))
    defer { statement.reset() }
    try statement.bind(1, home)
    try statement.bind(2, request.collection)
    try statement.bind(3, lower)
    if let upper { try statement.bind(4, upper) }
    try statement.bind(5, now)
    // One more than asked for tells whether there is a next page.
    try statement.bind(6, Int64(request.limit + 1))
    if let label = request.label {
      try statement.bind(7, label.name)
      try statement.bind(8, label.value)
    }
    var records: [StoredRecord] = []
    while try statement.step() { records.append(try Self.record(statement, from: 0)) }
    let hasMore = records.count > request.limit
    if hasMore { records.removeLast() }
    return RecordPage(
      records: records, next: hasMore ? records.last.map { RecordCursor(after: $0.key) } : nil)
  }

  /// The statement of a page. All of its forms walk one index in its order.
  static func pageSQL(
    byLabel: Bool, order: RecordOrder, includesLower: Bool, hasUpper: Bool
  ) -> String {
    let table = byLabel ? "l" : "r"
    var sql = "SELECT \(columns) FROM "
    if byLabel {
      sql += """
        label l JOIN record r ON r.home = l.home AND r.collection = l.collection AND r.key = l.key
        WHERE l.home = ?1 AND l.collection = ?2 AND l.name = ?7 AND l.value = ?8
        """
    } else {
      sql += "record r WHERE r.home = ?1 AND r.collection = ?2"
    }
    sql += " AND \(table).key \(includesLower ? ">=" : ">") ?3"
    if hasUpper { sql += " AND \(table).key < ?4" }
    sql += " AND (r.expires IS NULL OR r.expires > ?5)"
    sql += " ORDER BY \(table).key \(order == .ascending ? "ASC" : "DESC") LIMIT ?6"
    return sql
  }
}
