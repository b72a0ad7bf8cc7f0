import Domicile
import DomicileTesting
import Foundation

/// What one process does in a trial, and what must be there of it at the end.
actor GoneLife {
  private struct Place: Hashable {
    let user: String
    let collection: RecordCollection
  }

  private struct Entry {
    let value: [UInt8]
    let labels: [String: String]
    let goes: Bool
  }

  /// Something that is not as it should be.
  struct Wrong: Error, CustomStringConvertible {
    let description: String
  }

  private let plan: GonePlan
  private let router: ResidencyRouter
  private let process: Int
  private let expiry: RecordExpiry
  private var random: SeededRandom
  private var users: [String]
  private var entries: [Place: [RecordKey: Entry]] = [:]

  /// Makes the life of one process. Records that are to be swept have `expiry`.
  init(_ plan: GonePlan, router: ResidencyRouter, process: Int, expiry: RecordExpiry) {
    self.plan = plan
    self.router = router
    self.process = process
    self.expiry = expiry
    random = SeededRandom(seed: plan.seed ^ UInt64(process + 1) << 56)
    users = plan.users(of: process)
  }

  // MARK: Writing

  /// Admits the users and writes for them, and for the one who is marked.
  func live() async throws {
    for user in users + [GonePlan.marked] {
      try await router.admit(
        UserID(user), residence: plan.residence(of: user, using: &random))
    }
    for _ in 0..<plan.batches {
      let isMarked = Int.random(in: 0..<3, using: &random) == 0
      try await write(
        for: isMarked ? GonePlan.marked : users[0..<users.count].randomElement(using: &random) ?? ""
      )
    }
    if process == plan.eraser { try await writeWhatGoes() }
    if [.user, .dataClass].contains(plan.way) {
      // The shard keeps the beginnings of keys for which somebody sets a lifetime.
      let prefix = RecordKey(Marks.going.bytes(20, using: &random))
      try await router.user(UserID(GonePlan.marked))
        .setLifetime(.after(.seconds(1_000_000)), of: .threads, prefix: prefix)
    }
  }

  /// Writes for the others until it is over, and admits some more.
  func liveOn(while goesOn: @Sendable () -> Bool) async throws {
    var number = 0
    while goesOn() {
      number += 1
      if number % 16 == 0, users.count < plan.usersPerProcess + 8 {
        let user = "\(process).late.\(number)"
        try await router.admit(
          UserID(user), residence: plan.residence(of: user, using: &random))
        users.append(user)
      }
      // What it all takes has an end, however long somebody searches.
      if number < 1_000 { try await write(for: users.randomElement(using: &random) ?? "") }
      if number % 8 == 0 { try await Task.sleep(for: .milliseconds(2)) }
    }
  }

  private func write(for user: String) async throws {
    let collection = GonePlan.collections.randomElement(using: &random) ?? .inbox
    let place = Place(user: user, collection: collection)
    var next = entries[place] ?? [:]
    var keys = next.keys.sorted()
    var batch = RecordBatch()
    for _ in 0..<Int.random(in: 1...8, using: &random) {
      let draw = Int.random(in: 0..<10, using: &random)
      if draw < 5 || keys.isEmpty {
        let goes = plan.goes(user: user, collection, using: &random)
        let key = plan.key(goes: goes, using: &random)
        keys.append(key)
        put(key, goes: goes, in: collection, of: &next, &batch)
      } else if draw < 8 {
        let key = keys.randomElement(using: &random) ?? keys[0]
        put(key, goes: next[key]?.goes ?? false, in: collection, of: &next, &batch)
      } else {
        let key = keys.remove(at: .random(in: 0..<keys.count, using: &random))
        next[key] = nil
        batch.delete(key, in: collection)
      }
    }
    try await router.user(UserID(user)).write(batch, deadline: .seconds(60))
    entries[place] = next
  }

  /// Something is there to go, whatever was drawn before.
  private func writeWhatGoes() async throws {
    let place = Place(user: GonePlan.marked, collection: plan.goingCollections[0])
    var next = entries[place] ?? [:]
    var batch = RecordBatch()
    put(plan.key(goes: true, using: &random), goes: true, in: place.collection, of: &next, &batch)
    try await router.user(UserID(place.user)).write(batch, deadline: .seconds(60))
    entries[place] = next
  }

  private func put(
    _ key: RecordKey, goes: Bool, in collection: RecordCollection,
    of next: inout [RecordKey: Entry], _ batch: inout RecordBatch
  ) {
    let entry = Entry(
      value: plan.value(goes: goes, using: &random),
      labels: plan.labels(goes: goes, using: &random),
      goes: goes)
    batch.put(
      entry.value, key: key, in: collection, labels: entry.labels,
      expires: goes && plan.way == .sweep ? expiry : .byDefault)
    next[key] = entry
  }

  // MARK: Reading

  /// Reads here and there until it is over; the marked user may be gone.
  func read(while goesOn: @Sendable () -> Bool) async throws {
    while goesOn() {
      for user in [users.randomElement(using: &random) ?? "", GonePlan.marked] {
        do throws(RouterError) {
          let handle = try await router.user(UserID(user))
          for collection in GonePlan.collections {
            _ = try await handle.page(collection, limit: 50)
          }
        } catch {
          guard user == GonePlan.marked, error.code == .notFound else { throw error }
        }
      }
      try await Task.sleep(for: .milliseconds(3))
    }
  }

  /// Compares what should have stayed with what is there, and asks for what should be gone.
  func check() async throws {
    for (place, all) in entries {
      if place.user == GonePlan.marked, !isThere(place.collection) { continue }
      let handle = try await router.user(UserID(place.user))
      let keys = all.keys.sorted()
      for start in stride(from: 0, to: keys.count, by: 100) {
        let some = Array(keys[start..<min(start + 100, keys.count)])
        let records = try await handle.get(some, in: place.collection)
        for (key, record) in zip(some, records) {
          guard let entry = all[key] else { continue }
          let isRight =
            entry.goes
            ? record == nil : record?.value == entry.value && record?.labels == entry.labels
          if !isRight {
            throw Wrong(
              description: "process \(process), \(place.user), \(place.collection): a record of"
                + " \(entry.value.count) bytes is \(record == nil ? "lost" : "not what it was")")
          }
        }
      }
    }
  }

  private func isThere(_ collection: RecordCollection) -> Bool {
    switch plan.way {
    case .user: false
    case .dataClass: collection == .receipts
    case .collection, .prefix, .sweep, .deletions: true
    }
  }
}
