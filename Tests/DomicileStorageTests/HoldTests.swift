import DomicilePolicy
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// Legal holds, and what an erasure leaves because something must be kept.
@Suite struct HoldTests {
  // MARK: Legal holds

  @Test func `nothing of a home under a legal hold is deleted or replaced`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a"))
      try await store.write(.put("a"), to: .ben)
      #expect(try await store.hold("case 7", until: shard.now + 5_000) == nil)
      for operation in [try RecordOperation.delete("a"), try .put("a", "new")] {
        let error = await refusal { try await store.write(operation) }
        #expect(error?.code == .held)
        #expect(error?.until == shard.now + 5_000)
        #expect(
          error?.message
            == "The record is held by the legal hold “case 7”, until 2026-01-01T00:00:05Z; nothing was"
            + " deleted or replaced. Try again after that.")
      }
      // New records, and other homes.
      try await store.write(.put("b"), .delete("nothing"))
      try await store.write(.delete("a"), to: .ben)
      shard.clock.advance(by: .seconds(5))
      try await store.write(.put("a", "new"))
      try await store.write(.delete("a"))
    }
  }

  @Test func `of several holds the one that ends last is told`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.write(.put("a"))
      func held() async -> [String?] {
        let error = await refusal { try await store.write(.delete("a")) }
        return [error?.message.split(separator: "“").last?.prefix(1).description] + [
          error?.until.map { "\($0 - shard.now)" }
        ]
      }
      _ = try await store.hold("1", until: shard.now + 5_000)
      _ = try await store.hold("2", until: shard.now + 9_000)
      #expect(await held() == ["2", "9000"])
      _ = try await store.hold("3")
      #expect(await held() == ["3", nil])
      #expect(try await store.release("3") == nil)
      #expect(await held() == ["2", "9000"])
      // Its end is changed, and another is.
      _ = try await store.hold("2", until: shard.now + 1_000)
      #expect(await held() == ["1", "5000"])
      _ = try await store.hold("1", until: shard.now + 20_000)
      #expect(await held() == ["1", "20000"])
      #expect(try await store.release("1") == nil)
      shard.clock.advance(by: .seconds(1))
      #expect(try await store.release("never there") == nil)
      try await store.write(.delete("a"))
    }
  }

  @Test func `a hold names a home by its serial`() async throws {
    let shard = try await TestShard()
    try await shard.with { store async throws in
      #expect(
        try await store.hold(
          [.numbered(9), .ada.with(serial: 9), .ben], name: "case 7", until: nil, by: .soon
        ).map { $0?.code } == [.moved, .moved, nil])
      #expect(try await store.release("case 7", on: .ben.with(serial: 9)) == .moved)
      #expect(try shard.count("hold") == 1)
      #expect(try await store.release("case 7", on: .ben) == nil)
      #expect(try shard.count("hold") == 0)
      #expect(try shard.integer("SELECT total(holds) FROM home") == 0)
    }
  }

  @Test func `a record that expires under a hold is not seen, and not swept before its end`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<150, expiry: .after(.seconds(1)))
      try await store.fill(0..<5, of: .ben, expiry: .after(.seconds(1)))
      _ = try await store.hold("case 7", until: shard.now + 60_000)
      shard.clock.advance(by: .seconds(1))
      #expect(try store.keys() == [])
      #expect(try await store.sweep().records == 5)
      #expect(await code { try await store.fill([0]) } == .held)
      shard.clock.advance(by: .seconds(59))
      #expect(try await store.sweep().records == 150)
    }
  }

  // MARK: Erasure under a legal hold

  @Test(arguments: [false, true])
  func `an erasure leaves a home under a hold as it is, until that ends`(
    isReleased: Bool
  ) async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.fill(0..<150, labels: ["kind": "a"])
      _ = try await store.hold("case 7", until: isReleased ? nil : shard.now + 1_000)
      let held = HomeReference.ada.with(serial: 20)
      let before = try shard.recordRows()
      for _ in 1...2 {
        let erased = try await store.erase(token: 20)
        #expect(erased.records == 0)
        #expect(erased.held?.records == 150)
        #expect(erased.held?.data.rule == "the legal hold “case 7”")
        #expect(erased.held?.data.until == (isReleased ? nil : shard.now + 1_000))
      }
      #expect(try shard.recordRows() == before)
      #expect(try store.home(owner: held.owner, dataClass: "messages")?.state == .held)
      for home in [HomeReference.ada, held] {
        #expect(await code { _ = try store.keys(of: home) } == .moved)
        #expect(await code { try await store.write(.put("b"), to: home) } == .moved)
        #expect(await code { try await store.erase(.all, of: home) } == .moved)
      }
      let later = HomeStaging(held.with(serial: 21), "DE")
      #expect(
        try await store.stage([later], law: .first, by: .soon).map { $0?.code } == [.outrun])

      if isReleased {
        #expect(try await store.release("case 7", on: held) == nil)
      } else {
        shard.clock.advance(by: .seconds(1))
      }
      #expect(await code { try await store.erase(token: 19) } == .outrun)
      let erased = try await store.erase(token: 20)
      #expect(erased.records == 150)
      #expect(erased.held == nil)
      for table in ["record", "label", "hold"] { #expect(try shard.count(table) == 0) }
      #expect(try store.home(owner: held.owner, dataClass: "messages")?.state == .erased)
      #expect(try await store.stage([later], law: .first, by: .soon).map { $0?.code } == [nil])
    }
  }

  // MARK: Erasure of what the policy keeps

  @Test func `an erasure leaves what the policy keeps, which goes as soon as it may`()
    async throws
  {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(standard: 9 * .day, shortest: .day))
      try await store.fill(0..<150, labels: ["kind": "a"])
      try await store.fill(150..<160, expiry: .never)
      shard.clock.advance(by: .hours(12))
      // More than a step of them, some with the same keys.
      try await store.fill(160..<310, expiry: .never)
      try await store.fill(160..<310, in: "threads")
      let last = shard.now
      shard.clock.advance(by: .hours(12))
      try await store.fill(0..<5, of: .ben)

      let erased = try await store.erase(token: 20)
      #expect(erased.records == 160)
      #expect(erased.held?.records == 300)
      #expect(erased.held?.data.until == last + 86_400_000)
      #expect(erased.held?.data.rule == "messages: limits (policy.yaml:7)")
      #expect(try shard.count("label") == 0)
      #expect(
        try shard.integer(
          "SELECT count(*) FROM record WHERE home = 1 AND expires = written + 86400000") == 300)
      let again = try await store.erase(token: 20)
      #expect(again.records == 0)
      #expect(again.held?.records == 300)

      shard.clock.advance(by: .hours(12) - .milliseconds(1))
      #expect(try await store.sweep().records == 0)
      shard.clock.advance(by: .milliseconds(1))
      #expect(try await store.sweep().records == 300)
      let finished = try await store.erase(token: 20)
      #expect(finished.records == 0)
      #expect(finished.held == nil)
      #expect(
        try store.home(owner: HomeReference.ada.owner, dataClass: "messages")?.state == .erased)
      #expect(try store.keys(of: .ben).count == 5)
      #expect(try store.integrityFindings() == [])
    }
  }

  @Test func `an erasure that is repeated in time needs no sweep`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(shortest: .day))
      try await store.fill(0..<150)
      #expect(try await store.erase(token: 20).held?.records == 150)
      shard.clock.advance(by: .days(1))
      let erased = try await store.erase(token: 21)
      #expect(erased.records == 150)
      #expect(erased.held == nil)
    }
  }

  @Test func `a longer shortest time holds what an erasure has left, too`() async throws {
    let shard = try await TestShard()
    try await shard.with { store in
      try await store.keep(.limits(shortest: .day))
      try await store.fill(0..<150)
      try await store.erase(token: 20)
      try await store.keep(.limits(shortest: 2 * .day))
      shard.clock.advance(by: .days(1))
      #expect(try await store.sweep().records == 0)
      #expect(try await store.erase(token: 20).held?.records == 150)
      shard.clock.advance(by: .days(1))
      #expect(try await store.sweep().records == 150)
    }
  }
}
