/// Looks for an order of a register's steps in which each does what it says and comes between its invocation and
/// its response: the search of Wing and Gong (JPDC 17, 1993), with Lowe's memory of where it has been
/// (Concurrency and Computation 29, 2017).
///
/// Four things keep it short without leaving out an order:
/// - What changes nothing and is allowed now is taken at once.
/// - A state is not left before all have come who ask for it.
/// - Of steps that do the same, the one whose end is nearest is taken.
/// - A step that may be taken is taken only when it allows one that must be.
struct RegisterSearch {
  enum Outcome: Equatable {
    case order
    case noOrder
    /// Not found in as many configurations as were allowed.
    case undecided
  }

  /// Where the search has been. Instead of the set of steps taken, 128 random bits that stand for it: that two
  /// sets share them does not happen.
  private struct Visited: Hashable {
    let low: UInt64
    let high: UInt64
    let state: Int
    let used: Used
  }

  /// How many of the steps that may be taken have been.
  private struct Used: Hashable {
    var puts = 0
    var putsIfAbsent = 0
    var deletes = 0
  }

  private struct Frame {
    let state: Int
    let used: Used
    let taken: Int
    var moves: [Int]
  }

  /// Moves are numbers of steps, or one of these: a step that may be taken.
  private static let toAnonymous = -1
  private static let toAbsent = -2

  private let problem: RegisterProblem
  private let steps: [RegisterStep]
  private let bits: [(low: UInt64, high: UInt64)]
  /// Of each state: when the last invocation is that asks for it, and whether one that asks for it ends it.
  private var lastInvoked: [UInt64]
  private var hasConsumer: [Bool]

  // The configuration. Events are two for each step, invocation 2i and response 2i + 1, in a ring through `head`
  // that holds those of the steps not taken.
  private var next: [Int]
  private var previous: [Int]
  private let head: Int
  private var state = RegisterProblem.absent
  private var used = Used()
  private var taken: [Int] = []
  private var low: UInt64 = 0
  private var high: UInt64 = 0
  /// Of each state: how many steps not taken ask for it, and how many for another.
  private var asking: [Int]
  private var avoiding: [Int]

  private init(_ problem: RegisterProblem) {
    self.problem = problem
    steps = problem.steps
    let count = steps.count
    head = 2 * count
    var mixed: UInt64 = 0
    func random() -> UInt64 {
      mixed &+= 0x9E37_79B9_7F4A_7C15
      var bits = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
      return bits ^ (bits >> 31)
    }
    bits = steps.map { _ in (random(), random()) }
    lastInvoked = Array(repeating: 0, count: problem.stateCount)
    hasConsumer = Array(repeating: false, count: problem.stateCount)
    asking = Array(repeating: 0, count: problem.stateCount)
    avoiding = asking
    for step in steps {
      switch step.demand {
      case .any: break
      case .other(let state): avoiding[state] += 1
      case .equal(let state):
        asking[state] += 1
        lastInvoked[state] = max(lastInvoked[state], step.invoked)
        if step.becomes != nil { hasConsumer[state] = true }
      }
    }
    // At the same time invocations come first: such steps overlap.
    let keys = steps.flatMap { [$0.invoked, $0.responded ?? .max] }
    let order = (0..<head).sorted { (keys[$0], $0 % 2, $0) < (keys[$1], $1 % 2, $1) }
    next = Array(repeating: 0, count: head + 1)
    previous = next
    var last = head
    for event in order {
      next[last] = event
      previous[event] = last
      last = event
    }
    next[last] = head
    previous[head] = last
  }

  static func run(_ problem: RegisterProblem, configurationsMax: Int) -> Outcome {
    var search = RegisterSearch(problem)
    return search.run(configurationsMax)
  }

  private mutating func run(_ configurationsMax: Int) -> Outcome {
    takeWhatChangesNothing()
    var visited: Set<Visited> = []
    var frames = [Frame(state: state, used: used, taken: taken.count, moves: moves())]
    while next[head] != head {
      guard let move = frames[frames.count - 1].moves.popLast() else {
        frames.removeLast()
        guard let frame = frames.last else { return .noOrder }
        goBack(to: frame)
        continue
      }
      make(move)
      takeWhatChangesNothing()
      if next[head] == head { return .order }
      let here = Visited(
        low: low, high: high, state: isSpent(state) ? RegisterProblem.anonymous : state, used: used)
      guard visited.insert(here).inserted else {
        goBack(to: frames[frames.count - 1])
        continue
      }
      guard visited.count <= configurationsMax else { return .undecided }
      frames.append(Frame(state: state, used: used, taken: taken.count, moves: moves()))
    }
    return .order
  }

  // MARK: Moves

  /// When the first of the steps not taken is answered: what is invoked until then can be taken now.
  private var firstResponse: UInt64 {
    var event = next[head]
    while event % 2 == 0 && event != head { event = next[event] }
    return event == head ? .max : steps[event / 2].responded ?? .max
  }

  private func isAllowed(_ step: RegisterStep, in state: Int) -> Bool {
    switch step.demand {
    case .any: true
    case .equal(let wanted): state == wanted
    case .other(let unwanted): state != unwanted
    }
  }

