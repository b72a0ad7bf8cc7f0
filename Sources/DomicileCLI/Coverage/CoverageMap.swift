import Domicile

/// A map of the world as SVG 1.1: how the residents of each country fare, which countries are excluded as places, and
/// the regions.
///
/// The colours are those of Okabe and Ito, which people who see few colours can tell apart; each state but the good one has
/// a pattern too, so that it can be read in grey.
struct CoverageMap {
  let report: CoverageReport
  private let shapes: WorldMap
  private let projection = EqualEarth(width: Self.width, latitudes: -60...87)

  static let width = 1200.0
  private static let headHeight = 58.0
  /// For it nobody lives there, and it would take a fifth of the picture.
  private static let notDrawn = CountryCode("AQ")

  init(_ report: CoverageReport, shapes: WorldMap) {
    self.report = report
    self.shapes = shapes
  }

  // MARK: Whole pictures

  /// The picture as a file of its own, with a heading.
  var file: String {
    let title = "Coverage of policy “\(report.policy.name)”"
    let lines = [
      "<text x=\"12\" y=\"28\" class=\"head\">\(title.xml)</text>",
      "<text x=\"12\" y=\"48\">"
        + "\("\(report.day); digest \(report.policy.digest)".xml)</text>",
      "<g transform=\"translate(0 \(Self.headHeight.short))\">",
    ]
    return
      (["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", opening(height: height + Self.headHeight)]
      + ["<title>\(title.xml)</title>"] + definitions
      + ["<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"] + lines + body + [
        "</g>", "</svg>",
      ])
      .joined(separator: "\n") + "\n"
  }

  /// The picture as a part of a page.
  var element: String {
    ([opening(height: height)] + definitions + body + ["</svg>"]).joined(separator: "\n")
  }

  private var height: Double { projection.height + CoverageLegend.height }

