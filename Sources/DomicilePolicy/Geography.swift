import Foundation

/// The countries and groups that a policy knows, from `facts/countries.csv` and `facts/groups.csv`.
public struct Geography: Sendable {
  /// A country or territory with a code of its own.
  public struct Country: Sendable {
    public let code: CountryCode
    public let name: String
    /// The state a territory belongs to; the country itself for a state; nil where that is disputed.
    public let sovereign: CountryCode?
    /// A point in the country, in degrees.
    let point: Point
  }

  struct Point: Sendable {
    let latitude: Double
    let longitude: Double

    /// Reads degrees north, -90 to 90, and east, -180 to 180; nil for anything else.
    init?(latitude: String, longitude: String) {
      guard let north = Double(latitude), abs(north) <= 90,
        let east = Double(longitude), abs(east) <= 180
      else { return nil }
      self.latitude = north
      self.longitude = east
    }

    /// The great-circle distance in whole kilometres (haversine, mean radius 6,371 km).
    func kilometres(to other: Point) -> Int {
      let radians = Double.pi / 180
      let north = (other.latitude - latitude) * radians / 2
      let east = (other.longitude - longitude) * radians / 2
      let chord =
        sin(north) * sin(north)
        + cos(latitude * radians) * cos(other.latitude * radians) * sin(east) * sin(east)
      return Int((2 * 6371 * asin(min(1, chord.squareRoot()))).rounded())
    }
  }

  /// In the order of the codes.
  public let countries: [Country]
  private let numbers: [CountryCode: Int]
  private(set) var groups: [String: IndexSet256] = [:]

  /// The group of all countries, the only one with a lower-case name.
  static let anywhere = "anywhere"

  var all: IndexSet256 { IndexSet256(upTo: countries.count) }

  init(countries table: FactTable, groups groupTable: FactTable) throws(PolicyProblem) {
    countries = try Self.countries(table)
    var numbers: [CountryCode: Int] = [:]
    for (number, country) in countries.enumerated() { numbers[country.code] = number }
    self.numbers = numbers

    let group = try groupTable.column("group")
    let code = try groupTable.column("code")
    for row in groupTable.rows {
      let name = row.fields[group]
      guard let number = number(ofCode: row.fields[code]) else {
        throw PolicyProblem(
          file: groupTable.file, line: row.line, message: unknownCountry(row.fields[code]))
      }
      guard isGroupName(name),
        self.number(ofCode: name) == nil
      else {
        throw PolicyProblem(
          file: groupTable.file, line: row.line,
          message:
            "“\(name)” is no name for a group: two or more of A-Z, 0-9 and “-”, and no country's code"
        )
      }
      groups[name, default: IndexSet256()].insert(number)
    }
  }

  private static func countries(_ table: FactTable) throws(PolicyProblem) -> [Country] {
    let code = try table.column("alpha2")
    let name = try table.column("name")
    let sovereign = try table.column("sovereign")
    let latitude = try table.column("lat")
    let longitude = try table.column("lon")
    var countries: [CountryCode: Country] = [:]
    for row in table.rows {
      guard let parsed = CountryCode(row.fields[code]), "\(parsed)" == row.fields[code] else {
        throw PolicyProblem(
          file: table.file, line: row.line,
          message: "“\(row.fields[code])” is no alpha-2 code: two letters A-Z")
      }
      guard
        let point = Point(latitude: row.fields[latitude], longitude: row.fields[longitude])
      else {
        throw PolicyProblem(
          file: table.file, line: row.line,
          message: "“\(row.fields[latitude]), \(row.fields[longitude])” is no place: degrees"
            + " north from -90 to 90 and east from -180 to 180")
      }
      guard countries[parsed] == nil else {
        throw PolicyProblem(
          file: table.file, line: row.line, message: "the code “\(parsed)” stands here twice")
      }
      let owner = row.fields[sovereign]
      guard owner.isEmpty || CountryCode(owner)?.description == owner else {
        throw PolicyProblem(
          file: table.file, line: row.line,
          message: "“\(owner)” is no sovereign: an alpha-2 code, or nothing where that is disputed")
      }
      countries[parsed] = Country(
        code: parsed, name: row.fields[name], sovereign: CountryCode(owner), point: point)
    }
    for row in table.rows {
      guard let owner = CountryCode(row.fields[sovereign]), countries[owner] == nil else {
        continue
      }
      throw PolicyProblem(
        file: table.file, line: row.line, message: "the sovereign “\(owner)” has no row of its own")
    }
    guard countries.count <= IndexSet256.capacity else {
      throw PolicyProblem(
        file: table.file,
        message: "\(countries.count) countries; at most \(IndexSet256.capacity) are supported")
    }
    return countries.values.sorted { $0.code < $1.code }
  }

