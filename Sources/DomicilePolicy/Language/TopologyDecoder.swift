/// Reads `topology.yaml`, logging every problem it meets.
struct TopologyDecoder {
  static let file = "topology.yaml"
  let geography: Geography
  /// `facts/cloud-regions.csv`, asked for only where a region names its cloud.
  let cloudRegions: (_ at: YAMLReader) -> FactTable?
  let log: ProblemLog

  func decode(_ text: String) -> RegionTopology? {
    guard let root = YAMLReader.document(file: Self.file, text: text, log: log),
      let fields = root.fields(.topology)
    else { return nil }
    let name = fields.required("topology")?.name("a topology")
    let operators = fields.required("operators").map(operators)
    var regions: [Region] = []
    var shards = Shards()
    let entries = fields.required("regions")?.entries()
    for (nameReader, value) in entries ?? [] {
      guard let region = region(nameReader, value, operators: operators, shards: &shards) else {
        continue
      }
      regions.append(region)
    }
    if regions.count > IndexSet256.capacity {
      root.problem("\(regions.count) regions; at most \(IndexSet256.capacity) are supported")
    }
    if shards.all.count > RegionTopology.shardsMax {
      root.problem("\(shards.all.count) shards; at most \(RegionTopology.shardsMax) are supported")
    }
    let directory = fields.required("directory")
    let directoryRegion = directory?.text()
    // A region that has problems of its own is still one that the directory can name.
    if let entries, let directoryRegion {
      let names = entries.map(\.name.quietText)
      if !names.contains(directoryRegion) {
        directory?.problem(
          "unknown region “\(directoryRegion)”; \(suggestion(for: directoryRegion, among: names))")
      }
    }
    guard let name, let directoryRegion else { return nil }
    return RegionTopology(
      name: name, directoryRegion: directoryRegion, regions: regions.sorted { $0.name < $1.name },
      shards: shards.all.sorted { ($0.region, $0.name) < ($1.region, $1.name) },
      certifications: (operators ?? [:]).values.reduce(into: []) {
        $0.formUnion($1.certifications)
      })
  }

  /// Those of all regions.
  private struct Shards {
    var all: [ShardDefinition] = []
    var names: Set<String> = []
  }

  private func operators(_ reader: YAMLReader) -> [String: RegionOperator] {
    var operators: [String: RegionOperator] = [:]
    for (nameReader, value) in reader.entries() ?? [] {
      guard let name = nameReader.name("an operator") else { continue }
      let fields = value.fields(.regionOperator)
      let list = fields?.required("jurisdictions")?.nonEmptyList("jurisdictions") ?? []
      let jurisdictions = list.reduce(into: IndexSet256()) {
        $0.formUnion(geography.jurisdiction($1))
      }
      operators[name] = RegionOperator(
        name: name, jurisdictions: geography.codes(jurisdictions),
        certifications: Set(fields?["certifications"]?.list().compactMap { $0.text() } ?? []))
    }
    return operators
  }

  private func region(
    _ nameReader: YAMLReader, _ value: YAMLReader, operators: [String: RegionOperator]?,
    shards: inout Shards
  ) -> Region? {
    guard let name = nameReader.name("a region"),
      let fields = value.fields(.region)
    else { return nil }
    let country = fields.required("country").flatMap(geography.country).map {
      geography.countries[$0]
    }
    var operatedBy: RegionOperator?
    if let reader = fields.required("operator"), let text = reader.text(), let operators {
      operatedBy = operators[text]
      if operatedBy == nil {
        reader.problem(
          "unknown operator “\(text)”; \(suggestion(for: text, among: operators.keys))")
      }
    }
    let state = fields["state"].flatMap(state) ?? .open
    let declared = fields.required("shards")?.entries()
    if declared?.isEmpty ?? false {
      fields["shards"]?.problem("a region needs at least one shard")
    }
    for (shardName, shard) in declared ?? [] {
      guard let definition = definition(shardName, shard, region: name, state) else { continue }
      if !shards.names.insert(definition.name).inserted {
        shardName.problem("the shard “\(definition.name)” stands here twice")
      }
      shards.all.append(definition)
    }
    guard let country, let operatedBy else { return nil }
    let cloudPosition = fields["cloud"].flatMap { position(of: $0, country: country.code) }
    return Region(
      name: name, country: country.code, operatedBy: operatedBy,
      cloud: fields["cloud"]?.text(), line: nameReader.line, point: cloudPosition ?? country.point)
  }

  private func definition(
    _ nameReader: YAMLReader, _ value: YAMLReader, region: String, _ ofRegion: ShardState
  ) -> ShardDefinition? {
    guard let name = nameReader.name("a shard"), let fields = value.fields(.shard) else {
      return nil
    }
    let state = max(fields["state"].flatMap(state) ?? .open, ofRegion)
    let accepts = fields["accepts"]?.nonEmptyList("accepts")
    let residents = accepts?.reduce(into: IndexSet256()) {
      $0.formUnion(geography.jurisdiction($1))
    }
    return ShardDefinition(
      name: name, region: region, accepts: accepts?.map(\.quietText) ?? [Geography.anywhere],
      state: state,
      residents: state == .frozen ? IndexSet256() : residents ?? geography.all)
  }

  private func state(_ reader: YAMLReader) -> ShardState? {
    guard let text = reader.text() else { return nil }
    if let state = ShardState(rawValue: text) { return state }
    reader.problem(
      "unknown state “\(text)”; \(suggestion(for: text, among: ShardState.allCases.map(\.rawValue)))"
    )
    return nil
  }

  /// Where a cloud region is, from the table of cloud regions, whose country must be the region's.
  private func position(of reader: YAMLReader, country: CountryCode) -> Geography.Point? {
    guard let text = reader.text(), let table = cloudRegions(reader) else { return nil }
    let columns = ["provider", "region", "country", "lat", "lon"].map {
      table.header.firstIndex(of: $0)
    }
    let places = columns.compactMap(\.self)
    guard places.count == columns.count else {
      reader.problem("\(table.file) needs the columns provider, region, country, lat and lon")
      return nil
    }
    let names = table.rows.map { "\($0.fields[places[0]])/\($0.fields[places[1]])" }
    guard let row = names.firstIndex(of: text) else {
      reader.problem(
        "unknown cloud region “\(text)” in \(table.file); \(suggestion(for: text, among: names))")
      return nil
    }
    let fields = table.rows[row].fields
    guard fields[places[2]] == "\(country)" else {
      reader.problem("the cloud region “\(text)” is in \(fields[places[2]]), not in \(country)")
      return nil
    }
    let point = Geography.Point(latitude: fields[places[3]], longitude: fields[places[4]])
    if point == nil {
      reader.problem("the cloud region “\(text)” has no position in \(table.file)")
    }
    return point
  }
}
