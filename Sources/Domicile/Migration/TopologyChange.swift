import DomicileDirectory
public import DomicilePolicy
import DomicileStorage

/// A new topology beside the one that it is to replace, to be reviewed and applied.
public struct TopologyChange: Sendable, Codable {
  public let format: Int
  /// The generation in force when the change was planned.
  public let generation: Int64
  /// What changes, a line for each operator, region and shard; empty if nothing does.
  public let changes: [String]
  /// The text of `topology.yaml` then, and the new one.
  public let old: String
  public let new: String
  /// The table of cloud regions to which it refers, if it does.
  public let cloudRegions: String?

  static let currentFormat = 1
  static let file = "topology.yaml"
  static let cloudRegionsFile = "facts/cloud-regions.csv"
}

extension ResidencyRouter {
  /// Compares the topology of a regions folder with the one in force. Of the folder nothing else is looked at. Changes nothing.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/invalidPolicy`` and its problems.
  public func topologyChange(
    to files: RegionFiles
  ) async throws(RouterError) -> (change: TopologyChange, policy: ResidencyPolicy) {
    let current = try await currentPolicy()
    let change = TopologyChange(
      format: TopologyChange.currentFormat, generation: current.reference.generation, changes: [],
      old: current.policy.files.texts[TopologyChange.file] ?? "",
      new: files.texts[TopologyChange.file] ?? "",
      cloudRegions: files.texts[TopologyChange.cloudRegionsFile])
    let policy = try routing { try change.policy(over: current.policy) }
    let changes = current.policy.topology.changes(to: policy.topology)
    return (
      TopologyChange(
        format: change.format, generation: change.generation, changes: changes, old: change.old,
        new: change.new, cloudRegions: change.cloudRegions), policy
    )
  }

  /// The policy that a change makes of the one in force.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/planOutdated`` if somebody else has changed the topology since it was planned.
  public func policy(with change: TopologyChange) async throws(RouterError) -> ResidencyPolicy {
    try reloadPolicy()
    return try await policyAndBase(change).policy
  }

  /// Puts a planned topology in force, with the rest of the policy as it is.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/planOutdated`` if somebody else has changed the topology since it was planned, or
  ///   as ``apply(_:)``. Nothing was applied then.
  public func apply(_ change: TopologyChange) async throws(RouterError) -> PolicyApplication {
    while true {
      try reloadPolicy()
      let (policy, base) = try await policyAndBase(change)
      do throws(RouterError) {
        return try await apply(policy, over: base)
      } catch {
        // Somebody else was first: with the topology, which is found out next, or with the rest of the policy.
        guard try routing({ try directory.reference() != base }) else { throw error }
      }
    }
  }

  private func policyAndBase(
    _ change: TopologyChange
  ) async throws(RouterError) -> (policy: ResidencyPolicy, base: LawReference) {
    guard change.format == TopologyChange.currentFormat else {
      throw RouterError(
        .invalidPlan, "The change has a form that this version of Domicile does not read.")
    }
    let current = try await currentPolicy()
    let text = current.policy.files.texts[TopologyChange.file]
    if text == change.new { return (current.policy, current.reference) }
    guard text == change.old else {
      let between = try policy(ofGeneration: change.generation).topology.changes(
        to: current.policy.topology)
      throw RouterError(
        .planOutdated,
        "The topology was changed by somebody else since this change was planned (generation \(change.generation), in force is"
          + " \(current.reference.generation)): \(between.isEmpty ? "its text" : between.joined(separator: "; ")). Nothing was applied. Take that"
          + " over into topology.yaml, and plan again.")
    }
    return (try routing { try change.policy(over: current.policy) }, current.reference)
  }
}

extension TopologyChange {
  func policy(over policy: ResidencyPolicy) throws(PolicyError) -> ResidencyPolicy {
    var texts = policy.files.texts
    texts[Self.file] = new
    if let cloudRegions { texts[Self.cloudRegionsFile] = cloudRegions }
    return try ResidencyPolicy(files: RegionFiles(texts: texts), on: policy.day)
  }
}
