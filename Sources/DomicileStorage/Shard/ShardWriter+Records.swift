import DomicileSQLite

extension ShardWriter {
  // MARK: Records

  func write(_ request: WriteRequest) throws -> [RecordOutcome] {
    let home = try fence(
      request.home, law: request.law, collections: request.operations.map(\.collection),
      isPut: request.operations.contains(where: \.isPut))
    return try request.operations.map { try apply($0, to: home, author: request.author) }
  }

  private func apply(
    _ operation: RecordOperation, to home: FencedHome, author: OwnerAlias?
  ) throws -> RecordOutcome {
    let old = try oldRecord(operation, home: home.id)
    let isThere = old.map { !$0.isExpired(at: now) } ?? false
    switch operation.condition {
    case nil: break
    case .absent where !isThere: break
    case .version(let version) where isThere && old?.version == version.number: break
    default:
      throw StorageError(
        .versionMismatch,
        "The record is not as the condition demands; nothing was written. Read it and try again.")
    }
    // The last that can be refused; what follows changes rows.
    if let old { try checkMayGo(written: old.written, home: home) }
    var expires: Int64?
    if case .put(_, _, let expiry) = operation.change {
      expires = try self.expires(expiry, operation, home: home)
    }
    if home.isCopying, old != nil || operation.isPut {
      try note(home: home.id, collection: operation.collection, key: operation.key)
    }
    if let labels = old?.labels {
      try run(deleteLabel, labels, home.id, operation.collection, operation.key)
    }
    switch operation.change {
    case .delete:
      if old != nil {
        try deleteRecord.bind(1, home.id)
        try deleteRecord.bind(2, operation.collection)
        try deleteRecord.bind(3, operation.key)
        try deleteRecord.run()
      }
      return RecordOutcome(version: nil, existed: isThere)
    case .put(let value, var labels, _):
      if let author { labels[LabelText.author] = "\(author)" }
      let version = RecordVersion(number: Int64(bitPattern: random()))
      try upsertRecord.bind(1, home.id)
      try upsertRecord.bind(2, operation.collection)
      try upsertRecord.bind(3, operation.key)
      try upsertRecord.bind(4, version.number)
      try upsertRecord.bind(5, now)
      try upsertRecord.bind(6, expires)
      if let text = try LabelText.encode(labels) {
        try upsertRecord.bind(7, text)
      } else {
        try upsertRecord.bindNull(7)
      }
      try upsertRecord.bind(8, value)
      try upsertRecord.run()
      try run(insertLabel, labels, home.id, operation.collection, operation.key)
      return RecordOutcome(version: version, existed: isThere)
    }
  }

  private struct OldRecord {
    let version: Int64
    let expires: Int64?
    let labels: [String: String]
    let written: Int64
    func isExpired(at now: Int64) -> Bool { expires.map { $0 <= now } ?? false }
  }

  private func oldRecord(_ operation: RecordOperation, home: Int64) throws -> OldRecord? {
    try selectRecord.bind(1, home)
    try selectRecord.bind(2, operation.collection)
    try selectRecord.bind(3, operation.key)
    defer { selectRecord.reset() }
    guard try selectRecord.step() else { return nil }
    return OldRecord(
      version: selectRecord.integer(0), expires: selectRecord.integerIfPresent(1),
      labels: selectRecord.isNull(2) ? [:] : try LabelText.decode(selectRecord.text(2)),
      written: selectRecord.integer(3))
  }

  /// Notes for a move that a record is not as it was copied.
  func note(home: Int64, collection: String, key: [UInt8]) throws(SQLiteError) {
    try noteChange.bind(1, home)
    try noteChange.bind(2, collection)
    try noteChange.bind(3, key)
    try noteChange.run()
  }

  /// Inserts or deletes the rows of a record's labels.
  func run(
    _ statement: Statement, _ labels: [String: String], _ home: Int64, _ collection: String,
    _ key: [UInt8]
  ) throws(SQLiteError) {
    for (name, value) in labels {
      try statement.bind(1, home)
      try statement.bind(2, collection)
      try statement.bind(3, name)
      try statement.bind(4, value)
      try statement.bind(5, key)
      try statement.run()
    }
  }
}
