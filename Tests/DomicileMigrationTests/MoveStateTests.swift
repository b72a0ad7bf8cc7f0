import Testing

@testable import DomicileMigration

/// The order of a move's steps, whatever becomes of each.
@Suite struct MoveStateTests {
  typealias Step = MoveState.Step

  @Test func `a move that nothing disturbs goes through all steps`() {
    var state = MoveState()
    var steps = [state.step]
    while let next = state.completed(.done) { steps.append(next) }
    #expect(
      steps == [
        .beginCopy, .stage, .copy, .catchUp, .verify, .freeze, .lastChanges, .flip, .open, .empty,
        .end,
      ])
  }

  @Test func `one that is taken over begins where the directory knows it to be`() {
    #expect(MoveState().step == .beginCopy)
    #expect(MoveState(isFlipped: true).step == .open)
    #expect(MoveState(isAborting: true).step == .drop)
  }

  /// Every path of outcomes up to a depth.
  private func explore(_ depth: Int, _ visit: ([Step], MoveState?) -> Void) {
    func go(_ state: MoveState, _ path: [Step], _ depth: Int) {
      visit(path, state)
      guard depth > 0 else { return }
      for outcome: MoveState.Outcome in [.done, .tookTooLong, .changed, .failed] {
        if outcome == .tookTooLong, state.step != .lastChanges { continue }
        let isOver =
          state.isPastFlip || [.beginAbort, .drop, .release, .endAbort].contains(state.step)
        if outcome != .done, isOver { continue }
        var next = state
        if let step = next.completed(outcome) {
          go(next, path + [step], depth - 1)
        } else {
          visit(path, nil)
        }
      }
    }
    go(MoveState(), [.beginCopy], depth)
  }

  @Test func `nothing is flipped that was not compared, frozen and brought up to date`() {
    var flips = 0
    explore(16) { path, _ in
      guard let flip = path.lastIndex(of: .flip), flip == path.count - 1 else { return }
      flips += 1
      #expect(path[flip - 1] == .lastChanges && path[flip - 2] == .freeze, "\(path)")
      let verified = path.lastIndex(of: .verify)
      let begun = path.lastIndex(of: .beginCopy)
      // Since law and tags were judged last.
      #expect(verified.map { $0 > begun ?? 0 } == true, "\(path)")
    }
    #expect(flips > 10)
  }

  @Test
  func
    `a frozen home is thawed before anything takes long, and the target goes before the source is let go`()
  {
    explore(14) { path, _ in
      for (step, next) in zip(path, path.dropFirst()) {
        if step == .lastChanges || step == .flip {
          #expect([.flip, .open, .thaw].contains(next), "\(path)")
        }
        if next == .release { #expect(step == .drop, "\(path)") }
      }
    }
  }

  @Test func `a home that is frozen in vain again and again is given up`() {
    var state = MoveState()
    var freezes = 0
    while state.step != .beginAbort {
      if state.step == .freeze { freezes += 1 }
      _ = state.completed(state.step == .lastChanges ? .tookTooLong : .done)
    }
    #expect(freezes == MoveState.freezesMax)
    var steps = [state.step]
    while let next = state.completed(.done) { steps.append(next) }
    #expect(steps == [.beginAbort, .drop, .release, .endAbort])
  }
}
