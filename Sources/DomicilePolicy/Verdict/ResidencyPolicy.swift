/// A policy, compiled: for each profile and data class, the regions where the data may live.
///
/// A verdict asked for on the write path, ``permits(_:dataClass:region:)``, allocates nothing and takes no
/// lock. The policy holds no clock: the same texts always give the same verdicts.
public struct ResidencyPolicy: Sendable {
  /// The texts this policy was compiled from, and no others.
  public let files: RegionFiles
  public let digest: PolicyDigest
  public let geography: Geography
  public let topology: RegionTopology
  /// In the order of the file.
  public var classes: [DataClassDefinition] { rulebook.classes }
  /// How long the ledger keeps the texts of its entries: `longest` of the class `ledger`; nil: for good.
  public var ledgerLongest: Duration? { rulebook.ledgerRetention?.longest }
  /// Declared attributes, sorted.
  public var attributes: [String] { rulebook.attributes }
  public var name: String { rulebook.name }
  /// The days between which these verdicts hold.
  public let phase: PolicyPhase
  /// The day for which this was compiled, in the phase.
  public let day: PolicyDay

  /// All that is written, whenever it holds.
  let written: Rulebook
  /// What holds in the phase.
  var rulebook: Rulebook { constraints.rulebook }
  let constraints: Constraints
  private let classNumbers: [String: Int]
  private let collectionClasses: [String: Int]
  private let cells: [Cell]
  private let regionSets: [IndexSet256]
  /// By the same places: the countries where a process may run.
  private let processSets: [IndexSet256]
  /// Kilometres from a country to a region, by country number times the regions plus region number.
  private let distances: [Int32]

  /// The verdicts of one class and residence.
  private struct Cell {
    /// The attributes on which they depend.
    var relevant: UInt64
    /// Where the sets begin; there is one for each combination of the relevant attributes.
    var firstSet: Int
  }

  /// The most attributes on which one class and residence may depend.
  static let relevantAttributesMax = 8

  /// Compiles what the texts say of the phase in which a day lies.
  ///
  /// - Throws: ``PolicyError`` with code ``PolicyError/Code/invalid`` and every problem found.
  public init(files: RegionFiles, on day: PolicyDay) throws(PolicyError) {
    let log = ProblemLog()
    let loader = PolicyLoader(texts: files.texts, log: log)
    guard let parts = loader.load() else { throw .invalid(log.problems) }
    geography = parts.geography
    written = parts.rulebook
    topology = parts.topology
    self.day = day
    phase = PolicyPhase(changes: parts.rulebook.changes, on: day)
    constraints = Constraints(
      rulebook: parts.rulebook.holding(on: day), topology: parts.topology,
      geography: parts.geography)
    self.files = files.keeping(loader.used)
    digest = self.files.digest

    var numbers: [String: Int] = [:]
    var collections: [String: Int] = [:]
    for (number, definition) in parts.rulebook.classes.enumerated() {
      numbers[definition.name] = number
      for collection in definition.collections { collections[collection] = number }
    }
    classNumbers = numbers
    collectionClasses = collections

    var cells: [Cell] = []
    var sets: [IndexSet256] = []
    var processSets: [IndexSet256] = []
    for (classNumber, definition) in parts.rulebook.classes.enumerated() {
      for country in geography.countries.indices {
        let matching = constraints.matching(residence: country, dataClass: classNumber)
        let relevant = constraints.relevantAttributes(of: matching)
        guard relevant.nonzeroBitCount <= Self.relevantAttributesMax else {
          log.add(
            PolicyProblem(
              file: PolicyDecoder.file,
              message: "residents of \(geography.countries[country].code), class"
                + " “\(definition.name)”: the rules depend on \(relevant.nonzeroBitCount)"
                + " attributes; at most \(Self.relevantAttributesMax) are supported"))
          throw .invalid(log.problems)
        }
        cells.append(Cell(relevant: relevant, firstSet: sets.count))
        for combination in 0..<(1 << relevant.nonzeroBitCount) {
          let attributes = deposit(UInt64(combination), into: relevant)
          let storing = constraints.binding(matching, attributes: attributes)
          sets.append(constraints.permitted(by: storing).regions)
          let processing = constraints.processBinding(matching, attributes: attributes)
          processSets.append(constraints.permitted(by: processing).countries)
        }
      }
    }
    self.cells = cells
    regionSets = sets
    self.processSets = processSets
    distances = geography.countries.flatMap { country in
      parts.topology.regions.map { Int32(country.point.kilometres(to: $0.point)) }
    }
  }

