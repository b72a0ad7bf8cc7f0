import DomicileDirectory
import DomicilePolicy
import DomicileSQLite
import DomicileStorage

/// Something that is not as it should be.
public struct DoctorFinding: Sendable, Codable, Hashable {
  public enum Code: String, Sendable, Codable {
    /// A shard cannot be opened or read, or its identity is another's.
    case shardUnavailable
    /// SQLite's check of a file found damage.
    case damagedFile
    /// A shard is not stamped with the policy in force, or its law is not that policy's.
    case lawBehind
    /// The directory names a home that the shard does not have.
    case homeMissing
    /// A shard has a home that the directory does not name.
    case strayHome
    /// Home and directory disagree about a user's tags or alias.
    case tagsDisagree
    /// A home is not stamped yet with tags that have changed.
    case tagsPending
    /// An admission stopped half way.
    case admissionHalfWay
    /// Homes of one class, with the same tags, are where the policy in force no longer allows them.
    case barredHome
    /// The directory lies where the policy in force does not allow what it notes about some users.
    case barredDirectory
    /// The directory's count of a shard's placements is wrong.
    case countWrong
    /// Somebody's reading keeps deleted bytes in a file.
    case purgePending
    /// Homes of groups that everybody has left: nobody can read or write there.
    case emptyGroup
    /// Some shard may not know of a legal hold, or of its release.
    case holdPending
    /// An erasure stopped half way.
    case erasureUnfinished
    /// A move stopped half way.
    case moveUnfinished
    /// A file has bytes that nothing refers to: something else than Domicile has written it.
    case remnants
    /// The ledger was changed, or is not what was signed.
    case ledgerBroken
    /// The clock differs from what a shard knows of the time; nothing is swept there.
    case clockInDoubt
    /// A file may be read by others than its owner.
    case fileReadableByOthers
  }

  public let code: Code
  /// What is wrong and what to do, without a user's id.
  public let message: String
  public let shard: String?
  /// How many homes a `barredHome` is about.
  public let homes: Int?
}

/// What a check of a deployment found.
public struct DoctorReport: Sendable, Codable {
  /// Empty if all is well; at most ``findingsMax``.
  public internal(set) var findings: [DoctorFinding] = []
  /// All findings, those left out included.
  public internal(set) var findingCount = 0
  public internal(set) var users = 0
  public internal(set) var groups = 0
  public internal(set) var homes = 0
  public internal(set) var shards = 0
  public let sqliteVersion: String

  public static let findingsMax = 1_000

  mutating func add(
    _ code: DoctorFinding.Code, _ message: String, shard: String? = nil, homes: Int? = nil
  ) {
    findingCount += 1
    if findings.count < Self.findingsMax {
      findings.append(DoctorFinding(code: code, message: message, shard: shard, homes: homes))
    }
  }
}

extension DoctorReport {
  mutating func addDamage(_ error: RouterError, shard name: String) {
    let known = findings.contains { $0.shard == name && $0.code == .damagedFile }
    if error.code == .corrupt, !known {
      add(.damagedFile, "The shard \(name): SQLite cannot read it all. Restore it.", shard: name)
    } else if error.code != .corrupt {
      // Most of these messages name the shard themselves.
      let isNamed = error.message.contains("the shard \(name)")
      add(
        .shardUnavailable, isNamed ? error.message : "The shard \(name): \(error.message)",
        shard: name)
    }
  }

  mutating func add(
    _ result: RemnantSearchResult, what: String, file: String, shard: String? = nil
  ) {
    switch result {
    case .searched([]): break
    case .searched(let places):
      add(
        .remnants,
        "\(what): \(places.count == 100 ? "100 or more" : "\(places.count)") pages have bytes that nothing"
          + " refers to (\(places.prefix(3).joined(separator: ", "))): something else than Domicile has written"
          + " \(file). Run “domicile sweep”, which rewrites it, then this again.",
        shard: shard)
    case .purgePending:
      add(
        .purgePending,
        "\(what): somebody reads an older state, so that the WAL, with what was deleted, cannot be cut. Look for"
          + " programs that have \(file) open, and try again.", shard: shard)
    }
  }
}

