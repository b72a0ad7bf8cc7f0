import DomicileSQLite
import DomicileTesting
import Foundation
import Testing

@Suite struct FolderLockTests {
  private let folder: TemporaryFolder
  private let file: String

  init() throws {
    folder = try TemporaryFolder()
    file = "\(folder.path)/lock"
  }

  private func isFree() throws -> Bool {
    do throws(FolderLock.Failure) {
      _ = try FolderLock(file: file)
      return true
    } catch .inUse {
      return false
    } catch {
      throw error
    }
  }

  @Test func `a second lock is refused, in the same process too`() throws {
    let lock = try FolderLock(file: file)
    #expect(try !isFree())
    #expect(try !isFree())
    withExtendedLifetime(lock) {}
    _ = consume lock
  }

  @Test func `a lock is free when its value is gone`() throws {
    var lock: FolderLock? = try FolderLock(file: file)
    #expect(try !isFree())
    withExtendedLifetime(lock) {}
    lock = nil
    #expect(try isFree())
  }

  @Test func `a lock is kept when somebody else opens and closes the file`() throws {
    let lock = try FolderLock(file: file)
    // A lock of the process, as POSIX has them, would be gone after this.
    _ = FileManager.default.contents(atPath: file)
    let descriptor = try #require(FileHandle(forReadingAtPath: file))
    try descriptor.close()
    #expect(try !isFree())
    withExtendedLifetime(lock) {}
  }

  @Test func `a lock keeps other processes out, and dies with its own`() async throws {
    await #expect(processExitsWith: .signal(SIGKILL)) { [file = file as String] in
      let lock = try FolderLock(file: file)
      withExtendedLifetime(lock) { _ = kill(getpid(), SIGKILL) }
    }
    #expect(try isFree())
    let lock = try FolderLock(file: file)
    await #expect(processExitsWith: .success) { [file = file as String] in
      #expect(throws: FolderLock.Failure.self) { try FolderLock(file: file) }
    }
    withExtendedLifetime(lock) {}
  }

  @Test func `a lock is not inherited by a program that is started`() throws {
    var lock: FolderLock? = try FolderLock(file: file)
    let sleeper = Process()
    sleeper.executableURL = URL(filePath: "/bin/cat")
    let input = Pipe()
    sleeper.standardInput = input
    try sleeper.run()
    withExtendedLifetime(lock) {}
    lock = nil
    #expect(try isFree())
    try input.fileHandleForWriting.close()
    sleeper.waitUntilExit()
  }

  @Test func `only the owner may read the lock's file, which stays`() throws {
    _ = try FolderLock(file: file)
    let attributes = try FileManager.default.attributesOfItem(atPath: file)
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
  }

  @Test func `a link and a missing folder are not locked`() throws {
    try FileManager.default.createSymbolicLink(
      atPath: file, withDestinationPath: "\(folder.path)/elsewhere")
    #expect(throws: FolderLock.Failure.self) { try FolderLock(file: file) }
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/elsewhere"))
    #expect(throws: FolderLock.Failure.self) {
      try FolderLock(file: "\(folder.path)/missing/lock")
    }
  }
}