  private func opening(height: Double) -> String {
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Self.width.short) \(height.short)\""
      + " class=\"coverage\" role=\"img\" aria-label=\"\(report.summary.xml)\">"
  }

  private var definitions: [String] {
    let dot = "<circle cx=\"2.5\" cy=\"2.5\" r=\"1\"/>"
    func lines(_ path: String) -> String {
      "<path d=\"\(path)\" stroke=\"#000\" stroke-width=\".7\" fill=\"none\"/>"
    }
    func pattern(_ state: PolicyCoverage.State, size: Int, _ marks: String) -> String {
      "<pattern id=\"pattern-\(state.rawValue)\" width=\"\(size)\" height=\"\(size)\""
        + " patternUnits=\"userSpaceOnUse\"><rect width=\"\(size)\" height=\"\(size)\""
        + " fill=\"\(state.colour)\"/>\(marks)</pattern>"
    }
    return [
      "<defs>",
      pattern(.unserved, size: 5, dot),
      pattern(.refused, size: 4, lines("M2 0V4")),
      pattern(.unplaceable, size: 4, lines("M0 2H4")),
      "<pattern id=\"pattern-excluded\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\">"
        + "<path d=\"M-1 1L1 -1M0 7L7 0M6 8L8 6\" stroke=\"#000\" stroke-width=\".8\" fill=\"none\"/>"
        + "</pattern>",
      "</defs>",
      "<style>",
      ".coverage{font-family:system-ui,'DejaVu Sans',Arial,sans-serif;font-size:13px;fill:#222}",
      ".coverage .head{font-size:20px;font-weight:bold}",
      ".coverage .fine{font-size:11px;fill:#555}",
      ".coverage .place{stroke:#fff;stroke-width:.5;stroke-linejoin:round;fill-rule:evenodd}",
      ".coverage .spot{stroke:#444;stroke-width:.6}",
      ".coverage .served{fill:\(PolicyCoverage.State.served.colour)}",
      ".coverage .unserved{fill:url(#pattern-unserved)}",
      ".coverage .refused{fill:url(#pattern-refused)}",
      ".coverage .unplaceable{fill:url(#pattern-unplaceable)}",
      ".coverage .unknown{fill:#d5d5d5}",
      ".coverage .excluded{fill:url(#pattern-excluded);stroke:#000;stroke-width:.6;fill-rule:evenodd}",
      ".coverage .ring{fill:none;stroke:#000;stroke-width:1.5}",
      ".coverage .region{fill:#000;stroke:#fff;stroke-width:1.5}",
      ".coverage .idle{fill:#fff;stroke:#000;stroke-width:1.8}",
      ".coverage .name{font-size:12px;font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:3px;"
        + "stroke-linejoin:round}",
      ".coverage g:hover>.place{stroke:#000;stroke-width:1.2}",
      "</style>",
    ]
  }

  private var body: [String] {
    [
      "<rect width=\"\(Self.width.short)\" height=\"\(projection.height.short)\" fill=\"#f3f6f9\"/>"
    ] + countries
      + RegionMarks(report.coverage.places, projection: projection).lines
      + [
        "<g transform=\"translate(0 \(projection.height.short))\">"
      ] + legend.lines + ["</g>"]
  }

  private var legend: CoverageLegend {
    CoverageLegend(
      report, unknownCount: unknownCount,
      notDrawn: report.coverage.residences.first { $0.code == Self.notDrawn }?.name)
  }

  // MARK: Countries

  private var unknownCount: Int {
    let known = Set(report.coverage.residences.map(\.code))
    return shapes.countries.count { !known.contains($0.code) && $0.code != Self.notDrawn }
  }

  /// Areas first, so that none covers a small country.
  private var countries: [String] {
    let residences = Dictionary(
      uniqueKeysWithValues: report.coverage.residences.map { ($0.code, $0) })
    var areas: [String] = []
    var spots: [String] = []
    for country in shapes.countries where country.code != Self.notDrawn {
      let residence = residences[country.code]
      switch country.shape {
      case .area(let rings):
        areas.append(area(rings, of: residence, name: country.name, code: country.code))
      case .point(let position):
        spots.append(spot(position, of: residence, name: country.name, code: country.code))
      }
    }
    // A country of the policy that the map does not have is drawn where the policy says it is.
    let mapped = Set(shapes.countries.map(\.code))
    for residence in report.coverage.residences
    where !mapped.contains(residence.code) && residence.code != Self.notDrawn {
      let position = WorldMap.Position(
        longitude: residence.longitude, latitude: residence.latitude)
      spots.append(spot(position, of: residence, name: residence.name, code: residence.code))
    }
    return areas + spots
  }

  private func area(
    _ rings: [[WorldMap.Position]], of residence: PolicyCoverage.Residence?, name: String,
    code: CountryCode
  ) -> String {
    let path = rings.map { ring in
      "M"
        + ring.map { position in
          let point = projection.point(position)
          return "\(point.x.short) \(point.y.short)"
        }.joined(separator: "L") + "Z"
    }.joined()
    let excluded =
      residence?.isExcluded == true ? "<path d=\"\(path)\" class=\"excluded\"/>" : ""
    return group(
      residence, name: name, code: code,
      "<path d=\"\(path)\" class=\"place \(residence.style)\"/>\(excluded)")
  }

  private func spot(
    _ position: WorldMap.Position, of residence: PolicyCoverage.Residence?, name: String,
    code: CountryCode
  ) -> String {
    let point = projection.point(position)
    let place = "cx=\"\(point.x.short)\" cy=\"\(point.y.short)\""
    let excluded =
      residence?.isExcluded == true ? "<circle \(place) r=\"3.8\" class=\"ring\"/>" : ""
    return group(
      residence, name: name, code: code,
      "<circle \(place) r=\"3\" class=\"spot \(residence.style)\"/>\(excluded)")
  }

  private func group(
    _ residence: PolicyCoverage.Residence?, name: String, code: CountryCode, _ drawing: String
  ) -> String {
    "<g id=\"country-\(code)\"><title>\(title(residence, name: name, code: code).xml)</title>"
      + "\(drawing)</g>"
  }

  /// What is shown when somebody points at a country.
  private func title(
    _ residence: PolicyCoverage.Residence?, name: String, code: CountryCode
  ) -> String {
    guard let residence else { return "\(name) (\(code)): not in the policy" }
    var lines = ["\(residence.name) (\(code)): \(residence.state.rawValue)"]
    for answer in report.group(of: code)?.answers ?? [] {
      let classes = answer.dataClasses.joined(separator: ", ")
      lines.append(
        answer.outcome == .allowed
          ? "\(classes): \(answer.regions.joined(separator: ", "))"
          : "\(classes): \(answer.state) by \(report.cause(answer))")
    }
    if residence.isExcluded { lines.append("Excluded as a place.") }
    return lines.joined(separator: "\n")
  }
}

extension PolicyCoverage.State {
  /// Of the palette of Okabe and Ito: sky blue, orange, reddish purple, vermilion.
  var colour: String {
    switch self {
    case .served: "#56B4E9"
    case .unserved: "#E69F00"
    case .refused: "#CC79A7"
    case .unplaceable: "#D55E00"
    }
  }
}

extension PolicyCoverage.Residence? {
  fileprivate var style: String { self?.state.rawValue ?? "unknown" }
}

extension Double {
  /// With at most one decimal: enough for a picture, and short.
  var short: String {
    let tenths = Int((self * 10).rounded())
    let sign = tenths < 0 ? "-" : ""
    let (whole, rest) = tenths.magnitude.quotientAndRemainder(dividingBy: 10)
    return rest == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(rest)"
  }
}
