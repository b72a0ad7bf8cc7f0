import DomicilePolicy
import DomicileTesting
import Foundation
import Testing

/// What a verdict says, letter for letter.
@Suite struct VerdictTests {
  private var small = SmallPolicy()

  private func explanation(
    _ tags: String, _ dataClass: String, in region: String? = nil, under policy: SmallPolicy
  ) throws -> String {
    let profile = try #require(ResidencyProfile(tags))
    return try policy.compile().verdict(for: profile, dataClass: dataClass, in: region).description
  }

  private func explanation(
    _ tags: String, _ dataClass: String, in region: String? = nil
  ) throws -> String {
    try explanation(tags, dataClass, in: region, under: small)
  }

  // MARK: Allowed

  @Test func `an allowance names the regions and all that was asked`() throws {
    #expect(
      try explanation("DE", "messages") == """
        allowed: messages of a resident of DE may live in paris, dublin
          gdpr (policy.yaml:15) stores only in EEA, TRUSTED, US (certified EU-US-DPF)
            because: GDPR chapter V
            source: https://eur-lex.europa.eu
          not-free (policy.yaml:3) excludes 2 countries
            because: A record of violating privacy
            source: evidence.csv
        """)
  }

  @Test func `an allowance of one region says that its country is not excluded`() throws {
    #expect(
      try explanation("IN", "messages", in: "mumbai") == """
        allowed: messages of a resident of IN may live in mumbai (IN)
          otherwise (policy.yaml:31) stores anywhere
            because: no rule with “store” matches
          not-free (policy.yaml:3) does not exclude IN
            because: A record of violating privacy
            source: evidence.csv
        """)
  }

  @Test func `a certified operator under foreign law may have what an uncertified one may not`()
    throws
  {
    let policy = try small.compile()
    let german = try #require(ResidencyProfile("DE"))
    #expect(try policy.verdict(for: german, dataClass: "messages", in: "dublin").isAllowed)
    #expect(try !policy.verdict(for: german, dataClass: "messages", in: "frankfurt").isAllowed)
  }

  // MARK: Refused

  @Test func `a refusal by a rule names the rule and the legal alternatives`() throws {
    #expect(
      try explanation("DE", "messages", in: "mumbai") == """
        refused: messages of a resident of DE may not live in mumbai (IN)
          gdpr (policy.yaml:15) stores only in EEA, TRUSTED, US (certified EU-US-DPF), \
        which rules out IN
            because: GDPR chapter V
            source: https://eur-lex.europa.eu
          legal instead: paris, dublin
        """)
  }

  @Test func `a refusal for the operator's jurisdiction names the operator`() throws {
    #expect(
      try explanation("DE", "messages", in: "frankfurt") == """
        refused: messages of a resident of DE may not live in frankfurt (DE)
          gdpr (policy.yaml:15) stores only in EEA, TRUSTED, US (certified EU-US-DPF), \
        which rules out US (whose law reaches its operator, oci)
            because: GDPR chapter V
            source: https://eur-lex.europa.eu
          legal instead: paris, dublin
        """)
  }

  @Test func `a refusal by an exclusion names every constraint that forbids the region`() throws {
    var policy = small
    policy.topology.replace("{jurisdictions: [FR]}", with: "{jurisdictions: [FR, RU]}")
    #expect(
      try explanation("DE", "messages", in: "paris", under: policy) == """
        refused: messages of a resident of DE may not live in paris (FR)
          gdpr (policy.yaml:15) stores only in EEA, TRUSTED, US (certified EU-US-DPF), \
        which rules out RU (whose law reaches its operator, ovh)
            because: GDPR chapter V
            source: https://eur-lex.europa.eu
          not-free (policy.yaml:3) excludes RU (whose law reaches its operator, ovh)
            because: A record of violating privacy
            source: evidence.csv
          legal instead: dublin
        """)
  }

  @Test func `a refusal without an alternative says so`() throws {
    #expect(
      try explanation("RU", "messages", in: "dublin") == """
        refused: messages of a resident of RU may not live in dublin (IE)
          ru-localisation (policy.yaml:22) stores only in RU, which rules out IE, \
        US (whose law reaches its operator, aws)
            because: Federal Law 152-FZ
          no other region takes it
        """)
  }

  // MARK: Nowhere

  @Test func `a Russian resident is unplaceable, and both sides of the conflict are named`() throws
  {
    #expect(
      try explanation("RU", "messages") == """
        unplaceable: messages of a resident of RU may live in no country
          ru-localisation (policy.yaml:22) stores only in RU
            because: Federal Law 152-FZ
          not-free (policy.yaml:3) excludes 2 countries, RU among them
            because: A record of violating privacy
            source: evidence.csv
        """)
  }

  @Test func `data that is legal where no region is, is unserved`() throws {
    #expect(
      try explanation("IN", "payments") == """
        unserved: payments of a resident of IN may live in IN, but no region there takes it
          rbi-payments (policy.yaml:26) stores only in IN
            because: RBI/2017-18/153
        """)
  }

  @Test func `a legal region whose shards do not accept the resident does not serve`() throws {
    #expect(
      try explanation("DE scc-signed", "messages", in: "mumbai") == """
        unserved: messages of a resident of DE (scc-signed) may live in mumbai (IN), \
        but no shard there accepts it
          legal instead: frankfurt, paris, dublin
        """)
  }

  // MARK: What matches

  @Test func `a rule does not bind a user who has the attribute of its unless`() throws {
    let policy = try small.compile()
    let signed = try #require(ResidencyProfile("DE scc-signed"))
    let minor = try #require(ResidencyProfile("DE minor"))
    #expect(
      try policy.verdict(for: signed, dataClass: "messages").rules.map(\.name)
        == ["otherwise", "not-free"])
    #expect(
      try policy.verdict(for: minor, dataClass: "messages").rules.map(\.name) == [
        "gdpr", "not-free",
      ])
  }

  @Test func `a rule for one class leaves the others alone`() throws {
    let policy = try small.compile()
    let indian = try #require(ResidencyProfile("IN"))
    #expect(try policy.verdict(for: indian, dataClass: "payments").outcome == .unserved)
    #expect(try policy.verdict(for: indian, dataClass: "messages").outcome == .allowed)
  }

  @Test func `a certified entry counts in every country, and only for operators that hold it`()
    throws
  {
    var policy = small
    policy.topology.replace(", certifications: [EU-US-DPF]", with: "")
    let german = try #require(ResidencyProfile("DE"))
    #expect(
      try policy.compile().verdict(for: german, dataClass: "messages").alternatives == ["paris"])
  }

  // MARK: Facts

  /// The countries that are not legal where nothing but the exclusion decides.
  private func excluded(_ change: (inout SmallPolicy) -> Void) throws -> Set<String> {
    var policy = small
    change(&policy)
    let german = try #require(ResidencyProfile("DE scc-signed"))
    let compiled = try policy.compile()
    let legal = try compiled.verdict(for: german, dataClass: "messages").legalCountries
    return Set(compiled.geography.countries.map(\.code.description)).subtracting(legal)
  }

  @Test func `a country without a row and without a sovereign is excluded`() throws {
    #expect(try excluded { _ in } == ["AQ", "RU"])
  }

  @Test func `a country without a row is let through where the policy says so`() throws {
    #expect(
      try excluded { $0.policy.replace("missing: exclude", with: "missing: allow") } == ["RU"])
  }

  @Test func `a country without a row is excluded where the policy does not say`() throws {
    #expect(
      try excluded { $0.policy.replace("    missing: exclude\n", with: "") } == ["AQ", "RU"])
  }

  @Test func `a territory without a row has its sovereign's fact`() throws {
    #expect(
      try excluded { $0.evidence.replace("FR,clear", with: "FR,exclude") }
        == ["AQ", "FR", "GP", "RU"])
  }

  @Test func `a territory with a row of its own does not ask its sovereign`() throws {
    #expect(
      try excluded { $0.evidence.replace("FR,clear", with: "FR,exclude\nGP,clear") }
        == ["AQ", "FR", "RU"])
  }

  @Test func `a row whose field is empty says nothing`() throws {
    #expect(try excluded { $0.evidence.replace("US,clear", with: "US,") } == ["AQ", "RU", "US"])
  }

  @Test func `an exception lifts the exclusion of one country`() throws {
    #expect(
      try excluded {
        $0.policy.replace(
          "    missing: exclude\n",
          with: """
                missing: exclude
                except: [{country: RU, reason: a decision, source: the board}]

            """)
      } == ["AQ"])
  }

  @Test func `a fact may be one of several`() throws {
    #expect(
      try excluded {
        $0.policy.replace("is: exclude", with: "is: [exclude, doubtful]")
        $0.evidence.replace("US,clear", with: "US,doubtful")
      } == ["AQ", "RU", "US"])
  }

  @Test func `an unquoted NO is Norway`() throws {
    var policy = small
    policy.policy.replace("residents: RU\n    store: RU", with: "residents: NO\n    store: [NO]")
    let verdict = try policy.compile().verdict(
      for: try #require(ResidencyProfile("NO")), dataClass: "messages")
    #expect(verdict.legalCountries == ["NO"])
    #expect(verdict.conflict.map(\.name) == ["ru-localisation"])
  }

  // MARK: Order

  private func order(_ tags: String, under policy: SmallPolicy) throws -> [[String]] {
    let compiled = try policy.compile()
    let profile = try compiled.compile(try #require(ResidencyProfile(tags)))
    let number = try compiled.number(ofClass: "messages")
    return compiled.shardsByPreference([profile], dataClass: number).map { $0.map(\.name) }
  }

  @Test func `shards come nearest first, those of one region together`() throws {
    #expect(
      try order("GB", under: small) == [["dublin-1"], ["frankfurt-1"], ["paris-1", "paris-2"]])
  }

  @Test func `preferred jurisdictions come before nearer ones, in the order of the rule`() throws {
    var policy = small
    policy.policy.replace("prefer: [EEA]", with: "prefer: [IE, EEA]")
    #expect(try order("FR", under: policy) == [["dublin-1"], ["paris-1", "paris-2"]])
    policy.policy.replace("prefer: [IE, EEA]", with: "prefer: [TRUSTED]")
    #expect(try order("FR", under: policy) == [["paris-1", "paris-2"], ["dublin-1"]])
  }

  @Test func `a shard takes only residents that it accepts`() throws {
    #expect(try order("IN", under: small).first == ["mumbai-1"])
    #expect(try !order("GB", under: small).joined().contains("mumbai-1"))
  }

  @Test func `a region's place is its cloud region's, not its country's`() throws {
    var policy = small
    // With its cloud region put far from the country, Dublin is no longer the nearest.
    policy.cloudRegions.replace("IE,commercial,53.35,-6.26", with: "IE,commercial,46.70,2.55")
    #expect(try order("GB", under: policy).first == ["frankfurt-1"])
  }

  // MARK: Forms

  @Test func `a verdict survives JSON`() throws {
    let profile = try #require(ResidencyProfile("RU minor"))
    let verdict = try small.compile().verdict(for: profile, dataClass: "payments", in: "paris")
    let data = try JSONEncoder().encode(verdict)
    #expect(try JSONDecoder().decode(Verdict.self, from: data) == verdict)
  }

  @Test func `a policy is compiled again from the texts it kept`() throws {
    let policy = try small.compile()
    let again = try ResidencyPolicy(files: policy.files)
    #expect(again.digest == policy.digest)
    #expect(again.files == policy.files)
  }

  @Test func `a table that the policy does not use is no part of it`() throws {
    var texts = small.texts
    texts["facts/rainfall.csv"] = "code,mm\nIE,1230\n"
    let policy = try ResidencyPolicy(files: RegionFiles(texts: texts))
    #expect(policy.files.texts["facts/rainfall.csv"] == nil)
    #expect(try policy.digest == small.compile().digest)
  }
}
