import CDomicileSQLite
import Foundation

/// How a database file can be told from itself at another time, and how far its WAL was copied into it.
package struct FileState: Equatable, Sendable {
  let inode: UInt64
  let bytes: Int64
  /// When it was last changed in any way, in nanoseconds since 1970: no program can set that.
  let changed: Int64
  /// Of the WAL: other ones each time it begins anew.
  let walSalts: UInt64
  /// Frames of the WAL that were copied; 0 after a recovery.
  let walCopied: UInt32

  init(_ state: domicile_file_state) {
    inode = UInt64(bitPattern: state.inode)
    bytes = state.bytes
    changed = state.changed
    walSalts = state.salts
    walCopied = state.copied
  }

  /// Of a file that is not open; its WAL is not looked at.
  init?(path: String) {
    let state = unsafe domicile_file_state_at(path)
    guard state.inode != 0 else { return nil }
    self.init(state)
  }

  fileprivate init?(_ words: some Collection<Substring>) {
    let words = Array(words)
    guard words.count == 5, let inode = UInt64(words[0]), let bytes = Int64(words[1]),
      let changed = Int64(words[2]), let walSalts = UInt64(words[3]),
      let walCopied = UInt32(words[4])
    else { return nil }
    self.inode = inode
    self.bytes = bytes
    self.changed = changed
    self.walSalts = walSalts
    self.walCopied = walCopied
  }

  fileprivate var text: String { "\(inode) \(bytes) \(changed) \(walSalts) \(walCopied)" }

  /// Whether nobody has written the main file from one to the other.
  func isSameFile(as other: FileState) -> Bool {
    inode == other.inode && bytes == other.bytes && changed == other.changed
  }
}

/// What a database file was like when a checkpoint of ours last left it, noted in the gate's own file.
///
/// Pages are clean only if our VFS wrote them. A file that is not as noted was copied, restored, or written by another
/// program: nobody may say that what was deleted is gone before that is proved, or the file is rewritten.
struct CleanNote: Equatable {
  enum State: String {
    /// No checkpoint runs.
    case clean
    /// A checkpoint of ours runs, or its process died in it.
    case copying
  }

  let state: State
  let file: FileState

  init(_ state: State, _ file: FileState) {
    self.state = state
    self.file = file
  }

  init?(text: String) {
    let words = text.split(whereSeparator: \.isWhitespace)
    guard let state = words.first.flatMap({ State(rawValue: String($0)) }),
      let file = FileState(words.dropFirst())
    else { return nil }
    self.init(state, file)
  }

  /// One line of a fixed length, so that a shorter one leaves nothing of a longer.
  static func line(_ words: String) -> String {
    words.padding(toLength: 127, withPad: " ", startingAt: 0) + "\n"
  }

  var text: String { Self.line("\(state.rawValue) \(file.text)") }

  /// Whether nobody but us has written the file since this was noted.
  func matches(_ now: FileState) -> Bool {
    switch state {
    case .clean:
      // To the nanosecond, also after a power cut that took the latest change along, or a clock that was set.
      now.isSameFile(as: file)
    case .copying where file.walSalts == 0:
      // An empty WAL that nobody had written to, of which there is nothing to tell.
      now.isSameFile(as: file)
    case .copying:
      // That checkpoint has changed the file. If the WAL is the same and no further copied, then whatever else was
      // copied of it since is copied again, by us.
      now.inode == file.inode && now.walSalts == file.walSalts && now.walCopied <= file.walCopied
    }
  }
}
