import ArgumentParser
import Domicile
import Foundation

struct RecordArguments: ParsableArguments {
  @Argument(help: "The user's id.")
  var user: String

  @Argument(help: "The collection, such as inbox.")
  var collection: String

  @Argument(help: "The record's key, as text.")
  var key: String
}

struct PutCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "put", abstract: "Store a record, from the command line or standard input.")

  @OptionGroup var record: RecordArguments

  @Argument(help: "The value as text; - for standard input.")
  var value: String

  @OptionGroup var owner: RecordOwnerOptions
  @OptionGroup var deployment: DeploymentOptions

  @Option(
    name: .customLong("label"), parsing: .singleValue,
    help: ArgumentHelp("A label; may be repeated.", valueName: "name=value"))
  var labels: [String] = []

  @Option(
    help: ArgumentHelp(
      "How long the record is kept, such as 90s, 12h, 30d or 1y. By default as the user or the policy"
        + " says.", valueName: "time"))
  var expiresAfter: Lifetime?

  @Flag(help: "Keep the record until it is deleted, if the policy allows that.")
  var neverExpires = false

  @Flag(help: "Only if no record of that key is there.")
  var ifAbsent = false

  @Option(help: ArgumentHelp("Only if the record has this version.", valueName: "version"))
  var ifVersion: String?

  func validate() throws {
    for label in labels where !label.contains("=") {
      throw ValidationError("A label is NAME=VALUE; “\(label)” has no “=”.")
    }
    if neverExpires && expiresAfter != nil {
      throw ValidationError("--expires-after and --never-expires exclude each other.")
    }
    if ifAbsent && ifVersion != nil {
      throw ValidationError("--if-absent and --if-version exclude each other.")
    }
    if let ifVersion, RecordVersion(ifVersion) == nil {
      throw ValidationError("“\(ifVersion)” is no version; take one from “get --json”.")
    }
  }

  func run() async throws {
    let bytes =
      value == "-"
      ? Array(try FileHandle.standardInput.readToEnd() ?? Data()) : Array(value.utf8)
    let pairs = labels.map { label in
      let parts = label.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (String(parts[0]), String(parts[1]))
    }
    let condition: RecordCondition? =
      ifAbsent ? .absent : ifVersion.flatMap(RecordVersion.init).map(RecordCondition.version)
    let expires =
      neverExpires ? .never : expiresAfter.map { .after($0.duration) } ?? RecordExpiry.byDefault
    try await deployment.withRouter { router in
      let user = try await owner.handle(of: record.user, router)
      let version = try await user.put(
        bytes, key: RecordKey(record.key), in: RecordCollection(record.collection),
        labels: Dictionary(pairs, uniquingKeysWith: { $1 }),
        expires: expires, if: condition)
      Terminal.print("stored, version \(version)")
    }
  }
}

/// A record as `get` and `list` print it.
private struct RecordJSON: Encodable {
  let key: String?
  let keyBase64: String
  let text: String?
  let valueBase64: String
  let version: String
  let written: Date
  let expires: Date?
  let labels: [String: String]
  let author: String?

  init(_ record: StoredRecord) {
    key = record.key.text
    keyBase64 = Data(record.key.bytes).base64EncodedString()
    text = record.text
    valueBase64 = Data(record.value).base64EncodedString()
    version = "\(record.version)"
    written = record.written
    expires = record.expires
    labels = record.labels
    author = record.author?.description
  }
}

struct GetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get", abstract: "Print a record's value as it is.",
    discussion: "Exit code 4 if there is no such record.")

  @OptionGroup var record: RecordArguments
  @OptionGroup var owner: RecordOwnerOptions
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await deployment.withRouter { router in
      let user = try await owner.handle(of: record.user, router)
      guard
        let found = try await user.get(
          RecordKey(record.key), in: RecordCollection(record.collection))
      else {
        Terminal.error(
          "notFound: There is no such record, or it has expired. “domicile list” shows those that there are."
        )
        throw ExitCode.notFound
      }
      try await owner.noteRead(by: "get", of: record.user, record.collection, router)
      if output.json { return try printJSON(RecordJSON(found)) }
      Terminal.write(found.value)
      if Terminal.isOutput {
        Terminal.print("")
        if let expires = found.expires { Terminal.error("expires \(expires.ISO8601Format())") }
      }
    }
  }
}

struct DeleteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete a record.",
    discussion: "Exit code 4 if there was no such record.")

  @OptionGroup var record: RecordArguments
  @OptionGroup var owner: RecordOwnerOptions
  @OptionGroup var deployment: DeploymentOptions

  func run() async throws {
    try await deployment.withRouter { router in
      let user = try await owner.handle(of: record.user, router)
      let existed = try await user.delete(
        RecordKey(record.key), in: RecordCollection(record.collection))
      guard existed else {
        Terminal.error(
          "notFound: There was no such record, or it had expired. Nothing was deleted. “domicile list” shows those that there are."
        )
        throw ExitCode.notFound
      }
      Terminal.print("deleted")
    }
  }
}

struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List a collection's records by key.")

  @Argument(help: "The user's id.")
  var user: String

  @Argument(help: "The collection, such as inbox.")
  var collection: String

  @OptionGroup var owner: RecordOwnerOptions
  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var output: OutputOptions

  @Option(help: "Only keys that begin so.")
  var prefix: String?

  @Option(help: "Only keys from this one on.")
  var from: String?

  @Option(help: "Only keys below this one.")
  var below: String?

  @Option(help: ArgumentHelp("Only records with this label.", valueName: "name=value"))
  var label: String?

  @Flag(help: "From the last key to the first.")
  var descending = false

  @Option(help: "How many records at most, up to 1000.")
  var limit = 20

  @Option(help: ArgumentHelp("Go on after this cursor.", valueName: "cursor"))
  var after: String?

  func validate() throws {
    if prefix != nil && (from != nil || below != nil) {
      throw ValidationError("--prefix and --from or --below exclude each other.")
    }
    if let label, !label.contains("=") {
      throw ValidationError("A label is NAME=VALUE; “\(label)” has no “=”.")
    }
    if let after, RecordCursor(after) == nil {
      throw ValidationError("“\(after)” is no cursor; take one from an earlier list.")
    }
  }

  private struct Page: Encodable {
    let records: [RecordJSON]
    let next: String?
  }

  func run() async throws {
    let keys: KeyRange
    if let prefix {
      keys = .prefix(RecordKey(prefix))
    } else {
      keys = .range(from: from.map { RecordKey($0) }, below: below.map { RecordKey($0) })
    }
    let pair = label.map { label in
      let parts = label.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (name: String(parts[0]), value: String(parts[1]))
    }
    try await deployment.withRouter { router in
      let handle = try await owner.handle(of: user, router)
      let page = try await handle.page(
        RecordCollection(collection), keys: keys, label: pair,
        order: descending ? .descending : .ascending, limit: limit,
        after: after.flatMap(RecordCursor.init))
      try await owner.noteRead(by: "list", of: user, collection, router)
      if output.json {
        return try printJSON(
          Page(records: page.records.map(RecordJSON.init), next: page.next?.description))
      }
      var table = TextTable("key", "bytes", "written", "expires", "labels")
      for record in page.records {
        table.add(
          record.key.text ?? Data(record.key.bytes).base64EncodedString(),
          "\(record.value.count)", record.written.ISO8601Format(),
          record.expires?.ISO8601Format() ?? "never",
          record.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            .joined(separator: " "))
      }
      table.print()
      if let next = page.next { Terminal.print("more: --after \(next)") }
    }
  }
}
