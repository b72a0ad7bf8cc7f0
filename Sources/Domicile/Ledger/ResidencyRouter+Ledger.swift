public import DomicileDirectory
public import DomicilePolicy
import DomicileStorage
import Foundation
import Logging

/// The ledger: every decision about where data is, provable to somebody who does not trust whoever keeps it.
extension ResidencyRouter {
  /// The name of the ledger, which its checkpoints carry.
  public var ledgerOrigin: String { LedgerKey.origin(of: directory.deployment) }

  /// How many entries the ledger has.
  public func ledgerSize() throws(RouterError) -> Int64 {
    try routing { try directory.ledgerSize() }
  }

  /// Entries from a number on, in their order.
  public func ledgerEntries(
    from number: Int64 = 0, limit: Int = 1_000
  ) throws(RouterError) -> [NumberedEntry] {
    try routing { try directory.entries(from: max(0, number), limit: max(0, limit)) }
  }

  /// The keys that have signed checkpoints of the ledger, the latest last.
  public func ledgerKeys() throws(RouterError) -> [NoteKey] {
    try routing { try directory.signingKeys() }
  }

  private var ledgerKeySource: KeySource { options.ledgerKey ?? folder.defaultLedgerKey }

  /// Signs the ledger as it is: a checkpoint as C2SP tlog-checkpoint says, in a signed note, which can be given to anybody. It is
  /// remembered beside the key.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/wrongLedgerKey``; with ``RouterError/Code/ledgerForked`` if the ledger
  ///   does not begin with what was signed last; with ``RouterError/Code/checkpointMissing`` if nothing says what that was.
  public func checkpoint() throws(RouterError) -> SignedNote { try sign(isFirst: false) }

  private func sign(isFirst: Bool) throws(RouterError) -> SignedNote {
    try routing {
      try directory.checkpoint(
        signedBy: ledgerKeySource.readLedgerKey(), file: folder.checkpointFile, isFirst: isFirst)
    }
  }

  /// Signs the ledger where the file is missing that says what was signed last.
  ///
  /// - Parameter last: A checkpoint that was kept, as the text of a signed note: the ledger must begin with it. Nil: none was, and
  ///   whatever the ledger is, is signed.
  /// - Returns: The checkpoint of now.
  /// - Throws: ``RouterError`` as of ``checkpoint()``; with ``RouterError/Code/invalidArgument`` if the file is there, or the text is
  ///   no checkpoint.
  public func checkpoint(continuing last: String?) throws(RouterError) -> SignedNote {
    guard let last else {
      if try lastCheckpoint() == nil { return try sign(isFirst: true) }
      return try checkpoint()
    }
    try routing {
      guard let note = SignedNote(last), Checkpoint(text: note.text)?.origin == ledgerOrigin,
        try !(note.verified(by: directory.signingKeys()) ?? []).isEmpty
      else {
        throw RouterError(
          .invalidArgument,
          "This is no checkpoint that a key of this ledger has signed. Nothing was changed.")
      }
      try folder.checkpointFile.restore(note)
    }
    return try checkpoint()
  }

  /// Signs the first checkpoint of a ledger, with which all later ones are compared.
  func signFirst() throws(RouterError) {
    // What there is more than the key and the policy was decided after the first was signed.
    if try lastCheckpoint() == nil, try ledgerSize() <= 2 { _ = try sign(isFirst: true) }
  }

  /// The checkpoint that was signed last; nil if none was.
  public func lastCheckpoint() throws(RouterError) -> SignedNote? {
    try routing { try folder.checkpointFile.read()?.note }
  }

  /// The body of an `add-checkpoint` request to a witness (C2SP tlog-witness) about the checkpoint that was signed last: the size
  /// that the witness knows, the proof that the ledger has only grown since, the checkpoint.
  public func witnessRequest(since old: Int64) throws(RouterError) -> String {
    let note = try checkpoint()
    return try routing {
      guard let checkpoint = Checkpoint(text: note.text), 0 <= old, old <= checkpoint.size else {
        throw RouterError(
          .invalidArgument,
          "The witness cannot know \(old) entries: there are \(try directory.ledgerSize()).")
      }
      let proof =
        old == 0 ? [] : try directory.consistencyProof(from: old, to: checkpoint.size)
      return "old \(old)\n" + proof.map { "\($0)\n" }.joined() + "\n\(note)"
    }
  }

