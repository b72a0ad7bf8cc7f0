import DomicilePolicy
import DomicileTesting
import Testing

/// Exceptions from an exclusion that hold from a day to a day.
@Suite struct DatedExceptionTests {
  /// The small policy, in which RU and AQ are excluded, with exceptions.
  private func policy(_ exceptions: String) -> SmallPolicy {
    var small = SmallPolicy()
    small.policy.replace(
      "    missing: exclude\n", with: "    missing: exclude\n    except: [\(exceptions)]\n")
    return small
  }

  private func excluded(_ exceptions: String, on day: String) throws -> [String] {
    let policy = try ResidencyPolicy(
      files: RegionFiles(texts: policy(exceptions).texts), on: #require(PolicyDay(day)))
    return policy.excludedCountries.map(\.description)
  }

  @Test(arguments: [
    ("2026-12-31", false), ("2027-01-01", true), ("2027-06-15", true), ("2027-06-30", true),
    ("2027-07-01", false),
  ])
  func `an exception holds from its first day to its last`(day: String, isLetOff: Bool) throws {
    let exception = "{country: RU, from: 2027-01-01, until: 2027-06-30, reason: r, source: s}"
    #expect(try excluded(exception, on: day) == (isLetOff ? ["AQ"] : ["AQ", "RU"]))
  }

  @Test func `an exception may have a beginning only, or an end only`() throws {
    let begins = "{country: RU, from: 2027-01-01, reason: r, source: s}"
    #expect(try excluded(begins, on: "2026-12-31") == ["AQ", "RU"])
    #expect(try excluded(begins, on: "2099-01-01") == ["AQ"])
    let ends = "{country: RU, until: 2027-01-01, reason: r, source: s}"
    #expect(try excluded(ends, on: "2000-01-01") == ["AQ"])
    #expect(try excluded(ends, on: "2027-01-02") == ["AQ", "RU"])
  }

  @Test func `a country may be let off twice`() throws {
    let twice = """
      {country: RU, until: 2027-01-01, reason: r, source: s}, \
      {country: RU, from: 2028-01-01, reason: r, source: s}
      """
    #expect(try excluded(twice, on: "2027-01-01") == ["AQ"])
    #expect(try excluded(twice, on: "2027-06-01") == ["AQ", "RU"])
    #expect(try excluded(twice, on: "2028-01-01") == ["AQ"])
  }

  @Test func `an exception is none from another exclusion`() throws {
    var small = policy("{country: RU, reason: r, source: s}")
    small.policy.replace(
      "attributes:", with: "  - {name: listed, countries: RU, reason: r}\nattributes:")
    #expect(try small.compile().excludedCountries.map(\.description) == ["AQ", "RU"])
  }

  @Test func `the days of an exception begin phases`() throws {
    let small = policy("{country: RU, from: 2027-01-01, until: 2027-06-30, reason: r, source: s}")
    let compiled = try ResidencyPolicy(
      files: RegionFiles(texts: small.texts), on: #require(PolicyDay("2027-02-01")))
    #expect(compiled.phaseStarts.map(\.description) == ["2027-01-01", "2027-07-01"])
    #expect(compiled.phase.start?.description == "2027-01-01")
    #expect(compiled.phase.end?.description == "2027-07-01")
  }

  @Test func `a resident of a country that is let off has a place as long as that holds`() throws {
    let small = policy("{country: RU, until: 2027-06-30, reason: r, source: s}")
    func legal(on day: String) throws -> [String] {
      let policy = try ResidencyPolicy(
        files: RegionFiles(texts: small.texts), on: #require(PolicyDay(day)))
      let russian = try #require(ResidencyProfile("RU"))
      return try policy.verdict(for: russian, dataClass: "messages").legalCountries
    }
    #expect(try legal(on: "2027-06-30") == ["RU"])
    #expect(try legal(on: "2027-07-01") == [])
  }
}
