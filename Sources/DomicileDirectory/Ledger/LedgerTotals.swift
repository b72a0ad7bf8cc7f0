/// How many homes there are in each place by the entries of a ledger, from the first on.
public struct LedgerTotals: Sendable, Hashable {
  /// Where homes of a class are.
  public struct Key: Sendable, Hashable, Comparable {
    public let dataClass: String
    public let region: String
    public let country: String
    public let shard: String

    public static func < (left: Key, right: Key) -> Bool {
      (left.country, left.region, left.shard, left.dataClass)
        < (right.country, right.region, right.shard, right.dataClass)
    }
  }

  /// Without places where there is none.
  public private(set) var homes: [Key: Int] = [:]

  public init() {}

  /// Follows an entry. Whether it fits what came before: what says the totals does if they are those.
  @discardableResult
  public mutating func add(_ entry: LedgerEntry) -> Bool {
    switch entry.kind {
    case .admission: return (entry.places ?? []).allSatisfy { count(1, $0) }
    case .moved:
      let isGone = (entry.from ?? []).allSatisfy { count(-1, $0) }
      return (entry.places ?? []).allSatisfy { count(1, $0) } && isGone
    case .erased: return (entry.places ?? []).allSatisfy { count(-1, $0) }
    case .pruning:
      let before = homes
      replace(by: entry.totals ?? [])
      return homes == before
    case .key, .policy, .barring, .refusal, .moving, .moveAborted, .tags, .members, .erasing, .hold,
      .release, .read,
      .refusedWrites:
      return true
    }
  }

  mutating func replace(by places: [LedgerEntry.Place]) {
    homes = [:]
    for place in places { _ = count(place.homes ?? 1, place) }
  }

  /// Whether there are not fewer than none.
  private mutating func count(_ change: Int, _ place: LedgerEntry.Place) -> Bool {
    let key = Key(
      dataClass: place.dataClass, region: place.region, country: place.country, shard: place.shard)
    let count = homes[key, default: 0] + change
    homes[key] = count == 0 ? nil : count
    return count >= 0
  }

  /// As an entry keeps them, in order.
  var places: [LedgerEntry.Place] {
    homes.sorted { $0.key < $1.key }.map { key, count in
      LedgerEntry.Place(
        dataClass: key.dataClass, region: key.region, country: key.country, shard: key.shard,
        homes: count)
    }
  }
}
