import DomicileSQLite
import DomicileTesting
import Foundation
import Testing

/// `DOMICILE_CLEAN_TRIALS=1000` makes these a long run.
@Suite struct CleanPagesTests {
  private static let trials =
    ProcessInfo.processInfo.environment["DOMICILE_CLEAN_TRIALS"].flatMap { Int($0) } ?? 60
  private let folder: TemporaryFolder

  init() throws { folder = try .inMemory() }

  private struct Outcome {
    var hadMarkers = false
    var leaks = false
    var remnants: Set<PageRemnant> = []
  }

  private func trial(seed: UInt64, vfs: String) throws -> Outcome {
    var outcome = Outcome()
    var workload = try MarkedWorkload(seed: seed, folder: folder.path, vfs: vfs)
    defer {
      for suffix in ["", "-wal", "-shm"] {
        try? FileManager.default.removeItem(atPath: workload.path + suffix)
      }
    }
    try workload.live(steps: 300 + Int(seed * 37 % 1_200))
    outcome.hadMarkers = try workload.hasMarkers()
    try workload.erase()
    for round in 1...2 {
      // What other connections hold in memory must not come back either.
      if round == 2 { try workload.liveOn(steps: 200) }
      try workload.truncateWAL()
      outcome.leaks = try workload.hasMarkers() || outcome.leaks
      outcome.remnants.formUnion(try workload.unreferenced())
      #expect(try workload.integrity() == "ok", "seed \(seed)")
    }
    return outcome
  }

  @Test(arguments: 0..<UInt64(trials))
  func `what was deleted is gone from all files once the WAL is empty`(seed: UInt64) throws {
    let outcome = try trial(seed: seed, vfs: FileSystem.clean)
    #expect(outcome.hadMarkers)
    #expect(!outcome.leaks)
    #expect(outcome.remnants == [])
  }

  @Test func `without our VFS the same trials leave bytes, and the proof sees each`() throws {
    var leaks = 0
    for seed in 0..<UInt64(Self.trials) {
      let outcome = try trial(seed: seed, vfs: "unix")
      if outcome.leaks {
        leaks += 1
        #expect(!outcome.remnants.isEmpty, "seed \(seed)")
      }
    }
    #expect(leaks > 0)
    if Self.trials > 60 { print("without our VFS: \(leaks) of \(Self.trials) trials leaked") }
  }

  // MARK: Pages in memory

  /// Whether deleted bytes are in the WAL again after the one writer goes on.
  private func comesBack(seed: UInt64, forgetting: Bool) throws -> Bool {
    var workload = try MarkedWorkload(
      seed: seed, folder: folder.path, vfs: FileSystem.clean, writers: 1)
    defer { try? FileManager.default.removeItem(atPath: workload.path) }
    try workload.live(steps: 300 + Int(seed * 37 % 1_200))
    try workload.erase()
    try workload.truncateWAL()
    if forgetting {
      try workload.forgetPages()
      try workload.truncateWAL()
    }
    try workload.liveOn(steps: 200)
    return try workload.hasMarkers()
  }

  @Test func `what was deleted does not come back from memory once pages are forgotten`() throws {
    for seed in 0..<UInt64(Self.trials) {
      #expect(try !comesBack(seed: seed, forgetting: true), "seed \(seed)")
    }
  }

  @Test func `from pages that are not forgotten it does`() throws {
    // Else the test above shows nothing. One in fifteen.
    let seed = try (0..<UInt64(200)).first { try comesBack(seed: $0, forgetting: false) }
    #expect(seed != nil)
  }
}
