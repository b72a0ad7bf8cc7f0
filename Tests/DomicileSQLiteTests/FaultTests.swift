import DomicileSQLite
import DomicileTesting
import Foundation
import Synchronization
import Testing

/// After any single failure of the disk, or its death, all that was acknowledged is there.
@Suite struct FaultTests {
  private let folder: TemporaryFolder

  init() throws { folder = try .inMemory() }

  struct Fault: Sendable, CustomTestStringConvertible {
    let code: Int32
    let operations: [FileCall.Operation]
    /// The disk stays as it is.
    var lasts = false
    /// Half of what is written still arrives.
    var isTorn = false

    var testDescription: String {
      "\(code) in \(operations)" + (lasts ? ", lasting" : "") + (isTorn ? ", torn" : "")
    }
  }

  private final class Plan: Sendable {
    let fault: Fault
    private let left: Mutex<Int>

    init(_ fault: Fault, at number: Int) {
      self.fault = fault
      left = Mutex(number)
    }

    var happened: Bool { left.withLock { $0 <= 0 } }

    func decide(_ call: inout FileCall) -> Int32 {
      // To give a lock up does not fail on any system, and SQLite does not ask whether it did.
      let givesUp = call.operation == .shmLock && call.flags & 1 != 0
      guard fault.operations.contains(call.operation), !givesUp else { return 0 }
      let number = left.withLock { left in
        left -= 1
        return left
      }
      guard number == 0 || number < 0 && fault.lasts else { return 0 }
      if fault.isTorn, call.operation == .write { call.torn = call.amount / 2 }
      return fault.code
    }
  }

  static let full: Int32 = 13
  static let input: Int32 = 10 | 1 << 8
  static let output: Int32 = 10 | 3 << 8
  static let sync: Int32 = 10 | 4 << 8

  static let faults = [
    Fault(code: full, operations: [.write]),
    Fault(code: full, operations: [.write], lasts: true),
    Fault(code: full, operations: [.write], lasts: true, isTorn: true),
    Fault(code: output, operations: [.write]),
    Fault(code: output, operations: [.write], isTorn: true),
    Fault(code: output, operations: [.write, .sync, .truncate, .delete], lasts: true),
    Fault(code: sync, operations: [.sync]),
    Fault(code: sync, operations: [.sync], lasts: true),
    Fault(code: input, operations: [.read]),
    Fault(code: 10, operations: [.open, .fileSize, .truncate, .delete]),
    Fault(code: 10, operations: [.lock, .shmMap, .shmLock]),
  ]

  @Test(arguments: faults)
  func `what was acknowledged outlives a fault, wherever it comes`(fault: Fault) throws {
    var number = 1
    while true {
      let path = "\(folder.path)/\(number).sqlite"
      try Connection(path: path, mode: .creating).execute(
        "create table note (number integer primary key, body blob) strict")
      let plan = Plan(fault, at: number)
      let files = try FileSystem(name: "fault-\(UUID().uuidString)") { plan.decide(&$0) }
      let acknowledged = live(path: path, vfs: files.name)
      withExtendedLifetime(files) {}

      let connection = try Connection(path: path, mode: .writing)
      let found = try connection.rows(
        "select number from note where length(body) = number * 1500 order by number",
        as: { $0.integer(0) })
      // What was in hand when the fault came may be there or not.
      let possible = [acknowledged, acknowledged + 1].map(Self.numbers)
      #expect(possible.contains(found), "fault \(number): \(found) after \(acknowledged)")
      #expect(try connection.text("pragma integrity_check") == "ok", "fault \(number)")
      if !plan.happened {
        #expect(acknowledged == Self.transactions)
        break
      }
      number += 1
    }
    #expect(number > 5)
  }

  private static let transactions: Int64 = 7

  /// What is there after so many transactions: each inserts its number and deletes the third last.
  private static func numbers(_ count: Int64) -> [Int64] {
    count < 1 ? [] : Array(max(1, count - 2)...count)
  }

  /// How many transactions were acknowledged.
  private func live(path: String, vfs: String) -> Int64 {
    var acknowledged: Int64 = 0
    do {
      let connection = try Connection(path: path, mode: .writing, vfs: vfs)
      for number in 1...Self.transactions {
        try connection.transaction { () throws in
          try connection.run(
            "insert into note values (?, randomblob(? * 1500))", .integer(number), .integer(number))
          try connection.run("delete from note where number = ?", .integer(number - 3))
        }
        acknowledged = number
        if number % 3 == 0 { try connection.execute("pragma wal_checkpoint(truncate)") }
      }
    } catch {}
    return acknowledged
  }
}
