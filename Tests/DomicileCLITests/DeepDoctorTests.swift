import Foundation
import Testing

/// doctor --deep: the proof that nothing is left of what was deleted.
@Suite struct DeepDoctorTests {
  @Test func `after erasures, deletions and sweeps there are no remnants`() async throws {
    let workspace = try await Workspace.withIda()
    for number in 0..<20 {
      _ = try await workspace.domicile(
        "put ida inbox k\(number) \(String(repeating: "x", count: number * 40 + 1)) --data data")
    }
    _ = try await workspace.domicile("delete ida inbox k7 --data data")
    _ = try await workspace.domicile("erase ida --yes --data data")
    expect(
      try await workspace.domicile("doctor --deep --data data").maskingSQLite,
      output: "sound: 0 users, 0 groups, 0 homes, 4 shards; SQLite VERSION\n")
  }

  @Test func `what another program has left is found, and gone once the file is rewritten`()
    async throws
  {
    let workspace = try await Workspace.withIda()
    try await workspace.sqlite(
      Workspace.mumbai,
      """
      PRAGMA secure_delete = OFF; INSERT INTO change VALUES (1, 'inbox', randomblob(500));
      DELETE FROM change
      """)
    // A note that the file is as Domicile left it, which it is not.
    var status = stat()
    #expect(unsafe lstat(try workspace.file(Workspace.mumbai), &status) == 0)
    let changed = status.st_ctim.tv_sec * 1_000_000_000 + status.st_ctim.tv_nsec
    let note = "clean \(status.st_ino) \(status.st_size) \(changed) 0 0"
    try workspace.write(
      note.padding(toLength: 95, withPad: " ", startingAt: 0) + "\n",
      to: "\(Workspace.mumbai)-main")
    #expect(try await workspace.domicile("doctor --data data").exitCode == 0)
    let found = try await workspace.domicile("doctor --deep --data data").maskingSQLite
    expect(
      found.masking(/\(page [^)]*\)/, as: "(PAGE)"),
      output: """
        remnants: The shard mumbai-1: 1 pages have bytes that nothing refers to (PAGE): something else than Domicile has written mumbai-1.sqlite. Run “domicile sweep”, which rewrites it, then this again.
        1 finding: 1 user, 0 groups, 2 homes, 4 shards; SQLite VERSION

        """, exitCode: 1)
    #expect(try await workspace.domicile("sweep --data data").exitCode == 0)
    #expect(try await workspace.domicile("doctor --deep --data data").exitCode == 0)
  }

  @Test func `while somebody reads an older state nothing can be proved`() async throws {
    let workspace = try await Workspace.withIda()
    try await workspace.whileReading(Workspace.mumbai) {
      _ = try await workspace.domicile("delete ida inbox a/1 --data data")
      expect(
        try await workspace.domicile("doctor --deep --carry mumbai --data data").maskingSQLite,
        output: """
          purgePending: The shard mumbai-1: somebody reads an older state, so that the WAL, with what was deleted, cannot be cut. Look for programs that have mumbai-1.sqlite open, and try again.
          1 finding: 1 user, 0 groups, 2 homes, 1 of 4 shards; SQLite VERSION

          """, exitCode: 1)
    }
    // The reader, the last to close the file, has copied the WAL into it by itself: it is rewritten first.
    #expect(try await workspace.domicile("sweep --data data").exitCode == 0)
    #expect(try await workspace.domicile("doctor --deep --data data").exitCode == 0)
  }
}
