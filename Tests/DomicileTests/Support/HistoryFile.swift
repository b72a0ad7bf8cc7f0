import Domicile
import Foundation

/// Does operations on the records of a user, and notes their beginnings and ends.
struct HistoryClient {
  let name: String
  let file: NoteFile
  private(set) var lastVersion: [String: String] = [:]
  private var number = 0

  init(name: String, file: NoteFile) {
    self.name = name
    self.file = file
  }

  /// A value that nobody else puts.
  var nextValue: String { "\(name).\(number)" }

  /// A key's name in the history is the user's and its own.
  mutating func perform(
    _ call: RecordedOperation.Call, on key: String, of user: UserHandle, named id: String
  ) async {
    let place = "\(id)/\(key)"
    number += 1
    file.note("begin \(name) \(number) \(MonotonicTime.now) \(place) \(Self.text(call))")
    let result: String
    do throws(RouterError) {
      result = try await answer(call, on: key, of: user, place: place)
    } catch {
      result =
        switch error.code {
        case .versionMismatch: "mismatch"
        case .outcomeUnknown: "unknown outcomeUnknown"
        default: "refused \(error.code)"
        }
    }
    file.note("end \(name) \(number) \(MonotonicTime.now) \(result)")
  }

  private mutating func answer(
    _ call: RecordedOperation.Call, on key: String, of user: UserHandle, place: String
  ) async throws(RouterError) -> String {
    let recordKey = RecordKey(key)
    switch call {
    case .get:
      guard let record = try await user.get(recordKey, in: .inbox) else { return "nothing" }
      lastVersion[place] = "\(record.version)"
      return "found \(record.text ?? "?") \(record.version)"
    case .put(let value, if: let condition):
      let version = try await user.put(
        value.utf8, key: recordKey, in: .inbox, if: condition.flatMap(Self.condition))
      lastVersion[place] = "\(version)"
      return "written \(version)"
    case .delete(ifVersion: let version):
      let condition = version.flatMap { Self.condition(.version($0)) }
      return "deleted \(try await user.delete(recordKey, in: .inbox, if: condition))"
    }
  }

  private static func condition(_ condition: RecordedOperation.Condition) -> RecordCondition? {
    switch condition {
    case .absent: .absent
    case .version(let version): RecordVersion(version).map(RecordCondition.version)
    }
  }

  private static func text(_ call: RecordedOperation.Call) -> String {
    switch call {
    case .get: "get"
    case .put(let value, if: nil): "put \(value)"
    case .put(let value, if: .absent): "put \(value) absent"
    case .put(let value, if: .version(let version)): "put \(value) version \(version)"
    case .delete(ifVersion: let version): "delete" + (version.map { " \($0)" } ?? "")
    }
  }
}

/// What processes noted with ``HistoryClient``, put together.
struct HistoryFiles {
  /// What one process did from its first beginning to its last end.
  struct Tally {
    var answered = 0
    var written = 0
    var begin = UInt64.max
    var end: UInt64 = 0
    var seconds: Double { Double(max(end, begin) - begin) / 1e9 }
  }

  private(set) var operations: [RecordedOperation] = []
  private(set) var tallies: [String: Tally] = [:]
  /// Errors other than a condition that did not hold, by code.
  private(set) var errors: [String: Int] = [:]
  private(set) var unanswered = 0
  private(set) var worstWait: UInt64 = 0
  /// Lines that are none.
  private(set) var damaged: [String] = []

  init(_ paths: [String]) {
    for path in paths { read(path) }
  }

  private mutating func read(_ path: String) {
    var begun: [String: (invoked: UInt64, key: String, call: RecordedOperation.Call)] = [:]
    var tally = Tally()
    for words in NoteFile.read(path) {
      guard words.count >= 5 || words.first == "end" && words.count >= 4,
        let time = UInt64(words[3])
      else {
        damaged.append(words.joined(separator: " "))
        continue
      }
      let name = "\(words[1]) \(words[2])"
      if words[0] == "begin", let call = Self.call(words[5...]) {
        begun[name] = (time, words[4], call)
        tally.begin = min(tally.begin, time)
      } else if words[0] == "end", let start = begun.removeValue(forKey: name),
        let result = result(words[4...])
      {
        operations.append(
          RecordedOperation(words[1], start.key, start.call, start.invoked, time, result))
        tally.answered += 1
        switch result {
        case .written, .deleted: tally.written += 1
        default: break
        }
        tally.end = max(tally.end, time)
        worstWait = max(worstWait, time - start.invoked)
      } else {
        damaged.append(words.joined(separator: " "))
      }
    }
    for (name, start) in begun {
      unanswered += 1
      let client = name.split(separator: " ").first.map(String.init) ?? name
      operations.append(
        RecordedOperation(client, start.key, start.call, start.invoked, nil, .unknown))
    }
    tallies[path] = tally
  }

  private static func call(_ words: ArraySlice<String>) -> RecordedOperation.Call? {
    let words = Array(words)
    switch (words.first, words.count) {
    case ("get", 1): return .get
    case ("delete", 1): return .delete(ifVersion: nil)
    case ("delete", 2): return .delete(ifVersion: words[1])
    case ("put", 2): return .put(words[1], if: nil)
    case ("put", 3): return .put(words[1], if: .absent)
    case ("put", 4): return .put(words[1], if: .version(words[3]))
    default: return nil
    }
  }

  private mutating func result(_ words: ArraySlice<String>) -> RecordedOperation.Result? {
    let words = Array(words)
    switch (words.first, words.count) {
    case ("found", 3): return .found(value: words[1], version: words[2])
    case ("nothing", 1): return .nothing
    case ("written", 2): return .written(version: words[1])
    case ("deleted", 2): return .deleted(existed: words[1] == "true")
    case ("mismatch", 1): return .mismatch
    case ("unknown", 2), ("refused", 2):
      errors[words[1], default: 0] += 1
      return words[0] == "unknown" ? .unknown : .refused
    default: return nil
    }
  }
}
