import DomicileSQLite

/// What a shard keeps of the time, so that setting a clock makes nothing come late or go early.
struct TimeAnchor: Sendable, Equatable {
  /// A shard time that has been, in milliseconds since 1970: what nobody doubts. Grows with commits, every ten seconds and
  /// with each sweep that deletes.
  var highWater: Int64
  /// Shard time and the time since the machine's start, at one moment of one run of the machine.
  var shardTime: Int64
  var sinceStart: Int64
  var machineRun: String
  /// Whether the anchor was set by a clock that nothing vouches for: after a restart, more than a day ahead or behind.
  var isDoubtful: Bool

  /// A shard that has never kept time.
  static let none = TimeAnchor(
    highWater: 0, shardTime: 0, sinceStart: 0, machineRun: "", isDoubtful: false)
}

extension TimeAnchor {
  static let columns =
    "high_water, anchor_time, anchor_since_start, anchor_run, anchor_doubtful"

  init(_ row: Statement, from first: Int32) {
    self.init(
      highWater: row.integer(first), shardTime: row.integer(first + 1),
      sinceStart: row.integer(first + 2), machineRun: row.text(first + 3),
      isDoubtful: row.integer(first + 4) != 0)
  }

  /// Keeps the anchor in the file, for all processes.
  func keep(in connection: Connection) throws(SQLiteError) {
    try connection.run(
      """
      UPDATE shard SET high_water = ?, anchor_time = ?, anchor_since_start = ?, anchor_run = ?,
        anchor_doubtful = ?
      """,
      .integer(highWater), .integer(shardTime), .integer(sinceStart), .text(machineRun),
      .integer(isDoubtful ? 1 : 0))
  }

  static func kept(in connection: Connection) throws(SQLiteError) -> TimeAnchor {
    try connection.rows("SELECT \(columns) FROM shard", as: { TimeAnchor($0, from: 0) }).first
      ?? .none
  }
}

/// Shard time at one moment: what lifetimes are computed from and compared with.
///
/// Within one run of the machine it goes on as the time since the machine's start does, which nobody can set; the
/// clock is followed while it differs by no more than ``skew``. Across a restart the clock is all there is:
/// it is believed if it stands within a day after the high-water. Else it is in doubt, and so is one that
/// differs: nothing is swept until somebody accepts it.
struct ShardTime: Sendable, Equatable {
  /// How far clocks may differ without doubt.
  static let skew: Int64 = 60_000
  /// How far the clock may be ahead after a restart of the machine.
  static let restartMax: Int64 = 86_400_000

  let now: Int64
  let isInDoubt: Bool
  /// A time that has surely come: by it is decided whether what is held may go. While in doubt, the high-water.
  let settled: Int64

  init(_ anchor: TimeAnchor, clock: WallClock) {
    let expected = anchor.shardTime + clock.millisecondsSinceStart - anchor.sinceStart
    let told = clock.milliseconds
    let isNear = abs(told - expected) <= Self.skew
    isInDoubt = anchor.isDoubtful || !isNear
    // Never back behind what was deleted by, or told to somebody.
    now = max(isNear ? told : expected, anchor.highWater)
    settled = isInDoubt ? anchor.highWater : now
  }
}

extension TimeAnchor {
  /// The anchor that holds in the clock's run of the machine: this one, or a new one after a restart.
  func anchored(by clock: WallClock) -> TimeAnchor {
    guard machineRun != clock.machineRun else { return self }
    let told = clock.milliseconds
    let isBehind = self != .none && told < highWater - ShardTime.skew
    let isFarAhead = self != .none && told > highWater + ShardTime.restartMax
    return TimeAnchor(
      highWater: highWater, shardTime: isBehind ? highWater : told,
      sinceStart: clock.millisecondsSinceStart, machineRun: clock.machineRun,
      isDoubtful: isBehind || isFarAhead)
  }

  /// Raises the high-water now and then, so that after a restart it is known how late it was.
  mutating func advance(to time: ShardTime, every milliseconds: Int64 = 10_000) {
    if !time.isInDoubt, time.now - highWater >= milliseconds { highWater = time.now }
  }

  /// The anchor after somebody has said that the clock is right.
  static func accepted(_ clock: WallClock) -> TimeAnchor {
    TimeAnchor(
      highWater: clock.milliseconds, shardTime: clock.milliseconds,
      sinceStart: clock.millisecondsSinceStart, machineRun: clock.machineRun, isDoubtful: false)
  }
}