  private func hasAllAsked(for state: Int, but step: RegisterStep? = nil) -> Bool {
    guard state > RegisterProblem.anonymous else { return true }
    return asking[state] == (step?.demand == .equal(state) ? 1 : 0)
  }

  /// Whether nothing that is left tells this state from a value that nobody asks for.
  private func isSpent(_ state: Int) -> Bool {
    state > RegisterProblem.anonymous && asking[state] == 0 && avoiding[state] == 0
      && problem.deleteOver[state] == nil
  }

  /// Whether nothing will, once those have been taken who ask for it, which can be at once.
  private func isSoonSpent(_ state: Int, by end: UInt64) -> Bool {
    state > RegisterProblem.anonymous && avoiding[state] == 0 && !hasConsumer[state]
      && lastInvoked[state] <= end && problem.deleteOver[state] == nil
  }

  /// What could come next, the best last.
  private func moves() -> [Int] {
    let end = firstResponse
    var best: [Int] = []
    // Of those that do the same: blind puts, puts if absent, and deletions.
    var nearest: [Int?] = [nil, nil, nil]
    var (wantsOther, wantsAbsent) = (false, false)
    var event = next[head]
    while event % 2 == 0 && event != head {
      let number = event / 2
      event = next[event]
      let step = steps[number]
      guard isAllowed(step, in: state) else {
        if case .other = step.demand {
          wantsOther = true
          if state != RegisterProblem.absent { wantsAbsent = true }
        } else if step.demand == .equal(RegisterProblem.absent) {
          wantsAbsent = true
        }
        continue
      }
      guard let becomes = step.becomes, hasAllAsked(for: state, but: step) else { continue }
      let kind: Int? =
        switch step.demand {
        case .any: isSoonSpent(becomes, by: end) ? 0 : nil
        case .equal(RegisterProblem.absent): isSoonSpent(becomes, by: end) ? 1 : nil
        case .other: becomes == RegisterProblem.absent ? 2 : nil
        case .equal: nil
        }
      if let kind {
        if let other = nearest[kind], responded(other) <= responded(number) { continue }
        nearest[kind] = number
      } else {
        best.append(number)
      }
    }
    best += nearest.compactMap(\.self)
    best.sort { responded($0) > responded($1) }
    guard hasAllAsked(for: state) else { return best }
    var last: [Int] = []
    if wantsAbsent, canBecomeAbsent(by: end) { last.append(Self.toAbsent) }
    if wantsOther, canBecomeAnonymous(by: end) { last.append(Self.toAnonymous) }
    return last + best
  }

  private func responded(_ number: Int) -> UInt64 { steps[number].responded ?? .max }

  private func canBecomeAnonymous(by end: UInt64) -> Bool {
    if let time = problem.putOver[state], time <= end { return true }
    if state == RegisterProblem.absent, has(problem.putsIfAbsent, used.putsIfAbsent, end) {
      return true
    }
    return has(problem.puts, used.puts, end)
  }

  private func canBecomeAbsent(by end: UInt64) -> Bool {
    guard state != RegisterProblem.absent else { return false }
    if let time = problem.deleteOver[state], time <= end { return true }
    return has(problem.deletes, used.deletes, end)
  }

  private func has(_ times: [UInt64], _ used: Int, _ end: UInt64) -> Bool {
    used < times.count && times[used] <= end
  }

  private mutating func make(_ move: Int) {
    let end = firstResponse
    switch move {
    case Self.toAnonymous:
      // The one that is of least use elsewhere.
      if let time = problem.putOver[state], time <= end {
      } else if state == RegisterProblem.absent, has(problem.putsIfAbsent, used.putsIfAbsent, end) {
        used.putsIfAbsent += 1
      } else {
        used.puts += 1
      }
      state = RegisterProblem.anonymous
    case Self.toAbsent:
      if let time = problem.deleteOver[state], time <= end {
      } else {
        used.deletes += 1
      }
      state = RegisterProblem.absent
    default:
      take(move)
      state = steps[move].becomes ?? state
    }
  }

  private mutating func takeWhatChangesNothing() {
    var event = next[head]
    while event % 2 == 0 && event != head {
      let step = steps[event / 2]
      let number = event / 2
      let follower = next[event] == event + 1 ? next[event + 1] : next[event]
      if step.becomes == nil, isAllowed(step, in: state) {
        take(number)
        event = follower
      } else {
        event = next[event]
      }
    }
  }

  private mutating func take(_ number: Int) {
    for event in [2 * number, 2 * number + 1] {
      next[previous[event]] = next[event]
      previous[next[event]] = previous[event]
    }
    taken.append(number)
    count(number, -1)
  }

  private mutating func goBack(to frame: Frame) {
    while taken.count > frame.taken {
      let number = taken.removeLast()
      for event in [2 * number + 1, 2 * number] {
        next[previous[event]] = event
        previous[next[event]] = event
      }
      count(number, 1)
    }
    state = frame.state
    used = frame.used
  }

  private mutating func count(_ number: Int, _ change: Int) {
    low ^= bits[number].low
    high ^= bits[number].high
    switch steps[number].demand {
    case .any: break
    case .equal(let state): asking[state] += change
    case .other(let state): avoiding[state] += change
    }
  }
}
