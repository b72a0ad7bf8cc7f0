public import DomicileDirectory
import DomicileStorage
public import Foundation
import Logging

/// What became of a legal hold in the shards.
public struct HoldResult: Sendable {
  public let dataClasses: [String]
  /// Shards that do not know of it yet, or `directory` for an erasure under way that may not, and why. Repeat the call.
  public let pending: [(shard: String, reason: RouterError)]
  /// The hold as it was, on those classes where another hold of its name would have ended at another time.
  public internal(set) var replaced: [LegalHold] = []
  /// Whether an erasure waits for what was held: it goes on now. Of a group also that of a member.
  public internal(set) var resumesErasure = false
  /// Whether it is in force everywhere.
  public var isDone: Bool { pending.isEmpty }
}

extension ResidencyRouter {
  /// Puts data of a user under a legal hold: it is not erased, deleted, replaced or swept while the hold lasts.
  ///
  /// - Parameters:
  ///   - user: Whose data.
  ///   - name: 1 to 64 letters, digits, `-`, `_`, `.` or `/`, such as the number of a case. A hold of this name gets the new
  ///     reason and end; the result tells the earlier end.
  ///   - dataClasses: The classes; nil for all that are placed now.
  ///   - reason: For whoever asks later.
  ///   - until: Nil: until it is released.
  ///   - shortens: Whether a hold of that name may end earlier than it did; else that is refused.
  ///   - deadline: How long this may take; nil for the router's default.
  /// - Returns: The classes, and the shards that do not know of it yet.
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound`` or ``RouterError/Code/invalidArgument``.
  public func hold(
    _ user: UserID, name: String, dataClasses: [String]? = nil, reason: String, until: Date? = nil,
    shortens: Bool = false, deadline: Duration? = nil
  ) async throws(RouterError) -> HoldResult {
    try await hold(
      key.owner(ofUser: try user.checked()), name: name, dataClasses: dataClasses, reason: reason,
      until: until, shortens: shortens, deadline: deadline)
  }

  /// The same for the data of a group; see ``hold(_:name:dataClasses:reason:until:shortens:deadline:)-(UserID,_,_,_,_,_,_)``.
  public func hold(
    _ group: GroupID, name: String, dataClasses: [String]? = nil, reason: String,
    until: Date? = nil, shortens: Bool = false, deadline: Duration? = nil
  ) async throws(RouterError) -> HoldResult {
    try await hold(
      try groupOwner(group), name: name, dataClasses: dataClasses, reason: reason, until: until,
      shortens: shortens, deadline: deadline)
  }

  private func groupOwner(_ group: GroupID) throws(RouterError) -> OwnerKey {
    let owner = key.owner(ofGroup: try group.checked())
    guard try routing({ try directory.user(owner) }) != nil else { throw Self.groupNotFound }
    return owner
  }

  private func hold(
    _ owner: OwnerKey, name: String, dataClasses: [String]?, reason: String, until: Date?,
    shortens: Bool, deadline: Duration?
  ) async throws(RouterError) -> HoldResult {
    let isName = name.utf8.allSatisfy { byte in
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
        || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "-_./".utf8.contains(byte)
    }
    guard (1...64).contains(name.utf8.count), isName else {
      throw RouterError(
        .invalidArgument,
        "A legal hold's name has 1 to 64 letters, digits, “-”, “_”, “.” or “/”. Nothing was held.")
    }
    guard !reason.isEmpty, reason.utf8.count <= 1_000 else {
      throw RouterError(
        .invalidArgument, "A legal hold needs a reason, of at most 1,000 bytes. Nothing was held.")
    }
    guard until.map({ $0 > options.clock.now }) ?? true else {
      throw RouterError(.invalidArgument, "The end of the hold has passed. Nothing was held.")
    }
    guard let entry = try routing({ try directory.user(owner) }) else { throw Self.userNotFound }
    // What a user writes in groups has no home of the user's own.
    let shared = try routing { try directory.sharedPlacements(of: owner) }
    let placed = Set(
      entry.placements.map(\.dataClass) + shared.map(\.placement.dataClass)
    ).sorted()
    let classes = dataClasses.map { Set($0).sorted() } ?? placed
    guard !classes.isEmpty else {
      throw RouterError(
        .notFound,
        "There is no home of this user or group, so nothing is there to be held. Nothing was changed."
      )
    }
    if let missing = classes.first(where: { !placed.contains($0) }) {
      try routing { try inForce.checkHoldsRecords(missing) }
      throw RouterError(
        .notFound,
        "There is no home for the class “\(missing)”. Nothing was held. “domicile where” shows the classes that are placed."
      )
    }
    let end = ContinuousClock.now + (deadline ?? options.deadline)
    let hold = LegalHold(
      name: name, dataClasses: classes, reason: reason, placed: options.clock.now, until: until)
    let noted = try await routing {
      try await directory.addHold(hold, on: owner, shortens: shortens, by: end)
    }
    guard let noted else { throw Self.userNotFound }
    var result = try await tell(hold, noted.entry, by: end)
    result.replaced = noted.replaced
    return result
  }