  /// Adds a witness's answer, lines of cosignatures, to the checkpoint that was signed last.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/invalidArgument`` if it is no cosignature by the witness over that.
  public func add(
    cosignatures lines: String, by witness: NoteKey
  ) throws(RouterError) -> SignedNote {
    try routing { try folder.checkpointFile.add(cosignatures: lines, by: witness) }
  }

  /// An entry, and the proof that it is in the ledger of the checkpoint that is signed now.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/invalidArgument`` if there is no such entry.
  public func prove(entry number: Int64) throws(RouterError) -> LedgerProof {
    let note = try checkpoint()
    return try routing {
      guard let checkpoint = Checkpoint(text: note.text) else { throw Self.notACheckpoint }
      let (entry, text, proof) = try directory.inclusionProof(of: number, in: checkpoint)
      return LedgerProof(
        number: number, entry: text, hash: entry.hash, proof: proof.map(\.description),
        checkpoint: "\(note)")
    }
  }

  static var notACheckpoint: RouterError {
    RouterError(
      .invalidArgument,
      "This is no checkpoint of a ledger: a signed note as “domicile ledger checkpoint” prints it.")
  }

  /// Reads the whole ledger once and checks it: each text against its hash, the tree, the keys, the homes that the directory has;
  /// that it begins with the checkpoint that was signed last, and with those that are given.
  ///
  /// - Parameters:
  ///   - notes: Checkpoints that were signed earlier, as texts of signed notes.
  ///   - keys: The keys that are believed; nil for those that the ledger itself names.
  ///   - witness: Whose cosignature each of the notes must have; nil: none.
  /// - Returns: What was found, `findings` being empty if all is well. Where it was compared with no checkpoint, a ledger that was
  ///   written anew is not found.
  /// - Throws: ``RouterError`` if it cannot be read.
  public func verifyLedger(
    since notes: [String] = [], keys: [NoteKey]? = nil, witness: NoteKey? = nil
  ) throws(RouterError) -> LedgerVerification {
    try routing {
      let believed = try keys ?? directory.signingKeys()
      var checkpoints: [Checkpoint] = []
      var problems: [String] = []
      var last: String?
      do throws(StorageError) {
        last = try folder.checkpointFile.read().map { "\($0.note)" }
      } catch {
        problems.append(error.message)
      }
      for (place, text) in (notes + [last].compactMap(\.self)).enumerated() {
        guard let note = SignedNote(text), let checkpoint = Checkpoint(text: note.text) else {
          throw Self.notACheckpoint
        }
        let isOurs = checkpoint.origin == ledgerOrigin
        let by = note.verified(by: believed + [witness].compactMap(\.self)) ?? []
        if !isOurs {
          problems.append("A checkpoint is of another ledger: \(checkpoint.origin).")
        } else if by.isDisjoint(with: believed) {
          problems.append(
            "A checkpoint over \(checkpoint.size) entries is not signed by a key that is believed.")
        } else if let witness, place < notes.count, !by.contains(witness) {
          problems.append(
            "A checkpoint over \(checkpoint.size) entries is not cosigned by the witness \(witness.name)."
          )
        }
        if isOurs { checkpoints.append(checkpoint) }
      }
      var result = try directory.verifyLedger(since: checkpoints)
      result.checkpoints = checkpoints.count
      if let keys, try !Set(keys).isSubset(of: directory.signingKeys()) {
        problems.append("The ledger does not name the key that is believed.")
      }
      if checkpoints.isEmpty, problems.isEmpty, !believed.isEmpty {
        problems.append(
          "It was compared with no checkpoint: the file that says what was signed last is missing, and none was given. An old ledger, or"
            + " one that was written anew, is not found so. Name one that was kept (“--since FILE”)."
        )
      }
      for problem in problems { result.find(nil, problem) }
      return result
    }
  }

