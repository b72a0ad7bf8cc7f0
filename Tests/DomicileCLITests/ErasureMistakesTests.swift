import Testing

extension Mistake {
  fileprivate static func synopsis(_ command: String, _ arguments: String, _ options: String)
    -> String
  {
    usage(
      "\(command) ",
      "\(command) \(arguments)[--data <folder>] [--key-file <file>] [--ledger-key-file <file>] [--actor <name>] [--carry <region> ...] [--location <country>] [--json]\(options)"
    )
  }
  fileprivate static let erase = usage("erase ", "erase [<options>] <user>")
  fileprivate static let holdAdd = usage(
    "hold add ", "hold add [<options>] <user> <name> --reason <text>")
  fileprivate static let release = synopsis("hold release", "<user> <name> ", " [--group]")
  fileprivate static let holdList = synopsis("hold list", "<user> ", " [--group]")
  fileprivate static let lifetime = usage(
    "lifetime ", "lifetime [<options>] <user> <collection>")
  fileprivate static let sweep = synopsis("sweep", "", " [--accept-clock] [--deadline <time>]")

  fileprivate static let nobody =
    "notFound: No such user was admitted. Check the id, or admit the user first (“domicile admit”).\n"
  fileprivate static let unknownClass =
    "unknownName: Unknown data class “mesages”; did you mean “messages”?\n"
  fileprivate static let unknownCollection =
    "unknownName: Unknown collection “inbx”; did you mean “inbox”? The policy lists the collections of each data class.\n"
  fileprivate static let directory =
    "invalidArgument: The class “directory” has no collections, so nothing is placed for it.\n"
}

