import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// What records do, in small: expiry, conditions, labels, cursors. ``RecordModelTests`` has the large.
@Suite struct RecordTests {
  @Test func `a record is there until the millisecond of its expiry`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(
        .put("a", labels: ["kind": "x"], expiry: .after(.milliseconds(10))), .put("b"))
      shard.clock.advance(by: .milliseconds(9))
      #expect(try store.record("a") != nil)
      shard.clock.advance(by: .milliseconds(1))
      #expect(try store.record("a") == nil)
      #expect(try store.keys(labelled: "kind", "x") == [])
      #expect(
        try store.page(PageRequest(home: .ada, collection: "inbox", limit: 9)).records
          .map(\.key.text) == ["b"])
      #expect(try store.tallies().first { $0.profile.description == "DE" }?.records == 1)
    }
  }

  @Test func `an expired record is absent to every condition`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let versions = try await store.write(
        .put("a", labels: ["kind": "x"], expiry: .after(.seconds(1))),
        .put("b", expiry: .after(.seconds(1)))
      ).map(\.version)
      let old = try #require(versions[0])
      #expect(await code { try await store.write(.put("a", if: .absent)) } == .versionMismatch)
      shard.clock.advance(by: .seconds(1))
      #expect(
        await code { try await store.write(.put("a", if: .version(old))) } == .versionMismatch)
      #expect(
        await code { try await store.write(.delete("a", if: .version(old))) } == .versionMismatch)
      let outcomes = try await store.write(.put("a", "new", if: .absent), .delete("b"))
      #expect(outcomes.map(\.existed) == [false, false])
      #expect(try store.record("a")?.text == "new")
      #expect(try store.record("a")?.expires == nil)
      #expect(try store.keys(labelled: "kind", "x") == [])
    }
    #expect(try shard.integer("SELECT count(*) FROM record") == 1)
    #expect(try shard.integer("SELECT count(*) FROM label") == 0)
  }

  @Test func `labels go with the record that had them`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a", labels: ["kind": "x", "thread": "7"]))
      try await store.write(.put("a", labels: ["kind": "y"]))
      #expect(try store.keys(labelled: "kind", "x") == [])
      #expect(try store.keys(labelled: "thread", "7") == [])
      #expect(try store.keys(labelled: "kind", "y") == ["a"])
      try await store.write(.put("a"))
      #expect(try store.keys(labelled: "kind", "y") == [])
      try await store.write(.put("a", labels: ["kind": "z"]))
      try await store.write(.delete("a"))
      #expect(try store.keys(labelled: "kind", "z") == [])
    }
    #expect(try shard.integer("SELECT count(*) FROM label") == 0)
  }

  @Test func `a label is found by the same bytes, not by the same letters`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      // One é, and an e with its accent: equal as text.
      try await store.write(.put("a", labels: ["\u{E9}": "\u{E9}"]))
      try await store.write(.put("b", labels: ["e\u{301}": "e\u{301}"]))
      #expect(try store.keys(labelled: "\u{E9}", "\u{E9}") == ["a"])
      #expect(try store.keys(labelled: "e\u{301}", "e\u{301}") == ["b"])
      try await store.write(.put("a", labels: ["e\u{301}": "\u{E9}"]))
      #expect(try store.integrityFindings() == [])
    }
  }

  @Test func `one request sees its own changes, and happens whole or not at all`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      let outcomes = try await store.write(
        .put("a"), .put("a", "again", labels: ["kind": "x"]), .delete("b"), .put("b"), .delete("b"))
      #expect(outcomes.map(\.existed) == [false, true, false, false, true])
      #expect(
        await code {
          try await store.write(
            .delete("a"), .put("c"), .put("a", if: .absent), .put("c", if: .absent))
        } == .versionMismatch)
      #expect(try store.record("a")?.text == "again")
      #expect(try store.keys(labelled: "kind", "x") == ["a"])
      #expect(try store.record("c") == nil)
      #expect(try await store.write(to: .ada) == [])
    }
  }

  @Test func `a version never comes back`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      var versions: Set<RecordVersion?> = []
      for _ in 0..<50 {
        versions.insert(try await store.write(.put("a", "same"))[0].version)
        #expect(try await store.write(.delete("a"))[0].version == nil)
      }
      #expect(versions.count == 50)
      #expect(!versions.contains(nil))
    }
  }

  @Test func `homes share a file and nothing else`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a", "Ada's"), to: .ada)
      try await store.write(.put("a", "Ben's"), to: .ben)
      try await store.write(.delete("a"), to: .ada)
      #expect(try store.record("a", of: .ada) == nil)
      #expect(try store.record("a", of: .ben)?.text == "Ben's")
    }
  }

  @Test func `a closed shard reads and writes nothing`() async throws {
    let shard = try await TestShard()
    let store = try shard.open()
    try await store.write(.put("a"))
    _ = try store.record("a")
    await store.close()
    #expect(await code { _ = try store.record("a") } == .closed)
    #expect(await code { try await store.write(.put("a")) } == .closed)
    await store.close()
  }

  // MARK: Texts that are read back

  @Test(arguments: [[0], [0xFF, 0xFE, 0xFD], [UInt8](repeating: 0xFB, count: 1_024)] as [[UInt8]])
  func `a cursor survives as text, safe in a URL`(bytes: [UInt8]) {
    let cursor = RecordCursor(after: RecordKey(bytes))
    #expect(RecordCursor(cursor.description) == cursor)
    #expect(
      cursor.description.allSatisfy {
        $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0))
      })
  }

  @Test(arguments: [
    "", "=", "A", "A===", "AA==", "AB", "not base64!", "\u{1F600}", "AAAA\n", " AAAA",
  ])
  func `what is no cursor is not read as one`(text: String) {
    #expect(RecordCursor(text) == nil)
  }

  @Test func `a cursor longer than a key is none`() {
    let text = Data([UInt8](repeating: 1, count: 1_025)).base64EncodedString()
    #expect(RecordCursor(text.replacingOccurrences(of: "=", with: "")) == nil)
  }

  @Test(arguments: [0, 1, -1, .min, .max] as [Int64])
  func `a version survives as text`(number: Int64) {
    let version = RecordVersion(number: number)
    #expect(RecordVersion(version.description) == version)
  }

  @Test(arguments: ["", "g", "-1", "+1", "0x1", "01", "AB", "10000000000000000"])
  func `what is no version is not read as one`(text: String) {
    #expect(RecordVersion(text) == nil)
  }
}
