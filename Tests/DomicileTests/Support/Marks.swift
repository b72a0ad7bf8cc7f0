import Foundation

/// Bytes that can be told from all others.
///
/// Whatever a test wants gone consists of the letters P to W, and nothing else that is stored has eight of them in a
/// row: neither SQL nor a policy's text, and of random bytes one in 2^40. So any fragment of eight bytes is known
/// for what it is, wherever in a page it begins.
enum Marks {
  case going, staying

  private var first: UInt64 {
    switch self {
    case .going: 0x5050_5050_5050_5050
    case .staying: 0x6868_6868_6868_6868
    }
  }

  func bytes(_ count: Int, using random: inout some RandomNumberGenerator) -> [UInt8] {
    let words = (0..<(count + 7) / 8).map { _ in (random.next() & 0x0707_0707_0707_0707) + first }
    return unsafe words.withUnsafeBytes { unsafe Array($0.prefix(count)) }
  }

  func text(_ count: Int, using random: inout some RandomNumberGenerator) -> String {
    String(decoding: bytes(count, using: &random), as: UTF8.self)
  }

  /// Where the first fragment of what should be gone is.
  static func fragment(in bytes: Data) -> Int? {
    unsafe bytes.withUnsafeBytes { buffer in
      guard let base = unsafe buffer.bindMemory(to: UInt8.self).baseAddress else { return nil }
      let count = buffer.count
      var index = 0
      // Eight in a row cover a multiple of eight.
      while index < count {
        if unsafe base[index] & 0xF8 == 0x50 {
          var first = index
          var end = index + 1
          while first > 0, unsafe base[first - 1] & 0xF8 == 0x50 { first -= 1 }
          while end < count, unsafe base[end] & 0xF8 == 0x50 { end += 1 }
          if end - first >= 8 { return first }
        }
        index += 8
      }
      return nil
    }
  }
}

/// Looks into the files of a deployment as they are, WAL, shared memory and lock files included.
///
/// Another process reads them: one that has a database open and opens the file beside SQLite would drop SQLite's locks
/// when it closes that.
struct FileSearch {
  /// The data folder.
  let data: String

  /// What is found of something.
  private struct Needle {
    let what: String
    let find: (Data) -> Int?
    /// The folders of regions, or what lies beside them; nil for both.
    var isInShards: Bool?
  }

  /// Fragments of eight bytes or more of what should be gone, with the file and the place.
  func marks() throws -> [String] {
    try search([Needle(what: "a mark", find: Marks.fragment)])
  }

  /// Fragments of eight bytes of what names an erased user: the hash in the directory, the alias in shards.
  func names(owner: [UInt8], alias: [UInt8]) throws -> [String] {
    try search([
      Needle(what: "the owner", find: { Self.find(owner, in: $0) }, isInShards: false),
      Needle(what: "the alias", find: { Self.find(alias, in: $0) }, isInShards: true),
    ])
  }

  private func search(_ needles: [Needle]) throws -> [String] {
    let files = try FileManager.default.subpathsOfDirectory(atPath: data).filter { file in
      var isFolder: ObjCBool = false
      let exists = unsafe FileManager.default.fileExists(
        atPath: "\(data)/\(file)", isDirectory: &isFolder)
      return exists && !isFolder.boolValue
    }
    var found: [String] = []
    for needle in needles {
      let places = files.filter {
        needle.isInShards == nil || needle.isInShards == $0.contains("/")
      }
      // All at once, and only if there is something, one by one.
      guard needle.find(try Self.read(places.map { "\(data)/\($0)" })) != nil else { continue }
      let before = found.count
      for place in places {
        if let offset = needle.find(try Self.read(["\(data)/\(place)"])) {
          found.append("\(needle.what) in \(place) at \(offset)")
        }
      }
      if found.count == before { found.append("\(needle.what), gone a moment later") }
    }
    return found
  }

  private static func read(_ paths: [String]) throws -> Data {
    let reader = Process()
    reader.executableURL = URL(filePath: "/bin/cat")
    reader.arguments = paths
    let output = Pipe()
    reader.standardOutput = output
    try reader.run()
    let found = try output.fileHandleForReading.readToEnd() ?? Data()
    reader.waitUntilExit()
    guard reader.terminationStatus == 0 else { throw CocoaError(.fileReadUnknown) }
    return found
  }

  /// Where eight bytes in a row of `name` are.
  private static func find(_ name: [UInt8], in bytes: Data) -> Int? {
    unsafe bytes.withUnsafeBytes { (buffer) -> Int? in
      guard let base = buffer.baseAddress else { return nil }
      for start in 0...name.count - 8 {
        let part = Array(name[start..<start + 8])
        var offset = 0
        while offset + 8 <= buffer.count,
          let next = unsafe memchr(base + offset, Int32(part[0]), buffer.count - 7 - offset)
        {
          let found = unsafe UnsafeRawPointer(next) - base
          if unsafe memcmp(next, part, 8) == 0 { return found }
          offset = found + 1
        }
      }
      return nil
    }
  }
}
