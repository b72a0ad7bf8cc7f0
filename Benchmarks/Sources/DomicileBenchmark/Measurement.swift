/// One line of the table.
struct Row: Encodable, Sendable {
  enum Unit: String, Encodable {
    case perSecond = "/s", milliseconds = "ms", nanoseconds = "ns", mebibytes = "MiB"
  }

  /// A bound for the median ratio of ours to the baseline.
  enum Goal: Encodable, CustomStringConvertible {
    case atLeast(Double)
    case atMost(Double)

    func isMet(by ratio: Double) -> Bool {
      switch self {
      case .atLeast(let bound): ratio >= bound
      case .atMost(let bound): ratio <= bound
      }
    }

    var description: String {
      switch self {
      case .atLeast(let bound): ">= \(bound)"
      case .atMost(let bound): "<= \(bound)"
      }
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      try container.encode(description)
    }
  }

  let what: String
  /// Nil where nothing is synced.
  let disk: Disk?
  let unit: Unit
  let baselineName: String
  let goal: Goal?

  /// One figure for each pair, and the pairs in their order.
  let ours: [Double]
  let baseline: [Double]
  /// Writes for each sync, where the shim counts them.
  var oursPerSync: Double?
  var baselinePerSync: Double?
  /// What else there is to know.
  var remark: String?

  var ratios: [Double] { zip(ours, baseline).map { $0 / $1 } }
  var isMet: Bool? { goal.map { $0.isMet(by: ratios.median) } }
}

extension [Double] {
  var median: Double {
    let sorted = sorted()
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
  }
}

/// How long and how often things are measured.
struct Plan: Sendable {
  let pairs: Int
  let slice: Duration
  /// Whether this only tries that everything works, so that no figure is held against a goal.
  let isSmoke: Bool

  /// Measures both sides, which take turns in coming first, after one pair that does not count.
  func interleave(
    ours: () async throws -> Double, baseline: () async throws -> Double
  ) async throws -> (ours: [Double], baseline: [Double]) {
    var figures: (ours: [Double], baseline: [Double]) = ([], [])
    for pair in 0...pairs {
      if pair.isMultiple(of: 2) {
        figures.ours.append(try await ours())
        figures.baseline.append(try await baseline())
      } else {
        figures.baseline.append(try await baseline())
        figures.ours.append(try await ours())
      }
    }
    return (Array(figures.ours.dropFirst()), Array(figures.baseline.dropFirst()))
  }

  /// Writes a second of some tasks that each wait for their write before the next.
  func writesPerSecond(
    callers: Int, _ put: @escaping @Sendable (inout Draw) async throws -> Void
  ) async throws -> Double {
    let start = ContinuousClock.now
    let end = start + slice
    let writes = try await withThrowingTaskGroup(of: Int.self) { group in
      for caller in 0..<callers {
        group.addTask {
          var draw = Draw(seed: UInt64.random(in: 0 ... .max) &+ UInt64(caller))
          var writes = 0
          repeat {
            try await put(&draw)
            writes += 1
          } while ContinuousClock.now < end
          return writes
        }
      }
      return try await group.reduce(0, +)
    }
    return Double(writes) / ((ContinuousClock.now - start) / .seconds(1))
  }

  /// Nanoseconds for each record that one task reads, call after call.
  func nanosecondsPerRecord(
    inEachCall records: Int, _ get: (inout Draw) async throws -> Int
  ) async throws -> Double {
    let callsBetweenLooks = 16
    var draw = Draw(seed: UInt64.random(in: 0 ... .max))
    var calls = 0
    var bytes = 0
    let start = ContinuousClock.now
    repeat {
      for _ in 0..<callsBetweenLooks { bytes += try await get(&draw) }
      calls += callsBetweenLooks
    } while ContinuousClock.now < start + slice
    let time = ContinuousClock.now - start
    guard bytes == calls * records * Workload.valueBytes else {
      throw BenchmarkError("\(calls * records) records were read, but \(bytes) bytes")
    }
    return time / .nanoseconds(1) / Double(calls * records)
  }
}
