import Crypto
package import Foundation

/// A SHA-256 hash in a Merkle tree as RFC 9162, section 2.1, defines one (the same as RFC 6962's).
public struct TreeHash: Hashable, Sendable, CustomStringConvertible {
  /// 32 bytes.
  public let bytes: [UInt8]

  public static let byteCount = 32

  /// Nil unless there are ``byteCount`` bytes.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }

  /// Reads base64 (RFC 4648, section 4) in its one right form; nil for anything else.
  public init?(base64 text: String) {
    guard let data = Data(strictBase64: text) else { return nil }
    self.init(bytes: data)
  }

  private init(_ digest: SHA256.Digest) { bytes = Array(digest) }

  /// The hash of a leaf.
  public init(leaf data: some Sequence<UInt8>) {
    var hash = SHA256()
    hash.update(data: [0])
    hash.update(data: Array(data))
    self.init(hash.finalize())
  }

  /// The hash of a node over its two children.
  public init(left: TreeHash, right: TreeHash) {
    var hash = SHA256()
    hash.update(data: [1])
    hash.update(data: left.bytes)
    hash.update(data: right.bytes)
    self.init(hash.finalize())
  }

  /// The root of a tree without leaves.
  public static let ofNothing = TreeHash(SHA256.hash(data: Data()))

  /// In base64.
  public var description: String { Data(bytes).base64EncodedString() }
}

extension Data {
  /// Base64 (RFC 4648, section 4) with padding, without line breaks and without bits that say nothing; nil for anything else.
  package init?(strictBase64 text: String) {
    guard let data = Data(base64Encoded: text), data.base64EncodedString() == text else {
      return nil
    }
    self = data
  }
}

/// What has to be known of a Merkle tree to add leaves to it: the roots of its complete subtrees, from left to right, one for each
/// bit of the size.
public struct TreeFrontier: Hashable, Sendable {
  /// How many leaves there are.
  public private(set) var size: Int64
  /// The largest subtree first.
  public private(set) var hashes: [TreeHash]

  public init() {
    size = 0
    hashes = []
  }

  /// Nil unless there are as many hashes as the size has bits.
  public init?(size: Int64, hashes: [TreeHash]) {
    guard size >= 0, hashes.count == size.nonzeroBitCount else { return nil }
    self.size = size
    self.hashes = hashes
  }

  /// Adds a leaf. Calls `completed` for each subtree that this completes, with its height and its root; the leaf itself has
  /// the height 0.
  public mutating func append(
    _ leaf: TreeHash, completed: (_ height: Int, TreeHash) throws -> Void = { _, _ in }
  ) rethrows {
    var hash = leaf
    var height = 0
    try completed(height, hash)
    while size >> Int64(height) & 1 == 1 {
      hash = TreeHash(left: hashes.removeLast(), right: hash)
      height += 1
      try completed(height, hash)
    }
    hashes.append(hash)
    size += 1
  }

  /// The root of the tree.
  public var root: TreeHash {
    guard var root = hashes.last else { return .ofNothing }
    for left in hashes.dropLast().reversed() { root = TreeHash(left: left, right: root) }
    return root
  }
}

/// Proofs about a Merkle tree: RFC 9162, sections 2.1.3 and 2.1.4.
public enum MerkleProof {
  /// The hashes that prove that a leaf is in the tree of the first `size` leaves. `subtree` gives the root over the leaves
  /// from one number, a multiple of a power of two, to before another.
  ///
  /// - Precondition: 0 ≤ index < size.
  public static func inclusion<Failure: Error>(
    of index: Int64, size: Int64, subtree: (Range<Int64>) throws(Failure) -> TreeHash
  ) throws(Failure) -> [TreeHash] {
    precondition(0 <= index && index < size, "a leaf that is in the tree")
    var proof: [TreeHash] = []
    var range = 0..<size
    while range.count > 1 {
      let middle = range.lowerBound + largestPower(below: Int64(range.count))
      let (left, right) = (range.lowerBound..<middle, middle..<range.upperBound)
      proof.append(try root(of: index < middle ? right : left, subtree))
      range = index < middle ? left : right
    }
    return proof.reversed()
  }

