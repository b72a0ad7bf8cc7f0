/// What a policy must say, in cases that people can read: `tests.yaml` of a regions folder.
///
/// The file is no part of the policy: it is not kept with its texts, and the digest does not cover it.
public struct PolicyCases: Sendable {
  public static let file = "tests.yaml"

  /// At least one, in the order of the file.
  public let cases: [PolicyCase]

  static let casesMax = 10_000
  /// The most verdicts that all cases may ask for together.
  static let questionsMax = 1_000_000

  /// Reads the cases of a policy.
  ///
  /// - Throws: ``PolicyError`` with code ``PolicyError/Code/invalid`` and every problem found.
  public init(text: String, of policy: ResidencyPolicy) throws(PolicyError) {
    let log = ProblemLog()
    let cases = PolicyCasesDecoder(policy: policy, log: log).decode(text)
    guard log.problems.isEmpty else {
      throw .invalid(log.problems, "The cases of \(Self.file) are not valid")
    }
    self.cases = cases
  }

  /// Reads the cases of a regions folder, under the same limits as the policy's own files.
  ///
  /// - Throws: ``PolicyError`` with ``PolicyError/Code/unreadable``, too.
  public init(folder: String, of policy: ResidencyPolicy) throws(PolicyError) {
    try self.init(text: try RegionFiles.text(folder: folder, path: Self.file), of: policy)
  }
}

/// Some users, some classes of their data, and what the policy must say of them.
public struct PolicyCase: Sendable {
  /// As written; where nothing is, made of the rest: `RU, messages: unplaceable`.
  public let name: String
  public let line: SourceLine
  /// Each is asked about.
  let residences: [CountryCode]
  let attributes: [String]
  /// Each is asked about.
  let classes: [String]
  /// Nil: the day of the policy.
  let day: PolicyDay?
  let expectation: Expectation
  /// The rules and exclusions that must be the reasons, and no others; nil: any.
  let because: Set<String>?

  enum Expectation: Sendable {
    /// Where at all the data may live.
    case somewhere(Verdict.Outcome)
    /// What is said of some regions, and which one is chosen.
    case regions([ExpectedRegion], chosen: String?)
    /// Whether a process in each of these countries may read and write the data.
    case processing([CountryCode], Verdict.Outcome)

    /// How many verdicts it takes for one user and class.
    var questions: Int {
      switch self {
      case .somewhere: 1
      case .regions(let regions, let chosen): regions.count + (chosen == nil ? 0 : 1)
      case .processing(let countries, _): countries.count
      }
    }

    /// Whether some of it says that data may not be somewhere.
    var forbids: Bool {
      switch self {
      case .somewhere(let outcome), .processing(_, let outcome): outcome != .allowed
      case .regions(let regions, _): regions.contains { $0.outcome != .allowed }
      }
    }
  }

  struct ExpectedRegion: Sendable {
    let name: String
    let outcome: Verdict.Outcome
  }
}
