import Domicile
import DomicileTesting
import Foundation
import Testing

/// `policy coverage` where its map or its output is not as it should be.
@Suite struct CoverageMistakesTests {
  private static let advice =
    "Copy world-110m.geojson from Domicile's own regions folder, or leave out --svg and --html."

  @Test func `without its file there is no map, and nothing is printed or written`() async throws {
    let workspace = Workspace()
    try workspace.write(.small)
    #expect(try await workspace.domicile("policy coverage").exitCode == 0)
    for option in ["--svg", "--html"] {
      expect(
        try await workspace.domicile("policy coverage \(option) out"),
        error: """
          unreadable: “world-110m.geojson” of the regions folder does not exist or may not be read; check the folder's name and rights. \(Self.advice)
            regions folder: ./regions

          """, exitCode: 1)
      #expect(try !workspace.exists("out"))
    }
  }

  @Test(arguments: [
    ("", "it is not JSON"),
    ("[1", "it is not JSON"),
    ("{}", "there is no “features”"),
    (#"{"features":[]}"#, "it has no country"),
    (#"{"features":[{"geometry":null}]}"#, "there is no “features.0.properties”"),
    (
      feature("DE", #"{"type":"LineString","coordinates":[[1,2],[3,4]]}"#),
      "“features.0.geometry.type” is not as GeoJSON has it"
    ),
    (
      feature("DE", #"{"type":"Point","coordinates":"10,51"}"#),
      "“features.0.geometry.coordinates” is not as GeoJSON has it"
    ),
    (feature("DE", "null"), "“features.0.geometry” is not as GeoJSON has it"),
    (feature("-99", point), "“-99” is no alpha-2 code"),
    (
      feature("DE", #"{"type":"Point","coordinates":[10,91]}"#),
      "the shape of DE has a position outside the world, or a ring of under 4"
    ),
    (
      feature("DE", #"{"type":"Polygon","coordinates":[[[1,2],[3,4],[1,2]]]}"#),
      "the shape of DE has a position outside the world, or a ring of under 4"
    ),
    (feature("DE", point, again: true), "“DE” stands there twice"),
  ])
  func `a file that is no map is refused`(text: String, why: String) async throws {
    let workspace = try Workspace.withMap()
    try workspace.write(text, to: "regions/\(Workspace.map)")
    expect(
      try await workspace.domicile("policy coverage --svg map.svg"),
      error: """
        unreadable: “world-110m.geojson” of the regions folder is no map of countries: \(why). \(Self.advice)
          regions folder: ./regions

        """, exitCode: 1)
    #expect(try !workspace.exists("map.svg"))
  }

  private static let point = #"{"type":"Point","coordinates":[10,51]}"#

  private static func feature(_ code: String, _ geometry: String, again: Bool = false) -> String {
    let one = #"{"properties":{"iso_a2":"\#(code)","name":"X"},"geometry":\#(geometry)}"#
    return #"{"features":[\#(again ? "\(one),\(one)" : one)]}"#
  }

  @Test func `a file that cannot be written is an error`() async throws {
    let workspace = try Workspace.withMap()
    func refused(_ path: String, _ why: String) -> String {
      "unavailable: “\(path)” cannot be written: \(why). Name a file in a folder that exists and may be"
        + " written.\n"
    }
    expect(
      try await workspace.domicile("policy coverage --svg nowhere/map.svg"),
      error: refused("nowhere/map.svg", "its folder does not exist"), exitCode: 1)
    // Replacing a pipe, a device or a folder would be worse than no map.
    try #require(unsafe mkfifo(try workspace.file("pipe"), 0o600) == 0)
    for path in ["regions", "pipe"] {
      expect(
        try await workspace.domicile("policy coverage --html \(path)"),
        error: refused(path, "it is no regular file"), exitCode: 1)
    }
  }

  @Test func `map and page cannot be one file`() async throws {
    let result = try await Workspace.withMap().domicile("policy coverage --svg out --html ./out")
    #expect(result.exitCode == 64 && result.output.isEmpty)
    #expect(result.error.hasPrefix("Error: --svg and --html name the same file.\n"))
  }

  @Test func `a file of before is replaced, through a link too`() async throws {
    let workspace = try Workspace.withMap()
    try workspace.write("old", to: "old.svg")
    try FileManager.default.createSymbolicLink(
      atPath: try workspace.file("link.svg"), withDestinationPath: try workspace.file("old.svg"))
    #expect(try await workspace.domicile("policy coverage --svg link.svg").exitCode == 0)
    #expect(try workspace.read("old.svg").hasPrefix("<?xml"))
  }
}
