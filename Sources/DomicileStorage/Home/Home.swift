package import DomicilePolicy

/// The name under which a user or group is known: HMAC-SHA-256 of the id, its first 128 bits.
package struct OwnerKey: Hashable, Sendable {
  package let high: UInt64
  package let low: UInt64

  /// Reads 16 bytes; nil for any other number of them.
  package init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// 16 bytes.
  package var bytes: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 16)
    for index in 0..<8 {
      bytes[index] = UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * index))
      bytes[index + 8] = UInt8(truncatingIfNeeded: low >> UInt64(56 - 8 * index))
    }
    return bytes
  }
}

/// The random 128-bit name of a user in ledger and tombstones, which dies with the mapping.
package struct OwnerAlias: Hashable, Sendable, CustomStringConvertible {
  /// 16 bytes.
  package let bytes: [UInt8]

  package init(bytes: [UInt8]) { self.bytes = bytes }

  package init(using random: inout some RandomNumberGenerator) {
    bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) }
  }

  /// Reads what ``description`` wrote; nil for anything else.
  package init?(_ description: String) {
    let digits = Array(description.utf8)
    guard digits.count == 32 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: 32, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(byte)
    }
    self.bytes = bytes
  }

  package var description: String {
    unsafe String(unsafeUninitializedCapacity: 2 * bytes.count) { digits in
      for (place, byte) in bytes.enumerated() {
        unsafe digits[2 * place] = Self.digit(byte >> 4)
        unsafe digits[2 * place + 1] = Self.digit(byte & 15)
      }
      return 2 * bytes.count
    }
  }

  private static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}

/// Where a home is in its life. Barred is none of these: it follows from the law, at each write.
package enum HomeState: String, Sendable, CaseIterable {
  /// Nothing is here; the row keeps the token under which that was said.
  case absent
  /// Staged, and not yet open.
  case incoming
  case active
  /// Open, while a move copies it.
  case copying
  /// Takes no writes while a move's last changes are copied.
  case frozen
  /// The data has gone to another shard.
  case moved
  /// The user was erased.
  case erased
  /// The user was erased but for what the policy or a legal hold keeps: it is neither read nor written.
  case held

  /// Whether records may be read here and "not found" is an answer.
  var answersReads: Bool { self == .active || self == .copying }
}

/// A home as whoever writes believes it to be.
package struct HomeReference: Hashable, Sendable {
  package let owner: OwnerKey
  package let dataClass: String
  package let serial: Int64
  /// The version of the tags of the user, or of a group's members.
  package let tags: Int64

  package init(owner: OwnerKey, dataClass: String, serial: Int64, tags: Int64) {
    self.owner = owner
    self.dataClass = dataClass
    self.serial = serial
    self.tags = tags
  }
}

/// A policy as whoever writes believes it to be in force.
package struct LawReference: Hashable, Sendable {
  /// A serial of the directory.
  package let generation: Int64
  package let digest: PolicyDigest

  package init(generation: Int64, digest: PolicyDigest) {
    self.generation = generation
    self.digest = digest
  }
}

/// A home with the tags by which it is judged: what admission puts into a shard before its commit point, and what a home is
/// stamped with when tags have changed.
package struct HomeStaging: Sendable {
  /// Its serial is the token of an admission.
  package let home: HomeReference
  package let alias: OwnerAlias
  package let profile: HomeProfile

  package init(home: HomeReference, alias: OwnerAlias, profile: HomeProfile) {
    self.home = home
    self.alias = alias
    self.profile = profile
  }
}

/// A home as the shard has it.
package struct HomeRow: Sendable, Equatable {
  /// The shard's own number for it.
  package let id: Int64
  package let owner: OwnerKey
  package let dataClass: String
  package let alias: OwnerAlias
  package let serial: Int64
  package let state: HomeState
  package let tags: Int64
  /// Nil only where the state is `absent` or `erased`.
  package let profile: HomeProfile?
}