extension ResidencyRouter {
  /// Checks the directory against the shards in both directions, that every home is legal, the identity and
  /// law of each shard that this process carries, and the files.
  ///
  /// Reads everything; changes nothing but what any call would bring up to date.
  ///
  /// - Parameter deep: Whether to prove, too, that nothing is left of what was deleted: after a purge, that no file has a
  ///   byte other than zero to which nothing refers. Reads each file once more.
  /// - Returns: What is not as it should be.
  /// - Throws: ``RouterError`` if the directory cannot be read.
  public func doctor(deep: Bool = false) async throws(RouterError) -> DoctorReport {
    var report = DoctorReport(sqliteVersion: Connection.libraryVersion)
    guard try directoryIsIntact(&report) else { return report }
    for file in folder.filesReadableByOthers() {
      report.add(
        .fileReadableByOthers, "“\(file)” may be read or written by others; run “chmod go=” on it.")
    }
    if deep {
      try routing {
        report.add(try directory.searchRemnants(), what: "The directory", file: "directory.sqlite")
      }
      for finding in try verifyLedger().findings {
        let place = finding.entry.map { "entry \($0)" } ?? "the whole"
        report.add(
          .ledgerBroken,
          "The ledger (\(place)): \(finding.message) Run “domicile ledger verify” with checkpoints that lie elsewhere, and restore"
            + " the directory.")
      }
    }
    let current = inForce
    var open: [String: SQLiteShard] = [:]
    for definition in current.policy.topology.shards
    where shards.carries(region: definition.region) {
      do throws(RouterError) {
        let shard = try await shard(definition, in: current, by: .now + options.deadline)
        open[definition.name] = shard
        try routing {
          try check(shard, definition, current, &report)
          if deep {
            report.add(
              try shard.searchRemnants(), what: "The shard \(definition.name)",
              file: "\(definition.name).sqlite", shard: definition.name)
          }
        }
      } catch {
        report.addDamage(error, shard: definition.name)
      }
    }
    try checkHolds(&report)
    var counts = try checkDirectory(open, current, &report)
    try checkMoves(&counts, &report)
    for entry in try routing({ try directory.shards() })
    where entry.placements != counts[entry.name] ?? 0 {
      report.add(
        .countWrong,
        "The directory counts \(entry.placements) placements in the shard \(entry.name); there are"
          + " \(counts[entry.name] ?? 0).", shard: entry.name)
    }
    return report
  }

  private func checkHolds(_ report: inout DoctorReport) throws(RouterError) {
    var last: Int64 = 0
    while true {
      let page = try routing { try directory.untoldHolds(after: last, limit: 1_000) }
      guard let end = page.last else { return }
      last = end.user.id
      for (user, hold) in page {
        report.add(
          .holdPending,
          "A shard may not know of the legal hold “\(hold.name)” on \(user.alias) (\(hold.dataClasses[0])), or of its release:"
            + " what is held could go. “domicile sweep” tells it, as does an open router within a minute."
        )
      }
    }
  }

  /// Whether SQLite's check of the directory found nothing; what a damaged one says is worth no comparison.
  private func directoryIsIntact(_ report: inout DoctorReport) throws(RouterError) -> Bool {
    do throws(RouterError) {
      for finding in try routing({ try directory.integrityFindings() }) {
        report.add(.damagedFile, "The directory: \(finding). Restore it.")
      }
    } catch {
      guard error.code == .corrupt else { throw error }
      report.add(.damagedFile, "The directory: SQLite cannot check it. Restore it.")
    }
    return report.findings.isEmpty
  }

