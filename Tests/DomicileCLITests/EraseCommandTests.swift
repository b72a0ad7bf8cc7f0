import Domicile
import DomicileTesting
import Foundation
import Testing

/// erase: receipts and exit codes.
@Suite struct EraseCommandTests {
  @Test func `an erased user is gone, and the receipt says what went from where`() async throws {
    let workspace = try await Workspace.withIda()
    expect(
      try await workspace.domicile("erase ida --yes --data data").maskingReceipt,
      output: """
        done: 3 records erased, 17 bytes
        class     collection  region  country  shard     records  bytes
        messages  all         mumbai  IN       mumbai-1        2     12
        payments  all         mumbai  IN       mumbai-1        1      5
        alias ALIAS, policy generation 1, serial NUMBER, TIME

        """)
    for command in ["where ida", "get ida inbox a/1", "erase ida"] {
      expect(
        try await workspace.domicile("\(command) --data data"),
        error:
          "notFound: No such user was admitted. Check the id, or admit the user first (“domicile admit”).\n",
        exitCode: 4)
    }
    expect(
      try await workspace.domicile("erase ida --yes --data data"),
      error: """
        notFound: Nobody of that id was admitted, or all is erased already. Check the id: nothing was erased.

        """, exitCode: 4)
    expect(
      try await workspace.domicile("doctor --data data").maskingSQLite,
      output: "sound: 0 users, 0 groups, 0 homes, 4 shards; SQLite VERSION\n")
    #expect(
      try await workspace.domicile("admit ida --residence US --data data").output
        == "admitted\n  messages in ashburn\n  payments in ashburn\n")
  }

  @Test func `classes are erased by themselves, and the user stays`() async throws {
    let workspace = try await Workspace.withIda()
    let result = try await workspace.domicile(
      "erase ida --class payments --class messages --yes --data data")
    #expect(result.exitCode == 0 && result.output.hasPrefix("done: 3 records erased, 17 bytes\n"))
    expect(
      try await workspace.domicile("where ida --data data").maskingReceipt,
      output: """
        residence IN, attributes: none
        alias ALIAS
        no class is placed

        """)
  }

  @Test func `a collection is erased, whole or by prefix, and the home stays`() async throws {
    let workspace = try await Workspace.withIda()
    expect(
      try await workspace.domicile("erase ida --collection inbox --prefix a/ --yes --data data")
        .maskingReceipt,
      output: """
        done: 1 record erased, 6 bytes
        class     collection  region  country  shard     records  bytes
        messages  inbox       mumbai  IN       mumbai-1        1      6
        alias ALIAS, policy generation 1, TIME

        """)
    #expect(try await workspace.domicile("get ida inbox b/1 --data data").output == "two")
    let json = try await workspace.json("erase ida --collection inbox --yes --json --data data")
    let receipt = try #require(json as? [String: Any])
    #expect(
      receipt.keys.sorted() == [
        "alias", "erased", "held", "isDone", "pending", "policyGeneration", "time",
      ])
    #expect(receipt["isDone"] as? Bool == true)
    let erased = try #require((receipt["erased"] as? [[String: Any]])?.first)
    #expect(
      erased.keys.sorted() == [
        "bytes", "collection", "country", "dataClass", "records", "region", "shard",
      ])
    #expect(erased["records"] as? Int == 1)
    #expect(try await workspace.domicile("put ida inbox b/1 again --data data").exitCode == 0)
  }

  // MARK: Held

  @Test func `what the policy keeps is held, out of reach, and erasing is where it stands`()
    async throws
  {
    let workspace = try await Workspace.withIda(.keepingPayments)
    let rule = "payments: shortest 5y (policy.yaml:9)"
    expect(
      try await workspace.domicile("erase ida --yes --data data").maskingReceipt,
      output: """
        done: 2 records erased, 12 bytes; 1 record held
        class     collection  region  country  shard     records  bytes
        messages  all         mumbai  IN       mumbai-1        2     12
        payments  all         mumbai  IN       mumbai-1        0      0
        held: 1 record of payments in mumbai-1 by \(rule), until TIME
        alias ALIAS, policy generation 1, serial NUMBER, TIME

        """, exitCode: 8)
    let json = try await workspace.json("erase ida --yes --json --data data", exitCode: 8)
    let held = (json as? [String: Any])?["held"] as? [[String: Any]]
    #expect(held?.first?.keys.sorted() == ["dataClass", "records", "rule", "shard", "until"])
    #expect(held?.first?["rule"] as? String == rule)
    // Whoever looks sees that it is there, and why nobody can read it.
    let place = try await workspace.domicile("where ida --data data").output
    #expect(place.contains("payments  mumbai  IN       mumbai-1  erasing\n"))
    expect(
      try await workspace.domicile("get ida receipts r --data data"),
      error:
        "notFound: This user is being erased, or was but for what must be kept: nothing can be read or written any more.\n",
      exitCode: 4)
    expect(
      try await workspace.domicile("admit ida --residence IN --data data"),
      error:
        "erasing: This user's data is being erased; nothing was written. Admit again when that is done.\n",
      exitCode: 1)
  }

  @Test func `what would stay is said before anything is erased`() async throws {
    let workspace = try await Workspace.withIda(.keepingPayments)
    _ = try await workspace.domicile(
      "hold add ida case/1 --class messages --reason R --until 2099-12-31 --data data")
    let preview = try await workspace.domicile("erase ida --data data")
    #expect(preview.exitCode == 64)
    #expect(
      preview.error.masking(/[0-9-]{10}T[0-9:]{8}Z/, as: "TIME") == """
        notConfirmed: Nothing was erased. With --yes this would go, for good:
          all records of the class messages in mumbai (IN), mumbai-1
          all records of the class payments in mumbai (IN), mumbai-1
          but not, for now, 2 records of messages in mumbai-1 by the legal hold “case/1”, until TIME
          but not, for now, 1 record of payments in mumbai-1 by payments: shortest 5y (policy.yaml:9), until TIME
          what stays of the user's own can be neither read nor placed anew until it has gone
          the user, whom nobody can find by id afterwards

        """)
    #expect(preview.error.contains("by the legal hold “case/1”, until 2100-01-01T00:00:00Z\n"))
    expect(
      try await workspace.domicile("erase ida --collection receipts --data data"),
      error: """
        notConfirmed: Nothing was erased. With --yes this would go, for good:
          all records of the collection receipts in mumbai (IN), mumbai-1
          but not what the policy keeps (payments: shortest 5y (policy.yaml:9))

        """, exitCode: 64)
    expect(
      try await workspace.domicile("erase ida --collection inbox --data data"),
      error: """
        notConfirmed: Nothing was erased. With --yes this would go, for good:
          all records of the collection inbox in mumbai (IN), mumbai-1
          but nothing at all while the legal hold “case/1” keeps messages, until 2100-01-01T00:00:00Z

        """, exitCode: 64)
  }

  @Test func `a record that the policy keeps is neither deleted nor replaced`() async throws {
    let workspace = try await Workspace.withIda(.keepingPayments)
    for command in ["delete ida receipts r", "put ida receipts r more"] {
      let result = try await workspace.domicile("\(command) --data data")
      let message = result.error.replacing(/[0-9-]{10}T[0-9:]{8}Z/, with: "TIME")
      #expect(
        message
          == "held: The record is held by payments: shortest 5y (policy.yaml:9), until TIME; nothing was deleted or replaced. Try again after that.\n"
      )
      #expect(result.exitCode == 8)
    }
    expect(
      try await workspace.domicile("erase ida --collection receipts --yes --data data")
        .maskingReceipt,
      output: """
        done: 0 records erased, 0 bytes; 1 record held
        class     collection  region  country  shard     records  bytes
        payments  receipts    mumbai  IN       mumbai-1        0      0
        held: 1 record of payments in mumbai-1 by payments: shortest 5y (policy.yaml:9), until TIME
        alias ALIAS, policy generation 1, TIME

        """, exitCode: 8)
    #expect(try await workspace.domicile("get ida receipts r --data data").output == "paid")
  }

  // MARK: Pending

  @Test func `a shard that is missing leaves the erasure pending, and a repeat ends it`()
    async throws
  {
    let workspace = try await Workspace.withIda()
    let file = try workspace.file(Workspace.mumbai)
    try FileManager.default.moveItem(atPath: file, toPath: "\(file).away")
    expect(
      try await workspace.domicile("erase ida --yes --data data").maskingReceipt,
      output: """
        pending: 0 records erased, 0 bytes
        pending: mumbai-1: unavailable: The file of the shard mumbai-1 is missing. Mount its volume or restore the file; a shard that held data is never made anew.
        alias ALIAS, policy generation 1, serial NUMBER, TIME

        """, exitCode: 5)
    let what = "what is left is not known, for the shard cannot be read"
    let unknown = try await workspace.domicile("where ida --data data")
    #expect(unknown.output.contains("\npending: messages in mumbai-1: \(what)\n"), "\(unknown)")
    let preview = try await workspace.domicile("erase ida --data data")
    #expect(
      preview.error.contains(
        "\n  but what is held in mumbai-1 stays: it is not known, for the shard cannot be read\n"),
      "\(preview)")
    try FileManager.default.moveItem(atPath: "\(file).away", toPath: file)
    let left = try await workspace.domicile("where ida --data data")
    #expect(
      left.output.contains("\npending: messages in mumbai-1: 2 records to be erased\n"), "\(left)")
    let found = try await workspace.domicile("doctor --data data").masking(
      /[0-9a-f]{32}/, as: "ALIAS")
    #expect(
      found.output.hasPrefix(
        "erasureUnfinished: The erasure of ALIAS (messages) in the shard mumbai-1 stopped half way. Run “domicile erase” for the user again; an open router goes on with it.\n"
      ))
    #expect(found.exitCode == 1)
    let again = try await workspace.domicile("erase ida --yes --data data")
    #expect(again.exitCode == 0 && again.output.hasPrefix("done: 3 records erased, 17 bytes\n"))
    #expect(try await workspace.domicile("doctor --data data").exitCode == 0)
  }

  @Test func `each run of an erasure counts what it deleted, the group's home with the user's own`()
    async throws
  {
    let workspace = try await Workspace.withIda()
    for line in [
      "admit uma --residence US --region dublin",
      "group create g --member ida --member uma --class messages --region ashburn",
      "put ida inbox k four --group g", "put uma inbox k2 hers --group g",
    ] {
      let result = try await workspace.domicile("\(line) --data data")
      try #require(result.exitCode == 0, "\(result)")
    }
    let file = try workspace.file("data/ashburn/ashburn-1.sqlite")
    try FileManager.default.moveItem(atPath: file, toPath: "\(file).away")
    let first = try await workspace.domicile("erase ida --yes --data data")
    #expect(first.exitCode == 5)
    #expect(first.output.hasPrefix("pending: 3 records erased, 17 bytes\n"), "\(first)")
    try FileManager.default.moveItem(atPath: "\(file).away", toPath: file)
    expect(
      try await workspace.domicile("erase ida --yes --data data").maskingReceipt,
      output: """
        done: 1 record erased, 5 bytes
        class     collection  region   country  shard      records  bytes
        messages  all         ashburn  US       ashburn-1        1      5
        messages  all         mumbai   IN       mumbai-1         0      0
        payments  all         mumbai   IN       mumbai-1         0      0
        alias ALIAS, policy generation 1, serial NUMBER, TIME

        """)
  }

  @Test func `somebody who reads keeps the bytes in the file, until a repeat purges it`()
    async throws
  {
    let workspace = try await Workspace.withIda()
    try await workspace.whileReading(Workspace.mumbai) {
      let json = try await workspace.json(
        "erase ida --deadline 1s --yes --json --data data", exitCode: 5)
      let receipt = try #require(json as? [String: Any])
      #expect(receipt["isDone"] as? Bool == false)
      #expect(
        receipt["pending"] as? [[String: String]] == [
          [
            "place": "mumbai-1",
            "reason":
              "Somebody reads an older state of the file. The purge is tried again until it is done.",
          ]
        ])
      // It can no longer be read all the same.
      #expect(try await workspace.domicile("get ida inbox a/1 --data data").exitCode == 4)
      let shards = try await workspace.domicile("shards --carry mumbai --data data").output
      #expect(shards.contains("up, purge pending\n"))
      expect(
        try await workspace.domicile("sweep --carry mumbai --data data"),
        output: """
          shard     region  records  state
          mumbai-1  mumbai        0  purge pending
          purge pending: Somebody reads an older state of the file. Let them finish; an open router goes on by itself, else repeat the command.
          1 erasure goes on: whoever began it has a minute to end it. Repeat the command after that.

          """, exitCode: 5)
    }
    let again = try await workspace.domicile("erase ida --yes --data data").maskingReceipt
    #expect(again.exitCode == 0 && again.output.hasPrefix("done: 0 records erased, 0 bytes\n"))
    for file in [Workspace.mumbai, "data/directory.sqlite"] {
      #expect(
        try !String(decoding: Data(contentsOf: URL(filePath: workspace.file(file))), as: UTF8.self)
          .contains("paid"))
    }
  }
}
