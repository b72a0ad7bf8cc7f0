import DomicileSQLite
package import DomicileStorage
package import Foundation

extension SQLiteDirectory {
  private var origin: String { LedgerKey.origin(of: deployment) }

  // MARK: Writing

  package func note(
    _ notes: [LedgerNote], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) {
    try await commits.commit(by: deadline) { writer in
      for note in notes { try writer.append(note.kind, note.complete) }
    }
  }

  package func count(
    _ refused: [RefusedWriteKey: Int64], at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) {
    try await commits.commit(by: deadline) { writer in
      try writer.count(refused)
      try writer.closeHours(before: time)
    }
  }

  package func hasRefusedWrites(before time: Date) throws(StorageError) -> Bool {
    try readers.read { reader in
      try reader.connection.integer(
        "SELECT 1 FROM refused_write WHERE hour + 3600 <= ? LIMIT 1",
        .integer(Int64(time.timeIntervalSince1970))) != nil
    }
  }

  package func shardsToTally() throws(StorageError) -> [String: Int64] {
    let rows = try readers.read { reader in
      try reader.connection.rows(
        "SELECT s.name, t.due FROM tally t JOIN shard s ON s.id = t.shard WHERE t.due > t.counted",
        as: { ($0.text(0), $0.integer(1)) })
    }
    return Dictionary(uniqueKeysWithValues: rows)
  }

  package func shardsWithBarredHomes() throws(StorageError) -> [String] {
    try readers.read { reader in
      try reader.connection.rows(
        "SELECT s.name FROM tally t JOIN shard s ON s.id = t.shard WHERE t.barred > 0 OR t.due > t.counted",
        as: { $0.text(0) })
    }
  }

  package func barredHomes() throws(StorageError) -> [String: Int] {
    try readers.read { reader in
      let rows = try reader.connection.rows(
        """
        SELECT s.name, ifnull(t.barred, 0) FROM shard s LEFT JOIN tally t ON t.shard = s.id
        WHERE t.shard IS NULL OR t.due <= t.counted
        """, as: { ($0.text(0), Int($0.integer(1))) })
      return Dictionary(rows, uniquingKeysWith: { first, _ in first })
    }
  }

  package func noteBarred(
    _ tally: BarringTally, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) {
    try await commits.commit(by: deadline) { writer in try writer.noteBarred(tally) }
  }

  package func rotate(
    from old: LedgerKey?, to new: LedgerKey, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) {
    let origin = origin
    try await commits.commit(by: deadline) { writer in
      try writer.rotate(from: old, to: new, origin: origin)
    }
  }

