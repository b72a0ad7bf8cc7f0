import Domicile
import DomicileTesting

/// What a trial does, drawn from its seed, so that each of its processes knows it.
struct GonePlan: Sendable {
  /// How what must go is made to.
  enum Way: String, Sendable, CaseIterable {
    case user, dataClass, collection, prefix, sweep, deletions
  }

  static let processes = 3
  static let marked = "ada"
  static let collections = [RecordCollection.inbox, .threads, .receipts]

  let seed: UInt64
  let way: Way
  let residence: String
  let usersPerProcess: Int
  /// Batches that each process writes before something goes.
  let batches: Int
  /// The longest of most values.
  let longest: Int
  /// The process that erases, and the one that is asked for a purge after plain deletions.
  let eraser: Int
  let purger: Int
  /// Whether only the process that erases writes meanwhile: nobody else makes it forget what it has in memory.
  let isAlone: Bool
  /// With what the keys begin that go, if a prefix does.
  let prefix: [UInt8]

  init(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    self.seed = seed
    way = Way.allCases[Int(seed % UInt64(Way.allCases.count))]
    residence = ["DE", "IN", "US"].randomElement(using: &random) ?? "DE"
    usersPerProcess = .random(in: 4...20, using: &random)
    batches = .random(in: 20...90, using: &random)
    longest = [64, 300, 900, 3_000].randomElement(using: &random) ?? 64
    eraser = .random(in: 0..<Self.processes, using: &random)
    purger = .random(in: 0..<Self.processes, using: &random)
    isAlone = Bool.random(using: &random)
    prefix = Marks.going.bytes(.random(in: 8...16, using: &random), using: &random)
  }

  /// Users that one process alone writes for.
  func users(of process: Int) -> [String] { (0..<usersPerProcess).map { "\(process).\($0)" } }

  /// Half of the others live where the marked user does, and share pages.
  func residence(of user: String, using random: inout some RandomNumberGenerator) -> String {
    if user == Self.marked || Bool.random(using: &random) { return residence }
    return ["DE", "IN", "US"].randomElement(using: &random) ?? residence
  }

  /// Whether a new record goes, by what it is or by chance.
  func goes(
    user: String, _ collection: RecordCollection, using random: inout some RandomNumberGenerator
  ) -> Bool {
    guard user == Self.marked else { return false }
    switch way {
    case .user, .deletions: return true
    case .dataClass: return collection != .receipts
    case .collection: return collection == .inbox
    case .prefix: return collection == .threads && Bool.random(using: &random)
    case .sweep: return Bool.random(using: &random)
    }
  }

  /// The collections in which something goes.
  var goingCollections: [RecordCollection] {
    switch way {
    case .user, .deletions, .sweep: Self.collections
    case .dataClass: [.inbox, .threads]
    case .collection: [.inbox]
    case .prefix: [.threads]
    }
  }

  func key(goes: Bool, using random: inout some RandomNumberGenerator) -> RecordKey {
    let start = goes && way == .prefix ? prefix : []
    let rest = Int.random(in: 8...(200 - start.count), using: &random)
    let count = Bool.random(using: &random) ? rest : min(rest, 24)
    return RecordKey(start + (goes ? Marks.going : .staying).bytes(count, using: &random))
  }

  func value(goes: Bool, using random: inout some RandomNumberGenerator) -> [UInt8] {
    let count: Int =
      switch Int.random(in: 0..<400, using: &random) {
      case 0: 1 << 20
      case 1..<20: 24 << 10
      case 20..<200: .random(in: 8...64, using: &random)
      default: .random(in: 8...longest, using: &random)
      }
    return (goes ? Marks.going : .staying).bytes(count, using: &random)
  }

  func labels(goes: Bool, using random: inout some RandomNumberGenerator) -> [String: String] {
    let marks = goes ? Marks.going : .staying
    let names = ["from", "to"].prefix(.random(in: 0...2, using: &random))
    return Dictionary(
      uniqueKeysWithValues: names.map { name in
        (name, marks.text(.random(in: 8...80, using: &random), using: &random))
      })
  }
}
