extension Mistake {
  /// Tags, explicit ones of YAML's own too, on keys and values of every kind.
  static let tags: [Mistake] = [
    tag("store: IN", becomes: "store: !include IN", at: "29:12", "!include"),
    tag("store: IN", becomes: "store: !!str IN", at: "29:12", "!!str"),
    tag("store: IN", becomes: "store: !!str \"IN\"", at: "29:12", "!!str"),
    tag("store: IN", becomes: "store: ! IN", at: "29:12", "!"),
    tag("store: IN", becomes: "store: !!seq [IN]", at: "29:12", "!!seq"),
    tag("store: IN", becomes: "store: [IN, !!str US]", at: "29:17", "!!str"),
    tag(
      "store: IN", becomes: "store: [\n      !<tag:yaml.org,2002:str> IN]", at: "30:7",
      "!<tag:yaml.org,2002:str>"),
    tag("unless: {", becomes: "unless: !!map {", at: "19:13", "!!map"),
    // A line end that only YAML takes for one.
    tag("store: IN", becomes: "store: # a\u{2028}\n     !!str IN", at: "31:6", "!!str"),
    tag("policy: small", becomes: "!!str policy: small", at: "1:1", "!!str"),
    .inPolicy(
      "a tag on a key, which would hide one that is there already",
      "store: IN", becomes: "store: IN\n    !!int store: anywhere",
      says: """
        policy.yaml:30:5: the key “store” stands here twice
        policy.yaml:30:5: the tag “!!int” is not part of the language; write it without
        """),
    .inPolicy(
      "a tag on a key, which is then no key",
      "unless: {", becomes: "unless: {!!str ",
      says: """
        policy.yaml:19:14: the tag “!!str” is not part of the language; write it without
        policy.yaml:19:13: the key “attribute” is missing
        """),
    .inTopology(
      "a tag on a region, which would hide one that is there already",
      "  frankfurt:\n", becomes: "  !!int dublin:\n",
      says: """
        topology.yaml:13:3: the key “dublin” stands here twice
        topology.yaml:13:3: the tag “!!int” is not part of the language; write it without
        """),
  ]

  private static func tag(
    _ original: String, becomes replacement: String, at place: String, _ tag: String
  ) -> Mistake {
    .inPolicy(
      "the tag of “\(replacement)”", original, becomes: replacement,
      says: "policy.yaml:\(place): the tag “\(tag)” is not part of the language; write it without")
  }
}
