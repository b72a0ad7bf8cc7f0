import DomicileSQLite
package import DomicileStorage
package import Foundation

extension SQLiteDirectory {
  package func planMoves(
    _ requests: [MoveRequest], law: LawReference, at time: Date,
    by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [Result<MoveTicket, StorageError>] {
    try await commits.commit(by: deadline) { writer in
      try requests.map { try writer.planMove($0, law: law, at: time) }
    }
  }

  package func takeOverMoves(
    _ moves: [MoveTicket], evenLeased: Bool, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [MoveTicket?] {
    try await commits.commit(by: deadline) { writer in
      try moves.map {
        try writer.takeOverMove(
          user: $0.userID, $0.dataClass, evenLeased: evenLeased, at: time)
      }
    }
  }

  package func renewMoves(
    _ moves: [MoveTicket], problem: String?, at time: Date, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [Bool] {
    try await commits.commit(by: deadline) { writer in
      try moves.map { try writer.renewMove($0, problem: problem, at: time) }
    }
  }

  package func beginAborts(
    _ moves: [MoveTicket], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in try moves.map(writer.beginAbort) }
  }

  package func flip(
    _ moves: [MoveTicket], law: LawReference, by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { [flaggedHolds] writer in
      writer.hasFlaggedHolds = false
      let outcomes = try moves.map { try writer.flip($0, law: law) }
      if writer.hasFlaggedHolds { flaggedHolds.set(true) }
      return outcomes
    }
  }

  package func endMoves(
    _ moves: [MoveTicket], by deadline: ContinuousClock.Instant
  ) async throws(StorageError) -> [StorageError?] {
    try await commits.commit(by: deadline) { writer in try moves.map(writer.endMove) }
  }

  // MARK: Reading

  package func moves(of owner: OwnerKey) throws(StorageError) -> [MoveTicket] {
    try readers.read { reader in
      try reader.connection.moveTickets("WHERE u.owner = ?1 ORDER BY m.class", .blob(owner.bytes))
    }
  }

  package func current(_ moves: [MoveTicket]) throws(StorageError) -> [MoveTicket?] {
    try readers.read { reader in
      try reader.connection.snapshot {
        try moves.map {
          try reader.connection.moveTicket(user: $0.userID, $0.dataClass)
        }
      }
    }
  }

  package func moves(
    after last: MoveTicket?, limit: Int
  ) throws(StorageError) -> [MoveTicket] {
    try readers.read { reader in
      try reader.connection.moveTickets(
        "WHERE (m.user, m.class) > (?1, ?2) ORDER BY m.user, m.class LIMIT ?3",
        .integer(last?.userID ?? 0), .text(last?.dataClass ?? ""), .integer(Int64(limit)))
    }
  }

  package func dueMoves(at time: Date, limit: Int) throws(StorageError) -> [MoveTicket] {
    try readers.read { reader in
      try reader.connection.moveTickets(
        "WHERE m.lease <= ?1 ORDER BY m.lease LIMIT ?2", .integer(time.milliseconds),
        .integer(Int64(limit)))
    }
  }
}
