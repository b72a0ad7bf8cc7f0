import DomicileTesting
import Testing

/// The checker by which the histories of several processes are judged: it accepts what has an order, and nothing else.
@Suite struct LinearizabilityCheckerTests {
  typealias Operation = RecordedOperation

  struct Example: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let history: [Operation]

    init(_ name: String, _ history: Operation...) {
      testDescription = name
      self.history = history
    }
  }

  /// The version of a value is `r` and the value.
  private static func put(
    _ client: String, _ value: String, _ invoked: UInt64, _ responded: UInt64?,
    if condition: Operation.Condition? = nil, holds: Bool = true
  ) -> Operation {
    Operation(
      client, "k", .put(value, if: condition), invoked, responded,
      holds ? .written(version: "r\(value)") : .mismatch)
  }

  /// Nil for nothing.
  private static func get(
    _ client: String, _ value: String?, _ invoked: UInt64, _ responded: UInt64
  ) -> Operation {
    Operation(
      client, "k", .get, invoked, responded,
      value.map { .found(value: $0, version: "r\($0)") } ?? .nothing)
  }

  private static func delete(
    _ client: String, _ existed: Bool, _ invoked: UInt64, _ responded: UInt64?
  ) -> Operation {
    Operation(
      client, "k", .delete(ifVersion: nil), invoked, responded, .deleted(existed: existed))
  }

  private static func delete(
    _ client: String, version: String, _ invoked: UInt64, _ responded: UInt64?, holds: Bool = true
  ) -> Operation {
    Operation(
      client, "k", .delete(ifVersion: version), invoked, responded,
      holds ? .deleted(existed: true) : .mismatch)
  }

  // MARK: Known histories

  static let good: [Example] = [
    Example("nothing happened"),
    Example("nothing was there", get("a", nil, 0, 1), delete("a", false, 2, 3)),
    Example("one after the other", put("a", "x", 0, 1), put("a", "y", 2, 3), get("b", "y", 4, 5)),
    Example(
      "a read beside a write sees the old or the new",
      put("a", "x", 0, 1), put("a", "y", 2, 9), get("b", "x", 3, 4), get("c", "y", 5, 6)),
    Example(
      "writes at once end in either order",
      put("a", "x", 0, 9), put("b", "y", 0, 9), get("c", "y", 2, 3), get("c", "x", 4, 5)),
    Example(
      "one of two conditions holds",
      put("a", "x", 0, 1), put("a", "y", 2, 9, if: .version("rx")),
      put("b", "z", 2, 9, if: .version("rx"), holds: false), get("c", "y", 10, 11)),
    Example(
      "a put if absent after a deletion",
      put("a", "x", 0, 1), delete("b", true, 2, 8), put("c", "y", 3, 9, if: .absent),
      get("d", "y", 10, 11)),
    Example(
      "a lost write that happens long after",
      put("a", "x", 0, nil), get("b", nil, 1, 2), put("b", "y", 3, 4), get("b", "y", 5, 6),
      get("b", "x", 7, 8)),
    Example("a lost write that never happens", put("a", "x", 0, nil), get("b", nil, 5, 6)),
    Example(
      "a lost write that nobody read, but a condition met",
      put("a", "x", 0, 1), put("b", "y", 2, nil),
      put("c", "z", 3, 4, if: .version("rx"), holds: false)),
    Example(
      "a lost write that a deletion met", put("a", "x", 0, nil), delete("b", true, 5, 6),
      get("b", nil, 7, 8)),
    Example(
      "a lost deletion between two reads",
      put("a", "x", 0, 1), delete("b", true, 2, nil), get("c", "x", 3, 4), get("c", nil, 5, 6)),
    Example(
      "a lost write with a condition, and one on condition of it",
      put("a", "x", 0, 1), put("b", "y", 2, nil, if: .version("rx")), get("c", "y", 3, 4),
      put("c", "z", 5, 6, if: .version("ry")), get("a", "z", 7, 8)),
    Example(
      "a lost deletion of a version lets a put if absent succeed",
      put("a", "x", 0, 1), delete("b", version: "rx", 2, nil), put("c", "y", 3, 4, if: .absent)),
    Example(
      "an answer that came late to an early write",
      put("a", "x", 0, 20), get("b", "x", 1, 2), put("b", "y", 3, 4), get("b", "y", 5, 6)),
    Example("at the same moment is at once", put("a", "x", 0, 5), get("b", nil, 5, 6)),
  ]

  static let bad: [Example] = [
    Example("a stale read", put("a", "x", 0, 1), put("a", "y", 2, 3), get("b", "x", 4, 5)),
    Example("a read of what nobody put", put("a", "x", 0, 1), get("b", "z", 2, 3)),
    Example("a read before the write", get("b", "x", 0, 1), put("a", "x", 2, 3)),
    Example("an acknowledged write lost", put("a", "x", 0, 1), get("b", nil, 2, 3)),
    Example(
      "a lost update",
      put("a", "x", 0, 1), put("b", "y", 2, 3, if: .version("rx")),
      put("c", "z", 4, 5, if: .version("rx"))),
    Example(
      "two conditions at once both hold",
      put("a", "x", 0, 1), put("b", "y", 2, 9, if: .version("rx")),
      put("c", "z", 2, 9, if: .version("rx"))),
    Example(
      "two puts if absent both succeed", put("a", "x", 0, 9, if: .absent),
      put("b", "y", 0, 9, if: .absent)),
    Example(
      "two clients see two writes in two orders",
      put("a", "x", 0, 20), put("b", "y", 0, 20), get("c", "x", 1, 4), get("c", "y", 5, 8),
      get("d", "y", 1, 4), get("d", "x", 5, 8)),
    Example(
      "one client sees the new, and another the old after it",
      put("a", "x", 0, 1), put("a", "y", 2, 20), get("b", "y", 3, 4), get("c", "x", 5, 6)),
    Example(
      "deleted and there again", put("a", "x", 0, 1), delete("a", true, 2, 3),
      get("b", "x", 4, 5)),
    Example("deleted twice", put("a", "x", 0, 1), delete("a", true, 2, 9), delete("b", true, 2, 9)),
    Example(
      "a deletion that found nothing where something was", put("a", "x", 0, 1),
      delete("b", false, 2, 3), get("c", "x", 4, 5)),
    Example(
      "a lost write seen, and then gone",
      put("a", "x", 0, 1), put("b", "y", 2, nil), get("c", "y", 3, 4), get("c", "x", 5, 6)),
    Example(
      "a lost write that happens twice",
      put("a", "x", 0, nil), get("b", "x", 1, 2), put("b", "y", 3, 4), get("b", "y", 5, 6),
      get("b", "x", 7, 8)),
    Example(
      "a lost write that happens before it is begun", get("b", "x", 0, 1), put("a", "x", 2, nil)),
    Example(
      "a mismatch where the version was there all the time",
      put("a", "x", 0, 1), put("b", "y", 2, 3, if: .version("rx"), holds: false),
      get("c", "x", 4, 5)),
    Example(
      "a refused put if absent where nothing was", delete("a", false, 0, 1),
      put("b", "x", 2, 3, if: .absent, holds: false)),
    Example(
      "a deletion of a version that was overwritten", put("a", "x", 0, 1), put("a", "y", 2, 3),
      delete("b", version: "rx", 4, 5)),
    Example(
      "a condition on a version that nobody was told",
      put("a", "x", 0, 1), put("b", "y", 2, 3, if: .version("rz"))),
    Example(
      "two versions of one write", put("a", "x", 0, 1),
      Operation("b", "k", .get, 2, 3, .found(value: "x", version: "other"))),
    Example(
      "one lost write cannot serve two deletions",
      put("a", "x", 0, nil), delete("b", true, 1, 2), delete("b", true, 3, 4)),
  ]

  @Test(arguments: good)
  func `a history with an order is accepted`(_ example: Example) {
    let verdict = Linearizability.check(example.history)
    #expect(verdict.isLinearizable, "\(verdict)")
    #expect(BruteForceRegister.hasOrder(example.history))
  }

  @Test(arguments: bad)
  func `a history without an order is rejected`(_ example: Example) {
    guard case .violated("k", _, let operations) = Linearizability.check(example.history) else {
      Issue.record("it was accepted")
      return
    }
    #expect(!operations.isEmpty)
    #expect(Set(operations).isSubset(of: example.history))
    #expect(!BruteForceRegister.hasOrder(example.history))
  }

  @Test func `each key is judged by itself, and what is named is of the key and small`() {
    var history = SimulatedRegister.history(seed: 1, clients: 8, operations: 200)
    let stale = [
      Self.put("a", "x", 0, 1), Self.put("a", "y", 2, 3), Self.get("b", "x", 4, 5),
    ]
    history += stale.map {
      Operation($0.client, "other", $0.call, $0.invoked, $0.responded, $0.result)
    }
    guard case .violated("other", _, let operations) = Linearizability.check(history) else {
      Issue.record("it was accepted")
      return
    }
    #expect(operations.count == 3)
  }

  // MARK: Random histories

  @Test(arguments: 0..<200 as Range<UInt64>)
  func `what a register did is accepted, and not with one answer changed`(_ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let history = SimulatedRegister.history(
      seed: seed, clients: Int(2 + seed % 31), operations: 200, lostPercent: Int(seed % 4) * 5)
    let verdict = Linearizability.check(history)
    #expect(verdict.isLinearizable, "\(verdict)")
    for doubling in [false, true] {
      guard let spoilt = history.spoilt(doubling: doubling, using: &random) else { continue }
      guard case .violated(_, _, let operations) = Linearizability.check(spoilt) else {
        Issue.record("accepted, doubling: \(doubling)")
        continue
      }
      #expect(operations.count <= 10)
    }
  }

  @Test func `most histories can be spoilt, so that the test above is one`() {
    var spoilt = 0
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      let history = SimulatedRegister.history(seed: seed, clients: 8, operations: 200)
      for doubling in [false, true] {
        spoilt += history.spoilt(doubling: doubling, using: &random) == nil ? 0 : 1
      }
    }
    #expect(spoilt > 300)
  }

  @Test(arguments: [0, 5])
  func `ten thousand operations of 64 clients on one key are decided`(_ lostPercent: Int) {
    let history = SimulatedRegister.history(
      seed: 5, clients: 64, operations: 10_000, lostPercent: lostPercent)
    let verdict = Linearizability.check(history)
    #expect(verdict.isLinearizable, "\(verdict)")
    var random = SeededRandom(seed: 5)
    if let spoilt = history.spoilt(doubling: false, using: &random) {
      #expect(!Linearizability.check(spoilt).isLinearizable)
    }
  }

  @Test func `small histories have the verdict of trying all orders`() {
    var counts = [true: 0, false: 0]
    for seed in 0..<4_000 as Range<UInt64> {
      let history = Self.random(seed: seed)
      let expected = BruteForceRegister.hasOrder(history)
      let verdict = Linearizability.check(history)
      counts[expected, default: 0] += 1
      let isUndecided = if case .undecided = verdict { true } else { false }
      #expect(verdict.isLinearizable == expected && !isUndecided, "seed \(seed): \(history)")
      if case .violated(_, _, let operations) = verdict {
        // What is named is reason enough by itself, but for versions: who told them may be left out.
        #expect(!operations.isEmpty && Set(operations).isSubset(of: history), "seed \(seed)")
      }
    }
    #expect(counts.values.allSatisfy { $0 > 800 }, "\(counts)")
  }

  /// Up to six operations, of clients who saw anything at all.
  private static func random(seed: UInt64) -> [Operation] {
    var random = SeededRandom(seed: seed)
    func below(_ bound: UInt64) -> UInt64 { .random(in: 0..<bound, using: &random) }
    // Few values, so that what is read was mostly put.
    let names = ["x", "y", "z"].prefix(Int(1 + below(3)))
    var unused = Array(names)
    return (0..<Int(1 + below(6))).map { number in
      let invoked = below(14)
      let isLost = below(5) == 0
      let name = names.randomElement(using: &random) ?? "x"
      let version = below(12) == 0 ? "never" : "r\(name)"
      let holds = below(3) != 0
      let call: Operation.Call
      let result: Operation.Result
      switch below(8) {
      case 0..<3:
        call = .get
        result = below(3) == 0 ? .nothing : .found(value: name, version: "r\(name)")
      case 3..<6 where !unused.isEmpty:
        let value = unused.removeFirst()
        let condition: Operation.Condition? =
          switch below(4) {
          case 0: .absent
          case 1: .version(version)
          default: nil
          }
        call = .put(value, if: condition)
        result = holds || condition == nil ? .written(version: "r\(value)") : .mismatch
      case 6:
        call = .delete(ifVersion: version)
        result = holds ? .deleted(existed: true) : .mismatch
      default:
        call = .delete(ifVersion: nil)
        result = .deleted(existed: holds)
      }
      return Operation("\(number)", "k", call, invoked, isLost ? nil : invoked + below(8), result)
    }
  }
}
