import ArgumentParser
import Domicile
import Foundation

/// Says what an erasure without `--yes` would erase.
func refuseErasure(of lines: [String]) throws {
  Terminal.error("notConfirmed: Nothing was erased. With --yes this would go, for good:")
  for line in lines { Terminal.error("  \(line)") }
  throw ExitCode.validationFailure
}

extension ErasureReceipt {
  /// Prints the receipt, and ends with the exit code for what is pending or held.
  func report(_ output: OutputOptions) throws {
    if output.json { try printJSON(ReceiptJSON(receipt: self)) } else { print() }
    if !isDone { throw ExitCode.pending }
    if !held.isEmpty { throw ExitCode.held }
  }

  /// The receipt, and whether it is done.
  private struct ReceiptJSON: Encodable {
    let receipt: ErasureReceipt

    private enum CodingKeys: String, CodingKey { case isDone }

    func encode(to encoder: any Encoder) throws {
      try receipt.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(receipt.isDone, forKey: .isDone)
    }
  }

  private func print() {
    let state =
      isDone ? Terminal.styled("done", .good) : Terminal.styled("pending", .bad)
    let heldCount = held.reduce(0) { $0 + $1.records }
    Terminal.print(
      "\(state): \(counted(records, "record")) erased, \(bytes) bytes"
        + (heldCount == 0 ? "" : "; \(counted(heldCount, "record")) held"))
    if !erased.isEmpty {
      var table = TextTable(
        "class", "collection", "region", "country", "shard", "records", "bytes")
      for row in erased {
        table.add(
          row.dataClass, row.collection ?? "all", row.region, row.country, row.shard,
          "\(row.records)", "\(row.bytes)")
      }
      table.print()
    }
    for held in held { Terminal.print("held: \(held.text)") }
    for pending in pending {
      Terminal.print("pending: \(pending.place): \(pending.reason)")
    }
    let serial = serial.map { ", serial \($0)" } ?? ""
    Terminal.print(
      "alias \(alias), policy generation \(policyGeneration)\(serial),"
        + " \(time.ISO8601Format())")
  }
}

extension ErasureReceipt.Held {
  /// How much, where, by what and until when.
  var text: String {
    "\(counted(records, "record")) of \(dataClass) in \(shard) by \(rule),"
      + " until \(until?.ISO8601Format() ?? "that is released")"
  }
}
