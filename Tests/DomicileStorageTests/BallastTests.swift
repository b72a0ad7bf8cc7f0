import DomicileSQLite
import DomicileStorage
import DomicileTesting
import Foundation
import Synchronization
import Testing

/// The space that a region keeps back for deletions on a full disk.
@Suite(.timeLimit(.minutes(1))) struct BallastTests {
  private let file: NotebookFile
  private let disk: SmallDisk

  init() throws {
    file = try NotebookFile()
    disk = SmallDisk(ballast: "\(file.folder.path)/ballast")
  }

  @Test func `on a full disk nothing is added, and what is there can be deleted`() async throws {
    disk.ballast.fill()
    let vfs = try disk.mount()
    let commits = file.open(vfs, disk.ballast)
    let kept = try await disk.fillUp(commits)
    #expect(kept.count > 3)
    #expect(disk.ballastBytes == SmallDisk.ballastBytes)

    for number in kept.dropLast() { try await commits.delete(number) }
    #expect(disk.ballastBytes == 0)
    #expect(await commits.put(1_000) == .diskFull)
    #expect(await commits.put(1_001, bytes: 1) == .diskFull)
    await commits.close()
    #expect(try file.numbers() == kept.suffix(1))
  }

  @Test func `nothing is added until there is room for the ballast again`() async throws {
    disk.ballast.fill()
    let vfs = try disk.mount()
    let commits = file.open(vfs, disk.ballast)
    let kept = try await disk.fillUp(commits)
    try await commits.delete(kept[0])

    // There is room, which the ballast has not taken yet.
    disk.grow(by: 1 << 20)
    #expect(await commits.put(1_000) == .diskFull)
    disk.ballast.fill()
    #expect(disk.ballastBytes == SmallDisk.ballastBytes)
    #expect(await commits.put(1_000) == nil)
    await commits.close()
    #expect(try file.numbers() == kept.dropFirst() + [1_000])
  }

  @Test func `what shares a batch with a deletion is told for itself`() async throws {
    disk.ballast.fill()
    let vfs = try disk.mount()
    let commits = file.open(vfs, disk.ballast)
    let kept = try await disk.fillUp(commits)
    let held = await HeldCommit(commits)
    let put = Task { await commits.put(1_000) }
    await until { commits.depth == 1 }
    let deletion = await held.submit { try $0.delete(kept[0]) }
    try await held.release()
    try await deletion.value
    #expect(await put.value == .diskFull)
    await commits.close()
    #expect(try file.numbers() == Array(kept.dropFirst()))
  }

  @Test(arguments: [0, SmallDisk.ballastBytes])
  func `without a ballast a full disk refuses deletions too, and goes on when it is not`(
    bytes: Int
  ) async throws {
    let vfs = try disk.mount()
    let commits = file.open(vfs, Ballast(path: disk.path, bytes: bytes))
    let kept = try await disk.fillUp(commits)
    #expect(await code { try await commits.delete(kept[0]) } == .diskFull)
    #expect(await commits.put(1_000) == .diskFull)
    #expect(disk.ballastBytes == nil)

    disk.grow(by: 1 << 20)
    #expect(await commits.put(1_000) == nil)
    try await commits.delete(kept[0])
    await commits.close()
    #expect(try file.numbers() == kept.dropFirst() + [1_000])
  }

  @Test func `all who have a file open see the same ballast`() async throws {
    disk.ballast.fill()
    let vfs = try disk.mount()
    let first = file.open(vfs, disk.ballast)
    let second = file.open(vfs, Ballast(path: disk.path, bytes: SmallDisk.ballastBytes))
    let kept = try await disk.fillUp(first, second)
    try await second.delete(kept[0])
    #expect(await first.put(1_000) == .diskFull)
    #expect(await second.put(1_001) == .diskFull)

    disk.grow(by: 1 << 20)
    disk.ballast.fill()
    #expect(await first.put(1_000) == nil)
    #expect(await second.put(1_001) == nil)
    await first.close()
    await second.close()
    #expect(try file.numbers() == kept.dropFirst() + [1_000, 1_001])
  }

  #if os(Linux)
    @Test func `a ballast for which there is no room is not taken for one that was given up`()
      async throws
    {
      await #expect(processExitsWith: .success) { [path = disk.path as String] in
        signal(SIGXFSZ, SIG_IGN)
        limitFiles(to: 60_000)
        Ballast(path: path, bytes: SmallDisk.ballastBytes).fill()
        #expect(SmallDisk(ballast: path).ballastBytes == nil)
      }
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: file.folder.path)
          .filter { $0.hasPrefix("ballast") } == [])
      disk.ballast.fill()
      #expect(disk.ballastBytes == SmallDisk.ballastBytes)
    }
  #endif
}

/// A disk with little room, of which a ballast takes a part until it is given up.
private final class SmallDisk: Sendable {
  static let ballastBytes = 1 << 20

  let path: String
  let ballast: Ballast
  /// How far the WAL may reach.
  private let room = Mutex<Int64>(200_000)

  init(ballast path: String) {
    self.path = path
    ballast = Ballast(path: path, bytes: Self.ballastBytes)
  }

  /// The size of the ballast's file; nil if there is none.
  var ballastBytes: Int? {
    (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? NSNumber)?.intValue
  }

  func grow(by bytes: Int64) { room.withLock { $0 += bytes } }

  /// SQLite's view of the disk: SQLITE_FULL for what ends beyond its room.
  func mount() throws -> FileSystem {
    try FileSystem(name: "small-\(UUID().uuidString)", over: FileSystem.clean) { [self] call in
      guard call.operation == .write, call.kind == .wal else { return 0 }
      let given = ballastBytes == 0 ? Int64(Self.ballastBytes) : 0
      return call.offset + call.amount > room.withLock { $0 } + given ? 13 : 0
    }
  }

  /// Puts large notes and then small ones until the disk is full, and returns those that were acknowledged.
  func fillUp(_ commits: GroupCommit<Notebook>...) async throws -> [Int] {
    // What each does at first makes room.
    for commits in commits { #expect(await commits.purge(by: .soon) == .done) }
    var kept: [Int] = []
    for bytes in [9_000, 1] {
      while kept.count < 1_000 {
        if let refusal = await commits[0].put(kept.count + 1, bytes: bytes) {
          #expect(refusal == .diskFull)
          break
        }
        kept.append(kept.count + 1)
      }
    }
    return kept
  }
}

extension NotebookFile {
  fileprivate func open(_ vfs: FileSystem, _ ballast: Ballast) -> GroupCommit<Notebook> {
    GroupCommit(
      path: path, place: "the notebook", ballast: ballast,
      open: { [path, name = vfs.name] () throws(StorageError) in
        try storing(in: "the notebook") { try Notebook(path: path, edition: 0, vfs: name) }
      })
  }
}

extension GroupCommit<Notebook> {
  /// Adds a note and returns why that was refused.
  fileprivate func put(_ number: Int, bytes: Int = 9_000) async -> StorageError.Code? {
    await code {
      try await commit(by: .soon, addsData: true) { try $0.write(number, bytes: bytes) }
    }
  }

  fileprivate func delete(_ number: Int) async throws {
    try await commit(by: .soon) { try $0.delete(number) }
  }
}
