import DomicilePolicy
import DomicileSQLite
import DomicileStorage
import Foundation

/// Moves, in the transaction of a batch. The flip is a move's only commit point.
extension DirectoryWriter {
  /// Notes a move with a fresh serial for the target's home and a fresh token.
  func planMove(
    _ request: MoveRequest, law: LawReference, at time: Date
  ) throws -> Result<MoveTicket, StorageError> {
    guard isInForce(law), let target = shards[request.shard] else { return .failure(policyChanged) }
    let row = try connection.rows(
      """
      SELECT u.id, u.tags, u.erasing IS NOT NULL, p.shard, p.serial, p.state, u.is_group, u.alias, u.profile
      FROM user u LEFT JOIN placement p ON p.user = u.id AND p.class = ?2 WHERE u.owner = ?1
      """, .blob(request.owner.bytes), .text(request.dataClass),
      as: { row in
        (
          user: row.integer(0), tags: row.integer(1), isErasing: row.integer(2) != 0,
          shard: row.integerIfPresent(3), serial: row.integer(4), state: row.text(5),
          isGroup: row.integer(6) != 0, alias: row.blob(7), profile: row.text(8)
        )
      }
    ).first
    guard let row, let source = row.shard, row.state != "admitting" else {
      return .failure(StorageError(.moved, "There is no home to be moved."))
    }
    guard !row.isErasing, row.state == "placed" else {
      return .failure(erasing(isGroup: row.isGroup))
    }
    guard row.tags == request.tags else { return .failure(outrun) }
    guard let name = shardNames[source], name != request.shard else {
      return .failure(
        StorageError(.outrun, "Another move has brought the home to \(request.shard) meanwhile."))
    }
    let isMoving = try connection.integer(
      "SELECT 1 FROM move WHERE user = ? AND class = ?", .integer(row.user),
      .text(request.dataClass))
    guard isMoving == nil else {
      return .failure(
        StorageError(
          .moveUnderWay,
          "This home is being moved already. “domicile move status” shows where to; “move resume” goes on with it, “move"
            + " abort” ends it."))
    }
    let (serial, token) = (try nextSerial(), try nextSerial())
    try connection.run(
      """
      INSERT INTO move (user, class, state, source, source_serial, target, serial, token, begun, lease)
      VALUES (?, ?, 'planned', ?, ?, ?, ?, ?, ?, ?)
      """, .integer(row.user), .text(request.dataClass), .integer(source), .integer(row.serial),
      .integer(target.id), .integer(serial), .integer(token), .integer(time.milliseconds),
      .integer(time.milliseconds + MoveTicket.leaseMilliseconds))
    // A shard that a move fills is in use.
    try count(1, request.shard)
    guard let profile = HomeProfile(row.profile) else { throw Connection.brokenMove }
    let begun = time.milliseconds
    let ticket = MoveTicket(
      userID: row.user, owner: request.owner, alias: OwnerAlias(bytes: row.alias),
      isGroup: row.isGroup, dataClass: request.dataClass, tags: row.tags, profile: profile,
      phase: .planned, source: name, sourceSerial: row.serial, target: request.shard,
      serial: serial, token: token, begun: Date(milliseconds: begun),
      lease: Date(milliseconds: begun + MoveTicket.leaseMilliseconds), problem: nil)
    try append(.moving) { entry in
      entry.name(ticket.alias, isGroup: ticket.isGroup)
      entry.from = try? [place(request.dataClass, inShard: name)]
      if var place = try? place(request.dataClass, inShard: request.shard) {
        place.rules = request.rules.isEmpty ? nil : request.rules
        entry.places = [place]
      }
    }
    return .success(ticket)
  }

  /// Raises the token of a move, so that whoever had it before changes nothing any more; nil if there is none, or somebody else's
  /// lease is not over yet.
  func takeOverMove(
    user: Int64, _ dataClass: String, evenLeased: Bool, at time: Date
  ) throws -> MoveTicket? {
    guard let old = try moveTicket(user: user, dataClass) else { return nil }
    guard evenLeased || old.lease <= time else { return nil }
    // What is being erased is the erasure's.
    guard try !isErased(user, dataClass) else { return nil }
    try connection.run(
      "UPDATE move SET token = ?, lease = ? WHERE user = ? AND class = ?",
      .integer(try nextSerial()), .integer(time.milliseconds + MoveTicket.leaseMilliseconds),
      .integer(user), .text(dataClass))
    return try moveTicket(user: user, dataClass)
  }

