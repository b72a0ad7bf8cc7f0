import Domicile
import DomicileTesting
import Testing

/// Promise 2: for a user and data class at most one shard accepts writes, at every moment.
@Suite struct OneHomeTests {
  // MARK: Interrupted admissions

  @Test(arguments: StepwiseAdmitter.Step.allCases)
  func `an admission left after any step is finished where it began`(
    step: StepwiseAdmitter.Step
  ) async throws {
    let deployment = try await TemporaryDeployment()
    let left = try await OpenFiles.with(deployment) { files in
      let law = try await files.apply(.small)
      let admitter = StepwiseAdmitter(files, user: "ann", profile: .american, law: law)
      try await admitter.take(through: step)
      return try #require(try files.placement("ann", "messages"))
    }
    #expect(left.shard == "ashburn-1")
    try await deployment.withUser("ann", residence: "US") { _, ann in
      try await ann.put("a".utf8, key: "1", in: .inbox)
    }
    try await Self.expectOneHome(deployment, "ann", in: "ashburn-1", newerThan: left.serial - 1)
  }

  @Test(arguments: StepwiseAdmitter.Step.allCases)
  func `the first write of a user finishes an admission left after any step`(
    step: StepwiseAdmitter.Step
  ) async throws {
    let deployment = try await TemporaryDeployment()
    try await OpenFiles.with(deployment) { files in
      let law = try await files.apply(.small)
      let admitter = StepwiseAdmitter(files, user: "ann", profile: .american, law: law)
      try await admitter.take(through: step)
    }
    try await deployment.withRouter { router in
      let ann = try await router.user(UserID("ann"))
      try await ann.put("a".utf8, key: "1", in: .inbox)
      #expect(try await ann.get("1", in: .inbox)?.text == "a")
    }
    try await Self.expectOneHome(deployment, "ann", in: "ashburn-1", newerThan: 0)
  }

  @Test(arguments: [StepwiseAdmitter.Step.begin, .stage])
  func `an admission whose target became illegal half way ends elsewhere and leaves nothing there`(
    step: StepwiseAdmitter.Step
  ) async throws {
    let deployment = try await TemporaryDeployment()
    let token = try await OpenFiles.with(deployment) { files in
      let law = try await files.apply(.small)
      let admitter = StepwiseAdmitter(files, user: "ann", profile: .american, law: law)
      try await admitter.take(through: step)
      return try #require(try files.placement("ann", "messages")).serial
    }
    try await deployment.withRouter { router in
      try await router.apply(.americansInIreland)
      let admitted = try await router.admit(UserID("ann"), residence: "US")
      #expect(admitted.regions == ["messages": "dublin", "payments": "dublin"])
      #expect(admitted.isNew)
    }
    try await Self.expectOneHome(deployment, "ann", in: "dublin", newerThan: token)
  }

  @Test(arguments: [StepwiseAdmitter.Step.begin, .drop, .retarget, .stage])
  func `a change of target left after any step is finished`(
    step: StepwiseAdmitter.Step
  ) async throws {
    let deployment = try await TemporaryDeployment()
    let token = try await OpenFiles.with(deployment) { files in
      let old = try await files.apply(.small)
      try await StepwiseAdmitter(files, user: "ann", profile: .american, law: old)
        .take(through: .stage)
      let new = try await files.apply(.americansInIreland)
      try await StepwiseAdmitter(files, user: "ann", profile: .american, law: new)
        .take(through: step)
      return try #require(try files.placement("ann", "messages")).serial
    }
    try await deployment.withUser("ann", residence: "US") { _, ann in
      try await ann.put("a".utf8, key: "1", in: .inbox)
    }
    try await Self.expectOneHome(deployment, "ann", in: "dublin", newerThan: token)
  }

  private static func expectOneHome(
    _ deployment: TemporaryDeployment, _ user: String, in place: String, newerThan serial: Int64,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try await OpenFiles.with(deployment) { files in
      let placement = try #require(try files.placement(user, "messages"))
      #expect(placement.state == .placed, sourceLocation: sourceLocation)
      #expect(placement.shard.hasPrefix(place), sourceLocation: sourceLocation)
      #expect(placement.serial > serial, sourceLocation: sourceLocation)
      let homes = try files.homes(user, "messages")
      let home = try #require(homes[placement.shard])
      #expect([.active, .incoming].contains(home.state), sourceLocation: sourceLocation)
      #expect(home.serial == placement.serial, sourceLocation: sourceLocation)
      for (shard, row) in homes where shard != placement.shard {
        #expect(row.state == .absent, sourceLocation: sourceLocation)
        #expect(row.serial <= placement.serial, sourceLocation: sourceLocation)
      }
    }
  }

