package import DomicileStorage
import Foundation

/// Where a key comes from.
public enum KeySource: Sendable, Hashable {
  /// A file with 64 hexadecimal digits that only its owner may read.
  case file(path: String)
  /// An environment variable with 64 hexadecimal digits.
  case environment(name: String)

  /// What a key is for, for messages.
  package enum Purpose: Sendable {
    case hash
    case ledger

    var name: String {
      switch self {
      case .hash: "hash key"
      case .ledger: "ledger key"
      }
    }

    var code: StorageError.Code {
      switch self {
      case .hash: .wrongKey
      case .ledger: .wrongLedgerKey
      }
    }

    fileprivate var loss: String {
      switch self {
      case .hash:
        "Bring it back from where it is escrowed: without it no user can be found by id, and a new key would find nobody."
      case .ledger:
        "Bring it back from where it is escrowed: without it no checkpoint can be signed, and none by another key is believed."
      }
    }
  }

  package static let byteCount = 32

  /// Reads the hash key.
  ///
  /// - Throws: ``StorageError`` with `wrongKey`: missing, of another form, or readable by others.
  package func readHashKey() throws(StorageError) -> HashKey {
    guard let key = HashKey(bytes: try read(.hash)) else { throw malformed(.hash) }
    return key
  }

  /// Reads the key of the ledger.
  ///
  /// - Throws: ``StorageError`` with `wrongLedgerKey`: missing, of another form, or readable by others.
  package func readLedgerKey() throws(StorageError) -> LedgerKey {
    guard let key = LedgerKey(bytes: try read(.ledger)) else { throw malformed(.ledger) }
    return key
  }

  private func malformed(_ purpose: Purpose) -> StorageError {
    StorageError(
      purpose.code,
      "What should be the \(purpose.name) is not 64 hexadecimal digits. Use the right key.")
  }

  private func read(_ purpose: Purpose) throws(StorageError) -> [UInt8] {
    let text: String
    switch self {
    case .environment(let name):
      guard let value = ProcessInfo.processInfo.environment[name] else {
        throw StorageError(
          purpose.code, "The environment variable \(name) with the \(purpose.name) is not set.")
      }
      text = value
    case .file(let path):
      // A secret that an orchestrator mounts is a symbolic link; the rights are those of its file.
      let file = URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false)
      guard let attributes = try? FileManager.default.attributesOfItem(atPath: file),
        let data = FileManager.default.contents(atPath: path)
      else {
        throw StorageError(
          purpose.code,
          "The file with the \(purpose.name) is missing or may not be read. \(purpose.loss)")
      }
      let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0o777
      guard mode & 0o077 == 0 else {
        throw StorageError(
          purpose.code,
          "The file with the \(purpose.name) may be read by others (mode \(String(mode, radix: 8)))."
            + " Run “chmod 600” on it, and consider who may have read it.")
      }
      text = String(decoding: data, as: UTF8.self)
    }
    guard let bytes = hexadecimal(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw malformed(purpose)
    }
    return bytes
  }

  /// Makes a new key in a file, unless one is there already. A key in the environment is never made.
  package func makeIfAbsent(
    _ purpose: Purpose, using random: inout some RandomNumberGenerator
  ) throws(StorageError) {
    guard case .file(let path) = self, !FileManager.default.fileExists(atPath: path) else { return }
    let digits = (0..<Self.byteCount).map { _ in
      let byte = UInt8.random(in: .min ... .max, using: &random)
      return String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
    guard PrivateFile.make(path, holding: "\(digits)\n") else {
      throw StorageError(
        .unavailable, "The file for the \(purpose.name) cannot be made. Check the folder's rights.")
    }
  }
}

/// Files that only their owner may read.
enum PrivateFile {
  /// Makes a file, whole and synced before it has its name: a key that is half there, or gone with the power while the
  /// directory stays, finds nobody. With `replaces` it takes the place of one that is there, else that stays.
  static func make(_ path: String, holding text: String, replaces: Bool = false) -> Bool {
    let bytes = Array(text.utf8)
    let draft = "\(path).new"
    _ = unsafe unlink(draft)
    let file = unsafe open(
      draft, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { return false }
    let isWritten = unsafe write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0
    close(file)
    // A link, unlike a renaming, never replaces a key that somebody else made meanwhile.
    let isNamed =
      unsafe isWritten
      && (replaces ? rename(draft, path) == 0 : link(draft, path) == 0 || errno == EEXIST)
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
