import DomicileStorage
import DomicileTesting
import Foundation

/// Draws record operations from a seed: few keys, so that they meet, and all the shapes that bytes can have.
struct RecordScript {
  enum Step {
    case write(WriteRequest)
    /// Single operations on different keys, to be asked for at the same time.
    case writeTogether([WriteRequest])
    case read(HomeReference, collection: String, keys: [RecordKey])
    case page(PageRequest)
    /// All pages, from the first to the last.
    case walk(PageRequest)
    case advance(Duration)
    case reopen
  }

  private var random: SeededRandom
  private let homes: [HomeReference]
  private let collections = ["inbox", "threads"]
  private let keys: [RecordKey]
  private let labelNames = ["kind", "thread", "a \"quoted\\ name\"\n", "名前", "\u{1}/"]
  private let labelValues = ["", "7", "a", "A", "it's \"so\"\t", "\u{1F600}", "b\\u0062"]

  init(seed: UInt64, homes: [HomeReference]) {
    var random = SeededRandom(seed: seed)
    self.homes = homes
    let letters: [UInt8] = [0x00, 0x01, 0x61, 0x62, 0x7F, 0xFE, 0xFF]
    var keys = (0..<40).map { _ in
      RecordKey((0..<Int.random(in: 1...4, using: &random)).map { _ in letters.pick(&random) })
    }
    keys += (1...4).map { RecordKey([UInt8](repeating: 0xFF, count: $0)) }
    keys += (1...3).map { RecordKey([UInt8](repeating: 0x00, count: $0)) }
    for last: UInt8 in [0x00, 0x61, 0xFF] {
      keys.append(RecordKey([UInt8](repeating: 0xFF, count: 1_023) + [last]))
      keys.append(RecordKey([UInt8](repeating: 0x61, count: 1_023) + [last]))
    }
    keys += (0..<8).map { _ in
      RecordKey(
        (0..<Int.random(in: 5...60, using: &random)).map { _ in
          UInt8.random(in: .min ... .max, using: &random)
        })
    }
    self.keys = Array(Set(keys)).sorted()
    self.random = random
  }

  mutating func next(_ model: RecordModel, now: Int64) -> Step {
    switch Int.random(in: 0..<1_000, using: &random) {
    case 0..<420: return .write(request([operation(model, now: now)]))
    case 420..<500:
      let home = homes.pick(&random)
      let operations = (0..<Int.random(in: 0...6, using: &random)).map { _ in
        operation(model, now: now, home: home).operation
      }
      return .write(WriteRequest(home: home, law: .first, operations: operations))
    case 500..<530:
      var requests: [WriteRequest] = []
      var taken: Set<RecordModel.Slot> = []
      for _ in 0..<8 {
        let drawn = operation(model, now: now)
        let place = RecordModel.Place(home: drawn.home, collection: drawn.operation.collection)
        let slot = RecordModel.Slot(place: place, key: RecordKey(drawn.operation.key))
        if taken.insert(slot).inserted { requests.append(request([drawn])) }
      }
      return .writeTogether(requests)
    case 530..<700: return read(count: 1)
    case 700..<770: return read(count: Int.random(in: 0...6, using: &random))
    case 770..<930: return .page(page(after: true))
    case 930..<970: return .walk(page(after: false))
    case 970..<998: return .advance(pause())
    default: return .reopen
    }
  }

  private func request(_ drawn: [(home: HomeReference, operation: RecordOperation)]) -> WriteRequest
  {
    WriteRequest(home: drawn[0].home, law: .first, operations: drawn.map(\.operation))
  }

  // MARK: Writes

