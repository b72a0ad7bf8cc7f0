import Domicile
import DomicileTesting
import Testing

/// `policy print`, letter for letter.
@Suite struct PolicyPrintCommandTests {
  private static let small = """
    policy: small
    exclude:
    - name: press-freedom
      countries: [KP]
      reason: "Jails people for what they write."
    attributes: [scc-signed]
    classes:
      messages: {collections: [inbox, threads]}
      payments: {collections: [receipts]}
      directory: {}
    rules:
    - name: eu-at-home
      residents: [EU]
      store: [EU]
      unless: {attribute: scc-signed}
      reason: "GDPR chapter V"
    - name: in-payments
      residents: [IN]
      classes: [payments]
      store: [IN]
      reason: "RBI/2017-18/153"
    - name: kp-at-home
      residents: [KP]
      store: [KP]
      reason: "Its law demands it."
    otherwise:
      store: [anywhere]

    """

  @Test func `a policy is printed in one form, and printed again it is the same`() async throws {
    let workspace = Workspace()
    try workspace.write(.small)
    expect(try await workspace.domicile("policy print"), output: Self.small)
    try workspace.write(Self.small, to: "regions/policy.yaml")
    expect(try await workspace.domicile("policy print --regions regions"), output: Self.small)
  }

  @Test func `what is included stands in its place`() async throws {
    let workspace = Workspace()
    try workspace.write(
      RegionFiles.small.replacing(
        "policy: small\nexclude:\n", in: "policy.yaml",
        with: "policy: small\ninclude: rules/more.yaml\nexclude:\n"))
    try workspace.write(
      "exclude: [{name: more, countries: US, reason: r}]", to: "regions/rules/more.yaml")
    let more = "- name: more\n  countries: [US]\n  reason: \"r\"\n"
    expect(
      try await workspace.domicile("policy print"),
      output: Self.small.replacing("attributes:", with: "\(more)attributes:"))
  }

  @Test func `a policy that is not valid is not printed`() async throws {
    let workspace = Workspace()
    try workspace.write(
      RegionFiles.small.replacing("residents: EU", in: "policy.yaml", with: "residents: EUU"))
    expect(
      try await workspace.domicile("policy print"),
      error: """
        invalidPolicy: The policy is not valid: 1 problem.
          ./regions/policy.yaml:13:16: unknown country or group “EUU”; did you mean “EU”?

        """, exitCode: 1)
  }
}
