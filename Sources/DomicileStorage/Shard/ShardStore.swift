package import DomicilePolicy

/// What the layers above ask of a shard, wherever it is: batches are the unit, and no transaction is held open
/// from one call to the next.
package protocol ShardStore: Sendable {
  var identity: ShardIdentity { get }

  /// Makes all changes of a request in one transaction, behind the fence.
  func write(
    _ request: WriteRequest, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [RecordOutcome]

  /// The records of some keys, in the order of the keys; nil for those that are not there. With `evenFrozen` a home answers that a
  /// move has frozen: whether it was the home still is the caller's to find out.
  func records(
    home: HomeReference, collection: String, keys: [RecordKey], evenFrozen: Bool
  ) throws(StorageError) -> [StoredRecord?]

  /// A page of a collection's records.
  func page(_ request: PageRequest) throws(StorageError) -> RecordPage

  /// Stages homes; for each, why not.
  func stage(
    _ homes: [HomeStaging], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  /// Opens homes that the directory names; for each, why not.
  func open(
    _ homes: [HomeReference], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  /// Drops staged homes, leaving each `absent` with the reference's serial as its token; for each, why not.
  func drop(
    _ homes: [HomeReference], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  /// Stamps homes with tags that have changed, over earlier ones; for each, why not. From then on no write that was decided
  /// on earlier tags is committed.
  func retag(
    _ homes: [HomeStaging], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  /// Stamps the shard with a policy, unless it has a later one. Whether the shard has this one now.
  func raise(
    to reference: LawReference, law: ShardLaw, accepts: [String],
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Bool

  /// The policy with which the shard is stamped, and its law.
  func stampedLaw() throws(StorageError) -> (LawReference, ShardLaw)

  /// What the shard holds, by class and profile.
  func tallies() throws(StorageError) -> [HomeTally]

  /// Of the records of a class, those that a longest lifetime in seconds would end sooner than they end now.
  func recordsOutlasting(
    seconds: Int64, dataClass: String
  ) throws(StorageError) -> OutlastingTally

  /// Homes in the order of their numbers, after a number.
  func homes(after id: Int64, limit: Int) throws(StorageError) -> [HomeRow]

  /// The home of an owner and class, in whatever state.
  func home(owner: OwnerKey, dataClass: String) throws(StorageError) -> HomeRow?

  /// The records of a home, or those that an author wrote there as the latest, in whatever state the home is. The legal holds
  /// come beside those that the shard knows.
  func contents(
    of owner: OwnerKey, dataClass: String, author: OwnerAlias?, holds: [HomeHold]
  ) throws(StorageError) -> HomeContents

  /// Proves that nothing is left of what was deleted, or says where something is.
  func searchRemnants() throws(StorageError) -> RemnantSearchResult

  /// What SQLite's own check of the whole file finds; empty for a sound file.
  func integrityFindings() throws(StorageError) -> [String]

  /// Refuses writes whose deadline passed while they waited, and purges what has waited long. To be called every
  /// 100 ms or so.
  func tick()

  /// Brings all that was deleted before this call out of the file and its WAL; the state at the deadline.
  func purge(by deadline: ContinuousClock.Instant) async -> PurgeState

  /// Whether somebody waits for a purge, and since when.
  var purgeState: PurgeState { get }

  /// What went wrong when the purge that waits was tried last; nil if somebody's reading keeps it back.
  var purgeProblem: StorageError? { get }

  /// Erases a home: stamps it, then deletes its records. Repeating it after an error goes on; a purge makes it
  /// physical. The error is `outrun` if the home has a higher token, and `policyChanged` if the shard is behind the directory.
  func erase(_ erasure: HomeErasure, by deadline: ContinuousClock.Instant) async -> ErasedHome

  /// Deletes a range of records of an open home, but for what is held.
  func erase(
    _ request: RangeErasure, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> ErasedRecords

  /// Deletes what a user wrote in a group's home, but for what is held. The error is `moved` if the home is not at that serial.
  func erase(_ request: AuthoredErasure, by deadline: ContinuousClock.Instant) async -> ErasedHome

  /// Keeps a user's lifetime, and fits what is stored to it.
  func setLifetime(
    _ request: LifetimeRequest, by deadline: ContinuousClock.Instant
  ) async throws(StorageError)

  /// Puts homes under a legal hold until a time, in milliseconds since 1970, or without end; for each, why not.
  func hold(
    _ homes: [HomeReference], name: String, until: Int64?, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  /// Ends a legal hold on homes; for each, why not.
  func release(
    _ homes: [HomeReference], name: String, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?]

  /// Deletes what has expired, fits what is stored to a changed policy, and purges that; with `purgesAll` whatever was
  /// deleted, by other processes too. Throws `policyChanged` if the shard is behind the directory.
  func sweep(
    purgesAll: Bool, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Sweep

  /// Whether nothing is swept, because the clock differs from what is known of the time.
  var isClockInDoubt: Bool { get }

  /// Takes the clock for right.
  func acceptClock(by deadline: ContinuousClock.Instant) async throws(StorageError)

  /// Writes that wait.
  var depth: Int { get }

  func close() async
}

extension ShardStore {
  package func records(
    home: HomeReference, collection: String, keys: [RecordKey]
  ) throws(StorageError) -> [StoredRecord?] {
    try records(home: home, collection: collection, keys: keys, evenFrozen: false)
  }
}

/// Which records a page should hold.
package struct PageRequest: Sendable {
  package var home: HomeReference
  package var collection: String
  package var range: KeyRange
  /// A label's name and value that the records must have; nil for all records.
  package var label: (name: String, value: String)?
  package var order: RecordOrder
  package var limit: Int
  package var after: RecordCursor?
  /// As for ``ShardStore/records(home:collection:keys:evenFrozen:)``.
  package var evenFrozen = false

  package init(
    home: HomeReference, collection: String, range: KeyRange = .all,
    label: (name: String, value: String)? = nil, order: RecordOrder = .ascending, limit: Int,
    after: RecordCursor? = nil
  ) {
    self.home = home
    self.collection = collection
    self.range = range
    self.label = label
    self.order = order
    self.limit = limit
    self.after = after
  }
}

/// The homes of one class and profile in a shard, and what they hold.
package struct HomeTally: Sendable, Equatable {
  package let dataClass: String
  package let profile: HomeProfile
  package let homes: Int64
  /// Records that have not expired.
  package let records: Int64
  /// The bytes of their keys and values.
  package let bytes: Int64
  /// Whether the shard's law no longer permits them.
  package let isBarred: Bool

  func adding(_ other: HomeTally) -> HomeTally {
    HomeTally(
      dataClass: dataClass, profile: profile, homes: homes + other.homes,
      records: records + other.records, bytes: bytes + other.bytes, isBarred: isBarred)
  }
}

/// Records that are kept for longer than some time.
package struct OutlastingTally: Sendable, Equatable {
  package var records: Int64 = 0
  /// Those of them that are older than it.
  package var older: Int64 = 0
  /// The bytes of the keys and values of those that are older.
  package var olderBytes: Int64 = 0
}
