import DomicileSQLite
import DomicileStorage

/// The Merkle tree of the ledger, as the file has it: leaves, and the roots of complete subtrees of each eighth height, so that a
/// proof takes few rows of a large tree.
struct LedgerTree {
  static let storedHeights = 8

  let connection: Connection

  /// The root over the first so many leaves.
  func root(size: Int64) throws(StorageError) -> TreeHash {
    try MerkleProof.root(of: 0..<size, complete)
  }

  func inclusion(of index: Int64, size: Int64) throws(StorageError) -> [TreeHash] {
    try MerkleProof.inclusion(of: index, size: size, subtree: complete)
  }

  func consistency(from old: Int64, to size: Int64) throws(StorageError) -> [TreeHash] {
    try MerkleProof.consistency(from: old, to: size, subtree: complete)
  }

  /// The root of a complete subtree: from the rows of the next lower height that is stored.
  private func complete(_ range: Range<Int64>) throws(StorageError) -> TreeHash {
    let height = (range.upperBound - range.lowerBound).trailingZeroBitCount
    let stored = Int64(height - height % Self.storedHeights)
    let (first, end) = (range.lowerBound >> stored, range.upperBound >> stored)
    let hashes = try storing(in: "the directory") {
      stored == 0
        ? try connection.rows(
          "SELECT hash FROM entry WHERE id >= ? AND id < ? ORDER BY id", .integer(first),
          .integer(end), as: { TreeHash(bytes: $0.blob(0)) })
        : try connection.rows(
          "SELECT hash FROM subtree WHERE height = ? AND position >= ? AND position < ? ORDER BY position",
          .integer(stored), .integer(first), .integer(end), as: { TreeHash(bytes: $0.blob(0)) })
    }.compactMap(\.self)
    guard hashes.count == end - first else { throw Connection.brokenLedger }
    var level = hashes
    while level.count > 1 {
      level = stride(from: 0, to: level.count, by: 2).map {
        TreeHash(left: level[$0], right: level[$0 + 1])
      }
    }
    return level[0]
  }
}
