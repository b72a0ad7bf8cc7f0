public import Domicile
import Foundation
import Synchronization

/// A deployment in a folder of its own, with a manual clock and random numbers from a seed, for tests of code
/// that uses Domicile.
public final class TemporaryDeployment: Sendable {
  public let folder: TemporaryFolder
  public let clock: ManualClock
  /// Random numbers for aliases and versions.
  private let random: Mutex<SeededRandom>

  /// The data folder.
  public var data: String { "\(folder.path)/data" }
  /// The regions folder.
  public var regions: String { "\(folder.path)/regions" }

  /// Makes a deployment.
  ///
  /// - Parameters:
  ///   - files: The texts of the policy; ``RegionFiles/small`` by default.
  ///   - seed: For what the deployment draws at random.
  ///   - clock: The time of day, which stands still until it is told to move.
  /// - Throws: ``RouterError`` if the policy is not valid, or an error of the file system.
  public init(
    files: RegionFiles = .small, seed: UInt64 = 1, clock: ManualClock = ManualClock()
  ) async throws {
    folder = try TemporaryFolder()
    self.clock = clock
    random = Mutex(SeededRandom(seed: seed))
    try write(files)
    try await ResidencyRouter.initialize(data: data, regions: regions, options: options)
  }

  /// Options with the deployment's clock and random numbers.
  public var options: RouterOptions {
    var options = RouterOptions()
    options.clock = clock.wallClock
    // What is swept, and when, is for the test to say.
    options.sweepInterval = nil
    options.ballastBytes = 1 << 20
    options.random = { [self] in random.withLock { $0.next() } }
    return options
  }

  /// Replaces the texts in the regions folder; nothing is applied.
  public func write(_ files: RegionFiles) throws {
    for (path, text) in files.texts { try folder.write(text, to: "regions/\(path)") }
  }

  /// Opens a router; to be closed before the next is opened.
  public func open(
    _ adjust: (inout RouterOptions) -> Void = { _ in }
  ) async throws -> ResidencyRouter {
    var options = options
    adjust(&options)
    return try await ResidencyRouter.open(data: data, options: options)
  }

  /// Opens a router for the time of a call.
  @discardableResult
  public func withRouter<Result>(
    _ adjust: (inout RouterOptions) -> Void = { _ in },
    _ body: (ResidencyRouter) async throws -> Result
  ) async throws -> Result {
    let router = try await open(adjust)
    do {
      let result = try await body(router)
      await router.close()
      return result
    } catch {
      await router.close()
      throw error
    }
  }
}

extension RegionFiles {
  /// A policy small enough to read: five countries, three regions, an exclusion and three rules.
  public static let small = RegionFiles(texts: [
    "policy.yaml": """
    policy: small
    exclude:
      - name: press-freedom
        countries: [KP]
        reason: Jails people for what they write.
    attributes: [scc-signed]
    classes:
      messages: {collections: [inbox, threads]}
      payments: {collections: [receipts]}
      directory: {}
    rules:
      - name: eu-at-home
        residents: EU
        store: EU
        unless: {attribute: scc-signed}
        reason: GDPR chapter V
      - name: in-payments
        residents: IN
        classes: payments
        store: IN
        reason: RBI/2017-18/153
      - name: kp-at-home
        residents: KP
        store: KP
        reason: Its law demands it.
    otherwise: {store: anywhere}
    """,
    "topology.yaml": """
    topology: small
    directory: dublin
    operators:
      own-ie: {jurisdictions: [IE]}
      own-in: {jurisdictions: [IN]}
      own-us: {jurisdictions: [US]}
    regions:
      dublin: {country: IE, operator: own-ie, shards: {dublin-1: {}, dublin-2: {}}}
      mumbai: {country: IN, operator: own-in, shards: {mumbai-1: {}}}
      ashburn: {country: US, operator: own-us, shards: {ashburn-1: {}}}
    """,
    "facts/countries.csv": """
    alpha2,name,sovereign,lat,lon
    DE,Germany,DE,51.2,10.4
    IE,Ireland,IE,53.2,-8.0
    IN,India,IN,22.7,79.4
    KP,North Korea,KP,40.2,127.2
    US,United States,US,39.5,-97.5
    """,
    "facts/groups.csv": """
    group,code
    EU,DE
    EU,IE
    """,
  ])

  /// From 2026-01-11 on, ten days after the clock begins, messages of residents of DE must stay in DE.
  public static let smallDated = small.replacing(
    "otherwise: {store: anywhere}", in: "policy.yaml",
    with: """
        - name: dated
          residents: DE
          classes: messages
          store: DE
          from: 2026-01-11
          reason: A law that begins.
      otherwise: {store: anywhere}
      """)

  /// The same texts with one replaced.
  public func replacing(_ path: String, with text: String) -> RegionFiles {
    RegionFiles(texts: texts.merging([path: text]) { $1 })
  }

  /// The same texts with a passage of one replaced.
  public func replacing(_ old: String, in path: String, with new: String) -> RegionFiles {
    let text = texts[path] ?? ""
    precondition(text.contains(old), "no such passage in \(path)")
    return replacing(path, with: text.replacingOccurrences(of: old, with: new))
  }
}
