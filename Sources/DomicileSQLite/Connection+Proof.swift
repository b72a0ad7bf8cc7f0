import CDomicileSQLite

/// A page of a database file that has a byte nothing refers to and that is not zero, or that is in no use.
package struct PageRemnant: Hashable, Sendable, CustomStringConvertible {
  package enum Kind: Sendable {
    /// Between the cell pointers and the cells of a b-tree page.
    case gap
    /// In a freeblock, after its header.
    case freeblock
    /// In the 1 to 3 bytes that are too few for a freeblock.
    case fragment
    /// Behind the end of a value in its last overflow page.
    case overflowTail
    /// In a page that is free.
    case freeLeaf
    /// Behind the list of free pages in a page of that list.
    case freeTrunkTail
    /// In the part of the file's header that has no use.
    case fileHeader
    /// The page is neither in a table or index nor free, or is behind the end of the database.
    case unused
    /// The page is not what its place in the database asks for, or has several places.
    case unsound
  }

  /// Pages count from 1.
  package let page: UInt32
  package let kind: Kind

  package init(page: UInt32, kind: Kind) {
    self.page = page
    self.kind = kind
  }

  package var description: String { "page \(page): \(kind)" }
}

extension Connection {
  /// The pages of the main file that have bytes which nothing refers to: the proof that what was deleted is
  /// gone, if there are none.
  ///
  /// The caller has a snapshot open (`snapshot`) that began when the WAL was empty, after a truncating
  /// checkpoint; if one of both is not so, this throws. Such a snapshot reads the main file alone, and while
  /// it is open nobody writes that file: others may commit to the WAL, but not copy it. The shared-memory file
  /// has only page numbers and checksums.
  ///
  /// Two places may hold page numbers that are out of date, which are no content: the rest of a page of the
  /// free list, and the tail of an overflow page that was such a page before. SQLite wrote zeros to it when
  /// it was freed, then only numbers, and reuses it as it is. Accepted are only numbers of pages there are.
  /// Of an index entry shorter than 4 bytes, the fourth byte counts as used: SQLite wrote it too.
  ///
  /// Takes a page at a time, and a byte of memory for each; stops at `limit` findings. Calls `whenPinned` once the snapshot
  /// keeps the main file as it is: others may fill the WAL from then on. Throws `SQLITE_INTERRUPT` when `isEnough` says so.
  package func unreferencedBytes(
    atMost limit: Int = 1_000, whenPinned: () -> Void = {},
    isEnough: @escaping () -> Bool = { false }
  ) throws -> [PageRemnant] {
    guard !isAutocommit else {
      throw SQLiteError(code: SQLITE_MISUSE, message: "unreferencedBytes needs a snapshot")
    }
    let pageSize = try integer("PRAGMA page_size") ?? 0
    let pageCount = try integer("PRAGMA page_count") ?? 0
    var walBytes: Int64 = 0
    try check(unsafe domicile_wal_size(handle, &walBytes))
    guard walBytes == 0 else {
      throw SQLiteError(code: SQLITE_MISUSE, message: "unreferencedBytes needs an empty WAL")
    }
    whenPinned()
    guard pageCount > 0 else { return [] }
    var search = RemnantSearch(
      connection: self, pageSize: Int(pageSize), pageCount: UInt32(pageCount), limit: limit,
      isEnough: isEnough)
    try search.run()
    return search.findings
  }

  fileprivate func check(_ code: Int32) throws(SQLiteError) {
    guard code == SQLITE_OK else { throw error(code, sql: "unreferencedBytes") }
  }

  fileprivate func mainFileBytes() throws(SQLiteError) -> Int64 {
    var bytes: Int64 = 0
    try check(unsafe domicile_main_size(handle, &bytes))
    return bytes
  }

  fileprivate func read(_ bytes: inout [UInt8], at offset: Int64) throws(SQLiteError) {
    let code = unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe domicile_main_read(handle, buffer.baseAddress, Int32(buffer.count), offset)
    }
    try check(code)
  }
}

/// One pass over a file.
private struct RemnantSearch {
  let connection: Connection
  let pageCount: UInt32
  let limit: Int
  let isEnough: () -> Bool
  private(set) var findings: [PageRemnant] = []
  private var bytes: [UInt8]
  /// By page: whether it has a place.
  private var seen: [Bool]

  init(
    connection: Connection, pageSize: Int, pageCount: UInt32, limit: Int,
    isEnough: @escaping () -> Bool
  ) {
    self.connection = connection
    self.isEnough = isEnough
    self.pageCount = pageCount
    self.limit = limit
    bytes = [UInt8](repeating: 0, count: pageSize)
    seen = [Bool](repeating: false, count: Int(pageCount) + 1)
  }

