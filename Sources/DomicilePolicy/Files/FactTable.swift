/// A table of facts: CSV with a header row.
struct FactTable {
  struct Row {
    /// The line the row begins on, counted from 1.
    let line: Int
    let fields: [String]
  }

  let file: String
  let header: [String]
  let rows: [Row]

  /// - Throws: ``PolicyProblem`` where the text is not CSV or a row's length is not the header's.
  init(file: String, text: String) throws(PolicyProblem) {
    self.file = file
    let records = try Self.records(file: file, text: text)
    guard let header = records.first?.fields, header != [""] else {
      throw PolicyProblem(
        file: file, message: "the table is empty; its first line names the columns")
    }
    self.header = header
    if let twice = Dictionary(grouping: header, by: \.self).filter({ $1.count > 1 }).keys.min() {
      throw PolicyProblem(file: file, line: 1, message: "the column “\(twice)” stands here twice")
    }
    rows = Array(records.dropFirst())
    for row in rows where row.fields.count != header.count {
      let count = row.fields.count == 1 ? "1 field" : "\(row.fields.count) fields"
      throw PolicyProblem(
        file: file, line: row.line,
        message: row.fields == [""]
          ? "this line is empty" : "this row has \(count), the header has \(header.count)")
    }
  }

  /// All rows, the header first.
  private static func records(file: String, text: String) throws(PolicyProblem) -> [Row] {
    var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)[
      ...]
    if lines.last?.isEmpty == true { lines.removeLast() }
    var records: [Row] = []
    while !lines.isEmpty {
      let number = lines.startIndex + 1
      var frame = CSVFrame()
      var bytes: [UInt8] = []
      repeat {
        if !bytes.isEmpty { bytes.append(UInt8(ascii: "\n")) }
        let line = Array(lines.removeFirst())
        frame.read(line)
        bytes += line
      } while frame.isInsideQuotes && !lines.isEmpty
      guard let fields = CSVFields.fields(bytes) else {
        throw PolicyProblem(
          file: file, line: number,
          message: "this is not CSV: a quoted field that begins on this line does not end well")
      }
      records.append(
        Row(line: number, fields: fields.map { String(decoding: $0, as: UTF8.self) }))
    }
    return records
  }

  /// The place of a column.
  func column(_ name: String) throws(PolicyProblem) -> Int {
    if let index = header.firstIndex(of: name) { return index }
    throw PolicyProblem(
      file: file, line: 1,
      message: "no column “\(name)”; \(suggestion(for: name, among: header))")
  }
}