  /// Has all shards know of a hold that the directory knows, and the directory that they do.
  private func tell(
    _ hold: LegalHold, _ entry: UserEntry, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) -> HoldResult {
    let erasing = Set(
      entry.placements.filter { $0.state == .erasing }.map(\.dataClass)
    ).intersection(hold.dataClasses)
    var pending: [(shard: String, reason: RouterError)] = []
    if entry.isErasing || !erasing.isEmpty {
      pending += try await takeOverErasure(
        of: entry, dataClasses: entry.isErasing ? nil : erasing, by: deadline)
    }
    let others = hold.dataClasses.filter { !entry.isErasing && !erasing.contains($0) }
    pending += await stamp(entry, classes: others, by: deadline) { shard, homes in
      try await shard.hold(
        homes, name: hold.name, until: hold.until?.milliseconds, by: deadline)
    }.pending
    if pending.isEmpty {
      try await routing { try await directory.noteTold(hold, on: entry.owner, by: deadline) }
    }
    return HoldResult(dataClasses: hold.dataClasses, pending: pending)
  }

  /// Each run of an erasure reads the holds when it begins, and outruns all that began before, in the homes of groups, too.
  private func takeOverErasure(
    of entry: UserEntry, dataClasses: Set<String>?, by deadline: ContinuousClock.Instant
  ) async throws(RouterError) -> [(shard: String, reason: RouterError)] {
    let receipt = try await erase(
      entry.owner, dataClasses: dataClasses, continuing: entry.alias, by: deadline)
    return receipt.pending.map { pending in
      (
        pending.place,
        RouterError(
          .erasing,
          "An erasure that goes on may not know of the hold yet: \(pending.reason)")
      )
    }
  }

  /// Goes on with holds, and releases, of which some shard does not know yet.
  ///
  /// A router does this by itself every minute while it sweeps, and when it is opened.
  public func finishHolds() async {
    var last: Int64 = 0
    while true {
      let page = (try? directory.untoldHolds(after: last, limit: 1_000)) ?? []
      for untold in page {
        last = untold.user.id
        await finish(untold.hold, on: untold.user)
      }
      if page.isEmpty { return }
    }
  }

  /// The same of some users, whose classes were placed anew.
  func finishHolds(on owners: Set<OwnerKey>) async {
    guard directory.mayHaveFlaggedHolds else { return }
    for owner in owners {
      guard let entry = try? directory.user(owner), let holds = try? directory.holds(on: owner)
      else { continue }
      for hold in holds where hold.isPending { await finish(hold, on: entry) }
    }
    if (try? directory.untoldHolds(after: 0, limit: 1))?.isEmpty == true {
      directory.mayHaveFlaggedHolds = false
    }
  }

  private func finish(_ hold: LegalHold, on user: UserEntry) async {
    do throws(RouterError) {
      if hold.isReleased {
        _ = try await release(hold: hold.name, on: user.owner, deadline: nil)
      } else {
        _ = try await tell(hold, user, by: .now + options.deadline)
      }
    } catch  where error.code == .notFound {
      // It was released, or the user is gone, meanwhile.
    } catch {
      options.logger.warning(
        "a legal hold cannot be finished", metadata: ["error.code": "\(error.code)"])
    }
  }

  /// Ends a legal hold. An erasure that it stopped goes on.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/notFound`` if there is no such user or hold.
  public func release(
    hold name: String, on user: UserID, deadline: Duration? = nil
  ) async throws(RouterError) -> HoldResult {
    try await release(
      hold: name, on: key.owner(ofUser: try user.checked()), deadline: deadline)
  }

