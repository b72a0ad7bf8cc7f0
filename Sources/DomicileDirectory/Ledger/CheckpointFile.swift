import DomicileSQLite
package import DomicileStorage
import Foundation

/// Where the checkpoint is that was signed last: beside the key and not in the data folder, so that a data folder that is brought
/// back from a copy does not bring it along.
package struct CheckpointFile: Sendable {
  package let path: String

  package init(path: String) { self.path = path }

  func lock() throws(StorageError) -> FolderLock {
    do {
      return try FolderLock(file: "\(path).lock", isWaiting: true)
    } catch {
      throw StorageError(
        .unavailable,
        "The lock of the file with the last checkpoint cannot be opened. Check the folder's rights.",
        cause: error)
    }
  }

  /// Makes way for the checkpoints of a new deployment: what an earlier one at the same place has signed is kept under the
  /// name of its ledger.
  package func setAside() throws(StorageError) {
    guard FileManager.default.fileExists(atPath: path) else { return }
    let last = try? read()
    let name = last?.checkpoint.origin.split(separator: "/").last.map(String.init) ?? "unreadable"
    guard unsafe rename(path, "\(path).\(name)") == 0 else {
      throw StorageError(
        .unavailable,
        "The file with the last checkpoint of an earlier deployment cannot be renamed. Move it away."
      )
    }
  }

  /// Nil if nothing was signed yet.
  ///
  /// - Throws: ``StorageError`` with `corrupt`.
  package func read() throws(StorageError) -> (note: SignedNote, checkpoint: Checkpoint)? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw StorageError(
        .unavailable, "The file with the last checkpoint cannot be read. Check its rights.")
    }
    guard let note = SignedNote(String(decoding: data, as: UTF8.self)),
      let checkpoint = Checkpoint(text: note.text)
    else {
      throw StorageError(
        .corrupt,
        "The file with the last checkpoint holds none. Put back what was printed last: it keeps an old ledger from being signed."
      )
    }
    return (note, checkpoint)
  }

  /// Puts a checkpoint that was kept where the last one is missing; the next one that is signed must continue it.
  ///
  /// - Throws: ``StorageError`` with `invalidArgument` if there is a file.
  package func restore(_ note: SignedNote) throws(StorageError) {
    let lock = try lock()
    defer { withExtendedLifetime(lock) {} }
    guard try read() == nil else {
      throw StorageError(
        .invalidArgument,
        "The file with the last checkpoint is there: the ledger is compared with it anyway. To compare it with an older one run"
          + " “domicile ledger verify --since FILE”. Nothing was changed.")
    }
    try write(note)
  }

  func write(_ note: SignedNote) throws(StorageError) {
    guard PrivateFile.make(path, holding: "\(note)", replaces: true) else {
      throw StorageError(
        .unavailable,
        "The file for the last checkpoint cannot be written. Check the folder's rights and the disk."
      )
    }
  }

  /// Adds what a witness has answered to the checkpoint that was signed last.
  ///
  /// - Throws: ``StorageError`` with `invalidArgument` if none of it is a cosignature by the witness over that checkpoint.
  package func add(
    cosignatures lines: String, by witness: NoteKey
  ) throws(StorageError) -> SignedNote {
    let lock = try lock()
    defer { withExtendedLifetime(lock) {} }
    guard let last = try read() else {
      throw StorageError(
        .invalidArgument, "Nothing was signed yet. Run “domicile ledger checkpoint” first.")
    }
    guard let note = last.note.adding(lines: lines), note.verified(by: [witness]) == [witness]
    else {
      throw StorageError(
        .invalidArgument,
        "This is no cosignature by the witness \(witness.name) over the last checkpoint (\(last.checkpoint.size) entries)."
          + " Nothing was changed. Ask the witness again, with “domicile ledger checkpoint --request”."
      )
    }
    try write(note)
    return note
  }
}
