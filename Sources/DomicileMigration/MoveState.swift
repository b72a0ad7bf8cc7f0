/// Which step of a move comes next: a value without clock, lock or files, so that production, tests and the model (Models/move.pml) take
/// the same steps.
package struct MoveState: Sendable, Equatable {
  package enum Step: String, Sendable, CaseIterable {
    /// The source under the token, its changes noted.
    case beginCopy
    /// The target's home under the token, in a state that takes no writes.
    case stage
    /// What differs is written to the target, in the order of keys.
    case copy
    /// What has changed since is copied again.
    case catchUp
    /// Source and target are compared, in the order of keys, while writes go on.
    case verify
    /// The source takes no writes from here on.
    case freeze
    /// What has changed since it was verified.
    case lastChanges
    /// The source takes writes again: something took too long, or is not as it was believed.
    case thaw
    /// The commit point.
    case flip
    /// The target takes writes.
    case open
    /// What is at the source is deleted.
    case empty
    /// The source is purged, and the directory forgets the move.
    case end

    case beginAbort
    /// What is at the target is deleted.
    case drop
    /// The source is what it was.
    case release
    /// The target is purged, and the directory forgets the move.
    case endAbort
  }

  /// What became of a step.
  package enum Outcome: Sendable, Hashable {
    case done
    /// Of the last changes: the freeze has taken longer than it may.
    case tookTooLong
    /// Law or tags are not those by which the target was judged; it is legal still.
    case changed
    /// The target is no legal place any more, is not what the source is, or cannot take it.
    case failed
  }

  package private(set) var step: Step
  private var isVerified = false
  private var freezes = 0
  private var changes = 0
  /// Whether the move is to be undone as soon as that can be.
  private var isAborting = false

  /// How often a home is frozen before the move is given up.
  package static let freezesMax = 20

  /// How often law or tags may change under it.
  package static let changesMax = 1_000

  /// From the beginning, or from where the directory knows a move that is taken over to be.
  package init(isFlipped: Bool = false, isAborting: Bool = false) {
    step = isFlipped ? .open : isAborting ? .drop : .beginCopy
    self.isAborting = isAborting
  }

  /// The step after one; nil at the end.
  package mutating func completed(_ outcome: Outcome) -> Step? {
    switch (step, outcome) {
    case (.end, .done), (.endAbort, .done): return nil
    case (.thaw, .done): step = isAborting ? .beginAbort : isVerified ? .catchUp : .beginCopy
    case (_, .done):
      if step == .verify { isVerified = true }
      step = next
    case (_, .tookTooLong):
      precondition(step == .lastChanges, "only a freeze takes too long")
      freezes += 1
      isAborting = freezes >= Self.freezesMax
      step = .thaw
    case (_, .changed):
      precondition(!isPastFlip, "a move that was committed does not change")
      isVerified = false
      changes += 1
      isAborting = changes >= Self.changesMax
      step = isFrozen ? .thaw : isAborting ? .beginAbort : .beginCopy
    case (_, .failed):
      precondition(!isPastFlip, "a move that was committed does not fail")
      isAborting = true
      step = isFrozen ? .thaw : .beginAbort
    }
    return step
  }

  private var next: Step {
    switch step {
    case .beginCopy: .stage
    case .stage: .copy
    case .copy: .catchUp
    case .catchUp: isVerified ? .freeze : .verify
    case .verify: .freeze
    case .freeze: .lastChanges
    case .lastChanges: .flip
    case .flip: .open
    case .open: .empty
    case .empty: .end
    case .beginAbort: .drop
    case .drop: .release
    case .release: .endAbort
    case .thaw, .end, .endAbort: preconditionFailure("has a next step of its own")
    }
  }

  package var isFrozen: Bool { [.lastChanges, .flip, .thaw].contains(step) }
  package var isPastFlip: Bool { [.open, .empty, .end].contains(step) }

  /// Whether writers may be waiting for it.
  var isUrgent: Bool { isFrozen || step == .open }
}
