import Domicile

/// The regions as dots, with their names where there is room.
struct RegionMarks {
  private let places: [PolicyCoverage.Place]
  private let points: [EqualEarth.Point]

  private static let radius = 5.0
  private static let lineHeight = 13.0

  init(_ places: [PolicyCoverage.Place], projection: EqualEarth) {
    self.places = places
    points = places.map {
      projection.point(WorldMap.Position(longitude: $0.longitude, latitude: $0.latitude))
    }
  }

  var lines: [String] {
    var lines: [String] = []
    for (place, point) in zip(places, points) {
      let count = place.residences.count
      let serves =
        switch count {
        case 0: "serves nobody"
        case 1: "serves the residents of 1 country"
        default: "serves the residents of \(count) countries"
        }
      let title = "\(place.region) (\(place.country)): \(serves)"
      lines.append(
        "<g><title>\(title.xml)</title><circle cx=\"\(point.x.short)\" cy=\"\(point.y.short)\""
          + " r=\"\(Self.radius.short)\" class=\"\(count == 0 ? "idle" : "region")\"/></g>")
    }
    return lines + names
  }

  private struct Box {
    let x: Double
    let y: Double
    let width: Double
    let height: Double

    func overlaps(_ other: Box) -> Bool {
      x < other.x + other.width && other.x < x + width && y < other.y + other.height
        && other.y < y + height
    }
  }

  /// Where a name may stand: its upper edge, and its beginning, middle or end.
  private struct Side {
    let anchor: String
    let x: Double
    let y: Double

    func box(width: Double, height: Double) -> Box {
      let left =
        switch anchor {
        case "start": x
        case "end": x - width
        default: x - width / 2
        }
      return Box(x: left, y: y, width: width, height: height)
    }
  }

  /// Each name goes to the first free side of its dot: right, left, above, below. Without a free one, pointing at
  /// the dot still shows it.
  private var names: [String] {
    let reach = Self.radius + 1
    var taken = points.map {
      Box(x: $0.x - reach, y: $0.y - reach, width: 2 * reach, height: 2 * reach)
    }
    var lines: [String] = []
    for (place, point) in zip(places, points) {
      // Wide enough for bold letters of most fonts.
      let width = Double(place.region.count) * 7.6
      let sides = [
        Side(anchor: "start", x: point.x + reach + 2, y: point.y - Self.lineHeight / 2),
        Side(anchor: "end", x: point.x - reach - 2, y: point.y - Self.lineHeight / 2),
        Side(anchor: "middle", x: point.x, y: point.y - reach - Self.lineHeight),
        Side(anchor: "middle", x: point.x, y: point.y + reach),
      ]
      let free = sides.first { side in
        let box = side.box(width: width, height: Self.lineHeight)
        return box.x >= 0 && box.x + width <= CoverageMap.width
          && !taken.contains(where: box.overlaps)
      }
      guard let free else { continue }
      taken.append(free.box(width: width, height: Self.lineHeight))
      lines.append(
        "<text x=\"\(free.x.short)\" y=\"\((free.y + 10).short)\" text-anchor=\"\(free.anchor)\""
          + " class=\"name\" pointer-events=\"none\">\(place.region.xml)</text>")
    }
    return lines
  }
}