  private struct Enough: Error {}

  mutating func run() throws {
    do {
      try searchFileHeader()
      try searchTrees()
      try searchFreeList()
      try searchRest()
    } catch is Enough {}
  }

  private mutating func report(_ page: UInt32, _ kind: PageRemnant.Kind) throws(Enough) {
    guard findings.count < limit else { throw Enough() }
    findings.append(PageRemnant(page: page, kind: kind))
  }

  /// Reads a page and notes its place; false, and reported, if it cannot have one more.
  private mutating func take(_ page: UInt32) throws -> Bool {
    guard (1...pageCount).contains(page), !seen[Int(page)] else {
      try report(page, .unsound)
      return false
    }
    seen[Int(page)] = true
    try read(page)
    return true
  }

  private mutating func read(_ page: UInt32) throws {
    if page % 256 == 0, isEnough() {
      throw SQLiteError(code: SQLITE_INTERRUPT, message: "the search gave way")
    }
    try connection.read(&bytes, at: Int64(page - 1) * Int64(bytes.count))
  }

  private func number(at offset: Int) -> UInt32 {
    bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// Whether there is nothing from `offset` on but zeros, or numbers of pages.
  private func isBlank(from offset: Int, to end: Int? = nil, pageMax: UInt32 = 0) -> Bool {
    unsafe bytes.withUnsafeBufferPointer { buffer in
      unsafe domicile_page_is_blank(
        buffer.baseAddress, Int32(end ?? buffer.count), Int32(offset), pageMax) != 0
    }
  }

  private mutating func searchFileHeader() throws {
    try read(1)
    if !isBlank(from: 72, to: 92) { try report(1, .fileHeader) }
  }

  // MARK: Tables and indexes

  private mutating func searchTrees() throws {
    let rows = try connection.prepare("SELECT pageno, pagetype, payload FROM dbstat")
    defer { rows.reset() }
    while try rows.step() {
      let page = UInt32(clamping: rows.integer(0))
      guard try take(page) else { continue }
      if rows.isText(1, "overflow") {
        let end = 4 + Int(rows.integer(2))
        if !isBlank(from: end, pageMax: pageCount) { try report(page, .overflowTail) }
      } else {
        try searchTreePage(page)
      }
    }
  }

  private mutating func searchTreePage(_ page: UInt32) throws {
    let size = Int32(bytes.count)
    let found = unsafe bytes.withUnsafeBufferPointer { buffer in
      unsafe domicile_page_unreferenced(buffer.baseAddress, size, size, page == 1 ? 1 : 0)
    }
    if found < 0 { return try report(page, .unsound) }
    if found & Int32(DOMICILE_PAGE_GAP) != 0 { try report(page, .gap) }
    if found & Int32(DOMICILE_PAGE_FREEBLOCK) != 0 { try report(page, .freeblock) }
    if found & Int32(DOMICILE_PAGE_FRAGMENT) != 0 { try report(page, .fragment) }
  }

  // MARK: The rest

  private mutating func searchFreeList() throws {
    try read(1)
    var trunk = number(at: 32)
    while trunk != 0 {
      guard try take(trunk) else { return }
      let next = number(at: 0)
      let leaves = Int(number(at: 4))
      guard leaves <= bytes.count / 4 - 2 else { return try report(trunk, .unsound) }
      if !isBlank(from: 8 + 4 * leaves, pageMax: pageCount) { try report(trunk, .freeTrunkTail) }
      // The leaves are read into the same buffer.
      for leaf in (0..<leaves).map({ number(at: 8 + 4 * $0) }) where try take(leaf) {
        if !isBlank(from: 0) { try report(leaf, .freeLeaf) }
      }
      trunk = next
    }
  }

  private mutating func searchRest() throws {
    let lockPage = UInt32((1 << 30) / bytes.count) + 1
    for page in 1...pageCount where !seen[Int(page)] {
      // SQLite never uses the page on whose bytes it sets its locks.
      guard page == lockPage else {
        try report(page, .unused)
        continue
      }
      try read(page)
      if !isBlank(from: 0) { try report(page, .unused) }
    }
    let filePages = (try connection.mainFileBytes() + Int64(bytes.count) - 1) / Int64(bytes.count)
    var page = pageCount + 1
    while page <= filePages {
      try read(page)
      if !isBlank(from: 0) { try report(page, .unused) }
      page += 1
    }
  }
}
