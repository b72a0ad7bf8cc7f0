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
    try folder.write(Data([0x70, 0xFF]), to: "facts/groups.csv")
    #expect(folder.message() == "“facts/groups.csv” of the regions folder is not UTF-8 text.")
    try folder.write(Data("group\0,code".utf8), to: "facts/groups.csv")
    #expect(folder.message() == "“facts/groups.csv” of the regions folder holds a NUL byte.")
  }

  @Test func `a file that is too large is not read`() throws {
    let folder = try Folder()
    try folder.write(Data(count: RegionFiles.bytesMax + 1), to: "topology.yaml")
    #expect(
      folder.message()
        == "“topology.yaml” of the regions folder has 16777217 bytes; at most 16777216 are read.")
  }
}