  private func isErased(_ user: Int64, _ dataClass: String) throws(SQLiteError) -> Bool {
    try connection.integer(
      """
      SELECT 1 FROM user u JOIN placement p ON p.user = u.id AND p.class = ?2
      WHERE u.id = ?1 AND u.erasing IS NULL AND p.state = 'placed'
      """, .integer(user), .text(dataClass)) == nil
  }

  /// Keeps moves from being taken over for a while, or gives them up with the reason; for each whether it is still under its token.
  func renewMove(_ ticket: MoveTicket, problem: String?, at time: Date) throws -> Bool {
    try connection.run(
      "UPDATE move SET lease = ?, problem = ? WHERE user = ? AND class = ? AND token = ?",
      .integer(time.milliseconds + (problem == nil ? MoveTicket.leaseMilliseconds : 0)),
      problem.map(SQLValue.text) ?? .null, .integer(ticket.userID), .text(ticket.dataClass),
      .integer(ticket.token))
    return connection.changes == 1
  }

  /// From here on the move can only be undone.
  func beginAbort(_ ticket: MoveTicket) throws -> StorageError? {
    guard let now = try mine(ticket) else { return outrun }
    if now.phase == .aborting { return nil }
    guard now.phase == .planned else {
      return StorageError(
        .invalidArgument,
        "The move cannot be undone any more: the home is at the target. The way back is another move."
      )
    }
    try connection.run(
      "UPDATE move SET state = 'aborting' WHERE user = ? AND class = ?", .integer(ticket.userID),
      .text(ticket.dataClass))
    try append(.moveAborted) { entry in
      entry.name(ticket.alias, isGroup: ticket.isGroup)
      entry.from = try? [place(ticket.dataClass, inShard: ticket.source)]
      entry.places = try? [place(ticket.dataClass, inShard: ticket.target)]
    }
    return nil
  }

  /// The commit point: the target becomes the home, if token, law and tags still hold.
  func flip(_ ticket: MoveTicket, law: LawReference) throws -> StorageError? {
    guard isInForce(law) else { return policyChanged }
    guard let now = try mine(ticket), try !isErased(ticket.userID, ticket.dataClass) else {
      return outrun
    }
    if now.phase == .flipped { return nil }
    guard now.phase == .planned else { return outrun }
    // With other tags the target may be no legal place; whoever moves stamps it anew first.
    guard now.tags == ticket.tags else {
      return StorageError(.retagged, "The tags have changed; nothing was moved.")
    }
    guard let target = shards[ticket.target]?.id, let source = shards[ticket.source]?.id else {
      return policyChanged
    }
    try connection.run(
      """
      UPDATE placement SET shard = ?, serial = ?
      WHERE user = ? AND class = ? AND shard = ? AND serial = ? AND state = 'placed'
      """, .integer(target), .integer(ticket.serial), .integer(ticket.userID),
      .text(ticket.dataClass), .integer(source), .integer(ticket.sourceSerial))
    guard connection.changes == 1 else { return outrun }
    try connection.run(
      "UPDATE move SET state = 'flipped' WHERE user = ? AND class = ?", .integer(ticket.userID),
      .text(ticket.dataClass))
    // The target's home has these tags, and the settings that the source had when it was frozen: holds are told anew.
    try forgetPendingTags(of: ticket.userID, ticket.dataClass)
    try connection.run(
      "UPDATE hold SET telling = 1 WHERE user = ? AND class = ? AND telling = 0",
      .integer(ticket.userID), .text(ticket.dataClass))
    if connection.changes > 0 { hasFlaggedHolds = true }
    for shard in [ticket.source, ticket.target] { try countBarredAgain(inShard: shard) }
    try append(.moved) { entry in
      entry.name(ticket.alias, isGroup: ticket.isGroup)
      entry.from = try? [place(ticket.dataClass, inShard: ticket.source)]
      entry.places = try? [place(ticket.dataClass, inShard: ticket.target)]
    }
    return nil
  }

