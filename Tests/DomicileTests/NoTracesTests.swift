import Domicile
import DomicileTesting
import Foundation
import InMemoryLogging
import Logging
import MetricsTestKit
import Synchronization
import Testing

/// A user's id, keys, values and labels are in no log, no error and no metric, and the id is in no file.
@Suite struct NoTracesTests {
  /// A word that nothing else has.
  private static let marker = "zQ7marker"

  /// What is said while a deployment is used, and misused, with the marker everywhere.
  private final class Overheard: Sendable {
    private let texts = Mutex<[String]>([])

    func note(_ text: String) { texts.withLock { $0.append(text) } }

    /// All that an error says of itself, and what it carries.
    func note(_ error: any Error) {
      note("\(error)")
      note(String(reflecting: error))
      note(error.localizedDescription)
      guard let error = error as? RouterError else { return }
      note(error.message)
      note("\(error.code) \(error.region ?? "")")
      if let verdict = error.verdict { note("\(verdict) \(String(reflecting: verdict))") }
      // What could not be encoded is the caller's own; all other causes must be silent too.
      if let cause = error.cause, !(cause is EncodingError) { note(cause) }
    }

    var heard: [String] { texts.withLock { $0 } }
  }

  @Test func `a marker in id, key, value and label is heard nowhere`() async throws {
    let marker = Self.marker
    let id = UserID("\(marker)-ada")
    let key = RecordKey("\(marker)-key")
    let value = Array("\(marker)-value".utf8)
    let labels = ["\(marker)": "\(marker)-label"]
    let log = InMemoryLogHandler()
    let metrics = TestMetrics()
    let overheard = Overheard()
    let deployment = try await TemporaryDeployment()
    var options = deployment.options
    var logger = Logger(label: "test") { _ in log }
    logger.logLevel = .trace
    options.logger = logger
    options.metrics = metrics
    let router = try await ResidencyRouter.open(data: deployment.data, options: options)

    func attempt(_ body: () async throws -> Void) async {
      do {
        try await body()
      } catch {
        overheard.note(error)
      }
    }

    try await router.admit(id, residence: "DE")
    let user = try await router.user(id)
    try await user.put(value, key: key, in: .inbox, labels: labels)
    overheard.note("\(id) \(String(reflecting: id)) \(user)")
    var dumped = ""
    dump(id, to: &dumped)
    dump(Admission(user: id, residence: "DE"), to: &dumped)
    overheard.note(dumped)

    // Every kind of refusal that a caller can cause with these words.
    await attempt { _ = try await router.user(UserID("\(marker)-nobody")) }
    await attempt { _ = try await router.user(UserID(String(repeating: marker, count: 100))) }
    await attempt { try await router.admit(id, residence: "US") }
    await attempt { try await router.admit(UserID("\(marker)-kim"), residence: "KP") }
    await attempt { try await user.place("messages", in: "mumbai") }
    await attempt { try await user.put(value, key: key, in: .inbox, if: .absent) }
    await attempt { try await user.delete(key, in: .inbox, if: .version(RecordVersion("1")!)) }
    let long = RecordKey(String(repeating: marker, count: 200))
    await attempt { try await user.put(value, key: long, in: .inbox) }
    await attempt {
      try await user.put(
        value, key: key, in: .inbox, labels: [String(repeating: marker, count: 20): "v"])
    }
    await attempt {
      try await user.put(
        value, key: key, in: .inbox, labels: ["l": String(repeating: marker, count: 200)])
    }
    await attempt { try await user.put(value, key: key, in: .inbox, expires: .after(.zero)) }
    await attempt { try await user.put(value, key: key, in: .inbox, deadline: .zero) }
    await attempt {
      try await user.put(encoding: [marker: Double.nan], key: key, in: .inbox)
    }
    var batch = RecordBatch()
    batch.put(value, key: key, in: .inbox, labels: labels)
    batch.put(value, key: key, in: .receipts)
    await attempt { try await user.write(batch) }
    try await router.apply(.europeansInGermany)
    await attempt { try await user.put(value, key: key, in: .inbox, labels: labels) }
    try await router.apply(.small)

    // A file that is damaged under the router.
    try await damage("\(deployment.data)/mumbai/mumbai-1.sqlite")
    await attempt { try await router.admit(UserID("\(marker)-asha"), residence: "IN") }
    overheard.note("\(try await user.page(.inbox).records.count)")
    await router.close()
    await attempt { try await user.put(value, key: key, in: .inbox, labels: labels) }
    await attempt { try await router.admit(UserID("\(marker)-bob"), residence: "DE") }

    #expect(overheard.heard.count > 40)
    for text in overheard.heard { #expect(!text.contains(marker), "\(text)") }
    let entries = log.entries
    #expect(!entries.isEmpty)
    for entry in entries { #expect(!String(reflecting: entry).contains(marker)) }
    let dimensions =
      metrics.counters.map { "\($0.label) \($0.dimensions)" }
      + metrics.timers.map { "\($0.label) \($0.dimensions)" }
      + metrics.recorders.map { "\($0.label) \($0.dimensions)" }
    #expect(!dimensions.isEmpty)
    for text in dimensions { #expect(!text.contains(marker)) }
  }

  private func damage(_ file: String) async throws {
    for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file + suffix) }
    try Data(repeating: 7, count: 8_192).write(to: URL(filePath: file))
  }

  @Test func `a user's id is in no file of a deployment`() async throws {
    let marker = Self.marker
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      for number in 0..<50 {
        let id = UserID("\(marker)-\(number)")
        try await router.admit(id, residence: ["DE", "IN", "US"][number % 3])
        let user = try await router.user(id)
        try await user.put("value \(number)".utf8, key: "key", in: .inbox)
      }
      await #expect(throws: RouterError.self) {
        try await router.admit(UserID("\(marker)-kim"), residence: "KP")
      }
    }
    var values = 0
    for name in try FileManager.default.subpathsOfDirectory(atPath: deployment.folder.path) {
      guard let data = FileManager.default.contents(atPath: "\(deployment.folder.path)/\(name)")
      else { continue }
      #expect(data.firstRange(of: Data(marker.utf8)) == nil, "\(name)")
      #expect(!name.contains(marker))
      if data.firstRange(of: Data("value 1".utf8)) != nil { values += 1 }
    }
    // The search finds what is there.
    #expect(values > 0)
  }
}