  /// The same texts, compiled for another day.
  ///
  /// - Throws: ``PolicyError`` if they cannot be compiled for it: an attribute too many may matter then.
  public func compiled(on day: PolicyDay) throws(PolicyError) -> ResidencyPolicy {
    try ResidencyPolicy(files: files, on: day)
  }

  /// Reads and compiles a regions folder.
  public init(folder: String, on day: PolicyDay) throws(PolicyError) {
    try self.init(files: RegionFiles(folder: folder), on: day)
  }

  // MARK: Names

  /// A profile in the form that the write path uses.
  public struct CompiledProfile: Hashable, Sendable {
    let country: Int
    let attributes: UInt64
  }

  /// The profile of tags as a caller writes them, checked against the policy.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName``.
  public func profile(
    residence: String, attributes: some Sequence<String>
  ) throws(PolicyError) -> ResidencyProfile {
    let profile = ResidencyProfile(
      residence: try geography.country(residence), attributes: attributes)
    _ = try compile(profile)
    return profile
  }

  /// Checks tags against the policy.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName``: an unknown country, or an attribute
  ///   that the policy does not declare.
  public func compile(_ profile: ResidencyProfile) throws(PolicyError) -> CompiledProfile {
    guard let country = geography.number(of: profile.residence) else {
      _ = try geography.country("\(profile.residence)")
      preconditionFailure("a country without a number has no row either")
    }
    var bits: UInt64 = 0
    for attribute in profile.attributes {
      guard let bit = rulebook.attributes.firstIndex(of: attribute) else {
        throw PolicyError(
          code: .unknownName,
          message: "Unknown attribute “\(attribute)”;"
            + " \(sentence(suggestion(for: attribute, among: rulebook.attributes, listedBy: "“domicile policy print”")))"
            + " Only attributes that the policy declares are kept.")
      }
      bits |= 1 << UInt64(bit)
    }
    return CompiledProfile(country: country, attributes: bits)
  }

  /// The class's number.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName``.
  public func number(ofClass name: String) throws(PolicyError) -> Int {
    if let number = classNumbers[name] { return number }
    throw PolicyError(
      code: .unknownName,
      message: "Unknown data class “\(name)”;"
        + " \(sentence(suggestion(for: name, among: classNumbers.keys, listedBy: "“domicile policy print”")))"
    )
  }

  /// How long the records of a class are kept; nil: as their writers ask.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName``.
  public func retention(ofClass name: String) throws(PolicyError) -> Retention? {
    rulebook.classes[try number(ofClass: name)].retention
  }

  /// The class of a collection.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName``: no class lists the collection.
  public func dataClass(ofCollection name: String) throws(PolicyError) -> String {
    if let number = collectionClasses[name] { return rulebook.classes[number].name }
    throw PolicyError(
      code: .unknownName,
      message: "Unknown collection “\(name)”;"
        + " \(sentence(suggestion(for: name, among: collectionClasses.keys, listedBy: "“domicile policy print”")))"
        + " The policy lists the collections of each data class.")
  }

  /// The region's number.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName``.
  public func number(ofRegion name: String) throws(PolicyError) -> Int {
    if let number = topology.regionNumber(name) { return number }
    throw PolicyError(
      code: .unknownName,
      message: "Unknown region “\(name)”;"
        + " \(sentence(suggestion(for: name, among: topology.regions.map(\.name), listedBy: "“domicile shards”")))"
    )
  }

