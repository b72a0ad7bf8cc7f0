public import DomicilePolicy

extension PolicyDay {
  /// The day on which a ``ManualClock`` begins.
  public static let first = PolicyDay(number: 20_454)
}

extension ResidencyPolicy {
  /// Compiles what the texts say of 2026-01-01, the day on which a ``ManualClock`` begins.
  public init(files: RegionFiles) throws(PolicyError) { try self.init(files: files, on: .first) }

  /// Reads a folder, likewise.
  public init(folder: String) throws(PolicyError) { try self.init(folder: folder, on: .first) }
}
