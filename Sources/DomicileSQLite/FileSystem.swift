import CDomicileSQLite

/// A call that SQLite is about to make of its files. `domicile_vfs.h` says what the parts mean for each.
package struct FileCall: Sendable {
  package enum Operation: Sendable, CaseIterable {
    // In the order of `domicile_vfs_operation`.
    case open, delete, read, write, sync, truncate, fileSize, lock, unlock, shmMap, shmLock
  }

  package enum Kind: Sendable, CaseIterable {
    // In the order of `domicile_vfs_kind`.
    case main, wal, journal, other
  }

  package let operation: Operation
  package let kind: Kind
  package let path: String?
  package let offset: Int64
  package let amount: Int64
  package let flags: Int32
  /// How many bytes of a write are written before it fails with the hook's code.
  package var torn: Int64 = 0
}

/// A VFS with a hook: sees what SQLite asks of its files, and may fail it.
///
/// The files are written by our layer, so pages are clean with it too. Must outlive the connections that use
/// it.
@safe
package final class FileSystem {
  /// The name of the VFS that the product uses.
  package static let clean = DOMICILE_VFS_NAME

  /// Gives SQLite's code: `SQLITE_OK` lets the call be made. Called on whatever thread makes the call.
  package typealias Hook = @Sendable (inout FileCall) -> Int32

  package let name: String

  private final class Context: Sendable {
    let hook: Hook
    init(_ hook: @escaping Hook) { self.hook = hook }
  }
  private let context: Unmanaged<Context>

  /// Registers a VFS under a name that no other has, over `base` or SQLite's own.
  package init(
    name: String, over base: String? = nil, hook: @escaping Hook
  ) throws(SQLiteError) {
    self.name = name
    unsafe context = Unmanaged.passRetained(Context(hook))
    let code = unsafe domicile_vfs_register(
      name, base,
      { context, call in
        guard let context = unsafe context, let call = unsafe call else { return SQLITE_MISUSE }
        let hook = unsafe Unmanaged<Context>.fromOpaque(context).takeUnretainedValue().hook
        var seen = unsafe FileCall(call.pointee)
        let code = hook(&seen)
        unsafe call.pointee.torn = seen.torn
        return code
      }, context.toOpaque())
    guard code == SQLITE_OK else {
      unsafe context.release()
      throw SQLiteError(code: code, message: "The VFS \(name) cannot be registered.")
    }
  }

  deinit {
    unsafe domicile_vfs_unregister(name)
    unsafe context.release()
  }
}

extension FileCall {
  fileprivate init(_ call: domicile_vfs_call) {
    unsafe self.init(
      operation: Operation.allCases[Int(call.operation.rawValue)],
      kind: Kind.allCases[Int(call.kind.rawValue)],
      path: call.path.map { unsafe String(cString: $0) }, offset: call.offset,
      amount: call.amount, flags: call.flags)
  }
}
