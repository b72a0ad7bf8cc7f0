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

  /// Brings the target to what the source is: where nothing is yet in large steps; else range by range, where what is there already
  /// is not written again, so that a move that was taken over goes on where it stood.
  mutating func copy(
    _ tickets: [MoveTicket], _ step: MoveState.Step
  ) async throws -> [StepResult] {
    let instant = world.clock.milliseconds
    var results = tickets.map { _ in StepResult.went(.done) }
    var left = Array(tickets.indices)
    if try isMuch(tickets) { left = try await copyNew(tickets, instant, step, &results) }
    var chunk = Chunk()
    var inChunk: [Int] = []
    for index in left {
      let ticket = tickets[index]
      var position: RecordPosition?
      repeat {
        guard let (differences, end) = try compare(ticket, after: position, instant) else {
          results[index] = lost
          break
        }
        if !differences.isEmpty {
          chunk.add(MoveChanges(home: ticket.targetHome, changes: differences))
          inChunk.append(index)
        }
        position = end
        if chunk.records >= settings.limits.records || chunk.bytes >= settings.limits.bytes {
          try await write(&chunk, &inChunk, of: tickets, step, &results)
          try checkStopped()
        }
      } while position != nil && results[index].isDone
      try await renewLease(of: tickets)
    }
    try await write(&chunk, &inChunk, of: tickets, step, &results)
    return results
  }

  /// Copies into homes that have nothing yet; which have something.
  private mutating func copyNew(
    _ tickets: [MoveTicket], _ instant: Int64, _ step: MoveState.Step,
    _ results: inout [StepResult]
  ) async throws -> [Int] {
    let bulk = try bulkCopy()
    var occupied: [Int] = []
    var cursors = tickets.map(\.cursor)
    var next = 0
    while next < cursors.count {
      if let full = refusalForRoom(bytes: 4 << 20) {
        for index in next..<cursors.count { results[index] = .failed(full) }
        return occupied
      }
      let waiting = cursors[next...]
      let copied = try await patiently {
        try await transact(step, moves: waiting.count) {
          try await bulk.copy(waiting, law: law, unexpiredAt: instant)
        }
      }
      // What one transaction copies of several homes is small; it is told of the first.
      outcomes[MoveKey(tickets[next])]?.records += copied.records
      outcomes[MoveKey(tickets[next])]?.bytes += copied.bytes
      for outcome in copied.outcomes {
        switch outcome {
        case .copied(let cursor):
          cursors[next] = cursor
          guard cursor.isDone else { continue }
          middles[MoveKey(tickets[next])] = cursor.middle
        case .occupied: occupied.append(next)
        case .refused(let error): results[next] = StepResult(error)
        }
        next += 1
      }
      try checkStopped()
      try await renewLease(of: tickets)
    }
    return occupied
  }

  /// Whether it pays to open both files once more.
  private func isMuch(_ tickets: [MoveTicket]) throws -> Bool {
    if tickets.count >= 50 { return true }
    return try tickets.contains {
      try source.hasMore(than: settings.limits.records, in: $0.sourceHome)
    }
  }

  private mutating func bulkCopy() throws -> BulkCopy {
    if let bulk { return bulk }
    let made = try BulkCopy(from: source, to: target)
    bulk = made
    return made
  }

  private func refusalForRoom(bytes: Int) -> StorageError? {
    guard let free = settings.freeBytes(target), free < settings.reserveBytes + 2 * bytes else {
      return nil
    }
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

  /// What makes the target what the source is, of what comes after a position, and up to where that goes (nil: to the end); nil if one
  /// of the homes is not there.
  private func compare(
    _ ticket: MoveTicket, after position: RecordPosition?, _ instant: Int64
  ) throws -> (differences: [MovedChange], end: RecordPosition?)? {
    guard
      let there = try source.range(
        of: ticket.sourceHome, after: position, unexpiredAt: instant, limits: settings.limits),
      let here = try target.range(
        of: ticket.targetHome, after: position, unexpiredAt: instant, limits: settings.limits)
    else { return nil }
    var differences: [MovedChange] = []
    let end = [there.end, here.end].compactMap(\.self).min()
    func isInRange(_ record: MovedRecord) -> Bool { end.map { record.position <= $0 } ?? true }
    var old = here.records.prefix { isInRange($0) }[...]
    for record in there.records.prefix(while: isInRange) {
      while let first = old.first, first.position < record.position {
        differences.append(MovedChange(position: first.position, record: nil))
        old.removeFirst()
      }
      if let first = old.first, first.position == record.position {
        old.removeFirst()
        if first == record { continue }
      }
      differences.append(MovedChange(position: record.position, record: record))
    }
    differences += old.map { MovedChange(position: $0.position, record: nil) }
    return (differences, end)
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
    let left = tickets.indices.filter { results[$0].isDone }
    let changed = try source.changes(
      of: left.map { tickets[$0].sourceHome }, unexpiredAt: instant, limits: settings.limits)
    for (index, changes) in zip(left, changed) {
      guard let changes else {
        results[index] = lost
        continue
      }
      if changes.isEmpty { continue }
      chunk.add(MoveChanges(home: tickets[index].targetHome, changes: changes))
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
    let old = try source.settings(of: tickets.map(\.sourceHome))
    let new = try target.settings(of: tickets.map(\.targetHome))
    for (index, ticket) in tickets.enumerated() {
      guard let there = old[index], let here = new[index] else {
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
    var results = tickets.map { _ in StepResult.went(.done) }
    var lanes = lanes(tickets)
    while lanes.contains(where: { !$0.isEmpty }) {
      let compared = try await compare(lanes, instant)
      for (lane, comparisons) in zip(lanes.indices, compared) {
        for comparison in comparisons {
          let first = lanes[lane].startIndex
          let index = lanes[lane][first].index
          switch comparison {
          case .sameSoFar(let position):
            lanes[lane][first].cursor.after = position
            continue
          case .same: break
          case .different(let position):
            results[index] = .failed(mismatch(tickets[index], position))
          case .lost: results[index] = lost
          }
          lanes[lane].removeFirst()
        }
      }
      try checkStopped()
      try await renewLease(of: tickets)
    }
    return results
  }

  private typealias Lane = ArraySlice<(index: Int, cursor: MoveCursor)>

  /// Two compare at the same time, each about one half.
  private func lanes(_ tickets: [MoveTicket]) -> [Lane] {
    let all = tickets.enumerated().map { (index: $0.offset, cursor: $0.element.cursor) }
    guard tickets.count == 1, let middle = middles[MoveKey(tickets[0])] else {
      return [all[..<(all.count / 2)], all[(all.count / 2)...]]
    }
    var halves = all + all
    halves[0].cursor.last = middle
    halves[1].cursor.after = middle
    return [halves[..<1], halves[1...]]
  }

  /// Some of what comes next in each lane.
  private func compare(_ lanes: [Lane], _ instant: Int64) async throws -> [[MoveComparison]] {
    let (source, target, recordsMax) = (source, target, 40 * settings.limits.records)
    return try await withThrowingTaskGroup(of: (Int, [MoveComparison]).self) { group in
      for (number, lane) in lanes.enumerated() {
        group.addTask {
          let cursors = lane.map(\.cursor)
          let compared = try await source.compare(
            cursors[...], with: target, unexpiredAt: instant, recordsMax: recordsMax)
          return (number, compared)
        }
      }
      return try await group.reduce(into: lanes.map { _ in [] }) { $0[$1.0] = $1.1 }
    }
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

extension MoveTicket {
  fileprivate var cursor: MoveCursor { MoveCursor(source: sourceHome, target: targetHome) }
}

extension MoveCursor {
  fileprivate var middle: RecordPosition? { parts.isEmpty ? nil : parts[parts.count / 2] }
}
