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
