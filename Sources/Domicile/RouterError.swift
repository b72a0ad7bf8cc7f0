@_exported public import DomicilePolicy
import DomicileStorage
public import Foundation

/// An error thrown by the router.
public struct RouterError: Error, Sendable {
  /// What kind of failure this is; the only part to branch on.
  public var code: Code
  /// What was refused or failed, why, and what to do next. Holds no key, no value and no user's id.
  public var message: String
  /// The region that the error is about, if it is about one; for ``Code/elsewhere`` the one to forward to.
  public var region: String?
  /// The policy's reasons, where it was the policy that refused.
  public var verdict: Verdict?
  /// Every problem of a policy that is not valid.
  public var problems: [PolicyProblem] = []
  /// For ``Code/held``: until when; nil where a legal hold has no end.
  public var heldUntil: Date?
  /// The error underneath, if any. Not for logs.
  public var cause: (any Error)?

  init(
    _ code: Code, _ message: String, region: String? = nil, verdict: Verdict? = nil,
    problems: [PolicyProblem] = [], cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.region = region
    self.verdict = verdict
    self.problems = problems
    self.cause = cause
  }

  /// A kind of failure. New kinds may appear in a minor release.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The name, without associated values: safe as a metric's label.
    public let description: String

    private init(_ name: String) { description = name }

    // What the policy says.

    /// The policy in force forbids that place. Nothing was written.
    public static let refused = Code("refused")
    /// No place at all is legal for this user and data class. Nothing was written.
    public static let unplaceable = Code("unplaceable")
    /// Places are legal, but no region is there. Nothing was written.
    public static let unserved = Code("unserved")
    /// The home became illegal: reads and deletions go on, writes are refused.
    public static let barred = Code("barred")
    /// The policy does not allow this process, where it runs, to read or write the data.
    public static let processingRefused = Code("processingRefused")

    // Users and placements.

    /// No such user, or the user has no home for that data class.
    public static let notFound = Code("notFound")
    /// The user was admitted with other tags.
    public static let tagsDiffer = Code("tagsDiffer")
    /// The user's home for that class is in another region.
    public static let alreadyPlaced = Code("alreadyPlaced")
    /// There is a group of that id with other members.
    public static let groupExists = Code("groupExists")
    /// The home is being moved already.
    public static let moveUnderWay = Code("moveUnderWay")
    /// Another policy is in force than that by which the plan was made.
    public static let planOutdated = Code("planOutdated")
    /// The file is no plan, or cannot be read.
    public static let invalidPlan = Code("invalidPlan")
    /// The region is not carried by this process.
    public static let elsewhere = Code("elsewhere")
    /// The directory names a home that its shard does not have.
    public static let homeMissing = Code("homeMissing")

    /// The user, or the class of the user's data, is being erased. Admit again when that is done.
    public static let erasing = Code("erasing")
    /// The policy's shortest lifetime or a legal hold keeps the data for now: ``RouterError/heldUntil``.
    public static let held = Code("held")

    // Calls.

    /// The policy does not allow a record of that class to be kept so long, or so short. Nothing was written.
    public static let lifetimeRefused = Code("lifetimeRefused")
    /// A country, attribute, data class, collection or region that the policy does not know.
    public static let unknownName = Code("unknownName")
    /// Something about a call that can never succeed: too long, too many, of the wrong form.
    public static let invalidArgument = Code("invalidArgument")
    /// The record is not as the write's condition demands. Nothing was written.
    public static let versionMismatch = Code("versionMismatch")
    /// The deadline passed. Nothing was written.
    public static let deadlineExceeded = Code("deadlineExceeded")
    /// The task was cancelled. Nothing was written.
    public static let cancelled = Code("cancelled")
    /// The commit failed while it was written: it may hold or not.
    public static let outcomeUnknown = Code("outcomeUnknown")
    /// Too many writes wait already. Nothing was written.
    public static let overloaded = Code("overloaded")

    // The deployment.

