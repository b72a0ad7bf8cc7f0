/// Reads the `retention` of a data class, logging every problem it meets.
struct RetentionDecoder {
  /// Nil if the class has none, or one that cannot be read.
  static func decode(_ reader: YAMLReader?, dataClass: String) -> Retention? {
    guard let reader else { return nil }
    if dataClass == Rulebook.directoryClass {
      reader.problem("the class “directory” is the directory's own and takes no “retention”")
      return nil
    }
    guard let fields = reader.fields(.retention) else { return nil }
    if reader.isEmptyMapping {
      reader.problem("“retention” needs at least one of “default”, “longest” and “shortest”")
    }
    let standard = limit(fields["default"])
    let longest = limit(fields["longest"])
    let shortest = limit(fields["shortest"])
    for (key, limit) in [("shortest", shortest), ("default", standard)] {
      guard let limit, let longest, limit.duration > longest.duration else { continue }
      fields[key]?.problem("“\(key)” (\(limit.text)) is more than “longest” (\(longest.text))")
    }
    if let standard, let shortest, standard.duration < shortest.duration {
      fields["default"]?.problem(
        "“default” (\(standard.text)) is less than “shortest” (\(shortest.text))")
    }
    return Retention(
      standard: standard, longest: longest, shortest: shortest, line: reader.line)
  }

  private static func limit(_ reader: YAMLReader?) -> Retention.Limit? {
    guard let reader, let text = reader.text() else { return nil }
    do throws(PolicyDuration.Mistake) {
      return Retention.Limit(
        duration: try PolicyDuration.parse(text), text: text, line: reader.line)
    } catch {
      reader.problem(error.message)
      return nil
    }
  }
}
