import Domicile
import Foundation

extension NumberedEntry {
  /// One line that says it all.
  var line: String { "\(number)  \(entry?.text ?? "pruned")" }
}

extension LedgerEntry {
  fileprivate var text: String {
    let end = "by \(actor)" + (policy.map { ", policy generation \($0.generation)" } ?? "")
    return "\(date.ISO8601Format())  \(kind.rawValue)\(subject): \(content) (\(end))"
  }

  private var subject: String {
    alias.map { " of \(isGroup == true ? "group " : "")\($0)" } ?? ""
  }

  private var classesText: String {
    dataClasses.map { $0.isEmpty ? "nothing placed" : $0.joined(separator: ", ") } ?? "all"
  }

  private var placesText: String {
    (places ?? []).map(\.text).joined(separator: "; ")
  }

  private var movedText: String {
    "\((from ?? []).map(\.text).joined(separator: "; ")) to \(placesText)"
  }

  private var content: String {
    switch kind {
    case .key: key ?? ""
    case .policy: "digest \(policy?.digest ?? ""), on \(policy?.day ?? "")"
    case .barring:
      "\(shard ?? ""): "
        + (places?.isEmpty ?? true
          ? "nothing is barred any more" : "no longer allowed: \(placesText)")
    case .admission: placesText
    case .refusal:
      "\(outcome ?? ""): \(classesText)\(region.map { " in \($0)" } ?? ""), because of \((rules ?? []).joined(separator: ", "))"
    case .moving: "begins: \(movedText)"
    case .moved: movedText
    case .moveAborted: "undone: \(movedText)"
    case .tags, .members: places == nil ? "changed" : "changed; no longer allowed: \(placesText)"
    case .erasing:
      isWhole == true ? "all data asked to be erased" : "asked to be erased: \(classesText)"
    case .erased:
      (isWhole == true ? "gone and forgotten" : "gone") + (places == nil ? "" : ": \(placesText)")
    case .hold:
      "\(classesText) until "
        + (until.map { Date(timeIntervalSince1970: TimeInterval($0)).ISO8601Format() }
          ?? "it is released")
    case .release: classesText
    case .read: "\(command ?? ""): \(classesText)"
    case .refusedWrites:
      "in the hour from \(Date(timeIntervalSince1970: TimeInterval(hour ?? 0)).ISO8601Format()): "
        + (refusedWrites ?? []).map {
          "\($0.count) \($0.cause), \($0.dataClass) in \($0.region)"
        }.joined(separator: "; ")
    case .pruning:
      "texts before entry \(minimum ?? 0) were deleted; "
        + counted((totals ?? []).reduce(0) { $0 + ($1.homes ?? 1) }, "home")
    }
  }
}

extension LedgerEntry.Place {
  fileprivate var text: String {
    let rules = (rules ?? []).isEmpty ? "" : " by \((rules ?? []).joined(separator: ", "))"
    return (homes.map { counted($0, "home") + " of " } ?? "")
      + "\(dataClass) in \(region) (\(country)), \(shard)\(rules)"
  }
}

extension LedgerReport {
  func printText() {
    Terminal.print("As of \(asOf.ISO8601Format()), by the ledger \(origin)")
    Terminal.print(
      policy.map {
        "policy in force: generation \($0.generation), digest \($0.digest), as on \($0.day)"
          + (policyEntry.map { " (entry \($0))" } ?? "")
      } ?? "policy in force: none yet")
    if firstEntry > 0 {
      Terminal.print(
        "entries before \(firstEntry) were pruned: of them only the sums of homes are known")
    }
    var table = TextTable("country", "region", "class", "homes")
    for home in homes { table.add(home.country, home.region, home.dataClass, "\(home.homes)") }
    if homes.isEmpty { Terminal.print("no homes") } else { table.print() }
    report("refused admissions", refusedAdmissions)
    report("refused writes", refusedWrites)
    Terminal.print(
      "erasures: \(erasuresAsked) asked for, \(erased) of all data done, \(erasing.count) not done")
    for alias in erasing { Terminal.print("  not done: \(alias)") }
    Terminal.print(violations.isEmpty ? "open violations: none" : "open violations:")
    for violation in violations {
      let because =
        violation.rules.isEmpty ? "" : ", because of \(violation.rules.joined(separator: ", "))"
      Terminal.print(
        "  \(counted(violation.homes, "home")) of \(violation.dataClass) in \(violation.region) (\(violation.country))\(because)"
      )
    }
    Terminal.print("made from the first \(size) entries, root \(root)")
    Terminal.print("that they begin the ledger of this checkpoint (RFC 9162, 2.1.4):")
    for hash in consistencyProof { Terminal.print("  \(hash)") }
    if policyEntry != nil {
      Terminal.print("that the policy's entry is among them (RFC 9162, 2.1.3):")
      for hash in policyProof { Terminal.print("  \(hash)") }
    }
    Terminal.write(Array("\n\(checkpoint)".utf8))
  }

  private func report(_ name: String, _ refusals: [Refusals]) {
    Terminal.print(refusals.isEmpty ? "\(name): none" : "\(name):")
    for refusal in refusals {
      Terminal.print(
        "  \(refusal.count) \(refusal.cause): \(refusal.dataClass)\(refusal.region.map { " in \($0)" } ?? "")"
      )
    }
  }
}
