import DomicileStorage
import Foundation

extension ShardStoreConformance {
  private typealias It = Subject

  static let recordChecks: [Check] = [
    Check("a record comes back as it was put") { shard in
      try await shard.prepare()
      let key = RecordKey([0x00, 0xFF, 0x61])
      let operation = try RecordOperation(
        .put(
          value: [0, 1, 0xFF], labels: ["kind": "x", "名前": ""], expiry: .after(.seconds(60))),
        collection: "inbox", key: key)
      let outcome = try await shard.write(operation)[0]
      let record = try shard.store.records(home: It.ada, collection: "inbox", keys: [key])[0]
      try shard.equal(record?.key, key, "key")
      try shard.equal(record?.value, [0, 1, 0xFF], "value")
      try shard.equal(record?.labels, ["kind": "x", "名前": ""], "labels")
      try shard.equal(record?.version, outcome.version, "version")
      try shard.equal(record?.written, shard.clock.now, "written")
      try shard.equal(record?.expires, shard.clock.now + 60, "expires")
    },
    Check("the smallest and the largest are kept") { shard in
      try await shard.prepare()
      let keys = [RecordKey([0]), RecordKey([UInt8](repeating: 0xFF, count: 1_024))]
      for (key, count) in zip(keys, [0, RecordLimits.valueBytesMax]) {
        let value = [UInt8](repeating: 7, count: count)
        try await shard.write(
          RecordOperation(
            .put(value: value, labels: [:], expiry: .never), collection: "inbox", key: key))
        let found = try shard.store.records(home: It.ada, collection: "inbox", keys: [key])[0]
        try shard.equal(found?.value == value, true, "\(count) bytes")
      }
    },
    Check("records are answered in the order of the keys, as often as asked") { shard in
      try await shard.prepare()
      try await shard.write(shard.put("a", "1"), shard.put("b", "2"))
      try shard.equal(shard.texts("b", "x", "a", "b"), ["2", nil, "1", "2"], "texts")
      try shard.equal(shard.texts(), [], "no keys")
    },
    Check("homes and collections keep apart") { shard in
      try await shard.prepare()
      try await shard.write(shard.put("a", "1"), shard.put("a", "2", in: "threads"))
      try await shard.write(shard.put("a", "3"), to: It.ben)
      try await shard.write(shard.delete("a"))
      try shard.equal(shard.texts("a"), [nil], "deleted")
      try shard.equal(shard.texts("a", in: "threads"), ["2"], "the other collection")
      try shard.equal(shard.texts("a", of: It.ben), ["3"], "the other home")
    },
    Check("outcomes tell what was there, and versions never come back") { shard in
      try await shard.prepare()
      let outcomes = try await shard.write(
        shard.put("a"), shard.put("a"), shard.delete("a"), shard.delete("a"), shard.put("a"))
      try shard.equal(outcomes.map(\.existed), [false, true, true, false, false], "existed")
      try shard.equal(
        outcomes.map { $0.version != nil }, [true, true, false, false, true], "versions")
      try shard.equal(Set(outcomes.compactMap(\.version)).count, 3, "different versions")
      try await shard.equal(shard.write().count, 0, "outcomes of no operations")
    },
    Check("a condition that does not hold refuses the whole request") { shard in
      try await shard.prepare()
      let old = try await shard.write(shard.put("a", "1"))[0].version
      let new = try await shard.write(shard.put("a", "2"))[0].version
      guard let old, let new else { throw Failure(description: "a put has no version") }
      let never = try [
        shard.put("a", "x", if: .absent), shard.put("a", "x", if: .version(old)),
        shard.delete("a", if: .absent), shard.delete("a", if: .version(old)),
        shard.put("b", "x", if: .version(new)),
      ]
      for operation in never {
        try await shard.refused(.versionMismatch, "alone") { try await shard.write(operation) }
        try await shard.refused(.versionMismatch, "after others") {
          try await shard.write(shard.put("c"), shard.put("a", "x"), operation)
        }
      }
      try shard.equal(shard.texts("a", "b", "c"), ["2", nil, nil], "the records")
      try await shard.write(
        shard.put("b", if: .absent), shard.delete("a", if: .version(new)),
        shard.put("a", "3", if: .absent))
      try shard.equal(shard.texts("a", "b"), ["3", "v"], "after conditions that hold")
    },
    Check("an expired record is not there, for nobody") { shard in
      try await shard.prepare()
      let version = try await shard.write(
        shard.put("a", labels: ["kind": "x"], expiry: .after(.milliseconds(5))))[0].version
      guard let version else { throw Failure(description: "a put has no version") }
      shard.clock.advance(by: .milliseconds(4))
      try shard.equal(shard.texts("a"), ["v"], "a millisecond before")
      shard.clock.advance(by: .milliseconds(1))
      try shard.equal(shard.texts("a"), [nil], "at its moment")
      try shard.equal(
        shard.keys(PageRequest(home: It.ada, collection: "inbox", limit: 9)), [], "by key")
      try await shard.refused(.versionMismatch, "its version") {
        try await shard.write(shard.put("a", if: .version(version)))
      }
      try await shard.equal(
        shard.write(shard.delete("a", if: .absent))[0].existed, false, "existed")
      try await shard.refused(.invalidArgument, "an expiry that has passed") {
        try await shard.write(shard.put("a", expiry: .at(shard.clock.now)))
      }
    },
    Check("labels go with the record that had them") { shard in
      try await shard.prepare()
      func labelled(_ value: String) throws -> [String] {
        try shard.keys(
          PageRequest(home: It.ada, collection: "inbox", label: ("kind", value), limit: 9))
      }
      try await shard.write(
        shard.put("a", labels: ["kind": "x"]), shard.put("b", labels: ["kind": "x", "other": "x"]),
        shard.put("c", labels: ["other": "x"]))
      try shard.equal(labelled("x"), ["a", "b"], "as put")
      try await shard.write(shard.put("a", labels: ["kind": "y"]), shard.delete("b"))
      try shard.equal(labelled("x"), [], "the old label")
      try shard.equal(labelled("y"), ["a"], "the new label")
      try await shard.refused(.invalidArgument, "a put that is refused") {
        try await shard.write(shard.put("a", expiry: .at(.distantPast)))
      }
      try shard.equal(labelled("y"), ["a"], "after a put that was refused")
      try shard.equal(shard.store.integrityFindings(), [], "the check of the whole")
    },
  ]

