import DomicileDirectory
import DomicilePolicy
import DomicileStorage

/// A user to be admitted.
public struct Admission: Sendable {
  public var user: UserID
  /// The country of residence: an ISO 3166-1 alpha-2 code, in either case.
  public var residence: String
  /// Declared attributes that are set.
  public var attributes: [String]
  /// The classes to be placed; nil for all that have collections.
  public var dataClasses: [String]?
  /// A wish: the region where they should live. Nil: as the policy prefers, else the nearest.
  public var region: String?

  public init(
    user: UserID, residence: String, attributes: [String] = [], dataClasses: [String]? = nil,
    region: String? = nil
  ) {
    self.user = user
    self.residence = residence
    self.attributes = attributes
    self.dataClasses = dataClasses
    self.region = region
  }
}

/// Where the data of an admitted user lives.
public struct AdmittedUser: Sendable {
  /// The region of each class that was asked for.
  public let regions: [String: String]
  /// Whether any of them was placed just now.
  public let isNew: Bool
}

extension ResidencyRouter {
  /// Admits a user: decides where each class of data lives and opens a home there.
  ///
  /// All classes or none: if the policy refuses one, nothing is written. If a shard is down, what was begun is
  /// finished by the next admission or call for the user. Admitting a user again with the same tags changes
  /// nothing, and places what was not placed yet.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/unplaceable``, ``RouterError/Code/unserved`` or
  ///   ``RouterError/Code/refused`` and the verdict; ``RouterError/Code/tagsDiffer`` if the user is known with
  ///   other tags; ``RouterError/Code/unknownName``; ``RouterError/Code/elsewhere``.
  @discardableResult
  public func admit(
    _ user: UserID, residence: String, attributes: [String] = [], dataClasses: [String]? = nil,
    region: String? = nil, deadline: Duration? = nil
  ) async throws(RouterError) -> AdmittedUser {
    let admission = Admission(
      user: user, residence: residence, attributes: attributes, dataClasses: dataClasses,
      region: region)
    let admitted = await admit([admission], deadline: deadline)[0]
    guard case .failure(var error) = admitted, dataClasses == nil, error.verdict != nil
    else { return try admitted.get() }
    let current = inForce
    let profile = try routing {
      HomeProfile([try current.policy.profile(residence: residence, attributes: attributes)])
    }
    try offerClasses(for: profile, isGroup: false, in: region, by: current, to: &error)
    throw error
  }

  /// Admits many users in few transactions, each user by itself: one that is refused stops nobody else.
  ///
  /// - Returns: What became of each, in their order.
  public func admit(
    _ admissions: [Admission], deadline: Duration? = nil
  ) async -> [Result<AdmittedUser, RouterError>] {
    do throws(RouterError) {
      _ = try await currentPolicy()
    } catch {
      metrics.countError(error)
      return admissions.map { _ in .failure(error) }
    }
    var candidates: [AdmissionCandidate] = []
    var results: [Result<AdmittedUser, RouterError>?] = []
    for admission in admissions {
      do throws(RouterError) {
        let candidate = try candidate(admission, place: results.count)
        candidates.append(candidate)
        results.append(nil)
      } catch {
        results.append(.failure(error))
      }
    }
    let admitted = await admit(candidates, by: .now + (deadline ?? options.deadline))
    for (candidate, result) in zip(candidates, admitted) { results[candidate.place] = result }
    for case .failure(let error)? in results { metrics.countError(error) }
    return results.map { $0 ?? .failure(RouterError(.cancelled, "The admission was not tried.")) }
  }

  private func candidate(
    _ admission: Admission, place: Int
  ) throws(RouterError) -> AdmissionCandidate {
    let inForce = inForce
    let policy = inForce.policy
    return try routing {
      let profile = try policy.profile(
        residence: admission.residence, attributes: admission.attributes)
      if let region = admission.region { _ = try policy.number(ofRegion: region) }
      for name in admission.dataClasses ?? [] { try inForce.checkHoldsRecords(name) }
      return AdmissionCandidate(
        place: place, owner: key.owner(ofUser: try admission.user.checked()), kind: .user(profile),
        dataClasses: admission.dataClasses.map { Set($0).sorted() }, region: admission.region)
    }
  }

  /// The protocol of admission, repeated for those whom a change of policy or another admission overtook.
  func admit(
    _ candidates: [AdmissionCandidate], by deadline: ContinuousClock.Instant
  ) async -> [Result<AdmittedUser, RouterError>] {
    var results: [Int: Result<AdmittedUser, RouterError>] = [:]
    var waiting = Array(candidates.indices)
    var pause = Duration.milliseconds(1)
    while !waiting.isEmpty {
      let round = await AdmissionRound(router: self, deadline: deadline).admit(
        waiting.map { candidates[$0] })
      var again: [Int] = []
      for (index, outcome) in zip(waiting, round) {
        if case .failure(let error) = outcome, error.mayPass, deadline > .now {
          again.append(index)
        } else {
          results[index] = outcome.mapError(\.error)
        }
      }
      waiting = again
      if !waiting.isEmpty {
        do {
          try reloadPolicy()
          try await Task.sleep(for: pause)
          pause = min(pause * 2, .milliseconds(100))
        } catch {
          let failure =
            (error as? RouterError) ?? RouterError(.cancelled, "The task was cancelled.")
          for index in waiting { results[index] = .failure(failure) }
          waiting = []
        }
      }
    }
    await note(
      candidates.indices.compactMap { index -> LedgerNote? in
        guard case .failure(let error)? = results[index], let verdict = error.verdict,
          !verdict.isAllowed
        else { return nil }
        return .refusal(verdict, isGroup: candidates[index].kind.isGroup)
      })
    return candidates.indices.map { index in
      results[index] ?? .failure(RouterError(.cancelled, "The admission was not tried."))
    }
  }
}

/// An admission whose words have been checked.
struct AdmissionCandidate: Sendable {
  let place: Int
  let owner: OwnerKey
  let kind: Kind
  let dataClasses: [String]?
  let region: String?

  enum Kind {
    case user(ResidencyProfile)
    /// A group that is there.
    case group
    case newGroup(members: [GroupMember])

    var isGroup: Bool { if case .user = self { false } else { true } }
  }
}

/// Why an admission failed, and whether to try again.
struct AdmissionFailure: Error {
  let error: RouterError
  let mayPass: Bool

  init(_ error: RouterError) {
    self.error = error
    mayPass = false
  }

  init(_ error: StorageError, region: String? = nil) {
    if error.code == .retagged {
      self.error = RouterError(
        .tagsDiffer,
        "The user was admitted with other tags, which an admission does not change."
          + " Nothing was written. If these are right now, change them first (“domicile retag”).")
    } else {
      self.error = RouterError(error, region: region)
    }
    mayPass = error.code == .policyChanged || error.code == .outrun
  }
}
