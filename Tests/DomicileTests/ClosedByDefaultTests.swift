import Domicile
import DomicileTesting
import Foundation
import Testing

/// Promise 7: what is unknown, missing or wrong is refused, clearly, and nothing takes its place.
@Suite struct ClosedByDefaultTests {
  // MARK: Names

  @Test func `names that the policy does not know are refused with the nearest ones`() async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      func expect(
        _ code: RouterError.Code, _ message: String,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () async throws -> Void
      ) async {
        do {
          try await body()
          Issue.record("nothing was thrown", sourceLocation: sourceLocation)
        } catch let error as RouterError {
          #expect(error.code == code, sourceLocation: sourceLocation)
          #expect(error.message == message, sourceLocation: sourceLocation)
        } catch {
          Issue.record(error, sourceLocation: sourceLocation)
        }
      }
      await expect(
        .unknownName,
        "Unknown country “XX”; known: DE, IE, IN, KP, US. Countries are ISO 3166-1 alpha-2 codes."
      ) { try await router.admit(UserID("u"), residence: "XX") }
      await expect(
        .unknownName,
        "Unknown attribute “scc-singed”; did you mean “scc-signed”? Only attributes that the policy"
          + " declares are kept."
      ) { try await router.admit(UserID("u"), residence: "DE", attributes: ["scc-singed"]) }
      await expect(.unknownName, "Unknown data class “massages”; did you mean “messages”?") {
        try await router.admit(UserID("u"), residence: "DE", dataClasses: ["massages"])
      }
      await expect(.unknownName, "Unknown region “dubln”; did you mean “dublin”?") {
        try await router.admit(UserID("u"), residence: "DE", region: "dubln")
      }
      await expect(
        .unknownName,
        "Unknown collection “inbx”; did you mean “inbox”? The policy lists the collections of each data"
          + " class."
      ) { try await ada.put([1], key: "k", in: RecordCollection("inbx")) }
      await expect(
        .invalidArgument,
        "The class “directory” has no collections, so nothing is placed for it."
      ) { try await router.admit(UserID("u"), residence: "DE", dataClasses: ["directory"]) }
      await expect(
        .notFound,
        "No such user was admitted. Check the id, or admit the user first (“domicile admit”)."
      ) {
        _ = try await router.user(UserID("u"))
      }
      await expect(.invalidArgument, "A user's id has 1 to 512 bytes; this one has 0.") {
        _ = try await router.user(UserID(""))
      }
      await expect(.invalidArgument, "A user's id has 1 to 512 bytes; this one has 513.") {
        try await router.admit(UserID(String(repeating: "u", count: 513)), residence: "DE")
      }
      await expect(
        .tagsDiffer,
        "The user was admitted with other tags, which an admission does not change. Nothing was written. If these"
          + " are right now, change them first (“domicile retag”)."
      ) { try await router.admit(UserID("ada"), residence: "IE") }
      await expect(
        .invalidArgument, "A key has 1 to 1,024 bytes; this one has 0. Nothing was written."
      ) { try await ada.put([1], key: "", in: .inbox) }
      await expect(
        .invalidArgument,
        "A value has at most 1,048,576 bytes; this one has 1048577. Nothing was written."
      ) { try await ada.put([UInt8](repeating: 1, count: 1_048_577), key: "k", in: .inbox) }
      await expect(
        .invalidArgument,
        "A batch is for one data class; “inbox” and “receipts” are of different ones. Nothing was written."
      ) {
        var batch = RecordBatch()
        batch.put([1], key: "k", in: .inbox)
        batch.put([1], key: "k", in: .receipts)
        try await ada.write(batch)
      }
      await expect(
        .versionMismatch,
        "The record is not as the condition demands; nothing was written. Read it and try again."
      ) {
        let version = try #require(RecordVersion("1"))
        try await ada.put([1], key: "k", in: .inbox, if: .version(version))
      }
      await expect(
        .invalidArgument, "A page has 1 to 1000 records; 0 were asked for."
      ) { _ = try await ada.page(.inbox, limit: 0) }
    }
  }

  // MARK: Regions and shards

  @Test func `a region that is not carried answers elsewhere with its name`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("asha"), residence: "IN")
    }
    try await deployment.withRouter {
      $0.carriedRegions = ["dublin"]
    } _: { router in
      let asha = try await router.user(UserID("asha"))
      let calls: [() async throws -> Void] = [
        { try await asha.put([1], key: "k", in: .inbox) },
        { _ = try await asha.get("k", in: .inbox) },
        { _ = try await asha.page(.inbox) },
        { try await asha.delete("k", in: .inbox) },
      ]
      for call in calls {
        let error = try await #require(throws: RouterError.self) { try await call() }
        #expect(error.code == .elsewhere)
        #expect(error.region == "mumbai")
        #expect(
          error.message
            == "The region mumbai is not carried by this process. Forward the call to one that does."
        )
      }
      let admitted = try await #require(throws: RouterError.self) {
        try await router.admit(UserID("ravi"), residence: "IN")
      }
      #expect(admitted.code == .elsewhere)
      #expect(admitted.region == "mumbai")
      #expect(
        admitted.message
          == "The region mumbai, where the user's messages would live, is not carried by this process."
          + " Forward the call to one that does; nothing was written.")
      let application = try await router.apply(.small)
      #expect(Set(application.pending.map(\.shard)) == ["ashburn-1", "mumbai-1"])
      #expect(application.pending.allSatisfy { $0.reason.code == .elsewhere })
    }
    try await OpenFiles.with(deployment) { files in
      let ravi = try files.directory.user(files.owner("ravi"))
      #expect(ravi == nil)
    }
  }

  @Test func `a shard whose file is missing is never made anew`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("asha"), residence: "IN")
    }
    let folder = "\(deployment.data)/mumbai"
    try FileManager.default.removeItem(atPath: folder)
    try await deployment.withRouter { router in
      let asha = try await router.user(UserID("asha"))
      let error = try await #require(throws: RouterError.self) {
        try await asha.put([1], key: "k", in: .inbox)
      }
      #expect(error.code == .unavailable)
      #expect(error.region == "mumbai")
      #expect(
        error.message
          == "The file of the shard mumbai-1 is missing. Mount its volume or restore the file; a shard"
          + " that held data is never made anew.")
      await #expect(throws: RouterError.self) {
        try await router.admit(UserID("ravi"), residence: "IN")
      }
      let application = try await router.apply(.small)
      #expect(application.pending.map(\.shard) == ["mumbai-1"])
      #expect(!FileManager.default.fileExists(atPath: folder))
    }
  }

  @Test func `the file of another region's shard is refused`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("asha"), residence: "IN")
    }
    let mumbai = "\(deployment.data)/mumbai/mumbai-1.sqlite"
    for suffix in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: mumbai + suffix)
      try? FileManager.default.copyItem(
        atPath: "\(deployment.data)/ashburn/ashburn-1.sqlite\(suffix)", toPath: mumbai + suffix)
    }
    try await deployment.withRouter { router in
      let asha = try await router.user(UserID("asha"))
      let error = try await #require(throws: RouterError.self) {
        try await asha.put([1], key: "k", in: .inbox)
      }
      #expect(error.code == .foreignFile)
      #expect(
        error.message
          == "The file of the shard mumbai-1 in the region mumbai (IN) is the shard ashburn-1 of the"
          + " region ashburn (US). Put the right file back.")
    }
  }

  @Test func `a shard of another deployment is refused`() async throws {
    let deployment = try await TemporaryDeployment()
    let other = try await TemporaryDeployment(seed: 2)
    let name = "mumbai/mumbai-1.sqlite"
    try FileManager.default.removeItem(atPath: "\(deployment.data)/\(name)")
    try FileManager.default.copyItem(
      atPath: "\(other.data)/\(name)", toPath: "\(deployment.data)/\(name)")
    try await deployment.withRouter { router in
      let error = try await #require(throws: RouterError.self) {
        try await router.admit(UserID("asha"), residence: "IN")
      }
      #expect(error.code == .foreignFile)
      #expect(
        error.message
          == "The file of the shard mumbai-1 belongs to another deployment. Put the right file back."
      )
    }
  }

  @Test func `a closed router answers closed`() async throws {
    let deployment = try await TemporaryDeployment()
    let router = try await deployment.open()
    try await router.admit(UserID("ada"), residence: "DE")
    let ada = try await router.user(UserID("ada"))
    try await ada.put([1], key: "k", in: .inbox)
    await router.close()
    await router.close()
    let calls: [() async throws -> Void] = [
      { try await ada.put([1], key: "k", in: .inbox) },
      { try await ada.put([1], key: "k", in: .receipts) },
      { _ = try await ada.get("k", in: .inbox) },
      { _ = try await ada.page(.inbox) },
      { _ = try await router.user(UserID("bob")) },
      { try await router.admit(UserID("bob"), residence: "DE") },
      { try await router.apply(.europeansInGermany) },
    ]
    for call in calls {
      let error = try await #require(throws: RouterError.self) { try await call() }
      #expect(error.code == .closed)
    }
  }
}
