/// What a shard's file says of itself: under another region's name, or with another key, it does not open.
package struct ShardIdentity: Sendable, Equatable {
  /// 16 random bytes that all files of a deployment share.
  package let deployment: [UInt8]
  package let name: String
  package let region: String
  package let country: String
  /// Tells whether a hash key is the one with which owners were hashed.
  package let keyCheck: [UInt8]

  package init(
    deployment: [UInt8], name: String, region: String, country: String, keyCheck: [UInt8]
  ) {
    self.deployment = deployment
    self.name = name
    self.region = region
    self.country = country
    self.keyCheck = keyCheck
  }

  var place: String { "the shard \(name)" }
}
