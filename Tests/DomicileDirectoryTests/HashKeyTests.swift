import DomicileDirectory
import DomicileStorage
import DomicileTesting
import Foundation
import Testing

/// The secret with which user ids are hashed.
@Suite struct HashKeyTests {
  /// The bytes 0 to 31.
  private static let key = HashKey(bytes: 0..<32)

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  // MARK: Hashes

  // python3 -c "import hmac; print(hmac.new(bytes(range(32)), b'user\0ada', 'sha256').hexdigest()[:32])"
  @Test(arguments: [
    ("ada", "613901f7898c3060986f034119b587ef"),
    ("Åsa ☃", "0700315f7c3fc3a93c7e300d96ed9d8f"),
    ("", "27c4674af6707ceaa5110850d7e8d6df"),
  ])
  func `an owner is the first half of HMAC-SHA-256 of the id`(id: String, hash: String) throws {
    let key = try #require(Self.key)
    #expect(Self.hexadecimal(key.owner(ofUser: id).bytes) == hash)
  }

  @Test func `the check value is the first half of HMAC-SHA-256 of its own word`() throws {
    let key = try #require(Self.key)
    #expect(Self.hexadecimal(key.checkValue) == "5f2a17ba2319fb1221fbdc8d7a75c483")
  }

  @Test func `ids are compared byte by byte`() throws {
    let key = try #require(Self.key)
    // The same letter, composed and decomposed: equal as Swift strings.
    #expect("\u{E5}" == "a\u{30A}")
    #expect(key.owner(ofUser: "\u{E5}") != key.owner(ofUser: "a\u{30A}"))
    #expect(key.owner(ofUser: "Ada") != key.owner(ofUser: "ada"))
  }

  @Test func `another key gives other hashes`() throws {
    let key = try #require(Self.key)
    let other = try #require(HashKey(bytes: 1..<33))
    #expect(key.owner(ofUser: "ada") != other.owner(ofUser: "ada"))
    #expect(key.checkValue != other.checkValue)
  }

  @Test(arguments: [0, 16, 31, 33, 64])
  func `a key has 32 bytes`(count: Int) {
    #expect(HashKey(bytes: [UInt8](repeating: 7, count: count)) == nil)
  }

  // MARK: Files

  private static let digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

  private func source(
    _ folder: TemporaryFolder, _ text: String, mode: Int = 0o600
  ) throws -> KeySource {
    let path = try folder.write(text, to: "key")
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    return .file(path: path)
  }

  @Test(arguments: [digits, digits.uppercased(), "\(digits)\n", "  \(digits)\r\n"])
  func `a file of 64 hexadecimal digits is a key`(text: String) throws {
    let folder = try TemporaryFolder()
    let key = try source(folder, text).readHashKey()
    #expect(Self.hexadecimal(key.checkValue) == "5f2a17ba2319fb1221fbdc8d7a75c483")
  }

  @Test(arguments: [
    "", "\n", String(digits.dropLast()), String(digits.dropLast(2)), "\(digits)00",
    "0x\(digits.dropFirst(2))", "\(digits.dropLast(1))g",
    "\(digits.prefix(32)) \(digits.suffix(32))",
    "\(digits.dropLast(2))é",
  ])
  func `a file of another form is no key`(text: String) throws {
    let folder = try TemporaryFolder()
    let error = try #require(throws: StorageError.self) { try source(folder, text).readHashKey() }
    #expect(error.code == .wrongKey)
    #expect(!error.message.contains("0102"))
  }

  @Test(arguments: [0o604, 0o640, 0o660, 0o644, 0o610, 0o601])
  func `a file that others may read, write or run is refused`(mode: Int) throws {
    let folder = try TemporaryFolder()
    let error = try #require(throws: StorageError.self) {
      try source(folder, Self.digits, mode: mode).readHashKey()
    }
    #expect(error.code == .wrongKey)
    #expect(error.message.contains("mode \(String(mode, radix: 8))"))
  }

  @Test(arguments: [0o600, 0o400])
  func `a file that only its owner may read is read`(mode: Int) throws {
    let folder = try TemporaryFolder()
    _ = try source(folder, Self.digits, mode: mode).readHashKey()
  }

  @Test func `a folder in the place of the file is refused`() throws {
    let folder = try TemporaryFolder()
    let error = try #require(throws: StorageError.self) {
      try KeySource.file(path: folder.path).readHashKey()
    }
    #expect(error.code == .wrongKey)
  }

  // MARK: Making

  @Test func `a key is made once, for its owner alone, and nothing else is left`() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/key"
    var random = SeededRandom(seed: 1)
    try KeySource.file(path: path).makeIfAbsent(.hash, using: &random)
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.count == 65)
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
    _ = try KeySource.file(path: path).readHashKey()

    try KeySource.file(path: path).makeIfAbsent(.hash, using: &random)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["key"])
  }

  @Test func `a draft that a crash left is no key and is replaced`() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/key"
    try folder.write(String(Self.digits.prefix(10)), to: "key.new")
    var random = SeededRandom(seed: 1)
    try KeySource.file(path: path).makeIfAbsent(.hash, using: &random)
    _ = try KeySource.file(path: path).readHashKey()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["key"])
  }

  @Test func `a key in the environment is never made`() throws {
    var random = SeededRandom(seed: 1)
    let source = KeySource.environment(name: "DOMICILE_TEST_KEY_THAT_IS_NOT_SET")
    try source.makeIfAbsent(.hash, using: &random)
    let error = try #require(throws: StorageError.self) { try source.readHashKey() }
    #expect(error.code == .wrongKey)
  }

  @Test func `a key that cannot be made is said so`() throws {
    let folder = try TemporaryFolder()
    var random = SeededRandom(seed: 1)
    let error = try #require(throws: StorageError.self) {
      try KeySource.file(path: "\(folder.path)/nowhere/key").makeIfAbsent(.hash, using: &random)
    }
    #expect(error.code == .unavailable)
  }
}
