import Domicile
import DomicileTesting
import Foundation
import Testing

/// `policy coverage`: the text, the JSON, the map and the page.
@Suite struct CoverageCommandTests {
  private var today: String { "\(PolicyDay(secondsSince1970: Date().timeIntervalSince1970))" }

  // MARK: Text and JSON

  @Test func `the answers, the reasons and the lists are text`() async throws {
    expect(
      try await Workspace.withMap().domicile("policy coverage"),
      output: """
        policy “small”, digest \(Workspace.smallDigest), on \(today)
        5 countries of residence: 4 served, 0 unserved, 0 refused, 1 unplaceable; 1 excluded as places
        group  countries  data classes                   are          may live in
            1          1  messages, payments, directory  unplaceable  nowhere
            2          2  messages, payments, directory  served       dublin
            3          1  messages                       served       all 3 regions
                          payments                       served       mumbai
                          directory                      served       dublin
            4          1  messages, payments             served       all 3 regions
                          directory                      served       dublin
        residents of  are          data classes                   by
        KP            unplaceable  messages, payments, directory  kp-at-home, press-freedom
          kp-at-home (policy.yaml:22) stores only in KP
            because: Its law demands it.
          press-freedom (policy.yaml:3) excludes 1 country
            because: Jails people for what they write.
        group 1: KP
        group 2: DE, IE
        group 3: IN
        group 4: US
        excluded as places: KP
        regions that serve nobody: none

        """)
  }