  package func pruneLedger(
    before time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Int64 {
    let (begin, pruned) = try readers.read { reader in
      try reader.connection.rows(
        "SELECT minimum, pruned FROM ledger", as: { ($0.integer(0), $0.integer(1)) }
      ).first ?? (0, 0)
    }
    var minimum = begin
    search: while true {
      let page = try entries(from: minimum, limit: 1_000)
      for entry in page {
        guard let text = entry.entry, text.date < time else { break search }
        minimum += 1
      }
      if page.isEmpty { break }
    }
    if minimum > begin {
      try await commits.commit(by: deadline) { [minimum] writer in
        try writer.beginPruning(before: minimum)
      }
    }
    // Some at a time: nobody waits long for the writer.
    var next = pruned
    if next < minimum {
      // One number that somebody wrote must not cost the texts.
      let isTold = try readers.read { [minimum] reader in
        try reader.connection.integer(
          "SELECT 1 FROM entry WHERE instr(text, '\"kind\":\"pruning\"') AND instr(text, ?) LIMIT 1",
          .text("\"minimum\":\(minimum),")) != nil
      }
      guard isTold else { throw Connection.brokenLedger }
    }
    while next < minimum {
      let range = next..<min(next + 10_000, minimum)
      try await commits.commit(by: deadline) { writer in try writer.deleteTexts(range) }
      next = range.upperBound
    }
    return minimum
  }

  // MARK: Reading

  package func ledgerSize() throws(StorageError) -> Int64 {
    try readers.read { reader in
      try reader.connection.integer("SELECT size FROM ledger") ?? 0
    }
  }

  package func entries(
    from number: Int64, limit: Int
  ) throws(StorageError) -> [NumberedEntry] {
    try readers.read { reader in
      try reader.connection.rows(
        """
        SELECT id, hash, text FROM entry WHERE id >= ? AND id < (SELECT size FROM ledger)
        ORDER BY id LIMIT ?
        """, .integer(number), .integer(Int64(limit)), as: Self.numbered
      ).map { try $0.get() }
    }
  }

  package func entries(about alias: OwnerAlias) throws(StorageError) -> [NumberedEntry] {
    let name = "\"\(alias)\""
    var found: [NumberedEntry] = []
    var next: Int64 = 0
    // Some at a time: one long reading would keep the WAL from being cut.
    while true {
      let (page, end) = try readers.read { reader in
        try reader.connection.snapshot {
          let end = try reader.connection.integer(
            "SELECT max(id) FROM (SELECT id FROM entry WHERE id >= ? ORDER BY id LIMIT 20000)",
            .integer(next))
          let page = try reader.connection.rows(
            "SELECT id, hash, text FROM entry WHERE id >= ? AND id <= ? AND instr(text, ?) ORDER BY id",
            .integer(next), .integer(end ?? next), .text(name), as: Self.numbered
          ).map { try $0.get() }
          return (page, end)
        }
      }
      found += page.filter { $0.entry?.alias == alias.description }
      guard let end else { return found }
      next = end + 1
    }
  }

  private static func numbered(_ row: Statement) -> Result<NumberedEntry, StorageError> {
    Result { () throws(StorageError) in
      let number = row.integer(0)
      guard let hash = TreeHash(bytes: row.blob(1)) else { throw Connection.brokenLedger }
      let entry =
        try row.isNull(2) ? nil : LedgerEntry(text: row.text(2), number: number)
      return NumberedEntry(number: number, entry: entry, hash: hash)
    }
  }

  package func inclusionProof(
    of number: Int64, in checkpoint: Checkpoint
  ) throws(StorageError) -> (entry: NumberedEntry, text: String?, proof: [TreeHash]) {
    try readers.read { reader in
      try reader.connection.snapshot {
        let row = try reader.connection.rows(
          "SELECT id, hash, text FROM entry WHERE id = ?", .integer(number),
          as: { (Self.numbered($0), $0.isNull(2) ? nil : $0.text(2)) }
        ).first
        guard let row, number < checkpoint.size else {
          throw StorageError(
            .invalidArgument,
            "There is no entry \(number) in the first \(checkpoint.size). They are numbered from 0; “domicile ledger show”"
              + " lists them.")
        }
        let proof = try LedgerTree(connection: reader.connection).inclusion(
          of: number, size: checkpoint.size)
        return (try row.0.get(), row.1, proof)
      }
    }
  }

  package func consistencyProof(
    from old: Int64, to size: Int64
  ) throws(StorageError) -> [TreeHash] {
    try readers.read { reader in
      try LedgerTree(connection: reader.connection).consistency(from: old, to: size)
    }
  }

  package func ledgerRoot(size: Int64) throws(StorageError) -> TreeHash {
    try readers.read { reader in try LedgerTree(connection: reader.connection).root(size: size) }
  }

  package func signingKeys() throws(StorageError) -> [NoteKey] {
    try readers.read { reader in
      try reader.connection.rows(
        "SELECT key FROM signing_key ORDER BY entry", as: { NoteKey($0.text(0)) })
    }.compactMap(\.self)
  }

  package func verifyLedger(
    since checkpoints: [Checkpoint]
  ) throws(StorageError) -> LedgerVerification {
    var pass = LedgerPass(origin: origin, since: checkpoints)
    while true {
      let result: LedgerVerification? = try readers.read { reader in
        try reader.connection.snapshot {
          if try pass.readPage(reader.connection) { return nil }
          try pass.finish(reader.connection)
          return pass.result
        }
      }
      if let result { return result }
    }
  }

  // MARK: Checkpoints

  package func checkpoint(
    signedBy key: LedgerKey, file: CheckpointFile, isFirst: Bool = false
  ) throws(StorageError) -> SignedNote {
    let noteKey = key.noteKey(origin: origin)
    let lock = try file.lock()
    defer { withExtendedLifetime(lock) {} }
    let last = try file.read()
    let keys = try signingKeys()
    guard keys.last == noteKey else {
      throw StorageError(
        .wrongLedgerKey,
        keys.isEmpty
          ? "The ledger names no key yet. Run “domicile ledger rotate”, which makes one."
          : "The ledger key is not the one that the ledger names. Nothing was signed. Use the right key."
      )
    }
    guard last != nil || isFirst else {
      throw StorageError(
        .checkpointMissing,
        "The file with the last checkpoint, \(file.path), is missing: it keeps an old ledger from being signed. Nothing was signed. Put"
          + " it back; or name a checkpoint that you kept (“domicile ledger checkpoint --last FILE”), or none (“--last none”) if there"
          + " is none, and have whoever kept one compare.")
    }
    if let last, last.note.verified(by: keys)?.isEmpty ?? true {
      throw StorageError(
        .ledgerForked,
        "The file with the last checkpoint holds one that no key of this ledger has signed. Nothing was signed. Put back what was"
          + " printed last: it keeps an old ledger from being signed.")
    }
    let current = try readers.read { reader in
      try reader.connection.snapshot {
        let (size, frontier) = try reader.connection.ledgerFrontier()
        let tree = LedgerTree(connection: reader.connection)
        if let last = last?.checkpoint {
          guard last.origin == origin, last.size <= size,
            try tree.root(size: last.size) == last.root
          else { throw Self.forked(last, size: size) }
        }
        return Checkpoint(origin: origin, size: size, root: frontier.root)
      }
    }
    if let last, last.checkpoint == current, last.note.verified(by: [noteKey]) == [noteKey] {
      return last.note
    }
    let note = try key.sign(current)
    try file.write(note)
    return note
  }

  private static func forked(_ last: Checkpoint, size: Int64) -> StorageError {
    StorageError(
      .ledgerForked,
      "The ledger does not begin with what was signed last (\(last.size) entries; there are \(size) now): an old directory"
        + " was brought back, or the ledger was changed. Nothing was signed. Find out what happened and bring the right file"
        + " back; “domicile ledger verify” says more.")
  }
}
