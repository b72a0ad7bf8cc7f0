import DomicileDirectory
import DomicileStorage
import Foundation

/// Copying and comparing: in memory that does not grow with a home.
extension MoveRound {
  /// What is written to the target in one transaction.
  private struct Chunk {
    var changes: [MoveChanges] = []
    var records = 0
    var bytes = 0
    mutating func add(_ more: MoveChanges) {
      changes.append(more)
      records += more.changes.count
      bytes += more.changes.reduce(0) { $0 + ($1.record?.bytes ?? 0) }
    }
  }

  private var lost: StepResult {
    .lost(
      StorageError(
        .outrun, "The home is no longer there under its serial: somebody else goes on with it."))
  }

  // MARK: Copy

  /// Brings the target to what the source is: what is new there in large steps; else range by range, where what is there already
  /// is not written again, so that a move that was taken over goes on where it stood.
  mutating func copy(
    _ tickets: [MoveTicket], _ step: MoveState.Step
  ) async throws -> [StepResult] {
    let instant = world.clock.milliseconds
    var results = tickets.map { _ in StepResult.went(.done) }
    let isMuch = try isMuch(tickets, instant)
    let isNew = try tickets.map { try isMuch && target.isEmpty($0.targetHome) }
    try await copyNew(tickets, isNew, instant, step, &results)
    var chunk = Chunk()
    var inChunk: [Int] = []
    for (index, ticket) in tickets.enumerated() where !isNew[index] {
      var position: RecordPosition?
      repeat {
        guard let comparison = try compare(ticket, after: position, instant) else {
          results[index] = lost
          break
        }
        if !comparison.differences.isEmpty {
          chunk.add(MoveChanges(home: ticket.targetHome, changes: comparison.differences))
          inChunk.append(index)
        }
        position = comparison.end
        if chunk.records >= settings.limits.records || chunk.bytes >= settings.limits.bytes {
          try await write(&chunk, &inChunk, of: tickets, step, &results)
          try Task.checkCancellation()
        }
      } while position != nil && results[index].isDone
      try await renewLease(of: tickets)
    }
    try await write(&chunk, &inChunk, of: tickets, step, &results)
    return results
  }

  private mutating func copyNew(
    _ tickets: [MoveTicket], _ isNew: [Bool], _ instant: Int64, _ step: MoveState.Step,
    _ results: inout [StepResult]
  ) async throws {
    var positions = tickets.enumerated().map { index, ticket in
      var position = BulkCopy.Position(source: ticket.sourceHome, target: ticket.targetHome)
      position.isDone = !isNew[index]
      return position
    }
    guard positions.contains(where: { !$0.isDone }) else { return }
    let bulk = try bulkCopy()
    while let first = positions.firstIndex(where: { !$0.isDone }) {
      if let full = refusalForRoom(bytes: 2 << 20) {
        for index in positions.indices where !positions[index].isDone {
          results[index] = .failed(full)
        }
        return
      }
      let waiting = Array(positions[first...].prefix(1_000))
      let copied = try await patiently {
        try await transact(step, moves: waiting.count) {
          try await bulk.copy(waiting, law: law, unexpiredAt: instant)
        }
      }
      for (offset, result) in copied.homes {
        switch result {
        case .success(let next):
          positions[first + offset] = next
        case .failure(let error):
          positions[first + offset].isDone = true
          results[first + offset] = StepResult(error)
        }
      }
      if let (offset, _) = copied.homes.first {
        // What one transaction copies of several homes is small; it is told of the first.
        outcomes[MoveKey(tickets[first + offset])]?.records += copied.records
        outcomes[MoveKey(tickets[first + offset])]?.bytes += copied.bytes
      }
      try Task.checkCancellation()
      try await renewLease(of: tickets)
    }
  }

  /// Whether it pays to open both files once more.
  private func isMuch(_ tickets: [MoveTicket], _ instant: Int64) throws -> Bool {
    if tickets.count >= 50 { return true }
    return try tickets.contains { ticket in
      try source.range(
        of: ticket.sourceHome, after: nil, unexpiredAt: instant, limits: settings.limits)?.end
        != nil
    }
  }

  private mutating func bulkCopy() throws -> BulkCopy {
    if let bulk { return bulk }
    let made = try BulkCopy(from: source, to: target)
    bulk = made
    return made
  }

  private func refusalForRoom(bytes: Int) -> StorageError? {
    guard let free = target.freeBytes, free < settings.reserveBytes + 2 * bytes else { return nil }
    return StorageError(
      .diskFull,
      "The volume of \(target.identity.name) has no room for what is moved; the move is undone. Free space, or move it elsewhere."
    )
  }

