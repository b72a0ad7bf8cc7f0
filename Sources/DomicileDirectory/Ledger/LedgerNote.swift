package import DomicilePolicy

/// What a router has to say to the ledger that changes nothing else in the directory.
package struct LedgerNote: Sendable {
  let kind: LedgerEntry.Kind
  let complete: @Sendable (inout LedgerEntry) -> Void

  /// Somebody is not admitted.
  package static func refusal(_ verdict: Verdict, isGroup: Bool) -> LedgerNote {
    LedgerNote(kind: .refusal) { entry in
      entry.isGroup = isGroup ? true : nil
      entry.dataClasses = [verdict.dataClass]
      entry.outcome = verdict.outcome.rawValue
      entry.region = verdict.region
      entry.rules = Set((verdict.rules + verdict.conflict).map(\.name)).sorted()
    }
  }

  /// Somebody reads what is kept about a user or a group.
  package static func read(
    of entry: UserEntry, dataClasses: [String]?, command: String
  ) -> LedgerNote {
    LedgerNote(kind: .read) { [alias = "\(entry.alias)", isGroup = entry.isGroup] entry in
      entry.alias = alias
      entry.isGroup = isGroup ? true : nil
      entry.dataClasses = dataClasses
      entry.command = command
    }
  }
}

/// Refused writes that a process has counted, and not yet told the directory.
package struct RefusedWriteKey: Sendable, Hashable {
  /// When the hour began, in seconds since 1970.
  package let hour: Int64
  package let cause: String
  package let dataClass: String
  package let region: String

  package init(time: Int64, cause: String, dataClass: String, region: String) {
    hour = time - time % 3_600
    self.cause = cause
    self.dataClass = dataClass
    self.region = region
  }
}