  private mutating func operation(
    _ model: RecordModel, now: Int64, home: HomeReference? = nil
  ) -> (home: HomeReference, operation: RecordOperation) {
    let home = home ?? homes.pick(&random)
    let collection = collections.pick(&random)
    let key = keys.pick(&random)
    let place = RecordModel.Place(home: home, collection: collection)
    let condition: RecordCondition?
    switch Int.random(in: 0..<10, using: &random) {
    case 0: condition = .absent
    case 1...2:
      let version = model.record(place, key, at: now)?.version
      condition = .version(version ?? RecordVersion(number: Int64(random.next() >> 8)))
    case 3: condition = .version(RecordVersion(number: 1))
    default: condition = nil
    }
    let change: RecordOperation.Change =
      Int.random(in: 0..<5, using: &random) == 0
      ? .delete : .put(value: value(), labels: labels(), expiry: expiry(now: now))
    do {
      return (
        home, try RecordOperation(change, collection: collection, key: key, condition: condition)
      )
    } catch {
      preconditionFailure("the script drew what no shard takes: \(error)")
    }
  }

  private mutating func value() -> [UInt8] {
    let count =
      switch Int.random(in: 0..<2_000, using: &random) {
      case 0: RecordLimits.valueBytesMax
      case 1..<200: 0
      case 200..<1_700: Int.random(in: 1...200, using: &random)
      case 1_700..<1_960: Int.random(in: 200...4_200, using: &random)
      default: Int.random(in: 4_200...20_000, using: &random)
      }
    var bytes = [UInt8](repeating: UInt8.random(in: .min ... .max, using: &random), count: count)
    for _ in 0..<min(count, 4) {
      bytes[Int.random(in: 0..<count, using: &random)] = UInt8.random(
        in: .min ... .max, using: &random)
    }
    return bytes
  }

  private mutating func labels() -> [String: String] {
    guard Bool.random(using: &random) else { return [:] }
    var labels: [String: String] = [:]
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      labels[labelNames.pick(&random)] = labelValues.pick(&random)
    }
    return labels
  }

  private mutating func expiry(now: Int64) -> RecordExpiry {
    switch Int.random(in: 0..<20, using: &random) {
    case 0...2: .after(pause() + .milliseconds(1))
    case 3: .after(.nanoseconds(1))
    case 4...6: .at(Date(milliseconds: now + pause().milliseconds + 1))
    case 7: .at(Date(milliseconds: now - Int64.random(in: 0...2, using: &random)))
    default: .never
    }
  }

  private mutating func pause() -> Duration {
    Bool.random(using: &random)
      ? .milliseconds(Int.random(in: 0...3, using: &random))
      : .seconds(Int.random(in: 1...7_200, using: &random))
  }

  // MARK: Reads

  private mutating func read(count: Int) -> Step {
    .read(
      homes.pick(&random), collection: collections.pick(&random),
      keys: (0..<count).map { _ in keys.pick(&random) })
  }

  private mutating func page(after: Bool) -> PageRequest {
    let range: KeyRange
    switch Int.random(in: 0..<6, using: &random) {
    case 0: range = .all
    case 1: range = .prefix(RecordKey([]))
    case 2: range = .prefix(RecordKey(keys.pick(&random).bytes.prefix(2)))
    case 3: range = .prefix(keys.pick(&random))
    default: range = .range(from: end(), below: end())
    }
    var request = PageRequest(
      home: homes.pick(&random), collection: collections.pick(&random), range: range,
      order: Bool.random(using: &random) ? .ascending : .descending,
      limit: after ? Int.random(in: 1...20, using: &random) : [7, 50, 1_000].pick(&random))
    if Int.random(in: 0..<5, using: &random) < 2 {
      request.label = (labelNames.pick(&random), labelValues.pick(&random))
    }
    if after, Bool.random(using: &random) {
      request.after = RecordCursor(after: keys.pick(&random))
    }
    return request
  }

  private mutating func end() -> RecordKey? {
    switch Int.random(in: 0..<5, using: &random) {
    case 0: nil
    case 1: RecordKey([])
    case 2: RecordKey(keys.pick(&random).bytes + [0])
    default: keys.pick(&random)
    }
  }
}

extension Array {
  /// One of the elements, of which there must be some.
  func pick(_ random: inout SeededRandom) -> Element {
    self[Int.random(in: 0..<count, using: &random)]
  }
}