  /// Makes a new key the one that signs checkpoints: an entry, signed by the key in force.
  ///
  /// - Parameter source: Where the new key is; a file that is not there is made.
  /// - Returns: A checkpoint that the new key has signed.
  /// - Throws: ``RouterError`` with ``RouterError/Code/wrongLedgerKey`` if the key in force is not the one that the ledger names;
  ///   with ``RouterError/Code/invalidArgument`` if the new one is the hash key.
  @discardableResult
  public func rotateLedgerKey(to source: KeySource) async throws(RouterError) -> SignedNote {
    try await routing {
      var random = InjectedRandom(source: options.random)
      let keys = try directory.signingKeys()
      let old = keys.isEmpty ? nil : try ledgerKeySource.readLedgerKey()
      try source.makeIfAbsent(.ledger, using: &random)
      let new = try source.readLedgerKey()
      guard try source.readHashKey().checkValue != key.checkValue else {
        throw RouterError(
          .invalidArgument,
          "That is the hash key, which every backend has: whoever has it could sign. Nothing was changed. Name another file."
        )
      }
      try await directory.rotate(from: old, to: new, by: .now + options.deadline)
      return try directory.checkpoint(
        signedBy: new, file: folder.checkpointFile, isFirst: old == nil)
    }
  }

  /// Notes that somebody reads what is kept about a user, before it is shown.
  ///
  /// - Parameters:
  ///   - user: Whose data.
  ///   - dataClasses: Of which classes; nil where it is about the user as such.
  ///   - command: What was asked: at most 100 bytes, nothing personal.
  /// - Throws: ``RouterError`` if it cannot be noted: then it must not be shown.
  public func noteRead(
    of user: UserID, dataClasses: [String]? = nil, command: String
  ) async throws(RouterError) {
    try await noteRead(key.owner(ofUser: try user.checked()), dataClasses, command)
  }

  /// The same for a group's data.
  public func noteRead(
    of group: GroupID, dataClasses: [String]? = nil, command: String
  ) async throws(RouterError) {
    try await noteRead(key.owner(ofGroup: try group.checked()), dataClasses, command)
  }

  private func noteRead(
    _ owner: OwnerKey, _ dataClasses: [String]?, _ command: String
  ) async throws(RouterError) {
    let isName = command.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    guard (1...100).contains(command.utf8.count), isName else {
      throw RouterError(
        .invalidArgument,
        "What was asked is named by 1 to 100 bytes without control characters. Nothing was noted.")
    }
    try await routing {
      for name in dataClasses ?? [] { _ = try policy.number(ofClass: name) }
      // Of somebody who is unknown nothing can be read.
      guard let entry = try directory.user(owner) else { return }
      try await directory.note(
        [.read(of: entry, dataClasses: dataClasses, command: command)], by: .now + options.deadline)
    }
  }

  /// What the ledger says of a user, from the first entry on.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound``: of somebody who was erased nobody knows which entries they are.
  public func history(of user: UserID) throws(RouterError) -> [NumberedEntry] {
    try history(of: key.owner(ofUser: try user.checked()), Self.userNotFound)
  }

  /// The same of a group.
  public func history(of group: GroupID) throws(RouterError) -> [NumberedEntry] {
    try history(of: key.owner(ofGroup: try group.checked()), Self.groupNotFound)
  }

  private func history(
    of owner: OwnerKey, _ notFound: RouterError
  ) throws(RouterError) -> [NumberedEntry] {
    try routing {
      guard let entry = try directory.user(owner) else { throw notFound }
      return try directory.entries(about: entry.alias)
    }
  }

  /// The policy of a generation, as it was applied; nil if there was none.
  public func policyTexts(ofGeneration generation: Int64) throws(RouterError) -> RegionFiles? {
    try routing { try directory.policy(ofGeneration: generation)?.files }
  }

  // MARK: What changes beside

  /// Notes refusals to admit somebody; they stand even if they cannot be noted.
  func note(_ refusals: [LedgerNote]) async {
    guard !refusals.isEmpty else { return }
    do throws(StorageError) {
      try await directory.note(refusals, by: .now + options.deadline)
    } catch {
      options.logger.warning(
        "refused admissions cannot be noted", metadata: ["error.code": "\(error.code)"])
    }
  }

