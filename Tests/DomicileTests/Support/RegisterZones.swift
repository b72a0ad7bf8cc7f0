/// Narrows the times of steps by what must be so in any order, without looking for one.
///
/// A state above 1 lasts at least from the response of its writer to the last invocation that asks for it: its zone
/// (Gibbons and Korach, SIAM J. Comput. 26, 1997). No other state, and no change, is inside. With many clients this
/// decides nearly everything, and a history without an order mostly fails here.
struct RegisterZones {
  private struct Zone {
    let state: Int
    let start: UInt64
    let end: UInt64
  }

  private(set) var steps: [RegisterStep]
  private var writers: [Int?]
  private var hasChanged = false

  /// Nil if no order can exist. Steps that may be taken, but whose value somebody saw, become steps that must.
  static func narrowed(_ steps: [RegisterStep], stateCount: Int) -> [RegisterStep]? {
    var zones = Self(steps, stateCount)
    repeat {
      zones.hasChanged = false
      guard zones.narrowByStates(), zones.narrowByZones() else { return nil }
    } while zones.hasChanged
    return zones.steps
  }

  private init(_ steps: [RegisterStep], _ stateCount: Int) {
    self.steps = steps
    writers = Array(repeating: nil, count: stateCount)
    for (place, step) in steps.enumerated() {
      if let state = step.becomes, state > RegisterProblem.anonymous { writers[state] = place }
    }
  }

  private mutating func begin(_ place: Int, from time: UInt64) {
    guard steps[place].invoked < time else { return }
    steps[place].invoked = time
    hasChanged = true
  }

  private mutating func end(_ place: Int, by time: UInt64) {
    guard steps[place].responded ?? .max > time else { return }
    steps[place].responded = time
    hasChanged = true
  }

  /// The state above 1 that a step that must be taken asks for.
  private func asked(_ step: RegisterStep) -> Int? {
    guard step.responded != nil, case .equal(let state) = step.demand,
      state > RegisterProblem.anonymous
    else { return nil }
    return state
  }

  /// Who asks for a state comes after its writer, and before whoever ends it on condition of it.
  private mutating func narrowByStates() -> Bool {
    var consumers = [Int?](repeating: nil, count: writers.count)
    var lastInvoked = [UInt64](repeating: 0, count: writers.count)
    for place in steps.indices {
      guard let state = asked(steps[place]), let response = steps[place].responded else { continue }
      guard let writer = writers[state], writer != place else { return false }
      end(writer, by: response)
      begin(place, from: steps[writer].invoked)
      lastInvoked[state] = max(lastInvoked[state], steps[place].invoked)
      if steps[place].becomes != nil {
        guard consumers[state] == nil else { return false }
        consumers[state] = place
      }
    }
    for place in steps.indices {
      guard let state = asked(steps[place]), let consumer = consumers[state] else { continue }
      if place == consumer {
        begin(place, from: lastInvoked[state])
      } else if let response = steps[consumer].responded {
        end(place, by: response)
      }
    }
    return steps.allSatisfy { $0.invoked <= $0.responded ?? .max }
  }

  private mutating func narrowByZones() -> Bool {
    var lastInvoked = [UInt64](repeating: 0, count: writers.count)
    for step in steps {
      if let state = asked(step) { lastInvoked[state] = max(lastInvoked[state], step.invoked) }
    }
    var zones: [Zone] = []
    for (state, writer) in writers.enumerated() {
      guard let writer, let start = steps[writer].responded, start < lastInvoked[state] else {
        continue
      }
      zones.append(Zone(state: state, start: start, end: lastInvoked[state]))
    }
    zones.sort { $0.start < $1.start }
    for (zone, following) in zip(zones, zones.dropFirst()) where following.start < zone.end {
      return false
    }
    for place in steps.indices {
      guard let response = steps[place].responded else { continue }
      if let zone = Self.zone(in: zones, around: steps[place].invoked),
        !mayBeInside(steps[place], zone)
      {
        begin(place, from: zone.end)
      }
      if let zone = Self.zone(in: zones, around: response), !mayBeInside(steps[place], zone) {
        end(place, by: zone.start)
      }
    }
    return steps.allSatisfy { $0.invoked <= $0.responded ?? .max }
  }

  private static func zone(in zones: [Zone], around time: UInt64) -> Zone? {
    var (low, high) = (0, zones.count)
    while low < high {
      let middle = (low + high) / 2
      if zones[middle].start < time { low = middle + 1 } else { high = middle }
    }
    guard low > 0, time < zones[low - 1].end else { return nil }
    return zones[low - 1]
  }

  private func mayBeInside(_ step: RegisterStep, _ zone: Zone) -> Bool {
    if step.becomes == zone.state || step.demand == .equal(zone.state) { return true }
    guard step.becomes == nil else { return false }
    switch step.demand {
    case .any: return true
    case .equal: return false
    case .other(let state): return state != zone.state
    }
  }
}
