import Foundation

/// Labels as a record's row holds them: a JSON object with sorted keys, which SQLite's own functions read.
enum LabelText {
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
