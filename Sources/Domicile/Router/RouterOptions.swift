public import DomicileDirectory
package import DomicileMigration
import DomicilePolicy
public import DomicileStorage
import Foundation
public import Logging
public import Metrics

/// How a router is opened.
public struct RouterOptions: Sendable {
  /// Where the hash key is. Nil: the environment's `DOMICILE_HASH_KEY` if it is set, else the file beside the
  /// data folder with its name and `.key` behind it.
  public var hashKey: KeySource?

  /// Where the key is with which checkpoints of the ledger are signed: only ``ResidencyRouter/checkpoint()`` needs it. Nil: the
  /// environment's `DOMICILE_LEDGER_KEY` if it is set, else the file beside the data folder with its name and `.ledger.key`
  /// behind it.
  public var ledgerKey: KeySource?

  /// Who acts, for the entries of the ledger: a service, or a person who operates the deployment. At most 100 bytes. Nil: the
  /// system's user.
  public var actor: String?

  /// The regions that this process carries; calls for any other answer
  /// ``RouterError/Code/elsewhere``. Nil: all.
  public var carriedRegions: Set<String>?

  /// The country in which this process runs, as an ISO 3166-1 alpha-2 code. A policy may say where data is read and written
  /// (`process`): then a process that has not said where it is may do neither. Nil: not said.
  public var location: String?

  /// How long a call may take if it does not say so itself.
  public var deadline = Duration.seconds(10)

  /// For how many users routes are kept in memory, about 500 bytes each.
  public var cachedUsersMax = 100_000

  /// How often what has expired is deleted, and unfinished erasures are gone on with; both also when the router is
  /// opened. Nil: only when ``ResidencyRouter/sweep(acceptClock:deadline:)`` is called.
  public var sweepInterval: Duration? = .seconds(5)

  /// Whether, and how fast, this router moves homes that should not stay where they are: looked for every minute while it sweeps. Of
  /// several routers of a deployment one is enough. Nil: it moves none by itself.
  public var migrates: MigrationOptions?

  /// The bytes that each region, and the directory, keeps back on its volume, so that deletions and erasures are still
  /// possible on a full disk: 64 MiB by default, 0 for none. A file `ballast` that a router makes when it first sweeps.
  public var ballastBytes = 64 << 20

  /// The time of day by which records expire.
  public var clock = WallClock.system

  /// Receives what cannot be told by throwing. Never a user's id, a key or a value.
  public var logger = Logger.current

  /// Receives counts and times, labelled with regions, data classes and error codes.
  public var metrics: any MetricsFactory = MetricsSystem.factory

  /// Whether decisions become entries of the ledger: for the benchmark, which asks what that costs.
  @_spi(Benchmark) public var keepsLedger = true

  /// How moves are made: for tests that stop them anywhere.
  package var moveSettings = MoveSettings()

  /// Random numbers for aliases, versions and keys.
  package var random: @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }

  public init() {}

  /// Who acts.
  var actorName: String { actor ?? NSUserName() }

  func checkActor() throws(RouterError) {
    let isName = actorName.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    guard (1...100).contains(actorName.utf8.count), isName else {
      throw RouterError(
        .invalidArgument,
        "Who acts is named by 1 to 100 bytes without control characters. Nothing was done.")
    }
  }

  /// Today by the clock.
  var today: PolicyDay { PolicyDay(secondsSince1970: clock.now.timeIntervalSince1970) }
}
