import Domicile
import Foundation

/// Admits the people of a file and writes their records, in batches; a repeat finds what is there and leaves it.
struct ImportJob {
  struct Totals: Encodable {
    var lines = 0
    /// People.
    var admitted = 0
    /// Lines of people who were admitted before, be it by an earlier line.
    var knownBefore = 0
    var written = 0
    var unchanged = 0
    var refused = 0
    var bad = 0
  }

  let router: ResidencyRouter
  let collection: RecordCollection?
  var refused: RejectFile
  var bad: RejectFile
  private(set) var totals = Totals()
  /// Of the batch under way; they are written by line number.
  private var rejected: [(isRefusal: Bool, line: Int, code: String, reason: String)] = []

  static let rowsPerBatch = 1_000
  static let bytesPerBatchMax = 16 << 20

  init(
    router: ResidencyRouter, collection: RecordCollection?, refused: RejectFile, bad: RejectFile
  ) {
    self.router = router
    self.collection = collection
    self.refused = refused
    self.bad = bad
  }

  /// Imports all rows; `progress` is called after each batch.
  ///
  /// - Throws: ``RouterError`` where going on makes no sense; what stops the files from being read or written.
  mutating func run(_ rows: inout some ImportRows, progress: (Totals) -> Void) async throws {
    var batch: [ImportRow] = []
    var bytes = 0
    while let row = try rows.next() {
      totals.lines += 1
      switch row {
      case .success(let row):
        batch.append(row)
        bytes += row.value.count
      case .failure(let line): reject(line: line.line, code: "badLine", reason: line.reason)
      }
      if batch.count >= Self.rowsPerBatch || bytes >= Self.bytesPerBatchMax {
        try await importBatch(batch)
        batch = []
        bytes = 0
        progress(totals)
      }
    }
    try await importBatch(batch)
    progress(totals)
  }

  private mutating func importBatch(_ batch: [ImportRow]) async throws {
    let admitted = try await admit(batch)
    if let collection { try await write(admitted, to: collection) }
    try writeRejected()
  }

  private mutating func write(
    _ admitted: [ImportRow], to collection: RecordCollection
  ) async throws {
    // The rows of one user one after the other, different users at once.
    let byUser = Dictionary(grouping: admitted, by: \.user).values
    let router = router
    let results = await withTaskGroup(of: [(ImportRow, Result<Bool, RouterError>)].self) { group in
      for rows in byUser {
        group.addTask { await Self.write(rows, to: collection, router: router) }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
    for (row, result) in results.sorted(by: { $0.0.line < $1.0.line }) {
      switch result {
      case .success(let isNew):
        if isNew { totals.written += 1 } else { totals.unchanged += 1 }
      case .failure(let error):
        let isErasing =
          error.code == .notFound ? (try? await router.locate(row.user).isErasing) ?? false : false
        guard isErasing else {
          try reject(row, error)
          continue
        }
        // Of the user, not of the line.
        totals.refused += 1
        rejected.append((true, row.line, "\(RouterError.Code.erasing)", error.oneLine(about: row)))
      }
    }
  }

  /// Admits the users of the rows, each once; the rows whose user is admitted.
  private mutating func admit(_ batch: [ImportRow]) async throws -> [ImportRow] {
    var admissions: [Admission] = []
    var places: [AdmissionKey: Int] = [:]
    var rows: [(row: ImportRow, place: Int?)] = []
    for row in batch {
      guard let residence = row.residence else {
        rows.append((row, nil))
        continue
      }
      let key = AdmissionKey(user: row.user, residence: residence, attributes: row.attributes)
      let place = places[key] ?? admissions.count
      if places[key] == nil {
        places[key] = place
        admissions.append(
          Admission(
            user: row.user, residence: residence, attributes: row.attributes))
      }
      rows.append((row, place))
    }
    let results = await router.admit(admissions)
    var admitted: [ImportRow] = []
    var counted: Set<Int> = []
    for (row, place) in rows {
      if let place {
        switch results[place] {
        case .failure(let error):
          try reject(row, error)
          continue
        case .success(let user):
          if user.isNew && counted.insert(place).inserted {
            totals.admitted += 1
          } else {
            totals.knownBefore += 1
          }
        }
      }
      admitted.append(row)
    }
    return admitted
  }

  private struct AdmissionKey: Hashable {
    let user: UserID
    let residence: String
    let attributes: [String]
  }

  /// Writes the records of one user; whether each was new or different.
  private static func write(
    _ rows: [ImportRow], to collection: RecordCollection, router: ResidencyRouter
  ) async -> [(ImportRow, Result<Bool, RouterError>)] {
    var results: [(ImportRow, Result<Bool, RouterError>)] = []
    for row in rows {
      do throws(RouterError) {
        let user = try await router.user(row.user)
        let key = RecordKey(row.key ?? "")
        let isThere = try await user.get(key, in: collection)?.value == row.value
        if !isThere { try await user.put(row.value, key: key, in: collection) }
        results.append((row, .success(!isThere)))
      } catch {
        results.append((row, .failure(error)))
      }
    }
    return results
  }

  /// Notes a line that cannot be imported; an error that is not the line's ends the import.
  private mutating func reject(_ row: ImportRow, _ error: RouterError) throws {
    switch error.code {
    // Of a user, so repeating the import does not help.
    case .refused, .unplaceable, .unserved, .barred, .processingRefused, .lifetimeRefused, .held,
      .erasing, .elsewhere:
      totals.refused += 1
      rejected.append((true, row.line, "\(error.code)", error.oneLine(about: row)))
    case .unknownName, .invalidArgument, .tagsDiffer, .notFound, .alreadyPlaced:
      reject(line: row.line, code: "\(error.code)", reason: error.oneLine(about: row))
    default: throw error
    }
  }

  private mutating func reject(line: Int, code: String, reason: String) {
    totals.bad += 1
    rejected.append((false, line, code, reason))
  }

  private mutating func writeRejected() throws {
    for item in rejected.sorted(by: { $0.line < $1.line }) {
      if item.isRefusal {
        try refused.add(line: item.line, code: item.code, reason: item.reason)
      } else {
        try bad.add(line: item.line, code: item.code, reason: item.reason)
      }
    }
    rejected = []
  }
}

extension RouterError {
  /// The reason on one line: for a refusal the verdict, whose outcome the code says, and the rules that conflict. Without the words of the row
  /// that an error about unknown words repeats: with a wrong column named, they are anything.
  fileprivate func oneLine(about row: ImportRow) -> String {
    guard let verdict else {
      return ([row.residence].compactMap(\.self) + row.attributes).reduce(message) {
        $0.replacing(" “\($1)”;", with: ";", maxReplacements: 1)
      }.replacingOccurrences(of: "\n", with: " ")
    }
    let cited = verdict.conflict.isEmpty ? verdict.rules : verdict.conflict
    let rules = cited.map { "\($0.name) (\($0.file):\($0.line)) \($0.demand)" }
    var parts = [verdict.claim] + rules
    if verdict.isProcessing, !verdict.legalCountries.isEmpty {
      let countries = verdict.legalCountries.prefix(12).joined(separator: ", ")
      parts.append(
        "import where it may be processed (\(countries)\(verdict.legalCountries.count > 12 ? ", …" : "")),"
          + " and say where that is with --location")
    }
    return parts.joined(separator: "; ")
  }
}
