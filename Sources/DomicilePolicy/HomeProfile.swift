/// The tags by which a home is judged: the user's, or in the home of a group those of every member.
///
/// A group's data may live only where every member's data may. Who of them has which tags is not kept here.
public struct HomeProfile: Hashable, Sendable, CustomStringConvertible {
  /// Each once, in the order of their texts. None is the profile of a group that everybody has left: its data may live
  /// nowhere.
  public let members: [ResidencyProfile]

  public init(_ members: some Sequence<ResidencyProfile>) {
    self.members = Set(members).sorted { $0.description < $1.description }
  }

  public init(_ user: ResidencyProfile) { members = [user] }

  /// Reads what ``description`` wrote; nil if `text` is not of that form.
  public init?(_ text: String) {
    let members = text.split(separator: "\n").map { ResidencyProfile(String($0)) }
    guard members.allSatisfy({ $0 != nil }) else { return nil }
    self.init(members.compactMap(\.self))
    guard description == text else { return nil }
  }

  /// The form in which homes and the directory hold it: a line for each of the members' profiles.
  public var description: String { members.map(\.description).joined(separator: "\n") }

  /// The residences, each once, for reports: `CN, DE`.
  public var residences: String {
    Set(members.map { "\($0.residence)" }).sorted().joined(separator: ", ")
  }

  /// The attributes that any of them has, each once, sorted.
  public var attributes: [String] { Set(members.flatMap(\.attributes)).sorted() }
}
