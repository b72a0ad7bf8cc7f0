import DomicilePolicy
import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

@testable import DomicileDirectory

/// Whatever somebody changes in the file of a ledger is found by one pass: by itself, or, where all hashes are computed anew, by a
/// checkpoint that was signed before.
@Suite struct LedgerAttackTests {
  /// A ledger of so many entries, the connection to its file, and the checkpoint of it.
  private func withLedger(
    of count: Int, _ body: (Connection, String, Checkpoint) throws -> Void
  ) async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      try await directory.place([test.plan("ada"), test.plan("ben", "DE")])
      let ada = try #require(try directory.user(test.key.owner(ofUser: "ada")))
      let size = try Int(directory.ledgerSize())
      try await directory.note(
        (size..<max(size, count)).map { .read(of: ada, dataClasses: nil, command: "get \($0)") },
        by: .soon)
      let total = try directory.ledgerSize()
      let origin = LedgerKey.origin(of: directory.deployment)
      let checkpoint = Checkpoint(
        origin: origin, size: total, root: try directory.ledgerRoot(size: total))
      try body(Connection(path: test.path, mode: .writing), origin, checkpoint)
    }
  }

  private func findings(
    _ connection: Connection, _ origin: String, since checkpoint: Checkpoint? = nil
  ) throws -> [LedgerVerification.Finding] {
    var pass = LedgerPass(origin: origin, since: [checkpoint].compactMap(\.self))
    while try pass.readPage(connection) {}
    try pass.finish(connection)
    return pass.result.findings
  }

  /// Does something to the file, looks at what is found, and undoes it.
  private func isFound(
    _ connection: Connection, _ origin: String, since checkpoint: Checkpoint? = nil,
    _ attack: (Connection) throws -> Void
  ) throws -> Bool {
    try connection.execute("BEGIN IMMEDIATE")
    defer { try? connection.execute("ROLLBACK") }
    try attack(connection)
    return try !findings(connection, origin, since: checkpoint).isEmpty
  }

  @Test func `every single byte that is changed is found, without a checkpoint`() async throws {
    try await withLedger(of: 6) { connection, origin, _ in
      #expect(try findings(connection, origin).isEmpty)
      let rows = try connection.rows(
        "SELECT id, CAST(text AS BLOB), hash FROM entry ORDER BY id",
        as: { ($0.integer(0), $0.blob(1), $0.blob(2)) })
      for (id, text, hash) in rows {
        for (column, bytes) in [("text", text), ("hash", hash)] {
          for place in bytes.indices {
            var changed = bytes
            changed[place] ^= 1 << UInt8(place % 8)
            let value = column == "text" ? "CAST(? AS TEXT)" : "?"
            let found = try isFound(connection, origin) {
              try $0.run(
                "UPDATE entry SET \(column) = \(value) WHERE id = ?", .blob(changed), .integer(id))
            }
            #expect(found, "\(column) of entry \(id), byte \(place)")
          }
        }
      }
      let frontier = try connection.rows("SELECT frontier FROM ledger", as: { $0.blob(0) })[0]
      for place in frontier.indices {
        var changed = frontier
        changed[place] ^= 1
        #expect(
          try isFound(connection, origin) {
            try $0.run("UPDATE ledger SET frontier = ?", .blob(changed))
          })
      }
    }
  }

  @Test(arguments: [
    "DELETE FROM entry WHERE id = 3", "DELETE FROM entry WHERE id >= 4", "DELETE FROM entry",
    "INSERT INTO entry SELECT 6, hash, text FROM entry WHERE id = 5",
    "INSERT INTO entry SELECT -1, hash, text FROM entry WHERE id = 5",
    "UPDATE entry SET id = 99 WHERE id = 5", "UPDATE entry SET text = NULL WHERE id = 4",
    "UPDATE entry SET text = (SELECT text FROM entry WHERE id = 2) WHERE id = 3",
    "UPDATE ledger SET size = size - 1", "UPDATE ledger SET size = size + 1",
    "UPDATE ledger SET size = 0, frontier = x''", "UPDATE ledger SET frontier = x''",
    "DELETE FROM ledger", "DELETE FROM signing_key", "UPDATE ledger SET minimum = 99",
    "UPDATE ledger SET minimum = 99; UPDATE entry SET text = NULL WHERE id > 0",
    "UPDATE ledger SET minimum = 3; UPDATE entry SET text = NULL WHERE id = 2",
    "UPDATE signing_key SET entry = 4",
    "UPDATE signing_key SET key = key || '='", "INSERT INTO subtree VALUES (8, 0, zeroblob(32))",
    "DELETE FROM placement WHERE class = 'messages' AND user = 1",
    "UPDATE placement SET shard = (SELECT max(id) FROM shard) WHERE user = 1",
    "UPDATE policy_text SET text = text || ' '",
    "DELETE FROM policy_text WHERE path = 'topology.yaml'",
    "UPDATE policy SET day = day + 1", "DELETE FROM policy",
    "INSERT INTO policy SELECT generation + 1, digest, applied, day FROM policy",
    "UPDATE directory SET generation = generation + 1",
  ])
  func `what is dropped, repeated, inserted or cut off is found`(attack: String) async throws {
    try await withLedger(of: 6) { connection, origin, _ in
      try connection.execute("BEGIN IMMEDIATE")
      defer { try? connection.execute("ROLLBACK") }
      try connection.execute(attack)
      do {
        #expect(try !findings(connection, origin).isEmpty)
      } catch let error as StorageError {
        // Without the row of the ledger there is none to be read.
        #expect(error.code == .corrupt)
      }
    }
  }

  /// Computes everything anew over the texts that are there, as somebody who can write the file would.
  private func forge(_ connection: Connection, _ texts: [String]) throws {
    try connection.execute("DELETE FROM entry; DELETE FROM subtree")
    var tree = TreeFrontier()
    for (id, text) in texts.enumerated() {
      let hash = TreeHash(leaf: text.utf8)
      try connection.run(
        "INSERT INTO entry (id, hash, text) VALUES (?, ?, ?)", .integer(Int64(id)),
        .blob(hash.bytes), .text(text))
      try tree.append(hash) { height, root in
        guard height > 0, height.isMultiple(of: LedgerTree.storedHeights) else { return }
        try connection.run(
          "INSERT INTO subtree VALUES (?, ?, ?)", .integer(Int64(height)),
          .integer(Int64(id) >> Int64(height)), .blob(root.bytes))
      }
    }
    try connection.run(
      "UPDATE ledger SET size = ?, frontier = ?", .integer(tree.size),
      .blob(tree.hashes.flatMap(\.bytes)))
  }

  private enum Forgery: CaseIterable {
    case changed, dropped, repeated, swapped, inserted, truncated
  }

  /// How many attacks are tried, and on how many entries: more where somebody asks for it.
  private static let attacks =
    ProcessInfo.processInfo.environment["DOMICILE_LEDGER_ATTACKS"].flatMap(Int.init) ?? 60

  @Test func `a ledger that was changed and computed anew is found by a checkpoint`() async throws {
    try await withLedger(of: 600) { connection, origin, checkpoint in
      #expect(try findings(connection, origin, since: checkpoint).isEmpty)
      let texts = try connection.rows("SELECT text FROM entry ORDER BY id", as: { $0.text(0) })
      var random = SeededRandom(seed: 11)
      for number in 0..<Self.attacks {
        let forgery = Forgery.allCases[number % Forgery.allCases.count]
        let place = Int.random(in: 4..<(texts.count - 1), using: &random)
        var forged = texts
        switch forgery {
        case .changed: forged[place] = forged[place].replacing("get ", with: "got ")
        case .dropped: forged.remove(at: place)
        case .repeated: forged.insert(forged[place], at: place)
        case .swapped: forged.swapAt(place, place + 1)
        case .inserted: forged.insert(forged[4].replacing("get 4", with: "get 0"), at: place)
        case .truncated: forged.removeLast(texts.count - place)
        }
        let found = try isFound(connection, origin, since: checkpoint) { try forge($0, forged) }
        #expect(found, "attack \(number): \(forgery) at \(place)")
      }
    }
  }

  @Test func `a ledger with another key is not the one whose key is known`() async throws {
    try await withLedger(of: 6) { connection, origin, checkpoint in
      let foreign = try #require(LedgerKey(bytes: Array(7..<39))).noteKey(origin: origin)
      let texts = try connection.rows("SELECT text FROM entry ORDER BY id", as: { $0.text(0) })
      let key = try #require(try connection.text("SELECT key FROM signing_key"))
      let forged = texts.map { $0.replacing(key, with: "\(foreign)") }
      #expect(
        try isFound(connection, origin, since: checkpoint) {
          try forge($0, forged)
          try $0.run("UPDATE signing_key SET key = ?", .text("\(foreign)"))
        })
      // A key that nobody has signed does not follow the first.
      #expect(
        try isFound(connection, origin) {
          let entry = LedgerEntry(.key, time: Date(), actor: "eve", policy: nil) {
            $0.key = "\(foreign)"
            $0.signature = Data(repeating: 1, count: 64).base64EncodedString()
          }
          try forge($0, texts + [try entry.text()])
          try $0.run("INSERT INTO signing_key VALUES (6, ?)", .text("\(foreign)"))
        })
    }
  }
}
