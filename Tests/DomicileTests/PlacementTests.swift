import Domicile
import DomicileTesting
import Testing

/// Where an admission places each class of a user's data.
@Suite struct PlacementTests {
  // MARK: Without a wish

  @Test(arguments: [
    ("DE", ["messages": "dublin", "payments": "dublin"]),
    ("IN", ["messages": "mumbai", "payments": "mumbai"]),
    ("US", ["messages": "ashburn", "payments": "ashburn"]),
    ("in", ["messages": "mumbai", "payments": "mumbai"]),
  ])
  func `the nearest legal region takes a user`(
    residence: String, regions: [String: String]
  ) async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let admitted = try await router.admit(UserID("u"), residence: residence)
      #expect(admitted.regions == regions)
      #expect(admitted.isNew)
    }
  }

  @Test func `what the policy prefers comes before what is near`() async throws {
    let files = RegionFiles.small.replacing(
      "  - name: kp-at-home", in: "policy.yaml",
      with: """
          - name: us-prefers-india
            residents: US
            classes: messages
            prefer: [IN, IE]
            reason: A test.
          - name: kp-at-home
        """)
    let deployment = try await TemporaryDeployment(files: files)
    try await deployment.withRouter { router in
      let admitted = try await router.admit(UserID("ann"), residence: "US")
      #expect(admitted.regions == ["messages": "mumbai", "payments": "ashburn"])
    }
  }

  @Test func `equal shards are filled evenly and a user's classes stay together`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      for number in 0..<20 { try await router.admit(UserID("\(number)"), residence: "DE") }
    }
    try await OpenFiles.with(deployment) { files in
      let placements = try files.directory.shards().filter { $0.region == "dublin" }
        .map(\.placements)
      #expect(placements == [20, 20])
      for number in 0..<20 {
        let entry = try #require(try files.directory.user(files.owner("\(number)")))
        #expect(Set(entry.placements.map(\.shard)).count == 1)
      }
    }
  }

  @Test func `the same admissions in the same order give the same placements`() async throws {
    var seen: [[String]] = []
    for _ in 0..<2 {
      let deployment = try await TemporaryDeployment()
      try await deployment.withRouter { router in
        var random = SeededRandom(seed: 42)
        for number in 0..<40 {
          let residence = ["DE", "IE", "IN", "US"].randomElement(using: &random) ?? "DE"
          try await router.admit(UserID("\(number)"), residence: residence)
        }
      }
      seen.append(
        try await OpenFiles.with(deployment) { files in
          try (0..<40).flatMap { number in
            try files.directory.user(files.owner("\(number)"))?.placements.map {
              "\(number) \($0.dataClass) \($0.shard) \($0.serial)"
            } ?? []
          }
        })
    }
    #expect(seen[0].count == 80)
    #expect(seen[0] == seen[1])
  }

  // MARK: With a wish

  @Test func `an admission's wish is granted where it is legal`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let admitted = try await router.admit(UserID("ann"), residence: "US", region: "mumbai")
      #expect(admitted.regions == ["messages": "mumbai", "payments": "mumbai"])
    }
  }

  @Test func `a wish that is legal for one class and not for another writes nothing`() async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let error = try await #require(throws: RouterError.self) {
        try await router.admit(UserID("asha"), residence: "IN", region: "dublin")
      }
      #expect(error.code == .refused)
      #expect(error.verdict?.dataClass == "payments")
      #expect(error.verdict?.alternatives == ["mumbai"])
      let unknown = try await #require(throws: RouterError.self) {
        try await router.user(UserID("asha"))
      }
      #expect(unknown.code == .notFound)
    }
  }

  @Test func `place grants a legal wish and refuses another with the verdict`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("asha"), residence: "IN", dataClasses: ["payments"])
      let asha = try await router.user(UserID("asha"))
      try await asha.place("messages", in: "ashburn")
      try await asha.put("a".utf8, key: "1", in: .inbox)
      // Again: it is there already.
      try await asha.place("messages", in: "ashburn")

      let moved = try await #require(throws: RouterError.self) {
        try await asha.place("messages", in: "dublin")
      }
      #expect(moved.code == .alreadyPlaced)
      #expect(moved.region == "ashburn")
      let refused = try await #require(throws: RouterError.self) {
        try await asha.place("payments", in: "ashburn")
      }
      #expect(refused.code == .refused)
      #expect(refused.verdict?.rules.map(\.name) == ["in-payments"])
      for (dataClass, region) in [("massages", "dublin"), ("messages", "dubln")] {
        let unknown = try await #require(throws: RouterError.self) {
          try await asha.place(dataClass, in: region)
        }
        #expect(unknown.code == .unknownName)
      }
    }
  }

  @Test func `a wish against a home that is elsewhere already writes nothing`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("ann"), residence: "US", dataClasses: ["messages"])
      let error = try await #require(throws: RouterError.self) {
        try await router.admit(UserID("ann"), residence: "US", region: "mumbai")
      }
      #expect(error.code == .alreadyPlaced)
      #expect(error.region == "ashburn")
    }
    try await OpenFiles.with(deployment) { files in
      let payments = try files.placement("ann", "payments")
      #expect(payments == nil)
    }
  }

  @Test func `a wish takes over an admission that was left at another place`() async throws {
    let deployment = try await TemporaryDeployment()
    try await OpenFiles.with(deployment) { files in
      let law = try await files.apply(.small)
      try await StepwiseAdmitter(files, user: "ann", profile: .american, law: law)
        .take(through: .stage)
    }
    try await deployment.withRouter { router in
      let admitted = try await router.admit(UserID("ann"), residence: "US", region: "mumbai")
      #expect(admitted.regions == ["messages": "mumbai", "payments": "mumbai"])
    }
    try await OpenFiles.with(deployment) { files in
      let homes = try files.homes("ann", "messages")
      #expect(homes["ashburn-1"]?.state == .absent)
      #expect(homes["mumbai-1"]?.state == .active)
      let counts = try files.directory.shards().map { "\($0.name) \($0.placements)" }
      #expect(counts == ["ashburn-1 0", "dublin-1 0", "dublin-2 0", "mumbai-1 2"])
    }
  }

  // MARK: Again

  @Test func `admitting again with the same tags changes nothing`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let first = try await router.admit(
        UserID("ada"), residence: "DE", attributes: ["scc-signed"])
      let again = try await router.admit(
        UserID("ada"), residence: "de", attributes: ["scc-signed", "scc-signed"])
      #expect(first.isNew)
      #expect(!again.isNew)
      #expect(again.regions == first.regions)
    }
  }

  @Test func `admitting again with other tags is refused`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      for (residence, attributes) in [("IE", []), ("DE", ["scc-signed"])] {
        let error = try await #require(throws: RouterError.self) {
          try await router.admit(UserID("ada"), residence: residence, attributes: attributes)
        }
        #expect(error.code == .tagsDiffer)
      }
      #expect(ada.profile == .european)
    }
  }

  @Test func `some classes can be placed first and the rest later`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let first = try await router.admit(
        UserID("ada"), residence: "DE", dataClasses: ["payments", "payments"])
      #expect(first.regions == ["payments": "dublin"])
      #expect(first.isNew)
      let ada = try await router.user(UserID("ada"))
      let error = try await #require(throws: RouterError.self) {
        try await ada.put([1], key: "1", in: .inbox)
      }
      #expect(error.code == .notFound)
      let rest = try await router.admit(UserID("ada"), residence: "DE")
      #expect(rest.regions == ["messages": "dublin", "payments": "dublin"])
      #expect(rest.isNew)
      try await ada.put([1], key: "1", in: .inbox)
    }
  }

  // MARK: Many

  @Test func `a thousand admissions come back in their order with refusals in between`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    let residences = ["DE", "KP", "IN", "US", "XX"]
    let people = (0..<1_000).map {
      Admission(user: UserID("\($0)"), residence: residences[$0 % residences.count])
    }
    try await deployment.withRouter { router in
      let results = await router.admit(people)
      #expect(results.count == people.count)
      for (number, result) in results.enumerated() {
        switch (residences[number % residences.count], result) {
        case ("DE", .success(let admitted)): #expect(admitted.regions["messages"] == "dublin")
        case ("IN", .success(let admitted)): #expect(admitted.regions["messages"] == "mumbai")
        case ("US", .success(let admitted)): #expect(admitted.regions["messages"] == "ashburn")
        case ("KP", .failure(let error)): #expect(error.code == .unplaceable)
        case ("XX", .failure(let error)): #expect(error.code == .unknownName)
        default: Issue.record("person \(number): \(result)")
        }
      }
      let again = await router.admit(people)
      #expect(again.compactMap { try? $0.get() }.count == 600)
      #expect(again.compactMap { try? $0.get() }.allSatisfy { !$0.isNew })
    }
    try await OpenFiles.with(deployment) { files in
      let placed = try files.directory.shards().map(\.placements).reduce(0, +)
      #expect(placed == 1_200)
    }
  }

  @Test func `the same person twice in one call is one user`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let results = await router.admit([
        Admission(user: UserID("ada"), residence: "DE"),
        Admission(user: UserID("ada"), residence: "DE"),
        Admission(user: UserID("ada"), residence: "US"),
      ])
      for result in results.prefix(2) {
        let admitted = try result.get()
        #expect(admitted.regions == ["messages": "dublin", "payments": "dublin"])
      }
      let error = try #require(throws: RouterError.self) { try results[2].get() }
      #expect(error.code == .tagsDiffer)
    }
    try await OpenFiles.with(deployment) { files in
      let placed = try files.directory.shards().map(\.placements).reduce(0, +)
      #expect(placed == 2)
    }
  }
}