  static let pageChecks: [Check] = [
    Check("a page holds the keys of its range, in either order") { shard in
      try await shard.prepare()
      for key in ["a", "ab", "abc", "b", "c"] as [RecordKey] {
        try await shard.write(shard.put(key))
      }
      let ranges: [(KeyRange, [String])] = [
        (.all, ["a", "ab", "abc", "b", "c"]),
        (.prefix(RecordKey([])), ["a", "ab", "abc", "b", "c"]),
        (.prefix("ab"), ["ab", "abc"]), (.prefix("x"), []),
        (.range(from: "ab", below: "c"), ["ab", "abc", "b"]),
        (.range(from: "b", below: nil), ["b", "c"]), (.range(from: nil, below: "ab"), ["a"]),
        (.range(from: "c", below: "a"), []),
      ]
      for (range, keys) in ranges {
        var request = PageRequest(home: It.ada, collection: "inbox", range: range, limit: 9)
        try shard.equal(shard.keys(request), keys, "\(range)")
        request.order = .descending
        try shard.equal(shard.keys(request), keys.reversed(), "\(range) backwards")
      }
    },
    Check("a prefix of the highest bytes has no key after it") { shard in
      try await shard.prepare()
      let bytes: [[UInt8]] = [
        [0xFE, 0xFF], [0xFF], [0xFF, 0], [0xFF, 0xFF], [0xFF, 0xFF, 0xFF],
      ]
      let keys = bytes.map { RecordKey($0) }
      for key in keys { try await shard.write(shard.put(key)) }
      // Beside each key, those that begin with it.
      for (key, range) in zip(keys, [0..<1, 1..<5, 2..<3, 3..<5, 4..<5]) {
        let page = try shard.store.page(
          PageRequest(home: It.ada, collection: "inbox", range: .prefix(key), limit: 9))
        try shard.equal(page.records.map(\.key), Array(keys[range]), "the prefix \(key.bytes)")
      }
    },
    Check("pages follow each other to the end, by key and by label") { shard in
      try await shard.prepare()
      let all = (10..<33).map { "\($0)" }
      for key in all { try await shard.write(shard.put(RecordKey(key), labels: ["kind": "x"])) }
      for label in [nil, ("kind", "x")] as [(String, String)?] {
        for order in [RecordOrder.ascending, .descending] {
          var request = PageRequest(
            home: It.ada, collection: "inbox", label: label.map { (name: $0.0, value: $0.1) },
            order: order, limit: 5)
          var found: [String] = []
          repeat {
            let page = try shard.store.page(request)
            found += page.records.compactMap(\.key.text)
            request.after = page.next
          } while request.after != nil
          try shard.equal(found, order == .ascending ? all : all.reversed(), "\(order)")
        }
      }
    },
    Check("a page that ends exactly has no next") { shard in
      try await shard.prepare()
      try await shard.write(shard.put("a"), shard.put("b"))
      for (limit, isLast) in [(1, false), (2, true), (3, true)] {
        let page = try shard.store.page(
          PageRequest(home: It.ada, collection: "inbox", limit: limit))
        try shard.equal(page.next == nil, isLast, "the last of \(limit)")
      }
      for limit in [0, RecordLimits.pageRecordsMax + 1] {
        try await shard.refused(.invalidArgument, "a page of \(limit)") {
          _ = try shard.store.page(PageRequest(home: It.ada, collection: "inbox", limit: limit))
        }
      }
    },
  ]

  static let wholeChecks: [Check] = [
    Check("what comes too late is not written") { shard in
      try await shard.prepare()
      let request = WriteRequest(
        home: It.ada, law: It.first, operations: [try shard.put("a")])
      try await shard.refused(.deadlineExceeded, "a deadline that has passed") {
        _ = try await shard.store.write(request, by: .now - .seconds(1))
      }
      try shard.equal(shard.texts("a"), [nil], "the record")
    },
    Check("many callers at once each have what they wrote") { shard in
      try await shard.prepare()
      try await withThrowingTaskGroup { group in
        for number in 0..<100 {
          group.addTask {
            try await shard.write(
              shard.put(RecordKey("\(number)"), "\(number)"), to: number % 2 == 0 ? It.ada : It.ben)
            // Read your writes, from any thread.
            try shard.equal(
              shard.texts(RecordKey("\(number)"), of: number % 2 == 0 ? It.ada : It.ben),
              ["\(number)"], "its own write")
          }
        }
        try await group.waitForAll()
      }
      try shard.equal(shard.store.tallies().map(\.records), [100], "records")
      try shard.equal(shard.store.integrityFindings(), [], "the check of the whole")
    },
    Check("a closed shard says so") { shard in
      try await shard.prepare()
      let store = shard.store
      let request = WriteRequest(home: It.ada, law: It.first, operations: [try shard.put("a")])
      await store.close()
      try await shard.refused(.closed, "writing") {
        _ = try await store.write(request, by: shard.soon)
      }
      try await shard.refused(.closed, "reading") { _ = try shard.texts("a") }
      await store.close()
    },
  ]
}
