import ArgumentParser
import Domicile
import Foundation

struct EraseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "erase",
    abstract: "Erase a user, some classes, or records of a collection, from the files too.",
    discussion: """
      Prints a receipt. Ends with 0 when all of it is gone, with 5 when something is pending (repeat the \
      command), and with 8 when the policy or a legal hold still keeps something. It cannot be undone: \
      without --yes it only says what would go, and ends with 64.
      """)

  @OptionGroup var user: UserArgument
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var classes: DataClassOptions

  @Option(
    help: ArgumentHelp("Only the records of this collection; the user stays.", valueName: "name"))
  var collection: String?

  @Option(
    help: ArgumentHelp("With --collection: only keys that begin so.", valueName: "text"))
  var prefix: String?

  @OptionGroup var erasure: ErasureOptions

  func validate() throws {
    if collection != nil && classes.names != nil {
      throw ValidationError("--class and --collection exclude each other.")
    }
    if prefix != nil && collection == nil {
      throw ValidationError("--prefix goes with --collection.")
    }
    if prefix == "" {
      throw ValidationError("--prefix is empty. Leave it out to erase the whole collection.")
    }
  }

  func run() async throws {
    try await deployment.withRouter { router in
      guard erasure.yes else { return try await refuse(router) }
      try await erase(router).report(output)
    }
  }

  private func erase(_ router: ResidencyRouter) async throws -> ErasureReceipt {
    guard let collection else {
      return try await router.erase(
        user.id, dataClasses: classes.names, deadline: erasure.deadline?.duration)
    }
    return try await router.user(user.id).erase(
      RecordCollection(collection), keys: prefix.map { .prefix(RecordKey($0)) } ?? .all,
      deadline: erasure.deadline?.duration)
  }

  // MARK: Without --yes

  private func refuse(_ router: ResidencyRouter) async throws {
    for name in classes.names ?? [] { _ = try router.policy.number(ofClass: name) }
    let location = try await router.locate(user.id, countsAll: true)
    try await router.noteRead(of: user.id, dataClasses: classes.names, command: "erase")
    if let collection {
      return try refuseErasure(
        of: lines(collection, location, try await router.holds(on: user.id), router))
    }
    let placements = location.placements.filter {
      classes.names?.contains($0.dataClass) ?? true
    }
    let groups = classes.names == nil ? location.groups ?? [] : []
    var lines = placements.map(\.wholeText)
    lines += groups.map { place in
      "what the user wrote in the group \(place.group), of the class \(place.dataClass), in \(place.region)"
        + " (\(place.country)), \(place.shard)"
    }
    lines += kept(
      placements.map { ($0.shard, $0.erasable) } + groups.map { ($0.shard, $0.erasable) })
    if classes.names == nil { lines.append("the user, whom nobody can find by id afterwards") }
    if lines.isEmpty { lines.append("nothing: the user has no home for that") }
    try refuseErasure(of: lines)
  }

  /// What is said of an erasure of records in a home that stays.
  private func lines(
    _ collection: String, _ location: UserLocation, _ holds: [LegalHold], _ router: ResidencyRouter
  ) throws -> [String] {
    let dataClass = try router.policy.dataClass(ofCollection: collection)
    guard let home = location.placements.first(where: { $0.dataClass == dataClass }) else {
      return ["nothing: the user has no home for that"]
    }
    let place = "in \(home.region) (\(home.country)), \(home.shard)"
    var lines = [
      prefix.map {
        "the records of the collection \(collection) whose keys begin with “\($0)” \(place)"
      } ?? "all records of the collection \(collection) \(place)"
    ]
    for hold in holds where hold.dataClasses.contains(dataClass) && !hold.hasEnded {
      lines.append(
        "but nothing at all while the legal hold “\(hold.name)” keeps \(dataClass), until \(hold.endText)"
      )
    }
    if let retention = try router.policy.retention(ofClass: dataClass), retention.shortest != nil {
      lines.append("but not what the policy keeps (\(dataClass): \(retention.text))")
    }
    return lines
  }
}

extension UserPlacement {
  /// What goes with an erasure of the whole.
  var wholeText: String {
    "all records of the class \(dataClass) in \(region) (\(country)), \(shard)"
  }
}

/// What is said in advance of what stays for now, by the words of the receipt.
func kept(_ homes: [(shard: String, erasable: ErasableRecords?)]) -> [String] {
  let held = homes.compactMap(\.erasable?.held).map { "but not, for now, \($0.text)" }
  let unknown = Set(homes.filter { $0.erasable == nil }.map(\.shard)).sorted().map {
    "but what is held in \($0) stays: it is not known, for the shard cannot be read"
  }
  let note =
    held.isEmpty && unknown.isEmpty
    ? [] : ["what stays of the user's own can be neither read nor placed anew until it has gone"]
  return held + unknown + note
}
