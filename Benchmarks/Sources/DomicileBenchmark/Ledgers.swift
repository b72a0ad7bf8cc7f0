@_spi(Benchmark) import Domicile
import Foundation
import Logging
import Synchronization

/// A deployment into which users are admitted, with a ledger or without.
final class AdmissionDeployment: Sendable {
  private let router: ResidencyRouter
  private let next = Atomic(0)

  init(folder: String, keepsLedger: Bool) async throws {
    router = try await Deployment.open(folder: folder) { options in
      options.keepsLedger = keepsLedger
      options.sweepInterval = nil
    }
  }

  func admit(_ count: Int) async throws {
    let first = next.add(count, ordering: .relaxed).oldValue
    let users = (first..<first + count).map {
      Admission(user: UserID("user-\($0)"), residence: "DE")
    }
    for admitted in await router.admit(users, deadline: .seconds(60)) { _ = try admitted.get() }
  }

  func close() async { await router.close() }
}

/// A deployment whose ledger has many entries, written by SQLite as it is.
struct LedgerFolder {
  let entries: Int
  private let folder: String

  init(folder: String, entries: Int) async throws {
    self.folder = folder
    self.entries = entries
    let router = try await Deployment.open(folder: folder) { $0.sweepInterval = nil }
    let first = try router.ledgerSize()
    var tree = TreeFrontier()
    for entry in try router.ledgerEntries() {
      guard let hash = TreeHash(base64: entry.hash) else { throw BenchmarkError("no hash") }
      try tree.append(hash)
    }
    await router.close()
    let file = try PlainConnection(path: "\(folder)/data/directory.sqlite")
    var draw = Draw(seed: 1)
    var number = first
    while number < entries {
      var rows: [String] = []
      var roots: [String] = []
      for _ in 0..<min(1_000, entries - Int(number)) {
        let alias = (0..<2).map { _ in Self.hexadecimal(draw.next()) }.joined()
        let text =
          #"{"actor":"benchmark","alias":"\#(alias)","command":"get","dataClasses":["messages"],"kind":"read","time":1800000000}"#
        let hash = TreeHash(leaf: text.utf8)
        let leaf = number
        tree.append(hash) { height, root in
          guard height > 0, height.isMultiple(of: 8) else { return }
          roots.append("(\(height), \(leaf >> Int64(height)), x'\(Self.hexadecimal(root.bytes))')")
        }
        rows.append("(\(number), x'\(Self.hexadecimal(hash.bytes))', '\(text)')")
        number += 1
      }
      try file.execute("BEGIN")
      try file.execute("INSERT INTO entry (id, hash, text) VALUES \(rows.joined(separator: ", "))")
      if !roots.isEmpty {
        try file.execute("INSERT INTO subtree VALUES \(roots.joined(separator: ", "))")
      }
      try file.execute("COMMIT")
    }
    let frontier = tree.hashes.map { Self.hexadecimal($0.bytes) }.joined()
    try file.execute("UPDATE ledger SET size = \(tree.size), frontier = x'\(frontier)'")
    try file.truncateWAL()
  }

  private static func hexadecimal(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  /// By how much verifying raises the most memory that a process ever had, in MiB, and how long it took.
  func verifyInChild() throws -> (mebibytes: Double, seconds: Double) {
    let text = try ManyRules.inChild(["--verify-once", folder])
    let figures = text.split(separator: " ").compactMap { Double($0) }
    guard figures.count == 2 else {
      throw BenchmarkError("the process that verifies once said: \(text)")
    }
    return (figures[0] / 1_024, figures[1])
  }

  /// What that process does.
  static func printPeakOfOneVerification(folder: String) async throws {
    var options = RouterOptions()
    options.sweepInterval = nil
    options.logger = Logger(label: "benchmark") { _ in SwiftLogNoOpLogHandler() }
    let router = try await ResidencyRouter.open(data: "\(folder)/data", options: options)
    let before = try ManyRules.kibibytes("VmRSS")
    let start = ContinuousClock.now
    let result = try router.verifyLedger()
    let time = ContinuousClock.now - start
    guard result.findings.isEmpty else { throw BenchmarkError("\(result.findings)") }
    let peak = try ManyRules.kibibytes("VmHWM") - before
    await router.close()
    print("\(peak) \(time / .seconds(1))")
  }
}
