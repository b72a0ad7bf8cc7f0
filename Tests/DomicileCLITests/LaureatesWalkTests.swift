import Foundation
import Testing

/// The walk through the bad day that the examples have.
@Suite struct LaureatesWalkTests {
  @Test func `a country is excluded, left under load, and nothing stays there`() async throws {
    let workspace = Workspace()
    let result = try await workspace.run(
      URL(filePath: "/usr/bin/env"),
      ["bash", "\(Workspace.repository)/Examples/Laureates/walk", workspace.file("walk")],
      environment: ["DOMICILE": Workspace.tool.path(percentEncoded: false)])
    #expect(result.exitCode == 0, "\(result)")
    #expect(result.output.contains(", 0 failed\n"), "\(result)")
    #expect(result.output.contains("strasbourg: searched\n"), "\(result)")
    #expect(result.output.contains("nothing to do: every home may stay where it is\n"), "\(result)")
    #expect(result.output.contains("sound: "), "\(result)")
  }
}
