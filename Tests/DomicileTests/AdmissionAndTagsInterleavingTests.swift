import Domicile
import DomicileTesting
import Testing

/// Over every order in which a change of tags and one or two admissions of a class can take their steps, with each of them
/// left standing anywhere: no home is dropped that the directory has placed or may place, none is opened that it does not
/// name, and once nothing is pending no home has the earlier tags, whether it was ever opened or not.
@Suite struct AdmissionAndTagsInterleavingTests {
  private enum Step: Hashable, CustomStringConvertible {
    /// In the directory; read there; in the homes; in the directory's outbox.
    case change, list, stamp, note
    /// As the router takes them; `drop` and `retarget` only where the target found half way became illegal.
    case admit(Int, StepwiseStep)

    var description: String {
      switch self {
      case .change: "change"
      case .list: "list"
      case .stamp: "stamp"
      case .note: "note"
      case .admit(let number, let step): "\(step.rawValue) \(number)"
      }
    }
  }
  private typealias StepwiseStep = StepwiseAdmitter.Step

  private static let change: [Step] = [.change, .list, .stamp, .note]
  private static func admission(_ number: Int, _ steps: [StepwiseStep]) -> [Step] {
    steps.map { .admit(number, $0) }
  }

  /// A class of a user who is known: the first that is placed, or one that was erased and is placed anew.
  enum Life: CaseIterable {
    case first, later
  }

  @Test func `the number of orders is what combinatorics says`() {
    let one = Self.admission(0, [.begin, .stage, .commit, .open])
    #expect(interleavings([Self.change, one]).count == 70)
    #expect(interleavings([Self.change, one, Self.admission(1, [.begin, .stage])]).count == 3_150)
  }

