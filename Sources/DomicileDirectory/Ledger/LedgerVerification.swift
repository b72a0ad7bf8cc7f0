import DomicilePolicy
import DomicileSQLite
import DomicileStorage
import Foundation

/// What a check of the whole ledger found.
public struct LedgerVerification: Sendable, Codable, Hashable {
  public struct Finding: Sendable, Codable, Hashable {
    /// The entry; nil if it is about the ledger as a whole.
    public let entry: Int64?
    public let message: String
  }

  /// How many entries there are.
  public internal(set) var size: Int64 = 0
  /// The root of their tree, in base64, computed from the entries.
  public internal(set) var root = ""
  /// How many have no text any more.
  public internal(set) var pruned: Int64 = 0
  /// With how many checkpoints it was compared.
  public package(set) var checkpoints = 0
  /// Empty if all is well; at most ``findingsMax``.
  public internal(set) var findings: [Finding] = []

  public static let findingsMax = 100

  package mutating func find(_ entry: Int64?, _ message: String) {
    guard findings.count < Self.findingsMax else { return }
    findings.append(Finding(entry: entry, message: message))
  }
}

/// One pass over a ledger, page by page, in memory that does not grow with it.
struct LedgerPass {
  private(set) var result = LedgerVerification()
  private var tree = TreeFrontier()
  private var totals = LedgerTotals()
  private var keys: [(entry: Int64, key: NoteKey)] = []
  private var policies: [(entry: Int64, policy: LedgerEntry.Policy)] = []
  /// Of a deployment that is older than its ledger: the policy that was in force when that began.
  private var firstPolicy: LedgerEntry.Policy?
  /// Whether what stood before is not known, so that the first totals are believed.
  private var isBlind = false
  /// The last entry without a text, and before which entry the entries say that texts were deleted.
  private var lastBlank: Int64 = -1
  private var prunedBefore: Int64 = 0
  private let origin: String
  private let checkpoints: [Int64: [Checkpoint]]

  /// Rows of a page.
  static let limit = 2_000

  init(origin: String, since checkpoints: [Checkpoint]) {
    self.origin = origin
    self.checkpoints = Dictionary(grouping: checkpoints, by: \.size)
    check(at: 0)
  }

  var next: Int64 { tree.size }

  /// Reads the page that comes next; whether there may be more of the tree.
  mutating func readPage(_ connection: Connection) throws -> Bool {
    let (size, minimum) = try Self.extent(connection)
    let first = tree.size
    guard first < size else { return false }
    let rows = try connection.rows(
      "SELECT id, hash, text FROM entry WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
      .integer(first), .integer(size), .integer(Int64(Self.limit)),
      as: { ($0.integer(0), TreeHash(bytes: $0.blob(1)), $0.isNull(2) ? nil : $0.text(2)) })
    var subtrees = try storedSubtrees(connection, first, first + Int64(rows.count))
    for (id, hash, text) in rows {
      guard id == tree.size, let hash else {
        result.find(tree.size, "The entry is missing.")
        return false
      }
      check(id, hash, text, minimum: minimum)
      let leaf = tree.size
      tree.append(hash) { height, root in
        guard height > 0, height.isMultiple(of: LedgerTree.storedHeights) else { return }
        let place = SubtreePlace(height: Int64(height), position: leaf >> Int64(height))
        if subtrees.removeValue(forKey: place) != root {
          result.find(leaf, "The stored root over the entries up to this one is another.")
        }
      }
      check(at: tree.size)
    }
    for place in subtrees.keys {
      result.find(nil, "There is a stored root that is none (\(place.height), \(place.position)).")
    }
    if rows.isEmpty { result.find(tree.size, "The entry is missing.") }
    return !rows.isEmpty
  }

