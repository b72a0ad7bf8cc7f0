import Domicile

extension UserLocation {
  /// Prints where the data is and why it may be there.
  func report(_ output: OutputOptions) throws {
    if output.json { return try printJSON(self) }
    let attributes =
      attributes.isEmpty ? "none" : attributes.joined(separator: ", ")
    let isEmptyGroup = members?.isEmpty ?? false
    Terminal.print(
      isEmptyGroup
        ? TagChange.nobodyIsLeft
        : "residence \(residence), attributes: \(attributes)")
    Terminal.print("alias \(alias)")
    for member in members ?? [] { Terminal.print("member \(member)") }
    var table = TextTable("class", "region", "country", "shard", "state")
    for placement in placements {
      table.add(
        placement.dataClass, placement.region, placement.country, placement.shard,
        placement.state.rawValue)
    }
    table.print()
    reportGroups()
    if isEmptyGroup { return }
    // Classes of the same region for the same reasons are explained once.
    var groups: [(verdict: Verdict, classes: [String])] = []
    for placement in placements {
      guard let verdict = placement.verdict else {
        Terminal.print(
          "\(placement.dataClass): the policy in force does not know the user's tags or the class"
        )
        continue
      }
      if let known = groups.firstIndex(where: {
        $0.verdict.region == verdict.region && $0.verdict.rules == verdict.rules
          && $0.verdict.outcome == verdict.outcome
      }) {
        groups[known].classes.append(placement.dataClass)
      } else {
        groups.append((verdict, [placement.dataClass]))
      }
    }
    for (verdict, classes) in groups {
      Terminal.print("\(classes.joined(separator: ", ")): \(verdict.styledOutcome)")
      for line in verdict.reasons { Terminal.print(line) }
    }
  }

  private func reportGroups() {
    guard let groups, !groups.isEmpty else { return }
    var table = TextTable("group", "class", "region", "country", "shard", "state")
    for place in groups {
      table.add(
        place.group, place.dataClass, place.region, place.country, place.shard,
        place.state.rawValue)
    }
    table.print()
  }
}
