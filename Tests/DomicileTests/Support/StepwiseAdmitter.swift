import Domicile
import DomicileTesting

/// An admitter that takes the steps of the protocol one by one, as the router takes them, and that can be
/// left standing at any of them.
final class StepwiseAdmitter {
  enum Step: String, CaseIterable, Sendable {
    case begin, drop, retarget, stage, commit, open
  }

  private let files: OpenFiles
  private let law: AppliedLaw
  private let user: String
  private let profile: ResidencyProfile
  private var ticket: AdmissionTicket?
  private var isOver = false
  /// Whether this admitter's commit was accepted.
  private(set) var hasCommitted = false

  init(_ files: OpenFiles, user: String, profile: ResidencyProfile, law: AppliedLaw) {
    self.files = files
    self.law = law
    self.user = user
    self.profile = profile
  }

  private func plan() throws -> AdmissionPlan {
    let policy = law.policy
    let choices = policy.shardsByPreference(
      [try policy.compile(profile)], dataClass: try policy.number(ofClass: "messages"))
    return AdmissionPlan(
      owner: files.owner(user), alias: OwnerAlias(bytes: files.owner(user).bytes),
      profile: HomeProfile(profile),
      targets: [
        AdmissionPlan.Target(
          dataClass: "messages", shards: choices[0].map(\.name),
          legalShards: Set(choices.joined().map(\.name)))
      ])
  }

  /// Takes a step. Whoever was refused takes none any more.
  func take(_ step: Step) async throws {
    if isOver { return }
    guard step != .begin else {
      switch try await files.directory.beginAdmissions(
        [plan()], law: law.reference, by: .soon)[0]
      {
      case .success(let tickets):
        ticket = tickets.first
        isOver = tickets.isEmpty
      case .failure: isOver = true
      }
      return
    }
    guard let ticket else { return }
    let refusal: StorageError?
    switch step {
    case .begin: refusal = nil
    case .drop:
      guard let old = ticket.illegalShard else { return }
      refusal = try await files.shard(old).drop([ticket.home], by: .soon)[0]
    case .retarget:
      refusal = try await files.directory.retarget([ticket], law: law.reference, by: .soon)[0]
    case .stage:
      // A shard that is behind is raised first; one that is ahead refuses.
      try await files.raise(ticket.shard, to: law)
      refusal = try await files.shard(ticket.shard).stage(
        [HomeStaging(home: ticket.home, alias: ticket.alias, profile: ticket.profile)],
        law: law.reference, by: .soon)[0]
    case .commit:
      refusal = try await files.directory.commitAdmissions(
        [ticket], law: law.reference, by: .soon)[0]
      hasCommitted = refusal == nil
    case .open:
      refusal = try await files.shard(ticket.shard).open([ticket.home], by: .soon)[0]
    }
    isOver = refusal != nil
  }

  /// Takes the steps from one to another.
  func take(from first: Step = .begin, through last: Step) async throws {
    for step in Step.allCases.drop(while: { $0 != first }) {
      try await take(step)
      if step == last { return }
    }
  }
}
