import Domicile
import DomicileTesting
import Testing

/// Promise 2, over every order in which two admitters of one user can take their steps, with each of them
/// stopping anywhere.
@Suite struct OneHomeInterleavingTests {
  /// All orders of `left` steps of one and `right` steps of another; true is a step of the one.
  private static func orders(_ left: Int, _ right: Int) -> [[Bool]] {
    if left == 0 { return [Array(repeating: false, count: right)] }
    if right == 0 { return [Array(repeating: true, count: left)] }
    return orders(left - 1, right).map { [true] + $0 }
      + orders(left, right - 1).map { [false] + $0 }
  }

  @Test func `the number of orders is what combinatorics says`() {
    #expect(Self.orders(4, 4).count == 70)
    #expect(Set(Self.orders(4, 6)).count == 210)
  }

  @Test func `two admitters under one law`() async throws {
    let deployment = try await TemporaryDeployment()
    try await OpenFiles.with(deployment) { files in
      let law = try await files.apply(.small)
      let steps: [StepwiseAdmitter.Step] = [.begin, .stage, .commit, .open]
      var number = 0
      for left in 0...steps.count {
        for order in Self.orders(left, steps.count) {
          number += 1
          let user = "user \(number)"
          let one = StepwiseAdmitter(files, user: user, profile: .american, law: law)
          let other = StepwiseAdmitter(files, user: user, profile: .american, law: law)
          var (oneNext, otherNext) = (0, 0)
          for isOne in order {
            if isOne {
              try await one.take(steps[oneNext])
              oneNext += 1
            } else {
              try await other.take(steps[otherNext])
              otherNext += 1
            }
            try Self.check(files, user, order)
          }
          try await Self.finish(files, user, law, order)
        }
      }
      #expect(number == 126)
    }
  }

  @Test func `an admitter under the old law and one under a new law that forbids the target`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await OpenFiles.with(deployment) { files in
      let oldSteps: [StepwiseAdmitter.Step] = [.begin, .stage, .commit, .open]
      let newSteps = StepwiseAdmitter.Step.allCases
      var number = 0
      for left in 1...oldSteps.count {
        // The new law's first step is to be applied.
        for order in Self.orders(left, newSteps.count + 1) {
          number += 1
          let user = "user \(number)"
          let old = try await files.apply(.small)
          let one = StepwiseAdmitter(files, user: user, profile: .american, law: old)
          var other: StepwiseAdmitter?
          var law = old
          var (oneNext, otherNext) = (0, 0)
          for isOne in order {
            if isOne {
              try await one.take(oldSteps[oneNext])
              oneNext += 1
            } else if let other {
              try await other.take(newSteps[otherNext])
              otherNext += 1
            } else {
              law = try await files.apply(.americansInIreland)
              other = StepwiseAdmitter(files, user: user, profile: .american, law: law)
            }
            try Self.check(files, user, order)
          }
          try await Self.finish(files, user, law, order)
          let placement = try #require(try files.placement(user, "messages"))
          #expect(placement.shard.hasPrefix("dublin") != one.hasCommitted, "\(order)")
        }
      }
      #expect(number == 8 + 36 + 120 + 330)
    }
  }

  /// What holds at every moment.
  private static func check(_ files: OpenFiles, _ user: String, _ order: [Bool]) throws {
    let open = try files.open(user, "messages")
    #expect(open.count <= 1, "\(order)")
    guard let shard = open.first else { return }
    let placement = try #require(try files.placement(user, "messages"))
    #expect(placement.state == .placed, "\(order)")
    #expect(placement.shard == shard, "\(order)")
    #expect(try files.homes(user, "messages")[shard]?.serial == placement.serial, "\(order)")
  }

  /// A last admitter finds whatever was left, and afterwards exactly one home is open.
  private static func finish(
    _ files: OpenFiles, _ user: String, _ law: AppliedLaw, _ order: [Bool]
  ) async throws {
    try await StepwiseAdmitter(files, user: user, profile: .american, law: law)
      .take(through: .open)
    let placement = try #require(try files.placement(user, "messages"))
    #expect(placement.state == .placed, "\(order)")
    let entry = try #require(try files.directory.user(files.owner(user)))
    // Whoever finds the placement opens its home.
    let refusal = try await files.shard(placement.shard).open([entry.home(placement)], by: .soon)
    #expect(refusal[0] == nil, "\(order)")
    try check(files, user, order)
    for (shard, row) in try files.homes(user, "messages") {
      if shard == placement.shard {
        #expect(row.state == .active, "\(order)")
      } else {
        #expect(row.state == .absent, "\(order)")
        #expect(row.serial <= placement.serial, "\(order)")
      }
    }
  }
}
