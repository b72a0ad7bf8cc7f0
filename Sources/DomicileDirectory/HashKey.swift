import Crypto
package import DomicileStorage
import Foundation

/// The secret with which user ids are hashed: whoever has it can find a user by id, nobody else can.
package struct HashKey: Sendable {
  private let key: SymmetricKey

  /// The key's length in bytes.
  package static let byteCount = 32

  /// Nil unless there are ``byteCount`` bytes.
  package init?(bytes: some Sequence<UInt8>) {
    let data = Data(bytes)
    guard data.count == Self.byteCount else { return nil }
    key = SymmetricKey(data: data)
  }

  /// The name under which a user is known here: HMAC-SHA-256 (RFC 2104), the first 128 bits.
  package func owner(ofUser id: String) -> OwnerKey { owner("user\0\(id)") }

  /// The same for a group; no group has the name of a user.
  package func owner(ofGroup id: String) -> OwnerKey { owner("group\0\(id)") }

  private func owner(_ text: String) -> OwnerKey {
    guard let owner = OwnerKey(bytes: hash(text)) else {
      preconditionFailure("a hash has 16 bytes")
    }
    return owner
  }

  /// Tells whether a file was made with this key, without telling the key.
  package var checkValue: [UInt8] { hash("check\0") }

  private func hash(_ text: String) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key).prefix(16))
  }
}

/// Where the hash key comes from.
public enum HashKeySource: Sendable, Hashable {
  /// A file with 64 hexadecimal digits that only its owner may read.
  case file(path: String)
  /// An environment variable with 64 hexadecimal digits.
  case environment(name: String)

  /// Reads the key.
  ///
  /// - Throws: ``StorageError`` with `wrongKey`: missing, of another form, or readable by others.
  package func read() throws(StorageError) -> HashKey {
    let text: String
    switch self {
    case .environment(let name):
      guard let value = ProcessInfo.processInfo.environment[name] else {
        throw StorageError(
          .wrongKey, "The environment variable \(name) with the hash key is not set.")
      }
      text = value
    case .file(let path):
      // A secret that an orchestrator mounts is a symbolic link; the rights are those of its file.
      let file = URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false)
      guard let attributes = try? FileManager.default.attributesOfItem(atPath: file),
        let data = FileManager.default.contents(atPath: path)
      else {
        throw StorageError(
          .wrongKey,
          "The file with the hash key is missing or may not be read. Bring it back from where it is"
            + " escrowed: without it no user can be found by id, and a new key would find nobody.")
      }
      let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0o777
      guard mode & 0o077 == 0 else {
        throw StorageError(
          .wrongKey,
          "The file with the hash key may be read by others (mode \(String(mode, radix: 8)))."
            + " Run “chmod 600” on it, and consider who may have read it.")
      }
      text = String(decoding: data, as: UTF8.self)
    }
    guard let bytes = hexadecimal(text.trimmingCharacters(in: .whitespacesAndNewlines)),
      let key = HashKey(bytes: bytes)
    else {
      throw StorageError(
        .wrongKey, "What should be the hash key is not 64 hexadecimal digits. Use the right key.")
    }
    return key
  }

  /// Makes a new key in a file, unless one is there already. A key in the environment is never made.
  package func makeIfAbsent(
    using random: inout some RandomNumberGenerator
  ) throws(StorageError) {
    guard case .file(let path) = self, !FileManager.default.fileExists(atPath: path) else { return }
    let digits = (0..<HashKey.byteCount).map { _ in
      let byte = UInt8.random(in: .min ... .max, using: &random)
      return String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
    guard Self.make(path, holding: Array("\(digits)\n".utf8)) else {
      throw StorageError(
        .unavailable, "The file for the hash key cannot be made. Check the folder's rights.")
    }
  }

  /// Makes a file that only its owner may read, whole and synced before it has its name: a key that is half
  /// there, or gone with the power while the directory stays, finds nobody.
  private static func make(_ path: String, holding bytes: [UInt8]) -> Bool {
    let draft = "\(path).new"
    _ = unsafe unlink(draft)
    let file = unsafe open(
      draft, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { return false }
    let isWritten = unsafe write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0
    close(file)
    // A link, unlike a renaming, never replaces a key that somebody else made meanwhile.
    let isNamed = unsafe isWritten && (link(draft, path) == 0 || errno == EEXIST)
    _ = unsafe unlink(draft)
    // Foundation's own cannot take the last component of a name of one letter.
    let parent = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let folder = unsafe open(parent, O_RDONLY | O_CLOEXEC)
    guard isNamed, folder >= 0 else { return false }
    defer { close(folder) }
    return fsync(folder) == 0
  }
}

private func hexadecimal(_ text: String) -> [UInt8]? {
  let digits = text.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
  guard digits.count.isMultiple(of: 2) else { return nil }
  var bytes: [UInt8] = []
  for index in stride(from: 0, to: digits.count, by: 2) {
    guard let high = digits[index], let low = digits[index + 1] else { return nil }
    bytes.append(UInt8(high << 4 | low))
  }
  return bytes
}
