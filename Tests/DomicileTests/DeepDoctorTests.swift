import Domicile
import DomicileSQLite
import DomicileTesting
import Testing

/// `doctor --deep` proves by structure that nothing is left of what was deleted.
@Suite struct DeepDoctorTests {
  private func codes(_ router: ResidencyRouter) async throws -> [DoctorFinding.Code] {
    try await router.doctor(deep: true).findings.map(\.code)
  }

  @Test func `a deployment that deletes much has no remnants, while it is written`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      for number in 0..<300 {
        try await ada.put(
          [UInt8](repeating: 7, count: number * 20), key: RecordKey("\(number)"), in: .inbox,
          labels: ["n": "\(number)"])
      }
      let writer = Task {
        var number = 0
        while !Task.isCancelled {
          number += 1
          _ = try? await ada.put("v".utf8, key: RecordKey("w\(number % 50)"), in: .threads)
        }
      }
      _ = try await ada.erase(.inbox, keys: .prefix("1"))
      #expect(try await codes(router) == [])
      writer.cancel()
      await writer.value
    }
  }

  @Test func `what another program left is rewritten before it is looked at`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      _ = try await router.erase(UserID("ada"))
      let file = "\(deployment.data)/dublin/dublin-1.sqlite"
      let other = try Connection(path: file, mode: .writing, vfs: "unix")
      try other.execute("PRAGMA secure_delete = OFF")
      for number in 0..<50 {
        try other.run(
          "INSERT INTO change VALUES (1, 'inbox', ?)", .blob(Array("left \(number)".utf8)))
      }
      try other.execute("DELETE FROM change")
      _ = try other.truncateWAL(patience: .milliseconds(10))
      #expect(try !WriterGate(path: file).isFileClean)
      let found = try other.snapshot { try other.unreferencedBytes() }
      #expect(!found.isEmpty)
      #expect(try await codes(router) == [])
      #expect(try WriterGate(path: file).isFileClean)
    }
  }

  @Test func `bytes that nothing refers to are found, and what to do`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      for number in 0..<50 {
        try await ada.put("\(number)".utf8, key: "\(number)", in: .inbox)
      }
      _ = try await ada.erase(.inbox)
      let file = "\(deployment.data)/dublin/dublin-1.sqlite"
      let other = try Connection(path: file, mode: .writing, vfs: "unix")
      try other.execute("PRAGMA secure_delete = OFF")
      let gate = try WriterGate(path: file)
      let ours = try Connection(path: file, mode: .writing)
      // As if our own checkpoint had left it so.
      _ = try gate.pass {
        try gate.writeMainFile(ours, isRewritten: { $0 }) {
          for number in 0..<50 {
            try other.run(
              "INSERT INTO change VALUES (1, 'inbox', ?)", .blob(Array("left \(number)".utf8)))
          }
          try other.execute("DELETE FROM change")
          _ = try other.truncateWAL(patience: .milliseconds(10))
          return try ours.truncateWAL(patience: .milliseconds(10))
        }
      }
      let report = try await router.doctor(deep: true)
      #expect(report.findings.map(\.code) == [.remnants])
      #expect(
        report.findings.first?.message.contains(
          "something else than Domicile has written dublin-1.sqlite") == true)
      #expect(try await router.doctor().findings == [])
      // What was believed is not any more, so that the next purge has the file rewritten.
      #expect(try await codes(router) == [])
    }
  }

  @Test func `somebody who reads an older state keeps the proof back`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      let reader = try Connection(
        path: "\(deployment.data)/dublin/dublin-1.sqlite", mode: .reading)
      try reader.execute("BEGIN")
      _ = try reader.integer("SELECT count(*) FROM record")
      try await ada.put("w".utf8, key: "k", in: .inbox)
      let receipt = try await ada.erase(.inbox, deadline: .milliseconds(300))
      #expect(!receipt.isDone)
      #expect(receipt.pending.map(\.place) == ["dublin-1"])
      #expect(try await codes(router) == [.purgePending])
      #expect(
        try await router.shardStatuses().first { $0.shard == "dublin-1" }?.purgePendingSeconds
          != nil)
      try reader.execute("COMMIT")
      #expect(try await codes(router) == [])
    }
  }

  @Test func `an erasure that stopped between two steps is unfinished, and no damage`() async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("v".utf8, key: "k", in: .inbox)
      let shard = try Connection(
        path: "\(deployment.data)/dublin/dublin-1.sqlite", mode: .writing)
      let directory = try Connection(path: "\(deployment.data)/directory.sqlite", mode: .writing)
      // As the first step of an erasure leaves the home, before any record goes.
      try shard.execute("UPDATE home SET state = 'erased' WHERE class = 'messages'")
      try directory.execute("UPDATE placement SET state = 'erasing' WHERE class = 'messages'")
      #expect(try await codes(router) == [.erasureUnfinished])
      // Without an erasure there is no reason for such records.
      try directory.execute("UPDATE placement SET state = 'placed' WHERE class = 'messages'")
      #expect(try await codes(router) == [.damagedFile, .homeMissing])
    }
  }
}
