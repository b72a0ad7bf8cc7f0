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
    if placements.isEmpty {
      if !isErasing { Terminal.print("no class is placed") }
    } else {
      var table = TextTable("class", "region", "country", "shard", "state")
      for placement in placements {
        table.add(
          placement.dataClass, placement.region, placement.country, placement.shard,
          placement.state.rawValue)
      }
      table.print()
    }
    reportGroups()
    reportErasure()
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

  /// What is left of an erasure, why and until when, and what is done about it.
  private func reportErasure() {
    let isUser = members == nil
    let own = placements.filter { $0.state == .erasing }.map {
      (place: "\($0.dataClass) in \($0.shard)", left: $0.erasable)
    }
    let shared = (groups ?? []).filter { _ in isErasing }.map {
      (place: "\($0.dataClass) of the group \($0.group) in \($0.shard)", left: $0.erasable)
    }
    guard isErasing || !own.isEmpty else { return }
    for (place, left) in own + shared {
      if let held = left?.held { Terminal.print("held: \(held.text)") }
      let going = left.map { $0.records - ($0.held?.records ?? 0) }
      if going == nil {
        Terminal.print("pending: \(place): what is left is not known, for the shard cannot be read")
      } else if let going, going > 0 {
        Terminal.print("pending: \(place): \(counted(going, "record")) to be erased")
      }
    }
    Terminal.print(
      isErasing
        ? "All of this \(isUser ? "user" : "group") is being erased. What is held goes when that ends: an open router sees to it, or “domicile sweep”. For what is pending, repeat “domicile \(isUser ? "erase" : "group erase")”."
        : "A class that is being erased goes when nothing holds it any more: an open router sees to it, or “domicile sweep”. For what is pending, repeat “domicile erase --class”."
    )
  }
}
