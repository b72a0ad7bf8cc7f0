package import DomicilePolicy
package import DomicileStorage
package import Foundation

/// What the layers above ask of the directory, wherever it is: batches are the unit, and no transaction is held
/// open from one call to the next.
package protocol DirectoryStore: Sendable {
  /// 16 random bytes that all files of the deployment share.
  var deployment: [UInt8] { get }
  var keyCheck: [UInt8] { get }

  // Policies.

  /// The policy in force.
  func policyInForce() throws(StorageError) -> AppliedPolicy

  /// The generation and digest of the policy in force.
  func reference() throws(StorageError) -> LawReference

  /// Puts a policy in force, with a new generation; the one in force, if it is the same.
  ///
  /// - Throws: ``StorageError`` with `shardInUse` if the topology drops a shard that holds placements, or
  ///   changes its region or country.
  func apply(
    _ policy: ResidencyPolicy, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> LawReference

  // Shards.

  func shards() throws(StorageError) -> [ShardEntry]

  /// Notes that the file of a shard has been made.
  func noteCreated(
    shard: String, by deadline: ContinuousClock.Instant
  ) async throws(StorageError)

  // Users.

  func user(_ owner: OwnerKey) throws(StorageError) -> UserEntry?

  /// Users in the order of their numbers, after a number.
  func users(after id: Int64, limit: Int) throws(StorageError) -> [UserEntry]

  /// Makes the rows `admitting` and takes over those that were left so, each with a fresh token; for each plan
  /// the tickets of the classes that are not placed yet.
  ///
  /// A failure is `policyChanged` if the law is not the one in force, `retagged` if the user is known with
  /// other tags.
  func beginAdmissions(
    _ plans: [AdmissionPlan], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [Result<[AdmissionTicket], StorageError>]

  /// Changes the target of a placement `admitting`, whose home at the old one has been dropped.
  func retarget(
    _ tickets: [AdmissionTicket], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  /// The commit point of admissions: `admitting` becomes `placed`, if token and law still hold.
  func commitAdmissions(
    _ tickets: [AdmissionTicket], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  // The file.

  func integrityFindings() throws(StorageError) -> [String]
  func tick()

  /// Brings all that was deleted before this call out of the file and its WAL; the state at the deadline.
  func purge(by deadline: ContinuousClock.Instant) async -> PurgeState
  var purgeState: PurgeState { get }
  func close() async
}