  /// Waits while the target's WAL is at its maximum: those who live there come first.
  private func patiently<T>(_ work: () async throws -> T) async throws -> T {
    var pause = Duration.milliseconds(2)
    while true {
      do {
        return try await work()
      } catch let error as StorageError where error.code == .overloaded && pause < .seconds(2) {
        try await Task.sleep(for: pause)
        pause *= 2
      }
    }
  }

  private mutating func write(
    _ chunk: inout Chunk, _ indices: inout [Int], of tickets: [MoveTicket], _ step: MoveState.Step,
    _ results: inout [StepResult]
  ) async throws {
    guard !chunk.changes.isEmpty else { return }
    let written = try await write(chunk, step)
    for (index, outcome) in zip(indices, written) where results[index].isDone {
      results[index] = outcome
    }
    for (index, change) in zip(indices, chunk.changes) {
      outcomes[MoveKey(tickets[index])]?.add(change)
    }
    chunk = Chunk()
    indices = []
  }

  private func write(_ chunk: Chunk, _ step: MoveState.Step) async throws -> [StepResult] {
    if let full = refusalForRoom(bytes: chunk.bytes) {
      return chunk.changes.map { _ in .failed(full) }
    }
    do {
      return try await patiently {
        try await transact(
          step, moves: chunk.changes.count, records: chunk.records, bytes: chunk.bytes
        ) {
          try await target.copy(chunk.changes, law: law, by: deadline)
        }.map(StepResult.init)
      }
    } catch let error as StorageError where error.code == .diskFull {
      return chunk.changes.map { _ in .failed(error) }
    }
  }

  private struct Comparison {
    /// What makes the target what the source is.
    var differences: [MovedChange] = []
    /// Those of them that were noted as changed since they were copied.
    var changed: Set<RecordPosition> = []
    /// Up to where it goes; nil: to the end.
    var end: RecordPosition?
  }

  /// Compares what comes after a position at the source and at the target; nil if one of the homes is not there.
  private func compare(
    _ ticket: MoveTicket, after position: RecordPosition?, _ instant: Int64
  ) throws -> Comparison? {
    guard
      let there = try source.range(
        of: ticket.sourceHome, after: position, unexpiredAt: instant, limits: settings.limits),
      let here = try target.range(
        of: ticket.targetHome, after: position, unexpiredAt: instant, limits: settings.limits)
    else { return nil }
    var result = Comparison()
    result.end = [there.end, here.end].compactMap(\.self).min()
    result.changed = there.changed
    func isInRange(_ record: MovedRecord) -> Bool {
      result.end.map { record.position <= $0 } ?? true
    }
    var old = here.records.prefix { isInRange($0) }[...]
    for record in there.records.prefix(while: isInRange) {
      while let first = old.first, first.position < record.position {
        result.differences.append(MovedChange(position: first.position, record: nil))
        old.removeFirst()
      }
      if let first = old.first, first.position == record.position {
        if first != record {
          result.differences.append(MovedChange(position: record.position, record: record))
        }
        old.removeFirst()
      } else {
        result.differences.append(MovedChange(position: record.position, record: record))
      }
    }
    result.differences += old.map { MovedChange(position: $0.position, record: nil) }
    return result
  }

  // MARK: Changes

  /// Copies what has changed until little is left: the freeze copies that.
  mutating func catchUp(
    _ tickets: [MoveTicket], _ step: MoveState.Step
  ) async throws -> [StepResult] {
    var results = tickets.map { _ in StepResult.went(.done) }
    for _ in 0..<1_000 {
      let left = try await copyChanges(tickets, step, &results)
      if left <= Self.changesLeftForFreeze * max(1, tickets.count / 50) { break }
    }
    return results
  }

  private static let changesLeftForFreeze = 20

  /// The last changes and settings, while nobody writes; all of them, and compared.
  mutating func lastChanges(
    _ tickets: [MoveTicket], _ step: MoveState.Step
  ) async throws -> [StepResult] {
    var results = tickets.map { _ in StepResult.went(.done) }
    try await copySettings(tickets, step, &results)
    while try await copyChanges(tickets, step, &results) > 0 {}
    return results
  }

  /// Copies some of what was noted of each home, compares it, and forgets what is still so; how many there were.
  private mutating func copyChanges(
    _ tickets: [MoveTicket], _ step: MoveState.Step, _ results: inout [StepResult]
  ) async throws -> Int {
    let instant = world.clock.milliseconds
    var chunk = Chunk()
    var indices: [Int] = []
    for (index, ticket) in tickets.enumerated() where results[index].isDone {
      guard
        let changes = try source.changes(
          of: ticket.sourceHome, unexpiredAt: instant, limits: settings.limits)
      else {
        results[index] = lost
        continue
      }
      if changes.isEmpty { continue }
      chunk.add(MoveChanges(home: ticket.targetHome, changes: changes))
      indices.append(index)
    }
    let count = chunk.records
    guard count > 0 else { return 0 }
    let written = chunk.changes
    let places = indices
    try await write(&chunk, &indices, of: tickets, step, &results)
    for (index, change) in zip(places, written) where results[index].isDone {
      let there = try target.records(
        at: change.changes.map(\.position), of: change.home, unexpiredAt: instant)
      if there != change.changes {
        results[index] = .failed(mismatch(tickets[index], change, there))
      }
    }
    let settled = zip(places, written).filter { results[$0.0].isDone }
    let refusals = try await transact(step, moves: settled.count) {
      try await source.settle(
        settled.map { (tickets[$0.0].sourceHome, $0.1.changes) }, by: deadline)
    }
    for ((index, _), refusal) in zip(settled, refusals) where refusal != nil {
      results[index] = StepResult(refusal)
    }
    return count
  }