  /// The same for a hold on a group.
  public func release(
    hold name: String, on group: GroupID, deadline: Duration? = nil
  ) async throws(RouterError) -> HoldResult {
    try await release(hold: name, on: try groupOwner(group), deadline: deadline)
  }

  private func release(
    hold name: String, on owner: OwnerKey, deadline: Duration?
  ) async throws(RouterError) -> HoldResult {
    let end = ContinuousClock.now + (deadline ?? options.deadline)
    let classes = try routing {
      try directory.holds(on: owner).filter { $0.name == name }.flatMap(\.dataClasses).sorted()
    }
    guard !classes.isEmpty else {
      throw RouterError(
        .notFound,
        "There is no legal hold of that name here. Nothing was released. “domicile hold list” shows those that there are."
      )
    }
    _ = try await routing {
      try await directory.endHold(name, on: owner, at: options.clock.now, by: end)
    }
    // Read after that: an erasure that was begun before, and tells the shard of the hold, has another serial.
    guard let entry = try routing({ try directory.user(owner) }) else { throw Self.userNotFound }
    let stamped = await stamp(entry, classes: classes, by: end) { shard, homes in
      try await shard.release(homes, name: name, by: end)
    }
    // What was held may be in groups only: then there is no home of the user's own.
    var result = HoldResult(dataClasses: classes, pending: stamped.pending)
    // The directory's row goes last: while a shard still holds, somebody can see why.
    if result.isDone {
      _ = try await routing { try await directory.removeHold(name, from: owner, by: end) }
      if entry.isErasing || entry.placements.contains(where: { $0.state == .erasing }) {
        result.resumesErasure = true
        await finishErasure(of: owner)
      } else if entry.isGroup {
        result.resumesErasure = try routing { try directory.hasErasingMembers(owner) }
      }
    }
    return result
  }

  /// The legal holds on a user's data.
  public func holds(on user: UserID) async throws(RouterError) -> [LegalHold] {
    let owner = key.owner(ofUser: try user.checked())
    return try routing {
      guard try directory.user(owner) != nil else { throw Self.userNotFound }
      return try directory.holds(on: owner)
    }
  }

  /// The legal holds on a group's data.
  public func holds(on group: GroupID) async throws(RouterError) -> [LegalHold] {
    let owner = try groupOwner(group)
    return try routing { try directory.holds(on: owner) }
  }

  /// Does something in the shards of a user's homes; those that cannot be reached are pending.
  private func stamp(
    _ entry: UserEntry, classes: [String], by deadline: ContinuousClock.Instant,
    _ work: (SQLiteShard, [HomeReference]) async throws -> [StorageError?]
  ) async -> HoldResult {
    var pending: [String: RouterError] = [:]
    let placements = entry.placements.filter { classes.contains($0.dataClass) }
    for placement in placements where pending[placement.shard] == nil {
      do throws(RouterError) {
        try await stamp(placement, of: entry, by: deadline, work)
      } catch {
        pending[placement.shard] = error
      }
    }
    return HoldResult(
      dataClasses: placements.map(\.dataClass),
      pending: pending.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
  }

  /// The same of one home. While it is being moved it is asked again, wherever it is then.
  private func stamp(
    _ placement: Placement, of entry: UserEntry, by deadline: ContinuousClock.Instant,
    _ work: (SQLiteShard, [HomeReference]) async throws -> [StorageError?]
  ) async throws(RouterError) {
    var (placement, entry) = (placement, entry)
    while true {
      let shard = try await shard(named: placement.shard, by: deadline)
      let region = shard.identity.region
      let home = entry.home(placement)
      guard let refusal = try await routing(region: region, { try await work(shard, [home])[0] })
      else { return }
      guard [.frozen, .moved].contains(refusal.code), deadline > .now,
        let now = try routing({ try directory.user(entry.owner) }),
        let place = now.placement(placement.dataClass),
        refusal.code == .frozen || now.home(place) != home
      else { throw RouterError(refusal, region: region) }
      try await routing(region: region) {
        try await thawOverdue(home, in: shard, by: deadline)
        try await Task.sleep(for: .milliseconds(2))
      }
      (placement, entry) = (place, now)
    }
  }
}
