import DomicileStorage
import Foundation

/// What a shard should hold, in the plainest form: per home and collection a list sorted by key.
struct RecordModel {
  struct Place: Hashable {
    let home: HomeReference
    let collection: String
  }

  struct Entry: Equatable, CustomStringConvertible {
    let key: RecordKey
    var value: [UInt8]
    var labels: [String: String]
    var written: Int64
    var expires: Int64?
    /// Nil while the write that draws it has not returned.
    var version: RecordVersion?

    func isThere(at now: Int64) -> Bool { expires.map { $0 > now } ?? true }

    var description: String {
      "\(key.bytes.prefix(8))/\(key.bytes.count) = \(value.prefix(4))/\(value.count) \(labels)"
        + " \(written)–\(expires ?? 0) \(version?.description ?? "?")"
    }
  }

  private(set) var entries: [Place: [Entry]] = [:]

  // MARK: Writing

  /// What a request should do: for each operation whether a record was there, or why all is refused. Changes
  /// nothing yet.
  func plan(_ request: WriteRequest, at now: Int64) -> Result<Plan, Refusal> {
    var plan = Plan()
    for operation in request.operations {
      let place = Place(home: request.home, collection: operation.collection)
      let key = RecordKey(operation.key)
      let slot = Slot(place: place, key: key)
      let old = plan.changed[slot] ?? entry(place, key)
      let there = old.flatMap { $0.isThere(at: now) ? $0 : nil }
      switch operation.condition {
      case nil: break
      case .absent: if there != nil { return .failure(Refusal(code: .versionMismatch)) }
      case .version(let version):
        guard let there, there.version == version else {
          return .failure(Refusal(code: .versionMismatch))
        }
      }
      plan.existed.append(there != nil)
      switch operation.change {
      case .delete: plan.changed[slot] = .some(nil)
      case .put(let value, let labels, let expiry):
        var expires: Int64?
        switch expiry.kind {
        case .byDefault, .never: break
        case .after(let duration): expires = now + max(1, duration.milliseconds)
        case .at(let date):
          guard date.milliseconds > now else {
            return .failure(Refusal(code: .invalidArgument))
          }
          expires = date.milliseconds
        }
        plan.changed[slot] = Entry(
          key: key, value: value, labels: labels, written: now, expires: expires)
      }
      plan.slots.append(slot)
    }
    return .success(plan)
  }

  struct Refusal: Error { let code: StorageError.Code }

  struct Slot: Hashable {
    let place: Place
    let key: RecordKey
  }

  struct Plan {
    fileprivate var changed: [Slot: Entry?] = [:]
    fileprivate var slots: [Slot] = []
    fileprivate(set) var existed: [Bool] = []
  }

  /// Does what was planned, with the versions that the shard drew.
  mutating func apply(_ plan: Plan, _ outcomes: [RecordOutcome]) {
    var versions: [Slot: RecordVersion] = [:]
    for (slot, outcome) in zip(plan.slots, outcomes) { versions[slot] = outcome.version }
    for (slot, entry) in plan.changed {
      var list = entries[slot.place] ?? []
      let index = Self.index(of: slot.key, in: list)
      let isKnown = index < list.count && list[index].key == slot.key
      if var entry {
        entry.version = versions[slot]
        if isKnown { list[index] = entry } else { list.insert(entry, at: index) }
      } else if isKnown {
        list.remove(at: index)
      }
      entries[slot.place] = list
    }
  }

  // MARK: Reading

  private func entry(_ place: Place, _ key: RecordKey) -> Entry? {
    guard let list = entries[place] else { return nil }
    let index = Self.index(of: key, in: list)
    return index < list.count && list[index].key == key ? list[index] : nil
  }

  /// The record if it has not expired.
  func record(_ place: Place, _ key: RecordKey, at now: Int64) -> Entry? {
    entry(place, key).flatMap { $0.isThere(at: now) ? $0 : nil }
  }

  /// A page, and whether there is more.
  func page(_ request: PageRequest, at now: Int64) -> (records: [Entry], hasMore: Bool) {
    let list = entries[Place(home: request.home, collection: request.collection)] ?? []
    var found = list.filter { entry in
      guard entry.isThere(at: now) else { return false }
      if let label = request.label, entry.labels[label.name] != label.value { return false }
      switch request.range {
      case .all: return true
      case .prefix(let prefix): return entry.key.bytes.starts(with: prefix.bytes)
      case .range(let from, let below):
        return from.map { !(entry.key < $0) } ?? true && below.map { entry.key < $0 } ?? true
      }
    }
    if request.order == .descending { found.reverse() }
    if let after = request.after?.key {
      found.removeAll { request.order == .ascending ? !(after < $0.key) : !($0.key < after) }
    }
    return (Array(found.prefix(request.limit)), found.count > request.limit)
  }

  /// The first place where a key is or would be.
  private static func index(of key: RecordKey, in list: [Entry]) -> Int {
    var low = 0
    var high = list.count
    while low < high {
      let middle = (low + high) / 2
      if list[middle].key < key { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension Duration {
  /// Whole milliseconds.
  var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1000 + attoseconds / 1_000_000_000_000_000
  }
}

extension StoredRecord {
  /// The same as the model has it.
  var entry: RecordModel.Entry {
    RecordModel.Entry(
      key: key, value: value, labels: labels, written: written.milliseconds,
      expires: expires?.milliseconds, version: version)
  }
}
