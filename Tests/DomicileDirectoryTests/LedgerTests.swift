import DomicilePolicy
import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

@testable import DomicileDirectory

/// Every decision is an entry, in the transaction of what it decides.
@Suite struct LedgerTests {
  private func kinds(_ directory: SQLiteDirectory) throws -> [LedgerEntry.Kind?] {
    try directory.entries(from: 0, limit: 1_000).map { $0.entry?.kind }
  }

  @Test func `a new ledger begins with its key and the policy`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      let entries = try directory.entries(from: 0, limit: 10).compactMap(\.entry)
      #expect(entries.map(\.kind) == [.key, .policy])
      #expect(
        entries[0].key
          == "\(test.ledgerKey.noteKey(origin: LedgerKey.origin(of: directory.deployment)))")
      #expect(entries[1].policy?.digest == test.policy.digest.description)
      #expect(entries[1].actor == "tests")
      #expect(entries[1].date == ManualClock().now)
      #expect(try directory.verifyLedger(since: []).findings.isEmpty)
    }
  }

  @Test func `an admission is one entry with all its classes, and one that is refused is none`()
    async throws
  {
    let test = try TestDirectory()
    try await test.open { directory in
      try await directory.place([test.plan("ada"), test.plan("ben")])
      let law = try directory.reference()
      let tickets = try await directory.beginAdmissions(
        [test.plan("cyd")], law: law, by: .soon)[0].get()
      _ = try await directory.beginAdmissions([test.plan("cyd")], law: law, by: .soon)
      #expect(
        try await directory.commitAdmissions(tickets, law: law, by: .soon)[0]?.code == .outrun)
      #expect(try kinds(directory) == [.key, .policy, .admission, .admission])
      let entry = try #require(try directory.entries(from: 2, limit: 1).first?.entry)
      let ada = try #require(try directory.user(test.key.owner(ofUser: "ada")))
      #expect(entry.alias == "\(ada.alias)")
      #expect(entry.places?.map(\.shard) == ada.placements.map(\.shard))
      #expect(try directory.verifyLedger(since: []).findings.isEmpty)
    }
  }

  @Test func `proofs of every entry in every size of a tree are accepted`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      let ada = test.plan("ada")
      try await directory.place([ada])
      let entry = try #require(try directory.user(ada.owner))
      var roots: [Int64: TreeHash] = [:]
      // Beyond the first stored root, of 256 leaves.
      for step in [1, 2, 3, 250, 1, 1, 1, 260, 7] {
        try await directory.note(
          (0..<step).map { .read(of: entry, dataClasses: nil, command: "test \($0)") }, by: .soon)
        let size = try directory.ledgerSize()
        roots[size] = try directory.ledgerRoot(size: size)
      }
      let (size, frontier) = try Connection(path: test.path, mode: .reading).ledgerFrontier()
      #expect(frontier.root == roots[size])
      for (old, root) in roots {
        for (new, newRoot) in roots where old <= new {
          let proof = try directory.consistencyProof(from: old, to: new)
          #expect(
            MerkleProof.verifyConsistency(proof, from: old, root: root, to: new, root: newRoot))
        }
        let checkpoint = Checkpoint(origin: "test", size: old, root: root)
        for number in stride(from: 0, to: old, by: 7) {
          let (entry, text, proof) = try directory.inclusionProof(of: number, in: checkpoint)
          let leaf = TreeHash(leaf: try #require(text).utf8)
          #expect(entry.hash == "\(leaf)")
          #expect(
            MerkleProof.verifyInclusion(proof, of: leaf, index: number, size: old, root: root))
        }
      }
      #expect(try directory.verifyLedger(since: []).findings.isEmpty)
    }
  }

  @Test func `what a job appended that was undone is not in the ledger`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      let undone = Task {
        try await directory.commits.commit(by: .soon) { writer in
          try writer.append(.policy)
          throw StorageError(.invalidArgument, "undone")
        }
      }
      async let done: Void = directory.place([test.plan("ada")])
      await #expect(throws: StorageError.self) { try await undone.value }
      try await done
      #expect(try kinds(directory) == [.key, .policy, .admission])
      #expect(try directory.verifyLedger(since: []).findings.isEmpty)
    }
  }

  @Test func `refused writes become an entry when their hour is over`() async throws {
    let test = try TestDirectory()
    let clock = ManualClock()
    let key = RefusedWriteKey(
      time: Int64(clock.now.timeIntervalSince1970), cause: "barred", dataClass: "messages",
      region: "dublin")
    try await test.open { directory in
      try await directory.count([key: 2], at: clock.now, by: .soon)
      try await directory.count([key: 3], at: clock.now, by: .soon)
      #expect(try kinds(directory) == [.key, .policy])
      clock.advance(by: .seconds(3_600))
      #expect(try directory.hasRefusedWrites(before: clock.now))
      try await directory.count([:], at: clock.now, by: .soon)
      let entry = try #require(try directory.entries(from: 2, limit: 1).first?.entry)
      #expect(entry.kind == .refusedWrites)
      #expect(entry.hour == key.hour)
      #expect(entry.refusedWrites?.map(\.count) == [5])
      #expect(try !directory.hasRefusedWrites(before: clock.now))
    }
  }

  @Test func `what is pruned keeps its hash, and the ledger still verifies`() async throws {
    let test = try TestDirectory()
    let clock = ManualClock()
    let file = CheckpointFile(path: "\(test.folder.path)/checkpoint")
    try await test.open(clock: clock.wallClock) { directory in
      try await directory.place([test.plan("ada"), test.plan("ben")])
      let note = try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
      let checkpoint = try #require(Checkpoint(text: note.text))
      clock.advance(by: .seconds(1_000))
      try await directory.place([test.plan("cyd")])
      let minimum = try await directory.pruneLedger(
        before: clock.now.addingTimeInterval(-500), by: .soon)
      #expect(minimum == 4)
      // The key and the policy stay; the others of that time are hashes.
      let left = try directory.entries(from: 0, limit: 10).map { $0.entry?.kind }
      #expect(left == [.key, .policy, nil, nil, .admission, .pruning])
      let pruning = try #require(try directory.entries(from: 5, limit: 1).first?.entry)
      #expect(pruning.minimum == 4)
      #expect(pruning.totals?.compactMap(\.homes).reduce(0, +) == 3)
      let result = try directory.verifyLedger(since: [checkpoint])
      #expect(result.findings.isEmpty)
      #expect(result.pruned == 2)
      _ = try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
      // Again: nothing more to prune, and no other entry.
      #expect(
        try await directory.pruneLedger(before: clock.now.addingTimeInterval(-500), by: .soon) == 4)
      #expect(try directory.ledgerSize() == 6)
    }
  }

  @Test func `a key is followed by one that it has signed`() async throws {
    let test = try TestDirectory()
    let file = CheckpointFile(path: "\(test.folder.path)/checkpoint")
    let next = try #require(LedgerKey(bytes: Array(1..<33)))
    try await test.open { directory in
      _ = try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
      let foreign = await #expect(throws: StorageError.self) {
        try await directory.rotate(from: next, to: next, by: .soon)
      }
      #expect(foreign?.code == .wrongLedgerKey)
      try await directory.rotate(from: test.ledgerKey, to: next, by: .soon)
      let old = #expect(throws: StorageError.self) {
        try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
      }
      #expect(old?.code == .wrongLedgerKey)
      let note = try directory.checkpoint(signedBy: next, file: file, isFirst: true)
      #expect(note.verified(by: try directory.signingKeys().suffix(1))?.count == 1)
      #expect(try directory.verifyLedger(since: []).findings.isEmpty)
    }
  }

  @Test(arguments: ["", "nothing", "\n\n"])
  func `a last checkpoint that is none, or that nobody has signed, keeps everything unsigned`(
    text: String
  ) async throws {
    let test = try TestDirectory()
    let file = CheckpointFile(path: "\(test.folder.path)/checkpoint")
    try await test.open { directory in
      let note = try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
      try await directory.place([test.plan("ada")])
      try test.folder.write(text, to: "checkpoint")
      let none = #expect(throws: StorageError.self) {
        try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
      }
      #expect(none?.code == .corrupt)
      // Over nothing it would let any ledger follow.
      let forged = Checkpoint(
        origin: LedgerKey.origin(of: directory.deployment), size: 0, root: .ofNothing)
      let foreign = try #require(LedgerKey(bytes: Array(1..<33)))
      try test.folder.write("\(try foreign.sign(forged))", to: "checkpoint")
      let unsigned = #expect(throws: StorageError.self) {
        try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
      }
      #expect(unsigned?.code == .ledgerForked)
      try test.folder.write("\(note)", to: "checkpoint")
      _ = try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
    }
  }

  @Test func `texts of entries are made from each other, and are the entries'`() throws {
    let texts = EntryTexts()
    let policy = LedgerEntry.Policy(generation: 1, digest: "d", day: "2026-01-01")
    for second in [10, 10, 10, 11, 11] {
      for shard in ["a", "\"b\"", "\(String(repeating: "0", count: 32))"] {
        var random = SeededRandom(seed: UInt64(second))
        let entry = LedgerEntry(
          .admission, time: Date(timeIntervalSince1970: TimeInterval(second)), actor: "carol",
          policy: policy
        ) {
          $0.name(OwnerAlias(using: &random), isGroup: shard == "a")
          $0.places = [
            LedgerEntry.Place(dataClass: "c", region: "r", country: "IE", shard: shard)
          ]
        }
        #expect(try texts.text(of: entry) == entry.text())
      }
    }
  }

  @Test func `where nothing says what was signed last nothing is signed`() async throws {
    let test = try TestDirectory()
    let file = CheckpointFile(path: "\(test.folder.path)/checkpoint")
    try await test.open { directory in
      let missing = #expect(throws: StorageError.self) {
        try directory.checkpoint(signedBy: test.ledgerKey, file: file)
      }
      #expect(missing?.code == .checkpointMissing)
      let first = try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
      try await directory.place([test.plan("ada")])
      try FileManager.default.removeItem(atPath: file.path)
      #expect(throws: StorageError.self) {
        try directory.checkpoint(signedBy: test.ledgerKey, file: file)
      }
      // What somebody has kept takes its place, and is compared.
      try file.restore(first)
      #expect(throws: StorageError.self) { try file.restore(first) }
      let next = try directory.checkpoint(signedBy: test.ledgerKey, file: file)
      #expect(Checkpoint(text: next.text)?.size == 3)
    }
  }

  @Test func `the same hold placed again is no entry, and another end is one`() async throws {
    let test = try TestDirectory()
    try await test.open { directory in
      let plan = test.plan("ada")
      try await directory.place([plan])
      let end = Date(timeIntervalSince1970: 4_000_000_000)
      for until in [end, end, nil, nil] {
        _ = try await directory.addHold(
          LegalHold(
            name: "case", dataClasses: ["messages"], reason: "R", placed: Date(), until: until),
          on: plan.owner, shortens: false, by: .soon)
      }
      #expect(try kinds(directory).filter { $0 == .hold }.count == 2)
    }
  }

  @Test func `an old directory that was brought back is not signed`() async throws {
    let test = try TestDirectory()
    let file = CheckpointFile(path: "\(test.folder.path)/checkpoint")
    let copy = "\(test.folder.path)/copy.sqlite"
    try await test.open { _ in }
    try FileManager.default.copyItem(atPath: test.path, toPath: copy)
    try await test.open { directory in
      try await directory.place([test.plan("ada")])
      _ = try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
    }
    for name in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: test.path + name)
    }
    try FileManager.default.copyItem(atPath: copy, toPath: test.path)
    try await test.open { directory in
      let shorter = #expect(throws: StorageError.self) {
        try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
      }
      #expect(shorter?.code == .ledgerForked)
      // Another decision in its place makes it as long, and another tree.
      try await directory.place([test.plan("eve")])
      let forked = #expect(throws: StorageError.self) {
        try directory.checkpoint(signedBy: test.ledgerKey, file: file, isFirst: true)
      }
      #expect(forked?.code == .ledgerForked)
      let last = try #require(try file.read()?.checkpoint)
      #expect(try directory.verifyLedger(since: [last]).findings.count == 1)
    }
  }
}
