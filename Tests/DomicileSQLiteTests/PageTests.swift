import CDomicileSQLite
import DomicileTesting
import Testing

@Suite struct PageTests {
  /// Cleans a copy whose memory ends where the page does, so that the address sanitizer sees a step beyond.
  private func clean(_ page: [UInt8], usable: Int, isFirst: Bool) -> (isSound: Bool, bytes: [UInt8])
  {
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: page.count)
    defer { unsafe memory.deallocate() }
    unsafe memory.initialize(from: page, count: page.count)
    let code = unsafe domicile_page_clean(
      memory, Int32(page.count), Int32(usable), isFirst ? 1 : 0)
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: memory, count: page.count))
    return (code != 0, bytes)
  }

  private func unreferenced(_ page: [UInt8], usable: Int, isFirst: Bool) -> Int32 {
    unsafe page.withUnsafeBufferPointer { buffer in
      unsafe domicile_page_unreferenced(
        buffer.baseAddress, Int32(buffer.count), Int32(usable), isFirst ? 1 : 0)
    }
  }

  @Test(arguments: 0..<UInt64(20))
  func `in a sound page just what nothing refers to becomes zero`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 1...20 {
      let page = RandomPage(using: &random)
      let expected = zip(page.bytes, page.isReferenced).map { byte, isReferenced in
        isReferenced ? byte : 0
      }
      let cleaned = clean(page.bytes, usable: page.usable, isFirst: page.isFirst)
      #expect(cleaned.isSound)
      // `==` outside of the macro, which would print both pages.
      let isAsExpected = cleaned.bytes == expected
      #expect(isAsExpected)
      let again = clean(cleaned.bytes, usable: page.usable, isFirst: page.isFirst)
      let isSame = again.isSound && again.bytes == cleaned.bytes
      #expect(isSame)
      let hasRubbish = page.isReferenced.contains(false)
      let found = unreferenced(page.bytes, usable: page.usable, isFirst: page.isFirst)
      #expect((found > 0) == hasRubbish)
      #expect(unreferenced(cleaned.bytes, usable: page.usable, isFirst: page.isFirst) == 0)
    }
  }

  @Test(arguments: 0..<UInt64(20))
  func `in a damaged page what anything refers to stays`(seed: UInt64) {
    var random = SeededRandom(seed: 1_000 + seed)
    for _ in 1...20 {
      let page = RandomPage(using: &random)
      for _ in 1...4 {
        var bytes = page.bytes
        let isInHeader = Bool.random(using: &random)
        for _ in 1...Int.random(in: 1...4, using: &random) {
          let header = page.isFirst ? 100 : 0
          let place = Int.random(
            in: isInHeader ? header..<header + 40 : 0..<bytes.count, using: &random)
          bytes[place] = .random(in: 0...255, using: &random)
        }
        let cleaned = clean(bytes, usable: page.usable, isFirst: page.isFirst)
        #expect(checkKept(bytes, cleaned, usable: page.usable, isFirst: page.isFirst))
      }
    }
  }

  @Test func `in random bytes what anything refers to stays`() {
    var random = SeededRandom(seed: 7)
    for round in 0..<2_000 {
      var bytes = (0..<512).map { _ in UInt8.random(in: 0...255, using: &random) }
      bytes[0] = [2, 5, 10, 13][round % 4]
      // Few cells and a content area that may be, so that some pass the first checks.
      bytes.replaceSubrange(1..<8, with: [0, 0, 0, UInt8(round % 3), 1, UInt8(round & 0xFF), 0])
      let cleaned = clean(bytes, usable: 512, isFirst: false)
      #expect(checkKept(bytes, cleaned, usable: 512, isFirst: false))
    }
  }

  /// Whether a page is unchanged, or lost nothing that its own header, cells and freeblocks refer to.
  private func checkKept(
    _ before: [UInt8], _ after: (isSound: Bool, bytes: [UInt8]), usable: Int, isFirst: Bool
  ) -> Bool {
    guard after.isSound else { return before == after.bytes }
    let again = clean(after.bytes, usable: usable, isFirst: isFirst)
    guard again.isSound, again.bytes == after.bytes else { return false }
    let changed = before.indices.filter { before[$0] != after.bytes[$0] }
    guard changed.allSatisfy({ after.bytes[$0] == 0 && $0 < usable }) else { return false }
    let references = References(before, usable: usable, header: isFirst ? 100 : 0)
    return changed.allSatisfy { !references.contains($0) }
  }

  @Test func `overflow and free pages are not taken for others while pages are few enough`() {
    // The first byte of a page number below 2^25 is 0 or 1.
    for first in [0, 1] as [UInt8] {
      var bytes = [UInt8](repeating: 0xAA, count: 4_096)
      bytes[0] = first
      #expect(!clean(bytes, usable: 4_096, isFirst: false).isSound)
    }
  }

  @Test func `sizes that no page has are refused`() {
    let bytes = [UInt8](repeating: 13, count: 512)
    for (size, usable) in [(0, 0), (256, 256), (512, 479), (512, 513), (131_072, 131_072)] {
      var copy = bytes
      let code = unsafe copy.withUnsafeMutableBufferPointer { buffer in
        unsafe domicile_page_clean(buffer.baseAddress, Int32(size), Int32(usable), 0)
      }
      #expect(code == 0)
      #expect(copy == bytes)
    }
  }
}

/// What a page refers to, found in another way than page.c does: each cell by itself, with no check.
private struct References {
  private var isReferenced: [Bool]

  init(_ bytes: [UInt8], usable: Int, header: Int) {
    func two(_ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
    let kind = bytes[header]
    let pointers = header + (kind < 10 ? 12 : 8)
    let count = two(header + 3)
    isReferenced = bytes.indices.map { $0 < pointers + 2 * count || $0 >= usable }
    var block = two(header + 1)
    while block != 0 {
      for index in block..<block + 4 { isReferenced[index] = true }
      block = two(block)
    }
    for index in 0..<count {
      let start = two(pointers + 2 * index)
      var at = start + (kind < 10 ? 4 : 0)
      func varint() -> UInt64 {
        var value: UInt64 = 0
        for length in 1...9 {
          let byte = bytes[at]
          at += 1
          if length == 9 { return value << 8 | UInt64(byte) }
          value = value << 7 | UInt64(byte & 0x7F)
          if byte < 0x80 { break }
        }
        return value
      }
      let payload = kind == 5 ? 0 : Int(varint())
      if kind == 5 || kind == 13 { _ = varint() }
      let most = kind == 13 ? usable - 35 : (usable - 12) * 64 / 255 - 23
      let least = (usable - 12) * 32 / 255 - 23
      let wanted = least + (payload - least) % (usable - 4)
      at += payload <= most ? payload : 4 + (wanted <= most ? wanted : least)
      for index in start..<max(at, start + 4) { isReferenced[index] = true }
    }
  }

  func contains(_ index: Int) -> Bool { isReferenced[index] }
}
