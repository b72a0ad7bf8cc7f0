import Domicile
import DomicileTesting
import Foundation
import Testing

/// Writing and reading one user's records through the router.
@Suite struct RecordAPITests {
  @Test func `a record comes back with what was said of it`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      let version = try await ada.put(
        "Hello".utf8, key: "2026/1", in: .inbox, labels: ["thread": "7", "from": "bob"],
        expires: .after(.seconds(60)))
      let record = try #require(try await ada.get("2026/1", in: .inbox))
      #expect(record.key == "2026/1")
      #expect(record.text == "Hello")
      #expect(record.version == version)
      #expect(record.written == deployment.clock.now)
      #expect(record.expires == deployment.clock.now + 60)
      #expect(record.labels == ["thread": "7", "from": "bob"])
      // The same key of another collection is another record.
      #expect(try await ada.get("2026/1", in: .threads) == nil)
    }
  }

  @Test func `a put replaces the record with labels and expiry`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      let first = try await ada.put(
        "a".utf8, key: "k", in: .inbox, labels: ["thread": "7"], expires: .after(.seconds(60)))
      let second = try await ada.put("b".utf8, key: "k", in: .inbox)
      let record = try #require(try await ada.get("k", in: .inbox))
      #expect(first != second)
      #expect(record.text == "b")
      #expect(record.expires == nil)
      #expect(record.labels == [:])
      #expect(try await ada.page(.inbox, label: ("thread", "7")).records.isEmpty)
    }
  }

  @Test func `users do not see each other's records`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await router.admit(UserID("bob"), residence: "DE")
      let bob = try await router.user(UserID("bob"))
      try await ada.put("a".utf8, key: "k", in: .inbox)
      #expect(try await bob.get("k", in: .inbox) == nil)
      #expect(try await bob.page(.inbox).records.isEmpty)
      #expect(try await !bob.delete("k", in: .inbox))
      #expect(try await ada.get("k", in: .inbox)?.text == "a")
    }
  }

  @Test func `many keys are read in the order asked for`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      for name in ["a", "b", "c"] {
        try await ada.put(name.utf8, key: RecordKey(name), in: .inbox)
      }
      let records = try await ada.get(["c", "x", "a", "c"], in: .inbox)
      #expect(records.map { $0?.text } == ["c", nil, "a", "c"])
      #expect(try await ada.get([], in: .inbox).isEmpty)
    }
  }

  @Test func `a deletion tells whether something was there`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      try await ada.put("a".utf8, key: "k", in: .inbox, labels: ["thread": "7"])
      #expect(try await ada.delete("k", in: .inbox))
      #expect(try await !ada.delete("k", in: .inbox))
      #expect(try await ada.get("k", in: .inbox) == nil)
      #expect(try await ada.page(.inbox, label: ("thread", "7")).records.isEmpty)
    }
  }

  @Test func `keys and values are any bytes`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      let keys: [[UInt8]] = [
        [0], [0, 0], [0, 255], [39, 34, 59], [255], [255, 0], [255, 255],
        Array(repeating: 255, count: 1_024),
      ]
      let values: [[UInt8]] = [[], [0], [UInt8](0...255), [UInt8](repeating: 7, count: 1 << 20)]
      for (number, key) in keys.enumerated() {
        try await ada.put(values[number % values.count], key: RecordKey(key), in: .inbox)
      }
      for (number, key) in keys.enumerated() {
        let record = try #require(try await ada.get(RecordKey(key), in: .inbox))
        #expect(record.value == values[number % values.count])
      }
      #expect(try await ada.page(.inbox).records.map(\.key.bytes) == keys)
      let high = try await ada.page(.inbox, keys: .prefix(RecordKey([255]))).records
      #expect(high.map(\.key.bytes) == Array(keys.suffix(4)))
    }
  }

  @Test func `values are encoded and decoded as JSON`() async throws {
    struct Message: Codable, Equatable {
      var text: String
      var sent: Date
    }
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      let message = Message(text: "Hello", sent: deployment.clock.now)
      try await ada.put(encoding: message, key: "k", in: .inbox)
      #expect(try await ada.get("k", in: .inbox, as: Message.self) == message)
      #expect(try await ada.get("none", in: .inbox, as: Message.self) == nil)
      let error = try await #require(throws: RouterError.self) {
        try await ada.put(encoding: Double.infinity, key: "k", in: .inbox)
      }
      #expect(error.code == .invalidArgument)
      #expect(try await ada.get("k", in: .inbox, as: Message.self) == message)
    }
  }

  // MARK: Conditions

  @Test func `a write with a condition happens only if it holds`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      let first = try await ada.put("a".utf8, key: "k", in: .inbox, if: .absent)
      let second = try await ada.put("b".utf8, key: "k", in: .inbox, if: .version(first))
      let refused: [() async throws -> Void] = [
        { try await ada.put("c".utf8, key: "k", in: .inbox, if: .absent) },
        { try await ada.put("c".utf8, key: "k", in: .inbox, if: .version(first)) },
        { try await ada.delete("k", in: .inbox, if: .version(first)) },
        { try await ada.put("c".utf8, key: "other", in: .inbox, if: .version(second)) },
      ]
      for call in refused {
        let error = try await #require(throws: RouterError.self) { try await call() }
        #expect(error.code == .versionMismatch)
      }
      #expect(try await ada.get("k", in: .inbox)?.text == "b")
      #expect(try await ada.get("other", in: .inbox) == nil)
      #expect(try await ada.delete("k", in: .inbox, if: .version(second)))
    }
  }

  @Test func `update loses no change among writers of one record`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      try await ada.put("0".utf8, key: "k", in: .inbox, labels: ["kind": "counter"])
      try await withThrowingTaskGroup { group in
        for _ in 0..<8 {
          group.addTask {
            for _ in 0..<50 {
              try await ada.update("k", in: .inbox, deadline: .seconds(60)) { old in
                Array("\((old?.text.flatMap(Int.init) ?? 0) + 1)".utf8)
              }
            }
          }
        }
        try await group.waitForAll()
      }
      let record = try #require(try await ada.get("k", in: .inbox))
      #expect(record.text == "400")
      #expect(record.labels == ["kind": "counter"])
    }
  }

  @Test func `update makes, keeps and deletes`() async throws {
    struct Stop: Error {}
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      try await ada.update("k", in: .inbox) { old in
        #expect(old == nil)
        return [1]
      }
      #expect(try await ada.get("k", in: .inbox)?.value == [1])
      await #expect(throws: Stop.self) {
        try await ada.update("k", in: .inbox) { _ in throw Stop() }
      }
      #expect(try await ada.get("k", in: .inbox)?.value == [1])
      let gone = try await ada.update("k", in: .inbox) { _ in nil }
      #expect(gone == nil)
      #expect(try await ada.get("k", in: .inbox) == nil)
      #expect(try await ada.update("k", in: .inbox) { _ in nil } == nil)
    }
  }

  // MARK: Batches

  @Test func `a batch over collections of one class happens as a whole`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      try await ada.put("old".utf8, key: "old", in: .inbox)
      var batch = RecordBatch()
      batch.put("a".utf8, key: "1", in: .inbox, labels: ["thread": "7"])
      batch.delete("old", in: .inbox)
      batch.put("b".utf8, key: "1", in: .threads)
      let versions = try await ada.write(batch)
      #expect(versions.map { $0 != nil } == [true, false, true])
      #expect(try await ada.page(.inbox).records.map(\.text) == ["a"])
      #expect(try await ada.get("1", in: .threads)?.version == versions[2])
      #expect(try await ada.write(RecordBatch()).isEmpty)
    }
  }

  @Test func `a batch of which one change is refused changes nothing`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      try await ada.put("old".utf8, key: "1", in: .inbox)
      var failing = RecordBatch()
      failing.put("new".utf8, key: "1", in: .inbox, labels: ["thread": "7"])
      failing.delete("1", in: .threads)
      failing.put("new".utf8, key: "1", in: .inbox, if: .absent)
      var mixed = RecordBatch()
      mixed.put("new".utf8, key: "1", in: .inbox)
      mixed.put("new".utf8, key: "1", in: .receipts)
      var large = RecordBatch()
      for number in 0...1_000 { large.put([1], key: RecordKey("\(number)"), in: .inbox) }
      for (batch, code) in [
        (failing, RouterError.Code.versionMismatch), (mixed, .invalidArgument),
        (large, .invalidArgument),
      ] {
        let error = try await #require(throws: RouterError.self) { try await ada.write(batch) }
        #expect(error.code == code)
        #expect(try await ada.page(.inbox).records.map(\.text) == ["old"])
        #expect(try await ada.page(.inbox, label: ("thread", "7")).records.isEmpty)
        #expect(try await ada.page(.receipts).records.isEmpty)
      }
    }
  }

  // MARK: Time

  @Test func `an expired record is gone at once everywhere`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      let version = try await ada.put(
        "a".utf8, key: "k", in: .inbox, labels: ["thread": "7"], expires: .after(.seconds(10)))
      try await ada.put(
        "b".utf8, key: "l", in: .inbox, labels: ["thread": "7"],
        expires: .at(deployment.clock.now + 10.001))
      deployment.clock.advance(by: .milliseconds(9_999))
      #expect(try await ada.page(.inbox).records.map(\.key) == ["k", "l"])
      deployment.clock.advance(by: .milliseconds(1))
      #expect(try await ada.get("k", in: .inbox) == nil)
      #expect(try await ada.get(["k", "l"], in: .inbox).map { $0?.text } == [nil, "b"])
      #expect(try await ada.page(.inbox).records.map(\.key) == ["l"])
      #expect(try await ada.page(.inbox, label: ("thread", "7")).records.map(\.key) == ["l"])
      #expect(try await !ada.delete("k", in: .inbox))
      let error = try await #require(throws: RouterError.self) {
        try await ada.put("c".utf8, key: "k", in: .inbox, if: .version(version))
      }
      #expect(error.code == .versionMismatch)
      try await ada.put("c".utf8, key: "k", in: .inbox, if: .absent)
      #expect(try await ada.get("k", in: .inbox)?.text == "c")
    }
  }

  @Test func `a lifetime that is over already is refused`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      for expiry in [RecordExpiry.after(.zero), .after(.seconds(-1)), .at(deployment.clock.now)] {
        let error = try await #require(throws: RouterError.self) {
          try await ada.put([1], key: "k", in: .inbox, expires: expiry)
        }
        #expect(error.code == .invalidArgument)
      }
      #expect(try await ada.get("k", in: .inbox) == nil)
    }
  }

  @Test func `a deadline that has passed writes nothing`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      let calls: [() async throws -> Void] = [
        { try await ada.put([1], key: "k", in: .inbox, deadline: .zero) },
        { try await ada.delete("k", in: .inbox, deadline: .zero) },
        { try await ada.update("k", in: .inbox, deadline: .zero) { _ in [1] } },
        { try await router.admit(UserID("bob"), residence: "DE", deadline: .zero) },
      ]
      for call in calls {
        let error = try await #require(throws: RouterError.self) { try await call() }
        #expect(error.code == .deadlineExceeded)
      }
      #expect(try await ada.page(.inbox).records.isEmpty)
      await #expect(throws: RouterError.self) { try await router.user(UserID("bob")) }
    }
  }

  @Test func `a cancelled task writes nothing`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      let calls: [@Sendable () async throws -> Void] = [
        { try await ada.put([1], key: "k", in: .inbox) },
        { try await ada.update("k", in: .inbox) { _ in [1] } },
        { try await router.admit(UserID("bob"), residence: "DE") },
      ]
      for call in calls {
        let task = Task {
          // Until the cancellation is there.
          try? await Task.sleep(for: .seconds(60))
          try await call()
        }
        task.cancel()
        let error = try await #require(throws: RouterError.self) { try await task.value }
        #expect(error.code == .cancelled)
      }
      #expect(try await ada.page(.inbox).records.isEmpty)
    }
  }

  @Test func `writes cancelled at any moment are there as they were answered`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      let written = await withTaskGroup { group in
        for number in 0..<200 {
          group.addTask { () -> Int? in
            let task = Task {
              try await ada.put([1], key: RecordKey("\(number)"), in: .inbox)
            }
            for _ in 0..<(number % 7) { await Task.yield() }
            task.cancel()
            return (try? await task.value).map { _ in number }
          }
        }
        var written: Set<RecordKey> = []
        for await number in group { if let number { written.insert(RecordKey("\(number)")) } }
        return written
      }
      let stored = try await ada.page(.inbox, limit: 1_000).records.map(\.key)
      #expect(Set(stored) == written)
    }
  }
}
