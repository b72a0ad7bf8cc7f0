/// The id by which a backend knows a group, a space that several users share: 1 to 512 bytes of UTF-8, compared byte by byte.
///
/// As of a ``UserID``, only a keyed hash of it is kept. A group and a user may have the same id.
public struct GroupID: Hashable, Sendable, CustomStringConvertible {
  private let id: UserID

  public init(_ text: String) { id = UserID(text) }

  func checked() throws(RouterError) -> String {
    do throws(RouterError) {
      return try id.checked()
    } catch {
      throw RouterError(
        .invalidArgument, error.message.replacing("A user's id", with: "A group's id"))
    }
  }

  /// Not the id, so that printing one by accident tells nothing.
  public var description: String { "GroupID(…)" }
}