  /// The end, in the same snapshot as the last page.
  mutating func finish(_ connection: Connection) throws {
    result.size = tree.size
    result.root = "\(tree.root)"
    if let (_, frontier) = try? connection.ledgerFrontier() {
      if frontier != tree { result.find(nil, "The frontier is not that of the entries.") }
    } else {
      result.find(nil, "The frontier is none.")
    }
    if lastBlank >= prunedBefore {
      result.find(lastBlank, "The entry has no text, and no entry says that it was pruned.")
    }
    if try Self.extent(connection).minimum != prunedBefore {
      result.find(nil, "The first entry with a text is not the one that the entries say.")
    }
    let behind = try connection.integer(
      "SELECT count(*) FROM entry WHERE id < 0 OR id >= ?", .integer(tree.size))
    if behind != 0 { result.find(nil, "There are entries that the tree does not have.") }
    let subtrees = try connection.integer("SELECT count(*) FROM subtree") ?? 0
    if subtrees != Self.subtreeCount(tree.size) {
      result.find(nil, "There are more or fewer stored roots than the tree has.")
    }
    for checkpoint in checkpoints.values.joined() where checkpoint.size > tree.size {
      result.find(
        nil,
        "A checkpoint was signed over \(checkpoint.size) entries, and there are \(tree.size): an old file was brought back,"
          + " or entries were cut off.")
    }
    let noted = try connection.rows(
      "SELECT entry, key FROM signing_key ORDER BY entry", as: { "\($0.integer(0)) \($0.text(1))" })
    if noted != keys.map({ "\($0.entry) \($0.key)" }) {
      result.find(nil, "The keys that are noted are not those of the entries.")
    }
    try checkPolicies(connection)
    try checkPlacements(connection)
  }

  private static func extent(_ connection: Connection) throws -> (size: Int64, minimum: Int64) {
    let row = try connection.rows(
      "SELECT size, minimum FROM ledger", as: { ($0.integer(0), $0.integer(1)) }
    ).first
    guard let row else { throw Connection.brokenLedger }
    return row
  }

  private struct SubtreePlace: Hashable {
    let height: Int64
    let position: Int64
  }

  /// The stored roots that are completed by some entries.
  private func storedSubtrees(
    _ connection: Connection, _ first: Int64, _ end: Int64
  ) throws -> [SubtreePlace: TreeHash?] {
    var found: [SubtreePlace: TreeHash?] = [:]
    for height in stride(from: LedgerTree.storedHeights, to: 63, by: LedgerTree.storedHeights) {
      let (low, high) = (first >> Int64(height), end >> Int64(height))
      guard low < high else { break }
      let rows = try connection.rows(
        "SELECT position, hash FROM subtree WHERE height = ? AND position >= ? AND position < ?",
        .integer(Int64(height)), .integer(low), .integer(high),
        as: { ($0.integer(0), TreeHash(bytes: $0.blob(1))) })
      for (position, hash) in rows {
        found[SubtreePlace(height: Int64(height), position: position)] = .some(hash)
      }
    }
    return found
  }

  private static func subtreeCount(_ size: Int64) -> Int64 {
    stride(from: LedgerTree.storedHeights, to: 63, by: LedgerTree.storedHeights)
      .reduce(0) { $0 + size >> Int64($1) }
  }

  // MARK: Entries

  private mutating func check(_ id: Int64, _ hash: TreeHash, _ text: String?, minimum: Int64) {
    guard let text else {
      result.pruned += 1
      isBlind = true
      lastBlank = id
      if id >= minimum { result.find(id, "The entry has no text, and was not pruned.") }
      return
    }
    guard TreeHash(leaf: text.utf8) == hash else {
      return result.find(id, "The text is not that of the hash.")
    }
    guard let entry = try? LedgerEntry(text: text, number: id) else {
      return result.find(id, "The text is none that this version of Domicile reads.")
    }
    if entry.kind == .key { check(key: entry, id) }
    if entry.kind == .policy, let policy = entry.policy { policies.append((id, policy)) }
    if entry.kind == .pruning, id == 0 { firstPolicy = entry.policy }
    // The ledger of a deployment that is older than it begins with what there was.
    if !totals.add(entry), !isBlind, id > 0 {
      result.find(
        id,
        entry.kind == .pruning
          ? "The totals are not those of the entries before." : "It ends homes that there were not."
      )
    }
    if entry.kind == .pruning {
      isBlind = false
      prunedBefore = max(prunedBefore, entry.minimum ?? 0)
    }
  }

