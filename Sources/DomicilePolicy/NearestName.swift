/// The end of a message about an unknown word: the nearest right one, or all where they are few.
func suggestion(for word: String, among candidates: some Sequence<String>) -> String {
  let known = candidates.sorted()
  let lowered = word.lowercased()
  if let same = known.first(where: { $0.lowercased() == lowered }) {
    return "did you mean “\(same)”?"
  }
  // No name has more than 63 letters; what is much longer is none that was misspelt.
  let limit = word.utf8.count > 256 ? 0 : max(1, word.count / 3)
  let nearest =
    limit == 0
    ? nil
    : known
      .map { (name: $0, distance: editDistance(lowered, $0.lowercased())) }
      .filter { $0.distance <= limit }
      .min { $0.distance < $1.distance }
  if let nearest { return "did you mean “\(nearest.name)”?" }
  if known.isEmpty { return "none is known" }
  if known.count <= 20 { return "known: \(known.joined(separator: ", "))" }
  return "\(known.count) are known"
}

/// Ends a suggestion with a full stop, if it is no question.
func sentence(_ suggestion: String) -> String {
  suggestion.hasSuffix("?") ? suggestion : "\(suggestion)."
}

/// Whether two different values are probably meant to be one: alike but for case, white space and characters
/// that cannot be seen, one the beginning of the other, or a letter apart.
func isNearly(_ left: String, _ right: String) -> Bool {
  if left.utf8.elementsEqual(right.utf8) { return false }
  let (first, second) = (visible(left.lowercased()), visible(right.lowercased()))
  let shorter = min(first.count, second.count)
  return first == second
    || shorter >= 4 && (first.hasPrefix(second) || second.hasPrefix(first))
    || shorter >= 5 && abs(first.count - second.count) <= 1 && editDistance(first, second) == 1
}

/// The characters that leave a mark on paper: no white space, control or format characters.
func visible(_ text: String) -> String {
  String(String.UnicodeScalarView(text.unicodeScalars.filter { !$0.isInvisible }))
}

/// The text with what cannot be seen, other than the plain space, written as `\u{200B}`.
func revealing(_ text: String) -> String {
  text.unicodeScalars.map { scalar in
    scalar.isInvisible && scalar != " "
      ? "\\u{\(String(scalar.value, radix: 16, uppercase: true))}" : String(scalar)
  }.joined()
}

extension Unicode.Scalar {
  /// Whether it leaves no mark on paper.
  var isInvisible: Bool {
    properties.isWhitespace || properties.isDefaultIgnorableCodePoint
      || [.control, .format].contains(properties.generalCategory)
  }
}

/// The distance of two words (optimal string alignment, after Damerau 1964): insertions, deletions, substitutions, and
/// exchanges of neighbours cost 1 each.
func editDistance(_ left: String, _ right: String) -> Int {
  let (left, right) = (Array(left), Array(right))
  var previous: [Int] = []
  var row = Array(0...right.count)
  for index in left.indices {
    var next = [index + 1]
    next.reserveCapacity(row.count)
    for column in right.indices {
      let substituted = row[column] + (left[index] == right[column] ? 0 : 1)
      var distance = min(substituted, row[column + 1] + 1, next[column] + 1)
      if index > 0, column > 0, left[index] == right[column - 1], left[index - 1] == right[column] {
        distance = min(distance, previous[column - 1] + 1)
      }
      next.append(distance)
    }
    (previous, row) = (row, next)
  }
  return row[right.count]
}
