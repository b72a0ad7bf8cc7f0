import Foundation

/// The lines of a file, a chunk at a time, so that a file of any size is read in little memory.
struct PhysicalLines {
  struct Line {
    /// Counted from 1.
    let number: Int
    /// Without the line end; empty if the line is too long.
    let bytes: [UInt8]
    let isTooLong: Bool
  }

  private let handle: FileHandle
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false
  private var number = 0

  /// A longer line is given without its bytes: what may be stored is not nearly as long.
  static let bytesMax = 2 << 20
  private static let chunkBytes = 1 << 16

  init(file: String) throws { handle = try FileHandle(forReadingFrom: URL(filePath: file)) }

  mutating func next() throws -> Line? {
    var searched = start
    var isTooLong = false
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        return take(upTo: end, skipping: 1, isTooLong: isTooLong)
      }
      searched = buffer.endIndex
      if buffer.count - start >= Self.bytesMax {
        isTooLong = true
        start = buffer.endIndex
      }
      if isAtEnd {
        guard start < buffer.count || isTooLong else { return nil }
        return take(upTo: buffer.endIndex, skipping: 0, isTooLong: isTooLong)
      }
      buffer.removeSubrange(..<start)
      searched -= start
      start = 0
      let chunk = try handle.read(upToCount: Self.chunkBytes) ?? Data()
      isAtEnd = chunk.isEmpty
      buffer += chunk
    }
  }

  private mutating func take(upTo end: Int, skipping: Int, isTooLong: Bool) -> Line {
    number += 1
    defer { start = end + skipping }
    if isTooLong { return Line(number: number, bytes: [], isTooLong: true) }
    var bytes = Array(buffer[start..<end])
    if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
    // A byte order mark is no part of the first line.
    if number == 1, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
    return Line(number: number, bytes: bytes, isTooLong: false)
  }
}
