import ArgumentParser
import Foundation

/// What a sync costs. The virtual ones are the same on every machine and at every hour.
enum Disk: String, CaseIterable, Codable, ExpressibleByArgument {
  /// As a local NVMe device.
  case virtual100us = "virtual-100us"
  /// As a network volume.
  case virtual1ms = "virtual-1ms"
  /// What the folder lies on.
  case real

  fileprivate var sleepMicroseconds: Int {
    switch self {
    case .virtual100us: 100
    case .virtual1ms: 1_000
    case .real: -1
    }
  }

  /// Where data goes if nothing was said: memory for the virtual disks, so that nothing but the sleep is left.
  var defaultFolder: String {
    let memory = "/dev/shm"
    return self != .real && FileManager.default.isWritableFile(atPath: memory)
      ? memory : FileManager.default.temporaryDirectory.path(percentEncoded: false)
  }
}

/// Shim/sync.c, if it was preloaded.
struct SyncShim: Sendable {
  private let setSleep: @convention(c) (Int) -> Void
  private let count: @convention(c) () -> Int

  init?() {
    guard let setter = unsafe dlsym(nil, "benchmark_set_sync_sleep"),
      let counter = unsafe dlsym(nil, "benchmark_sync_count")
    else { return nil }
    setSleep = unsafe unsafeBitCast(setter, to: (@convention(c) (Int) -> Void).self)
    count = unsafe unsafeBitCast(counter, to: (@convention(c) () -> Int).self)
  }

  /// From now on a sync costs what it does on that disk.
  func mount(_ disk: Disk) { setSleep(disk.sleepMicroseconds) }

  /// The syncs of this process so far.
  var syncs: Int { count() }
}

/// The median time of a write of 4 KiB with its sync, in microseconds, as measured in a folder.
func syncMicroseconds(in folder: String) throws -> Double {
  let path = "\(folder)/sync"
  let file = unsafe open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
  guard file >= 0 else { throw BenchmarkError("\(path) cannot be made (errno \(errno))") }
  defer {
    close(file)
    unsafe unlink(path)
  }
  let page = [UInt8](repeating: 7, count: 4096)
  let times = (0..<31).map { _ in
    ContinuousClock().measure {
      unsafe pwrite(file, page, page.count, 0)
      fdatasync(file)
    } / .microseconds(1)
  }
  return times.median
}
