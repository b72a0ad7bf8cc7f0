import DomicileTesting

/// Histories of a record that does change at one moment in each operation: they have an order, and some are spoilt
/// so that they have none.
struct SimulatedRegister {
  private enum Event {
    case start(client: Int)
    case effect(client: Int, operation: Int)
    case lateEffect(operation: Int)
  }

  private var random: SeededRandom
  private var events: [(time: UInt64, event: Event)] = []
  private var record: (value: String, version: String)?
  private var lastSeen: [Int: String] = [:]
  private var incarnations: [Int]
  private(set) var history: [RecordedOperation] = []

  /// The history of so many clients. An operation takes at most twice the patience; of a hundred, `lostPercent` are
  /// never answered, half of which happen, some long after.
  static func history(
    seed: UInt64, clients: Int, operations: Int, lostPercent: Int = 10, patience: UInt64 = 20
  ) -> [RecordedOperation] {
    var register = Self(seed: seed, clients: clients)
    register.run(operations: operations, lostPercent: lostPercent, patience: patience)
    return register.history
  }

  private init(seed: UInt64, clients: Int) {
    random = SeededRandom(seed: seed)
    incarnations = Array(repeating: 0, count: clients)
  }

  private mutating func run(operations: Int, lostPercent: Int, patience: UInt64) {
    for client in incarnations.indices { events.append((random(patience), .start(client: client))) }
    while let place = events.indices.min(by: { events[$0].time < events[$1].time }) {
      let (time, event) = events.remove(at: place)
      switch event {
      case .start(let client):
        guard history.count < operations else { continue }
        history.append(
          RecordedOperation(
            "\(client).\(incarnations[client])", "k", call(of: client), time, nil, .unknown))
        let operation = history.count - 1
        if random(100) < lostPercent {
          incarnations[client] += 1
          if random(2) == 0 {
            events.append((time + random(10 * patience), .lateEffect(operation: operation)))
          }
          events.append((time + random(patience), .start(client: client)))
        } else {
          events.append((time + random(patience), .effect(client: client, operation: operation)))
        }
      case .lateEffect(let operation): _ = perform(operation)
      case .effect(let client, let operation):
        let result = perform(operation)
        switch result {
        case .found(_, let version), .written(let version): lastSeen[client] = version
        default: break
        }
        let old = history[operation]
        let end = time + random(patience)
        history[operation] = RecordedOperation(
          old.client, old.key, old.call, old.invoked, end, result)
        events.append((end + random(patience), .start(client: client)))
      }
    }
  }

  private mutating func random(_ bound: UInt64) -> UInt64 { .random(in: 0..<bound, using: &random) }

  private mutating func call(of client: Int) -> RecordedOperation.Call {
    let value = "v\(history.count)"
    switch random(100) {
    case 0..<40: return .get
    case 40..<60: return .put(value, if: nil)
    case 60..<78: return lastSeen[client].map { .put(value, if: .version($0)) } ?? .get
    case 78..<86: return .put(value, if: .absent)
    case 86..<95: return .delete(ifVersion: nil)
    default: return lastSeen[client].map { .delete(ifVersion: $0) } ?? .get
    }
  }

  private mutating func perform(_ operation: Int) -> RecordedOperation.Result {
    switch history[operation].call {
    case .get: return record.map { .found(value: $0.value, version: $0.version) } ?? .nothing
    case .put(let value, if: let condition):
      switch condition {
      case .absent where record != nil: return .mismatch
      case .version(let version) where record?.version != version: return .mismatch
      default: break
      }
      let version = "r\(operation)"
      record = (value, version)
      return .written(version: version)
    case .delete(ifVersion: let version):
      if let version, record?.version != version { return .mismatch }
      defer { record = nil }
      return .deleted(existed: record != nil)
    }
  }
}

extension [RecordedOperation] {
  /// The history changed so that it has no order any more; nil if there is no place for that: by a read of what
  /// was certainly overwritten before, or (`doubling`) by a second write on the condition of a version that
  /// another write has ended.
  func spoilt(doubling: Bool, using random: inout SeededRandom) -> [RecordedOperation]? {
    doubling ? doubled(&random) : staled(&random)
  }

  private func doubled(_ random: inout SeededRandom) -> [RecordedOperation]? {
    let writes = filter {
      guard case .put(_, if: .version) = $0.call, case .written = $0.result else { return false }
      return true
    }
    guard let write = writes.randomElement(using: &random),
      case .put(_, if: let condition) = write.call
    else { return nil }
    return self + [
      RecordedOperation(
        "other", write.key, .put("doubled", if: condition), write.invoked, write.responded,
        .written(version: "doubled"))
    ]
  }

  private func staled(_ random: inout SeededRandom) -> [RecordedOperation]? {
    let writes = compactMap { operation -> (value: String, version: String, place: Self.Element)? in
      guard case .put(let value, _) = operation.call, case .written(let version) = operation.result
      else { return nil }
      return (value, version, operation)
    }
    for place in indices.shuffled(using: &random) {
      let read = self[place]
      guard read.call == .get, let end = read.responded else { continue }
      let before = writes.filter { $0.place.responded ?? .max < read.invoked }
      guard let last = before.max(by: { $0.place.invoked < $1.place.invoked }),
        let old = before.filter({ $0.place.responded ?? .max < last.place.invoked })
          .randomElement(using: &random)
      else { continue }
      var spoilt = self
      spoilt[place] = RecordedOperation(
        read.client, read.key, .get, read.invoked, end,
        .found(value: old.value, version: old.version))
      return spoilt
    }
    return nil
  }
}
