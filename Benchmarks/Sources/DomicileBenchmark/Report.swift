import Foundation
import GRDBSQLite

/// What a run found, and where.
struct Report: Encodable {
  struct MeasuredSync: Encodable {
    let disk: Disk
    let folder: String
    let microseconds: Double
  }

  let date = Date.now.formatted(.iso8601)
  let machine = Self.machine
  let sqlite = unsafe String(cString: sqlite3_libversion())
  let pairs: Int
  let sliceSeconds: Double
  /// Whether this only tried that everything works: the figures mean nothing.
  let isSmoke: Bool
  var syncs: [MeasuredSync] = []
  var rows: [Row] = []

  /// Such as `AMD EPYC, 2 cores, 24 GiB, Linux 6.1`.
  private static var machine: String {
    let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let model = info.split(separator: "\n").first { $0.hasPrefix("model name") }?
      .split(separator: ":").last?.trimmingCharacters(in: .whitespaces)
    let process = ProcessInfo.processInfo
    return [
      model ?? "unknown processor", "\(process.activeProcessorCount) cores",
      "\(process.physicalMemory >> 30) GiB", process.operatingSystemVersionString,
    ].joined(separator: ", ")
  }

  func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self) + Data("\n".utf8)
  }

  /// The table, with the columns that a reader needs to judge it.
  func table() -> String {
    var lines = [["what", "disk", "ours", "baseline", "ratio [min..max]", "goal", "met"]]
    for row in rows {
      let ratios = row.ratios
      lines.append([
        row.what, row.disk?.rawValue ?? "-",
        figure(row.ours.median, row.unit, row.oursPerSync),
        "\(row.baselineName) \(figure(row.baseline.median, row.unit, row.baselinePerSync))",
        "\(number(ratios.median))x [\(number(ratios.min() ?? 0))..\(number(ratios.max() ?? 0))]",
        row.goal.map { "\($0)x" } ?? "-",
        row.isMet.map { $0 ? "yes" : "no" } ?? "-",
      ])
    }
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    lines.insert(widths.map { String(repeating: "-", count: $0) }, at: 1)
    return lines.map { cells in
      let padded = zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
      return "| \(padded.joined(separator: " | ")) |"
    }.joined(separator: "\n")
  }

  /// What rows have to say beside their figures.
  func remarks() -> String? {
    let lines = rows.compactMap { row in
      row.remark.map { "\(row.what), \(row.disk?.rawValue ?? "-"): \($0)" }
    }
    return lines.isEmpty ? nil : lines.joined(separator: "\n")
  }

  /// What the table was measured on.
  func heading() -> String {
    var lines = ["\(machine); SQLite \(sqlite)"]
    lines += syncs.map {
      "\($0.disk.rawValue): a sync in \($0.folder) takes \(Int($0.microseconds)) us"
    }
    lines.append(
      "medians of \(pairs) interleaved pairs of \(number(sliceSeconds)) s; (n/sync): writes per sync"
    )
    return lines.joined(separator: "\n")
  }

  private func figure(_ value: Double, _ unit: Row.Unit, _ perSync: Double?) -> String {
    let text =
      switch unit {
      case .perSecond: "\(Int(value.rounded()))/s"
      case .milliseconds: "\(number(value)) ms"
      case .nanoseconds: "\(value < 100 ? number(value) : "\(Int(value.rounded()))") ns"
      case .mebibytes: "\(number(value)) MiB"
      }
    return text + (perSync.map { " (\(number($0))/sync)" } ?? "")
  }

  private func number(_ value: Double) -> String {
    let decimals = value < 0.1 ? 10_000.0 : value < 10 ? 100.0 : 10.0
    return "\((value * decimals).rounded() / decimals)"
  }
}

extension Row {
  private enum CodingKeys: String, CodingKey {
    case what, disk, unit, ours, baseline, baselineName, goal, met, ratio, ratioMin, ratioMax
    case oursPerSync, baselinePerSync, remark
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(what, forKey: .what)
    try container.encodeIfPresent(disk, forKey: .disk)
    try container.encode(unit, forKey: .unit)
    try container.encode(ours, forKey: .ours)
    try container.encode(baseline, forKey: .baseline)
    try container.encode(baselineName, forKey: .baselineName)
    try container.encodeIfPresent(goal, forKey: .goal)
    try container.encodeIfPresent(isMet, forKey: .met)
    try container.encode(ratios.median, forKey: .ratio)
    try container.encodeIfPresent(ratios.min(), forKey: .ratioMin)
    try container.encodeIfPresent(ratios.max(), forKey: .ratioMax)
    try container.encodeIfPresent(oursPerSync, forKey: .oursPerSync)
    try container.encodeIfPresent(baselinePerSync, forKey: .baselinePerSync)
    try container.encodeIfPresent(remark, forKey: .remark)
  }
}
