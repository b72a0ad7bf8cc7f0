import Testing

/// A wrong invocation, and all that is said about it.
struct Mistake: CustomTestStringConvertible, Sendable {
  let arguments: [String]
  let error: String
  let exitCode: Int32
  var input: [UInt8] = []

  /// Arguments that hold no spaces.
  init(_ line: String, _ error: String, _ exitCode: Int32, input: [UInt8] = []) {
    self.init(line.split(separator: " ").map(String.init), error, exitCode, input: input)
  }

  init(_ arguments: [String], _ error: String, _ exitCode: Int32, input: [UInt8] = []) {
    self.arguments = arguments
    self.error = error
    self.exitCode = exitCode
    self.input = input
  }

  var testDescription: String { String(arguments.joined(separator: " ").prefix(80)) }

  /// What ends a message about usage.
  static func usage(_ command: String, _ synopsis: String) -> String {
    """
    Usage: domicile \(synopsis)
      See 'domicile \(command)--help' for more information.

    """
  }

  private static let deployment =
    "[--data <folder>] [--key-file <file>] [--ledger-key-file <file>] [--actor <name>] [--carry <region> ...] [--location <country>]"

  static let root = usage("", "<subcommand>")
  static let put = usage("put ", "put [<options>] <user> <collection> <key> <value>")
  static let get = usage(
    "get ", "get <user> <collection> <key> [--group <group>] \(deployment) [--json]")
  static let list = usage("list ", "list [<options>] <user> <collection>")
  static let whereabouts = usage("where ", "where <user> \(deployment) [--json]")
  static let placements = usage("placements ", "placements \(deployment) [--json] [--by <by>]")
  static let admit = usage(
    "admit ",
    "admit <user> \(deployment) --residence <residence> [--attribute <attribute> ...]"
      + " [--class <name> ...] [--region <region>]")
  static let importing = usage("import ", "import [<options>] <file> --user <column>")
}

