import DomicileSQLite
import DomicileTesting
import Foundation

/// A random life of a database with tables like a shard's, in which one user's bytes can be told from all
/// others: whatever is stored of him consists of the letters A to P, and nothing else does.
struct MarkedWorkload {
  let path: String
  private let connections: [Connection]
  private var random: SeededRandom
  private let users: Int64
  private let marked: Int64
  private let longest: Int
  private var keys: [(user: Int64, key: [UInt8])] = []
  private var written: Int64 = 0

  private static let schema = """
    create table home (
      id integer primary key, owner blob not null, class text not null, profile text not null,
      unique (owner, class)
    ) strict;
    create table record (
      home integer not null, collection text not null, key blob not null, written integer not null,
      value blob not null, primary key (home, collection, key)
    ) strict, without rowid;
    create table label (
      home integer not null, collection text not null, name text not null, value text not null,
      key blob not null, primary key (home, collection, name, value, key)
    ) strict, without rowid;
    """

  /// Several connections, each of which comes to have pages in its cache that others have changed.
  init(seed: UInt64, folder: String, vfs: String, writers: Int = 3) throws {
    path = "\(folder)/\(vfs)-\(seed).sqlite"
    random = SeededRandom(seed: seed)
    users = .random(in: 2...40, using: &random)
    marked = .random(in: 1...users, using: &random)
    longest = [64, 256, 900, 3_000, 24 << 10].randomElement(using: &random) ?? 64
    let first = try Connection(path: path, mode: .creating, vfs: vfs)
    try first.execute(Self.schema)
    var connections = [first]
    while connections.count < writers {
      connections.append(try Connection(path: path, mode: .writing, vfs: vfs))
    }
    self.connections = connections
    for user in 1...users {
      let owner = bytes(16, of: user)
      let profile = text(20, of: user)
      try first.run(
        "insert into home values (?, ?, 'messages', ?)", .integer(user), .blob(owner),
        .text(profile))
    }
  }

  // MARK: Values

  private mutating func bytes(_ count: Int, of user: Int64) -> [UInt8] {
    let letters: UInt64 = user == marked ? 0x4141_4141_4141_4141 : 0x6161_6161_6161_6161
    let words = (0..<(count + 7) / 8).map { _ in (random.next() & 0x0F0F_0F0F_0F0F_0F0F) + letters }
    return unsafe words.withUnsafeBytes { unsafe Array($0.prefix(count)) }
  }

  private mutating func text(_ count: Int, of user: Int64) -> String {
    String(decoding: bytes(count, of: user), as: UTF8.self)
  }

  private mutating func value(of user: Int64) -> [UInt8] {
    let isHuge = longest > 3_000 && Int.random(in: 0..<400, using: &random) == 0
    let isShort = Bool.random(using: &random)
    return bytes(
      isHuge ? 1 << 20 : .random(in: 8...(isShort ? min(longest, 300) : longest), using: &random),
      of: user)
  }

  // MARK: Steps

  /// Some transactions of inserts, updates and deletes, and some copying of the WAL.
  mutating func live(steps: Int, sparing spared: Int64? = nil) throws {
    var left = steps
    while left > 0 {
      let connection = connections.randomElement(using: &random) ?? connections[0]
      let batch = Int.random(in: 1...30, using: &random)
      try connection.execute("begin immediate")
      for _ in 0..<batch { try step(connection, sparing: spared) }
      try connection.execute("commit")
      left -= batch
      if Int.random(in: 0..<15, using: &random) == 0 { try connection.checkpointPassively() }
    }
  }

