import Domicile
import DomicileTesting
import Foundation
import Testing

/// Promise 3: nothing acknowledged is lost when the process is killed, at whatever moment.
@Suite(.serialized) struct NothingLostTests {
  private static let writers = 4

  /// What a process does until it is killed: admits users and writes for them, and notes in a file what was
  /// acknowledged. A line that is in the file was written before the kill.
  private static func work(data: String, notes: String, round: Int) async throws {
    let router = try await ResidencyRouter.open(data: data)
    await withTaskGroup { group in
      for writer in 0..<writers {
        group.addTask {
          for number in 0... {
            let id = "\(round).\(writer).\(number)"
            do {
              try await router.admit(
                UserID(id), residence: ["DE", "IN", "US"][(writer + number) % 3])
              note("admitted \(id)", in: notes)
              let user = try await router.user(UserID(id))
              for key in 0..<3 {
                try await user.put(
                  "\(id) \(key)".utf8, key: RecordKey("\(key)"), in: .inbox,
                  labels: ["key": "\(key)"])
                note("written \(id) \(key)", in: notes)
              }
            } catch {
              note("failed \(error)", in: notes)
            }
          }
        }
      }
    }
  }

  /// Appends a line in one call.
  private static func note(_ line: String, in file: String) {
    let descriptor = unsafe open(file, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0o600)
    let bytes = Array("\(line)\n".utf8)
    _ = unsafe write(descriptor, bytes, bytes.count)
    close(descriptor)
  }

  private static func killSelf(afterMicroseconds delay: UInt32) {
    Thread.detachNewThread {
      usleep(delay)
      kill(getpid(), SIGKILL)
    }
  }

  @Test func `what was acknowledged before a kill is there after it`() async throws {
    let seed = UInt64.random(in: .min ... .max)
    var random = SeededRandom(seed: seed)
    let deployment = try await TemporaryDeployment(clock: ManualClock(start: .now))
    let notes = "\(deployment.folder.path)/notes"
    var (admitted, written) = (0, 0)
    for round in 0..<40 {
      try? FileManager.default.removeItem(atPath: notes)
      let delay = UInt32.random(in: 5_000...200_000, using: &random)
      await #expect(processExitsWith: .signal(SIGKILL), "seed \(seed)") {
        [
          data = deployment.data as String, notes = notes as String, round = round as Int,
          delay = delay as UInt32
        ] in
        Self.killSelf(afterMicroseconds: delay)
        try await Self.work(data: data, notes: notes, round: round)
      }
      let lines =
        (try? String(contentsOfFile: notes, encoding: .utf8))?.split(separator: "\n") ?? []
      // The clock of the processes that were killed.
      try await deployment.withRouter({ $0.clock = .system }) { router in
        for line in lines {
          let words = line.split(separator: " ").map(String.init)
          switch words[0] {
          case "admitted":
            admitted += 1
            _ = try await router.user(UserID(words[1]))
          case "written":
            written += 1
            let user = try await router.user(UserID(words[1]))
            let record = try await user.get(RecordKey(words[2]), in: .inbox)
            #expect(record?.text == "\(words[1]) \(words[2])", "seed \(seed), round \(round)")
          default: Issue.record("\(line), seed \(seed), round \(round)")
          }
        }
        try await Self.repeatLast(lines.map(String.init), in: router, round: round)
        let findings = try await router.doctor().findings
          .filter { $0.code != .admissionHalfWay }
        #expect(findings == [], "seed \(seed), round \(round)")
      }
    }
    #expect(admitted > 0)
    #expect(written > 0)
  }

  /// Whoever was not answered asks again: for each writer the user that it was about, and the next.
  private static func repeatLast(
    _ lines: [String], in router: ResidencyRouter, round: Int
  ) async throws {
    for writer in 0..<writers {
      let prefix = "\(round).\(writer)."
      let begun = lines.filter { $0.hasPrefix("admitted \(prefix)") }.count
      for number in [max(0, begun - 1), begun, begun + 1] {
        let id = UserID("\(prefix)\(number)")
        try await router.admit(id, residence: ["DE", "IN", "US"][(writer + number) % 3])
        let user = try await router.user(id)
        try await user.put("again".utf8, key: "0", in: .inbox)
        #expect(try await user.get("0", in: .inbox)?.text == "again")
        #expect(try await user.page(.inbox, label: ("key", "0")).records.isEmpty)
      }
    }
  }

  @Test func `an initialization killed at any moment is finished by the next`() async throws {
    let seed = UInt64.random(in: .min ... .max)
    var random = SeededRandom(seed: seed)
    for _ in 0..<12 {
      let folder = try TemporaryFolder()
      for (path, text) in RegionFiles.small.texts { try folder.write(text, to: "regions/\(path)") }
      let delay = UInt32.random(in: 100...25_000, using: &random)
      await #expect(processExitsWith: .signal(SIGKILL), "seed \(seed)") {
        [folder = folder.path as String, delay = delay as UInt32] in
        Self.killSelf(afterMicroseconds: delay)
        try await ResidencyRouter.initialize(data: "\(folder)/data", regions: "\(folder)/regions")
        try await Task.sleep(for: .seconds(60))
      }
      do {
        try await ResidencyRouter.initialize(
          data: "\(folder.path)/data", regions: "\(folder.path)/regions")
      } catch {
        #expect(error.code == .alreadyInitialized, "seed \(seed)")
      }
      let router = try await ResidencyRouter.open(data: "\(folder.path)/data")
      let again = try await router.apply(regions: "\(folder.path)/regions")
      #expect(again.isApplied, "seed \(seed)")
      for residence in ["DE", "IN", "US"] {
        try await router.admit(UserID(residence), residence: residence)
        let user = try await router.user(UserID(residence))
        try await user.put([1], key: "k", in: .inbox)
      }
      await router.close()
    }
  }
}
