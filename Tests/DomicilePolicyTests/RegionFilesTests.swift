import DomicilePolicy
import DomicileTesting
import Foundation
import Testing

/// Reading a regions folder.
@Suite struct RegionFilesTests {
  /// A regions folder of the small policy in the temporary directory, removed with the value.
  private final class Folder {
    let url = FileManager.default.temporaryDirectory.appending(path: "regions-\(UUID())")

    init() throws {
      for (path, text) in SmallPolicy().texts { try write(Data(text.utf8), to: path) }
    }

    func write(_ data: Data, to path: String) throws {
      let file = url.appending(path: path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try data.write(to: file)
    }

    func remove(_ path: String) throws {
      try FileManager.default.removeItem(at: url.appending(path: path))
    }

    func message() -> String {
      do throws(PolicyError) {
        _ = try RegionFiles(folder: url.path)
        return "read"
      } catch {
        #expect(error.code == .unreadable)
        return error.message
      }
    }

    deinit { try? FileManager.default.removeItem(at: url) }
  }

  @Test func `a folder gives the same policy as its texts`() throws {
    let folder = try Folder()
    #expect(try ResidencyPolicy(folder: folder.url.path).digest == SmallPolicy().compile().digest)
  }

  @Test func `line ends and byte order marks do not change the policy`() throws {
    let folder = try Folder()
    for (path, text) in SmallPolicy().texts {
      let marked = "\u{FEFF}" + text.replacingOccurrences(of: "\n", with: "\r\n")
      try folder.write(Data(marked.utf8), to: path)
    }
    #expect(try ResidencyPolicy(folder: folder.url.path).digest == SmallPolicy().compile().digest)
  }

  @Test func `another byte anywhere is another digest`() throws {
    let digest = try SmallPolicy().compile().digest
    var small = SmallPolicy()
    small.policy += "\n"
    #expect(try small.compile().digest != digest)
    #expect(digest.description.count == 64)
    #expect(digest.short == digest.description.prefix(12))
  }

  @Test(arguments: ["policy.yaml", "topology.yaml"])
  func `a missing file is unreadable`(path: String) throws {
    let folder = try Folder()
    try folder.remove(path)
    #expect(
      folder.message() == """
        “\(path)” of the regions folder does not exist or may not be read; \
        check the folder's name and rights.
        """)
  }

  @Test func `a missing folder of facts is unreadable`() throws {
    let folder = try Folder()
    try folder.remove("facts")
    #expect(
      folder.message() == """
        The folder “facts” of the regions folder cannot be read; it holds the tables countries.csv \
        and groups.csv that every policy needs.
        """)
  }

  @Test func `a folder in a file's place is unreadable`() throws {
    let folder = try Folder()
    try folder.remove("policy.yaml")
    try folder.write(Data(), to: "policy.yaml/x")
    #expect(folder.message() == "“policy.yaml” of the regions folder is not a regular file.")
  }

  @Test func `bytes that are no text are unreadable`() throws {
    let folder = try Folder()
    try folder.write(Data([0x70, 0xC0, 0x80]), to: "policy.yaml")
    #expect(folder.message() == "“policy.yaml” of the regions folder is not UTF-8 text.")
    try folder.write(Data("policy: small\0".utf8), to: "policy.yaml")
    #expect(folder.message() == "“policy.yaml” of the regions folder holds a NUL byte.")
    try folder.write(Data(), to: "policy.yaml")
    try folder.write(Data([0x70, 0xFF]), to: "facts/groups.csv")
    #expect(folder.message() == "“facts/groups.csv” of the regions folder is not UTF-8 text.")
    try folder.write(Data("group\0,code".utf8), to: "facts/groups.csv")
    #expect(folder.message() == "“facts/groups.csv” of the regions folder holds a NUL byte.")
  }

  @Test(arguments: [RegionFiles.bytesMax + 1, 100 << 20])
  func `a file that is too large is not read`(bytes: Int) throws {
    let folder = try Folder()
    try folder.write(Data(), to: "topology.yaml")
    let file = try FileHandle(forWritingTo: folder.url.appending(path: "topology.yaml"))
    try file.truncate(atOffset: UInt64(bytes))
    try file.close()
    #expect(
      folder.message()
        == "“topology.yaml” of the regions folder has \(bytes) bytes; at most 16777216 are read.")
  }

  @Test func `files that are too large together are not read`() throws {
    let folder = try Folder()
    for name in ["a", "b", "c"] {
      try folder.write(
        Data(repeating: UInt8(ascii: "#"), count: 6 << 20), to: "rules/\(name).yaml")
    }
    #expect(
      folder.message() == """
        The files of the regions folder have more than 16777216 bytes together, which is the most \
        that is read; take out what the policy does not use.
        """)
  }

  @Test(arguments: ["policy.yaml", "facts/groups.csv", "rules/more.yaml"])
  func `a link in the place of a file is unreadable`(path: String) throws {
    let folder = try Folder()
    let elsewhere = try Folder()
    try elsewhere.write(Data("rules: []".utf8), to: "rules/more.yaml")
    try folder.write(Data(), to: "rules/other.yaml")
    try? folder.remove(path)
    try FileManager.default.createSymbolicLink(
      at: folder.url.appending(path: path), withDestinationURL: elsewhere.url.appending(path: path))
    #expect(folder.message() == "“\(path)” of the regions folder is not a regular file.")
  }

  @Test(arguments: ["facts", "rules"])
  func `a link in the place of a folder is unreadable`(name: String) throws {
    let folder = try Folder()
    let elsewhere = try Folder()
    try elsewhere.write(Data("rules: []".utf8), to: "rules/more.yaml")
    try? folder.remove(name)
    try FileManager.default.createSymbolicLink(
      at: folder.url.appending(path: name), withDestinationURL: elsewhere.url.appending(path: name))
    #expect(
      folder.message()
        == "“\(name)” of the regions folder is a link; put the folder itself there.")
  }
}
