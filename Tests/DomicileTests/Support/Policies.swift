import Domicile
import DomicileTesting

extension RegionFiles {
  /// Like ``small``, but Europeans' data is for Germany, where no region is.
  static let europeansInGermany = small.replacing(
    "store: EU", in: "policy.yaml", with: "store: DE")

  /// Like ``small``, but Americans' data is for Ireland.
  static let americansInIreland = small.replacing(
    "  - name: kp-at-home", in: "policy.yaml",
    with: """
        - name: us-in-ireland
          residents: US
          store: IE
          reason: A test.
        - name: kp-at-home
      """)
}

extension ResidencyProfile {
  static let american = ResidencyProfile("US")!
  static let european = ResidencyProfile("DE")!
}

extension RecordCollection {
  static let inbox = RecordCollection("inbox")
  static let threads = RecordCollection("threads")
  static let receipts = RecordCollection("receipts")
}

extension TemporaryDeployment {
  /// Opens a router, admits a user and hands both over for the time of a call.
  @discardableResult
  func withUser<Result>(
    _ id: String = "ada", residence: String = "DE",
    _ adjust: (inout RouterOptions) -> Void = { _ in },
    _ body: (ResidencyRouter, UserHandle) async throws -> Result
  ) async throws -> Result {
    try await withRouter(adjust) { router in
      try await router.admit(UserID(id), residence: residence)
      return try await body(router, try await router.user(UserID(id)))
    }
  }
}

extension ResidencyRouter {
  /// Applies texts.
  @discardableResult
  func apply(_ files: RegionFiles) async throws -> PolicyApplication {
    try await apply(ResidencyPolicy(files: files))
  }
}
