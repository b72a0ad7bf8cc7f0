import DomicileDirectory
import DomicileMigration
import DomicilePolicy
import DomicileStorage

/// A move whose words have been checked.
struct MoveCandidate: Sendable {
  let owner: OwnerKey
  let dataClass: String
  let region: String
  let shard: String?
}

/// Judges moves, has the directory note them, and carries them out, in batches.
extension ResidencyRouter {
  func move(_ candidates: [MoveCandidate]) async -> [Result<MoveReport, RouterError>] {
    let batches = stride(from: 0, to: candidates.count, by: Self.movesPerBatch).map {
      Array(candidates[$0..<min($0 + Self.movesPerBatch, candidates.count)])
    }
    var results = [[Result<MoveReport, RouterError>]](repeating: [], count: batches.count)
    await withTaskGroup(of: (Int, [Result<MoveReport, RouterError>]).self) { group in
      for (number, batch) in batches.enumerated() {
        if number >= Self.batchesAtOnce, let (ended, reports) = await group.next() {
          results[ended] = reports
        }
        group.addTask { (number, await self.move(batch: batch)) }
      }
      for await (ended, reports) in group { results[ended] = reports }
    }
    for case .failure(let error) in results.joined() { metrics.countError(error) }
    return Array(results.joined())
  }

  /// Writers of a batch wait for its flip together.
  private static var movesPerBatch: Int { 256 }

  /// While one waits for a disk, others compute.
  private static var batchesAtOnce: Int { 3 }

  func move(batch: [MoveCandidate]) async -> [Result<MoveReport, RouterError>] {
    var results = [Result<MoveReport, RouterError>?](repeating: nil, count: batch.count)
    var waiting = Array(batch.indices)
    let deadline = ContinuousClock.now + options.deadline
    while !waiting.isEmpty {
      var requests: [(index: Int, request: MoveRequest)] = []
      var again: [Int] = []
      var planned: [(index: Int, ticket: MoveTicket)] = []
      do throws(RouterError) {
        let current = try await currentPolicy()
        var placements = try routing {
          Dictionary(uniqueKeysWithValues: try directory.shards().map { ($0.name, $0.placements) })
        }
        for index in waiting {
          do throws(RouterError) {
            switch try await plan(batch[index], by: current, &placements) {
            case .there(let report): results[index] = .success(report)
            case .request(let request): requests.append((index, request))
            }
          } catch {
            results[index] = .failure(error)
          }
        }
        let tickets = try await routing {
          try await directory.planMoves(
            requests.map(\.request), law: current.reference, at: options.clock.now, by: deadline)
        }
        for ((index, _), result) in zip(requests, tickets) {
          switch result {
          case .success(let ticket): planned.append((index, ticket))
          case .failure(let error)
          where [.policyChanged, .outrun].contains(error.code) && deadline > .now:
            again.append(index)
          case .failure(let error): results[index] = .failure(RouterError(error))
          }
        }
        if !again.isEmpty { try reloadPolicy() }
      } catch {
        for index in waiting where results[index] == nil { results[index] = .failure(error) }
        again = []
      }
      let reports = await run(planned.map(\.ticket))
      for ((index, _), report) in zip(planned, reports) { results[index] = .success(report) }
      waiting = again
    }
    return results.map { $0 ?? .failure(Self.notTried) }
  }

  private enum MovePlan {
    case there(MoveReport)
    case request(MoveRequest)
  }