  /// Forgets a move of which nothing is left to be done.
  func endMove(_ ticket: MoveTicket) throws -> StorageError? {
    guard let now = try mine(ticket), now.phase != .planned else { return outrun }
    try connection.run(
      "DELETE FROM move WHERE user = ? AND class = ?", .integer(ticket.userID),
      .text(ticket.dataClass))
    try count(-1, now.phase == .flipped ? ticket.source : ticket.target)
    return nil
  }

  /// The places that are not the home of what is being erased, which moves have made: under the erasure's token nobody goes on with
  /// them.
  func takeOverMoves(
    of user: Int64, _ dataClasses: [String], token: Int64
  ) throws -> [ErasurePlan.Home] {
    try dataClasses.compactMap { dataClass in
      guard let move = try moveTicket(user: user, dataClass) else { return nil }
      try connection.run(
        "UPDATE move SET token = ? WHERE user = ? AND class = ?", .integer(token), .integer(user),
        .text(dataClass))
      return ErasurePlan.Home(
        dataClass: dataClass, shard: move.phase == .flipped ? move.source : move.target)
    }
  }

  /// Forgets the moves whose places an erasure has emptied.
  func endMoves(of user: Int64, _ copies: [ErasurePlan.Home], token: Int64) throws {
    for copy in copies {
      try connection.run(
        "DELETE FROM move WHERE user = ? AND class = ? AND token = ?", .integer(user),
        .text(copy.dataClass), .integer(token))
      if connection.changes == 1 { try count(-1, copy.shard) }
    }
  }

  /// How far a move is, and its user's tags; nil if it is not its mover's any more.
  private func mine(_ ticket: MoveTicket) throws -> (phase: MovePhase, tags: Int64)? {
    let row = try connection.rows(
      """
      SELECT m.state, u.tags FROM move m JOIN user u ON u.id = m.user
      WHERE m.user = ? AND m.class = ? AND m.token = ?
      """, .integer(ticket.userID), .text(ticket.dataClass), .integer(ticket.token),
      as: { (phase: MovePhase(rawValue: $0.text(0)), tags: $0.integer(1)) }
    ).first
    guard let row else { return nil }
    guard let phase = row.phase else { throw Connection.brokenMove }
    return (phase, row.tags)
  }

  private func moveTicket(user: Int64, _ dataClass: String) throws -> MoveTicket? {
    try connection.moveTicket(user: user, dataClass)
  }
}

extension Connection {
  func moveTicket(user: Int64, _ dataClass: String) throws -> MoveTicket? {
    try moveTickets("WHERE m.user = ?1 AND m.class = ?2", .integer(user), .text(dataClass)).first
  }

  /// The moves that a condition names.
  func moveTickets(_ condition: String, _ values: SQLValue...) throws -> [MoveTicket] {
    let statement = try prepare(
      """
      SELECT u.id, u.owner, u.alias, u.is_group, u.tags, u.profile, m.class, m.state, s.name,
        m.source_serial, t.name, m.serial, m.token, m.begun, m.lease, m.problem
      FROM move m JOIN user u ON u.id = m.user JOIN shard s ON s.id = m.source
        JOIN shard t ON t.id = m.target \(condition)
      """)
    try statement.bind(values)
    defer { statement.reset() }
    var tickets: [MoveTicket] = []
    while try statement.step() {
      guard let owner = OwnerKey(bytes: statement.blob(1)),
        let profile = HomeProfile(statement.text(5)),
        let phase = MovePhase(rawValue: statement.text(7))
      else { throw Self.brokenMove }
      tickets.append(
        MoveTicket(
          userID: statement.integer(0), owner: owner, alias: OwnerAlias(bytes: statement.blob(2)),
          isGroup: statement.integer(3) != 0, dataClass: statement.text(6),
          tags: statement.integer(4), profile: profile, phase: phase, source: statement.text(8),
          sourceSerial: statement.integer(9), target: statement.text(10),
          serial: statement.integer(11), token: statement.integer(12),
          begun: Date(milliseconds: statement.integer(13)),
          lease: Date(milliseconds: statement.integer(14)),
          problem: statement.isNull(15) ? nil : statement.text(15)))
    }
    return tickets
  }

  static var brokenMove: StorageError {
    StorageError(.corrupt, "A move in the directory cannot be read. Restore the directory.")
  }
}
