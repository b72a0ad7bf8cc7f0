import DomicilePolicy
import DomicileTesting

/// A small deployment with one of everything; tests change the part that they are about.
struct SmallPolicy {
  var policy = """
    policy: small
    exclude:
      - name: not-free
        where: {facts: evidence, column: verdict, is: exclude}
        missing: exclude
        reason: A record of violating privacy
        source: evidence.csv
        review: 2027-06-30
    attributes: [minor, scc-signed]
    classes:
      messages: {collections: [inbox, threads]}
      payments: {collections: [receipts]}
      directory: {}
    rules:
      - name: gdpr
        residents: EEA
        store: [EEA, TRUSTED, {countries: [US], certified: EU-US-DPF}]
        prefer: [EEA]
        unless: {attribute: scc-signed}
        reason: GDPR chapter V
        source: https://eur-lex.europa.eu
      - name: ru-localisation
        residents: RU
        store: RU
        reason: Federal Law 152-FZ
      - name: rbi-payments
        residents: IN
        classes: payments
        store: IN
        reason: RBI/2017-18/153
    otherwise: {store: anywhere}
    """

  var topology = """
    topology: small
    directory: dublin
    operators:
      aws: {jurisdictions: [US], certifications: [EU-US-DPF]}
      oci: {jurisdictions: [US]}
      ovh: {jurisdictions: [FR]}
    regions:
      dublin:
        country: IE
        operator: aws
        cloud: aws/eu-west-1
        shards: {dublin-1: {}}
      frankfurt:
        country: DE
        operator: oci
        shards: {frankfurt-1: {}}
      mumbai:
        country: IN
        operator: ovh
        shards: {mumbai-1: {accepts: [IN]}}
      paris:
        country: FR
        operator: ovh
        shards: {paris-1: {}, paris-2: {}}
    """

  var countries = """
    alpha2,name,sovereign,lat,lon
    AQ,Antarctica,,-80.00,20.00
    CH,Switzerland,CH,46.72,7.46
    DE,Germany,DE,50.96,9.68
    FR,France,FR,46.70,2.55
    GB,United Kingdom,GB,54.40,-2.12
    GP,Guadeloupe,FR,16.20,-61.50
    GR,Greece,GR,39.49,21.73
    IE,Ireland,IE,53.08,-7.80
    IN,India,IN,22.69,79.36
    NO,Norway,NO,61.36,9.68
    RU,Russia,RU,58.25,44.69
    US,United States,US,39.54,-97.48
    """

  var groups = """
    group,code
    EEA,DE
    EEA,FR
    EEA,GR
    EEA,IE
    EEA,NO
    TRUSTED,CH
    TRUSTED,GB
    """

  /// AQ has no row, and no sovereign to have one from; GP has none of its own.
  var evidence = """
    code,verdict
    CH,clear
    DE,clear
    FR,clear
    GB,clear
    GR,clear
    IE,clear
    IN,clear
    NO,clear
    RU,exclude
    US,clear
    """

  var cloudRegions = """
    provider,region,city,country,type,lat,lon
    aws,eu-west-1,Dublin,IE,commercial,53.35,-6.26
    aws,us-east-1,Ashburn,US,commercial,39.04,-77.49
    """

  var texts: [String: String] {
    [
      "policy.yaml": policy, "topology.yaml": topology, "facts/countries.csv": countries,
      "facts/groups.csv": groups, "facts/evidence.csv": evidence,
      "facts/cloud-regions.csv": cloudRegions,
    ]
  }

  func compile() throws(PolicyError) -> ResidencyPolicy {
    try ResidencyPolicy(files: RegionFiles(texts: texts))
  }
}
