/// A set of the numbers 0 to 255: countries by their row, or regions by their place in the topology.
///
/// Fixed in size, so that intersecting two sets on the write path allocates nothing.
struct IndexSet256: Hashable, Sendable {
  private var words = SIMD4<UInt64>(repeating: 0)

  static let capacity = 256

  init() {}

  init(_ members: some Sequence<Int>) {
    for member in members { insert(member) }
  }

  /// The set 0 ..< `count`.
  init(upTo count: Int) { self.init(0..<count) }

  func contains(_ member: Int) -> Bool {
    words[member >> 6] & (1 << UInt64(member & 63)) != 0
  }

  mutating func insert(_ member: Int) {
    words[member >> 6] |= 1 << UInt64(member & 63)
  }

  mutating func formIntersection(_ other: IndexSet256) { words &= other.words }

  mutating func formUnion(_ other: IndexSet256) { words |= other.words }

  func subtracting(_ other: IndexSet256) -> IndexSet256 {
    var result = self
    result.words &= ~other.words
    return result
  }

  func intersection(_ other: IndexSet256) -> IndexSet256 {
    var result = self
    result.formIntersection(other)
    return result
  }

  func isSuperset(of other: IndexSet256) -> Bool { other.subtracting(self).isEmpty }

  var isEmpty: Bool { words == SIMD4(repeating: 0) }

  var count: Int { (0..<4).reduce(0) { $0 + words[$1].nonzeroBitCount } }

  /// The members in ascending order.
  var members: [Int] {
    var members: [Int] = []
    members.reserveCapacity(count)
    for word in 0..<4 {
      var rest = words[word]
      while rest != 0 {
        members.append(word << 6 + rest.trailingZeroBitCount)
        rest &= rest - 1
      }
    }
    return members
  }
}
