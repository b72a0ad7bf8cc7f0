/// Tries every order of a small history of one key: the plainest meaning of the words, to hold the checker to.
struct BruteForceRegister {
  private struct Record {
    let value: String
    let version: String?
  }

  private let operations: [RecordedOperation]
  /// The versions that clients were told, by value.
  private var versions: [String: String] = [:]

  static func hasOrder(_ operations: [RecordedOperation]) -> Bool {
    let register = Self(operations)
    return register.canFinish(Array(operations.indices), nil)
  }

  private init(_ operations: [RecordedOperation]) {
    self.operations = operations
    for operation in operations {
      switch (operation.call, operation.result) {
      case (.put(let value, _), .written(let version)): versions[value] = version
      case (_, .found(let value, let version)):
        if versions[value] == nil { versions[value] = version }
      default: break
      }
    }
  }

  private func canFinish(_ left: [Int], _ record: Record?) -> Bool {
    if left.allSatisfy({ operations[$0].result == .unknown }) { return true }
    return left.contains { place in
      let operation = operations[place]
      let comesTooEarly = left.contains { other in
        guard operations[other].result != .unknown, let end = operations[other].responded else {
          return false
        }
        return end < operation.invoked
      }
      guard !comesTooEarly else { return false }
      let (result, after) = perform(operation, on: record)
      switch operation.result {
      case .unknown: break
      case .refused: return canFinish(left.filter { $0 != place }, record)
      default: guard operation.result == result else { return false }
      }
      return canFinish(left.filter { $0 != place }, after)
    }
  }

  private func perform(
    _ operation: RecordedOperation, on record: Record?
  ) -> (RecordedOperation.Result, Record?) {
    switch operation.call {
    case .get:
      guard let record else { return (.nothing, nil) }
      return (.found(value: record.value, version: record.version ?? "?"), record)
    case .put(let value, if: let condition):
      switch condition {
      case .absent where record != nil: return (.mismatch, record)
      case .version(let version) where record?.version != version: return (.mismatch, record)
      default:
        return (
          .written(version: versions[value] ?? "?"), Record(value: value, version: versions[value])
        )
      }
    case .delete(ifVersion: let version):
      if let version, record?.version != version { return (.mismatch, record) }
      return (.deleted(existed: record != nil), nil)
    }
  }
}