  /// The number of a country as a caller writes it.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName``.
  public func number(ofCountry text: String) throws(PolicyError) -> Int {
    let code = try geography.country(text)
    guard let number = geography.number(of: code) else {
      preconditionFailure("a country that is known has a number")
    }
    return number
  }

  // MARK: Verdicts

  /// Whether data of the class, of a user with these tags, may live in the region.
  public func permits(_ profile: CompiledProfile, dataClass: Int, region: Int) -> Bool {
    regions(profile, dataClass: dataClass).contains(region)
  }

  /// Whether the policy says anywhere where processes may run.
  public var restrictsProcessing: Bool { constraints.restrictsProcessing }

  /// Whether a process in a country may read and write data of the class, of a user with these tags. Nil stands for a process
  /// of which nobody has said where it runs: it may if the policy does not restrict that at all.
  public func permitsProcessing(
    _ profile: CompiledProfile, dataClass: Int, in location: Int?
  ) -> Bool {
    guard let location else { return !constraints.restrictsProcessing }
    return processSets[place(profile, dataClass: dataClass)].contains(location)
  }

  /// The countries where a process may run that reads and writes a user's data of a class.
  func processingCountries(
    _ profile: ResidencyProfile, dataClass: String
  ) throws(PolicyError) -> [CountryCode] {
    geography.codes(
      processSets[place(try compile(profile), dataClass: try number(ofClass: dataClass))])
  }

  /// The regions with a shard that takes a user's data of a class; of the directory's own class, the directory's region. Nil if
  /// there is none, or the policy does not know the user's tags or the class.
  func placement(of profile: ResidencyProfile, dataClass: String) -> Set<String>? {
    guard let compiled = try? compile(profile), let number = classNumbers[dataClass] else {
      return nil
    }
    let permitted = regions(compiled, dataClass: number)
    let isTaken: (Region) -> Bool =
      dataClass == Rulebook.directoryClass
      ? { [topology] in $0.name == topology.directoryRegion }
      : { [topology] region in
        topology.shards.contains {
          $0.region == region.name && $0.residents.contains(compiled.country)
        }
      }
    let taking = topology.regions.enumerated().filter {
      permitted.contains($0.offset) && isTaken($0.element)
    }
    return taking.isEmpty ? nil : Set(taking.map(\.element.name))
  }

  /// The sets of attributes by which the verdicts of one residence and class differ; none for what the policy does not know.
  func attributeSets(residence: CountryCode, dataClass: String) -> [[String]] {
    guard let country = geography.number(of: residence), let number = classNumbers[dataClass]
    else { return [] }
    let relevant = cells[number * geography.countries.count + country].relevant
    return (0..<(1 << relevant.nonzeroBitCount)).map {
      names(deposit(UInt64($0), into: relevant))
    }
  }

  func regions(_ profile: CompiledProfile, dataClass: Int) -> IndexSet256 {
    regionSets[place(profile, dataClass: dataClass)]
  }

  private func place(_ profile: CompiledProfile, dataClass: Int) -> Int {
    let cell = cells[dataClass * geography.countries.count + profile.country]
    return cell.firstSet + Int(extract(profile.attributes, by: cell.relevant))
  }

  /// The law of a shard: which profiles it may hold, from the policy and from what the shard accepts, and how
  /// long it keeps what.
  public func law(ofShard shard: ShardDefinition) -> ShardLaw {
    guard let region = topology.regionNumber(shard.region) else { return ShardLaw(rows: []) }
    var rows: [ShardLaw.Row] = []
    for (classNumber, definition) in rulebook.classes.enumerated() {
      for (country, info) in geography.countries.enumerated()
      where shard.residents.contains(country) {
        let cell = cells[classNumber * geography.countries.count + country]
        let combinations = 1 << cell.relevant.nonzeroBitCount
        let allowed = (0..<combinations).filter { regionSets[cell.firstSet + $0].contains(region) }
        let unconditional = allowed.count == combinations
        for combination in unconditional ? [0] : allowed {
          rows.append(
            ShardLaw.Row(
              dataClass: definition.name, residence: info.code,
              considering: unconditional ? [] : names(cell.relevant),
              having: unconditional ? [] : names(deposit(UInt64(combination), into: cell.relevant)))
          )
        }
      }
    }
    let collections = rulebook.classes.flatMap { definition in
      definition.collections.map { ($0, definition.name) }
    }
    return ShardLaw(
      rows: rows, collections: Dictionary(collections, uniquingKeysWith: { first, _ in first }),
      attributes: rulebook.attributes, retention: retentionLaw)
  }