  /// One shard by itself, and its homes against the directory.
  private func check(
    _ shard: SQLiteShard, _ definition: ShardDefinition, _ current: PolicyInForce,
    _ report: inout DoctorReport
  ) throws {
    report.shards += 1
    let name = definition.name
    for finding in try shard.integrityFindings() {
      report.add(.damagedFile, "The shard \(name): \(finding). Restore it.", shard: name)
    }
    let forgotten = try forgottenErasures(in: shard)
    if forgotten > 0 {
      report.add(
        .damagedFile,
        "The shard \(name): \(forgotten) erased homes have records, and the directory notes no erasure. An old"
          + " file may have been brought back. Restore it.", shard: name)
    }
    if let seconds = shard.purgeState.seconds, seconds > 60 {
      report.add(
        .purgePending,
        "The shard \(name): a purge has been pending for \(Int(seconds)) seconds, because somebody reads an older"
          + " state. Look for programs that have its file open.", shard: name)
    }
    if shard.isClockInDoubt {
      report.add(
        .clockInDoubt,
        "The clock differs from what the shard \(name) knows of the time, so nothing that expired is deleted. Look"
          + " at the clock; if it is right, run “domicile sweep --accept-clock”.", shard: name)
    }
    let (stamp, stampedLaw) = try shard.stampedLaw()
    let law = current.policy.law(ofShard: definition)
    if stamp != current.reference {
      report.add(
        .lawBehind,
        "The shard \(name) is not stamped with the policy in force. Run “domicile policy apply”.",
        shard: name)
    } else if stampedLaw != law {
      report.add(
        .lawBehind,
        "The law of the shard \(name) is not that of the policy it is stamped with: something else has"
          + " changed it. Restore the file, or apply a policy with another text, which stamps it anew.",
        shard: name)
    }
    var barred = BarredHomes()
    defer { barred.report(&report, shard: shard.identity) }
    var last: Int64 = 0
    while true {
      let page = try shard.homes(after: last, limit: 1_000)
      guard let end = page.last else { return }
      last = end.id
      for home in page where ![.absent, .erased, .moved].contains(home.state) {
        report.homes += 1
        try check(home, in: shard, law: law, &barred, &report)
      }
    }
  }

  /// How many erased homes have records though no erasure goes on; one that stopped half way is told of the directory's
  /// placement.
  private func forgottenErasures(in shard: SQLiteShard) throws -> Int {
    let suspects = try shard.erasedHomesWithRecords().filter { home in
      let placement = try directory.user(home.owner)?.placements
        .first { $0.dataClass == home.dataClass }
      return placement?.shard != shard.identity.name || placement?.state != .erasing
    }
    guard !suspects.isEmpty else { return 0 }
    // An erasure may have ended in between, in the shard first and then in the directory.
    let still = Set(try shard.erasedHomesWithRecords().map(\.id))
    return suspects.count { still.contains($0.id) }
  }

  private func check(
    _ home: HomeRow, in shard: SQLiteShard, law: ShardLaw, _ barred: inout BarredHomes,
    _ report: inout DoctorReport
  ) throws {
    let name = shard.identity.name
    let what = "The home \(home.id) (\(home.dataClass)) of the shard \(name)"
    let entry = try directory.user(home.owner)
    let placement = entry?.placements.first { $0.dataClass == home.dataClass }
    // While an admission stands half way, the home may still have the token of an earlier try.
    // So it may while an erasure does.
    let isNamed =
      placement.map { placement in
        placement.shard == name
          && (placement.serial == home.serial
            || placement.state != .placed && placement.serial > home.serial)
      } ?? false
    guard isNamed else {
      if try isPassing(home, in: shard) { return }
      report.add(
        .strayHome,
        "\(what) is not one that the directory names. Its data is unreachable; an old file may have been"
          + " brought back.", shard: name)
      return
    }
    // What is staged with earlier tags is staged anew by whoever goes on with the admission.
    if placement?.state != .placed { return }
    try compareTags(of: home, in: shard, what, &report)
    if let profile = home.profile, !law.permits(profile, dataClass: home.dataClass) {
      barred.add(home.dataClass, profile, isGroup: entry?.isGroup == true)
    }
  }

