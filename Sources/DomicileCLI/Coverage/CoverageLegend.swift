import Domicile

/// What the colours, patterns and marks of the map mean, with counts.
struct CoverageLegend {
  static let height = 100.0

  private let report: CoverageReport
  /// Countries of the map that the policy does not know.
  private let unknownCount: Int
  /// The country of the policy that the map leaves out, if there is one.
  private let notDrawn: String?

  init(_ report: CoverageReport, unknownCount: Int, notDrawn: String?) {
    self.report = report
    self.unknownCount = unknownCount
    self.notDrawn = notDrawn
  }

  var lines: [String] {
    let states = PolicyCoverage.State.allCases.map { state in
      entry(swatch(state.rawValue), "\(state.rawValue): \(report.coverage.count(state))")
    }
    let idle = report.idleRegions.count
    var marks = [
      entry(
        swatch("served") + "<rect width=\"26\" height=\"16\" class=\"excluded\"/>",
        "excluded as a place: \(report.excluded.count)"),
      entry(dot("region"), "region: \(report.coverage.places.count - idle)"),
      entry(dot("idle"), "region that serves nobody: \(idle)"),
    ]
    if unknownCount > 0 {
      marks.append(entry(swatch("unknown"), "not in the policy: \(unknownCount)"))
    }
    let remark = notDrawn.map { " \($0.xml) is counted and not drawn." } ?? ""
    return row(states, y: 14) + row(marks, y: 40)
      + [
        "<text x=\"12\" y=\"76\" class=\"fine\">Filled by what becomes of the data of a country's"
          + " residents. Excluded as a place: nobody's data may be there. Small circles: countries too"
          + " small for the map.</text>",
        "<text x=\"12\" y=\"92\" class=\"fine\">Shapes: Natural Earth, public domain; de facto lines,"
          + " no view on the status of a territory is meant.\(remark)</text>",
      ]
  }

  private func row(_ entries: [String], y: Int) -> [String] {
    entries.enumerated().map { place, entry in
      "<g transform=\"translate(\(12 + place * 240) \(y))\">\(entry)</g>"
    }
  }

  private func entry(_ mark: String, _ text: String) -> String {
    "\(mark)<text x=\"34\" y=\"13\">\(text.xml)</text>"
  }

  private func swatch(_ style: String) -> String {
    "<rect width=\"26\" height=\"16\" class=\"\(style)\"/>"
  }

  private func dot(_ style: String) -> String {
    "<circle cx=\"13\" cy=\"8\" r=\"5\" class=\"\(style)\"/>"
  }
}