  /// The country's number, or nil if no such country is known.
  func number(of code: CountryCode) -> Int? { numbers[code] }

  /// The number of the country with a code, exactly as written.
  func number(ofCode text: String) -> Int? {
    CountryCode(text).flatMap { "\($0)" == text ? numbers[$0] : nil }
  }

  /// The country of a code as a caller writes it: in either case, but nothing else.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unknownName``, naming the nearest right code.
  public func country(_ text: String) throws(PolicyError) -> CountryCode {
    if let code = CountryCode(text), numbers[code] != nil { return code }
    throw PolicyError(
      code: .unknownName,
      message: "Unknown country “\(text)”; \(sentence(countryHint(text)))"
        + " Countries are ISO 3166-1 alpha-2 codes.")
  }

  /// The countries of a group's name or a country's code, exactly as written; nil if there is none.
  func jurisdiction(_ name: String) -> IndexSet256? {
    groups[name] ?? number(ofCode: name).map { IndexSet256([$0]) }
  }

  mutating func keep(_ countries: IndexSet256, as group: String) { groups[group] = countries }

  /// A message about a country that does not exist.
  func unknownCountry(_ text: String) -> String {
    "unknown country “\(text)”; \(countryHint(text))"
  }

  /// A message about a country or group that does not exist.
  func unknownJurisdiction(_ text: String) -> String {
    let names = countries.map(\.code.description) + groups.keys + [Self.anywhere]
    let isEverywhere = ["EVERYWHERE", "ANYWHERE", "ANY", "ALL", "WORLD", "*"].contains(
      text.uppercased())
    let hint =
      isEverywhere
      ? didYouMean(Self.anywhere)
      : placeHint(text, among: names, listedBy: "“facts/countries.csv” and “facts/groups.csv”")
    return "unknown country or group “\(text)”; \(hint)"
  }

  private func countryHint(_ text: String) -> String {
    if groups[text] != nil || text == Self.anywhere { return "that is a group of countries" }
    return placeHint(
      text, among: countries.map(\.code.description), listedBy: "“facts/countries.csv”")
  }

  private func placeHint(_ text: String, among names: [String], listedBy list: String) -> String {
    // Codes in wide use beside ISO's: "UK" is reserved, "EL" is the European Union's for Greece.
    let commonMistakes = ["UK": "GB", "EL": "GR"]
    let upper = text.uppercased()
    if let right = commonMistakes[upper] { return didYouMean(right) }
    func code(of name: String) -> String? {
      countries.first { $0.name.uppercased() == name.uppercased() }?.code.description
    }
    // Of two letters each other one is near: that would be a guess, and the wrong country.
    let isCode = text.count == 2 && !names.contains { $0.uppercased() == upper }
    let meant =
      code(of: text) ?? (isCode ? nil : nearestName(to: text, among: names.sorted()))
      ?? nearestName(to: text, among: countries.map(\.name)).flatMap(code)
    return meant.map(didYouMean) ?? allNames(names, listedBy: list)
  }

  /// The codes of a set, in order.
  func codes(_ set: IndexSet256) -> [CountryCode] { set.members.map { countries[$0].code } }
}

/// Whether `text` can name a group: two or more of A-Z, 0-9 and “-”.
func isGroupName(_ text: String) -> Bool {
  text.utf8.count > 1
    && text.utf8.allSatisfy { byte in
      byte == UInt8(ascii: "-") || byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
        || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }
}
