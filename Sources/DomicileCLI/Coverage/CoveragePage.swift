import Domicile

/// The coverage as one HTML page that needs no other file. It is XML too.
struct CoveragePage {
  let map: CoverageMap
  private var report: CoverageReport { map.report }
  private var coverage: PolicyCoverage { report.coverage }

  var text: String {
    let title = "Coverage of policy “\(report.policy.name)”".xml
    let parts = [
      """
      <!DOCTYPE html>
      <html xmlns="http://www.w3.org/1999/xhtml" lang="en">
      <head>
      <meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <title>\(title)</title>
      <style>
      \(Self.style)
      </style>
      </head>
      <body>
      <h1>\(title)</h1>
      <p>\("\(report.day)".xml); digest <code>\(report.policy.digest)</code></p>
      <p>\(report.summary.xml).
      All this is about users of whom no attribute is declared.</p>
      <figure>
      """, map.element, "</figure>", answers, refusals, regions, lists, "</body>\n</html>\n",
    ]
    return parts.joined(separator: "\n")
  }

  private static let style = """
    body{font:15px/1.45 system-ui,"DejaVu Sans",Arial,sans-serif;color:#222;max-width:1240px;margin:24px auto;padding:0 16px}
    h1{font-size:26px;margin:0 0 4px}
    h2{font-size:19px;margin:28px 0 8px}
    p{margin:4px 0}
    code{font-size:13px;overflow-wrap:anywhere}
    figure{margin:16px 0}
    figure svg{display:block;width:100%;height:auto}
    table{border-collapse:collapse}
    th,td{text-align:left;vertical-align:top;padding:4px 14px 4px 0;border-bottom:1px solid #ddd}
    .number{text-align:right}
    dt{font-weight:600;margin-top:8px}
    dd{margin:0 0 0 20px}
    .bad{font-weight:600;color:#a03c00}
    @media print{body{margin:0;max-width:none}tr,figure{break-inside:avoid}}
    """

  // MARK: Tables

  private var answers: String {
    var rows: [String] = []
    for (number, group) in coverage.groups.enumerated() {
      for (place, answer) in group.answers.enumerated() {
        let span = place == 0 ? group.answers.count : 0
        rows.append(
          "<tr>"
            + (span > 0
              ? "<td class=\"number\" rowspan=\"\(span)\"><a href=\"#group-\(number + 1)\">"
                + "\(number + 1)</a></td>"
                + "<td class=\"number\" rowspan=\"\(span)\">\(group.residences.count)</td>" : "")
            + cell(answer.dataClasses.joined(separator: ", ")) + state(answer)
            + cell(report.places(answer)) + "</tr>")
      }
    }
    return table(
      "Where residents' data may live",
      head:
        "<th class=\"number\">group</th><th class=\"number\">countries</th><th>data classes</th>"
        + "<th>are</th><th>may live in</th>", rows)
  }

  private var refusals: String {
    guard !report.refusals.isEmpty else {
      return
        "<h2>Who is not served, and why</h2>\n<p>The residents of all countries are served.</p>"
    }
    let rows = report.refusals.map { refusal in
      "<tr>" + cell(refusal.residents) + state(refusal.answer)
        + cell(refusal.answer.dataClasses.joined(separator: ", "))
        + cell(report.cause(refusal.answer)) + "</tr>"
    }
    var told: Set<String> = []
    let reasons = report.citations.map { citation in
      let demand = "<dt>\("\(citation.name) \(citation.demand)".xml)</dt>"
      // A rule that stands in several conflicts gives its reason once.
      guard told.insert(citation.name).inserted else { return demand }
      return "\(demand)\n<dd>\(citation.reason.xml)</dd>\n"
        + (citation.source.map { "<dd>Source: \($0.xml)</dd>\n" } ?? "")
        + "<dd>Written in <code>\("\(citation.file):\(citation.line)".xml)</code></dd>"
    }
    return table(
      "Who is not served, and why",
      head: "<th>residents of</th><th>are</th><th>data classes</th><th>by</th>", rows)
      + (reasons.isEmpty ? "" : "\n<dl>\n\(reasons.joined(separator: "\n"))\n</dl>")
  }

  private var regions: String {
    let rows = coverage.places.map { place in
      "<tr>" + cell(place.region) + cell("\(place.country)")
        + (place.residences.isEmpty
          ? "<td class=\"bad\">nobody</td>"
          : "<td>\(place.residences.count) of \(coverage.residences.count) countries</td>")
        + "</tr>"
    }
    return table(
      "Whom the regions serve",
      head: "<th>region</th><th>country</th><th>serves residents of</th>", rows)
  }

  private func table(_ title: String, head: String, _ rows: [String]) -> String {
    "<h2>\(title.xml)</h2>\n<table>\n<thead><tr>\(head)</tr></thead>\n<tbody>\n"
      + rows.joined(separator: "\n") + "\n</tbody>\n</table>"
  }

  private func cell(_ text: String) -> String { "<td>\(text.xml)</td>" }

  private func state(_ answer: PolicyCoverage.Answer) -> String {
    "<td\(answer.outcome == .allowed ? "" : " class=\"bad\"")>\(answer.state)</td>"
  }

  // MARK: Lists

  private var lists: String {
    let names = Dictionary(
      uniqueKeysWithValues: coverage.residences.map { ($0.code, "\($0.name) (\($0.code))") })
    var parts = ["<h2>The countries</h2>", "<dl>"]
    func add(_ id: String, _ title: String, _ codes: [CountryCode]) {
      let words = codes.map { names[$0] ?? "\($0)" }.joined(separator: ", ")
      parts.append("<dt id=\"\(id)\">\(title)</dt>")
      parts.append("<dd>\((words.isEmpty ? "none" : words).xml)</dd>")
    }
    for (number, group) in coverage.groups.enumerated() {
      add("group-\(number + 1)", "Group \(number + 1)", group.residences)
    }
    add("excluded", "Excluded as places", report.excluded.map(\.code))
    return (parts + ["</dl>"]).joined(separator: "\n")
  }
}
