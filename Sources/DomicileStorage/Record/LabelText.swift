import Foundation

/// Labels as a record's row holds them: a JSON object with sorted keys, which SQLite's own functions read.
enum LabelText {
  /// The name of a label that no caller can set: the alias of who wrote the record, in a group's home.
  static let author = ""

  static func encode(_ labels: [String: String]) throws -> String? {
    guard !labels.isEmpty else { return nil }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(labels), as: UTF8.self)
  }

  static func decode(_ text: String) throws -> [String: String] {
    try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
  }
}
