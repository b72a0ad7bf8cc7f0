import DomicilePolicy
import DomicileStorage
import Foundation
import Synchronization

/// The policy in force as a router believes it, with all that a call needs of it behind one reference.
final class PolicyInForce: Sendable {
  let reference: LawReference
  let policy: ResidencyPolicy
  /// By name.
  private let shards: [String: ShardDefinition]
  /// By collection. Asked at each call: copying the policy out costs more than the answer.
  private let classes: [String: String]
  /// What admissions have asked for the ledger: few kinds of users are many users.
  private let asked = Mutex<[AskedRules: [String]]>([:])

  private struct AskedRules: Hashable {
    let profile: ResidencyPolicy.CompiledProfile
    let dataClass: Int
  }

  /// When the next phase of the policy begins; nil: never.
  private let end: Date?
  private let location: Location

  private enum Location {
    case unsaid
    case country(Int)
    /// A country that this policy does not know.
    case unknown
  }

  /// With the country in which this process runs, if somebody has said so.
  init(reference: LawReference, policy: ResidencyPolicy, location: String?) {
    self.reference = reference
    self.policy = policy
    end = policy.phase.end.map { Date(timeIntervalSince1970: $0.secondsSince1970) }
    self.location =
      location.map { code in
        (try? policy.number(ofCountry: code)).map(Location.country) ?? .unknown
      } ?? .unsaid
    shards = Dictionary(
      policy.topology.shards.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    classes = Dictionary(
      policy.classes.flatMap { dataClass in dataClass.collections.map { ($0, dataClass.name) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// As ``ResidencyPolicy/rulesAsked(_:isGroup:dataClass:)``.
  func rulesAsked(
    _ profiles: [ResidencyPolicy.CompiledProfile], isGroup: Bool, dataClass: Int
  ) -> [String] {
    guard !isGroup, profiles.count == 1 else {
      return policy.rulesAsked(profiles, isGroup: isGroup, dataClass: dataClass)
    }
    let key = AskedRules(profile: profiles[0], dataClass: dataClass)
    if let known = asked.withLock({ $0[key] }) { return known }
    let rules = policy.rulesAsked(profiles, isGroup: false, dataClass: dataClass)
    asked.withLock { asked in
      if asked.count >= 10_000 { asked = [:] }
      asked[key] = rules
    }
    return rules
  }

  /// The one class of some collections.
  ///
  /// - Throws: ``RouterError`` with `unknownName`, or with `invalidArgument` if they are of different classes.
  func dataClass(of collections: [RecordCollection]) throws(RouterError) -> String {
    var first: (collection: RecordCollection, dataClass: String)?
    for collection in collections {
      let dataClass: String
      if let known = classes[collection.name] {
        dataClass = known
      } else {
        // Throws, and names the nearest right one.
        dataClass = try routing { try policy.dataClass(ofCollection: collection.name) }
      }
      if let first, first.dataClass != dataClass {
        throw RouterError(
          .invalidArgument,
          "A batch is for one data class; “\(first.collection)” and “\(collection)” are of"
            + " different ones. Nothing was written.")
      }
      first = first ?? (collection, dataClass)
    }
    guard let first else {
      throw RouterError(.invalidArgument, "A call names at least one collection.")
    }
    return first.dataClass
  }

  func shard(_ name: String) -> ShardDefinition? { shards[name] }

  /// Whether the policy's next phase has begun, so that these verdicts hold no more.
  func isOver(by clock: WallClock) -> Bool { end.map { $0 <= clock.now } ?? false }

  /// Whether this process, where it runs, may read and write a user's data of a class.
  func permitsProcessing(_ profile: [ResidencyPolicy.CompiledProfile], dataClass: Int) -> Bool {
    switch location {
    case .unsaid: policy.permitsProcessing(profile, dataClass: dataClass, in: nil)
    case .country(let number):
      policy.permitsProcessing(profile, dataClass: dataClass, in: number)
    case .unknown: false
    }
  }

  /// Why a region is no place for a home; nil if it is one.
  func refusal(
    of profile: HomeProfile, isGroup: Bool, dataClass: String, in region: String
  ) throws -> Verdict? {
    let (number, place) = (
      try policy.number(ofClass: dataClass), try policy.number(ofRegion: region)
    )
    // The verdict with its reasons takes longer, and only whoever is refused reads it.
    if let profiles = try? policy.compile(profile), !profiles.isEmpty,
      profiles.allSatisfy({ policy.permits($0, dataClass: number, region: place) })
    {
      return nil
    }
    let verdict = try policy.verdict(
      for: profile, isGroup: isGroup, dataClass: dataClass, in: region)
    return verdict.isAllowed ? nil : verdict
  }

  func country(ofRegion name: String) -> CountryCode? {
    policy.topology.regions.first { $0.name == name }?.country
  }

  /// Whether the directory, where it lies, may hold what it notes about users with these tags.
  func permitsInDirectory(_ profile: HomeProfile) throws(RouterError) -> Bool {
    try routing {
      // Of a group that everybody has left nothing is noted about anybody.
      if profile.members.isEmpty { return true }
      guard let profile = try? policy.compile(profile) else { return false }
      return try policy.permits(
        profile, dataClass: policy.number(ofClass: "directory"),
        region: policy.number(ofRegion: policy.topology.directoryRegion))
    }
  }

  /// The classes that hold records: all but the directory's own.
  var recordClasses: [String] {
    policy.classes.filter { !$0.collections.isEmpty }.map(\.name)
  }

  /// - Throws: ``RouterError`` with `unknownName`, or with `invalidArgument` for a class without collections.
  func checkHoldsRecords(_ dataClass: String) throws {
    if recordClasses.contains(dataClass) { return }
    _ = try policy.number(ofClass: dataClass)
    throw RouterError(
      .invalidArgument,
      "The class “\(dataClass)” has no collections, so nothing is placed for it.")
  }
}
