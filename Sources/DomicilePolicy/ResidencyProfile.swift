/// A user's tags: the country of residence and the declared attributes that are set.
public struct ResidencyProfile: Hashable, Sendable, CustomStringConvertible {
  public let residence: CountryCode
  /// The attributes that are set, sorted, each once.
  public let attributes: [String]

  public init(residence: CountryCode, attributes: some Sequence<String> = []) {
    self.residence = residence
    self.attributes = Set(attributes).sorted()
  }

  /// Reads what ``description`` wrote; nil if `text` is not of that form.
  public init?(_ text: String) {
    let words = text.split(separator: " ")
    guard let first = words.first, let residence = CountryCode(first) else { return nil }
    self.init(residence: residence, attributes: words.dropFirst().map(String.init))
    guard description == text else { return nil }
  }

  /// The form in which homes and the directory hold a profile: `DE minor scc-signed`.
  public var description: String {
    attributes.isEmpty
      ? "\(residence)" : "\(residence) \(attributes.joined(separator: " "))"
  }
}
