import DomicileTesting
import Testing

@testable import Domicile
@testable import DomicileDirectory

/// Routes are kept in bounded memory, and what is forgotten is found again.
@Suite struct RouteCacheTests {
  private static func routes(_ number: Int) throws -> UserRoutes {
    let bytes = (0..<16).map { UInt8(truncatingIfNeeded: number >> (8 * (15 - $0))) }
    return UserRoutes(
      UserEntry(
        id: Int64(number), owner: try #require(OwnerKey(bytes: bytes)),
        alias: OwnerAlias(bytes: bytes), tags: 1, profile: HomeProfile(.european), isGroup: false,
        isErasing: false,
        hasErasureTime: false,
        placements: []))
  }

  @Test(arguments: [2, 3, 10, 1_000])
  func `the cache never holds more than it may`(usersMax: Int) throws {
    var cache = RouteCache(usersMax: usersMax)
    for number in 0..<(3 * usersMax) {
      cache.keep(try Self.routes(number))
      #expect(cache.count <= usersMax)
    }
  }

  @Test func `what is used stays while what is not goes`() throws {
    var cache = RouteCache(usersMax: 10)
    let used = try Self.routes(0)
    let unused = try Self.routes(1)
    cache.keep(used)
    cache.keep(unused)
    for number in 2..<100 {
      cache.keep(try Self.routes(number))
      #expect(cache.routes(used.owner) === used)
    }
    #expect(cache.routes(unused.owner) == nil)
  }

  @Test func `handles of one user share their routes`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withUser { router, ada in
      let again = try await router.user(UserID("ada"))
      #expect(ada.routes === again.routes)
    }
  }

  @Test func `with room for two users a hundred are served`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter {
      $0.cachedUsersMax = 2
    } _: { router in
      let users = (0..<100).map { "user \($0)" }
      var handles: [UserHandle] = []
      for user in users {
        try await router.admit(UserID(user), residence: "IN")
        handles.append(try await router.user(UserID(user)))
      }
      for (number, handle) in handles.enumerated() {
        try await handle.put("\(number)".utf8, key: "k", in: .inbox)
      }
      for (number, user) in users.enumerated() {
        let handle = try await router.user(UserID(user))
        #expect(try await handle.get("k", in: .inbox)?.text == "\(number)")
      }
    }
  }

  @Test func `a handle whose routes were evicted learns of a class placed later`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter {
      $0.cachedUsersMax = 2
    } _: { router in
      try await router.admit(UserID("ada"), residence: "DE", dataClasses: ["messages"])
      let ada = try await router.user(UserID("ada"))
      for number in 0..<4 { try await router.admit(UserID("\(number)"), residence: "DE") }
      #expect(try await router.user(UserID("ada")).routes !== ada.routes)

      let unplaced = try await #require(throws: RouterError.self) {
        try await ada.put([1], key: "k", in: .receipts)
      }
      #expect(unplaced.code == .notFound)
      try await router.admit(UserID("ada"), residence: "DE")
      try await ada.put([1], key: "k", in: .receipts)
    }
  }

  @Test func `a handle whose routes were evicted places a class and writes to it`() async throws {
    let deployment = try await TemporaryDeployment()
    try await deployment.withRouter {
      $0.cachedUsersMax = 2
    } _: { router in
      try await router.admit(UserID("ada"), residence: "IN", dataClasses: ["payments"])
      let ada = try await router.user(UserID("ada"))
      for number in 0..<4 { try await router.admit(UserID("\(number)"), residence: "DE") }
      try await ada.place("messages", in: "mumbai")
      try await ada.put([1], key: "k", in: .inbox)
    }
  }

  @Test func `a handle whose routes were evicted finishes an admission left half way`() async throws
  {
    let deployment = try await TemporaryDeployment()
    try await OpenFiles.with(deployment) { files in
      let law = try await files.apply(.small)
      try await StepwiseAdmitter(files, user: "ann", profile: .american, law: law)
        .take(through: .stage)
    }
    try await deployment.withRouter {
      $0.cachedUsersMax = 2
    } _: { router in
      let ann = try await router.user(UserID("ann"))
      for number in 0..<4 { try await router.admit(UserID("\(number)"), residence: "DE") }
      try await ann.put([1], key: "k", in: .inbox)
      #expect(try await ann.get("k", in: .inbox)?.value == [1])
    }
  }
}
