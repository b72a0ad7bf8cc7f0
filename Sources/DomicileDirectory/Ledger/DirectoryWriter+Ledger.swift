import DomicileSQLite
import DomicileStorage
import Foundation

/// The ledger, in the transaction of a batch: each decision appends its entry beside what it changes, and the tree grows once,
/// before the batch is committed.
extension DirectoryWriter {
  func append(
    _ kind: LedgerEntry.Kind, _ complete: (inout LedgerEntry) -> Void = { _ in }
  ) throws {
    guard keepsLedger else { return }
    try append(
      LedgerEntry(kind, time: clock.now, actor: actor, policy: policyOfEntries, complete))
  }

  private func append(_ entry: LedgerEntry) throws {
    try append(PreparedEntry(policy: entry.policy, text: texts.text(of: entry)))
  }

  func append(_ entry: PreparedEntry) throws {
    guard keepsLedger else { return }
    try insertEntry.bind(1, nextEntry)
    try insertEntry.bind(2, entry.hash.bytes)
    try insertEntry.bind(3, entry.text)
    try insertEntry.run()
    nextEntry += 1
  }

  /// Notes the key that signs from here on.
  func append(key: String, signature: String? = nil) throws {
    try connection.run(
      "INSERT INTO signing_key (entry, key) VALUES (?, ?)", .integer(nextEntry), .text(key))
    try append(.key) { entry in
      entry.key = key
      entry.signature = signature
    }
  }

  /// Where the next entry goes: behind what earlier jobs of the batch have appended, which the tree does not have yet.
  func readNextEntry() throws(SQLiteError) {
    let extent = try connection.rows(
      "SELECT size, (SELECT max(id) FROM entry) FROM ledger",
      as: { (size: $0.integer(0), last: $0.integerIfPresent(1) ?? -1) }
    ).first
    treeSize = extent?.size ?? 0
    nextEntry = max(treeSize, (extent?.last ?? -1) + 1)
  }

  package func endBatch() throws {
    guard treeSize < nextEntry else { return }
    let (size, frontier) = try connection.ledgerFrontier()
    var tree = frontier
    let hashes = try connection.rows(
      "SELECT hash FROM entry WHERE id >= ? ORDER BY id", .integer(size),
      as: { TreeHash(bytes: $0.blob(0)) })
    guard hashes.count == nextEntry - size else { throw Connection.brokenLedger }
    for hash in hashes {
      guard let hash else { throw Connection.brokenLedger }
      let leaf = tree.size
      try tree.append(hash) { height, root in
        guard height > 0, height.isMultiple(of: LedgerTree.storedHeights) else { return }
        try connection.run(
          "INSERT INTO subtree (height, position, hash) VALUES (?, ?, ?)", .integer(Int64(height)),
          .integer(leaf >> Int64(height)), .blob(root.bytes))
      }
    }
    try connection.run(
      "UPDATE ledger SET size = ?, frontier = ?", .integer(tree.size),
      .blob(tree.hashes.flatMap(\.bytes)))
  }
}

extension Connection {
  /// How many entries the tree has, and its frontier.
  func ledgerFrontier() throws -> (size: Int64, frontier: TreeFrontier) {
    let row = try rows(
      "SELECT size, frontier FROM ledger", as: { ($0.integer(0), $0.blob(1)) }
    ).first
    guard let (size, bytes) = row, bytes.count.isMultiple(of: TreeHash.byteCount) else {
      throw Self.brokenLedger
    }
    let hashes = stride(from: 0, to: bytes.count, by: TreeHash.byteCount).compactMap {
      TreeHash(bytes: bytes[$0..<($0 + TreeHash.byteCount)])
    }
    guard let frontier = TreeFrontier(size: size, hashes: hashes) else { throw Self.brokenLedger }
    return (size, frontier)
  }

  static var brokenLedger: StorageError {
    StorageError(
      .corrupt,
      "The ledger in the directory is damaged: entries are missing, or its frontier is none. Run “domicile ledger verify”,"
        + " and restore the directory.")
  }
}

/// What stands in the ledger beside no other change.
extension DirectoryWriter {
  func count(_ refused: [RefusedWriteKey: Int64]) throws {
    for (key, count) in refused {
      try connection.run(
        """
        INSERT INTO refused_write (hour, cause, class, region, count) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET count = count + excluded.count
        """, .integer(key.hour), .text(key.cause), .text(key.dataClass), .text(key.region),
        .integer(count))
    }
  }

