public import Foundation

/// Homes that are to move, in memory or in a file.
///
/// A file has a line of JSON for the header, and one for each home; it may be read, compared, and cut down to what is wanted.
public struct MigrationPlan: Sendable {
  public let header: MigrationHeader
  let moves: PlannedMoves
  let size: Size

  /// How much is to be done.
  struct Size: Sendable {
    var homes = 0
    /// In steps of about equal length.
    var work = 0.0
  }

  public init(header: MigrationHeader, moves: [PlannedMove]) {
    self.init(header: header, PlannedMoves(source: .list(moves)))
  }

  /// Opens a plan's file, and reads it once.
  ///
  /// - Throws: ``RouterError`` with ``RouterError/Code/invalidPlan`` and the line that cannot be read.
  public init(file path: String) throws(RouterError) {
    let lines = try PlanLines(path: path)
    guard let first = try lines.next() else {
      throw RouterError(
        .invalidPlan, "The plan \(path) is empty. Make one by “domicile plan --out”.")
    }
    guard let header = try? Self.decoder.decode(MigrationHeader.self, from: first),
      header.format == MigrationHeader.currentFormat,
      header.id.wholeMatch(of: /[0-9a-f]{8}/) != nil
    else {
      throw RouterError(
        .invalidPlan,
        "Line 1 of \(path) is not the header of a plan that this version of Domicile reads. Make one by “domicile plan --out”."
      )
    }
    var number = 1
    while let line = try lines.next() {
      number += 1
      guard (try? Self.decoder.decode(PlannedMove.self, from: line))?.isValid == true else {
        throw RouterError(
          .invalidPlan,
          "Line \(number) of \(path) is not a home of a plan. Nothing was moved. Take the line out, or make a new plan."
        )
      }
    }
    self.init(header: header, PlannedMoves(source: .file(path)))
  }

  private init(header: MigrationHeader, _ moves: PlannedMoves) {
    self.header = header
    self.moves = moves
    size = moves.reduce(into: Size()) {
      $0.homes += 1
      $0.work += $1.work
    }
  }

  /// Where each home is to go, by ``key(_:)``: all in memory.
  public var targets: [String: String] {
    moves.reduce(into: [:]) { $0[Self.key($1)] = $1.to }
  }

  /// Names a home in a plan.
  public static func key(_ move: PlannedMove) -> String { "\(move.alias) \(move.dataClass)" }

  /// The lines of a plan's file.
  public static func line(_ header: MigrationHeader) throws -> Data {
    try encoder.encode(header) + Data("\n".utf8)
  }

  public static func line(_ move: PlannedMove) throws -> Data {
    try encoder.encode(move) + Data("\n".utf8)
  }

  private static var encoder: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    return encoder
  }

  fileprivate static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    return decoder
  }
}

extension PlannedMove {
  /// How long it takes, in what a home without records takes.
  var work: Double { to == nil ? 0 : 1 + Double(records ?? 0) / 50 + Double(bytes ?? 0) / 20_000 }

  fileprivate var isValid: Bool { alias.count == 32 && from != to }
}

/// The homes of a plan that can be moved, in its order.
struct PlannedMoves: Sequence, Sendable {
  enum Source: Sendable {
    case list([PlannedMove])
    case file(String)
  }
  let source: Source

  func makeIterator() -> AnyIterator<PlannedMove> {
    switch source {
    case .list(let moves):
      var left = moves.makeIterator()
      return AnyIterator {
        while let move = left.next() { if move.to != nil { return move } }
        return nil
      }
    case .file(let path):
      let lines = try? PlanLines(path: path)
      _ = try? lines?.next()
      let decoder = MigrationPlan.decoder
      return AnyIterator {
        while let line = try? lines?.next() {
          if let move = try? decoder.decode(PlannedMove.self, from: line), move.to != nil {
            return move
          }
        }
        return nil
      }
    }
  }
}

/// Moves with the same source and target, together.
struct PlannedBatches {
  private var moves: AnyIterator<PlannedMove>
  private var waiting: [[String]: [PlannedMove]] = [:]

  /// Of a batch; see ``adapt(to:)``.
  private var homesMax = 64
  private static let bytesMax = 64 << 20

  init(_ moves: PlannedMoves) { self.moves = moves.makeIterator() }

  init(_ moves: [PlannedMove]) { self.init(PlannedMoves(source: .list(moves))) }

  /// Writers of a batch wait together: with fewer where a freeze was long, with more where it was short.
  mutating func adapt(to longestFreeze: Duration) {
    if longestFreeze > .milliseconds(50) {
      homesMax = max(8, homesMax / 2)
    } else if longestFreeze < .milliseconds(20) {
      homesMax = min(256, homesMax * 2)
    }
  }

  mutating func next() -> [PlannedMove]? {
    while let move = moves.next() {
      let ends = [move.from, move.to ?? ""]
      waiting[ends, default: []].append(move)
      let batch = waiting[ends] ?? []
      if batch.count >= homesMax
        || batch.reduce(0, { $0 + ($1.bytes ?? 0) }) >= Self.bytesMax
      {
        waiting[ends] = nil
        return batch
      }
    }
    guard let first = waiting.keys.min(by: { $0.lexicographicallyPrecedes($1) }) else {
      return nil
    }
    return waiting.removeValue(forKey: first)
  }
}

/// Reads a file line by line, in memory that does not grow with it.
private final class PlanLines {
  private let path: String
  private let handle: FileHandle
  private var buffer = Data()
  private var isAtEnd = false

  init(path: String) throws(RouterError) {
    self.path = path
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw RouterError(
        .invalidPlan,
        "There is no plan \(path), or it cannot be read. Make one by “domicile plan --out”.")
    }
    self.handle = handle
  }

  /// The next line that is not empty, without its end.
  func next() throws(RouterError) -> Data? {
    while true {
      if let end = buffer.firstIndex(of: 0x0A) {
        let line = buffer[..<end]
        buffer = buffer[(end + 1)...]
        if !line.isEmpty { return Data(line) }
        continue
      }
      if isAtEnd {
        defer { buffer = Data() }
        return buffer.isEmpty ? nil : Data(buffer)
      }
      do {
        let more = try handle.read(upToCount: 1 << 16) ?? Data()
        isAtEnd = more.isEmpty
        buffer = Data(buffer) + more
      } catch {
        throw RouterError(.invalidPlan, "The plan \(path) cannot be read to its end.", cause: error)
      }
    }
  }
}
