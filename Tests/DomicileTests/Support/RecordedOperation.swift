/// One operation of a client on the record of a key, as the client saw it.
struct RecordedOperation: Sendable, Hashable {
  enum Condition: Sendable, Hashable {
    case absent
    case version(String)
  }

  /// The values of a key's puts differ, so that whoever reads one knows who wrote it.
  enum Call: Sendable, Hashable {
    case get
    case put(String, if: Condition?)
    case delete(ifVersion: String?)
  }

  enum Result: Sendable, Hashable {
    case found(value: String, version: String)
    case nothing
    case written(version: String)
    case deleted(existed: Bool)
    /// The condition did not hold; nothing was written.
    case mismatch
    /// Nothing was written, for a reason that tells nothing about the record.
    case refused
    /// It may have happened, may still happen at any later time, or never: the client was killed, or was told so.
    case unknown
  }

  let client: String
  let key: String
  let call: Call
  /// Nanoseconds of one monotonic clock.
  let invoked: UInt64
  /// Nil if the client never saw the end of it.
  let responded: UInt64?
  let result: Result

  init(
    _ client: String, _ key: String, _ call: Call, _ invoked: UInt64, _ responded: UInt64?,
    _ result: Result
  ) {
    self.client = client
    self.key = key
    self.call = call
    self.invoked = invoked
    self.responded = responded
    self.result = responded == nil ? .unknown : result
  }
}

extension RecordedOperation: CustomStringConvertible {
  var description: String {
    let end = responded.map { "\($0)" } ?? "…"
    return "\(client) [\(invoked), \(end)] \(key): \(call) → \(result)"
  }
}
