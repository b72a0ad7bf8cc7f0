import Domicile
import DomicileTesting
import Testing

/// Over every order in which a change of tags or of a group's members, an apply, and two writers, who each believe the
/// directory and then write, can take their steps: once a change or an apply is done, no write decided on what was before is
/// committed, and none is where the home's tags and the shard's law forbid it.
@Suite struct TagChangeInterleavingTests {
  /// What changes, and whose home is written.
  enum Change: CaseIterable {
    case retag, memberRetag, join, leave

    var isOfGroup: Bool { self != .retag }
  }

  private enum Step: Hashable {
    /// In the directory; in the home; in the directory's outbox.
    case change, stamp, note
    /// In the directory; in the shard.
    case apply, raise
    case believe(writer: Int)
    case write(writer: Int)
  }

  private static let writers = (0..<2).map { [Step.believe(writer: $0), .write(writer: $0)] }
  private static let changing: [Step] = [.change, .stamp, .note]

  @Test func `the number of orders is what combinatorics says`() {
    #expect(interleavings([Self.changing] + Self.writers).count == 210)
    #expect(interleavings([Self.changing, [.apply, .raise], Self.writers[0]]).count == 210)
  }

  @Test(arguments: Change.allCases)
  func `two writers and a change`(change: Change) async throws {
    try await Self.run(change, interleavings([Self.changing] + Self.writers))
  }

  @Test(arguments: Change.allCases)
  func `a writer, a change and an apply`(change: Change) async throws {
    try await Self.run(
      change, interleavings([Self.changing, [.apply, .raise], Self.writers[0]]))
  }

  private static func run(_ change: Change, _ orders: [[Step]]) async throws {
    let deployment = try await TemporaryDeployment()
    // Each order has users and a group of its own.
    try await deployment.withRouter { router in
      for number in orders.indices {
        try await router.admit(
          UserID("user \(number)"), residence: "US", dataClasses: ["messages"])
        let isHere = change == .leave || change == .memberRetag
        try await router.admit(
          UserID("other \(number)"), residence: change == .leave || change == .join ? "DE" : "US",
          dataClasses: ["messages"])
        try await router.createGroup(
          GroupID("group \(number)"), members: [UserID("user \(number)")],
          dataClasses: ["messages"], region: "ashburn")
        if isHere {
          _ = try await router.join(
            UserID("other \(number)"), to: GroupID("group \(number)"), barsHomes: true)
        }
      }
    }
    try await OpenFiles.with(deployment) { files in
      for (number, order) in orders.enumerated() {
        var run = try await Run(files, change, number, hasApply: order.contains(.apply))
        for step in order { try await run.take(step, in: order) }
        try await run.end(order)
      }
    }
  }

  /// One order, step by step, with what must hold.
  private struct Run {
    let files: OpenFiles
    let change: Change
    let user: OwnerKey
    let other: OwnerKey
    /// Whose home is written.
    let owner: OwnerKey
    var old: AppliedLaw
    var next: AppliedLaw?
    var pending: [PendingTags] = []
    var isChangeDone = false
    var isApplyDone = false
    var beliefs: [Int: (entry: UserEntry, law: LawReference)] = [:]
    let firstTags: Int64

    init(_ files: OpenFiles, _ change: Change, _ number: Int, hasApply: Bool) async throws {
      self.files = files
      self.change = change
      user = files.owner("user \(number)")
      other = files.owner("other \(number)")
      owner = change.isOfGroup ? files.key.owner(ofGroup: "group \(number)") : user
      if hasApply {
        old = try await files.apply(.small)
        try await files.raiseAll(to: old)
      } else {
        old = AppliedLaw(
          reference: try files.directory.reference(), policy: try ResidencyPolicy(files: .small))
      }
      firstTags = try #require(try files.directory.user(owner)).tags
    }

    mutating func take(_ step: Step, in order: [Step]) async throws {
      let directory = files.directory
      switch step {
      case .change:
        switch change {
        case .retag, .memberRetag:
          // Who changes them asks the directory for the law.
          _ = try await directory.changeTags(
            of: change == .retag ? user : other, to: .european, law: directory.reference(),
            by: .soon)
        case .leave: _ = try await directory.leave(owner, user: other, by: .soon)
        case .join:
          // Others change tags of neither just now, and the law is the directory's.
          let joining = GroupJoining(
            group: try #require(try directory.user(owner)),
            user: try #require(try directory.user(other)), author: OwnerAlias(bytes: user.bytes))
          let refusal = try await directory.join(
            joining, law: directory.reference(), by: .soon)
          #expect(refusal == nil, "\(order)")
        }
        pending = try directory.pendingTags(of: owner, after: nil, limit: 10)
        // With a user's own home that of the user's group.
        #expect(pending.count == (change == .retag ? 2 : 1), "\(order)")
      case .stamp:
        for home in pending {
          let refusals = try await files.shard(home.shard).retag([home.staging], by: .soon)
          #expect(refusals.allSatisfy { $0 == nil }, "\(order)")
        }
      case .note:
        try await directory.noteStamped(pending, by: .soon)
        isChangeDone = true
      case .apply: next = try await files.apply(.americansInIreland)
      case .raise:
        try await files.raiseAll(to: try #require(next))
        isApplyDone = true
      case .believe(let writer):
        beliefs[writer] = (try #require(try directory.user(owner)), try directory.reference())
      case .write(let writer): try await write(writer, order)
      }
    }

    private func write(_ writer: Int, _ order: [Step]) async throws {
      let (entry, law) = try #require(beliefs[writer])
      let placement = try #require(entry.placement("messages"))
      let shard = try files.shard(placement.shard)
      let home = try #require(try shard.home(owner: owner, dataClass: "messages"))
      let (stamp, shardLaw) = try shard.stampedLaw()
      var isWritten = true
      do throws(StorageError) {
        let put = try RecordOperation(
          .put(value: [1], labels: [:], expiry: .never), collection: "inbox", key: "k")
        _ = try await shard.write(
          WriteRequest(home: entry.home(placement), law: law, operations: [put]), by: .soon)
      } catch {
        #expect([.retagged, .policyChanged, .barred].contains(error.code), "\(order): \(error)")
        isWritten = false
      }
      let profile = try #require(home.profile)
      let isLegal = shardLaw.permits(profile, dataClass: "messages")
      let isCurrent = entry.tags == home.tags && law == stamp
      // Exactly what the fence says, and so at least what the promises do.
      #expect(isWritten == (isCurrent && isLegal), "\(order)")
      if isWritten, isChangeDone {
        #expect(entry.tags == (try files.directory.user(owner))?.tags, "\(order)")
      }
      if isWritten, isApplyDone { #expect(law == next?.reference, "\(order)") }
    }

    /// Everybody agrees in the end.
    mutating func end(_ order: [Step]) async throws {
      let entry = try #require(try files.directory.user(owner))
      let placement = try #require(entry.placement("messages"))
      let home = try #require(
        try files.shard(placement.shard).home(owner: owner, dataClass: "messages"))
      #expect(home.tags == entry.tags, "\(order)")
      #expect(home.profile == entry.profile, "\(order)")
      #expect(entry.tags > firstTags, "\(order)")
      #expect(try files.directory.pendingTags(of: owner, after: nil, limit: 10).isEmpty, "\(order)")
    }
  }
}
