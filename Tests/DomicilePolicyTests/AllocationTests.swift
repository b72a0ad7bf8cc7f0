import CAllocationCounter
import DomicilePolicy
import Testing

@Suite struct AllocationTests {
  @Test(.disabled(if: allocation_count() < 0, "a sanitizer has its own allocator"))
  func `a verdict on the write path allocates nothing`() throws {
    let policy = try ShippedRegions.policy()
    let residence = try policy.geography.country("DE")
    let profile = try policy.compile(
      ResidencyProfile(residence: residence, attributes: ["scc-signed"]))
    let classes = policy.classes.count
    let regions = policy.topology.regions.count
    var allowed = 0

    let before = allocation_count()
    for dataClass in 0..<classes {
      for region in 0..<regions
      where policy.permits(profile, dataClass: dataClass, region: region) {
        allowed += 1
      }
    }
    #expect(allocation_count() == before)
    #expect(allowed == classes * regions)

    // A check that cannot fail would be none: an explanation does allocate.
    _ = try policy.verdict(
      for: ResidencyProfile(residence: residence), dataClass: "messages")
    #expect(allocation_count() > before)
  }
}
