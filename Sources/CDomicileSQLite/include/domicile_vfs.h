// Our VFS: a thin layer between SQLite and another VFS (https://sqlite.org/vfs.html).
//
// It writes clean pages. Where `secure_delete` leaves bytes of deleted rows in pages that were rebuilt, the
// copy of a page that reaches a main database file has zeros (domicile_page.h). What SQLite holds in memory,
// its WAL and its journals are not changed: a WAL is empty after a truncating checkpoint. Nothing is read or
// written but what SQLite asks for, so SQLite's own guarantees stand.
//
// A b-tree page is told from an overflow or freelist page by its first byte: the others begin with a page
// number, whose first byte is 0 or 1 while a database has fewer than 2^25 pages. So connections must set
// `max_page_count` to 2^25 - 1, and databases must not have `auto_vacuum`, whose pointer-map pages begin with
// any of 1 to 5.
#ifndef DOMICILE_VFS_H
#define DOMICILE_VFS_H

#include <sqlite3.h>

/// What SQLite asks of the file system.
typedef enum {
  DOMICILE_VFS_OPEN,
  DOMICILE_VFS_DELETE,
  DOMICILE_VFS_READ,
  DOMICILE_VFS_WRITE,
  DOMICILE_VFS_SYNC,
  DOMICILE_VFS_TRUNCATE,
  DOMICILE_VFS_FILE_SIZE,
  DOMICILE_VFS_LOCK,
  DOMICILE_VFS_UNLOCK,
  DOMICILE_VFS_SHM_MAP,
  DOMICILE_VFS_SHM_LOCK,
} domicile_vfs_operation;

typedef enum {
  DOMICILE_VFS_MAIN,
  DOMICILE_VFS_WAL,
  DOMICILE_VFS_JOURNAL,
  /// Temporary files, which may have no path.
  DOMICILE_VFS_OTHER,
} domicile_vfs_kind;

/// A call that SQLite is about to make.
typedef struct {
  domicile_vfs_operation operation;
  domicile_vfs_kind kind;
  /// The full path, or NULL. For shared memory, that of its database.
  const char *path;
  /// Read, write: where. Truncate: the new size. Shared memory: the first byte to map, the first lock.
  sqlite3_int64 offset;
  /// Read, write, map: how many bytes. Lock shared memory: how many locks.
  sqlite3_int64 amount;
  /// Open, sync, lock shared memory: SQLite's flags. Lock, unlock: the level. Delete: whether the folder is
  /// synced. Map: whether the file may grow.
  int flags;
  /// Write: the bytes that would be written, valid during the call. Otherwise NULL.
  const void *data;
  /// Write: how many bytes are written before the hook's error is given to SQLite, as a write is torn when
  /// the power or the space goes. 0 unless the hook changes it; at most `amount`.
  sqlite3_int64 torn;
} domicile_vfs_call;

/// Is called before each of the operations above, on the thread that makes it, perhaps on several at once.
///
/// SQLITE_OK: the call is made. Anything else is given to SQLite in its place and nothing happens, but for
/// `torn` bytes of a write. SQLITE_IOERR_SHORT_READ for a read gives zeros, as the end of a file does. An
/// unlock that is refused leaves the lock, and so does SHM_LOCK with SQLITE_SHM_UNLOCK, whose result SQLite
/// does not look at: everybody then waits for it, the connection itself too. Closing a file is not asked
/// about: it always happens, and drops the file's locks. The hook must not use SQLite.
typedef int (*domicile_vfs_hook)(void *context, domicile_vfs_call *call);

/// The VFS that the product uses, without a hook.
#define DOMICILE_VFS_NAME "domicile"

/// Registers a VFS over `base`, or over SQLite's default one if that is NULL. Does nothing if it was
/// registered with the same base, hook and context; with others, or if SQLite or somebody else has a VFS of
/// that name: SQLITE_MISUSE. It never becomes the default.
int domicile_vfs_register(
    const char *name, const char *base_or_NULL, domicile_vfs_hook hook_or_NULL, void *context);

/// Forgets a VFS that was registered here and has no open file.
int domicile_vfs_unregister(const char *name);

/// Whether a connection's main file is reached through a VFS of ours or of SQLite's with that name.
int domicile_vfs_is_used(sqlite3 *connection, const char *name);

/// Where files are made, on this thread, for which SQLite has no path, such as VACUUM's copy; NULL, as it is in the
/// beginning: nowhere, such an open fails. The system's folder for temporary files may lie where the data must not.
/// Kept until it is changed. Such a file has no name any more once it is open.
void domicile_vfs_temporary_folder(const char *folder_or_NULL);

/// How a main file can be told from itself at another time, and how far its WAL was copied into it.
typedef struct {
  sqlite3_int64 inode;
  sqlite3_int64 bytes;
  /// When it was last changed in any way, in nanoseconds since 1970: no program can set that.
  sqlite3_int64 changed;
  /// In the WAL.
  unsigned int frames;
  /// Of the WAL: other ones each time it begins anew.
  sqlite3_uint64 salts;
  /// Frames of the WAL that were copied; 0 after a recovery.
  unsigned int copied;
} domicile_file_state;

/// The state of a file without its WAL; the inode is 0 if it is not there.
domicile_file_state domicile_file_state_at(const char *path);

/// The state of the main file; those of the WAL valid once the connection has read its database.
int domicile_file_state_now(sqlite3 *connection, domicile_file_state *state);

/// The checkpoints that a connection has made: what the first found and the last left, as seen under SQLite's own lock,
/// with which a connection is alone in writing the main file.
typedef struct {
  int count;
  /// Whether somebody else wrote the file between two of them.
  int is_broken;
  domicile_file_state before;
  domicile_file_state after;
} domicile_checkpoints;

/// Those since the last call.
int domicile_checkpoints_seen(sqlite3 *connection, domicile_checkpoints *seen);

/// The bytes reserved at the end of each page. Valid once the connection has read its database.
int domicile_reserved_bytes(sqlite3 *connection, int *bytes);

/// The size of the main file; of the WAL, 0 if there is none.
int domicile_main_size(sqlite3 *connection, sqlite3_int64 *bytes);
int domicile_wal_size(sqlite3 *connection, sqlite3_int64 *bytes);

/// Reads of the main file through the connection's own open file. Opening it a second time and closing that
/// would drop all locks that SQLite has on it. Behind the end of the file there are zeros.
int domicile_main_read(sqlite3 *connection, void *bytes, int amount, sqlite3_int64 offset);

#endif
