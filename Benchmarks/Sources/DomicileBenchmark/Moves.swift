import Domicile
import Foundation

/// A deployment of two regions, between which homes are moved to and fro; and two files of plain SQLite, between which rows are.
final class MoveDeployment {
  private static let valueBytes = 100
  private static let collection = RecordCollection(Workload.collection)

  private let router: ResidencyRouter
  private let source: PlainConnection
  private var ids: [UserID] = []
  private var region = "dublin"
  /// Which of the two files has the rows.
  private var isThere = false
  private let records: Int
  private let isAlone: Bool

  /// So many users with so many records each, on both sides; `isAlone`: plain SQLite has nothing else in its tables.
  init(folder: String, users: Int, recordsPerUser: Int, isAlone: Bool) async throws {
    self.isAlone = isAlone
    records = users * recordsPerUser
    router = try await Deployment.open(
      folder: folder, clock: .system, regions: ["dublin", "mumbai"])
    ids = (0..<users).map { UserID("user-\($0)") }
    let handles = try await Deployment.admit(ids, to: router, region: region)
    var draw = Draw(seed: 1)
    for handle in handles {
      for start in stride(from: 0, to: recordsPerUser, by: 1_000) {
        var batch = RecordBatch()
        for record in start..<min(start + 1_000, recordsPerUser) {
          batch.put(
            Self.value(&draw), key: RecordKey("2026/\(1_000_000 + record)"), in: Self.collection)
        }
        try await handle.write(batch)
      }
    }
    for name in ["a", "b"] {
      _ = FileManager.default.createFile(atPath: "\(folder)/\(name).sqlite", contents: nil)
      try PlainConnection(path: "\(folder)/\(name).sqlite").execute(Self.schema)
    }
    source = try PlainConnection(path: "\(folder)/a.sqlite")
    try source.execute("ATTACH '\(folder)/b.sqlite' AS there")
    if !isAlone { for file in ["main", "there"] { try source.execute(Self.neighbour(file)) } }
    for pragma in ["synchronous = 2", "secure_delete = 1"] {
      try source.execute("PRAGMA there.\(pragma)")
    }
    try source.execute(
      """
      WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < \(records - 1))
      INSERT INTO main.record SELECT i / \(recordsPerUser), 'inbox', CAST('2026/' || (1000000 + i % \(recordsPerUser)) AS BLOB),
        random(), 1767225600000, NULL, NULL, randomblob(\(Self.valueBytes)) FROM n
      """)
  }

  private static let schema = """
    CREATE TABLE record (
      home INTEGER NOT NULL, collection TEXT NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL,
      written INTEGER NOT NULL, expires INTEGER, labels TEXT, value BLOB NOT NULL,
      PRIMARY KEY (home, collection, key)) STRICT, WITHOUT ROWID;
    CREATE INDEX record_expiry ON record (expires) WHERE expires IS NOT NULL;
    """

  /// A home that stays. Where there is none, SQLite copies rows of a whole table without looking into them, and drops the old table's
  /// pages at once; nobody who moves one user of many can do that.
  private static func neighbour(_ file: String) -> String {
    "INSERT INTO \(file).record VALUES (-1, 'inbox', x'00', 1, 1767225600000, NULL, NULL, x'00')"
  }

  private static func value(_ draw: inout Draw) -> [UInt8] {
    (0..<valueBytes).map { _ in UInt8(truncatingIfNeeded: draw.next()) }
  }

  func close() async { await router.close() }

  /// Records a second: copied, compared, committed to, gone from the source's files.
  func move() async throws -> Double {
    let start = ContinuousClock.now
    region = region == "dublin" ? "mumbai" : "dublin"
    let results = await router.move(
      ids.map { HomeMove(user: $0, dataClass: "messages", to: region) })
    let time = ContinuousClock.now - start
    for result in results {
      let report = try result.get()
      guard report.end == .moved else {
        throw BenchmarkError("a home was not moved: \(report.problem?.description ?? "")")
      }
    }
    return Double(records) / (time / .seconds(1))
  }

  /// The same of some users, each moved by a call of its own, to the other region and back.
  func moveEach(users: Int) async throws -> Double {
    let there = region == "dublin" ? "mumbai" : "dublin"
    let start = ContinuousClock.now
    for region in [there, region] {
      for id in ids.prefix(users) {
        let report = try await router.move(id, dataClass: "messages", to: region)
        guard report.end == .moved else { throw BenchmarkError("a home was not moved") }
      }
    }
    let moved = 2 * users * records / ids.count
    return Double(moved) / ((ContinuousClock.now - start) / .seconds(1))
  }

  /// Milliseconds for which writes to the one home of the deployment waited at most.
  func freeze() async throws -> Double {
    region = region == "dublin" ? "mumbai" : "dublin"
    let report = try await router.move(ids[0], dataClass: "messages", to: region)
    guard report.end == .moved else { throw BenchmarkError("a home was not moved") }
    return report.longestFreeze / .milliseconds(1)
  }

  /// Records a second by `INSERT … SELECT` and `DELETE` in one transaction, both files checkpointed.
  func attach() throws -> Double {
    let start = ContinuousClock.now
    let (from, to) = isThere ? ("there", "main") : ("main", "there")
    isThere.toggle()
    let rows = isAlone ? "" : "WHERE home >= 0"
    try source.execute(
      """
      BEGIN; INSERT INTO \(to).record SELECT * FROM \(from).record \(rows); DELETE FROM \(from).record \(rows); COMMIT
      """)
    try source.truncateWAL()
    return Double(records) / ((ContinuousClock.now - start) / .seconds(1))
  }

  /// Records a second by a transaction for each of some users.
  func attachOneByOne(users: Int) throws -> Double {
    let start = ContinuousClock.now
    let (from, to) = isThere ? ("there", "main") : ("main", "there")
    isThere.toggle()
    for user in 0..<users {
      try source.execute(
        """
        BEGIN; INSERT INTO \(to).record SELECT * FROM \(from).record WHERE home = \(user);
        DELETE FROM \(from).record WHERE home = \(user); COMMIT
        """)
    }
    return Double(records / ids.count * users) / ((ContinuousClock.now - start) / .seconds(1))
  }
}
