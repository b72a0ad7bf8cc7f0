import Foundation

/// What a database file was like when a checkpoint of ours last left it, noted in the gate's own file.
///
/// Pages are clean only if our VFS wrote them. A file that is not as noted was copied, restored, or written by another
/// program, and has to be rewritten once before anybody may say that what was deleted is gone.
struct CleanNote: Equatable {
  /// How the file can be told from itself at another time, without opening it.
  struct File: Equatable {
    let inode: UInt64
    let bytes: Int64
    /// When it was last changed in any way, in nanoseconds since 1970: no program can set that.
    let changed: Int64

    init?(path: String) {
      var status = stat()
      guard unsafe lstat(path, &status) == 0 else { return nil }
      inode = UInt64(status.st_ino)
      bytes = Int64(status.st_size)
      #if os(Linux)
        changed = Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec)
      #else
        changed =
          Int64(status.st_ctimespec.tv_sec) * 1_000_000_000 + Int64(status.st_ctimespec.tv_nsec)
      #endif
    }

    fileprivate init?(_ words: some Collection<Substring>) {
      let numbers = words.compactMap { Int64($0) }
      guard numbers.count == 3, numbers[0] >= 0 else { return nil }
      inode = UInt64(numbers[0])
      bytes = numbers[1]
      changed = numbers[2]
    }

    fileprivate var text: String { "\(inode) \(bytes) \(changed)" }
  }

  enum State: String {
    /// No checkpoint runs.
    case clean
    /// A checkpoint of ours runs, or its process died in it; `file` is the WAL that it copies.
    case copying
  }

  let state: State
  let file: File

  init(_ state: State, _ file: File) {
    self.state = state
    self.file = file
  }

  init?(text: String) {
    let words = text.split(whereSeparator: \.isWhitespace)
    guard words.count == 4, let state = State(rawValue: String(words[0])),
      let file = File(words.dropFirst())
    else { return nil }
    self.init(state, file)
  }

  /// One line of a fixed length, so that a shorter one leaves nothing of a longer.
  var text: String {
    let words = "\(state.rawValue) \(file.text)"
    return words.padding(toLength: 95, withPad: " ", startingAt: 0) + "\n"
  }

  /// Whether the database at `path` is as it was noted.
  func matches(path: String) -> Bool {
    switch state {
    case .clean:
      guard let now = File(path: path) else { return false }
      // A power cut may have taken the latest time of a change along, never a change that was synced.
      return now.inode == file.inode && now.bytes == file.bytes && now.changed <= file.changed
    case .copying:
      // The file has changed since, by that checkpoint; whoever else copies a WAL to its end removes it.
      return file.inode == File(path: "\(path)-wal")?.inode
    }
  }
}
