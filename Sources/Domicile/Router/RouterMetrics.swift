import DomicileStorage
import Metrics
import Synchronization

/// The counters of a region and class, found once for a route.
struct RecordCounters: Sendable {
  fileprivate let read: Counter
  fileprivate let written: Counter

  func count(read number: Int) { read.increment(by: number) }
  func count(written number: Int) { written.increment(by: number) }
}

/// What the router counts. Labels are regions, shards, data classes and error codes, never anything of a user.
final class RouterMetrics: Sendable {
  private let factory: any MetricsFactory
  private let counters = Mutex<[Key: Counter]>([:])

  private struct Key: Hashable {
    let label: String
    let region: String
    let second: String
  }

  init(factory: any MetricsFactory) { self.factory = factory }

  /// `domicile.records.read` and `domicile.records.written`, by region and class.
  func recordCounters(region: String, dataClass: String) -> RecordCounters {
    RecordCounters(
      read: counter("domicile.records.read", region: region, second: ("class", dataClass)),
      written: counter("domicile.records.written", region: region, second: ("class", dataClass)))
  }

  /// `domicile.errors`, by region and code.
  func countError(_ error: RouterError) {
    counter("domicile.errors", region: error.region ?? "", second: ("code", "\(error.code)"))
      .increment()
  }

  /// `domicile.admissions`, by region and class.
  func countAdmission(region: String, dataClass: String) {
    counter("domicile.admissions", region: region, second: ("class", dataClass)).increment()
  }

  /// `domicile.moves`, by how they ended, and `domicile.move.freeze`: for how long writes had to wait at most.
  func countMove(_ end: String, freeze: Duration) {
    Counter(label: "domicile.moves", dimensions: [("end", end)], factory: factory).increment()
    if freeze > .zero {
      Metrics.Timer(label: "domicile.move.freeze", dimensions: [], factory: factory).record(
        duration: freeze)
    }
  }

  /// `domicile.commit.duration` and `domicile.commit.writes`, by region and shard.
  func batchObserver(shard: String, region: String) -> @Sendable (CommitBatch) -> Void {
    let dimensions = [("region", region), ("shard", shard)]
    let duration = Metrics.Timer(
      label: "domicile.commit.duration", dimensions: dimensions, factory: factory)
    let size = Recorder(
      label: "domicile.commit.writes", dimensions: dimensions, aggregate: true, factory: factory)
    let wait = Metrics.Timer(
      label: "domicile.gate.wait", dimensions: dimensions, factory: factory)
    return { batch in
      wait.recordNanoseconds(Int64(batch.gateWait / .nanoseconds(1)))
      duration.recordNanoseconds(
        batch.duration.components.seconds * 1_000_000_000
          + batch.duration.components.attoseconds / 1_000_000_000)
      size.record(batch.jobs)
    }
  }

  /// Counts records that had expired and were deleted.
  func countSwept(_ records: Int, region: String) {
    guard records > 0 else { return }
    Counter(
      label: "domicile.sweep.records", dimensions: [("region", region)], factory: factory
    ).increment(by: records)
  }

  /// How long the oldest purge of a shard that is pending has waited; 0 if none is.
  func recordPurgeAge(_ state: PurgeState, shard: String) {
    Gauge(
      label: "domicile.purge.pending.seconds", dimensions: [("shard", shard)], factory: factory
    ).record(state.seconds ?? 0)
  }

  /// What ``ResidencyRouter/status()`` says of shards and moves.
  func record(_ status: DeploymentStatus) {
    func gauge(_ label: String, _ value: Double?, _ dimensions: [(String, String)]) {
      guard let value else { return }
      Gauge(label: label, dimensions: dimensions, factory: factory).record(value)
    }
    for shard in status.shards where shard.isCarried {
      let labels = [("region", shard.region), ("shard", shard.shard)]
      gauge("domicile.shard.homes", Double(shard.placements), labels)
      gauge("domicile.shard.barred", shard.barredHomes.map(Double.init), labels)
      gauge("domicile.shard.bytes", shard.fileBytes.map(Double.init), labels)
      gauge("domicile.shard.wal.bytes", shard.walBytes.map(Double.init), labels)
      gauge("domicile.shard.free.bytes", shard.freeBytes.map(Double.init), labels)
      gauge("domicile.shard.ballast", shard.hasBallast.map { $0 ? 1 : 0 }, labels)
      gauge("domicile.shard.queue", Double(shard.queueDepth), labels)
      gauge("domicile.shard.write.wait.seconds", shard.writeWaitSeconds, labels)
      gauge("domicile.shard.sweep.lag.seconds", shard.sweepLagSeconds, labels)
      gauge("domicile.shard.up", shard.problem == nil ? 1 : 0, labels)
      gauge("domicile.shard.behind", shard.isCurrent ? 0 : 1, labels)
    }
    gauge(
      "domicile.moves.underway", Double(status.moves.reduce(0) { $0 + $1.homes }), [])
    gauge(
      "domicile.moves.oldest.seconds", status.moves.map(\.oldestSeconds).max() ?? 0, [])
    gauge("domicile.erasures.unfinished", Double(status.erasures), [])
  }

  private func counter(
    _ label: String, region: String, second: (String, String)
  ) -> Counter {
    counters.withLock { counters in
      let key = Key(label: label, region: region, second: second.1)
      if let known = counters[key] { return known }
      let counter = Counter(
        label: label, dimensions: [("region", region), second], factory: factory)
      counters[key] = counter
      return counter
    }
  }
}
