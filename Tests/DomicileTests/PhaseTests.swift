import DomicilePolicy
import DomicileTesting
import Foundation
import Testing

@testable import Domicile

/// Dated rules come into force by an apply that whoever first sees the day makes, and never by a clock inside a verdict.
@Suite struct PhaseTests {
  private let user = UserID("ada")

  @Test func `a rule comes into force at the beginning of its day, for a router that is open`()
    async throws
  {
    let deployment = try await TemporaryDeployment(files: .smallDated)
    try await deployment.withUser { router, ada in
      let generation = router.policyGeneration
      deployment.clock.advance(by: .seconds(10 * 86_400) - .milliseconds(1))
      try await ada.put([1], key: "k", in: .inbox)
      #expect(router.policyGeneration == generation)
      deployment.clock.advance(by: .milliseconds(1))
      let late = await routerCode { try await ada.put([2], key: "k", in: .inbox) }
      #expect(late == .barred)
      let next = router.policyGeneration
      #expect(next > generation)
      // What is there can be read and deleted.
      #expect(try await ada.get("k", in: .inbox)?.value == [1])
      try await ada.delete("k", in: .inbox)
      #expect(try await router.doctor().findings.map(\.code) == [.barredHome])
      // The texts are the same.
      #expect(try await router.apply(regions: deployment.regions).generation == next)
    }
  }

  @Test func `a phase that began while nobody was there is in force before the first write`()
    async throws
  {
    let deployment = try await TemporaryDeployment(files: .smallDated)
    try await deployment.withUser { _, ada in try await ada.put([1], key: "k", in: .inbox) }
    deployment.clock.advance(by: .seconds(20 * 86_400))
    try await deployment.withRouter { router in
      let ada = try await router.user(user)
      let late = await routerCode { try await ada.put([2], key: "k", in: .inbox) }
      #expect(late == .barred)
      #expect(router.policy.phase.start == PolicyDay("2026-01-11"))
      #expect(router.policy.phase.end == nil)
    }
  }

  @Test func `a clock behind never goes back a phase`() async throws {
    let deployment = try await TemporaryDeployment(files: .smallDated)
    deployment.clock.advance(by: .seconds(20 * 86_400))
    try await deployment.withRouter { router in
      _ = try await router.apply(regions: deployment.regions)
      let generation = router.policyGeneration
      deployment.clock.set(by: .seconds(-15 * 86_400))
      #expect(try await router.apply(regions: deployment.regions).generation == generation)
      #expect(router.policy.phase.start == PolicyDay("2026-01-11"))
      // Nor does a policy with another text.
      try deployment.write(
        RegionFiles.smallDated.replacing(
          "A law that begins.", in: "policy.yaml", with: "The same law."))
      #expect(try await router.apply(regions: deployment.regions).generation > generation)
      #expect(router.policy.phase.start == PolicyDay("2026-01-11"))
    }
  }

  @Test func `of several routers at midnight one begins the phase`() async throws {
    let deployment = try await TemporaryDeployment(files: .smallDated)
    try await deployment.withUser { router, _ in
      let generation = router.policyGeneration
      let others = try await [deployment.open(), deployment.open(), deployment.open()]
      deployment.clock.advance(by: .seconds(10 * 86_400))
      await withTaskGroup { group in
        for other in [router] + others {
          group.addTask { [user] in
            let code = await routerCode {
              try await other.user(user).put([1], key: "k", in: .inbox)
            }
            #expect(code == .barred)
          }
        }
      }
      #expect(router.policyGeneration > generation)
      for other in others { #expect(other.policyGeneration == router.policyGeneration) }
      for other in others { await other.close() }
    }
  }

  @Test func `a phase that ends does not undo a policy that came between`() async throws {
    let deployment = try await TemporaryDeployment(files: .smallDated)
    try await deployment.withRouter { router in
      let other = try await deployment.open()
      let applied = try await other.apply(ResidencyPolicy(files: .small, on: other.policy.day))
      await other.close()
      // As if it had come after this router saw that the phase of the old one is over.
      let late = try ResidencyPolicy(files: .smallDated, on: #require(PolicyDay("2026-01-11")))
      let outcome = try await router.beginPhase(of: late)
      #expect(outcome.generation == applied.generation)
      #expect(outcome.digest == applied.digest)
      #expect(router.policyGeneration == applied.generation)
      #expect(router.policy.digest == applied.digest)
    }
  }

  @Test func `an admission is decided by the phase that has begun`() async throws {
    let deployment = try await TemporaryDeployment(files: .smallDated)
    try await deployment.withRouter { router in
      deployment.clock.advance(by: .seconds(10 * 86_400))
      let error = await #expect(throws: RouterError.self) {
        try await router.admit(user, residence: "DE")
      }
      #expect(error?.code == .unserved)
      #expect(error?.verdict?.conflict.map(\.name) == ["dated"])
    }
  }
}

/// `process`: where a backend that reads or writes may run.
@Suite struct ProcessingTests {
  private static let restricted = RegionFiles.small.replacing(
    "otherwise: {store: anywhere}", in: "policy.yaml",
    with: """
        - name: readers
          residents: DE
          classes: messages
          process: [EU, {countries: US, until: 2026-06-30}]
          reason: GDPR Chapter V
      otherwise: {store: anywhere}
      """)

