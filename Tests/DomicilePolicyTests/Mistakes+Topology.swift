extension Mistake {
  /// In `topology.yaml`.
  static let topology: [Mistake] = [
    .inTopology(
      "an unknown directory region",
      "directory: dublin", becomes: "directory: dublen",
      says: """
        topology.yaml:2:12: unknown region “dublen”; did you mean “dublin”?
        """),
    .inTopology(
      "no directory region",
      "directory: dublin\n", becomes: "",
      says: """
        topology.yaml:1:1: the key “directory” is missing
        """),
    .inTopology(
      "an unknown operator",
      "operator: aws", becomes: "operator: awz",
      says: """
        topology.yaml:10:15: unknown operator “awz”; did you mean “aws”?
        """),
    .inTopology(
      "a misspelt list of operators",
      "operators:", becomes: "operatrs:",
      says: """
        topology.yaml:3:1: unknown key “operatrs”; did you mean “operators”?
        topology.yaml:1:1: the key “operators” is missing
        """),
    .inTopology(
      "a country that is not ISO",
      "country: IE", becomes: "country: UK",
      says: """
        topology.yaml:9:14: unknown country “UK”; did you mean “GB”?
        """),
    .inTopology(
      "a country in lower case",
      "country: IE", becomes: "country: ie",
      says: """
        topology.yaml:9:14: unknown country “ie”; did you mean “IE”?
        """),
    .inTopology(
      "a group for a country",
      "country: IE", becomes: "country: EEA",
      says: """
        topology.yaml:9:14: unknown country “EEA”; that is a group of countries
        """),
    .inTopology(
      "another country than the cloud region",
      "country: IE", becomes: "country: FR",
      says: """
        topology.yaml:11:12: the cloud region “aws/eu-west-1” is in IE, not in FR
        """),
    .inTopology(
      "an unknown cloud region",
      "cloud: aws/eu-west-1", becomes: "cloud: aws/eu-west-9",
      says: """
        topology.yaml:11:12: unknown cloud region “aws/eu-west-9” in \
        facts/cloud-regions.csv; did you mean “aws/eu-west-1”?
        """),
    .inTopology(
      "a cloud region without a provider",
      "cloud: aws/eu-west-1", becomes: "cloud: nowhere",
      says: """
        topology.yaml:11:12: unknown cloud region “nowhere” in facts/cloud-regions.csv; \
        known: aws/eu-west-1, aws/us-east-1
        """),
    .inTopology(
      "an unknown country in accepts",
      "[IN]}}", becomes: "[UK]}}",
      says: """
        topology.yaml:20:35: unknown country or group “UK”; did you mean “GB”?
        """),
    .inTopology(
      "accepting nobody",
      "accepts: [IN]", becomes: "accepts: []",
      says: """
        topology.yaml:20:34: “accepts” needs at least one entry
        """),
    .inTopology(
      "a misspelt accepts",
      "accepts: [IN]", becomes: "accept: [IN]",
      says: """
        topology.yaml:20:25: unknown key “accept”; did you mean “accepts”?
        """),
    .inTopology(
      "no shard",
      "{dublin-1: {}}", becomes: "{}",
      says: """
        topology.yaml:12:13: a region needs at least one shard
        """),
    .inTopology(
      "a list of shards",
      "{dublin-1: {}}", becomes: "[dublin-1]",
      says: """
        topology.yaml:12:13: this must be a mapping of “key: value” lines; write {} for an \
        empty one
        """),
    .inTopology(
      "no key for shards",
      "    shards: {frankfurt-1: {}}\n", becomes: "",
      says: """
        topology.yaml:14:5: the key “shards” is missing
        """),
    .inTopology(
      "a shard of two regions",
      "{frankfurt-1: {}}", becomes: "{dublin-1: {}}",
      says: """
        topology.yaml:16:14: the shard “dublin-1” stands here twice
        """),
    .inTopology(
      "a bad name of a shard",
      "dublin-1", becomes: "Dublin_1",
      says: """
        topology.yaml:12:14: “Dublin_1” is no name for a shard: 1 to 63 of the lower-case \
        letters a-z, digits and “-”
        """),
    .inTopology(
      "a bad name of the topology",
      "topology: small", becomes: "topology: s/m",
      says: """
        topology.yaml:1:11: “s/m” is no name for a topology: 1 to 63 of the lower-case \
        letters a-z, digits and “-”
        """),
    .inTopology(
      "a region twice",
      "  frankfurt:\n", becomes: "  dublin:\n",
      says: """
        topology.yaml:8:3: the key “dublin” stands here twice
        """),
    .inTopology(
      "an operator under no law",
      "{jurisdictions: [FR]}", becomes: "{jurisdictions: []}",
      says: """
        topology.yaml:6:24: “jurisdictions” needs at least one entry
        """),
    .inTopology(
      "an operator without jurisdictions",
      "{jurisdictions: [FR]}", becomes: "{}",
      says: """
        topology.yaml:6:8: the key “jurisdictions” is missing
        """),
    .inTopology(
      "an unknown jurisdiction",
      "{jurisdictions: [FR]}", becomes: "{jurisdictions: [EL]}",
      says: """
        topology.yaml:6:25: unknown country or group “EL”; did you mean “GR”?
        """),
    .inTopology(
      "a misspelt key of an operator",
      "jurisdictions: [FR]}", becomes: "jurisdictions: [FR], certification: [a]}",
      says: """
        topology.yaml:6:30: unknown key “certification”; did you mean “certifications”?
        """),
    .inTopology(
      "hardly anything",
      file: "topology: a\n",
      says: """
        topology.yaml:1:1: the key “operators” is missing
        topology.yaml:1:1: the key “regions” is missing
        topology.yaml:1:1: the key “directory” is missing
        """),
  ]
}
