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
    let collectionClass = try collection.map { try router.policy.dataClass(ofCollection: $0) }
    let names = collectionClass.map { [$0] } ?? classes.names
    let location = try await router.locate(user.id)
    let placements = location.placements.filter { names?.contains($0.dataClass) ?? true }
    var lines = placements.map { placement in
      let which =
        collection.map { "of the collection \($0)" } ?? "of the class \(placement.dataClass)"
      let place = "in \(placement.region) (\(placement.country)), \(placement.shard)"
      return prefix.map { "the records \(which) whose keys begin with “\($0)” \(place)" }
        ?? "all records \(which) \(place)"
    }
    let groups = names == nil ? location.groups ?? [] : []
    lines += groups.map { place in
      "what the user wrote in the group \(place.group), of the class \(place.dataClass), in \(place.region)"
        + " (\(place.country)), \(place.shard)"
    }
    lines += try kept(
      of: Set(placements.map(\.dataClass) + groups.map(\.dataClass)),
      try await router.holds(on: user.id),
      router, isWhole: collection == nil)
    if names == nil { lines.append("the user, whom nobody can find by id afterwards") }
    if lines.isEmpty { lines.append("nothing: the user has no home for that") }
    try refuseErasure(of: lines)
  }
}

/// What is said in advance of what stays for now: what is under a legal hold, and what the policy keeps. With `isWhole` of whole
/// classes, which can be neither read nor placed meanwhile.
func kept(
  of classes: Set<String>, _ holds: [LegalHold], _ router: ResidencyRouter, isWhole: Bool
) throws -> [String] {
  let byHold = holds.filter { hold in
    (hold.until.map { $0 > Date() } ?? true) && hold.dataClasses.contains(where: classes.contains)
  }.map { hold in
    "but not what the legal hold “\(hold.name)” keeps, of \(hold.dataClasses.joined(separator: ", ")), until"
      + " \(hold.until?.ISO8601Format() ?? "that is released")"
  }
  let byLaw = try classes.sorted().compactMap { name -> String? in
    guard let retention = try router.policy.retention(ofClass: name), retention.shortest != nil
    else { return nil }
    let what = "but not what the policy keeps (\(name): \(retention.text))"
    return isWhole
      ? "\(what); until that has gone the class can be neither read nor placed anew" : what
  }
  return byHold + byLaw
}
