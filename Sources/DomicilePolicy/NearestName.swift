/// The end of a message about an unknown word: the nearest right one, or all where they are few, or where they stand.
func suggestion(
  for word: String, among candidates: some Sequence<String>, listedBy list: String? = nil
) -> String {
  let known = candidates.sorted()
  return nearestName(to: word, among: known).map(didYouMean)
    ?? allNames(known, listedBy: list)
}

func didYouMean(_ name: String) -> String { "did you mean “\(name)”?" }

/// All names where they are few, else how many they are and what lists them.
func allNames(_ names: [String], listedBy list: String? = nil) -> String {
  if names.isEmpty { return "none is known" }
  if names.count <= 20 { return "known: \(names.sorted().joined(separator: ", "))" }
  return "\(names.count) are known"
    + (list.map { "; \($0) \($0.contains("” and “") ? "list" : "lists") them" } ?? "")
}

/// The name that was probably meant; nil: none is like it. Of two that are equally near the one that begins as the word does
/// (“USA” is “US” and not “SA”).
func nearestName(to word: String, among names: [String]) -> String? {
  let lowered = word.lowercased()
  if let same = names.first(where: { $0.lowercased() == lowered }) { return same }
  // No name has more than 63 letters; what is much longer is none that was misspelt.
  if word.utf8.count > 256 { return nil }
  let (count, limit) = (word.count, max(1, word.count / 3))
  return
    names
    .filter { abs($0.count - count) <= limit }
    .map { name in
      let name = (text: name, lowered: name.lowercased())
      return (
        name: name.text, distance: editDistance(lowered, name.lowered),
        shared: zip(lowered, name.lowered).prefix { $0 == $1 }.count
      )
    }
    .filter { $0.distance <= limit }
    .min { ($0.distance, -$0.shared) < ($1.distance, -$1.shared) }?.name
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