  // MARK: Admissions at once

  @Test func `admissions of one user at once leave one home`() async throws {
    let deployment = try await TemporaryDeployment()
    let users = (0..<60).map { "user \($0)" }
    try await deployment.withRouter { router in
      for user in users {
        let admitted = try await withThrowingTaskGroup { group in
          for _ in 0..<3 {
            group.addTask { try await router.admit(UserID(user), residence: "DE") }
          }
          var regions: [[String: String]] = []
          for try await admitted in group { regions.append(admitted.regions) }
          return regions
        }
        #expect(Set(admitted) == [["messages": "dublin", "payments": "dublin"]])
      }
    }
    try await OpenFiles.with(deployment) { files in
      for user in users {
        for dataClass in ["messages", "payments"] {
          let placement = try #require(try files.placement(user, dataClass))
          let open = try files.open(user, dataClass)
          #expect(open == [placement.shard])
          let homes = try files.homes(user, dataClass)
          #expect(homes.count == 1)
        }
      }
      let counted = try files.directory.shards().map(\.placements).reduce(0, +)
      #expect(counted == 120)
    }
  }

  @Test func `admissions of one user at once with different wishes leave one home`() async throws {
    let deployment = try await TemporaryDeployment()
    let users = (0..<40).map { "user \($0)" }
    let regions = ["dublin", "mumbai", "ashburn"]
    try await deployment.withRouter { router in
      for user in users {
        await withTaskGroup { group in
          for region in regions {
            group.addTask {
              do throws(RouterError) {
                try await router.admit(
                  UserID(user), residence: "US", dataClasses: ["messages"], region: region)
              } catch {
                if error.code != .alreadyPlaced { Issue.record(error) }
              }
            }
          }
        }
        let ann = try await router.user(UserID(user))
        try await ann.put([1], key: "1", in: .inbox)
      }
    }
    try await OpenFiles.with(deployment) { files in
      for user in users {
        let placement = try #require(try files.placement(user, "messages"))
        let open = try files.open(user, "messages")
        #expect(open == [placement.shard])
        for (shard, row) in try files.homes(user, "messages") where shard != placement.shard {
          #expect(row.state == .absent)
          #expect(row.serial <= placement.serial)
        }
      }
    }
  }

  // MARK: Tokens

  @Test func `an admitter overtaken by another cannot commit`() async throws {
    let deployment = try await TemporaryDeployment()
    try await OpenFiles.with(deployment) { files in
      let law = try await files.apply(.small)
      let slow = StepwiseAdmitter(files, user: "ann", profile: .american, law: law)
      let fast = StepwiseAdmitter(files, user: "ann", profile: .american, law: law)
      try await slow.take(through: .stage)
      let first = try #require(try files.placement("ann", "messages")).serial
      try await fast.take(through: .begin)
      let second = try #require(try files.placement("ann", "messages")).serial
      #expect(second > first)
      try await slow.take(.commit)
      #expect(!slow.hasCommitted)
      try await fast.take(from: .stage, through: .open)
      #expect(fast.hasCommitted)
      let home = try #require(try files.homes("ann", "messages")["ashburn-1"])
      #expect(home.serial == second)
      #expect(home.state == .active)
    }
  }

  @Test func `a directory row whose home is missing is an error and no home is made`() async throws
  {
    let deployment = try await TemporaryDeployment()
    try await OpenFiles.with(deployment) { files in
      let law = try await files.apply(.small)
      let admitter = StepwiseAdmitter(files, user: "ann", profile: .american, law: law)
      try await admitter.take(.begin)
      // The commit without a staged home: what an old shard file brought back looks like.
      try await admitter.take(.commit)
      #expect(admitter.hasCommitted)
    }
    try await deployment.withRouter { router in
      let ann = try await router.user(UserID("ann"))
      let written = try await #require(throws: RouterError.self) {
        try await ann.put([1], key: "1", in: .inbox)
      }
      #expect(written.code == .homeMissing)
      let read = try await #require(throws: RouterError.self) {
        try await ann.get("1", in: .inbox)
      }
      #expect(read.code == .homeMissing)
      try await router.admit(UserID("ann"), residence: "US", dataClasses: ["messages"])
      let again = try await #require(throws: RouterError.self) {
        try await ann.put([1], key: "1", in: .inbox)
      }
      #expect(again.code == .homeMissing)
    }
    try await OpenFiles.with(deployment) { files in
      let homes = try files.homes("ann", "messages")
      #expect(homes.isEmpty)
    }
  }
}
