/// What a checker says of a history.
enum LinearizabilityVerdict: Sendable, CustomStringConvertible {
  case linearizable
  /// Operations of one key of which no order explains what the clients saw; leave one out, and there is one.
  case violated(key: String, reason: String, operations: [RecordedOperation])
  /// The search was given up.
  case undecided(key: String)

  var isLinearizable: Bool { if case .linearizable = self { true } else { false } }

  var description: String {
    switch self {
    case .linearizable: "linearizable"
    case .undecided(let key): "undecided for the key \(key)"
    case .violated(let key, let reason, let operations):
      "the key \(key): \(reason)\n" + operations.map { "  \($0)\n" }.joined()
    }
  }
}

/// Checks whether histories of records, each of which is absent at first, could be those of records that change at
/// one moment between the invocation and the response of each operation (Herlihy and Wing, TOPLAS 12, 1990).
/// The property is local: each key is checked by itself.
enum Linearizability {
  static func check(
    _ history: [RecordedOperation], configurationsMax: Int = 1_000_000
  ) -> LinearizabilityVerdict {
    let keys = Dictionary(grouping: history, by: \.key)
    for (key, operations) in keys.sorted(by: { $0.key < $1.key }) {
      let verdict = checkKey(
        key, operations.sorted { $0.invoked < $1.invoked }, configurationsMax: configurationsMax)
      guard verdict.isLinearizable else { return verdict }
    }
    return .linearizable
  }

  private static func checkKey(
    _ key: String, _ operations: [RecordedOperation], configurationsMax: Int
  ) -> LinearizabilityVerdict {
    let resolved: ResolvedHistory
    switch ResolvedHistory.resolve(operations) {
    case .success(let history): resolved = history
    case .failure(let contradiction):
      return .violated(
        key: key, reason: contradiction.reason, operations: contradiction.operations)
    }
    func outcome(
      _ steps: [RegisterStep], configurationsMax: Int
    ) -> RegisterSearch.Outcome {
      guard let problem = RegisterProblem(steps, stateCount: resolved.stateCount) else {
        return .noOrder
      }
      return RegisterSearch.run(problem, configurationsMax: configurationsMax)
    }
    switch outcome(resolved.steps, configurationsMax: configurationsMax) {
    case .order: return .linearizable
    case .undecided: return .undecided(key: key)
    case .noOrder: break
    }
    let places = smallest(resolved.steps) {
      // What is not decided soon is kept: the explanation is larger then, and no less true.
      outcome($0, configurationsMax: min(configurationsMax, 10_000)) == .noOrder
    }
    return .violated(
      key: key, reason: "no order of these explains what the clients saw",
      operations: places.map { resolved.operations[$0] })
  }

  // MARK: The explanation

  /// The places of few steps of which there is no order.
  ///
  /// Only what can make an order possible, never impossible, is done to the history: it is cut at a moment, reads are
  /// left out, and writes are let free to happen later or never. So what is left has no order on its own account.
  private static func smallest(
    _ steps: [RegisterStep], _ hasNoOrder: ([RegisterStep]) -> Bool
  ) -> [Int] {
    func weakened(_ places: Set<Int>) -> [RegisterStep] {
      steps.enumerated().map { place, step in
        var step = step
        // What changes nothing and need not be taken is as good as left out.
        if places.contains(place) { step.responded = nil }
        return step
      }
    }
    var kept = steps.indices.filter { steps[$0].responded != nil }
    kept.sort { steps[$0].responded ?? .max < steps[$1].responded ?? .max }
    // A prefix of a history that has an order has one: the shortest that has none.
    var (low, high) = (1, kept.count)
    while low < high {
      let middle = (low + high) / 2
      if hasNoOrder(weakened(Set(kept[middle...]))) { high = middle } else { low = middle + 1 }
    }
    var freed = Set(kept[low...])
    kept = Array(kept[..<low])
    var size = max(1, kept.count / 2)
    while true {
      var start = 0
      while start < kept.count {
        let end = min(start + size, kept.count)
        let tried = freed.union(kept[start..<end])
        if hasNoOrder(weakened(tried)) {
          freed = tried
          kept.removeSubrange(start..<end)
        } else {
          start = end
        }
      }
      guard size > 1 else { break }
      size /= 2
    }
    // With the writes whose values they saw, which may be among those let free.
    var shown = Set(kept)
    var found = kept
    while let place = found.popLast() {
      guard case .equal(let state) = steps[place].demand, state > RegisterProblem.anonymous,
        let writer = steps.firstIndex(where: { $0.becomes == state })
      else { continue }
      if shown.insert(writer).inserted { found.append(writer) }
    }
    return shown.sorted()
  }
}