/// What is said to whoever calls erase, hold, lifetime and sweep wrongly. Of ida messages and payments are placed, of
/// ben messages.
@Suite struct ErasureMistakesTests {
  private func check(_ mistake: Mistake) async throws {
    let workspace = try await Workspace.withIda()
    _ = try await workspace.domicile("admit ben --residence DE --class messages --data data")
    let result = try await workspace.domicile(mistake.arguments + ["--data", "data"])
    expect(result, error: mistake.error, exitCode: mistake.exitCode)
    // Nothing is erased, held or changed by it.
    #expect(
      try await workspace.domicile("doctor --data data").maskingSQLite.output
        == "sound: 2 users, 0 groups, 3 homes, 4 shards; SQLite VERSION\n")
    #expect(
      try await workspace.sqlite(
        Workspace.mumbai,
        "SELECT count(*), sum(expires IS NULL) FROM record; SELECT sum(holds), sum(lifetimes) FROM home"
      ) == ["3|3", "0|0"])
  }

  private static let erasing = [
    Mistake(
      "erase ida",
      """
      notConfirmed: Nothing was erased. With --yes this would go, for good:
        all records of the class messages in mumbai (IN), mumbai-1
        all records of the class payments in mumbai (IN), mumbai-1
        the user, whom nobody can find by id afterwards

      """, 64),
    Mistake(
      "erase ida --class messages",
      """
      notConfirmed: Nothing was erased. With --yes this would go, for good:
        all records of the class messages in mumbai (IN), mumbai-1

      """, 64),
    Mistake(
      "erase ida --collection inbox",
      """
      notConfirmed: Nothing was erased. With --yes this would go, for good:
        all records of the collection inbox in mumbai (IN), mumbai-1

      """, 64),
    Mistake(
      "erase ida --collection inbox --prefix a/ --json",
      """
      notConfirmed: Nothing was erased. With --yes this would go, for good:
        the records of the collection inbox whose keys begin with “a/” in mumbai (IN), mumbai-1

      """, 64),
    Mistake(
      ["erase", "ida", "--collection", "inbox", "--prefix", "", "--yes"],
      "Error: --prefix is empty. Leave it out to erase the whole collection.\n\(Mistake.erase)", 64),
    Mistake(
      "erase ben --class payments",
      """
      notConfirmed: Nothing was erased. With --yes this would go, for good:
        nothing: the user has no home for that

      """, 64),
    Mistake(
      "erase nobody --yes",
      """
      notFound: Nobody of that id was admitted, or all is erased already. Check the id: nothing was erased.

      """, 4),
    Mistake("erase nobody --collection inbox --yes", Mistake.nobody, 4),
    Mistake("erase ida --class mesages", Mistake.unknownClass, 65),
    Mistake("erase ida --class mesages --yes", Mistake.unknownClass, 65),
    Mistake("erase ida --class directory --yes", Mistake.directory, 65),
    Mistake("erase ida --collection inbx", Mistake.unknownCollection, 65),
    Mistake("erase ida --collection inbx --yes", Mistake.unknownCollection, 65),
    Mistake(
      "erase ben --collection receipts --yes",
      "notFound: The user has no home for the class “payments”. Admit the user again to place it.\n",
      4),
    Mistake(
      "erase ida --class messages --collection inbox",
      "Error: --class and --collection exclude each other.\n\(Mistake.erase)", 64),
    Mistake(
      "erase ida --prefix a/ --yes",
      "Error: --prefix goes with --collection.\n\(Mistake.erase)", 64),
    Mistake(
      "erase ida --deadline soon --yes",
      "Error: The value 'soon' is invalid for '--deadline <time>'\nHelp:  --deadline <time>  How long this may take, such as 30s; what is not done then is pending. By default 10s.\n\(Mistake.erase)",
      64),
    Mistake(
      "erase --yes",
      "Error: Missing expected argument '<user>'\nHelp:  <user>  The user's id.\n\(Mistake.erase)",
      64),
  ]

  @Test(arguments: erasing)
  func `an erasure that is not meant or not possible erases nothing`(mistake: Mistake) async throws
  {
    try await check(mistake)
  }

  private static let badName =
    "invalidArgument: A legal hold's name has 1 to 64 letters, digits, “-”, “_”, “.” or “/”. Nothing was held.\n"
  private static let badReason =
    "invalidArgument: A legal hold needs a reason, of at most 1,000 bytes. Nothing was held.\n"
  private static let badDay =
    "Help:  --until <yyyy-mm-dd>  The last day of the hold, by UTC. By default it lasts until it is released.\n\(Mistake.holdAdd)"
  private static let noHold =
    "notFound: There is no legal hold of that name here. Nothing was released. “domicile hold list” shows those that there are.\n"

  private static let holding = [
    Mistake("hold add nobody c --reason r", Mistake.nobody, 4),
    Mistake(["hold", "add", "ida", "a b", "--reason", "r"], badName, 65),
    Mistake(["hold", "add", "ida", "", "--reason", "r"], badName, 65),
    Mistake("hold add ida \(String(repeating: "c", count: 65)) --reason r", badName, 65),
    Mistake(["hold", "add", "ida", "c", "--reason", ""], badReason, 65),
    Mistake("hold add ida c --reason \(String(repeating: "r", count: 1_001))", badReason, 65),
    Mistake(
      "hold add ida c --reason r --until 2020-01-01",
      "invalidArgument: The end of the hold has passed. Nothing was held.\n", 65),
    Mistake("hold add ida c --reason r --class mesages", Mistake.unknownClass, 65),
    Mistake("hold add ida c --reason r --class directory", Mistake.directory, 65),
    Mistake(
      "hold add ben c --reason r --class payments",
      "notFound: There is no home for the class “payments”. Nothing was held. “domicile where” shows the classes that are placed.\n",
      4),
    Mistake(
      "hold add ida c --reason r --until 2027-02-30",
      "Error: The value '2027-02-30' is invalid for '--until <yyyy-mm-dd>'\n\(badDay)", 64),
    Mistake(
      "hold add ida c --reason r --until 2027-2-3",
      "Error: The value '2027-2-3' is invalid for '--until <yyyy-mm-dd>'\n\(badDay)", 64),
    Mistake(
      "hold add ida c",
      "Error: Missing expected argument '--reason <text>'\nHelp:  --reason <text>  Why, for whoever asks later.\n\(Mistake.holdAdd)",
      64),
    Mistake("hold release ida c", noHold, 4),
    Mistake("hold release nobody c", noHold, 4),
    Mistake(
      "hold release ida",
      "Error: Missing expected argument '<name>'\nHelp:  <name>  The hold's name, such as the number of a case.\n\(Mistake.release)",
      64),
    Mistake("hold list nobody", Mistake.nobody, 4),
    Mistake(
      "hold list",
      "Error: Missing expected argument '<user>'\nHelp:  <user>  The user's id.\n\(Mistake.holdList)",
      64),
    Mistake(
      "hold frob", "Error: Unknown option '--data'\n\(Mistake.usage("hold ", "hold <subcommand>"))",
      64),
  ]

  @Test(arguments: holding)
  func `a hold that is wrong holds nothing`(mistake: Mistake) async throws {
    try await check(mistake)
  }

  private static let oneOf = "Error: Say how long: one of --after, --never and --default.\n"

  private static let living = [
    Mistake("lifetime ida inbox", "\(oneOf)\(Mistake.lifetime)", 64),
    Mistake("lifetime ida inbox --never --default", "\(oneOf)\(Mistake.lifetime)", 64),
    Mistake("lifetime ida inbox --after 1d --never", "\(oneOf)\(Mistake.lifetime)", 64),
    Mistake(
      "lifetime ida inbox --after 1mo",
      "Error: The value '1mo' is invalid for '--after <time>'\nHelp:  --after <time>  Keep them so long, such as 12h, 30d or 1y.\n\(Mistake.lifetime)",
      64),
    Mistake(
      "lifetime ida --never",
      "Error: Missing expected argument '<collection>'\nHelp:  <collection>  The collection, such as inbox.\n\(Mistake.lifetime)",
      64),
    Mistake("lifetime ida inbx --never", Mistake.unknownCollection, 65),
    Mistake("lifetime nobody inbox --never", Mistake.nobody, 4),
    Mistake(
      "lifetime ben receipts --never",
      "notFound: The user has no home for the class “payments”. Admit the user again to place it.\n",
      4),
    Mistake(
      "put ida inbox k v --never-expires --expires-after 1d",
      "Error: --expires-after and --never-expires exclude each other.\n\(Mistake.put)", 64),
    Mistake(
      "sweep --deadline 0s",
      "Error: The value '0s' is invalid for '--deadline <time>'\nHelp:  --deadline <time>  How long one shard may take, such as 10m. By default 1m.\n\(Mistake.sweep)",
      64),
    Mistake(
      "sweep --carry dubln", "unknownName: Unknown region “dubln”; did you mean “dublin”?\n", 65),
  ]

  @Test(arguments: living)
  func `a lifetime or a sweep that is wrong changes nothing`(mistake: Mistake) async throws {
    try await check(mistake)
  }
}
