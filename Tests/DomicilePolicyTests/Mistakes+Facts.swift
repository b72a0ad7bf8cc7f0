extension Mistake {
  /// In the tables of facts.
  static let facts: [Mistake] = [
    .inFacts(
      "a fact that is nearly the one asked for: a blank behind", in: "facts/evidence.csv",
      "IN,clear", becomes: "IN,exclude ",
      says: """
        facts/evidence.csv:8: “exclude ” in the column “verdict” is nearly “exclude”; write one of \
        them
        """),
    .inFacts(
      "a fact that is nearly the one asked for: a capital", in: "facts/evidence.csv",
      "IN,clear", becomes: "IN,Exclude",
      says: """
        facts/evidence.csv:8: “Exclude” in the column “verdict” is nearly “exclude”; write one of \
        them
        """),
    .inFacts(
      "a fact that is nearly the one asked for: a longer word", in: "facts/evidence.csv",
      "IN,clear", becomes: "IN,excluded",
      says: """
        facts/evidence.csv:8: “excluded” in the column “verdict” is nearly “exclude”; write one of \
        them
        """),
    .inFacts(
      "a fact that is nearly the one asked for: a letter left out", in: "facts/evidence.csv",
      "IN,clear", becomes: "IN,exclde",
      says: """
        facts/evidence.csv:8: “exclde” in the column “verdict” is nearly “exclude”; write one of \
        them
        """),
    .inFacts(
      "a fact that is nearly the one asked for: a character that cannot be seen",
      in: "facts/evidence.csv",
      "IN,clear", becomes: "IN,exclude\u{200B}",
      says: """
        facts/evidence.csv:8: “exclude\\u{200B}” in the column “verdict” is nearly “exclude”; write \
        one of them
        """),
    .inFacts(
      "a fact that is nearly the one asked for: cut off", in: "facts/evidence.csv",
      "IN,clear", becomes: "IN,excl",
      says: """
        facts/evidence.csv:8: “excl” in the column “verdict” is nearly “exclude”; write one of them
        """),
    .inFacts(
      "a fact that is nearly the one asked for: a format character", in: "facts/evidence.csv",
      "IN,clear", becomes: "IN,exc\u{FFF9}lu\u{FFFA}de",
      says: """
        facts/evidence.csv:8: “exc\\u{FFF9}lu\\u{FFFA}de” in the column “verdict” is nearly “exclude”; \
        write one of them
        """),
    .inFacts(
      "a fact that is a blank, which is neither a fact nor none", in: "facts/evidence.csv",
      "IN,clear", becomes: "IN,\u{A0}",
      says: """
        facts/evidence.csv:8: “\\u{A0}” in the column “verdict” is blank; write a value, or nothing
        """),
    .inFacts(
      "a row too short", in: "facts/countries.csv",
      "DE,Germany,DE,50.96,9.68", becomes: "DE,Germany,DE,50.96",
      says: """
        facts/countries.csv:4: this row has 4 fields, the header has 5
        """),
    .inFacts(
      "a row too long", in: "facts/countries.csv",
      "DE,Germany,DE,50.96,9.68", becomes: "DE,Germany,DE,50.96,9.68,1",
      says: """
        facts/countries.csv:4: this row has 6 fields, the header has 5
        """),
    .inFacts(
      "a code in lower case", in: "facts/countries.csv",
      "DE,Germany,DE,", becomes: "de,Germany,DE,",
      says: """
        facts/countries.csv:4: “de” is no alpha-2 code: two letters A-Z
        """),
    .inFacts(
      "an alpha-3 code", in: "facts/countries.csv",
      "DE,Germany,DE,", becomes: "DEU,Germany,DE,",
      says: """
        facts/countries.csv:4: “DEU” is no alpha-2 code: two letters A-Z
        """),
    .inFacts(
      "a country twice", in: "facts/countries.csv",
      "DE,Germany,DE", becomes: "CH,Germany,DE",
      says: """
        facts/countries.csv:4: the code “CH” stands here twice
        """),
    .inFacts(
      "a place off the globe", in: "facts/countries.csv",
      "DE,Germany,DE,50.96", becomes: "DE,Germany,DE,95",
      says: """
        facts/countries.csv:4: “95, 9.68” is no place: degrees north from -90 to 90 and \
        east from -180 to 180
        """),
    .inFacts(
      "a place that is no number", in: "facts/countries.csv",
      "DE,Germany,DE,50.96", becomes: "DE,Germany,DE,nan",
      says: """
        facts/countries.csv:4: “nan, 9.68” is no place: degrees north from -90 to 90 and \
        east from -180 to 180
        """),
    .inFacts(
      "a sovereign without a row", in: "facts/countries.csv",
      "GP,Guadeloupe,FR", becomes: "GP,Guadeloupe,XX",
      says: """
        facts/countries.csv:7: the sovereign “XX” has no row of its own
        """),
    .inFacts(
      "a sovereign by its name", in: "facts/countries.csv",
      "GP,Guadeloupe,FR", becomes: "GP,Guadeloupe,France",
      says: """
        facts/countries.csv:7: “France” is no sovereign: an alpha-2 code, or nothing where \
        that is disputed
        """),
    .inFacts(
      "a column misspelt", in: "facts/countries.csv",
      "alpha2,", becomes: "alpha,",
      says: """
        facts/countries.csv:1: no column “alpha2”; did you mean “alpha”?
        """),
    .inFacts(
      "a column twice", in: "facts/countries.csv",
      "alpha2,name", becomes: "name,name",
      says: """
        facts/countries.csv:1: the column “name” stands here twice
        """),
    .inFacts(
      "an empty line", in: "facts/countries.csv",
      "DE,Germany", becomes: "\nDE,Germany",
      says: """
        facts/countries.csv:4: this line is empty
        """),
    .inFacts(
      "a quote without its end", in: "facts/countries.csv",
      "Germany", becomes: "\"Germany",
      says: """
        facts/countries.csv:4: this is not CSV: a quoted field that begins on this line \
        does not end well
        """),
    .inFacts(
      "a text after the quotes", in: "facts/countries.csv",
      "Germany", becomes: "\"Ger\"many",
      says: """
        facts/countries.csv:4: this is not CSV: a quoted field that begins on this line \
        does not end well
        """),
    .inFacts(
      "a quote amid a field", in: "facts/countries.csv",
      "Germany", becomes: "Ger\"many",
      says: """
        facts/countries.csv:4: this is not CSV: a quoted field that begins on this line \
        does not end well
        """),
    .inFacts(
      "an empty table", in: "facts/countries.csv",
      file: "",
      says: """
        facts/countries.csv: the table is empty; its first line names the columns
        """),
    .inFacts(
      "UK for GB", in: "facts/groups.csv",
      "TRUSTED,GB", becomes: "TRUSTED,UK",
      says: """
        facts/groups.csv:8: unknown country “UK”; did you mean “GB”?
        """),
    .inFacts(
      "a code in lower case", in: "facts/groups.csv",
      "EEA,DE", becomes: "EEA,de",
      says: """
        facts/groups.csv:2: unknown country “de”; did you mean “DE”?
        """),
    .inFacts(
      "a group in lower case", in: "facts/groups.csv",
      "EEA,DE", becomes: "Eea,DE",
      says: """
        facts/groups.csv:2: “Eea” is no name for a group: two or more of A-Z, 0-9 and “-”, \
        and no country's code
        """),
    .inFacts(
      "a group that is a country", in: "facts/groups.csv",
      "EEA,DE", becomes: "FR,DE",
      says: """
        facts/groups.csv:2: “FR” is no name for a group: two or more of A-Z, 0-9 and “-”, \
        and no country's code
        """),
    .inFacts(
      "a missing column", in: "facts/groups.csv",
      "group,", becomes: "groups,",
      says: """
        facts/groups.csv:1: no column “group”; did you mean “groups”?
        """),
    .inFacts(
      "a verdict cut off", in: "facts/evidence.csv",
      "RU,exclude", becomes: "RU",
      says: """
        facts/evidence.csv:10: this row has 1 field, the header has 2
        """),
    .inFacts(
      "a code in lower case", in: "facts/evidence.csv",
      "RU,exclude", becomes: "ru,exclude",
      says: """
        facts/evidence.csv:10: unknown country “ru”; did you mean “RU”?
        """),
    .inFacts(
      "a country twice", in: "facts/evidence.csv",
      "IN,clear", becomes: "IN,exclude\nRU,clear",
      says: """
        facts/evidence.csv:11: the code “RU” stands here twice
        """),
    .inFacts(
      "a quote that swallows the rest", in: "facts/evidence.csv",
      "RU,exclude", becomes: "RU,\"exclude",
      says: """
        facts/evidence.csv:10: this is not CSV: a quoted field that begins on this line \
        does not end well
        """),
    .inFacts(
      "no column of codes", in: "facts/evidence.csv",
      "code,", becomes: "cod,",
      says: """
        policy.yaml:4:20: the table “evidence” has no column “code”, which names the \
        country of a row
        """),
    .inFacts(
      "a place that is no number", in: "facts/cloud-regions.csv",
      "53.35,-6.26", becomes: "nan,-6.26",
      says: """
        topology.yaml:11:12: the cloud region “aws/eu-west-1” has no position in \
        facts/cloud-regions.csv
        """),
    .inFacts(
      "a place without end", in: "facts/cloud-regions.csv",
      "53.35,-6.26", becomes: "1e999,-6.26",
      says: """
        topology.yaml:11:12: the cloud region “aws/eu-west-1” has no position in \
        facts/cloud-regions.csv
        """),
    .inFacts(
      "another country", in: "facts/cloud-regions.csv",
      "IE,comm", becomes: "FR,comm",
      says: """
        topology.yaml:11:12: the cloud region “aws/eu-west-1” is in FR, not in IE
        """),
    .inFacts(
      "a missing column", in: "facts/cloud-regions.csv",
      "provider,", becomes: "cloud,",
      says: """
        topology.yaml:11:12: facts/cloud-regions.csv needs the columns provider, region, \
        country, lat and lon
        """),
  ]
}
