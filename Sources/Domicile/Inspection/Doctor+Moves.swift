import DomicileDirectory
import DomicileStorage
import Foundation

extension ResidencyRouter {
  /// Whether a home that the directory does not name is one that a move has made or left, or has gone since it was read.
  func isPassing(_ home: HomeRow, in shard: SQLiteShard) throws -> Bool {
    let name = shard.identity.name
    let move = try directory.moves(of: home.owner).first { $0.dataClass == home.dataClass }
    if let move {
      let isTarget =
        move.target == name && move.serial == home.serial && home.state == .incoming
      let isSource =
        move.source == name && move.sourceSerial == home.serial && move.phase == .flipped
        && home.state == .frozen
      if isTarget || isSource { return true }
    }
    let now = try shard.home(owner: home.owner, dataClass: home.dataClass)
    return now?.serial != home.serial || now?.state != home.state
  }

  /// Moves whose movers are gone; and the places that moves have in shards, to be counted with the placements.
  func checkMoves(
    _ counts: inout [String: Int64], _ report: inout DoctorReport
  ) throws(RouterError) {
    var last: MoveTicket?
    while true {
      let page = try routing { try directory.moves(after: last, limit: 1_000) }
      guard let end = page.last else { return }
      last = end
      for move in page {
        let place = move.phase == .flipped ? move.source : move.target
        counts[place, default: 0] += 1
        guard move.lease <= options.clock.now else { continue }
        report.add(
          .moveUnfinished,
          "The move of \(move.alias) (\(move.dataClass)) from the shard \(move.source) to \(move.target) stopped half way"
            + (move.problem.map { ": \($0)" } ?? ".")
            + " “domicile move resume” goes on with it, “move abort” undoes it; an open router goes on within a minute.",
          shard: place)
      }
    }
  }
}
