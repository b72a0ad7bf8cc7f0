/// Takes one row of comma-separated values apart exactly as RFC 4180 says: byte by byte, trimming nothing.
///
/// Strictness finds lost quotes: where one is missing, what should be outside quotes is inside and the other
/// way round, and soon a quote stands where none may.
package enum CSVFields {
  private static let quote = UInt8(ascii: "\"")
  private static let comma = UInt8(ascii: ",")

  /// The row's fields; nil where its quotes are not right.
  package static func fields(_ row: [UInt8]) -> [[UInt8]]? {
    var fields: [[UInt8]] = []
    var index = 0
    while true {
      var field: [UInt8] = []
      if index < row.count, row[index] == quote {
        index += 1
        while true {
          guard let end = row[index...].firstIndex(of: quote) else { return nil }
          field += row[index..<end]
          index = end + 1
          guard index < row.count, row[index] == quote else { break }
          // Two quotes inside quotes are one.
          field.append(quote)
          index += 1
        }
        guard index == row.count || row[index] == comma else { return nil }
      } else {
        let end = row[index...].firstIndex(of: comma) ?? row.endIndex
        field = Array(row[index..<end])
        guard !field.contains(quote) else { return nil }
        index = end
      }
      fields.append(field)
      if index == row.count { return fields }
      index += 1
    }
  }
}

/// Where a row of comma-separated values ends: at the first line end outside quotes. A quote opens a field only
/// where the field begins.
package struct CSVFrame {
  private enum State { case fieldStart, unquoted, quoted, afterQuote }
  private var state = State.fieldStart

  package init() {}

  /// Whether the row goes on in the next line.
  package private(set) var isInsideQuotes = false

  /// Reads a line, without its end.
  package mutating func read(_ line: [UInt8]) {
    for byte in line {
      switch (state, byte) {
      case (.fieldStart, UInt8(ascii: "\"")): state = .quoted
      case (.quoted, UInt8(ascii: "\"")): state = .afterQuote
      case (.quoted, _): break
      case (.afterQuote, UInt8(ascii: "\"")): state = .quoted
      case (_, UInt8(ascii: ",")): state = .fieldStart
      default: state = .unquoted
      }
    }
    isInsideQuotes = state == .quoted
  }
}
