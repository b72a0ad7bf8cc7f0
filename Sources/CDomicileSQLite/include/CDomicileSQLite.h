// What Swift cannot call of SQLite and of the kernel by itself: variadic functions and macros with casts.
#ifndef CDOMICILESQLITE_H
#define CDOMICILESQLITE_H

#include <sqlite3.h>

#include "domicile_page.h"
#include "domicile_vfs.h"

/// Turns SQLite's memory statistics off, which cost a process-wide lock on each allocation. Does nothing once
/// SQLite is in use.
void domicile_sqlite_configure(void);

/// Binds copies of the bytes. An empty blob is bound as one, not as NULL.
int domicile_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int count);
int domicile_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *bytes, int count);

/// Keeps `*pages` at the number of pages in the WAL after the last commit of this connection.
void domicile_sqlite_watch_wal(sqlite3 *connection, int *pages);

/// Makes SQLite leave the WAL as it is when the last connection closes: checkpoints are made by the writers, in
/// turn. An SQLite result code.
int domicile_sqlite_keep_wal_at_close(sqlite3 *connection);

/// The number of the file system on which a file lies (Linux, statfs(2)); 0 where that is not known.
long domicile_file_system_type(const char *path);

/// Takes an exclusive open-file-description lock on a whole file without waiting: 0, or an errno.
int domicile_lock_file(int descriptor);

/// The same, waiting until it is free.
int domicile_wait_for_file(int descriptor);

/// Whether somebody else has such a lock on the file.
int domicile_is_file_locked(int descriptor);

/// Gives the lock up, also where a child between fork and exec has the same open file.
void domicile_unlock_file(int descriptor);

#endif
