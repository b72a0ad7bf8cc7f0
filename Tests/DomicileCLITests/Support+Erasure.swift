import Domicile
import DomicileTesting
import Foundation
import Testing

extension RegionFiles {
  /// Like ``small``, but payments are kept for five years.
  static let keepingPayments = small.replacing(
    "payments: {collections: [receipts]}", in: "policy.yaml",
    with: "payments: {collections: [receipts], retention: {shortest: 5y}}")
}

extension Workspace {
  /// A deployment with ida, a resident of IN: two homes, in mumbai-1, with two messages and a payment.
  static func withIda(_ files: RegionFiles = .small) async throws -> Workspace {
    let workspace = try await deployed(files)
    for line in [
      "admit ida --residence IN", "put ida inbox a/1 one", "put ida inbox b/1 two",
      "put ida receipts r paid",
    ] {
      let result = try await workspace.domicile("\(line) --data data")
      try #require(result.exitCode == 0, "\(result)")
    }
    return workspace
  }

  static let mumbai = "data/mumbai/mumbai-1.sqlite"

  /// Does something while the `sqlite3` program reads a file, so that no purge can go through.
  func whileReading(_ file: String, _ body: () async throws -> Void) async throws {
    let reader = try start(
      URL(filePath: "/usr/bin/env"),
      [
        "sqlite3", file, "BEGIN", "SELECT count(*) FROM sqlite_schema",
        ".shell touch reading; while [ ! -e read ]; do sleep 0.01; done",
      ])
    while try !exists("reading") { try await Task.sleep(for: .milliseconds(5)) }
    do {
      try await body()
    } catch {
      try write("", to: "read")
      throw error
    }
    try write("", to: "read")
    _ = try await reader.result()
  }
}

extension CommandResult {
  /// What differs from run to run in receipts and tables.
  var maskingReceipt: CommandResult {
    masking(/[0-9a-f]{32}/, as: "ALIAS").masking(/[0-9-]{10}T[0-9:]{8}Z/, as: "TIME")
      .masking(/serial [0-9]+/, as: "serial NUMBER")
  }
}