/// What is said to whoever calls the tool wrongly. ada, a resident of DE, is admitted; there is no record.
@Suite struct MistakesTests {
  private func check(_ mistake: Mistake) async throws {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit ada --residence DE --data data")
    let result = try await workspace.domicile(mistake.arguments, input: mistake.input)
    expect(result, error: mistake.error, exitCode: mistake.exitCode)
    // Whatever it was, nothing is broken by it.
    #expect(
      try await workspace.domicile("doctor --data data").maskingSQLite.output
        == "sound: 1 user, 0 groups, 2 homes, 4 shards; SQLite VERSION\n")
  }

  // MARK: Usage

  private static let usage = [
    Mistake("frob", "Error: Unexpected argument 'frob'\n\(Mistake.root)", 64),
    Mistake("--frob", "Error: Unknown option '--frob'\n\(Mistake.root)", 64),
    Mistake("where ada --bogus", "Error: Unknown option '--bogus'\n\(Mistake.whereabouts)", 64),
    Mistake(
      "where ada --jsno",
      "Error: Unknown option '--jsno'. Did you mean '--json'?\n\(Mistake.whereabouts)", 64),
    Mistake(
      "where",
      "Error: Missing expected argument '<user>'\nHelp:  <user>  The user's id.\n\(Mistake.whereabouts)",
      64),
    Mistake("where ada bob", "Error: Unexpected argument 'bob'\n\(Mistake.whereabouts)", 64),
    Mistake(
      "where ada --data",
      "Error: Missing value for '--data <folder>'\nHelp:  --data <folder>  The data folder.\n\(Mistake.whereabouts)",
      64),
    Mistake(
      "put ada inbox k",
      "Error: Missing expected argument '<value>'\nHelp:  <value>  The value as text; - for standard input.\n\(Mistake.put)",
      64),
    Mistake(
      "get ada inbox",
      "Error: Missing expected argument '<key>'\nHelp:  <key>  The record's key, as text.\n\(Mistake.get)",
      64),
    Mistake(
      "admit rik",
      "Error: Missing expected argument '--residence <residence>'\nHelp:  --residence <residence>  The country of residence, such as DE.\n\(Mistake.admit)",
      64),
    Mistake(
      "placements --by shoe",
      "Error: The value 'shoe' is invalid for '--by <by>'. Please provide one of 'region', 'country', 'class' or 'residence'.\nHelp:  --by <by>  What to group by.\n\(Mistake.placements)",
      64),
    Mistake(
      "list ada inbox --limit many",
      "Error: The value 'many' is invalid for '--limit <limit>'\nHelp:  --limit <limit>  How many records at most, up to 1000.\n\(Mistake.list)",
      64),
    Mistake(
      "list ada inbox --label x", "Error: A label is NAME=VALUE; “x” has no “=”.\n\(Mistake.list)",
      64),
    Mistake(
      "list ada inbox --after !!",
      "Error: “!!” is no cursor; take one from an earlier list.\n\(Mistake.list)", 64),
    Mistake(
      "list ada inbox --prefix a --from b",
      "Error: --prefix and --from or --below exclude each other.\n\(Mistake.list)", 64),
    Mistake(
      "list ada inbox --prefix a --below b",
      "Error: --prefix and --from or --below exclude each other.\n\(Mistake.list)", 64),
    Mistake(
      "put ada inbox k v --label x",
      "Error: A label is NAME=VALUE; “x” has no “=”.\n\(Mistake.put)",
      64),
    Mistake(
      "put ada inbox k v --if-version 12zz",
      "Error: “12zz” is no version; take one from “get --json”.\n\(Mistake.put)", 64),
    Mistake(
      "put ada inbox k v --if-version 12 --if-absent",
      "Error: --if-absent and --if-version exclude each other.\n\(Mistake.put)", 64),
    Mistake(
      "import people.csv --residence country",
      "Error: Missing expected argument '--user <column>'\nHelp:  --user <column>  The column with the user's id.\n\(Mistake.importing)",
      64),
    Mistake(
      "import people.csv --user id",
      "Error: Say what to do: --residence to admit people, --into to store records.\n\(Mistake.importing)",
      64),
    Mistake(
      "import people.csv --user id --into inbox",
      "Error: --into and --record-key go together.\n\(Mistake.importing)", 64),
    Mistake(
      "import people.csv --user id --residence c --record-key k",
      "Error: --into and --record-key go together.\n\(Mistake.importing)", 64),
    Mistake(
      "import people.csv --user id --residence c --format xml",
      "Error: The value 'xml' is invalid for '--format <format>'. Please provide one of 'csv' and 'ndjson'.\nHelp:  --format <format>  The file's format; by default as its name says.\n\(Mistake.importing)",
      64),
  ]

  @Test(arguments: usage)
  func `a wrong command line is told what is right`(mistake: Mistake) async throws {
    try await check(mistake)
  }

  @Test(arguments: [
    "101y", "0s", "-5d", "+5d", "05d", "5", "d", "1.5h", "5D", "5mo", "5215w",
    "99999999999999999999d",
  ])
  func `a lifetime is a whole number and a unit`(lifetime: String) async throws {
    try await check(
      Mistake(
        ["put", "ada", "inbox", "k", "v", "--data", "data", "--expires-after=\(lifetime)"],
        "Error: The value '\(lifetime)' is invalid for '--expires-after <time>'\nHelp:  --expires-after <time>  How long the record is kept, such as 90s, 12h, 30d or 1y. By default as the user or the policy says.\n\(Mistake.put)",
        64))
  }

  @Test(arguments: [
    "init", "policy apply", "admit rik --residence DE", "where ada", "put ada inbox k v",
    "import people.csv --user id", "erase ada", "hold list ada", "sweep", "placements", "shards",
    "doctor",
  ])
  func `an empty data folder is refused, as an unset variable of a script makes it`(line: String)
    async throws
  {
    let result = try await Workspace().domicile(
      line.split(separator: " ").map(String.init) + ["--data", ""])
    #expect(
      result.error.hasPrefix(
        "Error: --data is empty. Name a folder, or leave it out for ./domicile-data.\nUsage: "),
      "\(result)")
    #expect(result.exitCode == 64)
  }

  @Test(arguments: [
    "init", "policy check", "policy test", "policy coverage", "policy print", "policy apply",
  ])
  func `an empty regions folder is refused, too`(line: String) async throws {
    let result = try await Workspace().domicile(
      line.split(separator: " ").map(String.init) + ["--regions", ""])
    #expect(
      result.error.hasPrefix(
        "Error: --regions is empty. Name a folder, or leave it out for ./regions.\nUsage: "),
      "\(result)")
    #expect(result.exitCode == 64)
  }

  @Test(arguments: [
    (
      ["policy", "explain", "--residence", "DE", "--regions", ""],
      "The name of a regions folder is empty."
    ),
    (["policy", "diff", "", "regions"], "The name of a regions folder is empty."),
    (["where", "ada", "--key-file", ""], "--key-file is empty. Name a file, or leave it out for"),
  ])
  func `an empty name is refused wherever a file or folder is named`(
    arguments: [String], error: String
  ) async throws {
    let result = try await Workspace().domicile(arguments)
    #expect(result.error.hasPrefix("Error: \(error)") && result.exitCode == 64, "\(result)")
  }

  // MARK: Names

  private static let names = [
    Mistake(
      "admit rik --residence UK --data data",
      "unknownName: Unknown country “UK”; did you mean “GB”? Countries are ISO 3166-1 alpha-2 codes.\n",
      65),
    Mistake(
      "admit rik --residence Germany --data data",
      "unknownName: Unknown country “Germany”; did you mean “DE”? Countries are ISO 3166-1 alpha-2 codes.\n",
      65),
    Mistake(
      "admit rik --residence QQQ --data data",
      "unknownName: Unknown country “QQQ”; known: DE, IE, IN, KP, US. Countries are ISO 3166-1 alpha-2 codes.\n",
      65),
    Mistake(
      "admit rik --residence DE --attribute scc-singed --data data",
      "unknownName: Unknown attribute “scc-singed”; did you mean “scc-signed”? Only attributes that the policy declares are kept.\n",
      65),
    Mistake(
      "admit rik --residence DE --class message --data data",
      "unknownName: Unknown data class “message”; did you mean “messages”?\n", 65),
    Mistake(
      "admit rik --residence DE --class directory --data data",
      "invalidArgument: The class “directory” has no collections, so nothing is placed for it.\n",
      65),
    Mistake(
      "admit rik --residence DE --region dubln --data data",
      "unknownName: Unknown region “dubln”; did you mean “dublin”?\n", 65),
    Mistake(
      "put ada inbx k v --data data",
      "unknownName: Unknown collection “inbx”; did you mean “inbox”? The policy lists the collections of each data class.\n",
      65),
    Mistake(
      "get ada shoes k --data data",
      "unknownName: Unknown collection “shoes”; known: inbox, receipts, threads. The policy lists the collections of each data class.\n",
      65),
    Mistake(
      "policy explain --residence DE --class message --data data",
      "unknownName: Unknown data class “message”; did you mean “messages”?\n", 65),
    Mistake(
      "policy explain --residence DE --attribute x --data data",
      "unknownName: Unknown attribute “x”; known: scc-signed. Only attributes that the policy declares are kept.\n",
      65),
    Mistake(
      "policy explain --residence DE --region dubln --regions regions",
      "unknownName: Unknown region “dubln”; did you mean “dublin”?\n", 65),
    Mistake(
      "get ada inbox k --carry dubln --data data",
      "unknownName: Unknown region “dubln”; did you mean “dublin”?\n", 65),
  ]

  @Test(arguments: names)
  func `an unknown name is answered with the nearest right one`(mistake: Mistake) async throws {
    try await check(mistake)
  }

  // MARK: Users and the policy

  private static let refusals = [
    Mistake(
      "admit rik --residence KP --data data",
      """
      unplaceable: messages of a resident of KP may live in no country
        kp-at-home (policy.yaml:22) stores only in KP
          because: Its law demands it.
        press-freedom (policy.yaml:3) excludes 1 country
          because: Jails people for what they write.
      Nothing was written.

      """, 3),
    Mistake(
      "admit rik --residence DE --region mumbai --data data",
      """
      refused: messages of a resident of DE may not live in mumbai (IN)
        eu-at-home (policy.yaml:12) stores only in EU, which rules out IN
          because: GDPR chapter V
        legal instead: dublin
      Nothing was written.

      """, 3),
    Mistake(
      "admit rik --residence IN --region ashburn --data data",
      """
      refused: payments of a resident of IN may not live in ashburn (US)
        in-payments (policy.yaml:17) stores only in IN, which rules out US
          because: RBI/2017-18/153
        legal instead: mumbai
        there is a place in ashburn for messages: to admit the user for these only, name them (“--class”)
      Nothing was written.

      """, 3),
    Mistake(
      "admit ada --residence IN --data data",
      "tagsDiffer: The user was admitted with other tags, which an admission does not change. Nothing was written. If these are right now, change them first (“domicile retag”).\n",
      1),
    Mistake(
      "admit ada --residence DE --attribute scc-signed --data data",
      "tagsDiffer: The user was admitted with other tags, which an admission does not change. Nothing was written. If these are right now, change them first (“domicile retag”).\n",
      1),
    Mistake(
      "where rik --data data",
      "notFound: No such user was admitted. Check the id, or admit the user first (“domicile admit”).\n",
      4),
    Mistake(
      "put rik inbox k v --data data",
      "notFound: No such user was admitted. Check the id, or admit the user first (“domicile admit”).\n",
      4),
    Mistake(
      "list rik inbox --data data",
      "notFound: No such user was admitted. Check the id, or admit the user first (“domicile admit”).\n",
      4),
    Mistake(
      "get ada inbox k --data data",
      "notFound: There is no such record, or it has expired. “domicile list” shows those that there are.\n",
      4),
    Mistake(
      "delete ada inbox k --data data",
      "notFound: There was no such record, or it had expired. Nothing was deleted. “domicile list” shows those that there are.\n",
      4),
    Mistake(
      "get ada inbox k --carry ashburn --data data",
      "elsewhere: The region dublin is not carried by this process. Forward the call to one that does.\n",
      7),
    Mistake(
      "admit rik --residence DE --carry ashburn --data data",
      "elsewhere: The region dublin, where the user's messages would live, is not carried by this process. Forward the call to one that does; nothing was written.\n",
      7),
  ]

  @Test(arguments: refusals)
  func `a refusal says who refuses, why, and what is legal`(mistake: Mistake) async throws {
    try await check(mistake)
  }

  @Test func `a home stays where it is`() async throws {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit uma --residence US --data data")
    expect(
      try await workspace.domicile("admit uma --residence US --region mumbai --data data"),
      error:
        "alreadyPlaced: The user's home is in ashburn, and an admission does not move it. Nothing was written. “domicile move” does.\n",
      exitCode: 1)
  }

  @Test func `a class without a home says how to place it`() async throws {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit ida --residence DE --class messages --data data")
    expect(
      try await workspace.domicile("put ida receipts k v --data data"),
      error:
        "notFound: The user has no home for the class “payments”. Admit the user again to place it.\n",
      exitCode: 4)
  }

  // MARK: Limits

  private static let limits = [
    Mistake(
      ["put", "ada", "inbox", "", "v", "--data", "data"],
      "invalidArgument: A key has 1 to 1,024 bytes; this one has 0. Nothing was written.\n", 65),
    Mistake(
      "put ada inbox \(String(repeating: "k", count: 1_025)) v --data data",
      "invalidArgument: A key has 1 to 1,024 bytes; this one has 1025. Nothing was written.\n", 65),
    Mistake(
      ["put", "", "inbox", "k", "v", "--data", "data"],
      "invalidArgument: A user's id has 1 to 512 bytes; this one has 0.\n", 65),
    Mistake(
      "admit \(String(repeating: "u", count: 513)) --residence DE --data data",
      "invalidArgument: A user's id has 1 to 512 bytes; this one has 513.\n", 65),
    Mistake(
      "put ada inbox k - --data data",
      "invalidArgument: A value has at most 1,048,576 bytes; this one has 1048577. Nothing was written.\n",
      65, input: [UInt8](repeating: 0, count: 1_048_577)),
    Mistake(
      "put ada inbox k v --label =x --data data",
      "invalidArgument: A label's name has 1 to 64 bytes; this one has 0. Nothing was written.\n",
      65),
    Mistake(
      "put ada inbox k v --label x=\(String(repeating: "v", count: 257)) --data data",
      "invalidArgument: A label's value has at most 256 bytes; this one has 257. Nothing was written.\n",
      65),
    Mistake(
      "put ada inbox k v \((1...9).map { "--label l\($0)=x" }.joined(separator: " ")) --data data",
      "invalidArgument: A record has at most 8 labels; this one has 9. Nothing was written.\n", 65),
    Mistake(
      "list ada inbox --limit 0 --data data",
      "invalidArgument: A page has 1 to 1000 records; 0 were asked for.\n", 65),
    Mistake(
      "list ada inbox --limit 1001 --data data",
      "invalidArgument: A page has 1 to 1000 records; 1001 were asked for.\n", 65),
  ]

  @Test(arguments: limits)
  func `what is too long or too many says how many there may be`(mistake: Mistake) async throws {
    try await check(mistake)
  }

  @Test func `what is just small enough is stored`() async throws {
    let workspace = try await Workspace.deployed()
    let user = String(repeating: "u", count: 512)
    let key = String(repeating: "k", count: 1_024)
    _ = try await workspace.domicile("admit \(user) --residence DE --data data")
    let value = [UInt8](repeating: 7, count: 1_048_576)
    let labels = (1...8).map { "--label l\($0)=\(String(repeating: "v", count: 256))" }
    let put = try await workspace.domicile(
      "put \(user) inbox \(key) - --data data \(labels.joined(separator: " "))", input: value)
    #expect(put.exitCode == 0, "\(put)")
    #expect(try await workspace.domicile("get \(user) inbox \(key) --data data").bytes == value)
  }
}
