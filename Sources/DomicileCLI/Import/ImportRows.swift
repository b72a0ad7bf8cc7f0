import Domicile
import Foundation

/// A line of an import file, taken apart.
struct ImportRow: Sendable {
  let line: Int
  let user: UserID
  /// Nil where the import names no such column: the user must have been admitted.
  let residence: String?
  let attributes: [String]
  /// The record's key and value, where the import writes records.
  let key: String?
  let value: [UInt8]
}

/// A line that cannot be used, and why.
struct BadLine: Error, Sendable {
  let line: Int
  let reason: String

  static func tooLong(_ line: Int) -> BadLine {
    BadLine(line: line, reason: "longer than 2 MiB, which is more than can be stored")
  }
}

/// Which columns, or members of a JSON object, say what.
struct ImportColumns: Sendable {
  let user: String
  let residence: String?
  let attributes: String?
  let key: String?

  var names: [String] { [user, residence, attributes, key].compactMap(\.self) }

  /// The row of a line; `missing` says what is wrong with a column that has no text.
  func row(
    line: Int, value: [UInt8], missing: String, field: (String) -> String?
  ) throws(BadLine) -> ImportRow {
    func required(_ name: String) throws(BadLine) -> String {
      guard let text = field(name), !text.isEmpty else {
        throw BadLine(line: line, reason: "“\(name)” \(missing)")
      }
      return text
    }
    return ImportRow(
      line: line, user: UserID(try required(user)),
      residence: try residence.map { name throws(BadLine) in try required(name) },
      attributes: attributes.flatMap(field)?.split(separator: " ").map(String.init) ?? [],
      key: try key.map { name throws(BadLine) in try required(name) }, value: value)
  }
}

/// The rows of an import file, one after the other.
protocol ImportRows {
  mutating func next() throws -> Result<ImportRow, BadLine>?
}

/// One JSON object a line (https://github.com/ndjson/ndjson-spec). The record is the line as it is.
struct JSONLinesRows: ImportRows {
  private var lines: PhysicalLines
  private let columns: ImportColumns

  init(file: String, columns: ImportColumns) throws {
    lines = try PhysicalLines(file: file)
    self.columns = columns
  }

  /// A member's text, where an import can use it.
  private struct Member: Decodable {
    let text: String?

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      // An id may be a whole number.
      text =
        (try? container.decode(String.self)) ?? (try? container.decode(Int.self)).map(String.init)
    }
  }

  mutating func next() throws -> Result<ImportRow, BadLine>? {
    while let line = try lines.next() {
      if !line.isTooLong, line.bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
      let columns = columns
      return Result { () throws(BadLine) in
        if line.isTooLong { throw BadLine.tooLong(line.number) }
        guard String(validating: line.bytes, as: UTF8.self) != nil else {
          throw BadLine(line: line.number, reason: "this is not UTF-8 text")
        }
        guard
          let object = try? JSONDecoder().decode([String: Member].self, from: Data(line.bytes))
        else { throw BadLine(line: line.number, reason: "this is not a JSON object") }
        return try columns.row(
          line: line.number, value: line.bytes,
          missing: "is missing, empty, or neither text nor a whole number"
        ) { object[$0]?.text }
      }
    }
    return nil
  }
}

/// Comma-separated values (RFC 4180) with a header line. The record is a JSON object of the row.
struct CSVRows: ImportRows {
  private var lines: PhysicalLines
  private let columns: ImportColumns
  private let header: [String]
  /// - Throws: ``BadLine`` for a header that is none, or lacks a column.
  init(file: String, columns: ImportColumns) throws {
    lines = try PhysicalLines(file: file)
    self.columns = columns
    guard let first = try lines.next() else {
      throw BadLine(line: 1, reason: "the file is empty; its first line names the columns")
    }
    guard let fields = CSVFields.fields(first.bytes) else { throw Self.wrongQuotes(line: 1, to: 1) }
    header = try Self.texts(fields, line: 1)
    guard header != [""] else {
      throw BadLine(line: 1, reason: "the line is empty; it should name the columns")
    }
    for (place, name) in header.enumerated() where header[..<place].contains(name) {
      throw BadLine(line: 1, reason: "the column “\(name)” stands in the header twice")
    }
    for name in columns.names where !header.contains(name) {
      throw BadLine(
        line: 1, reason: "no column “\(name)”; there are: \(header.joined(separator: ", "))")
    }
  }

  /// A row ends where a line ends outside quotes. What stands inside quotes is never taken for a row, however
  /// wrong the row is: a text must not be able to pass for a person.
  mutating func next() throws -> Result<ImportRow, BadLine>? {
    while let first = try lines.next() {
      if first.bytes.isEmpty && !first.isTooLong { continue }
      var frame = CSVFrame()
      var bytes: [UInt8] = []
      var isTooLong = false
      var line = first
      while true {
        guard !line.isTooLong else {
          // Whether it ends inside quotes is not known, so neither is where the next row begins.
          throw BadLine.tooLong(line.number)
        }
        frame.read(line.bytes)
        isTooLong = isTooLong || bytes.count + line.bytes.count > PhysicalLines.bytesMax
        bytes = isTooLong ? [] : bytes + line.bytes
        guard frame.isInsideQuotes else { break }
        guard let more = try lines.next() else {
          return .failure(
            BadLine(line: first.number, reason: "a quoted field that begins here never ends"))
        }
        bytes.append(UInt8(ascii: "\n"))
        line = more
      }
      if isTooLong {
        return .failure(
          BadLine(
            line: first.number,
            reason: "the row goes on to line \(line.number) and is longer than 2 MiB, which is more"
              + " than can be stored"))
      }
      guard let fields = CSVFields.fields(bytes) else {
        return .failure(Self.wrongQuotes(line: first.number, to: line.number))
      }
      return Result { () throws(BadLine) in try row(fields, line: first.number) }
    }
    return nil
  }

  private func row(_ fields: [[UInt8]], line: Int) throws(BadLine) -> ImportRow {
    guard fields.count == header.count else {
      throw BadLine(
        line: line, reason: "\(fields.count) fields, where the header has \(header.count)")
    }
    let object = Dictionary(uniqueKeysWithValues: zip(header, try Self.texts(fields, line: line)))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let value = try? encoder.encode(object) else {
      throw BadLine(line: line, reason: "the row cannot be encoded as JSON")
    }
    return try columns.row(line: line, value: Array(value), missing: "is empty") { object[$0] }
  }

  private static func texts(_ fields: [[UInt8]], line: Int) throws(BadLine) -> [String] {
    var texts: [String] = []
    for field in fields {
      guard let text = String(validating: field, as: UTF8.self) else {
        throw BadLine(line: line, reason: "this is not UTF-8 text")
      }
      texts.append(text)
    }
    return texts
  }

  private static func wrongQuotes(line: Int, to last: Int) -> BadLine {
    let reach = last > line ? "; the row goes on to line \(last)" : ""
    return BadLine(
      line: line, reason: "the quotes are not right: a quote is missing, or not doubled\(reach)")
  }
}
