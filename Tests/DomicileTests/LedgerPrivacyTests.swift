import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

@testable import Domicile

/// The ledger holds nothing personal, and after an erasure nobody, with all files and keys in hand, gets from a person to an entry.
@Suite struct LedgerPrivacyTests {
  private let ada = UserID("ada")
  private let ben = UserID("ben")
  private let family = GroupID("family")

  private func files(_ deployment: TemporaryDeployment) -> [(name: String, bytes: Data)] {
    let names =
      FileManager.default.enumerator(atPath: deployment.data)?.compactMap { $0 as? String } ?? []
    return names.compactMap { name in
      FileManager.default.contents(atPath: "\(deployment.data)/\(name)").map { (name, $0) }
    }
  }

  /// Ada and Ben have lived: groups, tags, holds, reads and refusals; then Ben is erased.
  private func live(_ router: ResidencyRouter) async throws -> String {
    try await router.admit(ada, residence: "DE")
    try await router.admit(ben, residence: "US", attributes: ["scc-signed"])
    try await router.createGroup(family, members: [ada, ben], dataClasses: ["messages"])
    try await router.group(family, as: ben).put("hello".utf8, key: "k", in: .inbox)
    try await router.user(ben).put("hello".utf8, key: "k", in: .inbox)
    _ = try await router.retag(ben, residence: "IN")
    _ = try await router.hold(ben, name: "case-of-ben", reason: "Ben sues.")
    _ = try await router.release(hold: "case-of-ben", on: ben)
    try await router.noteRead(of: ben, dataClasses: ["messages"], command: "get")
    let alias = try await router.locate(ben).alias
    let receipt = try await router.erase(ben)
    #expect(receipt.isDone)
    #expect(receipt.alias == alias)
    return alias
  }

  @Test func `entries have no id, residence, attribute, key, value, or name of a hold`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      _ = try await live(router)
      let entries = try router.ledgerEntries(limit: 1_000)
      let encoded = try entries.map {
        String(decoding: try JSONEncoder().encode($0.entry), as: UTF8.self)
      }.joined()
      for word in [
        "\"ben\"", "ada", "family", "scc-signed", "case-of-ben", "sues", "residence", "hello",
        "inbox",
      ] {
        #expect(!encoded.contains(word), "\(word)")
      }
      #expect(entries.count > 10)
    }
  }

  @Test func `after an erasure no file has the keyed hash of the id`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let owner = router.key.owner(ofUser: "ben")
      _ = try await live(router)
      for file in files(deployment) {
        #expect(file.bytes.range(of: Data(owner.bytes)) == nil, "\(file.name)")
      }
      #expect(try router.verifyLedger().findings.isEmpty)
      let history = #expect(throws: RouterError.self) { try router.history(of: ben) }
      #expect(history?.code == .notFound)
    }
  }

  @Test
  func
    `after an erasure only the ledger and the tombstone know the alias, and no shard its serials`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let alias = try await live(router)
      let bytes = try #require(OwnerAlias(alias)).bytes
      for file in files(deployment) where !file.name.hasPrefix("directory.sqlite") {
        #expect(file.bytes.range(of: Data(bytes)) == nil, "\(file.name)")
        #expect(file.bytes.range(of: Data(alias.utf8)) == nil, "\(file.name)")
      }
      let directory = try Connection(
        path: "\(deployment.data)/directory.sqlite", mode: .reading)
      let columns = try directory.rows(
        """
        SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name <> 'entry'
        """, as: { ($0.text(0), $0.text(1)) })
      for (table, column) in columns {
        let isKnown = try directory.integer(
          """
          SELECT 1 FROM \(table)
          WHERE instr(CAST("\(column)" AS BLOB), ?1) OR instr(CAST("\(column)" AS BLOB), ?2) LIMIT 1
          """, .blob(bytes), .blob(Array(alias.utf8)))
        #expect(
          (isKnown != nil) == (table == "tombstone" && column == "alias"), "\(table).\(column)")
      }
      // Nor leads a serial from a row that has a name to an entry about the erased.
      let entries = try router.ledgerEntries(limit: 1_000).compactMap(\.entry)
      let serials = Set(
        entries.filter { $0.alias == alias }.flatMap { $0.places ?? [] }.compactMap(\.serial))
      #expect(!serials.isEmpty)
      for file in files(deployment)
      where file.name.hasSuffix(".sqlite") && !file.name.hasPrefix("directory") {
        let shard = try Connection(path: "\(deployment.data)/\(file.name)", mode: .reading)
        let known = try shard.rows("SELECT serial FROM home", as: { $0.integer(0) })
        #expect(serials.isDisjoint(with: known), "\(file.name)")
      }
    }
  }

  @Test func `a group's entries name no member, and no rule that tells of one`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let erased = try await live(router)
      let group = try await router.locate(family).alias
      let others = try await [erased, router.locate(ada).alias]
      let entries = try router.ledgerEntries(limit: 1_000).compactMap(\.entry).filter {
        $0.alias == group
      }
      #expect(entries.map(\.kind) == [.admission])
      let text = String(decoding: try JSONEncoder().encode(entries), as: UTF8.self)
      #expect(others.allSatisfy { !text.contains($0) })
      #expect(entries.first?.places?.first?.rules == ["press-freedom"])
    }
  }
}
