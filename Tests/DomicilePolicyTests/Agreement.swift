import DomicilePolicy
import DomicileTesting

/// Compares a compiled policy with the naive evaluator.
///
/// Comparisons are plain `if`s: there are millions of them, and `#expect` takes longer than a verdict.
struct Agreement {
  let naive: NaivePolicy
  let compiled: ResidencyPolicy
  var seed: UInt64 = 0

  /// How many profiles' verdicts are compared, on average, unless all are.
  static let sampledProfiles = 1

  /// The first difference, in words; nil if there is none.
  func check(everyVerdict: Bool) throws -> String? {
    let names = Set(compiled.topology.regions.map(\.name))
    guard names == Set(naive.regions.map(\.name)),
      Set(compiled.classes.map(\.name)) == Set(naive.classes)
    else { return "the regions or the classes are not the same" }
    guard compiled.topology.shards.map(\.name).sorted() == naive.shards.map(\.name).sorted() else {
      return "the shards are not the same"
    }
    let shards = compiled.topology.shards.compactMap { shard in
      naive.shards.first { $0.name == shard.name }.map { ($0, compiled.law(ofShard: shard)) }
    }
    let classNumbers = try naive.classes.map(compiled.number(ofClass:))
    let attributeSets = naive.attributeSets
    var random = SeededRandom(seed: seed)
    let profiles = naive.countries.count * attributeSets.count * naive.classes.count
    for residence in naive.countries.sorted() {
      for attributes in attributeSets {
        let user = NaivePolicy.User(residence: residence, attributes: attributes)
        guard let country = CountryCode(residence) else { return "\(residence) is no code" }
        let profile = ResidencyProfile(residence: country, attributes: attributes)
        let compiledProfile = try compiled.compile(profile)
        for (dataClass, number) in zip(naive.classes, classNumbers) {
          let subject = Subject(
            user: user, profile: profile, compiled: compiledProfile, dataClass: dataClass,
            number: number, constraints: naive.constraints(on: user, dataClass: dataClass))
          if let difference = places(subject, shards: shards) { return difference }
          guard everyVerdict || Int.random(in: 0..<profiles, using: &random) < Self.sampledProfiles
          else { continue }
          if let difference = try verdicts(subject) { return difference }
        }
      }
    }
    return nil
  }

  private struct Subject {
    let user: NaivePolicy.User
    let profile: ResidencyProfile
    let compiled: ResidencyPolicy.CompiledProfile
    let dataClass: String
    let number: Int
    let constraints: [NaivePolicy.Constraint]

    var description: String { "\(dataClass) of \(profile)" }
  }

  /// `permits` for every region, and the law of every shard.
  private func places(
    _ subject: Subject, shards: [(NaivePolicy.Shard, ShardLaw)]
  ) -> String? {
    let legal = naive.legalRegions(under: subject.constraints)
    for (number, region) in compiled.topology.regions.enumerated() {
      let permits = compiled.permits(
        subject.compiled, dataClass: subject.number, region: number)
      if permits != legal.contains(region.name) {
        return "\(subject.description) in \(region.name): compiled says \(permits)"
      }
    }
    let processing = naive.processCountries(subject.user, dataClass: subject.dataClass)
    for (number, country) in naive.countries.sorted().enumerated() {
      let permits = compiled.permitsProcessing(
        subject.compiled, dataClass: subject.number, in: number)
      if permits != processing.contains(country) {
        return "\(subject.description) processed in \(country): compiled says \(permits)"
      }
    }
    for (shard, law) in shards {
      let permits = law.permits(subject.profile, dataClass: subject.dataClass)
      let accepts = shard.accepts.contains(subject.user.residence)
      if permits != (accepts && legal.contains(shard.region)) {
        return "\(subject.description) in \(shard.name): the law says \(permits)"
      }
    }
    return nil
  }

  private func verdicts(_ subject: Subject) throws -> String? {
    let answer = naive.answer(subject.user, under: subject.constraints)
    let countries = answer.legalCountries.sorted()
    for region in [nil] + naive.regions.map(\.name) {
      let verdict = try compiled.verdict(
        for: subject.profile, dataClass: subject.dataClass, in: region)
      let outcome = answer.outcome(in: region)
      if verdict.outcome.rawValue != outcome {
        return "\(subject.description) in \(region ?? "-"): \(verdict.outcome), not \(outcome)"
      }
      if verdict.alternatives.sorted() != answer.servingRegions.sorted() {
        return "\(subject.description): \(verdict.alternatives), not \(answer.servingRegions)"
      }
      if verdict.legalCountries != countries {
        return "\(subject.description): countries \(verdict.legalCountries), not \(countries)"
      }
      if region == nil, let difference = irreducible(verdict, subject) { return difference }
      if let region, let difference = refusal(verdict, region: region, subject) {
        return difference
      }
    }
    return nil
  }

  /// What is cited where nothing is legal conflicts, and none of it is there in vain.
  ///
  /// Each cited constraint stands for the set of places that it permits by itself: countries if the verdict is
  /// `unplaceable`, regions if it is `unserved`. A set of constraints is *irreducible* if the intersection of
  /// these sets is empty and that of every proper part is not. It is enough to leave out one at a time, since
  /// leaving out more only makes the intersection larger. Leaving out a rule does not bring in `otherwise`,
  /// which is a constraint like any other where it applies, and none where it does not: the question is what
  /// conflicts, not what another policy would say.
  private func irreducible(_ verdict: Verdict, _ subject: Subject) -> String? {
    let names = verdict.conflict.map(key)
    let cited = subject.constraints.filter { names.contains($0.key) }
    if cited.count != names.count {
      return "\(subject.description): cites \(names), which do not bind"
    }
    switch verdict.outcome {
    case .allowed, .refused:
      return names.isEmpty ? nil : "\(subject.description): needless \(names)"
    case .unserved where !naive.legalRegions(under: subject.constraints).isEmpty:
      // A region is legal; only no shard there accepts the user, which is no matter of rules.
      return names.isEmpty ? nil : "\(subject.description): needless \(names)"
    case .unserved, .unplaceable: break
    }
    func leavesNothing(_ constraints: [NaivePolicy.Constraint]) -> Bool {
      verdict.outcome == .unplaceable
        ? naive.legalCountries(under: constraints).isEmpty
        : naive.legalRegions(under: constraints).isEmpty
    }
    if !leavesNothing(cited) { return "\(subject.description): \(names) do not conflict" }
    for dropped in cited where leavesNothing(cited.filter { $0.key != dropped.key }) {
      return "\(subject.description): of \(names), \(dropped.key) can be dropped"
    }
    return nil
  }

  /// As ``NaivePolicy/Constraint/key``.
  private func key(_ citation: Verdict.Citation) -> String {
    citation.demand.hasPrefix("demands a copy") ? "\(citation.name)/copy" : citation.name
  }

  /// A refused region is forbidden by exactly the constraints that the verdict names.
  private func refusal(_ verdict: Verdict, region name: String, _ subject: Subject) -> String? {
    guard verdict.outcome == .refused, let region = naive.regions.first(where: { $0.name == name })
    else { return nil }
    let forbidding = subject.constraints.filter { !$0.permits(region) }.map(\.key)
    guard verdict.rules.map(key) == forbidding,
      verdict.conflict == Array(verdict.rules.prefix(1))
    else {
      return "\(subject.description) in \(name): \(verdict.rules.map(\.name)), not \(forbidding)"
    }
    return nil
  }
}
