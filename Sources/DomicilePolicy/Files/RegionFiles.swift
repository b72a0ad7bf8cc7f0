import Crypto
import Foundation

/// The texts that make up a policy: `policy.yaml` with what it includes, `topology.yaml` and the tables of facts they use.
///
/// The same texts are kept in the directory, so that every router decides by them and never by a folder.
public struct RegionFiles: Sendable, Equatable {
  /// Text by path below the regions folder, such as `facts/groups.csv`.
  public let texts: [String: String]

  /// The most that is read of a folder, and of a file: 16 MiB.
  public static let bytesMax = 16 << 20

  public init(texts: [String: String]) {
    self.texts = texts
  }

  /// SHA-256 over every path and text in the order of the paths, each preceded by its length in bytes.
  public var digest: PolicyDigest {
    var hash = SHA256()
    for (path, text) in texts.sorted(by: { $0.key < $1.key }) {
      for part in [path, text] {
        hash.update(data: Data("\(part.utf8.count)\n".utf8))
        hash.update(data: Data(part.utf8))
      }
    }
    return PolicyDigest(bytes: Array(hash.finalize()))
  }

  /// Reads the policy, what it may include below `rules/`, the topology and all tables below `facts/` of a folder.
  ///
  /// Line ends become LF and a byte order mark is dropped: the texts are the canonical ones.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unreadable`` if a file is missing, larger than
  ///   ``bytesMax`` or not UTF-8.
  public init(folder: String) throws(PolicyError) {
    var texts: [String: String] = [:]
    var bytes = 0
    func read(_ path: String) throws(PolicyError) {
      let text = try Self.text(folder: folder, path: path)
      texts[path] = text
      bytes += text.utf8.count
      guard bytes <= Self.bytesMax else {
        throw PolicyError(
          code: .unreadable,
          message: "The files of the regions folder have more than \(Self.bytesMax) bytes together,"
            + " which is the most that is read; take out what the policy does not use.")
      }
    }
    for path in ["policy.yaml", "topology.yaml"] { try read(path) }
    guard let facts = try Self.names(in: "facts", of: folder) else {
      throw PolicyError(
        code: .unreadable,
        message: "The folder “facts” of the regions folder cannot be read; it holds the tables"
          + " countries.csv and groups.csv that every policy needs.")
    }
    for name in facts where name.hasSuffix(".csv") { try read("facts/\(name)") }
    // What `include` names; a policy of one file has no such folder.
    for name in try Self.names(in: "rules", of: folder) ?? [] where name.hasSuffix(".yaml") {
      try read("rules/\(name)")
    }
    self.texts = texts
  }

  /// The names of a folder's files; nil if it cannot be read. A link may lead anywhere, and is refused like one in the place of a
  /// file.
  private static func names(in name: String, of folder: String) throws(PolicyError) -> [String]? {
    let path = "\(folder)/\(name)"
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    if attributes?[.type] as? FileAttributeType == .typeSymbolicLink {
      throw PolicyError(
        code: .unreadable,
        message: "“\(name)” of the regions folder is a link; put the folder itself there.")
    }
    return try? FileManager.default.contentsOfDirectory(atPath: path)
  }

  /// Only the named files; what a policy does not use is no part of it.
  func keeping(_ paths: Set<String>) -> RegionFiles {
    RegionFiles(texts: texts.filter { paths.contains($0.key) })
  }

  /// The text of one file, line ends and byte order mark as above.
  package static func text(folder: String, path: String) throws(PolicyError) -> String {
    func unreadable(_ why: String) -> PolicyError {
      PolicyError(
        code: .unreadable,
        message: "“\(path)” of the regions folder \(why).")
    }
    let file = "\(folder)/\(path)"
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: file) else {
      throw unreadable("does not exist or may not be read; check the folder's name and rights")
    }
    let size = (attributes[.size] as? NSNumber)?.intValue ?? 0
    let kind = attributes[.type] as? FileAttributeType
    guard kind == .typeRegular else { throw unreadable("is not a regular file") }
    guard size <= bytesMax else {
      throw unreadable("has \(size) bytes; at most \(bytesMax) are read")
    }
    guard let data = FileManager.default.contents(atPath: file) else {
      throw unreadable("may not be read; check its rights")
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw unreadable("is not UTF-8 text")
    }
    if text.contains("\0") { throw unreadable("holds a NUL byte") }
    let unmarked = text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text
    return unmarked.replacingOccurrences(of: "\r\n", with: "\n")
  }
}

/// The SHA-256 digest that names a policy's texts.
public struct PolicyDigest: Hashable, Sendable, CustomStringConvertible {
  /// 32 bytes.
  public let bytes: [UInt8]

  public init(bytes: [UInt8]) { self.bytes = bytes }

  /// Lower-case hexadecimal, 64 digits.
  public var description: String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  /// The first 12 digits: enough to tell policies apart in a table.
  public var short: String { String(description.prefix(12)) }
}
