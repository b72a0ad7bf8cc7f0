import ArgumentParser
import Domicile
import Foundation

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show how the deployment is: shards, moves, erasures, what waits and for how long.",
    discussion: """
      Exit code 0 whatever it shows: “domicile doctor” says whether all is well. What queues and purges say is of this process.
      """)

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Flag(help: "Show it again every two seconds, until stopped.")
  var watch = false

  func run() async throws {
    try await deployment.withRouter { router in
      repeat {
        let status = try await router.status()
        if output.json { try printJSON(status) } else { show(status) }
        if watch { try await Task.sleep(for: .seconds(2)) }
      } while watch
    }
  }

  private func show(_ status: DeploymentStatus) {
    if watch, Terminal.isOutput { Terminal.write(Array("\u{1B}[H\u{1B}[2J".utf8)) }
    var table = TextTable(
      "region", "shard", "state", "homes", "barred", "bytes", "WAL", "free", "ballast",
      "write waits",
      "sweep lag", "purge waits", "policy")
    for shard in status.shards {
      table.add(
        shard.region, shard.shard, Self.state(shard), "\(shard.placements)",
        shard.barredHomes.map(String.init) ?? "?", Self.bytes(shard.fileBytes),
        Self.bytes(shard.walBytes), Self.bytes(shard.freeBytes),
        shard.hasBallast.map { $0 ? "kept" : "none" } ?? "-",
        shard.writeWaitSeconds.map { "\(Int(($0 * 1_000).rounded())) ms" } ?? "-",
        Self.time(shard.sweepLagSeconds), Self.time(shard.purgePendingSeconds ?? 0),
        shard.generation.map(String.init) ?? "-")
    }
    table.print()
    Terminal.print(
      "policy generation \(status.generation), digest \(status.digest.prefix(12)); \(counted(status.people, "user or group", "users and groups")),"
        + " \(counted(status.erasures, "erasure")) unfinished; the directory's WAL has \(Self.bytes(status.directoryWALBytes))"
    )
    for moves in status.moves {
      Terminal.print(
        "\(counted(moves.homes, "move")) \(moves.phase), the oldest for \(Self.time(moves.oldestSeconds)), \(moves.withProblem) with a problem: “domicile move status”"
      )
    }
    for migration in status.migrations {
      Terminal.print(
        "migration \(migration.id) \(migration.progress.state.rawValue): \(migration.progress.done) of \(counted(migration.progress.homes, "home"))"
      )
    }
    for shard in status.shards where shard.isCarried {
      if let problem = shard.problem { Terminal.print("\(shard.shard): \(problem)") }
    }
  }

  private static func state(_ shard: ShardStatus) -> String {
    if !shard.isCarried { return "elsewhere" }
    if shard.problem != nil { return "down" }
    return shard.state == .open ? (shard.isCurrent ? "up" : "behind") : shard.state.rawValue
  }

  private static func bytes(_ bytes: Int?) -> String {
    bytes.map { $0.formatted(.byteCount(style: .file, spellsOutZero: false)) } ?? "-"
  }

  private static func time(_ seconds: Double?) -> String {
    guard let seconds else { return "-" }
    return seconds < 1
      ? "0 s"
      : Duration.seconds(seconds.rounded()).formatted(
        .units(allowed: [.days, .hours, .minutes, .seconds], width: .narrow, maximumUnitCount: 2))
  }
}
