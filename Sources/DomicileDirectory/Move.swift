package import DomicilePolicy
package import DomicileStorage
package import Foundation

/// A home that is to be moved.
package struct MoveRequest: Sendable {
  package let owner: OwnerKey
  package let dataClass: String
  /// The target, which the law permits.
  package let shard: String
  /// The tags by which that was judged.
  package let tags: Int64
  /// The rules that were asked, for the ledger.
  package let rules: [String]

  package init(
    owner: OwnerKey, dataClass: String, shard: String, tags: Int64, rules: [String] = []
  ) {
    self.owner = owner
    self.dataClass = dataClass
    self.shard = shard
    self.tags = tags
    self.rules = rules
  }
}

/// How far the directory knows a move to be.
package enum MovePhase: String, Sendable {
  /// The source is the home; the target is being filled.
  case planned
  /// The source is the home and stays it; what is at the target goes.
  case aborting
  /// The target is the home; what is at the source goes.
  case flipped
}

/// A move, held by whoever has its token.
package struct MoveTicket: Sendable {
  package let userID: Int64
  package let owner: OwnerKey
  package let alias: OwnerAlias
  package let isGroup: Bool
  package let dataClass: String
  /// The user's or group's tags when the ticket was made.
  package let tags: Int64
  package let profile: HomeProfile
  package var phase: MovePhase
  package let source: String
  package let sourceSerial: Int64
  package let target: String
  /// Of the target's home: fresh, and kept through take-overs.
  package let serial: Int64
  package let token: Int64
  package let begun: Date
  /// Until when nobody takes it over.
  package let lease: Date
  /// What kept it from going on.
  package let problem: String?

  package var sourceHome: MoveHome {
    MoveHome(owner: owner, dataClass: dataClass, serial: sourceSerial, token: token)
  }

  package var targetHome: MoveHome {
    MoveHome(owner: owner, dataClass: dataClass, serial: serial, token: token)
  }

  package var staging: HomeStaging {
    HomeStaging(
      home: HomeReference(owner: owner, dataClass: dataClass, serial: serial, tags: tags),
      alias: alias, profile: profile)
  }

  /// How long a move is its mover's alone, who renews that.
  package static let leaseMilliseconds: Int64 = 30_000
}