  private func plan(
    _ candidate: MoveCandidate, by current: PolicyInForce, _ placements: inout [String: Int64]
  ) async throws(RouterError) -> MovePlan {
    let policy = current.policy
    try routing {
      _ = try policy.number(ofRegion: candidate.region)
      try current.checkHoldsRecords(candidate.dataClass)
    }
    guard let entry = try routing({ try directory.user(candidate.owner) }) else {
      throw Self.userNotFound
    }
    guard let placement = entry.placement(candidate.dataClass), placement.state != .admitting else {
      throw RouterError(
        .notFound,
        "There is no home for the class “\(candidate.dataClass)”, so there is nothing to be moved.")
    }
    guard !entry.isErasing, placement.state == .placed else { throw Self.userIsErased }
    let refusal = try routing {
      try current.refusal(
        of: entry.profile, isGroup: entry.isGroup, dataClass: candidate.dataClass,
        in: candidate.region)
    }
    if let refusal {
      await note([.refusal(refusal, isGroup: entry.isGroup)])
      throw RouterError(refusing: refusal)
    }
    let from = current.shard(placement.shard)
    if from?.region == candidate.region, candidate.shard.map({ $0 == placement.shard }) ?? true {
      return .there(
        MoveReport(
          end: .alreadyThere, dataClass: candidate.dataClass, from: placement.shard,
          to: placement.shard, records: 0, bytes: 0, longestFreeze: .zero, problem: nil))
    }
    if let refusal = try routing({
      try refusalToProcess(entry.profile, candidate.dataClass, current)
    }) {
      throw RouterError(.processingRefused, "\(refusal) Nothing was changed.")
    }
    for region in [from?.region, candidate.region].compactMap(\.self)
    where !shards.carries(region: region) {
      throw RouterError(
        .elsewhere,
        "A move needs both regions, and \(region) is not carried by this process. Run it where both are; nothing was changed.",
        region: region)
    }
    let target = try targetShard(
      candidate, entry, current, besides: placement.shard, &placements)
    let shard = try await shard(target, in: current, by: .now + options.deadline)
    try await checkRoom(for: entry.home(placement), in: shard, from: placement.shard)
    let rules = try routing {
      current.rulesAsked(
        try policy.compile(entry.profile), isGroup: entry.isGroup,
        dataClass: try policy.number(ofClass: candidate.dataClass))
    }
    return .request(
      MoveRequest(
        owner: candidate.owner, dataClass: candidate.dataClass, shard: target.name,
        tags: entry.tags, rules: rules))
  }

  /// What is moved passes through this process: why that may not be, where it runs.
  func refusalToProcess(
    _ profile: HomeProfile, _ dataClass: String, _ current: PolicyInForce
  ) throws -> String? {
    let isPermitted = try current.permitsProcessing(
      current.policy.compile(profile), dataClass: current.policy.number(ofClass: dataClass))
    if isPermitted { return nil }
    return
      "The policy in force does not allow this data to be processed where this process runs (\(options.location ?? "not said, “--location”"));"
      + " a move reads and writes it."
  }

  private func targetShard(
    _ candidate: MoveCandidate, _ entry: UserEntry, _ current: PolicyInForce,
    besides source: String, _ placements: inout [String: Int64]
  ) throws(RouterError) -> ShardDefinition {
    let policy = current.policy
    let known = current.policy.topology.shards.filter { $0.region == candidate.region }
    if let name = candidate.shard, !known.contains(where: { $0.name == name }) {
      throw RouterError(
        .unknownName,
        "The region \(candidate.region) has no shard “\(name)”; it has \(known.map(\.name).joined(separator: ", "))."
      )
    }
    let accepting = known.filter {
      $0.name != source && (candidate.shard ?? $0.name) == $0.name
        && $0.accepts(entry.profile, in: policy)
    }
    let open = accepting.filter { $0.state == .open }
    if open.isEmpty, !accepting.isEmpty { throw RouterError(drained: candidate.region) }
    let best = open.min {
      (placements[$0.name, default: 0], $0.name) < (placements[$1.name, default: 0], $1.name)
    }
    guard let best else {
      throw RouterError(
        .unserved,
        "No shard of the region \(candidate.region) accepts residents of \(entry.profile.residences). Nothing was changed. Name"
          + " another region, or have one accept them.", region: candidate.region)
    }
    placements[best.name, default: 0] += 1
    return best
  }

  /// A target that fills up half way is no target.
  private func checkRoom(
    for home: HomeReference, in target: SQLiteShard, from source: String
  ) async throws(RouterError) {
    guard let free = options.moveSettings.freeBytes(target) else { return }
    let shard = try await shard(named: source, by: .now + options.deadline)
    let reserve = options.moveSettings.reserveBytes
    // Looking at each record is for where room is short.
    if try routing({ try free >= 2 * Int(shard.fileBytes()) + reserve }) { return }
    let size = try routing {
      try shard.size(
        of: MoveHome(owner: home.owner, dataClass: home.dataClass, serial: home.serial, token: 0))
    }
    let needed = 2 * Int(size.bytes) + reserve
    guard free < needed else { return }
    throw RouterError(
      .diskFull,
      "The volume of the shard \(target.identity.name) has room for \(max(0, free)) bytes beside what it keeps back; the move needs"
        + " \(needed). Nothing was changed. Free space, or name another region.",
      region: target.identity.region)
  }
}
