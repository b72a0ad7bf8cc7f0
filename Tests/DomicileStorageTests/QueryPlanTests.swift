import DomicileSQLite
import DomicileTesting
import Testing

@testable import DomicileStorage

/// A page costs what it gives: an index is entered at its first key and walked in its order.
@Suite struct QueryPlanTests {
  struct Form: Sendable, CustomTestStringConvertible {
    let byLabel: Bool
    let order: RecordOrder
    let includesLower: Bool
    let hasUpper: Bool

    var testDescription: String {
      "\(byLabel ? "by label" : "by key"), \(order), \(includesLower ? "from" : "after") a key"
        + (hasUpper ? ", to another" : "")
    }
  }

  static let forms = [false, true].flatMap { byLabel in
    [RecordOrder.ascending, .descending].flatMap { order in
      [false, true].flatMap { includesLower in
        [false, true].map { hasUpper in
          Form(
            byLabel: byLabel, order: order, includesLower: includesLower, hasUpper: hasUpper)
        }
      }
    }
  }

  @Test(arguments: forms)
  func `no list sorts, and none reads what it does not give`(form: Form) async throws {
    let sql = ShardReader.pageSQL(
      byLabel: form.byLabel, order: form.order, includesLower: form.includesLower,
      hasUpper: form.hasUpper)
    let key = "(home=? AND collection=? AND key\(form.hasUpper ? ">? AND key<?" : ">?"))"
    let expected =
      form.byLabel
      ? [
        "SEARCH l USING PRIMARY KEY"
          + " (home=? AND collection=? AND name=? AND value=? AND key\(form.hasUpper ? ">? AND key<?" : ">?"))",
        "SEARCH r USING PRIMARY KEY (home=? AND collection=? AND key=?)",
      ]
      : ["SEARCH r USING PRIMARY KEY \(key)"]
    #expect(try await plan(of: sql) == expected)
  }

  @Test func `what an author wrote is entered at the author, however much others wrote`()
    async throws
  {
    #expect(
      try await plan(of: SQLiteShard.authoredContentsSQL) == [
        "SCAN c",
        "SEARCH l USING PRIMARY KEY (home=? AND collection=? AND name=? AND value=?)",
        "SEARCH r USING PRIMARY KEY (home=? AND collection=? AND key=?)",
      ])
    #expect(
      try await plan(of: ShardWriter.authoredSQL) == [
        "SEARCH l USING PRIMARY KEY (home=? AND collection=? AND name=? AND value=? AND key>?)",
        "SEARCH r USING PRIMARY KEY (home=? AND collection=? AND key=?)",
      ])
  }

  @Test func `a home is found by its owner and class`() async throws {
    #expect(
      try await plan(of: "SELECT id, serial, state FROM home WHERE owner = ? AND class = ?") == [
        "SEARCH home USING INDEX sqlite_autoindex_home_1 (owner=? AND class=?)"
      ])
  }

  private func plan(of sql: String) async throws -> [String] {
    let shard = try await TestShard()
    return try Connection(path: shard.path, mode: .reading).rows(
      "EXPLAIN QUERY PLAN \(sql)", as: { $0.text(3) })
  }
}
