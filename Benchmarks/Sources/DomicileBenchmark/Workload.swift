/// The data that all sides store: users with some records each.
enum Workload {
  static let users = 1_000
  static let keysPerUser = 4
  static let valueBytes = 256
  static let callers = 64
  /// For the reads of many keys in one call.
  static let keysPerCall = 64
  static let usersWithManyKeys = 64

  static let collection = "inbox"
  static let collectionOfMany = "threads"

  static func key(_ number: Int) -> String { "2026/\(1_000 + number)" }
  static func keyOfMany(_ number: Int) -> String { "many/\(1_000 + number)" }
}

/// Which record a write or read is about, and random numbers (SplitMix64).
struct Draw: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0xD134_2543_DE82_EF95 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  private mutating func number(below bound: Int) -> Int { Int(next() % UInt64(bound)) }

  mutating func user() -> Int { number(below: Workload.users) }
  mutating func userWithManyKeys() -> Int { number(below: Workload.usersWithManyKeys) }
  mutating func key() -> Int { number(below: Workload.keysPerUser) }

  /// A value unlike any before: SQLite skips writing what is there already.
  mutating func value() -> [UInt8] {
    var value = [UInt8](repeating: 0x20, count: Workload.valueBytes)
    let mark = next()
    for index in 0..<8 { value[index] = UInt8(truncatingIfNeeded: mark >> UInt64(8 * index)) }
    return value
  }
}

struct BenchmarkError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
