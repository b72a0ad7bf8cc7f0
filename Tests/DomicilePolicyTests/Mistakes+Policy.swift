extension Mistake {
  /// In `policy.yaml`: classes, exclusions, and the file as a whole.
  static let policy: [Mistake] = [
    .inPolicy(
      "no directory class",
      "  directory: {}\n", becomes: "",
      says: """
        policy.yaml:11:3: the class “directory” is missing: the directory is data too; add \
        “directory: {}”
        """),
    .inPolicy(
      "collections of the directory class",
      "  directory: {}", becomes: "  directory: {collections: [x]}",
      says: """
        policy.yaml:13:29: the class “directory” is the directory's own and has no \
        collections
        """),
    .inPolicy(
      "a collection in two classes",
      "[receipts]", becomes: "[inbox]",
      says: """
        policy.yaml:12:28: the collection “inbox” already belongs to the class “messages”
        """),
    .inPolicy(
      "a class without a collection",
      "[receipts]", becomes: "[]",
      says: """
        policy.yaml:12:13: the class “payments” needs “collections”, a list of at least \
        one
        """),
    .inPolicy(
      "a collection with a capital",
      "[receipts]", becomes: "[Receipts]",
      says: """
        policy.yaml:12:28: “Receipts” is no name for a collection: 1 to 63 of the \
        lower-case letters a-z, digits and “-”
        """),
    .inPolicy(
      "a wrong key in a class",
      "{collections: [receipts]}", becomes: "{collection: [receipts]}",
      says: """
        policy.yaml:12:14: unknown key “collection”; did you mean “collections”?
        policy.yaml:12:13: the class “payments” needs “collections”, a list of at least \
        one
        """),
    .inPolicy(
      "a class without a value",
      "{collections: [receipts]}", becomes: "",
      says: """
        policy.yaml:12:12: this must be a mapping of “key: value” lines; write {} for an \
        empty one
        """),
    .inPolicy(
      "a review day that does not exist",
      "2027-06-30", becomes: "2027-02-29",
      says: """
        policy.yaml:8:13: “2027-02-29” is no day; write YYYY-MM-DD
        """),
    .inPolicy(
      "a review day without its zero",
      "2027-06-30", becomes: "2027-6-30",
      says: """
        policy.yaml:8:13: “2027-6-30” is no day; write YYYY-MM-DD
        """),
    .inPolicy(
      "a fact that never occurs",
      "is: exclude", becomes: "is: excluded",
      says: """
        policy.yaml:4:51: the column “verdict” never is “excluded”; did you mean \
        “exclude”?
        """),
    .inPolicy(
      "no fact",
      "is: exclude", becomes: "is: []",
      says: """
        policy.yaml:4:51: “is” needs at least one entry
        """),
    .inPolicy(
      "an unknown table",
      "facts: evidence", becomes: "facts: evidnce",
      says: """
        policy.yaml:4:20: no table “evidnce” in facts; did you mean “evidence”?
        """),
    .inPolicy(
      "an unknown column",
      "column: verdict", becomes: "column: verdikt",
      says: """
        policy.yaml:4:38: the table “evidence” has no column “verdikt”; did you mean \
        “verdict”?
        """),
    .inPolicy(
      "a table that is not by country",
      "facts: evidence", becomes: "facts: groups",
      says: """
        policy.yaml:4:36: the table “groups” has no column “verdict”; known: code, group
        """),
    .inPolicy(
      "a wrong word for missing",
      "missing: exclude", becomes: "missing: include",
      says: """
        policy.yaml:5:14: “missing” is “exclude” or “allow”, not “include”
        """),
    .inPolicy(
      "a condition and a list",
      "    missing: exclude\n", becomes: "    countries: [RU]\n",
      says: """
        policy.yaml:3:5: an exclusion needs either “where” or “countries”
        """),
    .inPolicy(
      "neither condition nor list",
      "    where: {facts: evidence, column: verdict, is: exclude}\n    missing: exclude\n",
      becomes: "",
      says: """
        policy.yaml:3:5: an exclusion needs either “where” or “countries”
        """),
    .inPolicy(
      "a list, and what is missing in it",
      "    where: {facts: evidence, column: verdict, is: exclude}\n",
      becomes: "    countries: [RU]\n",
      says: """
        policy.yaml:5:14: “missing” goes with “where”, not with “countries”
        """),
    .inPolicy(
      "an exclusion of no country",
      "    where: {facts: evidence, column: verdict, is: exclude}\n    missing: exclude\n",
      becomes: "    countries: []\n",
      says: """
        policy.yaml:4:16: “countries” needs at least one entry
        """),
    .inPolicy(
      "an exception without a reason",
      "    missing: exclude\n", becomes: "    missing: exclude\n    except: [{country: RU}]\n",
      says: """
        policy.yaml:6:14: the key “reason” is missing
        policy.yaml:6:14: the key “source” is missing
        """),
    .inPolicy(
      "an exception with a wrong key, and one that ends before it begins",
      "    missing: exclude\n",
      becomes: """
            missing: exclude
            except:
              - {country: RU, untl: 2026-01-01, reason: a, source: b}
              - {country: RU, from: 2026-01-02, until: 2026-01-01, reason: a, source: b}

        """,
      says: """
        policy.yaml:7:23: unknown key “untl”; did you mean “until”?
        policy.yaml:8:48: “until” (2026-01-01) is before “from” (2026-01-02)
        """),
    .inPolicy(
      "an exception for a group",
      "    missing: exclude\n",
      becomes: "    missing: exclude\n    except: [{country: EEA, reason: a, source: b}]\n",
      says: """
        policy.yaml:6:24: unknown country “EEA”; that is a group of countries
        """),
    .inPolicy(
      "an exception for all",
      "    missing: exclude\n",
      becomes: "    missing: exclude\n    except: [{country: anywhere, reason: a, source: b}]\n",
      says: """
        policy.yaml:6:24: unknown country “anywhere”; that is a group of countries
        """),
    .inPolicy(
      "two rules of one name",
      "name: rbi-payments", becomes: "name: gdpr",
      says: """
        policy.yaml:26: the name “gdpr” is already that of line 15
        """),
    .inPolicy(
      "a rule and an exclusion of one name",
      "name: rbi-payments", becomes: "name: not-free",
      says: """
        policy.yaml:26: the name “not-free” is already that of line 3
        """),
    .inPolicy(
      "a rule called otherwise",
      "name: rbi-payments", becomes: "name: otherwise",
      says: """
        policy.yaml:26: the name “otherwise” is already that of line 31
        """),
    .inPolicy(
      "a rule without a reason",
      "    reason: RBI/2017-18/153\n", becomes: "",
      says: """
        policy.yaml:26:5: the key “reason” is missing
        """),
    .inPolicy(
      "an empty reason",
      "reason: RBI/2017-18/153", becomes: "reason: \"\"",
      says: """
        policy.yaml:30:13: this must be a word or a text
        """),
    .inPolicy(
      "a rule that says nothing",
      "    classes: payments\n    store: IN\n", becomes: "",
      says: """
        policy.yaml:26:5: a rule needs “store”, “copy”, “process” or “prefer”
        """),
    .inPolicy(
      "a tab",
      "rules:\n", becomes: "rules:\n\t- x\n",
      says: """
        policy.yaml:15:1: this is not YAML: a tab; indent with spaces
        """),
    .inPolicy(
      "a bracket that is not closed",
      "rules:\n", becomes: "rules: {\n",
      says: """
        policy.yaml:15:3: this is not YAML: did not find expected node content; a value is missing, or a bracket above is not closed
        """),
    .inPolicy(
      "an anchor and its alias",
      "    residents: RU\n    store: RU", becomes: "    residents: &x RU\n    store: *x",
      says: """
        policy.yaml:23:16: anchors and aliases (& and *) are not part of the language; \
        write it out
        """),
    .inPolicy(
      "an alias of nothing",
      "store: IN", becomes: "store: *a",
      says: """
        policy.yaml:29:12: anchors and aliases (& and *) are not part of the language; \
        write it out
        """),
    .inPolicy(
      "a NUL byte",
      "policy: small", becomes: "policy: sm\0all",
      says: """
        policy.yaml:1:11: this is not YAML: control characters are not allowed
        """),
    .inPolicy(
      "a second document",
      "otherwise: {store: anywhere}", becomes: "otherwise: {store: anywhere}\n---\npolicy: two",
      says: """
        policy.yaml:32:1: a second document begins; a file has one
        """),
    .inPolicy(
      "two problems at once",
      "policy: small", becomes: "policie: small\nattribute: [a]",
      says: """
        policy.yaml:1:1: unknown key “policie”; did you mean “policy”?
        policy.yaml:2:1: unknown key “attribute”; did you mean “attributes”?
        policy.yaml:1:1: the key “policy” is missing
        """),
    .inPolicy(
      "an empty file",
      file: "",
      says: """
        policy.yaml: the file is empty
        """),
    .inPolicy(
      "comments only",
      file: "# nothing\n",
      says: """
        policy.yaml: the file is empty
        """),
    .inPolicy(
      "a text",
      file: "just text",
      says: """
        policy.yaml:1:1: this must be a mapping of “key: value” lines; write {} for an \
        empty one
        """),
    .inPolicy(
      "a list",
      file: "- a\n- b",
      says: """
        policy.yaml:1:1: this must be a mapping of “key: value” lines; write {} for an \
        empty one
        """),
    .inPolicy(
      "a class that is misspelt where it is declared",
      "  payments: {", becomes: "  Payments: {",
      says: """
        policy.yaml:12:3: “Payments” is no name for a data class: 1 to 63 of the \
        lower-case letters a-z, digits and “-”
        policy.yaml:28:14: unknown data class “payments”; known: directory, messages
        """),
  ]
}