  /// What was counted in hours that are over becomes an entry for each. What comes later of such an hour is another one.
  func closeHours(before time: Date) throws {
    let hour = Int64(time.timeIntervalSince1970)
    let rows = try connection.rows(
      """
      SELECT hour, cause, class, region, count FROM refused_write WHERE hour + 3600 <= ?
      ORDER BY hour, cause, class, region
      """, .integer(hour),
      as: { row in
        (
          row.integer(0),
          LedgerEntry.RefusedWrites(
            cause: row.text(1), dataClass: row.text(2), region: row.text(3), count: row.integer(4))
        )
      })
    guard !rows.isEmpty else { return }
    for (hour, counts) in Dictionary(grouping: rows, by: \.0).sorted(by: { $0.key < $1.key }) {
      try append(.refusedWrites) { entry in
        entry.hour = hour
        entry.refusedWrites = counts.map(\.1)
      }
    }
    try connection.run("DELETE FROM refused_write WHERE hour + 3600 <= ?", .integer(hour))
  }

  /// Notes what is barred in a shard, unless somebody has since it was due.
  func noteBarred(_ tally: BarringTally) throws {
    guard isInForce(tally.law), let shard = shards[tally.shard] else { return }
    let before = try connection.rows(
      "SELECT counted, barred FROM tally WHERE shard = ?", .integer(shard.id),
      as: { (counted: $0.integer(0), barred: $0.integer(1)) }
    ).first
    guard let before, before.counted < tally.due else { return }
    // Homes that have their tags yet to come are not counted right before they have.
    let awaitsTags =
      try connection.integer(
        "SELECT 1 FROM outbox o JOIN placement p USING (user, class) WHERE p.shard = ? LIMIT 1",
        .integer(shard.id)) != nil
    if awaitsTags { return }
    let homes = tally.places.reduce(0) { $0 + Int64($1.homes ?? 1) }
    try connection.run(
      "UPDATE tally SET counted = ?, barred = ? WHERE shard = ?", .integer(tally.due),
      .integer(homes), .integer(shard.id))
    guard homes > 0 || before.barred > 0 else { return }
    try append(.barring) { entry in
      entry.shard = tally.shard
      entry.places = tally.places
    }
  }

  /// Has what is barred in a shard counted again, where something is.
  func countBarredAgain(inShard name: String) throws {
    try connection.run(
      "UPDATE tally SET due = due + 1 WHERE shard = ? AND (barred > 0 OR due > counted)",
      .integer(shards[name]?.id ?? 0))
  }

  /// The same after one more home was barred there.
  func countOneMoreBarred(inShard name: String) throws {
    guard let shard = shards[name] else { return }
    try connection.run(
      """
      INSERT INTO tally (shard, due, counted, barred) VALUES (?, 1, 0, 1)
      ON CONFLICT DO UPDATE SET due = due + 1, barred = barred + 1
      """, .integer(shard.id))
  }

  func rotate(from old: LedgerKey?, to new: LedgerKey, origin: String) throws {
    let key = "\(new.noteKey(origin: origin))"
    let inForce = try connection.text("SELECT key FROM signing_key ORDER BY entry DESC LIMIT 1")
    guard let inForce else { return try append(key: key) }
    if inForce == key { return }
    guard let old, "\(old.noteKey(origin: origin))" == inForce else {
      throw StorageError(
        .wrongLedgerKey,
        "The ledger key is not the one that the ledger names, which must sign the new one. Nothing was changed."
      )
    }
    let signature = try old.signature(
      of: LedgerEntry.keyText(origin: origin, key: key), as: origin)
    try append(key: key, signature: Data(signature.bytes).base64EncodedString())
  }

  /// Says from where on there are texts, and which homes there are: whoever reads the ledger then need not know what was before.
  func beginPruning(before minimum: Int64) throws {
    try connection.run("UPDATE ledger SET minimum = ?1 WHERE minimum < ?1", .integer(minimum))
    if connection.changes == 1 { try appendTotals() }
  }

  /// Deletes texts of entries that were pruned. Keys and policies stay: by them the checkpoints and decisions of that time are
  /// verified.
  func deleteTexts(_ range: Range<Int64>) throws(SQLiteError) {
    try connection.run(
      """
      UPDATE entry SET text = NULL WHERE id >= ? AND id < ? AND text IS NOT NULL
        AND id < (SELECT minimum FROM ledger) AND id NOT IN (SELECT entry FROM signing_key)
        AND instr(text, '"kind":"policy"') = 0
      """, .integer(range.lowerBound), .integer(range.upperBound))
    try connection.run(
      "UPDATE ledger SET pruned = ?1 WHERE pruned < ?1", .integer(range.upperBound))
  }

  /// An entry that says which homes there are.
  func appendTotals() throws {
    var totals = LedgerTotals()
    try connection.addPlacements(to: &totals)
    let minimum = try connection.integer("SELECT minimum FROM ledger")
    try append(.pruning) { entry in
      entry.minimum = minimum
      entry.totals = totals.places
    }
  }
}