  private func copySettings(
    _ tickets: [MoveTicket], _ step: MoveState.Step, _ results: inout [StepResult]
  ) async throws {
    var changes: [MoveChanges] = []
    var indices: [Int] = []
    for (index, ticket) in tickets.enumerated() {
      guard let there = try source.settings(of: ticket.sourceHome),
        let here = try target.settings(of: ticket.targetHome)
      else {
        results[index] = lost
        continue
      }
      if there == here { continue }
      changes.append(MoveChanges(home: ticket.targetHome, settings: there))
      indices.append(index)
    }
    guard !changes.isEmpty else { return }
    let refusals = try await transact(step, moves: changes.count) {
      try await target.copy(changes, law: law, by: deadline)
    }
    for (index, refusal) in zip(indices, refusals) { results[index] = StepResult(refusal) }
  }

  // MARK: Verify

  /// Compares all of source and target while writes go on; what has been noted as changed is compared when it is copied.
  mutating func verify(_ tickets: [MoveTicket]) async throws -> [StepResult] {
    let instant = world.clock.milliseconds
    guard try isMuch(tickets, instant) else {
      return try tickets.map { try compareEach($0, nil, nil, instant).0 }
    }
    let bulk = try bulkCopy()
    var results = tickets.map { _ in StepResult.went(.done) }
    var places = tickets.enumerated().map { index, ticket in
      (index, BulkCopy.Position(source: ticket.sourceHome, target: ticket.targetHome))
    }
    while !places.isEmpty {
      let compared = try await bulk.compareNext(places.map(\.1), unexpiredAt: instant)
      var left: [(Int, BulkCopy.Position)] = []
      for ((index, place), (isSame, end)) in zip(places, compared) {
        var next = place
        next.after = end
        if !isSame {
          let (result, position) = try compareEach(tickets[index], place.after, end, instant)
          results[index] = result
          next.after = position
        }
        if next.after != nil, results[index].isDone { left.append((index, next)) }
      }
      places = left
      try Task.checkCancellation()
      try await renewLease(of: tickets)
    }
    return results
  }

  /// Compares records one by one where they differ, after one and up to another (nil: to the end); and up to where it went. What was
  /// noted as changed is no difference.
  private func compareEach(
    _ ticket: MoveTicket, _ after: RecordPosition?, _ end: RecordPosition?, _ instant: Int64
  ) throws -> (StepResult, RecordPosition?) {
    var position = after
    repeat {
      guard let comparison = try compare(ticket, after: position, instant) else {
        return (lost, nil)
      }
      // The target is written by this mover alone, and the source was read with what is noted of it.
      if let wrong = comparison.differences.first(where: {
        !comparison.changed.contains($0.position)
      }) {
        return (.failed(mismatch(ticket, wrong.position)), nil)
      }
      position = comparison.end
    } while position.map { position in end.map { position < $0 } ?? true } ?? false
    return (.went(.done), position)
  }

  private func mismatch(
    _ ticket: MoveTicket, _ change: MoveChanges, _ there: [MovedChange]?
  ) -> StorageError {
    let first = zip(change.changes, there ?? []).first { $0 != $1 }?.0 ?? change.changes[0]
    return mismatch(ticket, first.position)
  }

  private func mismatch(_ ticket: MoveTicket, _ position: RecordPosition) -> StorageError {
    StorageError(
      .corrupt,
      "A record at the target is not what it is at the source: collection \(position.collection), key"
        + " \(RecordKey(position.key).text.map { "“\($0)”" } ?? "x'\(position.key.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined())'"), of"
        + " \(ticket.alias) in \(target.identity.name). The move is undone; the source is as it was. Run “domicile doctor”, and look at the disk."
    )
  }
}

extension MoveOutcome {
  fileprivate mutating func add(_ copied: MoveChanges) {
    records += copied.changes.count
    bytes += copied.changes.reduce(0) { $0 + ($1.record?.bytes ?? 0) }
  }
}

extension StepResult {
  var isDone: Bool { if case .went(.done) = self { true } else { false } }
}
