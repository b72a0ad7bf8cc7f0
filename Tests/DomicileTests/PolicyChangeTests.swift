import Domicile
import DomicileTesting
import Foundation
import Testing

/// What a change of policy must not do to data that is already stored.
@Suite struct PolicyChangeTests {
  private static let receipts = RecordCollection("receipts")

  /// `receipts` among the messages, which may live at home in Ireland, and among the payments, which may not.
  private static let asMessages = RegionFiles.small
    .replacing("[inbox, threads]", in: "policy.yaml", with: "[inbox, threads, receipts]")
    .replacing("{collections: [receipts]}", in: "policy.yaml", with: "{collections: [bills]}")

  @Test func `a collection stays in its class while anybody has data of that class`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("ada"), residence: "DE")
      let ada = try await router.user(UserID("ada"))
      try await ada.put("1".utf8, key: "k", in: Self.receipts)

      try deployment.write(Self.asMessages)
      let error = await #expect(throws: RouterError.self) {
        try await router.apply(regions: deployment.regions)
      }
      #expect(error?.code == .collectionInUse)
      #expect(
        error?.message
          == "The policy drops the collection “receipts” of the class “payments”, or puts it into another"
          + " class, but users have data of that class. Nothing was applied. Keep it where it is.")
      #expect(router.policyGeneration == 1)
      #expect(try await ada.get("k", in: Self.receipts)?.text == "1")
    }
  }

  @Test func `a collection of a class that nobody has may go to another`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("ada"), residence: "DE", dataClasses: ["messages"])
      try deployment.write(Self.asMessages)
      #expect(try await router.apply(regions: deployment.regions).isApplied)
      let ada = try await router.user(UserID("ada"))
      try await ada.put("1".utf8, key: "k", in: Self.receipts)
      #expect(try await router.locate(UserID("ada")).placements.map(\.dataClass) == ["messages"])
      #expect(try await router.doctor().findings == [])
    }
  }

  @Test func `a record of a collection that is not of its home's class is found`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("ada"), residence: "IN")
      try await router.user(UserID("ada")).put("1".utf8, key: "k", in: RecordCollection("inbox"))
    }
    try runSQLite(
      "\(deployment.data)/mumbai/mumbai-1.sqlite", "UPDATE record SET collection = 'receipts'")
    try await deployment.withRouter { router in
      let findings = try await router.doctor().findings
      #expect(
        findings.map(\.message) == [
          "The shard mumbai-1: 1 records of a collection that is not of their home's class."
            + " Restore it."
        ])
    }
  }

  @Test func `a shard that left the topology and came back is not made anew`() async throws {
    let deployment = try await TemporaryDeployment()
    let without = RegionFiles.small.replacing(
      "{ashburn-1: {}}", in: "topology.yaml", with: "{ashburn-9: {}}")
    let file = "\(deployment.data)/ashburn/ashburn-1.sqlite"
    try await deployment.withRouter { router in
      for files in [without, RegionFiles.small] {
        try deployment.write(files)
        #expect(try await router.apply(regions: deployment.regions).isApplied)
      }
      try await router.admit(UserID("ada"), residence: "US")
      #expect(try await router.locate(UserID("ada")).placements[0].shard == "ashburn-1")
    }
    for suffix in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: file + suffix)
    }
    try await deployment.withRouter { router in
      let findings = try await router.doctor().findings
      #expect(Set(findings.map(\.code)) == [.shardUnavailable])
      await #expect(throws: RouterError.self) {
        try await router.admit(UserID("bob"), residence: "US")
      }
    }
    #expect(!FileManager.default.fileExists(atPath: file))
  }

  @Test func `an admission to a shard that is down writes nothing, and can be corrected`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    let file = "\(deployment.data)/ashburn/ashburn-1.sqlite"
    try FileManager.default.moveItem(atPath: file, toPath: "\(file).away")
    try await deployment.withRouter { router in
      let error = await #expect(throws: RouterError.self) {
        try await router.admit(UserID("eve"), residence: "US")
      }
      #expect(error?.code == .unavailable)
      await #expect(throws: RouterError.self) { try await router.locate(UserID("eve")) }
      try await router.admit(UserID("eve"), residence: "DE")
      #expect(try await router.locate(UserID("eve")).residence == "DE")
    }
  }

  @Test func `tags that the policy no longer declares bar the home and can still be located`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("ada"), residence: "DE", attributes: ["scc-signed"])
      let ada = try await router.user(UserID("ada"))
      try await ada.put("1".utf8, key: "k", in: Self.receipts)
      try deployment.write(
        .small.replacing("attributes: [scc-signed]\n", in: "policy.yaml", with: "")
          .replacing("    unless: {attribute: scc-signed}\n", in: "policy.yaml", with: ""))
      #expect(try await router.apply(regions: deployment.regions).isApplied)

      let error = await #expect(throws: RouterError.self) {
        try await ada.put("2".utf8, key: "k", in: Self.receipts)
      }
      #expect(error?.code == .barred)
      #expect(try await ada.get("k", in: Self.receipts)?.text == "1")
      #expect(
        try await router.locate(UserID("ada")).placements.map(\.state) == [.barred, .barred])
      #expect(
        Set(try await router.doctor().findings.map(\.code)) == [.barredHome, .barredDirectory])
      #expect(try await ada.delete("k", in: Self.receipts))
    }
  }

  private func runSQLite(_ file: String, _ sql: String) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["sqlite3", file, sql]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }
}
