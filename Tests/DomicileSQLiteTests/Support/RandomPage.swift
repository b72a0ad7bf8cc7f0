import DomicileTesting

/// A sound b-tree page with random cells, freeblocks and fragments, and rubbish wherever nothing refers to.
struct RandomPage {
  private(set) var bytes: [UInt8]
  /// By byte: whether something refers to it.
  private(set) var isReferenced: [Bool]
  let usable: Int
  let isFirst: Bool
  private let kind: UInt8

  init(using random: inout SeededRandom) {
    let size = 1 << Int.random(in: 9...(Bool.random(using: &random) ? 12 : 16), using: &random)
    usable = size - ([0, 0, 0, 8, 32].randomElement(using: &random) ?? 0)
    isFirst = Int.random(in: 0..<8, using: &random) == 0
    kind = [2, 5, 10, 13].randomElement(using: &random) ?? 13
    bytes = (0..<size).map { _ in UInt8.random(in: 1...255, using: &random) }
    isReferenced = [Bool](repeating: false, count: size)
    fill(using: &random)
  }

  private mutating func fill(using random: inout SeededRandom) {
    let header = isFirst ? 100 : 0
    let pointers = header + (kind == 2 || kind == 5 ? 12 : 8)
    var top = usable
    var cells: [Int] = []
    var blocks: [(start: Int, count: Int)] = []
    var fragments = 0
    var room = Int.random(in: 0...(usable - pointers), using: &random)
    let longest = [4, 40, 400, 70_000].randomElement(using: &random) ?? 4
    while true {
      let choice = Int.random(in: 0..<8, using: &random)
      let piece: [UInt8]
      switch choice {
      case 0 where blocks.last?.start != top:
        piece = [UInt8](repeating: 0, count: .random(in: 4...60, using: &random))
      case 1 where fragments < 57:
        piece = [UInt8](repeating: 0, count: .random(in: 1...3, using: &random))
      default: piece = cell(payload: .random(in: 1...longest, using: &random), using: &random)
      }
      room -= piece.count + 2
      guard room >= 0 else { break }
      top -= piece.count
      switch choice {
      case 0 where blocks.last?.start != top + piece.count: blocks.append((top, piece.count))
      case 1 where fragments < 57: fragments += piece.count
      default:
        cells.append(top)
        set(piece, at: top)
      }
    }
    for (index, block) in blocks.enumerated() {
      set(two(index == 0 ? 0 : blocks[index - 1].start) + two(block.count), at: block.start)
    }
    cells.shuffle(using: &random)
    var start = [kind] + two(blocks.last?.start ?? 0) + two(cells.count) + two(top & 0xFFFF)
    start.append(UInt8(fragments))
    if pointers - header == 12 { start += [0, 0, 1, 7] }
    set(start + cells.flatMap(two), at: header)
    for index in 0..<header { isReferenced[index] = true }
    for index in usable..<bytes.count { isReferenced[index] = true }
  }

  private mutating func set(_ piece: [UInt8], at start: Int) {
    bytes.replaceSubrange(start..<start + piece.count, with: piece)
    for index in start..<start + piece.count { isReferenced[index] = true }
  }

  private func two(_ number: Int) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xFF)] }

  private func varint(_ number: Int) -> [UInt8] {
    var result = [UInt8(number & 0x7F)]
    var rest = number >> 7
    while rest > 0 {
      result.insert(UInt8(rest & 0x7F) | 0x80, at: 0)
      rest >>= 7
    }
    return result
  }

  /// A cell as https://sqlite.org/fileformat2.html has it.
  private func cell(payload: Int, using random: inout SeededRandom) -> [UInt8] {
    var result: [UInt8] = kind == 2 || kind == 5 ? [0, 0, 1, 3] : []
    if kind != 5 { result += varint(payload) }
    if kind == 5 || kind == 13 {
      // A negative key has nine bytes.
      let isNegative = Int.random(in: 0..<8, using: &random) == 0
      result +=
        isNegative
        ? [UInt8](repeating: 0xFF, count: 9) : varint(.random(in: 0...Int.max >> 8, using: &random))
    }
    if kind != 5 {
      let most = kind == 13 ? usable - 35 : (usable - 12) * 64 / 255 - 23
      let least = (usable - 12) * 32 / 255 - 23
      let wanted = least + (payload - least) % (usable - 4)
      let local = payload <= most ? payload : wanted <= most ? wanted : least
      result += (0..<local).map { _ in UInt8.random(in: 0...255, using: &random) }
      if payload > most { result += [0, 0, 2, 9] }
    }
    while result.count < 4 { result.append(.random(in: 0...255, using: &random)) }
    return result
  }
}
