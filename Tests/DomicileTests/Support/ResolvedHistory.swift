/// The operations of one key as steps of a register: values and versions are replaced by who wrote them.
struct ResolvedHistory {
  /// What no order can explain, seen without looking for one.
  struct Contradiction: Error {
    let reason: String
    let operations: [RecordedOperation]
  }

  /// Those that tell something, in the order of ``steps``.
  private(set) var operations: [RecordedOperation] = []
  private(set) var steps: [RegisterStep] = []
  let stateCount: Int

  private let all: [RecordedOperation]
  private var writers: [String: Int] = [:]
  private var versions: [String: Int] = [:]
  private var versionOf: [Int: (version: String, told: Int)] = [:]

  static func resolve(_ operations: [RecordedOperation]) -> Result<Self, Contradiction> {
    Result { () throws(Contradiction) in try Self(operations) }
  }

  private init(_ all: [RecordedOperation]) throws(Contradiction) {
    self.all = all
    stateCount = all.count + 2
    for (place, operation) in all.enumerated() {
      guard case .put(let value, _) = operation.call else { continue }
      precondition(
        writers.updateValue(place, forKey: value) == nil, "the value \(value) was put twice")
    }
    for (place, operation) in all.enumerated() {
      switch operation.result {
      case .written(let version): try note(version, of: place, toldTo: place)
      case .found(let value, let version):
        guard let writer = writers[value] else {
          throw Contradiction(reason: "a value that nobody put", operations: [operation])
        }
        try note(version, of: writer, toldTo: place)
      case .nothing, .deleted, .mismatch, .refused, .unknown: break
      }
    }
    for (place, operation) in all.enumerated() {
      guard let step = try step(operation, state: place + 2) else { continue }
      operations.append(operation)
      steps.append(step)
    }
  }

  private mutating func note(
    _ version: String, of writer: Int, toldTo place: Int
  ) throws(Contradiction) {
    if let known = versions[version], known != writer {
      throw Contradiction(
        reason: "one version of two values", operations: [all[known], all[writer], all[place]])
    }
    if let known = versionOf[writer], known.version != version {
      throw Contradiction(
        reason: "two versions of one value",
        operations: Set([writer, known.told, place]).sorted().map { all[$0] })
    }
    versions[version] = writer
    versionOf[writer] = (version, place)
  }

  /// The state that a version stands for. Nil: of a write that nobody was told of, which is none that the condition
  /// can have meant.
  private func state(_ version: String) -> Int? { versions[version].map { $0 + 2 } }

  /// Nil for what tells nothing.
  private func step(
    _ operation: RecordedOperation, state: Int
  ) throws(Contradiction) -> RegisterStep? {
    let absent = RegisterProblem.absent
    func step(_ demand: RegisterStep.Demand, _ becomes: Int?) -> RegisterStep {
      RegisterStep(
        demand: demand, becomes: becomes, invoked: operation.invoked,
        responded: operation.result == .unknown ? nil : operation.responded)
    }
    func contradiction(_ reason: String) -> Contradiction {
      Contradiction(reason: reason, operations: [operation])
    }
    let demand: RegisterStep.Demand?
    let becomes: Int
    switch operation.call {
    case .get:
      switch operation.result {
      case .found(let value, _): return writers[value].map { step(.equal($0 + 2), nil) }
      case .nothing: return step(.equal(absent), nil)
      case .refused, .unknown: return nil
      default: throw contradiction("not an answer to a get")
      }
    case .put(_, if: let condition):
      becomes = state
      switch condition {
      case nil: demand = .any
      case .absent: demand = .equal(absent)
      case .version(let version): demand = self.state(version).map { .equal($0) }
      }
    case .delete(ifVersion: let version):
      becomes = absent
      demand = version.map { self.state($0).map { .equal($0) } } ?? .any
    }
    switch (operation.result, operation.call) {
    case (.refused, _): return nil
    case (.unknown, _): return demand.map { step($0, becomes) }
    case (.mismatch, _):
      // No condition, no mismatch; a version of nothing that was ever there never matches.
      if demand == .any { throw contradiction("a mismatch without a condition") }
      guard case .equal(let wanted) = demand else { return nil }
      return step(.other(than: wanted), nil)
    case (.written, .put):
      guard let demand else { throw contradiction("a condition held that cannot hold") }
      return step(demand, becomes)
    case (.deleted(existed: true), .delete):
      guard let demand else { throw contradiction("a condition held that cannot hold") }
      return step(demand == .any ? .other(than: absent) : demand, becomes)
    case (.deleted(existed: false), .delete(ifVersion: nil)): return step(.equal(absent), nil)
    default: throw contradiction("not an answer to this call")
    }
  }
}
