/// Verdicts on homes: of a user, or of a group, whose data may be only where every member's may.
extension ResidencyPolicy {
  /// Checks the tags of a home against the policy; see ``compile(_:)-(ResidencyProfile)``.
  public func compile(_ profile: HomeProfile) throws(PolicyError) -> [CompiledProfile] {
    try profile.members.map { member throws(PolicyError) in try compile(member) }
  }

  /// Whether data of the class may live in the region, for all of them. Nobody's data may.
  public func permits(_ profiles: [CompiledProfile], dataClass: Int, region: Int) -> Bool {
    !profiles.isEmpty
      && profiles.allSatisfy { permits($0, dataClass: dataClass, region: region) }
  }

  /// Whether a process in a country may read and write data of the class, for all of them;
  /// ``permitsProcessing(_:dataClass:in:)-(CompiledProfile,_,_)``.
  public func permitsProcessing(
    _ profiles: [CompiledProfile], dataClass: Int, in location: Int?
  ) -> Bool {
    profiles.allSatisfy { permitsProcessing($0, dataClass: dataClass, in: location) }
  }

  /// Explains where the data of a group may live, or whether it may live in a region.
  ///
  /// It tells what may be, and of the reasons only those that hold for everybody: others would tell one member of another's
  /// tags, even where all have the same. Where the policy does not know some member's tags, nothing may be.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName`` for a class or region.
  public func groupVerdict(
    for profile: HomeProfile, dataClass: String, in region: String? = nil
  ) throws(PolicyError) -> Verdict {
    let compiled = (try? compile(profile)) ?? []
    let number = try number(ofClass: dataClass)
    // Not in the order in which they would be chosen: the nearest to all would tell where the others live.
    let serving = servingRegions(compiled, dataClass: number).sorted()
    let place = try region.map { name throws(PolicyError) in try self.number(ofRegion: name) }
    let countries =
      compiled.isEmpty
      ? IndexSet256()
      : compiled.reduce(geography.all) { countries, member in
        let matching = constraints.matching(residence: member.country, dataClass: number)
        let binding = constraints.binding(matching, attributes: member.attributes)
        return countries.intersection(constraints.permitted(by: binding).countries)
      }
    let outcome: Verdict.Outcome
    if let place {
      let isLegal = permits(compiled, dataClass: number, region: place)
      let isServed = serves(compiled, dataClass: number, region: place)
      outcome = isLegal ? (isServed ? .allowed : .unserved) : .refused
    } else {
      outcome = !serving.isEmpty ? .allowed : countries.isEmpty ? .unplaceable : .unserved
    }
    let definition = place.map { topology.regions[$0] }
    return Verdict(
      outcome: outcome, dataClass: dataClass, residence: nil, attributes: [],
      region: definition?.name, country: definition.map { "\($0.country)" }, isProcessing: false,
      rules: place.map(excluding) ?? [], conflict: [], alternatives: serving,
      legalCountries: geography.codes(countries).map(\.description), digest: digest.description)
  }

  /// Explains whether a process in a country may read and write the data of a group; as
  /// ``processingVerdict(for:dataClass:in:)``, but without reasons.
  public func groupProcessingVerdict(
    for profile: HomeProfile, dataClass: String, in location: String?
  ) throws(PolicyError) -> Verdict {
    let compiled = try? compile(profile)
    let number = try number(ofClass: dataClass)
    let country = try location.map { name throws(PolicyError) in try self.number(ofCountry: name) }
    func isAllowed(in country: Int?) -> Bool {
      compiled.map { permitsProcessing($0, dataClass: number, in: country) }
        ?? !constraints.restrictsProcessing
    }
    return Verdict(
      outcome: isAllowed(in: country) ? .allowed : .refused, dataClass: dataClass, residence: nil,
      attributes: [], region: nil, country: country.map { "\(geography.countries[$0].code)" },
      isProcessing: true, rules: [], conflict: [], alternatives: [],
      legalCountries: geography.countries.indices.filter(isAllowed(in:)).map {
        "\(geography.countries[$0].code)"
      }, digest: digest.description)
  }

  /// The names of the rules, of `otherwise`, and of the exclusions that are asked where data of a class may live. Of a group
  /// only the exclusions, which hold for everybody: the rules would tell of its members' tags.
  public func rulesAsked(_ profiles: [CompiledProfile], isGroup: Bool, dataClass: Int) -> [String] {
    var identities: Set<Constraints.Identity> = []
    var names: [String] = []
    for profile in profiles {
      let matching = constraints.matching(residence: profile.country, dataClass: dataClass)
      for identity in constraints.binding(matching, attributes: profile.attributes)
      where identities.insert(identity).inserted {
        switch identity {
        case .exclusion(let number): names.append(rulebook.exclusions[number].name)
        case .store(let rule), .copy(let rule), .process(let rule):
          if !isGroup { names.append(rulebook.rules[rule].name) }
        case .otherwiseStore, .otherwiseProcess: if !isGroup { names.append("otherwise") }
        }
      }
    }
    return Array(Set(names)).sorted()
  }
}

extension ShardDefinition {
  /// Whether the shard accepts data of everybody with these tags, whatever the rules say.
  public func accepts(_ profile: HomeProfile, in policy: ResidencyPolicy) -> Bool {
    profile.members.allSatisfy { accepts($0, in: policy) }
  }
}

extension ShardLaw {
  /// Whether a home with these tags may be here: all of them must be permitted, and there must be one.
  public func permits(_ profile: HomeProfile, dataClass: String) -> Bool {
    !profile.members.isEmpty && profile.members.allSatisfy { permits($0, dataClass: dataClass) }
  }
}
