/// What one operation asks of a register and does to it, in numbers.
struct RegisterStep {
  /// Which states allow the step.
  enum Demand: Equatable {
    case any
    case equal(Int)
    case other(than: Int)
  }

  let demand: Demand
  /// The state afterwards; nil if it stays as it is.
  let becomes: Int?
  var invoked: UInt64
  /// Nil if the step may be taken at any time after its invocation, or never.
  var responded: UInt64?
}

/// The question for ``RegisterSearch``: the steps that must be taken, and those that may.
///
/// The states are numbers: 0 is an absent record, 1 a value that nobody asks for, and each further one the value of
/// one write. So a state above 1 is entered at most once, and whatever asks for it comes while it lasts.
struct RegisterProblem {
  static let absent = 0
  static let anonymous = 1

  private(set) var steps: [RegisterStep] = []
  /// For each of `steps`, its place in the history.
  private(set) var places: [Int] = []
  let stateCount: Int

  // Steps that may be taken. None of their values is asked for: those that do the same differ only in when they
  // may be taken first.
  private(set) var puts: [UInt64] = []
  private(set) var putsIfAbsent: [UInt64] = []
  private(set) var deletes: [UInt64] = []
  /// From when on a put, or a deletion, that demands a state may end it. Once is enough: the state never comes back.
  private(set) var putOver: [Int: UInt64] = [:]
  private(set) var deleteOver: [Int: UInt64] = [:]

  /// Nil if no order can exist.
  init?(_ all: [RegisterStep], stateCount: Int) {
    self.stateCount = stateCount
    guard let steps = RegisterZones.narrowed(all, stateCount: stateCount) else { return nil }
    for (place, step) in steps.enumerated() where step.responded != nil {
      self.steps.append(step)
      places.append(place)
    }
    gather(steps.filter { $0.responded == nil })
  }

  /// Sorts what may be taken by what it does. A step is of use only to make true what a later step demands: a value
  /// that is another than some, or an absent record. Where nobody demands that any more, it is left out.
  private mutating func gather(_ optional: [RegisterStep]) {
    var (lastOther, lastAbsent): (UInt64, UInt64) = (0, 0)
    for step in steps {
      switch step.demand {
      case .other: lastOther = max(lastOther, step.responded ?? 0)
      case .equal(Self.absent): lastAbsent = max(lastAbsent, step.responded ?? 0)
      case .equal, .any: break
      }
    }
    lastAbsent = max(lastAbsent, lastOther)
    for step in optional {
      guard let state = step.becomes else { continue }
      let isDeletion = state == Self.absent
      guard step.invoked <= (isDeletion ? lastAbsent : lastOther) else { continue }
      switch step.demand {
      case .equal(Self.absent): if !isDeletion { putsIfAbsent.append(step.invoked) }
      case .equal(let old):
        if isDeletion {
          deleteOver[old] = min(deleteOver[old] ?? .max, step.invoked)
        } else {
          putOver[old] = min(putOver[old] ?? .max, step.invoked)
        }
      case .any, .other:
        if isDeletion { deletes.append(step.invoked) } else { puts.append(step.invoked) }
      }
    }
    puts.sort()
    putsIfAbsent.sort()
    deletes.sort()
  }
}
