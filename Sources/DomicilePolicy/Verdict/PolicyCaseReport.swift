/// How a policy did in its cases.
public struct PolicyCaseReport: Sendable {
  /// One thing that the policy does not say as it must.
  public struct Failure: Sendable {
    /// What the case expected, for people to read: `refused in ashburn because of gdpr-transfers`.
    public let expected: String
    /// The day of the case; nil: the day of the policy.
    public let day: PolicyDay?
    /// What the policy says, and why.
    public let verdict: Verdict
  }

  public struct Result: Sendable {
    public let testedCase: PolicyCase
    /// The first of them, at most ``failuresMax``.
    public fileprivate(set) var failures: [Failure] = []
    /// All of them.
    public fileprivate(set) var failureCount = 0

    public var isPassed: Bool { failureCount == 0 }
  }

  /// Rules or exclusions, with the lines on which they begin.
  public typealias Lines = [(name: String, line: SourceLine)]

  /// In the order of the file.
  public let results: [Result]
  /// The rules and exclusions on which no verdict of a case rests, in the order of the files. A rule that is taken not to concern this
  /// deployment, by what the policy assumes, is not among them.
  public let unexercised: Lines
  /// How many rules and exclusions there are, without those rules.
  public let exercisable: Int

  public var failedCount: Int { results.count { !$0.isPassed } }

  /// Of a case about many users, only so many failures are kept.
  public static let failuresMax = 5
}

extension ResidencyPolicy {
  /// Asks for the verdicts of some cases, and compares them with what is expected.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/invalid`` if the policy cannot be compiled for the day of a case.
  public func test(_ cases: PolicyCases) throws(PolicyError) -> PolicyCaseReport {
    var run = CaseRun(policy: self)
    var results: [PolicyCaseReport.Result] = []
    for testedCase in cases.cases { results.append(try run.result(of: testedCase)) }
    let written: PolicyCaseReport.Lines =
      self.written.exclusions.map { ($0.name, $0.line) }
      + self.written.rules.filter(self.written.concerns).map { ($0.name, $0.line) }
    return PolicyCaseReport(
      results: results, unexercised: written.filter { !run.exercised.contains($0.name) },
      exercisable: written.count)
  }
}

private struct CaseRun {
  /// The policy for the day on which cases without one are asked.
  private let policy: ResidencyPolicy
  /// The same texts for other days: each phase is compiled once.
  private var phases: [PolicyPhase: ResidencyPolicy]
  /// The names of the rules and exclusions on which some verdict rested.
  private(set) var exercised: Set<String> = []

  init(policy: ResidencyPolicy) {
    self.policy = policy
    phases = [policy.phase: policy]
  }

  private mutating func policy(on day: PolicyDay?) throws(PolicyError) -> ResidencyPolicy {
    guard let day else { return policy }
    let phase = PolicyPhase(changes: policy.phaseStarts, on: day)
    if let known = phases[phase] { return known }
    let compiled = try ResidencyPolicy(files: policy.files, on: day)
    phases[phase] = compiled
    return compiled
  }

  mutating func result(of testedCase: PolicyCase) throws(PolicyError) -> PolicyCaseReport.Result {
    let policy = try policy(on: testedCase.day)
    var result = PolicyCaseReport.Result(testedCase: testedCase)
    for residence in testedCase.residences {
      let profile = ResidencyProfile(residence: residence, attributes: testedCase.attributes)
      for dataClass in testedCase.classes {
        try ask(testedCase, policy, profile, dataClass, &result)
      }
    }
    return result
  }

  private mutating func ask(
    _ testedCase: PolicyCase, _ policy: ResidencyPolicy, _ profile: ResidencyProfile,
    _ dataClass: String, _ result: inout PolicyCaseReport.Result
  ) throws(PolicyError) {
    switch testedCase.expectation {
    case .somewhere(let outcome):
      let verdict = try policy.verdict(anywhere: profile, dataClass: dataClass)
      check(verdict, outcome, "", testedCase, &result)
    case .regions(let regions, let chosen):
      for region in regions {
        let verdict = try policy.verdict(for: profile, dataClass: dataClass, in: region.name)
        check(verdict, region.outcome, " in \(region.name)", testedCase, &result)
      }
      // The topology says where the directory lies.
      guard let chosen, dataClass != Rulebook.directoryClass else { return }
      let verdict = try policy.verdict(for: profile, dataClass: dataClass)
      exercised.formUnion(
        try policy.preferringRule(for: profile, dataClass: dataClass).map { [$0] } ?? [])
      note(
        verdict, isMet: verdict.alternatives.first == chosen, "\(chosen) is chosen", testedCase,
        &result)
    case .processing(let countries, let outcome):
      for country in countries {
        let verdict = try policy.processingVerdict(
          for: profile, dataClass: dataClass, in: "\(country)")
        check(verdict, outcome, " to a process in \(country)", testedCase, &result)
      }
    }
  }

  private mutating func check(
    _ verdict: Verdict, _ outcome: Verdict.Outcome, _ place: String, _ testedCase: PolicyCase,
    _ result: inout PolicyCaseReport.Result
  ) {
    var isMet = verdict.outcome == outcome
    var expected = "\(outcome)\(place)"
    if outcome != .allowed, let because = testedCase.because {
      let forbidding = Set(verdict.forbidding.map(\.name))
      expected += " because of \(because.sorted().joined(separator: ", "))"
      if isMet, forbidding != because {
        expected += "; it is, but because of \(forbidding.sorted().joined(separator: ", "))"
      }
      isMet = isMet && forbidding == because
    }
    note(verdict, isMet: isMet, expected, testedCase, &result)
  }

  private mutating func note(
    _ verdict: Verdict, isMet: Bool, _ expected: String, _ testedCase: PolicyCase,
    _ result: inout PolicyCaseReport.Result
  ) {
    exercised.formUnion((verdict.rules + verdict.conflict).map(\.name))
    if isMet { return }
    result.failureCount += 1
    guard result.failureCount <= PolicyCaseReport.failuresMax else { return }
    result.failures.append(
      PolicyCaseReport.Failure(expected: expected, day: testedCase.day, verdict: verdict))
  }
}

extension ResidencyPolicy {
  /// Where at all data may live; of the directory, which lies in one region, whether it may live there.
  fileprivate func verdict(
    anywhere profile: ResidencyProfile, dataClass: String
  ) throws(PolicyError) -> Verdict {
    let verdict = try verdict(for: profile, dataClass: dataClass)
    guard verdict.isAllowed, dataClass == Rulebook.directoryClass else { return verdict }
    return try self.verdict(for: profile, dataClass: dataClass, in: topology.directoryRegion)
  }

  /// The name of the rule by whose `prefer` the region is chosen; nil if none matches.
  fileprivate func preferringRule(
    for profile: ResidencyProfile, dataClass: String
  ) throws(PolicyError) -> String? {
    let compiled = try compile(profile)
    return constraints.preferring(
      residence: compiled.country, dataClass: try number(ofClass: dataClass),
      attributes: compiled.attributes
    ).map { rulebook.rules[$0].name }
  }
}

extension Verdict {
  /// What stands against it: all that forbid a place, or what conflicts.
  fileprivate var forbidding: [Citation] { outcome == .refused ? rules : conflict }
}
