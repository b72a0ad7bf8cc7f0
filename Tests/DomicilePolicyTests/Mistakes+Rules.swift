extension Mistake {
  /// In `policy.yaml`: names, rules and attributes.
  static let rules: [Mistake] = [
    .inPolicy(
      "an unknown key",
      "otherwise:", becomes: "otherwize:",
      says: """
        policy.yaml:31:1: unknown key “otherwize”; did you mean “otherwise”?
        policy.yaml:1:1: the key “otherwise” is missing
        """),
    .inPolicy(
      "an unknown key in a rule",
      "    store: RU\n", becomes: "    stor: RU\n",
      says: """
        policy.yaml:24:5: unknown key “stor”; did you mean “store”?
        policy.yaml:22:5: a rule needs “store”, “copy”, “process” or “prefer”
        """),
    .inPolicy(
      "a key of a later version",
      "store: IN\n", becomes: "store: IN\n    forbid: US\n",
      says: """
        policy.yaml:30:5: unknown key “forbid”; known: classes, copy, from, name, prefer, process, reason, residents, review, source, store, unless, until, unverified, when
        """),
    .inPolicy(
      "a day that there is not",
      "store: IN\n", becomes: "store: IN\n    from: 2027-02-29\n    until: 2028-2-1\n",
      says: """
        policy.yaml:30:11: “2027-02-29” is no day; write YYYY-MM-DD
        policy.yaml:31:12: “2028-2-1” is no day; write YYYY-MM-DD
        """),
    .inPolicy(
      "a rule that ends before it begins",
      "store: IN\n", becomes: "store: IN\n    from: 2027-01-02\n    until: 2027-01-01\n",
      says: """
        policy.yaml:31:12: “until” (2027-01-01) is before “from” (2027-01-02)
        """),
    .inPolicy(
      "a review on no day and a mark that is neither true nor false",
      "store: IN\n", becomes: "store: IN\n    review: soon\n    unverified: yes\n",
      says: """
        policy.yaml:30:13: “soon” is no day; write YYYY-MM-DD
        policy.yaml:31:17: “yes” is neither “true” nor “false”
        """),
    .inPolicy(
      "an assumption that nobody has declared",
      "store: IN\n", becomes: "store: IN\n    when: large-handler\n",
      says: """
        policy.yaml:30:11: unknown assumption “large-handler”; none is known
        """),
    .inPolicy(
      "assumptions that are not",
      "policy: small", becomes: "policy: small\nassume: {Large: true, small: no}",
      says: """
        policy.yaml:2:10: “Large” is no name for an assumption: 1 to 63 of the lower-case letters a-z, digits and “-”
        policy.yaml:2:30: “no” is neither “true” nor “false”
        """),
    .inPolicy(
      "a certified copy",
      "store: IN\n", becomes: "copy: {countries: IN, certified: X}\n",
      says: """
        policy.yaml:29:27: unknown key “certified”; known: countries, except, from, until
        policy.yaml:29:11: this needs a condition: “except”, “from”, “until”; without one, name the countries in \
        the list itself
        """),
    .inPolicy(
      "a group that contains itself",
      "policy: small",
      becomes: "policy: small\ngroups: {ONE: [TWO, DE], TWO: THREE, THREE: [IN, ONE]}",
      says: """
        policy.yaml:2:50: the group “ONE” contains itself
        """),
    .inPolicy(
      "groups with wrong names",
      "policy: small", becomes: "policy: small\ngroups: {DE: FR, EEA: FR, mine: FR, OURS: [Fr]}",
      says: """
        policy.yaml:2:10: “DE” is no name for a group of the policy: two or more of A-Z, 0-9 and “-”, and neither a \
        country's code nor a group in facts/groups.csv
        policy.yaml:2:18: “EEA” is no name for a group of the policy: two or more of A-Z, 0-9 and “-”, and neither a \
        country's code nor a group in facts/groups.csv
        policy.yaml:2:27: “mine” is no name for a group of the policy: two or more of A-Z, 0-9 and “-”, and neither a \
        country's code nor a group in facts/groups.csv
        policy.yaml:2:44: unknown country or group “Fr”; did you mean “FR”?
        """),
    .inPolicy(
      "files that may not be included",
      "policy: small",
      becomes:
        "policy: small\ninclude: [../a.yaml, /etc/passwd, rules/../a.yaml, rules/none.yaml, a.yaml]",
      says: """
        policy.yaml:2:11: “../a.yaml” cannot be included: only files “rules/NAME.yaml” can
        policy.yaml:2:22: “/etc/passwd” cannot be included: only files “rules/NAME.yaml” can
        policy.yaml:2:35: “rules/../a.yaml” cannot be included: only files “rules/NAME.yaml” can
        policy.yaml:2:52: there is no “rules/none.yaml”; none is known
        policy.yaml:2:69: “a.yaml” cannot be included: only files “rules/NAME.yaml” can
        """),
    .inPolicy(
      "a key twice",
      "policy: small", becomes: "policy: small\npolicy: twice",
      says: """
        policy.yaml:1:1: the key “policy” stands here twice
        """),
    .inPolicy(
      "a class twice, once in quotes",
      "  payments: {",
      becomes: "  no: {collections: [a]}\n  \"no\": {collections: [b]}\n  payments: {",
      says: """
        policy.yaml:12:3: the key “no” stands here twice
        """),
    .inPolicy(
      "a merge key",
      "rules:\n", becomes: "rules:\n  - <<: {name: a, reason: b, residents: IN, store: IN}\n",
      says: """
        policy.yaml:15:5: unknown key “<<”; known: classes, copy, from, name, prefer, process, reason, residents, review, source, store, unless, until, unverified, when
        policy.yaml:15:5: the key “name” is missing
        policy.yaml:15:5: the key “reason” is missing
        policy.yaml:15:5: the key “residents” is missing
        policy.yaml:15:5: a rule needs “store”, “copy”, “process” or “prefer”
        """),
    .inPolicy(
      "no name",
      "policy: small\n", becomes: "",
      says: """
        policy.yaml:1:1: the key “policy” is missing
        """),
    .inPolicy(
      "a name with capitals",
      "policy: small", becomes: "policy: Small One",
      says: """
        policy.yaml:1:9: “Small One” is no name for a policy: 1 to 63 of the lower-case \
        letters a-z, digits and “-”
        """),
    .inPolicy(
      "an empty name",
      "policy: small", becomes: "policy:",
      says: """
        policy.yaml:1:8: this must be a word or a text
        """),
    .inPolicy(
      "a list for a name",
      "policy: small", becomes: "policy: [a]",
      says: """
        policy.yaml:1:9: this must be a word or a text
        """),
    .inPolicy(
      "no otherwise",
      "otherwise: {store: anywhere}", becomes: "",
      says: """
        policy.yaml:1:1: the key “otherwise” is missing
        """),
    .inPolicy(
      "a word for otherwise",
      "otherwise: {store: anywhere}", becomes: "otherwise: anywhere",
      says: """
        policy.yaml:31:12: “anywhere” is no mapping; write {store: anywhere, process: anywhere}
        """),
    .inPolicy(
      "an attribute that is no mapping",
      "    unless: {attribute: scc-signed}", becomes: "    unless: scc-signed",
      says: "policy.yaml:19:13: “scc-signed” is no mapping; write {attribute: scc-signed}"),
    .inPolicy(
      "a reason that a comment cuts off",
      "    reason: GDPR chapter V", becomes: "    reason: Decision #4 of the board",
      says:
        "policy.yaml:20:13: what follows “Decision” is a comment: put a text with “#” in it in quotes, and a comment on a line of its own"
    ),
    .inPolicy(
      "an attribute in a list",
      "    unless: {attribute: scc-signed}", becomes: "    unless: [scc-signed]",
      says: "policy.yaml:19:13: “scc-signed” is no mapping; write {attribute: scc-signed}"),
    .inPolicy(
      "a word for anywhere that is none",
      "otherwise: {store: anywhere}", becomes: "otherwise: {store: everywhere}",
      says: "policy.yaml:31:20: unknown country or group “everywhere”; did you mean “anywhere”?"),
    .inPolicy(
      "an empty otherwise",
      "otherwise: {store: anywhere}", becomes: "otherwise: {}",
      says: """
        policy.yaml:31:12: the key “store” is missing
        """),
    .inPolicy(
      "an otherwise without anything",
      "otherwise: {store: anywhere}", becomes: "otherwise:",
      says: """
        policy.yaml:31:11: this must be a mapping of “key: value” lines; write {} for an empty one
        """),
    .inPolicy(
      "UK for GB",
      "store: RU", becomes: "store: UK",
      says: """
        policy.yaml:24:12: unknown country or group “UK”; did you mean “GB”?
        """),
    .inPolicy(
      "EL for GR",
      "store: RU", becomes: "store: EL",
      says: """
        policy.yaml:24:12: unknown country or group “EL”; did you mean “GR”?
        """),
    .inPolicy(
      "a country by its name",
      "store: RU", becomes: "store: Germany",
      says: """
        policy.yaml:24:12: unknown country or group “Germany”; did you mean “DE”?
        """),
    .inPolicy(
      "a code in lower case",
      "store: RU", becomes: "store: de",
      says: """
        policy.yaml:24:12: unknown country or group “de”; did you mean “DE”?
        """),
    .inPolicy(
      "an unknown code",
      "store: RU", becomes: "store: ZZ",
      says: """
        policy.yaml:24:12: unknown country or group “ZZ”; known: AQ, CH, DE, EEA, FR, GB, GP, GR, IE, IN, NO, RU, TRUSTED, US, anywhere
        """),
    .inPolicy(
      "a group misspelt",
      "store: RU", becomes: "store: TRUSTD",
      says: """
        policy.yaml:24:12: unknown country or group “TRUSTD”; did you mean “TRUSTED”?
        """),
    .inPolicy(
      "a group in lower case",
      "store: RU", becomes: "store: eea",
      says: """
        policy.yaml:24:12: unknown country or group “eea”; did you mean “EEA”?
        """),
    .inPolicy(
      "anywhere with a capital",
      "store: RU", becomes: "store: Anywhere",
      says: """
        policy.yaml:24:12: unknown country or group “Anywhere”; did you mean “anywhere”?
        """),
    .inPolicy(
      "an empty store",
      "store: RU", becomes: "store: []",
      says: """
        policy.yaml:24:12: “store” needs at least one entry
        """),
    .inPolicy(
      "a mapping without keys for a store",
      "store: RU", becomes: "store: {}",
      says: """
        policy.yaml:24:12: the key “countries” is missing
        """),
    .inPolicy(
      "no value for a store",
      "store: RU", becomes: "store:",
      says: """
        policy.yaml:24:11: this must be a word or a text
        """),
    .inPolicy(
      "certified for no country",
      "store: RU", becomes: "store: {countries: [], certified: X}",
      says: """
        policy.yaml:24:24: “countries” needs at least one entry
        """),
    .inPolicy(
      "countries without a certification",
      "store: RU", becomes: "store: {countries: [US]}",
      says: """
        policy.yaml:24:12: this needs a condition: “certified”, “except”, “from”, “until”; without one, name the \
        countries in the list itself
        """),
    .inPolicy(
      "a wrong key beside a certification",
      "store: RU", becomes: "store: {country: US, certified: X}",
      says: """
        policy.yaml:24:13: unknown key “country”; known: certified, countries, except, from, until
        policy.yaml:24:12: the key “countries” is missing
        """),
    .inPolicy(
      "no residents",
      "residents: RU", becomes: "residents: []",
      says: """
        policy.yaml:23:16: “residents” needs at least one entry
        """),
    .inPolicy(
      "one wrong resident of two",
      "residents: RU", becomes: "residents: [RU, UK]",
      says: """
        policy.yaml:23:21: unknown country or group “UK”; did you mean “GB”?
        """),
    .inPolicy(
      "no class",
      "classes: payments", becomes: "classes: []",
      says: """
        policy.yaml:28:14: “classes” needs at least one entry
        """),
    .inPolicy(
      "an unknown class",
      "classes: payments", becomes: "classes: payment",
      says: """
        policy.yaml:28:14: unknown data class “payment”; did you mean “payments”?
        """),
    .inPolicy(
      "an empty preference",
      "prefer: [EEA]", becomes: "prefer: []",
      says: """
        policy.yaml:18:13: “prefer” needs at least one entry
        """),
    .inPolicy(
      "an unknown preference",
      "prefer: [EEA]", becomes: "prefer: [EAA]",
      says: """
        policy.yaml:18:14: unknown country or group “EAA”; did you mean “EEA”?
        """),
    .inPolicy(
      "an unknown attribute",
      "attribute: scc-signed", becomes: "attribute: scc_signed",
      says: """
        policy.yaml:19:25: unknown attribute “scc_signed”; did you mean “scc-signed”?
        """),
    .inPolicy(
      "a wrong key below unless",
      "unless: {attribute", becomes: "unless: {atribute",
      says: """
        policy.yaml:19:14: unknown key “atribute”; did you mean “attribute”?
        policy.yaml:19:13: the key “attribute” is missing
        """),
    .inPolicy(
      "an attribute twice",
      "attributes: [minor, scc-signed]", becomes: "attributes: [minor, minor, scc-signed]",
      says: """
        policy.yaml:9:21: the attribute “minor” stands here twice
        """),
    .inPolicy(
      "an attribute with a capital",
      "attributes: [minor, scc-signed]", becomes: "attributes: [Minor, scc-signed]",
      says: """
        policy.yaml:9:14: “Minor” is no name for an attribute: 1 to 63 of the lower-case \
        letters a-z, digits and “-”
        """),
    .inPolicy(
      "a word for the attributes",
      "attributes: [minor, scc-signed]", becomes: "attributes: minor",
      says: """
        policy.yaml:9:13: this must be a list
        """),
  ]
}