  /// The hashes that prove that the tree of the first `size` leaves begins with that of the first `old`.
  ///
  /// - Precondition: 0 < old ≤ size.
  public static func consistency<Failure: Error>(
    from old: Int64, to size: Int64, subtree: (Range<Int64>) throws(Failure) -> TreeHash
  ) throws(Failure) -> [TreeHash] {
    precondition(0 < old && old <= size, "a tree that the other can begin with")
    var proof: [TreeHash] = []
    var range = 0..<size
    // Whether the old tree's part of the range is the old tree itself, whose root is known.
    var isWhole = true
    while range.upperBound != old {
      let middle = range.lowerBound + largestPower(below: Int64(range.count))
      let (left, right) = (range.lowerBound..<middle, middle..<range.upperBound)
      if old <= middle {
        proof.append(try root(of: right, subtree))
        range = left
      } else {
        proof.append(try root(of: left, subtree))
        range = right
        isWhole = false
      }
    }
    if !isWhole { proof.append(try root(of: range, subtree)) }
    return proof.reversed()
  }

  /// The root over some leaves that begin where a subtree does.
  public static func root<Failure: Error>(
    of range: Range<Int64>, _ subtree: (Range<Int64>) throws(Failure) -> TreeHash
  ) throws(Failure) -> TreeHash {
    let count = Int64(range.count)
    guard count > 0 else { return .ofNothing }
    if count.nonzeroBitCount == 1 { return try subtree(range) }
    let middle = range.lowerBound + largestPower(below: count)
    let left = try subtree(range.lowerBound..<middle)
    return TreeHash(left: left, right: try root(of: middle..<range.upperBound, subtree))
  }

  /// The largest power of two that is less than a number.
  private static func largestPower(below count: Int64) -> Int64 {
    1 << Int64(Int64.bitWidth - 1 - (count - 1).leadingZeroBitCount)
  }

  /// Whether a proof shows that a leaf is in a tree.
  public static func verifyInclusion(
    _ proof: [TreeHash], of leaf: TreeHash, index: Int64, size: Int64, root: TreeHash
  ) -> Bool {
    guard 0 <= index, index < size else { return false }
    var (fn, sn) = (index, size - 1)
    var hash = leaf
    for sibling in proof {
      if sn == 0 { return false }
      if fn & 1 == 1 || fn == sn {
        hash = TreeHash(left: sibling, right: hash)
        while fn & 1 == 0, fn != 0 {
          fn >>= 1
          sn >>= 1
        }
      } else {
        hash = TreeHash(left: hash, right: sibling)
      }
      fn >>= 1
      sn >>= 1
    }
    return sn == 0 && hash == root
  }

  /// Whether a proof shows that a tree begins with an older one, which has leaves: that of nothing proves nothing.
  public static func verifyConsistency(
    _ proof: [TreeHash], from old: Int64, root oldRoot: TreeHash, to size: Int64, root: TreeHash
  ) -> Bool {
    guard 0 < old, old <= size else { return false }
    if old == size { return proof.isEmpty && oldRoot == root }
    var path = proof[...]
    if old.nonzeroBitCount == 1 { path = [oldRoot] + path }
    guard let first = path.popFirst() else { return false }
    var (fn, sn) = (old - 1, size - 1)
    while fn & 1 == 1 {
      fn >>= 1
      sn >>= 1
    }
    var (before, after) = (first, first)
    for hash in path {
      if sn == 0 { return false }
      if fn & 1 == 1 || fn == sn {
        before = TreeHash(left: hash, right: before)
        after = TreeHash(left: hash, right: after)
        while fn & 1 == 0, fn != 0 {
          fn >>= 1
          sn >>= 1
        }
      } else {
        after = TreeHash(left: after, right: hash)
      }
      fn >>= 1
      sn >>= 1
    }
    return sn == 0 && before == oldRoot && after == root
  }
}