  private mutating func check(key entry: LedgerEntry, _ id: Int64) {
    guard let text = entry.key, let key = NoteKey(text), key.name == origin, key.kind == .signature
    else { return result.find(id, "The key is none of this ledger.") }
    if let last = keys.last {
      let signed = LedgerEntry.keyText(origin: origin, key: text)
      guard let signature = entry.signature.flatMap({ Data(strictBase64: $0) }),
        last.key.isValid(Array(signature), of: signed)
      else { return result.find(id, "The key was not signed by the one before.") }
    }
    keys.append((id, key))
  }

  private mutating func check(at size: Int64) {
    for checkpoint in checkpoints[size] ?? [] where checkpoint.root != tree.root {
      result.find(
        nil,
        "The first \(size) entries are not those over which a checkpoint was signed: the ledger was changed, or forked."
      )
    }
  }

  // MARK: The directory

  /// The directory has the policies that the entries name, with their texts, and the last of them is in force.
  private mutating func checkPolicies(_ connection: Connection) throws {
    let noted = try connection.rows(
      "SELECT generation, digest, day FROM policy ORDER BY generation",
      as: { row in
        LedgerEntry.Policy(
          generation: row.integer(0), digest: "\(PolicyDigest(bytes: row.blob(1)))",
          day: "\(PolicyDay(number: Int(row.integer(2))))")
      })
    let told = Set(policies.map(\.policy))
    for policy in noted where !told.contains(policy) {
      if let firstPolicy, policy.generation <= firstPolicy.generation { continue }
      result.find(
        nil, "The directory has a policy of generation \(policy.generation) that no entry tells.")
    }
    for (entry, policy) in policies where !noted.contains(policy) {
      result.find(entry, "The directory does not have the policy as the entry names it.")
    }
    let inForce = try connection.integer("SELECT generation FROM directory")
    if let last = policies.last?.policy ?? firstPolicy, inForce != last.generation {
      result.find(nil, "The policy in force is not the one that the entries say.")
    }
    for digest in Set(noted.map(\.digest)).union(told.map(\.digest)).sorted() {
      let texts = try connection.rows(
        "SELECT path, text FROM policy_text WHERE lower(hex(digest)) = ?", .text(digest),
        as: { ($0.text(0), $0.text(1)) })
      let files = RegionFiles(texts: Dictionary(texts, uniquingKeysWith: { first, _ in first }))
      if "\(files.digest)" != digest {
        result.find(
          nil, "The texts of the policy with the digest \(digest) are missing, or changed.")
      }
    }
  }

  /// What the directory says where homes are is what the entries say.
  private mutating func checkPlacements(_ connection: Connection) throws {
    guard !isBlind else { return }
    var placed = LedgerTotals()
    try connection.addPlacements(to: &placed)
    if placed != totals {
      result.find(
        nil, "The directory has other homes than the entries: some were not noted, or noted twice.")
    }
  }
}

extension Connection {
  /// The homes whose admission was committed, as the directory has them.
  func addPlacements(to totals: inout LedgerTotals) throws {
    let places = try rows(
      """
      SELECT p.class, s.region, s.country, s.name, count(*)
      FROM placement p JOIN shard s ON s.id = p.shard WHERE p.is_admitted GROUP BY p.class, p.shard
      """,
      as: { row in
        LedgerEntry.Place(
          dataClass: row.text(0), region: row.text(1), country: row.text(2), shard: row.text(3),
          homes: Int(row.integer(4)))
      })
    totals.replace(by: places)
  }
}
