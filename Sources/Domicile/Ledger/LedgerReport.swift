import DomicileDirectory
import DomicileStorage
public import Foundation

/// What the ledger says of a moment, for a regulator: the policy in force, where homes were, refusals, erasures, open violations; with
/// proofs. It names nobody.
public struct LedgerReport: Sendable, Codable, Hashable {
  /// Homes in one place.
  public struct Homes: Sendable, Codable, Hashable {
    public let country: String
    public let region: String
    public let dataClass: String
    public let homes: Int
  }

  /// Refusals of one kind, from the first entry that has a text on.
  public struct Refusals: Sendable, Codable, Hashable {
    /// `unplaceable`, `unserved`, `refused` of admissions; a code of errors of writes.
    public let cause: String
    public let dataClass: String
    /// Of an admission the one that was asked for; nil: none.
    public let region: String?
    public let count: Int
  }

  /// Homes that were where the policy in force did not allow them.
  public struct Violation: Sendable, Codable, Hashable {
    public let country: String
    public let region: String
    public let dataClass: String
    public let rules: [String]
    public let homes: Int
  }

  /// Entries with a later time are not regarded.
  public let asOf: Date
  /// The name of the ledger.
  public let origin: String
  /// The policy in force, and its entry; nil if there was none yet.
  public let policy: LedgerEntry.Policy?
  public let policyEntry: Int64?
  /// By country, region and class.
  public let homes: [Homes]
  public let refusedAdmissions: [Refusals]
  public let refusedWrites: [Refusals]
  /// Users and groups whose erasure was asked for, those that were erased whole, and the aliases of those that were not done.
  public let erasuresAsked: Int
  public let erased: Int
  public let erasing: [String]
  public let violations: [Violation]
  /// From here on all entries have texts: what was before is in the sums of homes and in the policy, and in nothing else.
  public let firstEntry: Int64
  /// How many entries, from the first of the ledger on, this is made from, and the root of their tree.
  public let size: Int64
  public let root: String
  /// That the policy's entry is in the tree of that size: RFC 9162, section 2.1.3.
  public let policyProof: [String]
  /// That the ledger of the checkpoint begins with these entries: RFC 9162, section 2.1.4.
  public let consistencyProof: [String]
  /// The signed note, of now.
  public let checkpoint: String
}

extension ResidencyRouter {
  /// What the ledger says of a moment, after what is due was noted: what is barred where that may have changed. It reads the whole ledger once, in memory that grows with what was open at the moment, not
  /// with the ledger.
  ///
  /// - Throws: ``RouterError`` as of ``checkpoint()``.
  public func report(asOf date: Date) async throws(RouterError) -> LedgerReport {
    await finishTagChanges()
    await noteWhatIsBarred()
    let note = try checkpoint()
    return try routing {
      guard let checkpoint = Checkpoint(text: note.text) else { throw Self.notACheckpoint }
      var pass = ReportPass(date: date)
      var next: Int64 = 0
      while next < checkpoint.size {
        let page = try directory.entries(from: next, limit: 2_000)
        guard !page.isEmpty else { break }
        for entry in page where entry.number < checkpoint.size { pass.add(entry) }
        next += Int64(page.count)
      }
      let size = pass.size
      let prefix = Checkpoint(
        origin: ledgerOrigin, size: size, root: try directory.ledgerRoot(size: size))
      let policyProof = try pass.policyEntry.map {
        try directory.inclusionProof(of: $0, in: prefix).proof
      }
      return pass.report(
        origin: ledgerOrigin, root: prefix.root, policyProof: policyProof ?? [],
        consistencyProof: size == 0
          ? [] : try directory.consistencyProof(from: size, to: checkpoint.size),
        checkpoint: note)
    }
  }
}

/// Follows the entries, in their order.
private struct ReportPass {
  private struct Place: Hashable, Comparable {
    let country: String
    let region: String
    let dataClass: String
    let rules: [String]

    static func < (left: Place, right: Place) -> Bool {
      (left.country, left.region, left.dataClass, left.rules.joined(separator: " "))
        < (right.country, right.region, right.dataClass, right.rules.joined(separator: " "))
    }
  }

  private struct Refusal: Hashable {
    let cause: String
    let dataClass: String
    let region: String?
  }

  private let date: Date
  private(set) var size: Int64 = 0
  private(set) var policyEntry: Int64?
  private var policy: LedgerEntry.Policy?
  private var firstEntry: Int64 = 0
  /// Changes since the first text.
  private var changes = LedgerTotals()
  private var changesThen = LedgerTotals()
  /// What there was before the first text, as far as a later sum tells it.
  private var before: [LedgerTotals.Key: Int]?
  private var admissions: [Refusal: Int] = [:]
  private var writes: [Refusal: Int] = [:]
  private var erasuresAsked = 0
  private var erased = 0
  /// By alias, the classes that are not gone yet; nil: all, and the user.
  private var erasing: [String: Set<String>?] = [:]
  /// By shard, what the policy in force bars.
  private var barred: [String: [Place: Int]] = [:]
  /// By alias, what tags have barred since.
  private var barredByTags: [String: [LedgerEntry.Place]] = [:]

  init(date: Date) { self.date = date }