  @Test(arguments: Life.allCases)
  func `an admission, another that stops, and tags that leave the target legal`(life: Life)
    async throws
  {
    try await Self.run(
      interleavings([
        Self.change, Self.admission(0, [.begin, .stage, .commit, .open]),
        Self.admission(1, [.begin, .stage]),
      ]), life, to: #require(ResidencyProfile("IN")))
  }

  @Test func `two admissions that are committed, and tags that leave the target legal`()
    async throws
  {
    try await Self.run(
      interleavings([
        Self.change, Self.admission(0, [.begin, .stage, .commit]),
        Self.admission(1, [.begin, .stage, .commit]),
      ]), .first, to: #require(ResidencyProfile("IN")))
  }

  @Test func `two changes and an admission`() async throws {
    try await Self.run(
      interleavings([
        [.change, .list, .stamp, .note], [.change], Self.admission(0, [.begin, .stage, .commit]),
        Self.admission(1, [.begin]),
      ]), .first, to: #require(ResidencyProfile("IN")))
  }

  @Test(arguments: Life.allCases)
  func `an admission that stopped, another, and tags that forbid the target`(life: Life)
    async throws
  {
    try await Self.run(
      interleavings([
        Self.change, Self.admission(0, [.begin, .stage]),
        Self.admission(1, [.begin, .drop, .retarget, .stage, .commit]),
      ]), life, to: .european)
  }

  private static func run(
    _ orders: [[Step]], _ life: Life, to profile: ResidencyProfile
  ) async throws {
    let deployment = try await TemporaryDeployment()
    // Each order has a user of its own, known with a class that is placed.
    try await deployment.withRouter { router in
      let admissions = orders.indices.map {
        Admission(user: UserID("user \($0)"), residence: "US", dataClasses: ["payments"])
      }
      for result in await router.admit(admissions, deadline: .seconds(600)) {
        _ = try result.get()
      }
    }
    try await OpenFiles.with(deployment) { files in
      let law = AppliedLaw(
        reference: try files.directory.reference(), policy: try ResidencyPolicy(files: .small))
      // Many at once share their transactions.
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (number, order) in orders.enumerated() {
          if number >= 64 { try await group.next() }
          group.addTask {
            var run = Run(files, law, "user \(number)", to: profile)
            if life == .later { try await run.leaveErasedHomes() }
            for step in order { try await run.take(step, in: order) }
            try await run.end(order)
          }
        }
        try await group.waitForAll()
      }
    }
  }

  /// One order, step by step, with what must hold.
  private struct Run {
    let files: OpenFiles
    let law: AppliedLaw
    let user: String
    let owner: OwnerKey
    var profiles: [ResidencyProfile]
    var listed: [PendingTags] = []
    var stamped: [PendingTags] = []
    var admissions: [Int: Admitter] = [:]

    struct Admitter {
      var ticket: AdmissionTicket?
      /// Whether the target is the one that the directory has; an illegal one is dropped and changed first.
      var isOnTarget = false
      /// Whoever was refused takes no step any more.
      var isOver = false
    }

    init(_ files: OpenFiles, _ law: AppliedLaw, _ user: String, to profile: ResidencyProfile) {
      (self.files, self.law, self.user) = (files, law, user)
      owner = files.owner(user)
      profiles = [profile, ResidencyProfile("US scc-signed") ?? profile]
    }

    /// What an earlier life has left in every shard.
    func leaveErasedHomes() async throws {
      for shard in files.shards.values {
        let result = await shard.erase(
          HomeErasure(owner: owner, dataClass: "messages", token: 1), by: .soon)
        #expect(result.error == nil)
      }
    }

    mutating func take(_ step: Step, in order: [Step]) async throws {
      let directory = files.directory
      switch step {
      case .change:
        let isKnown = try await directory.changeTags(
          of: owner, to: profiles.removeFirst(), law: law.reference, by: .soon)
        #expect(isKnown)
      case .list: listed = try directory.pendingTags(of: owner, after: nil, limit: 10)
      case .stamp:
        for home in listed {
          let shard = try files.shard(home.shard)
          let refusal =
            home.isAdmitting
            ? try await shard.dropTaggedEarlier([home.staging.home], by: .soon)[0]
            : try await shard.retag([home.staging], by: .soon)[0]
          if refusal == nil || home.isAdmitting && refusal?.code == .outrun {
            stamped.append(home)
          } else {
            Issue.record("\(order): \(String(describing: refusal))")
          }
        }
      case .note: try await directory.noteStamped(stamped, by: .soon)
      case .admit(let number, let step):
        var admitter = admissions[number] ?? Admitter()
        try await take(step, &admitter)
        admissions[number] = admitter
      }
      try check(step, order)
    }

    private func take(_ step: StepwiseStep, _ admitter: inout Admitter) async throws {
      if admitter.isOver { return }
      let refusal: StorageError?
      if step == .begin {
        // By the tags as they are now.
        let profile = try #require(try files.directory.user(owner)).profile
        let choices = law.policy.shardsByPreference(
          try law.policy.compile(profile), dataClass: try law.policy.number(ofClass: "messages"))
        let plan = AdmissionPlan(
          owner: owner, alias: OwnerAlias(bytes: owner.bytes), profile: profile,
          targets: [
            AdmissionPlan.Target(
              dataClass: "messages", shards: choices[0].map(\.name),
              legalShards: Set(choices.joined().map(\.name)))
          ])
        switch try await files.directory.beginAdmissions([plan], law: law.reference, by: .soon)[0] {
        case .success(let tickets):
          admitter.ticket = tickets.first
          admitter.isOnTarget = tickets.first?.illegalShard == nil
          admitter.isOver = tickets.isEmpty
        case .failure: admitter.isOver = true
        }
        return
      }
      guard let ticket = admitter.ticket else { return }
      switch step {
      case .begin: refusal = nil
      case .drop:
        guard let old = ticket.illegalShard else { return }
        refusal = try await files.shard(old).drop([ticket.home], by: .soon)[0]
      case .retarget:
        refusal = try await files.directory.retarget([ticket], law: law.reference, by: .soon)[0]
        admitter.isOnTarget = true
      case .stage where !admitter.isOnTarget: return admitter.isOver = true
      case .stage:
        refusal = try await files.shard(ticket.shard).stage(
          [HomeStaging(home: ticket.home, alias: ticket.alias, profile: ticket.profile)],
          law: law.reference, by: .soon)[0]
      case .commit:
        refusal = try await files.directory.commitAdmissions(
          [ticket], law: law.reference, by: .soon)[0]
      case .open:
        refusal = try await files.shard(ticket.shard).open([ticket.home], by: .soon)[0]
        #expect(refusal == nil, "a home that was committed is missing: \(user)")
      }
      admitter.isOver = refusal != nil
    }

    /// What holds at every moment.
    private func check(_ step: Step, _ order: [Step]) throws {
      let entry = try #require(try files.directory.user(owner))
      let placement = entry.placement("messages")
      let homes = try files.homes(user, "messages")
      let open = homes.filter { $0.value.state == .active }
      #expect(open.count <= 1, "\(order), at \(step)")
      if let (shard, home) = open.first {
        #expect(placement?.state == .placed, "\(order), at \(step)")
        #expect(placement?.shard == shard, "\(order), at \(step)")
        #expect(placement?.serial == home.serial, "\(order), at \(step)")
      }
      if let placement, placement.state == .placed {
        let home = homes[placement.shard]
        #expect(home?.serial == placement.serial, "\(order), at \(step)")
        #expect(
          home?.state == .incoming || home?.state == .active, "\(order), at \(step)")
      }
      if try !files.directory.hasPendingTags(owner, dataClass: "messages") {
        for (shard, home) in homes where home.profile != nil {
          #expect(home.tags == entry.tags, "\(order), at \(step), in \(shard)")
          #expect(home.profile == entry.profile, "\(order), at \(step), in \(shard)")
        }
      }
    }

    /// A last stamper and a last admitter find whatever was left.
    mutating func end(_ order: [Step]) async throws {
      var last = Admitter()
      for step in StepwiseStep.allCases {
        // Whoever finds a home placed has nothing to admit.
        try await take(step, &last)
      }
      stamped = []
      for step in [Step.list, .stamp, .note] { try await take(step, in: order) }
      let entry = try #require(try files.directory.user(owner))
      let placement = try #require(entry.placement("messages"))
      #expect(placement.state == .placed, "\(order)")
      let refusal = try await files.shard(placement.shard).open([entry.home(placement)], by: .soon)
      #expect(refusal[0] == nil, "\(order)")
      try check(.note, order)
      #expect(try files.open(user, "messages") == [placement.shard], "\(order)")
      #expect(
        try files.directory.pendingTags(of: owner, after: nil, limit: 10).isEmpty, "\(order)")
      for (shard, home) in try files.homes(user, "messages") where shard != placement.shard {
        #expect(home.profile == nil, "\(order)")
        #expect([.absent, .erased].contains(home.state), "\(order)")
      }
    }
  }
}
