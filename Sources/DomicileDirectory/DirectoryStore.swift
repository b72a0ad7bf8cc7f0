package import DomicilePolicy
package import DomicileStorage
package import Foundation

/// What the layers above ask of the directory, wherever it is: batches are the unit, and no transaction is held
/// open from one call to the next.
package protocol DirectoryStore: LedgerStore {
  /// 16 random bytes that all files of the deployment share.
  var deployment: [UInt8] { get }
  var keyCheck: [UInt8] { get }

  // Policies.

  /// The policy in force.
  func policyInForce() throws(StorageError) -> AppliedPolicy

  /// The policy that was put in force as a generation; nil if none was.
  func policy(ofGeneration generation: Int64) throws(StorageError) -> AppliedPolicy?

  /// The generation and digest of the policy in force.
  func reference() throws(StorageError) -> LawReference

  /// The day that the policy in force was compiled for, or a later one that has been seen.
  func day() throws(StorageError) -> PolicyDay

  /// Why ``apply(_:at:by:)`` would refuse a policy now; nil if it would not. `shardInUse` if the topology drops a shard that
  /// holds placements, or changes its region or country; `collectionInUse` likewise of collections and classes.
  func refusal(of policy: ResidencyPolicy) throws(StorageError) -> StorageError?

  /// Puts a policy in force, with a new generation; the one in force, if it is the same. With a base only over that.
  ///
  /// - Throws: ``StorageError`` as ``refusal(of:)`` says; `policyChanged` if another than `base` is in force.
  func apply(
    _ policy: ResidencyPolicy, over base: LawReference?, at time: Date,
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> LawReference

  /// Puts a later phase of the policy in force into force. Where other texts are in force by now they stay: their
  /// law is the answer.
  func beginPhase(
    of policy: ResidencyPolicy, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> LawReference

  // Shards.

  func shards() throws(StorageError) -> [ShardEntry]

  /// Notes that the file of a shard has been made.
  func noteCreated(
    shard: String, by deadline: ContinuousClock.Instant
  ) async throws(StorageError)

  // Users.

  func user(_ owner: OwnerKey) throws(StorageError) -> UserEntry?

  /// How many users and groups there are, and how many of them, or of their classes, are being erased.
  func sums() throws(StorageError) -> (users: Int, erasures: Int)

  /// The bytes of the WAL; 0 if there is none.
  var walBytes: Int { get }

  /// Users and groups by their aliases; nil where there is none.
  func users(named aliases: [OwnerAlias]) throws(StorageError) -> [UserEntry?]

  /// Users in the order of their numbers, after a number.
  func users(after id: Int64, limit: Int) throws(StorageError) -> [UserEntry]

  /// The homes of the groups in which a user is or was.
  func sharedPlacements(of owner: OwnerKey) throws(StorageError) -> [SharedPlacement]

  /// How many users and groups there are with each profile.
  func profileCounts() throws(StorageError) -> [HomeProfile: Int]

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

  // Tags and groups.

  /// Gives a user other tags, under a new version, and with them the groups in which the user is; notes each of their homes
  /// for ``pendingTags(of:after:limit:)``. Whether there is such a user.
  ///
  /// - Throws: ``StorageError`` with `erasing`; `policyChanged` if the law, by which they were checked, is not in force; `outrun`
  ///   if the user's homes are not those that were judged.
  func changeTags(
    of owner: OwnerKey, to profile: ResidencyProfile, law: LawReference,
    barring barred: BarredPlaces, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool

  /// Makes a user a member of a group. Why not: `policyChanged` or `outrun` if the decision was made by what is no longer so.
  func join(
    _ joining: GroupJoining, law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> StorageError?

  /// Ends a user's membership, with a new version of the group's tags. Whether the user is, or ever was, a member.
  func leave(
    _ group: OwnerKey, user: OwnerKey, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool

  /// The name under which a member writes in a group; nil if the user is not in it.
  func author(of user: OwnerKey, in group: OwnerKey) throws(StorageError) -> OwnerAlias?

  /// The names of all of a group's members, sorted.
  func authors(in group: OwnerKey) throws(StorageError) -> [OwnerAlias]

  /// Homes that are not known to be stamped with the latest tags: of a user or group, and of the groups in which the user
  /// is; of everybody if the owner is nil. In the order of users and classes, after one.
  func pendingTags(of owner: OwnerKey?, after last: PendingTags?, limit: Int) throws(StorageError)
    -> [PendingTags]

  /// Whether a home is not known to be stamped with the latest tags.
  func hasPendingTags(_ owner: OwnerKey, dataClass: String) throws(StorageError) -> Bool

  /// Notes that homes have been stamped.
  func noteStamped(
    _ stamped: [PendingTags], by deadline: ContinuousClock.Instant
  ) async throws(StorageError)

  // Moves.

  /// Notes moves, each with a fresh serial for the target's home and a fresh token. A failure is `policyChanged`; `moved` if there is no
  /// home; `outrun` if the tags are not those by which the target was judged; `moveUnderWay`; `erasing`.
  func planMoves(
    _ requests: [MoveRequest], law: LawReference, at time: Date,
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [Result<MoveTicket, StorageError>]

  /// Raises the tokens of moves, so that whoever had them changes nothing any more; nil where there is no move, somebody's lease is not
  /// over (unless `evenLeased`), or the data is being erased.
  func takeOverMoves(
    _ moves: [MoveTicket], evenLeased: Bool, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [MoveTicket?]

  /// Keeps moves from being taken over for a while; with a problem gives them up. For each whether it is still under its token.
  func renewMoves(
    _ moves: [MoveTicket], problem: String?, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [Bool]

  /// Notes that moves are to be undone; for each why not.
  func beginAborts(
    _ moves: [MoveTicket], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  /// The commit point of moves; for each why not: `policyChanged`, `retagged`, `outrun`.
  func flip(
    _ moves: [MoveTicket], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  /// Forgets moves of which nothing is left to be done; for each why not.
  func endMoves(
    _ moves: [MoveTicket], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  func moves(of owner: OwnerKey) throws(StorageError) -> [MoveTicket]

  /// Moves as they are now; nil where there is none any more.
  func current(_ moves: [MoveTicket]) throws(StorageError) -> [MoveTicket?]

  /// In the order of users and classes, after one.
  func moves(after last: MoveTicket?, limit: Int) throws(StorageError) -> [MoveTicket]

  /// Moves whose movers have not renewed their lease.
  func dueMoves(at time: Date, limit: Int) throws(StorageError) -> [MoveTicket]

  // Erasures.

  /// Notes that a user, or some classes of the user's data, is being erased, under a fresh token: from then on no admission
  /// of it begins, and those under way end. Nil if there is no such user.
  ///
  /// With an alias, only an erasure of that life of the user, and one that is under way, is gone on with; nil if it is over.
  /// An erasure under way is taken over. If it is not renewed it is listed by ``dueErasures(at:limit:)`` after
  /// ``ErasurePlan/leaseMilliseconds``.
  func beginErasure(
    _ owner: OwnerKey, dataClasses: Set<String>?, continuing alias: OwnerAlias?, at time: Date,
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> ErasurePlan?

  /// Keeps an erasure that goes on from being taken over; whether nobody has.
  func renewErasure(
    _ plan: ErasurePlan, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool

  /// Drops the mapping of what was erased, but for the classes that are held: they stay listed, to be looked at again
  /// when they are due. A user without any, of whom nothing is held in groups either, leaves a tombstone. Why not, if the
  /// token is no longer the highest.
  func finishErasure(
    _ plan: ErasurePlan, held: Set<String>, isSharedHeld: Bool, due: Date?, at time: Date,
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> StorageError?

  /// Users whose erasure somebody began and did not finish, or waits for what was held and may go now.
  func dueErasures(at time: Date, limit: Int) throws(StorageError) -> [OwnerKey]

  /// Whether somebody is being erased who is, or was, in a group.
  func hasErasingMembers(_ group: OwnerKey) throws(StorageError) -> Bool

  /// How many erasures go on.
  func leasedErasures() throws(StorageError) -> Int

  // Legal holds.

  /// Notes a legal hold on classes of a user's data, or changes the one of that name; nil if there is no such user.
  ///
  /// - Throws: ``StorageError`` with `invalidArgument` if one of that name would end earlier than it did, unless `shortens`.
  func addHold(
    _ hold: LegalHold, on owner: OwnerKey, shortens: Bool, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> NotedHold?

  /// Whether an admission by this process may have placed a class on which there is a legal hold, which is still to be told to
  /// the home. Somebody who finds none to be told sets it back.
  var mayHaveFlaggedHolds: Bool { get nonmutating set }

  /// Notes that all shards know of a hold as it is, unless it has another end by now.
  func noteTold(
    _ hold: LegalHold, on owner: OwnerKey, by deadline: ContinuousClock.Instant
  ) async throws(StorageError)

  /// Holds, one for each class, of which, or of whose release, some shard may not know: those of some users after one, in the
  /// order of their numbers.
  func untoldHolds(
    after user: Int64, limit: Int
  ) throws(StorageError) -> [(user: UserEntry, hold: LegalHold)]

  /// Notes that a hold has ended, so that no erasure tells a shard of it any more; whether there is one of that name.
  func endHold(
    _ name: String, on owner: OwnerKey, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool

  /// Whether there was one of that name.
  func removeHold(
    _ name: String, from owner: OwnerKey, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool

  func holds(on owner: OwnerKey) throws(StorageError) -> [LegalHold]

  // The file.

  func searchRemnants() throws(StorageError) -> RemnantSearchResult
  func integrityFindings() throws(StorageError) -> [String]
  func tick()

  /// Brings all that was deleted before this call out of the file and its WAL; the state at the deadline.
  func purge(by deadline: ContinuousClock.Instant) async -> PurgeState
  var purgeState: PurgeState { get }
  var purgeProblem: StorageError? { get }
  func close() async
}