  /// Notes what a policy bars in a shard that has been raised to it, if that is due and nobody has.
  func noteBarred(
    in definition: ShardDefinition, by current: PolicyInForce
  ) async throws(RouterError) {
    let name = definition.name
    guard let due = try routing({ try directory.shardsToTally() })[name],
      let country = current.country(ofRegion: definition.region)
    else { return }
    let deadline = ContinuousClock.now + options.deadline
    let shard = try await shard(definition, in: current, by: deadline)
    try await routing(region: definition.region) {
      var homes: [[String]: [String: Int]] = [:]
      for tally in try shard.tallies() where tally.isBarred {
        let isShared = tally.profile.members.count != 1
        let verdict = try? current.policy.verdict(
          for: tally.profile, isGroup: isShared, dataClass: tally.dataClass, in: definition.region)
        let rules = Set(verdict?.rules.map(\.name) ?? []).sorted()
        homes[rules, default: [:]][tally.dataClass, default: 0] += Int(tally.homes)
      }
      let places = homes.flatMap { rules, classes in
        classes.map { dataClass, count in
          LedgerEntry.Place(
            dataClass: dataClass, region: definition.region, country: "\(country)", shard: name,
            rules: rules, homes: count)
        }
      }.sorted { ($0.dataClass, "\($0.rules ?? [])") < ($1.dataClass, "\($1.rules ?? [])") }
      try await directory.noteBarred(
        BarringTally(shard: name, due: due, law: current.reference, places: places), by: deadline)
    }
  }

  /// Deletes the texts of entries that are older than the policy in force has the ledger keep them. Their hashes stay, so that the
  /// ledger still verifies. Not while a shard doubts the clock: what goes by a clock that is ahead is gone.
  private func pruneLedger() async {
    guard let longest = policy.ledgerLongest,
      !shards.openShards.contains(where: \.isClockInDoubt)
    else { return }
    do throws(StorageError) {
      let deadline = ContinuousClock.now + .seconds(60)
      _ = try await directory.pruneLedger(
        before: options.clock.now.addingTimeInterval(-(longest / .seconds(1))), by: deadline)
      _ = await directory.purge(by: deadline)
    } catch {
      options.logger.warning(
        "the ledger cannot be pruned", metadata: ["error.code": "\(error.code)"])
    }
  }

  /// Does what the ledger waits for: entries of hours that are over, what a policy bars in shards that were away, pruning.
  ///
  /// A router does this by itself every minute while it sweeps, and when it is opened.
  public func tendLedger() async {
    await noteRefusedWrites()
    await noteWhatIsBarred()
    await pruneLedger()
  }

  func noteWhatIsBarred() async {
    let current = inForce
    for definition in current.policy.topology.shards
    where shards.carries(region: definition.region) {
      do throws(RouterError) {
        try await noteBarred(in: definition, by: current)
      } catch {
        options.logger.warning(
          "what a policy bars cannot be noted", metadata: ["error.code": "\(error.code)"])
      }
    }
  }
}

/// An entry of the ledger with what proves it to somebody who has a checkpoint, or only the key: C2SP tlog-proof.
public struct LedgerProof: Sendable, Codable, Hashable, CustomStringConvertible {
  /// From 0.
  public let number: Int64
  /// The text of which the leaf is the hash; nil if it was pruned.
  public let entry: String?
  /// Of the leaf, in base64.
  public let hash: String
  /// The hashes of RFC 9162, section 2.1.3, in base64, from the leaf up.
  public let proof: [String]
  /// The signed note.
  public let checkpoint: String

  /// As a `.tlog-proof` file has it; `extra` is the entry.
  public var description: String {
    let extra = entry.map { "extra \(Data($0.utf8).base64EncodedString())\n" } ?? ""
    return "c2sp.org/tlog-proof@v1\n\(extra)index \(number)\n"
      + proof.map { "\($0)\n" }.joined() + "\n\(checkpoint)"
  }
}
