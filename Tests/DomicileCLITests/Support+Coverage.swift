import Domicile
import DomicileTesting
import Foundation

#if canImport(FoundationXML)
  import FoundationXML
#endif

extension Workspace {
  static let map = "world-110m.geojson"

  /// A workspace with a policy and the shipped map.
  static func withMap(_ files: RegionFiles = .small) throws -> Workspace {
    let workspace = Workspace()
    try workspace.write(files)
    let map = try String(contentsOfFile: "\(repository)/regions/\(map)", encoding: .utf8)
    try workspace.write(map, to: "regions/\(Workspace.map)")
    return workspace
  }
}

/// What is in an XML document; nil where it is none.
final class MarkupDocument: NSObject, XMLParserDelegate {
  var elements: [String] = []
  var titles: [String] = []
  private var path: [String] = []

  init?(_ text: String) {
    super.init()
    let parser = XMLParser(data: Data(text.utf8))
    parser.delegate = self
    guard parser.parse() else { return nil }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    path.append(name)
    elements.append(attributes["id"].map { "\(name) \($0)" } ?? name)
    if name == "title" { titles.append("") }
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    path.removeLast()
  }

  func parser(_ parser: XMLParser, foundCharacters text: String) {
    if path.last == "title" { titles[titles.count - 1] += text }
  }
}
