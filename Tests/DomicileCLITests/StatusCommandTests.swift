import Foundation
import Testing

/// How a deployment is, in one look.
@Suite struct StatusCommandTests {
  @Test func `it shows shards, what waits, and what is under way`() async throws {
    let workspace = try await Workspace.deployed()
    for line in ["admit uma --residence US", "put uma inbox k hello", "sweep"] {
      #expect(try await workspace.domicile("\(line) --data data").exitCode == 0)
    }
    let shown = try await workspace.domicile("status --data data")
    #expect(shown.exitCode == 0)
    #expect(shown.output.contains("ashburn  ashburn-1  up         2       0  "), "\(shown)")
    #expect(shown.output.contains("1 user or group, 0 erasures unfinished"), "\(shown)")
    let status = try #require(
      try await workspace.json("status --json --data data") as? [String: Any])
    let shards = try #require(status["shards"] as? [[String: Any]])
    #expect(shards.count == 4)
    let ashburn = try #require(shards.first { $0["shard"] as? String == "ashburn-1" })
    #expect(ashburn["placements"] as? Int == 2 && ashburn["barredHomes"] as? Int == 0)
    #expect(ashburn["state"] as? String == "open" && ashburn["hasBallast"] as? Bool == true)
    for key in ["walBytes", "freeBytes", "writeWaitSeconds", "sweepLagSeconds", "fileBytes"] {
      #expect(ashburn[key] as? Double != nil, "\(key)")
    }
    #expect(status["people"] as? Int == 1)

    // Homes that become illegal are counted, and a shard that is not there is down.
    for line in ["retag uma --residence DE", "sweep"] {
      #expect(try await workspace.domicile("\(line) --data data").exitCode == 0)
    }
    let barred = try await workspace.domicile("status --data data")
    #expect(barred.output.contains("ashburn-1  up         2       2  "), "\(barred)")
    try FileManager.default.removeItem(atPath: try workspace.file("data/mumbai/mumbai-1.sqlite"))
    let down = try await workspace.domicile("status --data data")
    #expect(down.exitCode == 0 && down.output.contains("mumbai-1   down"), "\(down)")
  }
}
