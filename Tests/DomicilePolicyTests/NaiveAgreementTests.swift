import DomicilePolicy
import DomicileTesting
import Testing

/// The compiled policy says what the naive evaluator says, which is written from docs/policy.md.
@Suite struct NaiveAgreementTests {
  @Test func `the shipped policy is compiled as the design reads, for every profile and region`()
    throws
  {
    let naive = try ShippedRegions.naive()
    let agreement = Agreement(naive: naive, compiled: try ShippedRegions.policy())
    #expect(naive.countries.count == 250)
    #expect(try agreement.check(everyVerdict: true) == nil)
  }

  static let policiesPerChunk: UInt64 = 25_000

  /// Every profile, class, region and shard of 100,000 policies. The verdicts with their reasons, which are
  /// slow to make, are compared for one profile of each on average, drawn anew for each policy.
  @Test(arguments: 0..<4 as Range<UInt64>)
  func `a hundred thousand random policies are compiled as the design reads`(
    chunk: UInt64
  ) async throws {
    for seed in chunk * Self.policiesPerChunk..<(chunk + 1) * Self.policiesPerChunk {
      // There are as many threads for tests as cores, and others want them, too.
      await Task.yield()
      let random = RandomPolicy(seed: seed)
      do {
        let day = try #require(PolicyDay(random.day))
        let compiled = try ResidencyPolicy(files: RegionFiles(texts: random.texts), on: day)
        let agreement = Agreement(naive: random.naive, compiled: compiled, seed: seed)
        var draw = SeededRandom(seed: seed)
        let ofGroup = try GroupVerdictTests.difference(
          naive: random.naive, compiled: compiled, &draw)
        guard let difference = try agreement.check(everyVerdict: false) ?? ofGroup else { continue }
        Issue.record("seed \(seed): \(difference)")
      } catch {
        Issue.record("seed \(seed): \(error)")
      }
      return
    }
  }
}