  @Test func `a region that serves nobody is named, and shards that accept nobody are a cause`()
    async throws
  {
    let files = ["mumbai-1", "ashburn-1"].reduce(RegionFiles.small) { files, shard in
      files.replacing("\(shard): {}", in: "topology.yaml", with: "\(shard): {accepts: KP}")
    }
    let result = try await Workspace.withMap(files).domicile("policy coverage")
    #expect(result.exitCode == 0)
    #expect(
      result.output.contains(
        "\nIN            unserved     payments                       what the shards accept\n"))
    #expect(result.output.hasSuffix("\nregions that serve nobody: ashburn, mumbai\n"))
  }

  @Test func `the day on which something changes is named`() async throws {
    let files = RegionFiles.small.replacing(
      "reason: GDPR chapter V", in: "policy.yaml",
      with: "reason: GDPR chapter V\n    until: 2998-12-31")
    let workspace = try Workspace.withMap(files)
    let text = try await workspace.domicile("policy coverage").output
    #expect(text.contains(", on \(today), until something changes on 2999-01-01\n"))
    let json = try await workspace.json("policy coverage --json") as? [String: Any]
    #expect(json?["changesOn"] as? String == "2999-01-01")
  }

  @Test func `the JSON has every country once, and each group its answers`() async throws {
    let json = try await Workspace.withMap().json("policy coverage --json")
    let result = try #require(json as? [String: Any])
    #expect(
      result.keys.sorted() == [
        "countries", "day", "digest", "groups", "policy", "regions", "states",
      ])
    #expect(result["day"] as? String == today)
    #expect(
      result["states"] as? [String: Int] == [
        "served": 4, "unserved": 0, "refused": 0, "unplaceable": 1,
      ])
    let countries = try #require(result["countries"] as? [[String: Any]])
    #expect(countries.map { $0["residence"] as? String } == ["DE", "IE", "IN", "KP", "US"])
    #expect(countries.map { $0["group"] as? Int } == [1, 1, 2, 0, 3])
    #expect(countries.map { $0["isExcluded"] as? Bool } == [false, false, false, true, false])
    #expect(countries[3].keys.sorted() == ["group", "isExcluded", "name", "residence", "state"])
    let groups = try #require(result["groups"] as? [[String: Any]])
    #expect(groups.map { $0["state"] as? String } == ["unplaceable", "served", "served", "served"])
    let answers = try #require(groups[0]["answers"] as? [[String: Any]])
    #expect(answers.count == 1)
    #expect(answers[0].keys.sorted() == ["conflict", "dataClasses", "outcome", "regions"])
    #expect(answers[0]["outcome"] as? String == "unplaceable")
    let conflict = try #require(answers[0]["conflict"] as? [[String: Any]])
    #expect(conflict.map { $0["name"] as? String } == ["kp-at-home", "press-freedom"])
    let regions = try #require(result["regions"] as? [[String: Any]])
    #expect(regions.map { $0["region"] as? String } == ["ashburn", "dublin", "mumbai"])
    #expect(regions[2]["residences"] as? [String] == ["IN", "US"])
  }

  // MARK: The map and the page

  @Test func `every country of the map has a title that says how its residents fare`()
    async throws
  {
    let workspace = try Workspace.withMap()
    let result = try await workspace.domicile("policy coverage --svg map.svg")
    #expect(result.exitCode == 0 && result.error.isEmpty)
    let svg = try #require(MarkupDocument(try workspace.read("map.svg")))
    #expect(svg.elements.first == "svg")
    let shapes = try #require(
      try JSONSerialization.jsonObject(with: Data(workspace.read("regions/\(Workspace.map)").utf8))
        as? [String: Any])
    let features = try #require(shapes["features"] as? [[String: Any]])
    let codes = features.compactMap { ($0["properties"] as? [String: Any])?["iso_a2"] as? String }
    #expect(codes.count == 250)
    for code in codes where code != "AQ" {
      #expect(svg.elements.contains("g country-\(code)"), "\(code)")
      #expect(
        svg.titles.count { $0.contains("(\(code)): ") && !$0.contains("serves") } == 1, "\(code)")
    }
    #expect(
      svg.titles.contains(
        "India (IN): served\nmessages: ashburn, dublin, mumbai\npayments: mumbai\ndirectory: dublin"
      ))
    #expect(
      svg.titles.contains(
        """
        North Korea (KP): unplaceable
        messages, payments, directory: unplaceable by kp-at-home, press-freedom
        Excluded as a place.
        """))
    #expect(svg.titles.contains("Brazil (BR): not in the policy"))
    #expect(svg.titles.contains("mumbai (IN): serves the residents of 2 countries"))
    let text = try workspace.read("map.svg")
    for entry in [
      "served: 4", "unserved: 0", "refused: 0", "unplaceable: 1", "excluded as a place: 1",
      "region: 3", "region that serves nobody: 0", "not in the policy: 244",
    ] {
      #expect(text.contains(">\(entry)</text>"), "\(entry)")
    }
  }

  @Test func `a country that the map lacks is drawn where the policy says it is`() async throws {
    let workspace = try Workspace.withMap()
    try workspace.write(
      #"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"iso_a2":"IE","#
        + #""name":"Ireland"},"geometry":{"type":"Point","coordinates":[-8,53.2]}}]}"#,
      to: "regions/\(Workspace.map)")
    #expect(try await workspace.domicile("policy coverage --svg map.svg").exitCode == 0)
    let svg = try #require(MarkupDocument(try workspace.read("map.svg")))
    #expect(
      svg.elements.filter { $0.hasPrefix("g country-") } == [
        "g country-IE", "g country-DE", "g country-IN", "g country-KP", "g country-US",
      ])
  }

  @Test func `the page is one file with policy, digest, day, map and tables, and no script`()
    async throws
  {
    let workspace = try Workspace.withMap()
    let plain = try await workspace.domicile("policy coverage --json")
    let result = try await workspace.domicile(
      "policy coverage --json --html page.html --svg map.svg")
    #expect(result == plain)
    let text = try workspace.read("page.html")
    let page = try #require(MarkupDocument(text))
    #expect(page.elements.first == "html")
    for element in ["svg", "table", "g country-KP", "dt group-1", "dt excluded"] {
      #expect(page.elements.contains(element), "\(element)")
    }
    #expect(!page.elements.contains("script") && !page.elements.contains("link"))
    #expect(!text.contains("src=") && !text.contains("@import"))
    #expect(text.contains("<h1>Coverage of policy “small”</h1>"))
    #expect(
      text.contains("on \(today); digest <code>\(try ResidencyPolicy(files: .small).digest)</code>")
    )
    #expect(text.contains("<dd>Its law demands it.</dd>"))
    #expect(text.contains("<dd>Germany (DE), Ireland (IE)</dd>"))
  }

  @Test func `nothing in a policy can break out of the map or the page`() async throws {
    let evil = #"</title><script>alert("'&")</script>"#
    let quoted = "'\(evil.replacing("'", with: "''"))'"
    let name = "\"Ger\u{1}many \(evil.replacing("\"", with: "\"\""))\""
    let files = RegionFiles.small
      .replacing(
        "Its law demands it.", in: "policy.yaml", with: "\(quoted)\n    source: \(quoted)"
      ).replacing("Germany", in: "facts/countries.csv", with: name)
    let workspace = try Workspace.withMap(files)
    let result = try await workspace.domicile("policy coverage --svg map.svg --html page.html")
    #expect(result.exitCode == 0, "\(result)")
    for name in ["map.svg", "page.html"] {
      let document = try #require(MarkupDocument(try workspace.read(name)))
      #expect(!document.elements.contains("script"))
      #expect(document.titles.contains { $0.hasPrefix("Ger\u{FFFD}many \(evil) (DE): served") })
    }
  }

  @Test func `the shipped policy has a map and a page`() async throws {
    let workspace = Workspace()
    let result = try await workspace.domicile(
      "policy coverage --regions \(Workspace.repository)regions --svg map.svg --html page.html")
    #expect(result.exitCode == 0 && result.error.isEmpty)
    #expect(MarkupDocument(try workspace.read("page.html")) != nil)
    let svg = try #require(MarkupDocument(try workspace.read("map.svg")))
    #expect(!svg.titles.contains { $0.contains("not in the policy") })
    #expect(try workspace.read("map.svg").contains("Antarctica is counted and not drawn."))
  }
}
