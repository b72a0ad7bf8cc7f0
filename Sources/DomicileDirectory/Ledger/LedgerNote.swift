package import DomicilePolicy
package import DomicileStorage
import Foundation
import Synchronization

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
    LedgerNote(kind: .read) { [alias = entry.alias, isGroup = entry.isGroup] entry in
      entry.name(alias, isGroup: isGroup)
      entry.dataClasses = dataClasses
      entry.command = command
    }
  }
}

/// An entry with its text and hash: whoever asks for a commit makes them, so that all who wait for the writer do not wait for that.
struct PreparedEntry: Sendable {
  /// By which it was decided; in another it would have to be written anew.
  let policy: LedgerEntry.Policy?
  let text: String
  let hash: TreeHash

  init(policy: LedgerEntry.Policy?, text: String) {
    self.policy = policy
    self.text = text
    hash = TreeHash(leaf: text.utf8)
  }
}

/// The tickets of one user that are committed together.
struct CommittedAdmission: Sendable {
  private(set) var tickets: [AdmissionTicket]
  /// The entry, if all of them hold.
  private(set) var prepared: PreparedEntry?

  /// Those of one user stand beside each other.
  static func grouped(_ tickets: [AdmissionTicket]) -> [CommittedAdmission] {
    var admissions: [CommittedAdmission] = []
    for ticket in tickets {
      if admissions.last?.tickets[0].userID == ticket.userID {
        admissions[admissions.count - 1].tickets.append(ticket)
      } else {
        admissions.append(CommittedAdmission(tickets: [ticket]))
      }
    }
    return admissions
  }

  private init(tickets: [AdmissionTicket]) { self.tickets = tickets }

  mutating func prepare(
    at time: Date, by actor: String, under policy: LedgerEntry.Policy, with texts: EntryTexts
  ) {
    let entry = LedgerEntry(.admission, time: time, actor: actor, policy: policy) {
      $0.admit(tickets[0], at: tickets.map(\.place))
    }
    prepared = try? PreparedEntry(policy: policy, text: texts.text(of: entry))
  }
}

/// Texts of entries of the last second: many differ in the alias alone, and making one takes longer than all else of an entry.
final class EntryTexts: Sendable {
  private struct Known {
    var time: Int64 = 0
    /// What stands before and behind the alias.
    var parts: [LedgerEntry: (String, String)] = [:]
  }

  private let known = Mutex(Known())
  private static let noAlias = String(repeating: "0", count: 32)

  func text(of entry: LedgerEntry) throws -> String {
    guard let alias = entry.alias else { return try entry.text() }
    var anonymous = entry
    anonymous.alias = Self.noAlias
    let found = known.withLock { $0.time == entry.time ? $0.parts[anonymous] : nil }
    if let (before, after) = found { return before + alias + after }
    let text = try anonymous.text()
    guard let place = text.firstRange(of: "\"alias\":\"\(Self.noAlias)\"") else {
      return try entry.text()
    }
    let before = String(text[..<place.lowerBound]) + "\"alias\":\""
    let after = "\"" + text[place.upperBound...]
    known.withLock { known in
      if known.time != entry.time || known.parts.count >= 64 { known = Known(time: entry.time) }
      known.parts[anonymous] = (before, after)
    }
    return before + alias + after
  }
}

extension LedgerEntry {
  mutating func admit(_ ticket: AdmissionTicket, at places: [Place]) {
    name(ticket.alias, isGroup: ticket.isGroup)
    self.places = places
  }
}

/// What a policy bars in a shard, as it was counted there when that was due.
package struct BarringTally: Sendable {
  let shard: String
  let due: Int64
  let law: LawReference
  let places: [LedgerEntry.Place]

  package init(shard: String, due: Int64, law: LawReference, places: [LedgerEntry.Place]) {
    self.shard = shard
    self.due = due
    self.law = law
    self.places = places
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
