import DomicileStorage

/// The id by which a backend knows a user: 1 to 512 bytes of UTF-8, compared byte by byte.
///
/// Domicile never stores it, logs it or puts it into an error: what it keeps is a keyed hash.
public struct UserID: Hashable, Sendable {
  let text: String

  public init(_ text: String) { self.text = text }

  public static func == (left: UserID, right: UserID) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  public func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
  }

  static let bytesMax = 512

  func checked() throws(RouterError) -> String {
    guard (1...Self.bytesMax).contains(text.utf8.count) else {
      throw RouterError(
        .invalidArgument, "A user's id has 1 to 512 bytes; this one has \(text.utf8.count).")
    }
    return text
  }
}

extension UserID: CustomStringConvertible {
  /// Not the id, so that printing one by accident tells nothing.
  public var description: String { "UserID(…)" }
}

extension UserID: CustomDebugStringConvertible, CustomReflectable {
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
