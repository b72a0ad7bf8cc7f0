import DomicilePolicy
import DomicileSQLite
import DomicileStorage

extension Connection {
  /// Why a policy cannot be put in force as long as the directory says where data is that the policy has no place for; nil if
  /// it can.
  func refusal(of policy: ResidencyPolicy) throws(SQLiteError) -> StorageError? {
    if let refusal = try refusalOfCollections(of: policy) { return refusal }
    return try refusalOfShards(of: policy.topology)
  }

  /// A collection stays in its class while anybody has data of that class: elsewhere its records would be out of
  /// reach, and perhaps where they may not be.
  private func refusalOfCollections(
    of policy: ResidencyPolicy
  ) throws(SQLiteError) -> StorageError? {
    let wanted = policy.collectionClasses
    let known = try rows(
      "SELECT name, class FROM collection ORDER BY name", as: { ($0.text(0), $0.text(1)) })
    for (name, dataClass) in known where wanted[name] != dataClass {
      let isPlaced = try integer(
        "SELECT 1 FROM placement WHERE class = ? LIMIT 1", .text(dataClass))
      if isPlaced == nil { continue }
      return StorageError(
        .collectionInUse,
        "The policy drops the collection “\(name)” of the class “\(dataClass)”, or puts it into another"
          + " class, but users have data of that class. Nothing was applied. Keep it where it is.")
    }
    return nil
  }

  private func refusalOfShards(
    of topology: RegionTopology
  ) throws(SQLiteError) -> StorageError? {
    let countries = topology.countries
    let regions = Dictionary(
      topology.shards.map { ($0.name, $0.region) }, uniquingKeysWith: { first, _ in first })
    for shard in try shardRows() where shard.placements > 0 {
      if regions[shard.name] == shard.region, countries[shard.region] == shard.country { continue }
      return StorageError(
        .shardInUse,
        "The topology drops the shard \(shard.name) of the region \(shard.region)"
          + " (\(shard.country)), or puts it elsewhere, but it holds \(shard.placements)"
          + " placements. Nothing was applied. Keep the shard where it is; to remove it, drain it and move them (“domicile plan --from"
          + " \(shard.name)”) first.")
    }
    return nil
  }

  private func shardRows() throws(SQLiteError) -> [(
    name: String, region: String, country: String, placements: Int64
  )] {
    try rows(
      "SELECT name, region, country, placements FROM shard ORDER BY name",
      as: { ($0.text(0), $0.text(1), $0.text(2), $0.integer(3)) })
  }

  /// Notes the collections and shards of a policy that can be put in force.
  func fit(to policy: ResidencyPolicy) throws(SQLiteError) {
    try run("DELETE FROM collection")
    for (name, dataClass) in policy.collectionClasses {
      try run(
        "INSERT INTO collection (name, class) VALUES (?, ?)", .text(name), .text(dataClass))
    }
    let countries = policy.topology.countries
    let known = try shardRows()
    for shard in policy.topology.shards {
      let country = countries[shard.region] ?? ""
      guard let old = known.first(where: { $0.name == shard.name }) else {
        try run(
          "INSERT INTO shard (name, region, country, created, placements) VALUES (?, ?, ?, 0, 0)",
          .text(shard.name), .text(shard.region), .text(country))
        continue
      }
      // What was made stays noted as made, should a shard that is dropped come back to the same place.
      if old.region == shard.region, old.country == country { continue }
      try run(
        "UPDATE shard SET region = ?, country = ?, created = 0 WHERE name = ?",
        .text(shard.region), .text(country), .text(shard.name))
    }
  }
}

extension ResidencyPolicy {
  fileprivate var collectionClasses: [String: String] {
    Dictionary(
      classes.flatMap { dataClass in dataClass.collections.map { ($0, dataClass.name) } },
      uniquingKeysWith: { first, _ in first })
  }
}

extension RegionTopology {
  /// The country of each region.
  fileprivate var countries: [String: String] {
    Dictionary(regions.map { ($0.name, "\($0.country)") }, uniquingKeysWith: { first, _ in first })
  }
}
