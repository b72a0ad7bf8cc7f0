/// One thing wrong with the files of a policy, and where.
public struct PolicyProblem: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file's path below the regions folder, such as `policy.yaml`.
  public var file: String
  /// Line and column, counted from 1; nil where the problem is the file as a whole.
  public var line: Int?
  public var column: Int?
  /// What is wrong, and the nearest right word where there is one.
  public var message: String

  public var description: String {
    let place = [file, line.map(String.init), column.map(String.init)].compactMap(\.self)
    return "\(place.joined(separator: ":")): \(message)"
  }
}

/// An error thrown by the policy layer.
public struct PolicyError: Error, Sendable, CustomStringConvertible {
  /// What kind of failure this is; the only part to branch on.
  public var code: Code
  /// What was refused or failed, why, and what to do next.
  public var message: String
  /// Every problem found, in the order of the files; empty unless the code is ``Code/invalid``.
  public var problems: [PolicyProblem]

  public init(code: Code, message: String, problems: [PolicyProblem] = []) {
    self.code = code
    self.message = message
    self.problems = problems
  }

  /// A kind of failure. New kinds may appear in a minor release.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    private let name: String
    private init(_ name: String) { self.name = name }
    public var description: String { name }
    /// A file could not be read.
    public static let unreadable = Code("unreadable")
    /// A file does not say what a policy, a topology or a table of facts must say.
    public static let invalid = Code("invalid")
    /// A country, attribute, data class or region that the policy does not know.
    public static let unknownName = Code("unknownName")
  }

  public var description: String {
    ([message] + problems.map(\.description)).joined(separator: "\n")
  }

  static func invalid(
    _ problems: [PolicyProblem], _ what: String = "The policy is not valid"
  ) -> PolicyError {
    let most = ProblemLog.problemsMax
    let count =
      problems.count > most
      ? "more than \(most) problems"
      : problems.count == 1 ? "1 problem" : "\(problems.count) problems"
    return PolicyError(code: .invalid, message: "\(what): \(count).", problems: problems)
  }
}

/// Collects problems while a file is read, so that one check reports them all.
final class ProblemLog {
  private(set) var problems: [PolicyProblem] = []
  private var known: Set<PolicyProblem> = []

  /// More than anybody mends at once.
  static let problemsMax = 500
  /// What is longer is cut in the middle: the end says what would be right.
  private static let messageMax = 2_000

  var isFull: Bool { problems.count > Self.problemsMax }

  func add(_ problem: PolicyProblem) {
    guard !isFull, known.insert(problem).inserted else { return }
    if problems.count == Self.problemsMax {
      problems.append(
        PolicyProblem(
          file: problem.file, message: "there are more problems; mend those above first"))
      return
    }
    var problem = problem
    if problem.message.unicodeScalars.count > Self.messageMax {
      let half = Self.messageMax / 2
      problem.message = "\(problem.message.prefix(half))…\(problem.message.suffix(half))"
    }
    problems.append(problem)
  }
}
