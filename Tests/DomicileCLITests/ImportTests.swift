import DomicileTesting
import Foundation
import Testing

@Suite struct ImportTests {
  private static let all =
    "--data data --user id --residence country --into inbox --record-key key --rejects rejects"

  /// Imports a text as a file of that name, into a new deployment.
  private func imported(
    _ text: String, as name: String = "people.csv", _ options: String = all
  ) async throws -> (Workspace, CommandResult) {
    let workspace = try await Workspace.deployed()
    try workspace.write(text, to: name)
    return (workspace, try await workspace.domicile("import \(name) \(options)"))
  }

  private func value(_ workspace: Workspace, _ user: String, _ key: String) async throws -> String {
    try await workspace.domicile(["get", user, "inbox", key, "--data", "data"]).output
  }

  @Test func `where the data may not be processed the reason says where the import may run`()
    async throws
  {
    let workspace = try await Workspace.deployed(
      .small.replacing(
        "otherwise: {store: anywhere}", in: "policy.yaml",
        with: """
            - {name: readers, residents: DE, classes: messages, process: EU, reason: GDPR Chapter V}
          otherwise: {store: anywhere}
          """))
    try workspace.write("id,country,key\n1,DE,k\n", to: "people.csv")
    let result = try await workspace.domicile("import people.csv \(Self.all) --location US")
    #expect(result.exitCode == 3 && !result.error.contains("Repeat"), "\(result)")
    #expect(
      try workspace.read("rejects/people.refused.csv") == """
        line,code,reason
        2,processingRefused,"messages of a resident of DE may not be read and written by a process in US; \
        readers (policy.yaml:26) is processed only in EU; \
        import where it may be processed (DE, IE), and say where that is with --location"

        """)
    let again = try await workspace.domicile("import people.csv \(Self.all) --location IE")
    #expect(again.exitCode == 0, "\(again)")
  }

  @Test func `a record that is held, and a user who is being erased, do not stop the import`()
    async throws
  {
    let workspace = try await Workspace.deployed()
    try workspace.write("id,country,key,note\n1,DE,k,old\n2,IN,k,old\n", to: "people.csv")
    #expect(try await workspace.domicile("import people.csv \(Self.all)").exitCode == 0)
    for (line, exitCode) in [
      ("hold add 1 case --reason Court", 0), ("hold add 2 case --reason Court", 0),
      ("erase 2 --yes", 8),
    ] {
      #expect(try await workspace.domicile("\(line) --data data").exitCode == Int32(exitCode))
    }
    try workspace.write(
      "id,country,key,note\n1,DE,k,new\n2,IN,k,new\n3,DE,k,new\n", to: "people.csv")
    let result = try await workspace.domicile("import people.csv \(Self.all)")
    #expect(result.exitCode == 3 && result.error.isEmpty, "\(result)")
    let refused = try workspace.read("rejects/people.refused.csv")
    #expect(
      refused.split(separator: "\n").map {
        $0.split(separator: ",").prefix(2).joined(separator: ",")
      }
        == ["line,code", "2,held", "3,erasing"], "\(refused)")
    #expect(try await value(workspace, "1", "k").contains("old"))
    #expect(try await value(workspace, "3", "k").contains("new"))
    // Also where nobody is admitted.
    let records = try await workspace.domicile(
      "import people.csv --data data --user id --into inbox --record-key key --rejects rejects")
    #expect(records.exitCode == 3, "\(records)")
    #expect(try workspace.read("rejects/people.refused.csv").contains("\n3,erasing,"))
  }

  // MARK: Formats

  @Test(arguments: ["\n", "\r\n"], ["", "\u{FEFF}"])
  func `CSV keeps quoted newlines, commas and quotes, with either line end and with a mark`(
    lineEnd: String, mark: String
  ) async throws {
    let text =
      mark
      + [
        #"id,country,key,note"#, #"1,DE,k1,"two"#, #"lines, ""quoted"" here""#, "",
        #"2,us,k 2, kept as it is "#, #"3,IE,"k,3","""#, #"4,IN,k4,ünï"#,
      ].joined(separator: lineEnd)
    let (workspace, result) = try await imported(text)
    expect(
      result,
      output: """
        4 lines: 4 people admitted, 0 lines of people known before
        records: 4 written, 0 unchanged

        """)
    #expect(
      try await value(workspace, "1", "k1")
        == #"{"country":"DE","id":"1","key":"k1","note":"two\nlines, \"quoted\" here"}"#)
    #expect(
      try await value(workspace, "2", "k 2")
        == #"{"country":"us","id":"2","key":"k 2","note":" kept as it is "}"#)
    #expect(
      try await value(workspace, "3", "k,3")
        == #"{"country":"IE","id":"3","key":"k,3","note":""}"#)
    #expect(
      try await value(workspace, "4", "k4")
        == #"{"country":"IN","id":"4","key":"k4","note":"ünï"}"#)
    #expect(try !workspace.exists("rejects/people.bad.csv"))
    #expect(try !workspace.exists("rejects/people.refused.csv"))
  }

  @Test(arguments: ["people.ndjson", "people.jsonl"])
  func `a JSON object a line is stored as it is`(name: String) async throws {
    let (workspace, result) = try await imported(
      """
      {"id":"n1", "country":"DE", "key":"k1", "more":{"of":[1,2]}}

      {"id":77,"country":"DE","key":2}
      [1]
      {"id":true,"country":"DE","key":"k"}
      not JSON
      {"id":1.5,"country":"DE","key":"k"}
      {"id":null,"country":"DE","key":"k"}
      {"country":"DE","key":"k"}
      {"id":"","country":"DE","key":"k"}
      {"id":"n2","country":"KP","key":"k"}
      """, as: name)
    expect(
      result,
      output: """
        10 lines: 2 people admitted, 0 lines of people known before
        records: 2 written, 0 unchanged
        1 refused: see rejects/people.refused.csv
        7 wrong: see rejects/people.bad.csv

        """, exitCode: 65)
    #expect(
      try workspace.read("rejects/people.bad.csv") == """
        line,code,reason
        4,badLine,"this is not a JSON object"
        5,badLine,"“id” is missing, empty, or neither text nor a whole number"
        6,badLine,"this is not a JSON object"
        7,badLine,"“id” is missing, empty, or neither text nor a whole number"
        8,badLine,"“id” is missing, empty, or neither text nor a whole number"
        9,badLine,"“id” is missing, empty, or neither text nor a whole number"
        10,badLine,"“id” is missing, empty, or neither text nor a whole number"

        """)
    #expect(
      try await value(workspace, "n1", "k1")
        == #"{"id":"n1", "country":"DE", "key":"k1", "more":{"of":[1,2]}}"#)
    #expect(try await value(workspace, "77", "2") == #"{"id":77,"country":"DE","key":2}"#)
  }

  @Test func `--format says what the name does not`() async throws {
    let (workspace, result) = try await imported(
      #"{"id":"n1","country":"DE","key":"k1"}"#, as: "people.txt", "\(Self.all) --format ndjson")
    expect(
      result,
      output: """
        1 lines: 1 people admitted, 0 lines of people known before
        records: 1 written, 0 unchanged

        """)
    #expect(try await value(workspace, "n1", "k1") == #"{"id":"n1","country":"DE","key":"k1"}"#)
  }

  // MARK: Lines that are left out

  @Test func `wrong lines and refused people are listed by line, and all others are kept`()
    async throws
  {
    let workspace = try await Workspace.deployed()
    let text = """
      id,country,key,note
      3,DE,k1,a "stray quote
      4,DE,k1,fine
      5,DE,k1
      6,DE,k1,a,b

      7,DE,k1,\u{FF}
      8,UK,k1,x
      9,KP,k1,x
      ,DE,k1,x
      10,DE,,x
      11,,k1,x
      4,US,k1,x
      12,DE,k2,"open
      13,DE,k1,x
      """
    // The one character beyond ASCII becomes a byte that is no UTF-8.
    try workspace.write(Array(text.unicodeScalars.map { UInt8($0.value) }), to: "people.csv")
    expect(
      try await workspace.domicile("import people.csv \(Self.all)"),
      output: """
        12 lines: 1 people admitted, 0 lines of people known before
        records: 1 written, 0 unchanged
        1 refused: see rejects/people.refused.csv
        10 wrong: see rejects/people.bad.csv

        """, exitCode: 65)
    #expect(
      try workspace.read("rejects/people.bad.csv") == """
        line,code,reason
        2,badLine,"the quotes are not right: a quote is missing, or not doubled"
        4,badLine,"3 fields, where the header has 4"
        5,badLine,"5 fields, where the header has 4"
        7,badLine,"this is not UTF-8 text"
        8,unknownName,"Unknown country; did you mean “GB”? Countries are ISO 3166-1 alpha-2 codes."
        10,badLine,"“id” is empty"
        11,badLine,"“key” is empty"
        12,badLine,"“country” is empty"
        13,tagsDiffer,"The user was admitted with other tags, which an admission does not change. Nothing was written. If these are right now, change them first (“domicile retag”)."
        14,badLine,"a quoted field that begins here never ends"

        """)
    #expect(
      try workspace.read("rejects/people.refused.csv") == """
        line,code,reason
        9,unplaceable,"messages of a resident of KP may live in no country; kp-at-home (policy.yaml:22) stores only in KP; press-freedom (policy.yaml:3) excludes 1 country"

        """)
    for id in ["4"] { #expect(try await !value(workspace, id, "k1").isEmpty) }
    for id in ["3", "5", "6", "7", "8", "9", "10", "11", "12"] {
      let result = try await workspace.domicile("where \(id) --data data")
      #expect(result.exitCode == 4, "\(id) was admitted")
    }
  }

  @Test func `people whom the policy refuses end an import of right lines with 3`() async throws {
    let (workspace, result) = try await imported("id,country,key\n1,DE,k\n2,KP,k\n")
    expect(
      result,
      output: """
        2 lines: 1 people admitted, 0 lines of people known before
        records: 1 written, 0 unchanged
        1 refused: see rejects/people.refused.csv

        """, exitCode: 3)
    // The lists are for their owner alone, and an import without such lines removes them.
    let attributes = try FileManager.default.attributesOfItem(
      atPath: try workspace.file("rejects/people.refused.csv"))
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
    try workspace.write("id,country,key\n1,DE,k\n", to: "people.csv")
    #expect(try await workspace.domicile("import people.csv \(Self.all)").exitCode == 0)
    #expect(try !workspace.exists("rejects/people.refused.csv"))
  }

  @Test func `a quoted field of a wrong row is never taken for a row`() async throws {
    let (workspace, result) = try await imported(
      """
      id,country,key,note
      ,DE,k1,"x
      57,US,k9,smuggled
      y"
      1,DE,k1,"x
      58,US,k9,smuggled
      y",too many
      51,DE,k1,b
      """)
    expect(
      result,
      output: """
        3 lines: 1 people admitted, 0 lines of people known before
        records: 1 written, 0 unchanged
        2 wrong: see rejects/people.bad.csv

        """, exitCode: 65)
    #expect(
      try workspace.read("rejects/people.bad.csv") == """
        line,code,reason
        2,badLine,"“id” is empty"
        5,badLine,"5 fields, where the header has 4"

        """)
    for id in ["57", "58"] {
      #expect(try await workspace.domicile("where \(id) --data data").exitCode == 4)
    }
  }

  @Test(arguments: [
    #"a "stray"#, #"5" disk"#, #""closed" early"#, #"un""quoted"#,
  ])
  func `a lost quote costs its own line only`(field: String) async throws {
    let others = (1...1_200).map { "u\($0),DE,k,\"note \($0)\"" }
    let rows =
      ["id,country,key,note"] + others.prefix(100) + ["bad,DE,k,\(field)"] + others.dropFirst(100)
    let text = rows.joined(separator: "\n")
    let (workspace, result) = try await imported(text)
    expect(
      result,
      output: """
        1201 lines: 1200 people admitted, 0 lines of people known before
        records: 1200 written, 0 unchanged
        1 wrong: see rejects/people.bad.csv

        """, exitCode: 65)
    #expect(
      try workspace.read("rejects/people.bad.csv") == """
        line,code,reason
        102,badLine,"the quotes are not right: a quote is missing, or not doubled"

        """)
  }

  @Test(arguments: [#""open"#, "\"\"\""])
  func `a quote that is never closed takes the lines up to the next quote along, and says so`(
    field: String
  ) async throws {
    let text = """
      id,country,key,note
      bad,DE,k,\(field)
      u1,DE,k,one
      u2,DE,k,"two"
      u3,DE,k,"three"

      """
    let (workspace, result) = try await imported(text)
    #expect(result.exitCode == 65)
    #expect(
      try workspace.read("rejects/people.bad.csv") == """
        line,code,reason
        2,badLine,"the quotes are not right: a quote is missing, or not doubled; the row goes on to line 4"

        """)
    for (id, exitCode) in [("bad", 4), ("u1", 4), ("u2", 4), ("u3", 0)] {
      let found = try await workspace.domicile("where \(id) --data data")
      #expect(found.exitCode == Int32(exitCode))
    }
  }

  @Test func `what stands inside quotes never passes for a person, however long it is`()
    async throws
  {
    let inside = String(repeating: "victim,US,k,hacked\n", count: 2_000)
    let (workspace, result) = try await imported(
      "id,country,key,note\nu1,DE,k,\"\(inside)\"\nu2,DE,k,two\nu3,DE,k,\"\(inside)")
    #expect(result.exitCode == 65)
    #expect(
      try workspace.read("rejects/people.bad.csv") == """
        line,code,reason
        2004,badLine,"a quoted field that begins here never ends"

        """)
    for (id, exitCode) in [("u1", 0), ("u2", 0), ("u3", 4), ("victim", 4)] {
      let found = try await workspace.domicile("where \(id) --data data")
      #expect(found.exitCode == Int32(exitCode))
    }
  }

  @Test func `a line that is too long is left out whole, and ends an import of CSV`() async throws {
    let pad = String(repeating: " ", count: 3 << 20)
    let workspace = try await Workspace.deployed()
    try workspace.write(
      Array(
        #"{"id":"u1","c":"DE"}\#n\#(pad){"id":"victim","c":"US"}\#(pad)\#n{"id":"u2","c":"US"}"#
          .utf8),
      to: "people.ndjson")
    let arguments = "--data data --user id --residence c --rejects rejects"
    #expect(try await workspace.domicile("import people.ndjson \(arguments)").exitCode == 65)
    #expect(
      try workspace.read("rejects/people.bad.csv") == """
        line,code,reason
        2,badLine,"longer than 2 MiB, which is more than can be stored"

        """)
    for (id, exitCode) in [("u1", 0), ("u2", 0), ("victim", 4)] {
      let found = try await workspace.domicile("where \(id) --data data")
      #expect(found.exitCode == Int32(exitCode))
    }

    try workspace.write(Array("id,c\n\(pad)\nvictim,US\n".utf8), to: "people.csv")
    expect(
      try await workspace.domicile("import people.csv \(arguments)"),
      error: "badLine: people.csv:2: longer than 2 MiB, which is more than can be stored\n",
      exitCode: 65)
    #expect(try await workspace.domicile("where victim --data data").exitCode == 4)
  }

  @Test func `ids that look alike are different people`() async throws {
    let (workspace, result) = try await imported(
      "id,country,key,note\n\u{E9}x,DE,k,a\ne\u{301}x,DE,k,b\n")
    #expect(result.output.hasPrefix("2 lines: 2 people admitted"))
    #expect(result.exitCode == 0)
    for id in ["\u{E9}x", "e\u{301}x"] {
      #expect(try await workspace.domicile("where \(id) --data data").exitCode == 0)
    }
  }

  @Test func `what stands in a column named by mistake is not repeated in the lists`() async throws
  {
    let (workspace, result) = try await imported(
      "id,country,key,name\n1,DE,k,Marie Curie\n",
      "--data data --user id --residence name --attributes name --rejects rejects")
    #expect(result.exitCode == 65)
    #expect(
      try workspace.read("rejects/people.bad.csv") == """
        line,code,reason
        2,unknownName,"Unknown country; known: DE, IE, IN, KP, US. Countries are ISO 3166-1 alpha-2 codes."

        """)
  }

  @Test(arguments: [
    ("", "1: the file is empty; its first line names the columns"),
    ("\n1,DE,k\n", "1: the line is empty; it should name the columns"),
    ("id,key\n1,k\n", "1: no column “country”; there are: id, key"),
    ("id,country,key,id\n1,DE,k,1\n", "1: the column “id” stands in the header twice"),
    ("id,country,\"key\n", "1: the quotes are not right: a quote is missing, or not doubled"),
  ])
  func `a file without a header that can be used is not imported`(
    text: String, message: String
  ) async throws {
    let (workspace, result) = try await imported(text)
    expect(result, error: "badLine: people.csv:\(message)\n", exitCode: 65)
    #expect(try await workspace.domicile("where 1 --data data").exitCode == 4)
  }

  @Test func `a header without rows imports nothing`() async throws {
    let (_, result) = try await imported("id,country,key\r\n")
    expect(
      result,
      output: """
        0 lines: 0 people admitted, 0 lines of people known before
        records: 0 written, 0 unchanged

        """)
  }

  @Test func `a value that is too large is a wrong line, also of a person just admitted`()
    async throws
  {
    let text = "id,country,key,note\n1,DE,k,\(String(repeating: "x", count: 1 << 20))\n2,DE,k,x\n"
    let (workspace, result) = try await imported(text)
    expect(
      result,
      output: """
        2 lines: 2 people admitted, 0 lines of people known before
        records: 1 written, 0 unchanged
        1 wrong: see rejects/people.bad.csv

        """, exitCode: 65)
    let list = try workspace.read("rejects/people.bad.csv")
    #expect(
      list.contains(
        "2,invalidArgument,\"A value has at most 1,048,576 bytes; this one has 1048621."
          + " Nothing was written.\"\n"), "\(list)")
  }

  // MARK: Columns and users

  @Test func `attributes of the column are set`() async throws {
    let (workspace, result) = try await imported(
      """
      id,country,tags
      1,DE,scc-signed
      2,DE,
      3,DE,scc-signed  scc-signed
      4,DE,scc-singed
      """, "--data data --user id --residence country --attributes tags --rejects rejects")
    expect(
      result,
      output: """
        4 lines: 3 people admitted, 0 lines of people known before
        1 wrong: see rejects/people.bad.csv

        """, exitCode: 65)
    #expect(
      try workspace.read("rejects/people.bad.csv") == """
        line,code,reason
        5,unknownName,"Unknown attribute; did you mean “scc-signed”? Only attributes that the policy declares are kept."

        """)
    for (id, attributes) in [("1", "scc-signed"), ("2", "none"), ("3", "scc-signed")] {
      let location = try await workspace.domicile("where \(id) --data data")
      #expect(location.output.hasPrefix("residence DE, attributes: \(attributes)\n"))
    }
  }

  @Test func `records of users who were admitted need no residence`() async throws {
    let workspace = try await Workspace.deployed()
    _ = try await workspace.domicile("admit ada --residence DE --data data")
    _ = try await workspace.domicile("admit ida --residence DE --class payments --data data")
    try workspace.write("id,key\nada,k1\nida,k1\nbob,k1\nada,k2\nada,k2\n", to: "records.csv")
    expect(
      try await workspace.domicile(
        "import records.csv --data data --user id --into inbox --record-key key --rejects ."),
      output: """
        5 lines
        records: 2 written, 1 unchanged
        2 wrong: see ./records.bad.csv

        """, exitCode: 65)
    #expect(
      try workspace.read("records.bad.csv") == """
        line,code,reason
        3,notFound,"The user has no home for the class “messages”. Admit the user again to place it."
        4,notFound,"No such user was admitted. Check the id, or admit the user first (“domicile admit”)."

        """)
  }

  @Test func `a user has as many records as lines with different keys; the last of a key stays`()
    async throws
  {
    let (workspace, result) = try await imported(
      """
      id,country,key,note
      ada,DE,k1,first
      bob,US,k1,his
      ada,de,k2,second
      ada,DE,k1,changed
      ada,DE,k3,third
      """)
    expect(
      result,
      output: """
        5 lines: 2 people admitted, 3 lines of people known before
        records: 5 written, 0 unchanged

        """)
    let list = try await workspace.domicile("list ada inbox --data data")
    #expect(list.output.split(separator: "\n").map { $0.prefix(2) } == ["ke", "k1", "k2", "k3"])
    #expect(
      try await value(workspace, "ada", "k1")
        == #"{"country":"DE","id":"ada","key":"k1","note":"changed"}"#)
  }

  @Test func `a repeat leaves every record as it is`() async throws {
    let (workspace, _) = try await imported("id,country,key\nada,DE,k1\nbob,US,k1\nada,DE,k2\n")
    let before = try await workspace.domicile("list ada inbox --json --data data").output
    #expect(before.matches(of: /"version"/).count == 2)
    expect(
      try await workspace.domicile("import people.csv \(Self.all)"),
      output: """
        3 lines: 0 people admitted, 3 lines of people known before
        records: 0 written, 3 unchanged

        """)
    // Versions and times of writing included.
    #expect(try await workspace.domicile("list ada inbox --json --data data").output == before)
  }
}
