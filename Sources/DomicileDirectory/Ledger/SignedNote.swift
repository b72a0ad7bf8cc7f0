import Crypto
import Foundation

/// A key by which notes are verified: C2SP signed-note, with Ed25519.
public struct NoteKey: Hashable, Sendable, CustomStringConvertible {
  /// What a signature with the key says: the note itself, or that a witness has seen it at some time.
  public enum Kind: UInt8, Sendable {
    /// Ed25519 over the text of the note.
    case signature = 0x01
    /// A timestamped Ed25519 cosignature: C2SP tlog-cosignature.
    case cosignature = 0x04
  }

  /// Not empty, without spaces and plus signs.
  public let name: String
  public let kind: Kind
  /// 32 bytes, as RFC 8032 encodes a public key.
  public let publicKey: [UInt8]

  package init?(name: String, kind: Kind, publicKey: [UInt8]) {
    guard Self.isName(name), publicKey.count == 32 else { return nil }
    self.name = name
    self.kind = kind
    self.publicKey = publicKey
  }

  /// Reads a verifier key: `NAME+ID+KEY`, the ID in 8 hexadecimal digits, the key in base64 with its kind before it.
  public init?(_ text: String) {
    let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, let key = Data(strictBase64: String(parts[2])),
      let kind = key.first.flatMap(Kind.init(rawValue:))
    else { return nil }
    self.init(name: String(parts[0]), kind: kind, publicKey: Array(key.dropFirst()))
    guard Self.hexadecimal(id) == parts[1] else { return nil }
  }

  /// As ``init(_:)`` reads it.
  public var description: String {
    "\(name)+\(Self.hexadecimal(id))+\(Data([kind.rawValue] + publicKey).base64EncodedString())"
  }

  /// The first four bytes of SHA-256 over name, newline, kind and key.
  public var id: UInt32 {
    let hash = SHA256.hash(data: Data(name.utf8) + [0x0A, kind.rawValue] + publicKey)
    return hash.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  private static func hexadecimal(_ id: UInt32) -> String {
    let digits = String(id, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }

  static func isName(_ text: some StringProtocol) -> Bool {
    !text.isEmpty
      && text.unicodeScalars.allSatisfy { scalar in
        scalar != "+" && scalar.value >= 0x20 && scalar.value != 0x7F
          && !scalar.properties.isWhitespace
      }
  }

  /// Whether a signature by this key says that of a text.
  func isValid(_ signature: [UInt8], of text: String) -> Bool {
    guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else {
      return false
    }
    switch kind {
    case .signature:
      return signature.count == 64
        && key.isValidSignature(Data(signature), for: Data(text.utf8))
    case .cosignature:
      guard signature.count == 72 else { return false }
      let time = signature.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return time <= UInt64(Int64.max)
        && key.isValidSignature(
          Data(signature.dropFirst(8)), for: Data("cosignature/v1\ntime \(time)\n\(text)".utf8))
    }
  }
}

/// A text with signatures: C2SP signed-note.
public struct SignedNote: Hashable, Sendable, CustomStringConvertible {
  public struct Signature: Hashable, Sendable {
    public let name: String
    public let keyID: UInt32
    public let bytes: [UInt8]

    /// The line, with its end.
    var line: String {
      let id = (0..<4).map { UInt8(truncatingIfNeeded: keyID >> UInt32(24 - 8 * $0)) }
      return "— \(name) \(Data(id + bytes).base64EncodedString())\n"
    }

    fileprivate init?(line: Substring) {
      let parts = line.split(separator: " ", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0] == "—", NoteKey.isName(parts[1]),
        let data = Data(strictBase64: String(parts[2])), data.count > 4
      else { return nil }
      self.init(
        name: String(parts[1]), keyID: data.prefix(4).reduce(0) { $0 << 8 | UInt32($1) },
        bytes: Array(data.dropFirst(4)))
    }

    package init(name: String, keyID: UInt32, bytes: [UInt8]) {
      self.name = name
      self.keyID = keyID
      self.bytes = bytes
    }
  }

  /// Ends with a newline.
  public let text: String
  public private(set) var signatures: [Signature]

  /// The most that is read of a note, in bytes, and of its signatures.
  public static let bytesMax = 1 << 20
  public static let signaturesMax = 64

  package init(text: String, signatures: [Signature]) {
    self.text = text
    self.signatures = signatures
  }

  /// Reads a note; nil if it is none.
  public init?(_ note: String) {
    guard note.utf8.count <= Self.bytesMax,
      note.utf8.allSatisfy({ $0 >= 0x20 || $0 == 0x0A }), note.hasSuffix("\n")
    else { return nil }
    // By bytes: a combining character may follow a newline, which is another character then.
    let bytes = Array(note.utf8)
    guard
      let split = bytes.indices.dropLast().last(where: {
        bytes[$0] == 0x0A && bytes[$0 + 1] == 0x0A
      })
    else { return nil }
    let text = String(decoding: bytes[...split], as: UTF8.self)
    let lines = String(decoding: bytes[(split + 2)...].dropLast(), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    guard (1...Self.signaturesMax).contains(lines.count) else { return nil }
    var signatures: [Signature] = []
    for line in lines {
      guard let signature = Signature(line: line) else { return nil }
      signatures.append(signature)
    }
    self.init(text: text, signatures: signatures)
    guard description == note else { return nil }
  }

  public var description: String { text + "\n" + signatures.map(\.line).joined() }

  /// Adds signature lines, as a witness answers with them; those that are there already are not doubled. Nil if one is none.
  public func adding(lines: String) -> SignedNote? {
    var note = self
    for line in lines.split(separator: "\n") {
      guard let signature = Signature(line: line) else { return nil }
      if !note.signatures.contains(signature) { note.signatures.append(signature) }
    }
    return note
  }

  /// The keys of these whose signatures are on the note. Signatures by other keys are ignored.
  ///
  /// Nil if a signature by one of the keys does not verify: then the whole note is to be rejected.
  public func verified(by keys: [NoteKey]) -> Set<NoteKey>? {
    var found: Set<NoteKey> = []
    for signature in signatures {
      guard let key = keys.first(where: { $0.name == signature.name && $0.id == signature.keyID })
      else { continue }
      guard key.isValid(signature.bytes, of: text) else { return nil }
      found.insert(key)
    }
    return found
  }
}

/// What a log signs: its name, how many entries it has, and the root of its Merkle tree. C2SP tlog-checkpoint.
public struct Checkpoint: Hashable, Sendable {
  /// The name of the log.
  public let origin: String
  public let size: Int64
  public let root: TreeHash

  package init(origin: String, size: Int64, root: TreeHash) {
    self.origin = origin
    self.size = size
    self.root = root
  }

  /// Reads the text of a note; nil if it is no checkpoint, or has extension lines, which no ledger of Domicile writes.
  public init?(text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == 4, lines[3].isEmpty, !lines[0].isEmpty, let size = Int64(lines[1]),
      size >= 0, String(size) == lines[1], let root = TreeHash(base64: String(lines[2]))
    else { return nil }
    self.init(origin: String(lines[0]), size: size, root: root)
  }

  /// The text that is signed.
  public var text: String { "\(origin)\n\(size)\n\(root)\n" }
}
