import Foundation

/// What goes to standard output and standard error. Colour and progress only where somebody looks on.
enum Terminal {
  static let isOutput = isatty(STDOUT_FILENO) == 1
  static let isError = isatty(STDERR_FILENO) == 1
  /// https://no-color.org
  private static let hasColour =
    isOutput && ProcessInfo.processInfo.environment["NO_COLOR"].map(\.isEmpty) ?? true

  static func print(_ text: String) { write(Array("\(text)\n".utf8)) }

  static func write(_ bytes: [UInt8]) {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(bytes))
    } catch {
      // What was asked for did not arrive: that is no success.
      Self.error("unavailable: The output cannot be written.")
      exit(1)
    }
  }

  static func error(_ text: String) { write(text + "\n", to: FileHandle.standardError) }

  /// A line that the next one replaces.
  static func progress(_ text: String) {
    if isError { write("\r\(text)\u{1B}[K", to: FileHandle.standardError) }
  }

  static func endProgress() {
    if isError { write("\r\u{1B}[K", to: FileHandle.standardError) }
  }

  enum Style: String {
    case heading = "1"
    case good = "32"
    case bad = "31"
  }

  static func styled(_ text: String, _ style: Style) -> String {
    hasColour ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }

  private static func write(_ text: String, to handle: FileHandle) {
    try? handle.write(contentsOf: Data(text.utf8))
  }
}

/// Columns of text; numbers stand to the right.
struct TextTable {
  private let header: [String]
  private var rows: [[String]] = []

  init(_ header: String...) { self.init(header) }

  init(_ header: [String]) { self.header = header }

  mutating func add(_ cells: String...) { add(cells) }

  mutating func add(_ cells: [String]) { rows.append(cells.map(Self.visible)) }

  /// Keys and labels may hold anything: what would steer a terminal or break a line is written as a code.
  private static func visible(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
  }

  func print() {
    let widths = header.indices.map { column in
      ([header] + rows).map { $0[column].count }.max() ?? 0
    }
    Terminal.print(Terminal.styled(line(header, widths), .heading))
    for row in rows { Terminal.print(line(row, widths)) }
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    let padded = zip(cells, widths).enumerated().map { column, cell in
      let space = String(repeating: " ", count: cell.1 - cell.0.count)
      return isNumeric(column) ? space + cell.0 : cell.0 + space
    }
    return String(padded.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
  }

  private func isNumeric(_ column: Int) -> Bool {
    // A cell that says what the one above does is empty.
    let cells = rows.map { $0[column] }.filter { !$0.isEmpty }
    return !cells.isEmpty && cells.allSatisfy { Int($0) != nil || $0 == "-" }
  }
}

/// `1 home`, `2 homes`.
func counted(_ count: Int, _ noun: String, _ plural: String? = nil) -> String {
  "\(count) \(count == 1 ? noun : plural ?? "\(noun)s")"
}

/// Prints a value as JSON with sorted keys, which docs/cli.md describes.
func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  encoder.dateEncodingStrategy = .iso8601
  Terminal.print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