  private var retentionLaw: [String: ShardLaw.Retention] {
    rulebook.classes.reduce(into: [:]) { law, definition in
      guard let retention = definition.retention else { return }
      law[definition.name] = ShardLaw.Retention(
        standardSeconds: retention.standardLimit?.seconds,
        longestSeconds: retention.longestLimit?.seconds,
        shortestSeconds: retention.shortestLimit?.seconds,
        rule: "\(definition.name): \(retention.text)")
    }
  }

  private func names(_ attributes: UInt64) -> [String] {
    rulebook.attributes.enumerated().filter { attributes >> UInt64($0.offset) & 1 == 1 }.map(
      \.element)
  }

  // MARK: Choosing

  /// The shards that may take a new home of a class of all these, a user or the members of a group, best first: those that
  /// `prefer` names before others, then the nearest to their residences, summed up. Shards of the same list are equally good;
  /// the least loaded of them is to be chosen.
  public func shardsByPreference(
    _ profiles: [CompiledProfile], dataClass: Int
  ) -> [[ShardDefinition]] {
    shardsByPreference(profiles, dataClass: dataClass, forNewHomes: true)
  }

  /// With `forNewHomes` without those that are drained.
  func shardsByPreference(
    _ profiles: [CompiledProfile], dataClass: Int, forNewHomes: Bool
  ) -> [[ShardDefinition]] {
    let preferences = profiles.map {
      constraints.preference(
        residence: $0.country, dataClass: dataClass, attributes: $0.attributes)
    }
    var ranked: [Rank: [ShardDefinition]] = [:]
    for shard in topology.shards
    where profiles.allSatisfy({ shard.residents.contains($0.country) })
      && !(forNewHomes && shard.state == .draining)
    {
      guard let region = topology.regionNumber(shard.region),
        permits(profiles, dataClass: dataClass, region: region)
      else { continue }
      let country = constraints.regionCountries[region]
      let rank = Rank(
        preferred: preferences.reduce(0) { sum, prefer in
          sum + (prefer.firstIndex { $0.contains(country) } ?? prefer.count)
        },
        kilometres: profiles.reduce(0) {
          $0 + Int(distances[$1.country * topology.regions.count + region])
        })
      ranked[rank, default: []].append(shard)
    }
    return ranked.sorted { $0.key < $1.key }.map(\.value)
  }

  private struct Rank: Hashable, Comparable {
    let preferred: Int
    let kilometres: Int
    static func < (left: Rank, right: Rank) -> Bool {
      (left.preferred, left.kilometres) < (right.preferred, right.kilometres)
    }
  }
}

/// The bits of `value` at the places that `mask` has, pushed together.
private func extract(_ value: UInt64, by mask: UInt64) -> UInt64 {
  var rest = mask
  var result: UInt64 = 0
  var place: UInt64 = 0
  while rest != 0 {
    result |= (value >> UInt64(rest.trailingZeroBitCount) & 1) << place
    rest &= rest - 1
    place += 1
  }
  return result
}

/// The low bits of `value`, spread to the places that `mask` has.
private func deposit(_ value: UInt64, into mask: UInt64) -> UInt64 {
  var rest = mask
  var result: UInt64 = 0
  var place: UInt64 = 0
  while rest != 0 {
    result |= (value >> place & 1) << UInt64(rest.trailingZeroBitCount)
    rest &= rest - 1
    place += 1
  }
  return result
}
