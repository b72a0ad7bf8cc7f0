import Domicile
import Foundation

/// A policy of as many rules as are allowed: 250 countries, 20 classes, 20 regions, drawn from a seed.
enum ManyRules {
  static let rules = 10_000
  static let fewRules = 10
  private static let countries = 250
  private static let classes = 20
  private static let regions = 20

  static func compile(rules: Int) throws -> ResidencyPolicy {
    try ResidencyPolicy(files: RegionFiles(texts: texts(rules: rules)), on: day)
  }

  static let day = PolicyDay(secondsSince1970: 1_767_225_600)  // 2026-01-01

  static func texts(rules count: Int) -> [String: String] {
    var draw = Draw(seed: 10)
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".map { String($0) }
    let codes = (0..<countries).map { letters[$0 / 26] + letters[$0 % 26] }
    let rows = codes.map { code in
      let (north, east) = (
        Int.random(in: -60...70, using: &draw), Int.random(in: -179...179, using: &draw)
      )
      return "\(code),Country \(code),\(code),\(north),\(east)"
    }
    let members = (0..<10).flatMap { group in
      (0..<30).map { _ in "GROUP-\(group),\(codes.randomElement(using: &draw) ?? "")" }
    }
    let regionTexts = (0..<regions).map { number in
      "  r\(number): {country: \(codes[number * 12]), operator: o\(number % 5), shards: {s\(number): {}}}"
    }
    let operators = (0..<5).map {
      "  o\($0): {jurisdictions: [\(codes[$0 * 12])], certifications: [c\($0)]}"
    }
    return [
      "facts/countries.csv": "alpha2,name,sovereign,lat,lon\n" + rows.joined(separator: "\n"),
      "facts/groups.csv": "group,code\n" + Set(members).sorted().joined(separator: "\n"),
      "topology.yaml": """
      topology: many
      directory: r0
      operators:
      \(operators.joined(separator: "\n"))
      regions:
      \(regionTexts.joined(separator: "\n"))
      """,
      "policy.yaml": policy(rules: count, codes: codes, &draw),
    ]
  }

  private static func policy(rules count: Int, codes: [String], _ draw: inout Draw) -> String {
    func some(_ few: ClosedRange<Int>) -> String {
      (0..<Int.random(in: few, using: &draw)).map { _ in codes.randomElement(using: &draw) ?? "" }
        .joined(separator: ", ")
    }
    func group() -> String { "GROUP-\(Int.random(in: 0..<10, using: &draw))" }
    let rules = (0..<count).map { number in
      // Most laws are about one country, some about a group. The first three are about everybody, so that a verdict
      // depends on three attributes, however many rules there are.
      let isGeneral = number < 3
      let residents = isGeneral ? "anywhere" : number.isMultiple(of: 10) ? group() : some(1...3)
      var text = """
          - name: rule-\(number)
            residents: [\(residents)]
            reason: The law of \(residents), number \(number), which says where such data may be kept.
            source: https://law.example/\(number)

        """
      if !isGeneral, number % 3 != 0 {
        text += "    classes: [k\(Int.random(in: 0..<10, using: &draw)), k\(10 + number % 9)]\n"
      }
      // Narrow enough to forbid something, wide enough that many rules together leave something.
      let all = "\(some(3...8)), {countries: anywhere, except: [\(some(1...3))]}"
      switch number % 8 {
      case 0: text += "    copy: [\(group()), \(all)]\n"
      case 1: text += "    process: [\(group()), \(all)]\n"
      case 2: text += "    store: [{countries: [\(group())], certified: c\(number % 5)}, \(all)]\n"
      default: text += "    store: [\(group()), \(group()), \(all)]\n"
      }
      if isGeneral || number.isMultiple(of: 5) {
        text += "    unless: {attribute: a\(number % 3)}\n"
      }
      return text
    }
    let classTexts = (0..<classes - 1).map { "  k\($0): {collections: [c\($0)]}" }
    return """
      policy: many
      attributes: [a0, a1, a2]
      classes:
      \(classTexts.joined(separator: "\n"))
        directory: {}
      exclude:
        - name: excluded
          countries: [\(codes[200...].joined(separator: ", "))]
          reason: For a reason.
      rules:
      \(rules.joined(separator: "\n"))
      otherwise: {store: anywhere}
      """
  }

