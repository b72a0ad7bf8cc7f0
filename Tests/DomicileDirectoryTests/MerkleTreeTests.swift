import DomicileDirectory
import DomicileTesting
import Foundation
import Testing

/// The ledger's tree is that of RFC 9162, section 2.1, and its proofs prove nothing else.
@Suite struct MerkleTreeTests {
  private static let leaves: [TreeHash] = (0..<300).map {
    TreeHash(leaf: Array("entry \($0)".utf8))
  }

  /// The root as the RFC defines it, by halves.
  private static func root(_ leaves: ArraySlice<TreeHash>) -> TreeHash {
    guard let first = leaves.first else { return .ofNothing }
    if leaves.count == 1 { return first }
    var power = 1
    while power * 2 < leaves.count { power *= 2 }
    return TreeHash(left: root(leaves.prefix(power)), right: root(leaves.dropFirst(power)))
  }

  private static func subtree(_ range: Range<Int64>) -> TreeHash {
    root(leaves[Int(range.lowerBound)..<Int(range.upperBound)])
  }

  @Test func `hashes are those that the RFC's trees have`() throws {
    // SHA-256 of nothing, and of one zero byte: an empty tree, and an empty leaf.
    #expect(TreeHash.ofNothing.description == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    #expect(
      TreeHash(leaf: []).description == "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=")
    #expect(TreeHash(base64: TreeHash.ofNothing.description) == .ofNothing)
    for wrong in ["", "47DEQpj8", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV="] {
      #expect(TreeHash(base64: wrong) == nil)
    }
  }

  @Test func `a frontier has the root of all leaves, and tells each subtree that is complete`()
    throws
  {
    var frontier = TreeFrontier()
    for (index, leaf) in Self.leaves.enumerated() {
      #expect(frontier.root == Self.root(Self.leaves[..<index]))
      #expect(TreeFrontier(size: frontier.size, hashes: frontier.hashes) == frontier)
      frontier.append(leaf) { height, hash in
        #expect(hash == Self.root(Self.leaves[(index + 1 - 1 << height)...index]))
      }
    }
    #expect(TreeFrontier(size: 5, hashes: frontier.hashes) == nil)
    #expect(TreeFrontier(size: -1, hashes: []) == nil)
  }

  @Test func `each leaf is proved in each tree, and in no other place or tree`() throws {
    for size: Int64 in [1, 2, 3, 7, 8, 9, 31, 64, 100, 255, 256, 257, 300] {
      let root = Self.root(Self.leaves[..<Int(size)])
      for index in 0..<size {
        let proof = MerkleProof.inclusion(of: index, size: size, subtree: Self.subtree)
        let leaf = Self.leaves[Int(index)]
        func isProved(
          _ proof: [TreeHash], _ leaf: TreeHash, _ index: Int64, _ size: Int64, _ root: TreeHash
        ) -> Bool {
          MerkleProof.verifyInclusion(proof, of: leaf, index: index, size: size, root: root)
        }
        #expect(isProved(proof, leaf, index, size, root))
        #expect(!isProved(proof + [leaf], leaf, index, size, root))
        #expect(!isProved(proof, leaf, index, size, .ofNothing))
        #expect(!isProved(proof, .ofNothing, index, size, root))
        #expect(!isProved(proof, leaf, index + 1, size, root))
        #expect(!isProved(proof, leaf, -1, size, root))
        if size > 1 { #expect(!isProved(Array(proof.dropLast()), leaf, index, size, root)) }
      }
    }
  }

  @Test func `each tree is proved to begin with each older one, and with no other`() throws {
    for size: Int64 in [1, 2, 3, 7, 8, 9, 64, 100, 257] {
      let root = Self.root(Self.leaves[..<Int(size)])
      for old in 1...size {
        let before = Self.root(Self.leaves[..<Int(old)])
        let proof = MerkleProof.consistency(from: old, to: size, subtree: Self.subtree)
        func isProved(_ proof: [TreeHash], _ old: Int64, _ before: TreeHash, _ root: TreeHash)
          -> Bool
        { MerkleProof.verifyConsistency(proof, from: old, root: before, to: size, root: root) }
        #expect(isProved(proof, old, before, root))
        #expect(!isProved(proof + [root], old, before, root))
        #expect(!isProved(proof, old, Self.leaves[299], root))
        #expect(!isProved(proof, size + 1, before, root))
        #expect(!isProved([], 0, .ofNothing, root))
        if old < size {
          #expect(!isProved(proof, old, before, Self.leaves[299]))
          #expect(!isProved(Array(proof.dropFirst()), old, before, root))
          for place in proof.indices {
            var wrong = proof
            wrong[place] = Self.leaves[299]
            #expect(!isProved(wrong, old, before, root))
          }
        }
      }
    }
  }

  // MARK: Published vectors

  private struct Vector: Decodable {
    var leafIdx: UInt64?
    var treeSize: UInt64?
    var root: String?
    var leafHash: String?
    var size1: UInt64?
    var size2: UInt64?
    var root1: String?
    var root2: String?
    var proof: [String]?
    let wantErr: Bool

    /// A root of another length than a hash has is one that no tree has.
    private func hash(ofRoot text: String) -> TreeHash? {
      TreeHash(base64: text) ?? Data(base64Encoded: text).map { TreeHash(leaf: $0) }
    }

    /// Sizes that no file can have, and hashes that are none, are as wrong as any.
    var isAccepted: Bool {
      let proof = (proof ?? []).map { TreeHash(base64: $0) }
      guard !proof.contains(nil) else { return false }
      let hashes = proof.compactMap(\.self)
      if let index = leafIdx.flatMap(Int64.init(exactly:)),
        let size = treeSize.flatMap(Int64.init(exactly:)),
        let root = root.flatMap(hash(ofRoot:)),
        let leaf = leafHash.flatMap(TreeHash.init(base64:))
      {
        return MerkleProof.verifyInclusion(hashes, of: leaf, index: index, size: size, root: root)
      }
      guard let old = size1.flatMap(Int64.init(exactly:)),
        let size = size2.flatMap(Int64.init(exactly:)),
        let before = root1.flatMap(hash(ofRoot:)),
        let root = root2.flatMap(hash(ofRoot:))
      else { return false }
      return MerkleProof.verifyConsistency(hashes, from: old, root: before, to: size, root: root)
    }
  }

  private static let vectors = ProcessInfo.processInfo.environment["DOMICILE_MERKLE_VECTORS"]

  @Test(
    .enabled(if: vectors != nil, "DOMICILE_MERKLE_VECTORS names no folder with published vectors"))
  func `published proofs are accepted and rejected as their authors say`() throws {
    let folder = try #require(Self.vectors)
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".json") }
    var (accepted, rejected) = (0, 0)
    for name in names {
      let data = try #require(FileManager.default.contents(atPath: "\(folder)/\(name)"))
      let vector = try JSONDecoder().decode(Vector.self, from: data)
      #expect(vector.isAccepted == !vector.wantErr, "\(name)")
      if vector.wantErr { rejected += 1 } else { accepted += 1 }
    }
    #expect(accepted > 0 && rejected > 0)
  }
}
