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

  @Option(
    help: ArgumentHelp(
      "How long this may take, such as 30s; what is not done then is pending. By default 10s.",
      valueName: "time"))
  var deadline: Lifetime?

  @Flag(help: "Erase, and do not only say what would be erased.")
  var yes = false

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
      guard yes else { return try await refuse(router) }
      let receipt = try await erase(router)
      if output.json {
        try printJSON(ReceiptJSON(receipt: receipt))
      } else {
        Self.print(receipt)
      }
      if !receipt.isDone { throw ExitCode.pending }
      if !receipt.held.isEmpty { throw ExitCode.held }
    }
  }

  private func erase(_ router: ResidencyRouter) async throws -> ErasureReceipt {
    guard let collection else {
      return try await router.erase(
        user.id, dataClasses: classes.names, deadline: deadline?.duration)
    }
    return try await router.user(user.id).erase(
      RecordCollection(collection), keys: prefix.map { .prefix(RecordKey($0)) } ?? .all,
      deadline: deadline?.duration)
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
    lines += try await kept(of: Set(placements.map(\.dataClass)), router)
    if names == nil { lines.append("the user, whom nobody can find by id afterwards") }
    if lines.isEmpty { lines.append("nothing: the user has no home for that") }
    Terminal.error("notConfirmed: Nothing was erased. With --yes this would go, for good:")
    for line in lines { Terminal.error("  \(line)") }
    throw ExitCode.validationFailure
  }

  /// What is said in advance of what stays for now.
  private func kept(of classes: Set<String>, _ router: ResidencyRouter) async throws -> [String] {
    let holds = try await router.holds(on: user.id).filter { hold in
      (hold.until.map { $0 > Date() } ?? true) && hold.dataClasses.contains(where: classes.contains)
    }
    let byHold = holds.map { hold in
      "but not what the legal hold “\(hold.name)” keeps, of \(hold.dataClasses.joined(separator: ", ")), until"
        + " \(hold.until?.ISO8601Format() ?? "that is released")"
    }
    let byLaw = try classes.sorted().compactMap { name in
      try router.policy.retention(ofClass: name).flatMap { retention in
        retention.shortest.map { _ in
          "but not what the policy keeps (\(name): \(retention.text)); until that has gone the class can be"
            + " neither read nor placed anew"
        }
      }
    }
    return byHold + (collection == nil ? byLaw : byLaw.map { $0.split(separator: ";")[0] + "" })
  }

  // MARK: The receipt

  /// The receipt, and whether it is done.
  private struct ReceiptJSON: Encodable {
    let receipt: ErasureReceipt

    private enum CodingKeys: String, CodingKey { case isDone }

    func encode(to encoder: any Encoder) throws {
      try receipt.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(receipt.isDone, forKey: .isDone)
    }
  }

  private static func print(_ receipt: ErasureReceipt) {
    let state =
      receipt.isDone ? Terminal.styled("done", .good) : Terminal.styled("pending", .bad)
    let held = receipt.held.reduce(0) { $0 + $1.records }
    Terminal.print(
      "\(state): \(records(receipt.records)) erased, \(receipt.bytes) bytes"
        + (held == 0 ? "" : "; \(records(held)) held"))
    if !receipt.erased.isEmpty {
      var table = TextTable(
        "class", "collection", "region", "country", "shard", "records", "bytes")
      for row in receipt.erased {
        table.add(
          row.dataClass, row.collection ?? "all", row.region, row.country, row.shard,
          "\(row.records)", "\(row.bytes)")
      }
      table.print()
    }
    for held in receipt.held {
      let end = held.until?.ISO8601Format() ?? "that is released"
      Terminal.print(
        "held: \(records(held.records)) of \(held.dataClass) in \(held.shard) by \(held.rule),"
          + " until \(end)")
    }
    for pending in receipt.pending {
      Terminal.print("pending: \(pending.place): \(pending.reason)")
    }
    let serial = receipt.serial.map { ", serial \($0)" } ?? ""
    Terminal.print(
      "alias \(receipt.alias), policy generation \(receipt.policyGeneration)\(serial),"
        + " \(receipt.time.ISO8601Format())")
  }

  private static func records(_ count: Int) -> String {
    count == 1 ? "1 record" : "\(count) records"
  }
}
