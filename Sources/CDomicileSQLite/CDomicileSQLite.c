#define _GNU_SOURCE
#include "CDomicileSQLite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

void domicile_sqlite_configure(void) { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

int domicile_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int count) {
  if (count == 0) return sqlite3_bind_zeroblob(statement, index, 0);
  return sqlite3_bind_blob(statement, index, bytes, count, SQLITE_TRANSIENT);
}

int domicile_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *bytes, int count) {
  return sqlite3_bind_text(statement, index, count == 0 ? "" : bytes, count, SQLITE_TRANSIENT);
}

static int note_wal_pages(void *context, sqlite3 *connection, const char *schema, int pages) {
  (void)connection;
  (void)schema;
  *(int *)context = pages;
  return SQLITE_OK;
}

void domicile_sqlite_watch_wal(sqlite3 *connection, int *pages) {
  sqlite3_wal_hook(connection, note_wal_pages, pages);
}

long domicile_file_system_type(const char *path) {
#ifdef __linux__
  struct statfs status;
  return statfs(path, &status) == 0 ? (long)status.f_type : 0;
#else
  (void)path;
  return 0;
#endif
}

static int set_lock(int descriptor, int command, short type) {
  struct flock lock;
  memset(&lock, 0, sizeof lock);
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  int code;
  do {
    code = fcntl(descriptor, command, &lock);
  } while (code != 0 && errno == EINTR);
  return code == 0 ? 0 : errno;
}

int domicile_lock_file(int descriptor) { return set_lock(descriptor, F_OFD_SETLK, F_WRLCK); }

int domicile_wait_for_file(int descriptor) { return set_lock(descriptor, F_OFD_SETLKW, F_WRLCK); }

int domicile_is_file_locked(int descriptor) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(descriptor, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void domicile_unlock_file(int descriptor) { (void)set_lock(descriptor, F_OFD_SETLK, F_UNLCK); }

int domicile_sqlite_keep_wal_at_close(sqlite3 *connection) {
  int is_on = 0;
  int code = sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &is_on);
  return code != SQLITE_OK ? code : is_on ? SQLITE_OK : SQLITE_ERROR;
}
