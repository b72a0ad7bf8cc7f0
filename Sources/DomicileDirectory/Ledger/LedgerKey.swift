import Crypto
package import DomicileStorage
import Foundation

/// The Ed25519 key with which checkpoints are signed.
package struct LedgerKey: Sendable {
  private let key: Curve25519.Signing.PrivateKey

  /// Nil unless there are 32 bytes.
  package init?(bytes: [UInt8]) {
    guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes) else { return nil }
    self.key = key
  }

  /// The name of a deployment's ledger.
  package static func origin(of deployment: [UInt8]) -> String {
    "domicile/\(OwnerAlias(bytes: deployment))"
  }

  package func noteKey(origin: String) -> NoteKey {
    guard
      let noteKey = NoteKey(
        name: origin, kind: .signature, publicKey: Array(key.publicKey.rawRepresentation))
    else { preconditionFailure("an origin is a name, and the key has 32 bytes") }
    return noteKey
  }

  package func sign(_ checkpoint: Checkpoint) throws(StorageError) -> SignedNote {
    SignedNote(
      text: checkpoint.text, signatures: [try signature(of: checkpoint.text, as: checkpoint.origin)]
    )
  }

  package func signature(
    of text: String, as origin: String
  ) throws(StorageError) -> SignedNote.Signature {
    do {
      return SignedNote.Signature(
        name: origin, keyID: noteKey(origin: origin).id,
        bytes: Array(try key.signature(for: Data(text.utf8))))
    } catch {
      throw StorageError(.unavailable, "Nothing could be signed with the ledger's key.")
    }
  }
}
