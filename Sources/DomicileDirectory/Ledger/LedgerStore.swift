package import DomicileStorage
package import Foundation

/// What the layers above ask of the ledger, wherever the directory is.
package protocol LedgerStore: Sendable {
  /// Appends entries that stand beside no other change.
  func note(
    _ notes: [LedgerNote], by deadline: ContinuousClock.Instant
  ) async throws(StorageError)

  /// Adds to the counts of refused writes; those of hours that are over become an entry.
  func count(
    _ refused: [RefusedWriteKey: Int64], at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError)

  /// Whether there are counts of an hour that is over.
  func hasRefusedWrites(before time: Date) throws(StorageError) -> Bool

  /// The shards where homes are barred, or may be: of which that is not counted yet.
  func shardsWithBarredHomes() throws(StorageError) -> [String]

  /// How many homes are barred in each shard of which that has been counted since it was asked for.
  func barredHomes() throws(StorageError) -> [String: Int]

  /// The shards of which what is barred there is to be counted, and noted; by name, with what the tally must carry as `due`.
  func shardsToTally() throws(StorageError) -> [String: Int64]

  /// Notes what is barred in a shard, unless somebody has, or another policy is in force.
  func noteBarred(
    _ tally: BarringTally, by deadline: ContinuousClock.Instant
  ) async throws(StorageError)

  /// How many entries there are.
  func ledgerSize() throws(StorageError) -> Int64

  /// Entries from a number on, in their order; of those that were pruned the hash alone.
  func entries(from number: Int64, limit: Int) throws(StorageError) -> [NumberedEntry]

  /// Entries about a user or group, in their order. It reads the whole ledger.
  func entries(about alias: OwnerAlias) throws(StorageError) -> [NumberedEntry]

  /// Signs the tree as it is, and remembers that beside the key.
  ///
  /// - Parameters:
  ///   - key: The one that the ledger names.
  ///   - file: What was signed last; a missing one is made only with `isFirst`.
  ///   - isFirst: Whether it may be that nothing says what was signed last.
  /// - Returns: The checkpoint, which is in the file then.
  /// - Throws: ``StorageError`` with `wrongLedgerKey` if the ledger names another key; with `ledgerForked` if it does not begin
  ///   with what was signed last; with `checkpointMissing`.
  func checkpoint(
    signedBy key: LedgerKey, file: CheckpointFile, isFirst: Bool
  ) throws(StorageError) -> SignedNote

  /// An entry with the proof that it is in the tree of a checkpoint.
  func inclusionProof(
    of number: Int64, in checkpoint: Checkpoint
  ) throws(StorageError) -> (entry: NumberedEntry, text: String?, proof: [TreeHash])

  /// That the tree of one size begins with that of another.
  func consistencyProof(from old: Int64, to size: Int64) throws(StorageError) -> [TreeHash]

  /// The root over the first so many entries.
  func ledgerRoot(size: Int64) throws(StorageError) -> TreeHash

  /// The keys that have signed, the latest last.
  func signingKeys() throws(StorageError) -> [NoteKey]

  /// Makes another key the one that signs: an entry, which the key in force has signed.
  func rotate(
    from old: LedgerKey?, to new: LedgerKey, by deadline: ContinuousClock.Instant
  ) async throws(StorageError)

  /// Reads the whole ledger once and checks it.
  func verifyLedger(since checkpoints: [Checkpoint]) throws(StorageError) -> LedgerVerification

  /// Deletes the texts of entries that are older, with an entry that says so; the number before which none has a text.
  func pruneLedger(
    before time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> Int64
}
