import Domicile
import DomicileTesting
import Foundation
import Testing

/// sweep, and clocks in doubt.
@Suite struct SweepCommandTests {
  @Test func `what has expired is gone from the file, and the rest stays`() async throws {
    let workspace = try await Workspace.withIda()
    _ = try await workspace.domicile(
      "put ida inbox k SECRETMARK --expires-after 1s --label l=LABELMARK --data data")
    while try await workspace.domicile("get ida inbox k --data data").exitCode == 0 {}
    // Nobody reads it any more, and it is still there.
    #expect(try await workspace.sqlite(Workspace.mumbai, "SELECT count(*) FROM record") == ["4"])
    expect(
      try await workspace.domicile("sweep --data data"),
      output: """
        shard      region   records  state
        ashburn-1  ashburn        0  done
        dublin-1   dublin         0  done
        dublin-2   dublin         0  done
        mumbai-1   mumbai         1  done

        """)
    #expect(try await workspace.sqlite(Workspace.mumbai, "SELECT count(*) FROM record") == ["3"])
    let file = try Data(contentsOf: URL(filePath: workspace.file(Workspace.mumbai)))
    for mark in ["SECRETMARK", "LABELMARK"] { #expect(file.range(of: Data(mark.utf8)) == nil) }
    #expect(try await workspace.domicile("get ida inbox a/1 --data data").output == "one")
  }

  @Test func `a sweep ends what waited for the end of what was held`() async throws {
    let keeping = RegionFiles.small.replacing(
      "payments: {collections: [receipts]}", in: "policy.yaml",
      with: "payments: {collections: [receipts], retention: {shortest: 10s}}")
    let workspace = try await Workspace.withIda(keeping)
    _ = try await workspace.domicile("put ida receipts last v --data data")
    #expect(try await workspace.domicile("erase ida --yes --data data").exitCode == 8)
    while try await workspace.domicile("where ida --data data").exitCode == 0 {
      let sweep = try await workspace.domicile("sweep --data data")
      try #require(sweep.exitCode == 0, "\(sweep)")
    }
    #expect(try await workspace.domicile("doctor --data data").exitCode == 0)
  }

  // MARK: Failures

  @Test func `a clock in doubt sweeps nothing until it is accepted`() async throws {
    let workspace = try await Workspace.withIda()
    _ = try await workspace.domicile("put ida inbox k v --expires-after 1s --data data")
    while try await workspace.domicile("get ida inbox k --data data").exitCode == 0 {}
    // As if the clock had stood two minutes later when the shard was last used.
    try await workspace.sqlite(
      Workspace.mumbai, "UPDATE shard SET anchor_time = anchor_time + 120000")
    expect(
      try await workspace.domicile("sweep --carry mumbai --data data"),
      output: """
        shard     region  records  state
        mumbai-1  mumbai        0  clock in doubt
        clock in doubt: It differs from what the shard knows of the time, so nothing was swept. Look at the clock; if it is right, repeat with --accept-clock.

        """, exitCode: 1)
    let finding = try await workspace.domicile("doctor --carry mumbai --data data").maskingSQLite
    expect(
      finding,
      output: """
        clockInDoubt: The clock differs from what the shard mumbai-1 knows of the time, so nothing that expired is deleted. Look at the clock; if it is right, run “domicile sweep --accept-clock”.
        1 finding: 1 user, 0 groups, 2 homes, 1 of 4 shards; SQLite VERSION

        """, exitCode: 1)
    #expect(
      try await workspace.domicile("shards --carry mumbai --data data").output.contains(
        "up, clock in doubt\n"))
    let json = try await workspace.json("sweep --carry mumbai --json --data data", exitCode: 1)
    let row = try #require((json as? [[String: Any]])?.first)
    #expect(
      row.keys.sorted() == ["isClockInDoubt", "isPurgePending", "records", "region", "shard"])
    #expect(row["isClockInDoubt"] as? Bool == true)
    expect(
      try await workspace.domicile("sweep --accept-clock --carry mumbai --data data"),
      output: """
        shard     region  records  state
        mumbai-1  mumbai        1  done

        """)
    #expect(try await workspace.domicile("doctor --data data").exitCode == 0)
  }

  @Test func `a shard that is missing is named, and the others are swept`() async throws {
    let workspace = try await Workspace.withIda()
    try FileManager.default.removeItem(atPath: try workspace.file("data/dublin/dublin-1.sqlite"))
    expect(
      try await workspace.domicile("sweep --carry mumbai --carry dublin --data data"),
      output: """
        shard     region  records  state
        dublin-1  dublin        0  down
        dublin-2  dublin        0  done
        mumbai-1  mumbai        0  done
        dublin-1: unavailable: The file of the shard dublin-1 is missing. Mount its volume or restore the file; a shard that held data is never made anew.

        """, exitCode: 1)
  }
}
