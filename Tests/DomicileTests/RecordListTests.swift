import Domicile
import DomicileTesting
import Testing

/// Lists and pages of one user's records.
@Suite struct RecordListTests {
  /// Keys `0/000` to `2/249`, every tenth with the label `tenth`.
  private static let keys = (0..<3).flatMap { group in
    (0..<250).map { number in
      let digits = "\(number)"
      return "\(group)/" + String(repeating: "0", count: 3 - digits.count) + digits
    }
  }

  private func withKeys(_ body: (UserHandle) async throws -> Void) async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { _, ada in
      var batch = RecordBatch()
      for (number, key) in Self.keys.enumerated() {
        batch.put(
          key.utf8, key: RecordKey(key), in: .inbox,
          labels: number.isMultiple(of: 10) ? ["tenth": "yes"] : [:])
      }
      try await ada.write(batch)
      try await ada.put("other".utf8, key: "0/000", in: .threads)
      try await body(ada)
    }
  }

  private func texts(_ list: RecordList) async throws -> [String] {
    var texts: [String] = []
    for try await record in list { texts.append(record.text ?? "?") }
    return texts
  }

  @Test(arguments: [RecordOrder.ascending, .descending])
  func `lists give all that was asked for in order`(order: RecordOrder) async throws {
    func ordered(_ keys: some Sequence<String>) -> [String] {
      order == .ascending ? Array(keys) : keys.reversed()
    }
    try await withKeys { ada in
      let all = try await texts(ada.list(.inbox, order: order))
      #expect(all == ordered(Self.keys))
      let prefix = try await texts(ada.list(.inbox, prefix: "1/", order: order))
      #expect(prefix == ordered(Self.keys.filter { $0.hasPrefix("1/") }))
      let bounded = KeyRange.range(from: "0/100", below: "2/007")
      let range = try await texts(ada.list(.inbox, keys: bounded, order: order))
      #expect(range == ordered(Self.keys.filter { $0 >= "0/100" && $0 < "2/007" }))
      let openEnded = KeyRange.range(from: "2/200", below: nil)
      let rest = try await texts(ada.list(.inbox, keys: openEnded, order: order))
      #expect(rest == ordered(Self.keys.filter { $0 >= "2/200" }))
      let none = try await texts(ada.list(.inbox, prefix: "3", order: order))
      #expect(none.isEmpty)
      let tenths = Self.keys.enumerated().filter { $0.offset.isMultiple(of: 10) }.map(\.element)
      let labelled = try await texts(ada.list(.inbox, label: ("tenth", "yes"), order: order))
      #expect(labelled == ordered(tenths))
      let both = try await texts(
        ada.list(.inbox, keys: .prefix("2/"), label: ("tenth", "yes"), order: order))
      #expect(both == ordered(tenths.filter { $0.hasPrefix("2/") }))
      let wrong = try await texts(ada.list(.inbox, label: ("tenth", "no"), order: order))
      #expect(wrong.isEmpty)
    }
  }

  @Test(arguments: [0, 1, 99, 100, 101, 250, 750, 1_000])
  func `a limit is kept`(limit: Int) async throws {
    try await withKeys { ada in
      let found = try await texts(ada.list(.inbox, limit: limit))
      #expect(found == Array(Self.keys.prefix(limit)))
    }
  }

  @Test(arguments: [RecordOrder.ascending, .descending], [1, 7, 250, 749, 750])
  func `pages follow each other without gap or repetition`(
    order: RecordOrder, limit: Int
  ) async throws {
    try await withKeys { ada in
      var found: [String] = []
      var cursor: RecordCursor?
      var pages = 0
      repeat {
        let page = try await ada.page(.inbox, order: order, limit: limit, after: cursor)
        #expect(page.records.count <= limit)
        found += page.records.compactMap(\.text)
        // A cursor is text on its way through a client.
        cursor = try page.next.map { try #require(RecordCursor("\($0)")) }
        pages += 1
      } while cursor != nil && pages < 1_000
      #expect(found == (order == .ascending ? Self.keys : Self.keys.reversed()))
      #expect(pages == (750 + limit - 1) / limit)
    }
  }

  @Test func `a list goes on from a cursor`() async throws {
    try await withKeys { ada in
      let page = try await ada.page(.inbox, keys: .prefix("1/"), limit: 30)
      let rest = try await texts(ada.list(.inbox, prefix: "1/", after: page.next))
      #expect(rest == Array(Self.keys[280..<500]))
    }
  }

  @Test func `a page has at most a thousand records`() async throws {
    try await withKeys { ada in
      for limit in [-1, 0, 1_001] {
        let error = try await #require(throws: RouterError.self) {
          try await ada.page(.inbox, limit: limit)
        }
        #expect(error.code == .invalidArgument)
      }
      let page = try await ada.page(.inbox, limit: 1_000)
      #expect(page.records.count == 750)
      #expect(page.next == nil)
    }
  }
}