    /// The policy's files are not valid.
    public static let invalidPolicy = Code("invalidPolicy")
    /// The new topology drops or changes a shard that holds placements. Nothing was applied.
    public static let shardInUse = Code("shardInUse")
    /// The new policy drops a collection of a class that is placed, or puts it into another class. Nothing was
    /// applied.
    public static let collectionInUse = Code("collectionInUse")
    /// The new topology puts the directory elsewhere. Nothing was applied.
    public static let directoryInUse = Code("directoryInUse")
    /// There is no deployment in the data folder.
    public static let notInitialized = Code("notInitialized")
    /// There is a deployment in the data folder already.
    public static let alreadyInitialized = Code("alreadyInitialized")
    /// Another process is making a deployment in the data folder.
    public static let inUse = Code("inUse")
    /// The hash key is missing, readable by others, or not the deployment's.
    public static let wrongKey = Code("wrongKey")
    /// The ledger key is missing, readable by others, or not the one that the ledger names. Nothing was signed.
    public static let wrongLedgerKey = Code("wrongLedgerKey")
    /// The ledger does not begin with what was signed last. Nothing was signed.
    public static let ledgerForked = Code("ledgerForked")
    /// The file that says which checkpoint was signed last is missing, so that nothing keeps an old ledger from being signed.
    public static let checkpointMissing = Code("checkpointMissing")
    /// A file that cannot be used: missing, without rights, or on a disk that fails.
    public static let unavailable = Code("unavailable")
    /// A file that is not the one that should be there.
    public static let foreignFile = Code("foreignFile")
    /// A damaged file.
    public static let corrupt = Code("corrupt")
    /// The disk is full. Nothing was written.
    public static let diskFull = Code("diskFull")
    /// The router is closed.
    public static let closed = Code("closed")
  }
}

extension RouterError: CustomStringConvertible {
  public var description: String { "\(code): \(message)" }
}

extension RouterError {
  init(_ error: StorageError, region: String? = nil) {
    let code: Code =
      switch error.code {
      case .moved: .homeMissing
      // These three pass within a moment; whoever asked has retried until the deadline.
      case .frozen, .policyChanged, .retagged, .notOpen, .outrun: .deadlineExceeded
      case .barred: .barred
      case .shardInUse: .shardInUse
      case .lifetimeRefused: .lifetimeRefused
      case .held: .held
      case .erasing: .erasing
      case .collectionInUse: .collectionInUse
      case .moveUnderWay: .moveUnderWay
      case .versionMismatch: .versionMismatch
      case .invalidArgument: .invalidArgument
      case .deadlineExceeded: .deadlineExceeded
      case .outcomeUnknown: .outcomeUnknown
      case .overloaded: .overloaded
      case .cancelled: .cancelled
      case .closed: .closed
      case .diskFull: .diskFull
      case .unavailable: .unavailable
      case .foreignFile: .foreignFile
      case .wrongKey: .wrongKey
      case .wrongLedgerKey: .wrongLedgerKey
      case .ledgerForked: .ledgerForked
      case .checkpointMissing: .checkpointMissing
      case .corrupt: .corrupt
      }
    self.init(code, error.message, region: region, cause: error.cause)
    heldUntil = error.until.map(Date.init(milliseconds:))
  }

  init(_ error: PolicyError) {
    let code: Code =
      switch error.code {
      case .unknownName: .unknownName
      case .invalid: .invalidPolicy
      default: .unavailable
      }
    self.init(code, error.message, problems: error.problems)
  }

  /// Of a region where the data may be, but that takes no new homes.
  init(drained region: String) {
    self.init(
      .unserved,
      "The region \(region) is drained (“state: draining” in the topology): it takes no new homes. Nothing was written. Name another"
        + " region, or none.", region: region)
  }

  /// The refusal that a verdict is.
  init(refusing verdict: Verdict) {
    let code: Code =
      switch verdict.outcome {
      case .unplaceable: .unplaceable
      case .unserved: .unserved
      case .refused, .allowed: .refused
      }
    self.init(
      code, "Nothing was written. \(verdict.statement)", region: verdict.region, verdict: verdict)
  }
}

/// Runs `body`, turning the errors of the layers below into the router's.
func routing<T>(region: String? = nil, _ body: () throws -> T) throws(RouterError) -> T {
  do { return try body() } catch { throw routerError(error, region: region) }
}

/// The same for work that waits.
func routing<T>(
  region: String? = nil, _ body: () async throws -> T
) async throws(RouterError) -> T {
  do { return try await body() } catch { throw routerError(error, region: region) }
}

private func routerError(_ error: any Error, region: String?) -> RouterError {
  switch error {
  case let error as RouterError: error
  case let error as StorageError: RouterError(error, region: region)
  case let error as PolicyError: RouterError(error)
  case is CancellationError:
    RouterError(.cancelled, "The task was cancelled; nothing was written.", region: region)
  default: RouterError(.unavailable, "An unexpected failure.", region: region, cause: error)
  }
}