  private mutating func step(_ connection: Connection, sparing spared: Int64?) throws {
    let user = Int64.random(in: 1...users, using: &random)
    guard user != spared else { return }
    written += 1
    if keys.isEmpty || Int.random(in: 0..<10, using: &random) < 5 {
      let key = bytes(.random(in: 8...40, using: &random), of: user)
      try connection.run(
        "insert or replace into record values (?, 'inbox', ?, ?, ?)", .integer(user), .blob(key),
        .integer(written), .blob(value(of: user)))
      try connection.run(
        "insert or replace into label values (?, 'inbox', 'from', ?, ?)", .integer(user),
        .text(text(.random(in: 8...60, using: &random), of: user)), .blob(key))
      keys.append((user, key))
      return
    }
    let position = Int.random(in: 0..<keys.count, using: &random)
    let (owner, key) = keys[position]
    guard owner != spared else { return }
    if Bool.random(using: &random) {
      try connection.run(
        "update record set value = ?, written = ? where home = ? and collection = 'inbox' and key = ?",
        .blob(value(of: owner)), .integer(written), .integer(owner), .blob(key))
      return
    }
    keys.swapAt(position, keys.count - 1)
    keys.removeLast()
    try connection.run("delete from record where home = ? and key = ?", .integer(owner), .blob(key))
    try connection.run("delete from label where home = ? and key = ?", .integer(owner), .blob(key))
  }

  /// Deletes whatever the marked user has.
  mutating func erase() throws {
    let connection = connections.randomElement(using: &random) ?? connections[0]
    try connection.execute("begin immediate")
    for (table, column) in [("record", "home"), ("label", "home"), ("home", "id")] {
      try connection.run("delete from \(table) where \(column) = ?", .integer(marked))
    }
    try connection.execute("commit")
    keys.removeAll { $0.user == marked }
  }

  /// The rest of the users go on, on all connections.
  mutating func liveOn(steps: Int) throws { try live(steps: steps, sparing: marked) }

  mutating func truncateWAL() throws {
    let connection = connections.randomElement(using: &random) ?? connections[0]
    let busy = try connection.integer("pragma wal_checkpoint(truncate)")
    guard busy == 0 else { throw SQLiteError(code: 5, message: "the WAL is in use") }
  }

  /// Makes every connection read its pages anew, clean: the own ones because they are dropped, those of
  /// others, in any process, because a commit makes them out of date.
  mutating func forgetPages() throws {
    let connection = connections.randomElement(using: &random) ?? connections[0]
    connection.forgetPages()
    try connection.execute("pragma user_version = \(Int.random(in: 1...1_000_000, using: &random))")
  }

  // MARK: Findings

  /// Whether eight bytes in a row of the marked user's are in one of the files.
  ///
  /// Another process reads them, because SQLite has them open.
  func hasMarkers() throws -> Bool {
    let reader = Process()
    reader.executableURL = URL(filePath: "/bin/cat")
    reader.arguments = ["", "-wal", "-shm"].map { path + $0 }
    let output = Pipe()
    reader.standardOutput = output
    try reader.run()
    let found = try output.fileHandleForReading.readToEnd() ?? Data()
    reader.waitUntilExit()
    guard reader.terminationStatus == 0, found.count > 8_192 else {
      throw CocoaError(.fileReadUnknown)
    }
    return unsafe found.withUnsafeBytes { unsafe Self.hasRun($0) }
  }

  private static func hasRun(_ bytes: UnsafeRawBufferPointer) -> Bool {
    func isMark(_ index: Int) -> Bool {
      unsafe bytes.indices.contains(index) && bytes[index] >= 0x41 && bytes[index] <= 0x50
    }
    // Eight in a row cover a multiple of eight.
    for index in stride(from: 0, to: bytes.count, by: 8) where isMark(index) {
      var first = index
      while isMark(first - 1) { first -= 1 }
      var end = index + 1
      while isMark(end) { end += 1 }
      if end - first >= 8 { return true }
    }
    return false
  }

  func unreferenced() throws -> [PageRemnant] {
    let reader = connections[connections.count - 1]
    return try reader.snapshot { () throws in try reader.unreferencedBytes() }
  }

  func integrity() throws -> String? { try connections[0].text("pragma integrity_check") }
}