  // MARK: Figures

  /// What this process has computed, whatever else the machine did: nothing here waits or runs in parallel.
  private static func processorTime() -> Duration {
    var time = timespec()
    guard unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else {
      preconditionFailure("the system has no clock of processor time")
    }
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  static func milliseconds(rules: Int) throws -> Double {
    let texts = RegionFiles(texts: texts(rules: rules))
    let start = processorTime()
    _ = try ResidencyPolicy(files: texts, on: day)
    return (processorTime() - start) / .milliseconds(1)
  }

  /// By how much compiling raises the most memory that a process ever had, in MiB: asked of a process of its own, in which
  /// nothing was freed that could be used again.
  static func mebibytesInChild() throws -> Double {
    let text = try inChild(["--compile-once"])
    guard let kibibytes = Double(text) else {
      throw BenchmarkError("the process that compiles once said: \(text)")
    }
    return kibibytes / 1_024
  }

  /// What a process of this program with these arguments prints.
  static func inChild(_ arguments: [String]) throws -> String {
    let child = Process()
    child.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    child.arguments = arguments
    let output = Pipe()
    child.standardOutput = output
    try child.run()
    let printed = try output.fileHandleForReading.readToEnd() ?? Data()
    child.waitUntilExit()
    let text = String(decoding: printed, as: UTF8.self).trimmingCharacters(
      in: .whitespacesAndNewlines)
    guard child.terminationStatus == 0 else {
      throw BenchmarkError("the process “\(arguments.joined(separator: " "))” said: \(text)")
    }
    return text
  }

  /// What that process does.
  static func printPeakOfOneCompilation() throws {
    let files = RegionFiles(texts: texts(rules: rules))
    let before = try kibibytes("VmRSS")
    let policy = try ResidencyPolicy(files: files, on: day)
    let after = try kibibytes("VmHWM")
    withExtendedLifetime(policy) { print(after - before) }
  }

  static func kibibytes(_ name: String) throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") }
    guard
      let figure = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) }
      )
    else { throw BenchmarkError("this system does not say its \(name)") }
    return figure
  }

  /// Verdicts of the write path about random profiles, classes and regions.
  struct Verdicts {
    private let policy: ResidencyPolicy
    private let questions: [(profile: ResidencyPolicy.CompiledProfile, dataClass: Int, region: Int)]

    init(rules: Int) throws {
      policy = try compile(rules: rules)
      var draw = Draw(seed: 4)
      let policy = policy
      questions = try (0..<4_096).map { _ in
        let country = policy.geography.countries.randomElement(using: &draw)
        guard let country else { throw BenchmarkError("there is no country") }
        let attributes = policy.attributes.filter { _ in Bool.random(using: &draw) }
        return (
          try policy.compile(ResidencyProfile(residence: country.code, attributes: attributes)),
          Int.random(in: 0..<policy.classes.count, using: &draw),
          Int.random(in: 0..<policy.topology.regions.count, using: &draw)
        )
      }
    }

    func nanoseconds(for slice: Duration) throws -> Double {
      var (verdicts, allowed) = (0, 0)
      let end = ContinuousClock.now + slice
      let start = ManyRules.processorTime()
      repeat {
        for question in questions
        where policy.permits(
          question.profile, dataClass: question.dataClass, region: question.region)
        {
          allowed += 1
        }
        verdicts += questions.count
      } while ContinuousClock.now < end
      let time = ManyRules.processorTime() - start
      guard allowed > 0, allowed < verdicts else {
        throw BenchmarkError("all verdicts are the same")
      }
      return time / .nanoseconds(1) / Double(verdicts)
    }
  }
}
