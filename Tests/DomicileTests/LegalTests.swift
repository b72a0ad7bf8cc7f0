import Domicile
import DomicileTesting
import Synchronization
import Testing

/// Promise 1: no record is committed to a shard while the policy in force forbids that place.
@Suite struct LegalTests {
  // MARK: Admission

  struct Refusal: Sendable, CustomTestStringConvertible {
    let what: String
    let admission: Admission
    let code: RouterError.Code
    let outcome: Verdict.Outcome
    let rules: [String]
    var testDescription: String { what }
  }

  static let refusals = [
    Refusal(
      what: "a European in Mumbai",
      admission: Admission(user: UserID("u"), residence: "DE", region: "mumbai"),
      code: .refused, outcome: .refused, rules: ["eu-at-home"]),
    Refusal(
      what: "an Indian's payments in Dublin",
      admission: Admission(
        user: UserID("u"), residence: "IN", dataClasses: ["payments"], region: "dublin"),
      code: .refused, outcome: .refused, rules: ["in-payments"]),
    Refusal(
      what: "a North Korean, whose law demands the excluded country",
      admission: Admission(user: UserID("u"), residence: "KP"),
      code: .unplaceable, outcome: .unplaceable, rules: ["press-freedom", "kp-at-home"]),
  ]

  @Test(arguments: refusals)
  func `an admission that the policy forbids is refused with its reasons`(
    refusal: Refusal
  ) async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      let result = await router.admit([refusal.admission])[0]
      let error = try #require(throws: RouterError.self) { try result.get() }
      #expect(error.code == refusal.code)
      let verdict = try #require(error.verdict)
      #expect(verdict.outcome == refusal.outcome)
      #expect(Set(verdict.rules.map(\.name)) == Set(refusal.rules))
      #expect(error.message.hasPrefix("Nothing was written."))
    }
    try await OpenFiles.with(deployment) { files in
      let users = try files.directory.users(after: 0, limit: 10)
      #expect(users.isEmpty)
    }
  }

  @Test func `a country that is legal but has no region is unserved`() async throws {
    let deployment = try await TemporaryDeployment(files: .europeansInGermany)
    try await deployment.withRouter { router in
      let error = try await #require(throws: RouterError.self) {
        try await router.admit(UserID("ada"), residence: "DE")
      }
      #expect(error.code == .unserved)
      #expect(error.verdict?.legalCountries == ["DE"])
    }
  }

  @Test func `the directory's own place is asked about too`() async throws {
    // Residents of India may have records in Mumbai, but no row in a directory in Dublin.
    let files = RegionFiles.small.replacing(
      "  - name: kp-at-home", in: "policy.yaml",
      with: """
          - name: in-directory
            residents: IN
            classes: directory
            store: IN
            reason: A test.
          - name: kp-at-home
        """)
    let deployment = try await TemporaryDeployment(files: files)
    try await deployment.withRouter { router in
      let error = try await #require(throws: RouterError.self) {
        try await router.admit(UserID("asha"), residence: "IN")
      }
      #expect(error.code == .refused)
      #expect(error.verdict?.dataClass == "directory")
      #expect(error.region == "dublin")
    }
    try await OpenFiles.with(deployment) { files in
      let asha = try files.directory.user(files.owner("asha"))
      #expect(asha == nil)
    }
  }

  @Test func `the directory's class holds no records of its own`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      let admitted = try await #require(throws: RouterError.self) {
        try await router.admit(UserID("bob"), residence: "DE", dataClasses: ["directory"])
      }
      #expect(admitted.code == .invalidArgument)
      let placed = try await #require(throws: RouterError.self) {
        try await ada.place("directory", in: "dublin")
      }
      #expect(placed.code == .invalidArgument)
    }
  }

  // MARK: A stricter policy

  @Test func `a home that became illegal refuses writes while reads and deletions go on`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("a".utf8, key: "1", in: .inbox, labels: ["thread": "7"])
      try await ada.put("b".utf8, key: "2", in: .inbox)
      let application = try await router.apply(.europeansInGermany)
      #expect(application.isApplied)

      let error = try await #require(throws: RouterError.self) {
        try await ada.put("c".utf8, key: "3", in: .inbox)
      }
      #expect(error.code == .barred)
      #expect(error.region == "dublin")
      #expect(error.verdict?.outcome == .refused)
      #expect(error.verdict?.rules.map(\.name) == ["eu-at-home"])
      var mixed = RecordBatch()
      mixed.delete("1", in: .inbox)
      mixed.put("c".utf8, key: "3", in: .inbox)
      let refused = try await #require(throws: RouterError.self) { try await ada.write(mixed) }
      #expect(refused.code == .barred)

      #expect(try await ada.get("1", in: .inbox)?.text == "a")
      #expect(try await ada.page(.inbox).records.map(\.key) == ["1", "2"])
      #expect(try await ada.delete("1", in: .inbox))
      #expect(try await ada.page(.inbox).records.map(\.key) == ["2"])

      try await router.apply(.small)
      try await ada.put("c".utf8, key: "3", in: .inbox)
      #expect(try await ada.page(.inbox).records.map(\.key) == ["2", "3"])
    }
  }

  @Test func `a home whose tags the policy no longer knows refuses writes and nothing else`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await router.admit(UserID("ada"), residence: "DE", attributes: ["scc-signed"])
      let ada = try await router.user(UserID("ada"))
      try await ada.put("a".utf8, key: "1", in: .inbox)
      let application = try await router.apply(
        RegionFiles.small
          .replacing("attributes: [scc-signed]", in: "policy.yaml", with: "attributes: [minor]")
          .replacing("    unless: {attribute: scc-signed}\n", in: "policy.yaml", with: ""))
      #expect(application.isApplied)
      let error = try await #require(throws: RouterError.self) {
        try await ada.put("b".utf8, key: "2", in: .inbox)
      }
      #expect(error.code == .barred)
      #expect(try await ada.get("1", in: .inbox)?.text == "a")
      #expect(try await ada.page(.inbox).records.map(\.key) == ["1"])
      #expect(try await ada.delete("1", in: .inbox))
    }
  }

  @Test func `the shard refuses by itself what a router with an old policy sends`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      try await ada.put("a".utf8, key: "1", in: .inbox)
      // Behind the router's back: it still decides by the old policy.
      try await OpenFiles.with(deployment) { files in
        try await files.raiseAll(to: files.apply(.europeansInGermany))
      }
      #expect(router.policyGeneration == 1)
      let error = try await #require(throws: RouterError.self) {
        try await ada.put("b".utf8, key: "2", in: .inbox)
      }
      #expect(error.code == .barred)
      #expect(router.policyGeneration > 1)
      #expect(try await ada.page(.inbox).records.map(\.key) == ["1"])
    }
  }

  @Test func `an admission under an old policy begins again under the one in force`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      try await OpenFiles.with(deployment) { files in _ = try await files.apply(.americansInIreland)
      }
      let admitted = try await router.admit(UserID("ann"), residence: "US")
      #expect(admitted.regions == ["messages": "dublin", "payments": "dublin"])
    }
  }

  // MARK: A policy swapped under writers

  /// What the policy says, for writers that race with its changes: each change has a number.
  private final class Phases: Sendable {
    enum Phase: Int { case allowed, forbidding, forbidden, allowing, over }
    private let current = Mutex(0)
    private let seen = Mutex<Set<String>>([])

    var number: Int { current.withLock { $0 } }
    func next() { current.withLock { $0 += 1 } }
    func end() { current.withLock { $0 = -1 } }
    static func phase(_ number: Int) -> Phase { number < 0 ? .over : Phase(rawValue: number % 4)! }

    /// Judges a write that began in a phase: what must not be while nothing changes.
    func judge(_ code: RouterError.Code?, begun: Int) {
      var what: String?
      if let code, code != .barred { what = "\(code)" }
      if number == begun {
        switch (Self.phase(begun), code) {
        case (.forbidden, nil): what = "accepted while forbidden"
        case (.allowed, .some): what = "refused while allowed"
        default: break
        }
      }
      if let what { _ = seen.withLock { $0.insert(what) } }
    }

    var violations: Set<String> { seen.withLock { $0 } }
  }

  @Test func `no write is accepted once a policy that forbids it is applied`() async throws {
    let deployment = try await TemporaryDeployment()
    let phases = Phases()
    try await deployment.withUser { router, ada in
      try await OpenFiles.with(deployment) { files in
        let names = try files.open("ada", "messages")
        let shard = try files.shard(try #require(names.first))
        await withTaskGroup { group in
          for writer in 0..<64 {
            group.addTask { await Self.write(as: writer, for: ada, in: phases) }
          }
          do {
            for _ in 0..<12 {
              try await Task.sleep(for: .milliseconds(5))
              phases.next()
              let strict = try await router.apply(.europeansInGermany)
              #expect(strict.isApplied)
              phases.next()
              // What the file holds, not what callers were told.
              let records = try shard.tallies().map(\.records)
              try await Task.sleep(for: .milliseconds(5))
              let later = try shard.tallies().map(\.records)
              #expect(records == later)
              phases.next()
              let lax = try await router.apply(.small)
              #expect(lax.isApplied)
              phases.next()
            }
          } catch {
            Issue.record(error)
          }
          phases.end()
        }
        let accepted = try shard.tallies().first { $0.dataClass == "messages" }?.records
        #expect(try #require(accepted) > 0)
      }
    }
    #expect(phases.violations == [])
  }

  private static func write(as writer: Int, for user: UserHandle, in phases: Phases) async {
    for round in 0... {
      let begun = phases.number
      if Phases.phase(begun) == .over { return }
      do throws(RouterError) {
        try await user.put([UInt8(writer)], key: RecordKey("\(writer)/\(round)"), in: .inbox)
        phases.judge(nil, begun: begun)
      } catch {
        phases.judge(error.code, begun: begun)
        await Task.yield()
      }
    }
  }

  @Test func `applies and admissions at once leave every home where its policy allowed it`()
    async throws
  {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter { router in
      await withTaskGroup { group in
        for admitter in 0..<8 {
          group.addTask {
            for number in 0..<20 {
              let result = await router.admit(
                [Admission(user: UserID("\(admitter)/\(number)"), residence: "US")])[0]
              if case .failure(let error) = result { Issue.record(error) }
            }
          }
        }
        group.addTask {
          for round in 0..<20 {
            do {
              try await router.apply(round.isMultiple(of: 2) ? .americansInIreland : .small)
            } catch {
              Issue.record(error)
            }
          }
        }
      }
      // Under the stricter policy all that were admitted under the other are barred, and nobody else is.
      try await router.apply(.americansInIreland)
      for admitter in 0..<8 {
        for number in 0..<20 {
          let user = try await router.user(UserID("\(admitter)/\(number)"))
          do throws(RouterError) {
            try await user.put([1], key: "k", in: .inbox)
          } catch {
            #expect(error.code == .barred)
            #expect(error.region == "ashburn")
          }
        }
      }
    }
  }
}