  mutating func add(_ numbered: NumberedEntry) {
    guard let entry = numbered.entry else {
      firstEntry = numbered.number + 1
      return
    }
    let isThen = entry.date <= date
    if entry.kind == .pruning {
      if before == nil {
        var sums = LedgerTotals()
        sums.add(entry)
        before = Self.difference(sums.homes, changes.homes)
      }
    } else {
      changes.add(entry)
      if isThen { changesThen.add(entry) }
    }
    guard isThen else { return }
    size = numbered.number + 1
    follow(entry, number: numbered.number)
  }

  private mutating func follow(_ entry: LedgerEntry, number: Int64) {
    switch entry.kind {
    case .policy:
      policy = entry.policy
      policyEntry = number
      barred = [:]
      barredByTags = [:]
    case .barring:
      // The sum of now, with what tags have barred before it.
      guard let shard = entry.shard ?? entry.places?.first?.shard else { return }
      barred[shard] = Dictionary(
        (entry.places ?? []).map { (place($0), $0.homes ?? 1) }, uniquingKeysWith: +)
      barredByTags = barredByTags.mapValues { $0.filter { $0.shard != shard } }
    case .tags, .members: barredByTags[entry.alias ?? ""] = entry.places ?? []
    case .refusal:
      let refusal = Refusal(
        cause: entry.outcome ?? "", dataClass: entry.dataClasses?.first ?? "", region: entry.region)
      admissions[refusal, default: 0] += 1
    case .refusedWrites:
      for count in entry.refusedWrites ?? [] {
        let refusal = Refusal(cause: count.cause, dataClass: count.dataClass, region: count.region)
        writes[refusal, default: 0] += Int(count.count)
      }
    case .erasing:
      erasuresAsked += 1
      let alias = entry.alias ?? ""
      let others = erasing[alias].map { $0 ?? [] } ?? []
      let isWhole = entry.isWhole == true || erasing[alias] == .some(nil)
      erasing[alias] = .some(isWhole ? nil : others.union(entry.dataClasses ?? []))
    case .erased:
      if entry.isWhole == true { erased += 1 }
      let alias = entry.alias ?? ""
      let gone = Set(entry.dataClasses ?? [])
      let left = erasing[alias].flatMap { $0 }?.subtracting(gone)
      if entry.isWhole == true || left?.isEmpty == true {
        erasing[alias] = nil
      } else if let left {
        erasing[alias] = .some(left)
      }
      barredByTags[entry.alias ?? ""]?.removeAll {
        entry.isWhole == true || gone.contains($0.dataClass)
      }
    case .moved:
      // Where the target bars it, too, that is counted anew.
      barredByTags[entry.alias ?? ""]?.removeAll { place in
        entry.from?.contains { $0.shard == place.shard && $0.dataClass == place.dataClass } ?? false
      }
    case .key, .admission, .moving, .moveAborted, .hold, .release, .read, .pruning: break
    }
  }

  private func place(_ place: LedgerEntry.Place) -> Place {
    Place(
      country: place.country, region: place.region, dataClass: place.dataClass,
      rules: place.rules ?? [])
  }

  private static func difference(
    _ left: [LedgerTotals.Key: Int], _ right: [LedgerTotals.Key: Int]
  ) -> [LedgerTotals.Key: Int] {
    left.merging(right.mapValues { -$0 }, uniquingKeysWith: +)
  }

  func report(
    origin: String, root: TreeHash, policyProof: [TreeHash], consistencyProof: [TreeHash],
    checkpoint: SignedNote
  ) -> LedgerReport {
    var homes: [Place: Int] = [:]
    for (key, count) in changesThen.homes.merging(before ?? [:], uniquingKeysWith: +) {
      let place = Place(
        country: key.country, region: key.region, dataClass: key.dataClass, rules: [])
      homes[place, default: 0] += count
    }
    var violations: [Place: Int] = [:]
    for counts in barred.values { violations.merge(counts, uniquingKeysWith: +) }
    for place in barredByTags.values.joined() { violations[self.place(place), default: 0] += 1 }
    return LedgerReport(
      asOf: date, origin: origin, policy: policy, policyEntry: policyEntry,
      homes: homes.filter { $0.value != 0 }.sorted { $0.key < $1.key }.map {
        LedgerReport.Homes(
          country: $0.country, region: $0.region, dataClass: $0.dataClass, homes: $1)
      },
      refusedAdmissions: Self.refusals(admissions), refusedWrites: Self.refusals(writes),
      erasuresAsked: erasuresAsked, erased: erased, erasing: erasing.keys.sorted(),
      violations: violations.sorted { $0.key < $1.key }.map {
        LedgerReport.Violation(
          country: $0.country, region: $0.region, dataClass: $0.dataClass, rules: $0.rules,
          homes: $1)
      },
      firstEntry: firstEntry, size: size, root: "\(root)",
      policyProof: policyProof.map(\.description),
      consistencyProof: consistencyProof.map(\.description), checkpoint: "\(checkpoint)")
  }

  private static func refusals(_ counts: [Refusal: Int]) -> [LedgerReport.Refusals] {
    counts.map {
      LedgerReport.Refusals(
        cause: $0.cause, dataClass: $0.dataClass, region: $0.region, count: $1)
    }.sorted {
      ($0.cause, $0.dataClass, $0.region ?? "") < ($1.cause, $1.dataClass, $1.region ?? "")
    }
  }
}
