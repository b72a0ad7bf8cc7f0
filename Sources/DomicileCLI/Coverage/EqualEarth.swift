import Foundation

/// The Equal Earth projection, which keeps areas: Šavrič, Patterson and Jenny, “The Equal Earth map projection”, 2018.
struct EqualEarth {
  struct Point {
    let x: Double
    let y: Double
  }

  /// The width of the world in the picture.
  let width: Double
  /// What is drawn, in degrees north.
  let latitudes: ClosedRange<Double>

  var height: Double { scale * (Self.y(latitudes.upperBound) - Self.y(latitudes.lowerBound)) }

  private var scale: Double { width / (2 * Self.x(longitude: 180, latitude: 0)) }

  /// From the upper left corner.
  func point(_ position: WorldMap.Position) -> Point {
    Point(
      x: width / 2 + scale * Self.x(longitude: position.longitude, latitude: position.latitude),
      y: scale * (Self.y(latitudes.upperBound) - Self.y(position.latitude)))
  }

  /// The authors' coefficients of θ, θ³, θ⁷ and θ⁹.
  private static let a = (1.340264, -0.081106, 0.000893, 0.003796)

  private static func theta(_ latitude: Double) -> Double {
    asin(3.0.squareRoot() / 2 * sin(latitude * .pi / 180))
  }

  private static func x(longitude: Double, latitude: Double) -> Double {
    let theta = theta(latitude)
    let square = theta * theta
    let sixth = square * square * square
    let slope = a.0 + 3 * a.1 * square + sixth * (7 * a.2 + 9 * a.3 * square)
    return 2 * 3.0.squareRoot() * (longitude * .pi / 180) * cos(theta) / (3 * slope)
  }

  private static func y(_ latitude: Double) -> Double {
    let theta = theta(latitude)
    let square = theta * theta
    let sixth = square * square * square
    return theta * (a.0 + a.1 * square + sixth * (a.2 + a.3 * square))
  }
}
