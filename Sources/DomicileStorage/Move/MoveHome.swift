import DomicilePolicy

/// One of the two homes of a move, as the mover believes it to be.
package struct MoveHome: Hashable, Sendable {
  package let owner: OwnerKey
  package let dataClass: String
  /// Names the home.
  package let serial: Int64
  /// Of the mover: raised with each take-over, on both homes before the first step.
  package let token: Int64

  package init(owner: OwnerKey, dataClass: String, serial: Int64, token: Int64) {
    self.owner = owner
    self.dataClass = dataClass
    self.serial = serial
    self.token = token
  }
}

/// A record with all that travels: version, time written, expiry, labels, the author among them.
package struct MovedRecord: Sendable, Equatable {
  package let position: RecordPosition
  package let version: Int64
  /// Milliseconds since 1970, as is `expires`.
  package let written: Int64
  package let expires: Int64?
  /// As the table `record` keeps them.
  package let labels: String?
  package let value: [UInt8]

  package var bytes: Int { position.key.count + value.count + (labels?.utf8.count ?? 0) }
}

/// Records of a home that lie beside each other.
package struct MovedRange: Sendable {
  package var records: [MovedRecord] = []
  /// Up to where it goes; nil: to the end of the home.
  package var end: RecordPosition?
}

/// A record that has changed since it was copied; nil: it is not there any more.
package struct MovedChange: Sendable, Equatable {
  package let position: RecordPosition
  package let record: MovedRecord?

  package init(position: RecordPosition, record: MovedRecord?) {
    self.position = position
    self.record = record
  }
}

/// What a user has set for a home, and what is held there.
package struct MovedSettings: Sendable, Equatable {
  package struct Lifetime: Sendable, Equatable {
    let collection: String
    let prefix: [UInt8]
    let seconds: Int64?
  }
  package var lifetimes: [Lifetime] = []
  package var holds: [HomeHold] = []
}

/// What is to be written to the target's home of a move in one transaction.
package struct MoveChanges: Sendable {
  package let home: MoveHome
  package var changes: [MovedChange]
  /// Nil: they stay as they are.
  package var settings: MovedSettings?

  package init(home: MoveHome, changes: [MovedChange] = [], settings: MovedSettings? = nil) {
    self.home = home
    self.changes = changes
    self.settings = settings
  }
}

/// How much is read at a time.
package struct MoveLimits: Sendable {
  package var records = 500
  package var bytes = 4 << 20

  package init() {}
}

extension RecordPosition: Comparable {
  package static func < (left: RecordPosition, right: RecordPosition) -> Bool {
    left.collection == right.collection
      ? left.key.lexicographicallyPrecedes(right.key)
      : left.collection.utf8.lexicographicallyPrecedes(right.collection.utf8)
  }
}
