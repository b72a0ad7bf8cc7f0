import Domicile
import Foundation

/// The shapes of the countries, from the map in a regions folder: GeoJSON (RFC 7946), a feature for each country.
struct WorldMap {
  /// The map's file. It is no part of the policy.
  static let file = "world-110m.geojson"

  /// Degrees.
  struct Position {
    let longitude: Double
    let latitude: Double
  }

  enum Shape {
    /// Rings; what is inside an odd number of them is the country.
    case area([[Position]])
    /// A country too small for the scale.
    case point(Position)
  }

  struct Country {
    let code: CountryCode
    let name: String
    let shape: Shape
  }

  /// In the order of the file.
  let countries: [Country]

  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unreadable`` if the file is missing or no such map.
  init(folder: String) throws(PolicyError) {
    let advice =
      "Copy \(Self.file) from Domicile's own regions folder, or leave out --svg and --html."
    let text: String
    do {
      text = try RegionFiles.text(folder: folder, path: Self.file)
    } catch {
      throw PolicyError(code: .unreadable, message: "\(error.message) \(advice)")
    }
    do {
      try self.init(json: Data(text.utf8))
    } catch {
      throw PolicyError(
        code: .unreadable,
        message:
          "“\(Self.file)” of the regions folder is no map of countries: \(error.why). \(advice)")
    }
  }

  /// What is wrong with a map.
  private struct Flaw: Error {
    let why: String
  }

  private init(json: Data) throws(Flaw) {
    let collection: Collection
    do {
      collection = try JSONDecoder().decode(Collection.self, from: json)
    } catch let error as DecodingError {
      throw Flaw(why: Self.reason(error))
    } catch {
      throw Flaw(why: "it cannot be decoded")
    }
    var countries: [Country] = []
    var codes: Set<CountryCode> = []
    for feature in collection.features {
      let text = feature.properties.code
      guard let code = CountryCode(text) else {
        throw Flaw(why: "“\(text)” is no alpha-2 code")
      }
      guard codes.insert(code).inserted else { throw Flaw(why: "“\(code)” stands there twice") }
      guard let shape = feature.geometry.shape else {
        throw Flaw(
          why: "the shape of \(code) has a position outside the world, or a ring of under 4")
      }
      countries.append(Country(code: code, name: feature.properties.name, shape: shape))
    }
    guard !countries.isEmpty else { throw Flaw(why: "it has no country") }
    self.countries = countries
  }

  private static func reason(_ error: DecodingError) -> String {
    func place(_ context: DecodingError.Context, _ more: [any CodingKey] = []) -> String {
      (context.codingPath + more).map { $0.intValue.map(String.init) ?? $0.stringValue }
        .joined(separator: ".")
    }
    switch error {
    case .keyNotFound(let key, let context): return "there is no “\(place(context, [key]))”"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return "“\(place(context))” is not as GeoJSON has it"
    case .dataCorrupted(let context):
      return context.codingPath.isEmpty
        ? "it is not JSON" : "“\(place(context))” is not as GeoJSON has it"
    @unknown default: return "it cannot be decoded"
    }
  }
}

// MARK: GeoJSON

private struct Collection: Decodable {
  let features: [Feature]
}

private struct Feature: Decodable {
  struct Properties: Decodable {
    let code: String
    let name: String

    private enum CodingKeys: String, CodingKey {
      // As Natural Earth names it.
      case code = "iso_a2"
      case name
    }
  }
  let properties: Properties
  let geometry: Geometry
}

private struct Geometry: Decodable {
  /// Nil where a position is none.
  let shape: WorldMap.Shape?

  private enum Keys: CodingKey {
    case type, coordinates
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Keys.self)
    switch try fields.decode(String.self, forKey: .type) {
    case "Point":
      shape = Self.position(try fields.decode([Double].self, forKey: .coordinates))
        .map(WorldMap.Shape.point)
    case "Polygon":
      shape = Self.area(try fields.decode([[[Double]]].self, forKey: .coordinates))
    case "MultiPolygon":
      shape = Self.area(
        try fields.decode([[[[Double]]]].self, forKey: .coordinates).flatMap(\.self))
    default:
      throw DecodingError.dataCorruptedError(
        forKey: .type, in: fields, debugDescription: "neither areas nor a point")
    }
  }

  private static func area(_ rings: [[[Double]]]) -> WorldMap.Shape? {
    let read = rings.map { $0.compactMap(position) }
    let isWhole = zip(read, rings).allSatisfy { $0.count == $1.count && $0.count >= 4 }
    return isWhole && !rings.isEmpty ? .area(read) : nil
  }

  private static func position(_ numbers: [Double]) -> WorldMap.Position? {
    // A third number is a height.
    guard numbers.count >= 2, abs(numbers[0]) <= 180, abs(numbers[1]) <= 90 else { return nil }
    return WorldMap.Position(longitude: numbers[0], latitude: numbers[1])
  }
}
