import DomicileSQLite
import DomicileTesting
import Foundation
import Synchronization
import Testing

@Suite struct WriterGateTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = "\(folder.path)/notes.sqlite"
  }

  @Test func `one at a time is inside`() async throws {
    let (inside, passes) = (Count(), Count())
    try await withThrowingTaskGroup { group in
      for _ in 0..<4 {
        group.addTask { [path] in
          let gate = try WriterGate(path: path)
          for _ in 0..<200 {
            try gate.pass {
              #expect(inside.add(1) == 1)
              passes.add(1)
              inside.add(-1)
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(passes.add(0) == 800)
  }

  /// Goes in 3,000 times without a pause, each time appending a letter to a file.
  private static func pass(_ path: String, noting letter: String, in notes: String) throws {
    let gate = try WriterGate(path: path)
    let file = unsafe open(notes, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0o600)
    defer { close(file) }
    for _ in 0..<3_000 {
      try gate.pass {
        _ = unsafe write(file, letter, 1)
        usleep(200)
      }
    }
  }

  @Test func `whoever leaves stands behind all who wait`() async throws {
    let notes = "\(folder.path)/notes"
    // A thread of its own: an exit test keeps one of the pool's busy.
    Thread.detachNewThread { [path] in try? Self.pass(path, noting: "a", in: notes) }
    await #expect(processExitsWith: .success) {
      [path = path as String, notes = notes as String] in
      try Self.pass(path, noting: "b", in: notes)
    }
    var letters: [Character] = []
    while letters.count < 6_000 {
      try await Task.sleep(for: .milliseconds(10))
      letters = Array(try String(contentsOfFile: notes, encoding: .utf8))
    }
    // While both are there, nobody goes in many times over the other's head.
    let first = try #require(letters.firstIndex { $0 != letters[0] })
    let last = try #require(letters.lastIndex { $0 != letters[letters.count - 1] })
    var longest = 0
    var run = 0
    for index in first...last {
      run = letters[index] == letters[index - 1] ? run + 1 : 1
      longest = max(longest, run)
    }
    #expect(longest <= 100, "\(longest) times in a row")
  }

  @Test func `a process that dies inside, or waiting, keeps nobody out`() async throws {
    for _ in 0..<5 {
      await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
        let gate = try WriterGate(path: path)
        try gate.pass { _ = kill(getpid(), SIGKILL) }
      }
      try WriterGate(path: path).pass {}
    }
  }

  @Test func `the gate is free although a child of the process has its files open`() throws {
    let gate = try WriterGate(path: path)
    // What a child has between fork and exec: the same open files under other descriptors.
    let copies = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
      .compactMap { Int32($0) }.filter { number in
        let name = try? FileManager.default.destinationOfSymbolicLink(
          atPath: "/proc/self/fd/\(number)")
        return name?.hasPrefix(path) ?? false
      }.map { dup($0) }
    defer { for copy in copies { close(copy) } }
    #expect(copies.count == 2)
    try gate.pass {}
    try WriterGate(path: path).pass {}
  }

  @Test(arguments: [["-next"], ["-main"], ["-next", "-main"]])
  func `files of the gate that somebody deletes or replaces are opened anew`(
    suffixes: [String]
  ) throws {
    // Used by one thread after the other.
    nonisolated(unsafe) let old = try WriterGate(path: path)
    try unsafe old.pass {}
    for suffix in suffixes { try FileManager.default.removeItem(atPath: path + suffix) }
    // As a process that comes new: it makes files of its own.
    let new = try WriterGate(path: path)
    try new.enter()
    let isInside = Mutex(false)
    let thread = Thread {
      try? unsafe old.pass { isInside.withLock { $0 = true } }
    }
    thread.start()
    usleep(50_000)
    #expect(isInside.withLock { !$0 })
    new.leave()
    while !isInside.withLock({ $0 }) { usleep(1_000) }
  }

  @Test func `what is thrown inside is thrown on, and the gate is free`() throws {
    struct Failure: Error {}
    let gate = try WriterGate(path: path)
    #expect(throws: Failure.self) { try gate.pass { throw Failure() } }
    try WriterGate(path: path).pass {}
  }

  @Test func `lock files that cannot be made are named`() throws {
    let error = #expect(throws: SQLiteError.self) {
      try WriterGate(path: "\(folder.path)/nowhere/notes.sqlite")
    }
    #expect(error?.message == "lock file: No such file or directory")
    try FileManager.default.createSymbolicLink(
      atPath: "\(path)-next", withDestinationPath: "elsewhere")
    #expect(throws: SQLiteError.self) { try WriterGate(path: path) }
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/elsewhere"))
  }
}

private final class Count: Sendable {
  private let value = Atomic(0)
  @discardableResult
  func add(_ number: Int) -> Int { value.add(number, ordering: .sequentiallyConsistent).newValue }
}