  private let user = UserID("ada")

  private func codes(
    of deployment: TemporaryDeployment, in location: String?
  ) async throws -> [RouterError.Code?] {
    let router = try await deployment.open { $0.location = location }
    let ada = try await router.user(user)
    var codes: [RouterError.Code?] = []
    for attempt in [
      { _ = try await ada.get("k", in: .inbox) }, { try await ada.put([2], key: "k", in: .inbox) },
      { _ = try await ada.page(.inbox) }, { try await ada.put([2], key: "r", in: .receipts) },
      { try await ada.delete("x", in: .inbox) },
    ] as [() async throws -> Void] {
      do {
        try await attempt()
        codes.append(nil)
      } catch {
        codes.append((error as? RouterError)?.code)
      }
    }
    await router.close()
    return codes
  }

  @Test func `data is read and written only where it may be processed, and deleted anywhere`()
    async throws
  {
    let deployment = try await TemporaryDeployment(files: Self.restricted)
    try await deployment.withRouter { try await $0.admit(user, residence: "DE") }
    let refused: [RouterError.Code?] = [
      .processingRefused, .processingRefused, .processingRefused, nil, nil,
    ]
    #expect(try await codes(of: deployment, in: "IE") == [nil, nil, nil, nil, nil])
    #expect(try await codes(of: deployment, in: "us") == [nil, nil, nil, nil, nil])
    #expect(try await codes(of: deployment, in: "IN") == refused)
    // Who does not say where it runs may not read what is restricted; other classes are not.
    #expect(
      try await codes(of: deployment, in: nil) == [
        .processingRefused, .processingRefused, .processingRefused, .processingRefused, nil,
      ])
    deployment.clock.advance(by: .seconds(200 * 86_400))
    #expect(try await codes(of: deployment, in: "US") == refused)
  }

  @Test func `a refusal names the rule and where it would be legal`() async throws {
    let deployment = try await TemporaryDeployment(files: Self.restricted)
    try await deployment.withRouter { try await $0.admit(user, residence: "DE") }
    let router = try await deployment.open { $0.location = "IN" }
    let ada = try await router.user(user)
    let error = await #expect(throws: RouterError.self) { try await ada.get("k", in: .inbox) }
    #expect(
      error?.message == """
        The policy in force does not allow this process to read or write this data; nothing was read or written. \
        Call from where it may be processed. \
        Messages of a resident of DE may not be read and written by a process in IN
          readers (policy.yaml:26) is processed only in EU, US (until 2026-06-30)
            because: GDPR Chapter V
          legal instead: DE, IE, US
        """)
    #expect(error?.verdict?.isProcessing == true)
    await router.close()
  }

  @Test func `a location that is no country opens nothing`() async throws {
    let deployment = try await TemporaryDeployment(files: Self.restricted)
    let error = await #expect(throws: RouterError.self) {
      try await deployment.open { $0.location = "UK" }
    }
    #expect(error?.code == .unknownName)
    #expect(error?.message.contains("did you mean “GB”?") == true)
  }
}