  /// Tags may change while this looks at them: what differs is looked at once more.
  private func compareTags(
    of home: HomeRow, in shard: SQLiteShard, _ what: String, _ report: inout DoctorReport
  ) throws {
    var isPending = false
    for _ in 1...2 {
      guard let row = try shard.home(owner: home.owner, dataClass: home.dataClass),
        let entry = try directory.user(home.owner), row.serial == home.serial
      else { return }
      if entry.tags == row.tags, entry.profile == row.profile, entry.alias == row.alias { return }
      isPending = try directory.hasPendingTags(home.owner, dataClass: home.dataClass)
    }
    let name = shard.identity.name
    if isPending {
      report.add(
        .tagsPending,
        "\(what) is not stamped yet with tags that have changed: a write decided on the earlier ones may still come. An"
          + " open router goes on with it within a minute; “domicile sweep” does it now.",
        shard: name)
    } else {
      report.add(
        .tagsDisagree, "\(what) has other tags than the directory. Restore the older of the two.",
        shard: name)
    }
  }

  /// The directory's placements against the homes; how many there are in each shard.
  private func checkDirectory(
    _ shards: [String: SQLiteShard], _ current: PolicyInForce, _ report: inout DoctorReport
  ) throws(RouterError) -> [String: Int64] {
    var open = shards
    var counts: [String: Int64] = [:]
    var barredUsers = 0
    var barredResidences: Set<String> = []
    defer {
      if barredUsers > 0 {
        report.add(
          .barredDirectory,
          "The directory lies in \(current.policy.topology.directoryRegion), where the policy in force"
            + " does not allow what it notes about \(barredUsers) users and groups, residents of"
            + " \(barredResidences.sorted().joined(separator: ", ")). Erase them, retag those whose tags are wrong, or apply a"
            + " policy that allows the class “directory” there; the directory does not move."
        )
      }
    }
    var last: Int64 = 0
    while true {
      let page = try routing { try directory.users(after: last, limit: 1_000) }
      guard let end = page.last else { return counts }
      last = end.id
      for entry in page {
        if entry.isGroup { report.groups += 1 } else { report.users += 1 }
        if try !current.permitsInDirectory(entry.profile) {
          barredUsers += 1
          barredResidences.formUnion(entry.profile.members.map { "\($0.residence)" })
        }
        for placement in entry.placements {
          counts[placement.shard, default: 0] += 1
          if placement.state == .admitting {
            report.add(
              .admissionHalfWay,
              "The admission of \(entry.alias) (\(placement.dataClass)) to the shard"
                + " \(placement.shard) stopped half way. Admit the user again, or repeat the import;"
                + " the user's next call does it too.", shard: placement.shard)
            continue
          }
          guard let shard = open[placement.shard] else { continue }
          do throws(RouterError) {
            try routing { try check(placement, of: entry, in: shard, &report) }
          } catch {
            // Its own check has found the damage, or this one does.
            open[placement.shard] = nil
            report.addDamage(error, shard: placement.shard)
          }
        }
      }
    }
  }

  private func check(
    _ placement: Placement, of entry: UserEntry, in shard: SQLiteShard,
    _ report: inout DoctorReport
  ) throws {
    let name = placement.shard
    let home = try shard.home(owner: entry.owner, dataClass: placement.dataClass)
    if placement.state == .erasing {
      let isHeld = home?.state == .held && home?.serial == placement.serial
      // What the policy or a legal hold keeps is as it should be, while somebody knows until when.
      if try isHeld && (entry.hasErasureTime || !directory.holds(on: entry.owner).isEmpty) {
        return
      }
      report.add(
        .erasureUnfinished,
        "The erasure of \(entry.alias) (\(placement.dataClass)) in the shard \(name) stopped half way. Run"
          + " “domicile erase” for the user again; an open router goes on with it.", shard: name)
      return
    }
    let isThere =
      home.map {
        $0.serial == placement.serial
          && [.incoming, .active, .copying, .frozen].contains($0.state)
      }
    if isThere != true, try directory.user(entry.owner)?.placement(placement.dataClass) == placement
    {
      report.add(
        .homeMissing,
        "The directory has the home of \(entry.alias) (\(placement.dataClass)) in the shard \(name),"
          + " which does not have it. An old file may have been brought back.", shard: name)
    }
  }
}
