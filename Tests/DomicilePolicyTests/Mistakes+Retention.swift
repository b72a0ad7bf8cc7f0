extension Mistake {
  /// In `policy.yaml`: how long the records of a class are kept.
  static let retention: [Mistake] =
    [
      retention(
        "“shortest” above “longest”", "{longest: 1y, shortest: 5y}",
        says: "policy.yaml:12:74: “shortest” (5y) is more than “longest” (1y)"),
      retention(
        "“default” above “longest”", "{default: 8w, longest: 30d}",
        says: "policy.yaml:12:60: “default” (8w) is more than “longest” (30d)"),
      retention(
        "“default” below “shortest”", "{default: 30d, shortest: 5y}",
        says: "policy.yaml:12:60: “default” (30d) is less than “shortest” (5y)"),
      retention(
        "all three the wrong way round", "{default: 2y, longest: 1y, shortest: 3y}",
        says: """
          policy.yaml:12:87: “shortest” (3y) is more than “longest” (1y)
          policy.yaml:12:60: “default” (2y) is more than “longest” (1y)
          policy.yaml:12:60: “default” (2y) is less than “shortest” (3y)
          """),
      retention(
        "a retention that says nothing", "{}",
        says: """
          policy.yaml:12:50: “retention” needs at least one of “default”, “longest” and “shortest”
          """),
      retention(
        "a retention that is no mapping", "30d",
        says: """
          policy.yaml:12:50: this must be a mapping of “key: value” lines; write {} for an empty one
          """),
      retention(
        "a misspelt key", "{longst: 1y}",
        says: "policy.yaml:12:51: unknown key “longst”; did you mean “longest”?"),
      retention(
        "an unknown key", "{max: 1y}",
        says: "policy.yaml:12:51: unknown key “max”; known: default, longest, shortest"),
      retention(
        "a key that stands there twice", "{longest: 1y, \"longest\": 2y}",
        says: "policy.yaml:12:51: the key “longest” stands here twice"),
      retention(
        "a duration that is a list", "{longest: [1y]}",
        says: "policy.yaml:12:60: this must be a word or a text"),
      retention(
        "a duration that is empty", "{longest: }",
        says: "policy.yaml:12:60: this must be a word or a text"),
      retention(
        "a duration with a tag", "{longest: !!str 1y}",
        says: """
          policy.yaml:12:60: the tag “!!str” is not part of the language; write it without
          """),
      retention(
        "two durations that are none", "{default: 1q, longest: 0d}",
        says: """
          policy.yaml:12:60: “1q” is no duration; \(general)
          policy.yaml:12:73: “0d” is too short; a duration is from 1s to 100y
          """),
      .inPolicy(
        "a misspelt retention",
        "[receipts]}", becomes: "[receipts], retain: {longest: 1y}}",
        says: "policy.yaml:12:39: unknown key “retain”; known: collections, retention"),
      .inPolicy(
        "a retention of the directory class",
        "directory: {}", becomes: "directory: {retention: {longest: 1y}}",
        says: """
          policy.yaml:13:26: the class “directory” is the directory's own and takes no “retention”
          """),
      .inPolicy(
        "a ledger that keeps nothing long", "directory: {}",
        becomes: "directory: {}\n  ledger: {retention: {longest: 29d}}",
        says: """
          policy.yaml:14:23: the ledger keeps the texts of its entries for 30d at least: nobody could look into a complaint else
          """),
      .inPolicy(
        "a ledger with collections", "directory: {}",
        becomes: "directory: {}\n  ledger: {collections: [entries]}",
        says: "policy.yaml:14:26: the class “ledger” is the ledger's own and has no collections"),
      .inPolicy(
        "a ledger with another limit", "directory: {}",
        becomes: "directory: {}\n  ledger: {retention: {default: 1y}}",
        says:
          "policy.yaml:14:11: the class “ledger” takes “longest” only: how long texts of entries are kept"
      ),
      .inPolicy(
        "limits on lines of their own",
        "{collections: [receipts]}",
        becomes: """

              collections: [receipts]
              retention:
                longest: 1y
                shortest: 366d
          """,
        says: "policy.yaml:16:17: “shortest” (366d) is more than “longest” (1y)"),
      metadata("without a retention", "{collections: [sessions]}"),
      metadata("that limits only the default", "{collections: [s], retention: {default: 90d}}"),
      metadata(
        "that misspells the limit", "{collections: [s], retention: {longst: 90d}}",
        saysFirst: "policy.yaml:13:44: unknown key “longst”; did you mean “longest”?\n"),
    ] + durations

  private static let general = "write a whole number and a unit (s, m, h, d, w, y), such as 30d"

  /// Each as the “longest” of a class.
  private static let durations: [Mistake] = [
    ("30", "is no duration; \(general)"),
    ("d", "is no duration; \(general)"),
    ("-30d", "is no duration; \(general)"),
    ("+30d", "is no duration; \(general)"),
    ("1.5y", "is no duration; \(general)"),
    ("1y6d", "is no duration; \(general)"),
    ("P30D", "is no duration; \(general)"),
    ("٣d", "is no duration; \(general)"),
    ("00d", "is no duration; \(general)"),
    ("30M", "is no duration; \(general)"),
    ("1ms", "is no duration; \(general)"),
    ("101 years", "is no duration; \(general)"),
    ("99999999999999999999 d", "is no duration; \(general)"),
    ("forever", "is no duration; \(general)"),
    ("030d", "is no duration; did you mean “30d”?"),
    ("30D", "is no duration; did you mean “30d”?"),
    ("30 d", "is no duration; did you mean “30d”?"),
    ("30 days", "is no duration; did you mean “30d”?"),
    ("1 year", "is no duration; did you mean “1y”?"),
    ("15min", "is no duration; did you mean “15m”?"),
    ("6mo", "is no duration; months differ in length: write days or years, such as “180d”"),
    ("1201mo", "is no duration; months differ in length: write days or years, such as “36030d”"),
    ("24 months", "is no duration; months differ in length: write days or years, such as “2y”"),
    ("1217mo", "is no duration; \(general)"),
    ("0s", "is too short; a duration is from 1s to 100y"),
    ("101y", "is too long; a duration is from 1s to 100y"),
    ("36501d", "is too long; a duration is from 1s to 100y"),
    ("3153600001s", "is too long; a duration is from 1s to 100y"),
    ("9223372036854775807y", "is too long; a duration is from 1s to 100y"),
    ("99999999999999999999s", "is too long; a duration is from 1s to 100y"),
  ].map { duration, complaint in
    retention(
      "a longest of \(duration)", "{longest: \(duration)}",
      says: "policy.yaml:12:60: “\(duration)” \(complaint)")
  }

  private static func metadata(
    _ name: String, _ text: String, saysFirst first: String = ""
  ) -> Mistake {
    .inPolicy(
      "a class of metadata \(name)",
      "  directory: {}", becomes: "  metadata: \(text)\n  directory: {}",
      says: first + """
        policy.yaml:13:13: the class “metadata” needs a “longest”, since nobody may keep metadata \
        without end; add “retention: {longest: 90d}”
        """)
  }

  /// The retention of the class `payments`.
  private static func retention(_ name: String, _ text: String, says: String) -> Mistake {
    .inPolicy(name, "[receipts]}", becomes: "[receipts], retention: \(text)}", says: says)
  }
}
