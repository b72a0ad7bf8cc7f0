#include "domicile_vfs.h"
#include "domicile_page.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
  sqlite3_vfs own;  // first, so that SQLite's pointer is ours
  sqlite3_vfs *base;
  domicile_vfs_hook hook;
  void *context;
} Vfs;

typedef struct {
  sqlite3_file own;  // first, as above
  const Vfs *vfs;
  const char *path;  // SQLite keeps it until the file is closed
  domicile_vfs_kind kind;
  int reserved;         // bytes at the end of a page, of a main file
  int buffer_size;
  unsigned char *buffer;  // the clean copy of a page
  char *temporary;        // the path of a file for which SQLite has none
  domicile_checkpoints seen;
  // The base's file follows.
} File;

// The base's file begins where any type may.
enum { FILE_BYTES = (sizeof(File) + 15) / 16 * 16 };

static sqlite3_file *base_file(sqlite3_file *file) {
  return (sqlite3_file *)((char *)file + FILE_BYTES);
}

#define BASE_FILE(method, file, ...) \
  base_file(file)->pMethods->method(base_file(file), ##__VA_ARGS__)

static int ask(const Vfs *vfs, domicile_vfs_call *call) {
  return vfs->hook == NULL ? SQLITE_OK : vfs->hook(vfs->context, call);
}

static int ask_file(
    sqlite3_file *file, domicile_vfs_operation operation, sqlite3_int64 offset,
    sqlite3_int64 amount, int flags) {
  const File *own = (const File *)file;
  if (own->vfs->hook == NULL) return SQLITE_OK;
  domicile_vfs_call call = {operation, own->kind, own->path, offset, amount, flags, NULL, 0};
  return ask(own->vfs, &call);
}

// MARK: Files

static int file_close(sqlite3_file *file) {
  File *own = (File *)file;
  int code = BASE_FILE(xClose, file);
  sqlite3_free(own->buffer);
  own->buffer = NULL;
  sqlite3_free(own->temporary);
  own->temporary = NULL;
  own->own.pMethods = NULL;
  return code;
}

// Takes the number of reserved bytes from the header, whenever it passes.
static void note_header(File *own, const unsigned char *bytes, int amount, sqlite3_int64 offset) {
  if (own->kind == DOMICILE_VFS_MAIN && offset == 0 && amount >= 100
      && memcmp(bytes, "SQLite format 3", 16) == 0) {
    own->reserved = bytes[20];
  }
}

static int file_read(sqlite3_file *file, void *bytes, int amount, sqlite3_int64 offset) {
  int code = ask_file(file, DOMICILE_VFS_READ, offset, amount, 0);
  if (code != SQLITE_OK) {
    if (code == SQLITE_IOERR_SHORT_READ) memset(bytes, 0, (size_t)amount);
    return code;
  }
  code = BASE_FILE(xRead, file, bytes, amount, offset);
  if (code == SQLITE_OK) note_header((File *)file, bytes, amount, offset);
  return code;
}

// Points `bytes` to a copy without remnants if they are a whole page of a main database.
static int clean(File *own, const void **bytes, int amount, sqlite3_int64 offset) {
  if (own->kind != DOMICILE_VFS_MAIN || amount < 512 || amount > DOMICILE_PAGE_MAX
      || (amount & (amount - 1)) != 0 || offset % amount != 0) {
    return SQLITE_OK;
  }
  if (own->buffer_size < amount) {
    unsigned char *larger = sqlite3_realloc(own->buffer, amount);
    if (larger == NULL) return SQLITE_IOERR_NOMEM;
    own->buffer = larger;
    own->buffer_size = amount;
  }
  note_header(own, *bytes, amount, offset);
  memcpy(own->buffer, *bytes, (size_t)amount);
  (void)domicile_page_clean(own->buffer, amount, amount - own->reserved, offset == 0);
  *bytes = own->buffer;
  return SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *bytes, int amount, sqlite3_int64 offset) {
  File *own = (File *)file;
  int code = clean(own, &bytes, amount, offset);
  if (code != SQLITE_OK) return code;
  domicile_vfs_call call = {DOMICILE_VFS_WRITE, own->kind, own->path, offset, amount, 0, bytes, 0};
  code = ask(own->vfs, &call);
  if (code == SQLITE_OK) return BASE_FILE(xWrite, file, bytes, amount, offset);
  if (call.torn > 0) {
    int torn = call.torn < amount ? (int)call.torn : amount;
    (void)BASE_FILE(xWrite, file, bytes, torn, offset);
  }
  return code;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
  int code = ask_file(file, DOMICILE_VFS_TRUNCATE, size, 0, 0);
  return code != SQLITE_OK ? code : BASE_FILE(xTruncate, file, size);
}

static int file_sync(sqlite3_file *file, int flags) {
  int code = ask_file(file, DOMICILE_VFS_SYNC, 0, 0, flags);
  return code != SQLITE_OK ? code : BASE_FILE(xSync, file, flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
  int code = ask_file(file, DOMICILE_VFS_FILE_SIZE, 0, 0, 0);
  return code != SQLITE_OK ? code : BASE_FILE(xFileSize, file, size);
}

static int file_lock(sqlite3_file *file, int level) {
  int code = ask_file(file, DOMICILE_VFS_LOCK, 0, 0, level);
  return code != SQLITE_OK ? code : BASE_FILE(xLock, file, level);
}

static int file_unlock(sqlite3_file *file, int level) {
  int code = ask_file(file, DOMICILE_VFS_UNLOCK, 0, 0, level);
  return code != SQLITE_OK ? code : BASE_FILE(xUnlock, file, level);
}

static int file_check_reserved_lock(sqlite3_file *file, int *result) {
  return BASE_FILE(xCheckReservedLock, file, result);
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
  int code = BASE_FILE(xFileControl, file, operation, argument);
  if (operation == SQLITE_FCNTL_VFSNAME && code == SQLITE_OK) {
    // As SQLite's own layers do: "domicile/unix".
    char **name = argument;
    *name = sqlite3_mprintf("%s/%z", ((const File *)file)->vfs->own.zName, *name);
  }
  return code;
}

static int file_sector_size(sqlite3_file *file) { return BASE_FILE(xSectorSize, file); }

static int file_characteristics(sqlite3_file *file) {
  return BASE_FILE(xDeviceCharacteristics, file);
}

static int file_shm_map(
    sqlite3_file *file, int region, int size, int may_grow, void volatile **bytes) {
  int code =
      ask_file(file, DOMICILE_VFS_SHM_MAP, (sqlite3_int64)region * size, size, may_grow);
  if (code != SQLITE_OK) {
    *bytes = NULL;
    return code;
  }
  return BASE_FILE(xShmMap, file, region, size, may_grow, bytes);
}

// MARK: Checkpoints

// Where the WAL-index (https://sqlite.org/walformat.html, section 2) says how many frames the WAL has, its salts, and
// how many frames were copied.
enum { SHM_REGION_BYTES = 32768, SHM_FRAMES = 16, SHM_SALTS = 32, SHM_COPIED = 96, SHM_CHECKPOINT_LOCK = 1 };

domicile_file_state domicile_file_state_at(const char *path) {
  domicile_file_state state;
  memset(&state, 0, sizeof state);
  struct stat status;
  if (lstat(path, &status) != 0) return state;
  state.inode = (sqlite3_int64)status.st_ino;
  state.bytes = status.st_size;
#ifdef __APPLE__
  struct timespec changed = status.st_ctimespec;
#else
  struct timespec changed = status.st_ctim;
#endif
  state.changed = (sqlite3_int64)changed.tv_sec * 1000000000 + changed.tv_nsec;
  return state;
}

static domicile_file_state state_of(sqlite3_file *file) {
  domicile_file_state state = domicile_file_state_at(((const File *)file)->path);
  void volatile *index = NULL;
  int code = BASE_FILE(xShmMap, file, 0, SHM_REGION_BYTES, 0, &index);
  if (code == SQLITE_OK && index != NULL) {
    const unsigned char volatile *bytes = index;
    memcpy(&state.frames, (const void *)(bytes + SHM_FRAMES), sizeof state.frames);
    memcpy(&state.salts, (const void *)(bytes + SHM_SALTS), sizeof state.salts);
    memcpy(&state.copied, (const void *)(bytes + SHM_COPIED), sizeof state.copied);
  }
  return state;
}

static int is_same_file(const domicile_file_state *one, const domicile_file_state *other) {
  return one->inode == other->inode && one->bytes == other->bytes && one->changed == other->changed;
}

// Whoever holds this lock is alone in writing the main file.
static void note_checkpoint(sqlite3_file *file, int begins) {
  domicile_checkpoints *seen = &((File *)file)->seen;
  domicile_file_state state = state_of(file);
  if (!begins) {
    seen->after = state;
  } else if (seen->count++ == 0) {
    seen->before = state;
  } else if (!is_same_file(&state, &seen->after)) {
    seen->is_broken = 1;
  }
}

static int file_shm_lock(sqlite3_file *file, int first, int count, int flags) {
  int code = ask_file(file, DOMICILE_VFS_SHM_LOCK, first, count, flags);
  if (code != SQLITE_OK) return code;
  int is_checkpoint =
      first == SHM_CHECKPOINT_LOCK && count == 1 && (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  if (is_checkpoint && (flags & SQLITE_SHM_UNLOCK) != 0) note_checkpoint(file, 0);
  code = BASE_FILE(xShmLock, file, first, count, flags);
  if (is_checkpoint && (flags & SQLITE_SHM_LOCK) != 0 && code == SQLITE_OK) note_checkpoint(file, 1);
  return code;
}

static void file_shm_barrier(sqlite3_file *file) { BASE_FILE(xShmBarrier, file); }

static int file_shm_unmap(sqlite3_file *file, int delete) {
  return BASE_FILE(xShmUnmap, file, delete);
}

static int file_fetch(sqlite3_file *file, sqlite3_int64 offset, int amount, void **bytes) {
  return BASE_FILE(xFetch, file, offset, amount, bytes);
}

static int file_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *bytes) {
  return BASE_FILE(xUnfetch, file, offset, bytes);
}

#define METHODS(version)                                                                        \
  {                                                                                             \
    version, file_close, file_read, file_write, file_truncate, file_sync, file_size, file_lock, \
        file_unlock, file_check_reserved_lock, file_control, file_sector_size,                  \
        file_characteristics, file_shm_map, file_shm_lock, file_shm_barrier, file_shm_unmap,    \
        file_fetch, file_unfetch                                                                \
  }

// One for each version, because SQLite takes what a file can do from it.
static const sqlite3_io_methods methods[3] = {METHODS(1), METHODS(2), METHODS(3)};

// MARK: The file system

static Vfs *ours(sqlite3_vfs *vfs) { return (Vfs *)vfs; }

static int ends_with(const char *path, const char *end) {
  size_t count = strlen(path), ending = strlen(end);
  return count >= ending && strcmp(path + count - ending, end) == 0;
}

static _Thread_local const char *temporary_folder;

void domicile_vfs_temporary_folder(const char *folder_or_NULL) { temporary_folder = folder_or_NULL; }

// SQLite keeps the path of a temporary file, which the base's VFS unlinks at once, until the file is closed.
static char *temporary_path(sqlite3_vfs *base) {
  unsigned char random[8];
  base->xRandomness(base, sizeof random, (char *)random);
  char name[2 * sizeof random + 1];
  for (size_t index = 0; index < sizeof random; index++) {
    sqlite3_snprintf(3, name + 2 * index, "%02x", random[index]);
  }
  return sqlite3_mprintf("%s/temporary-%s", temporary_folder, name);
}

static int vfs_open(
    sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *file, int flags, int *out_flags) {
  File *own = (File *)file;
  memset(own, 0, FILE_BYTES + sizeof(sqlite3_file));
  own->vfs = ours(vfs);
  own->path = path;
  own->kind = flags & SQLITE_OPEN_MAIN_DB        ? DOMICILE_VFS_MAIN
              : flags & SQLITE_OPEN_WAL          ? DOMICILE_VFS_WAL
              : flags & SQLITE_OPEN_MAIN_JOURNAL ? DOMICILE_VFS_JOURNAL
                                                 : DOMICILE_VFS_OTHER;
  int code = ask_file(file, DOMICILE_VFS_OPEN, 0, 0, flags);
  if (code != SQLITE_OK) return code;
  sqlite3_vfs *base = ours(vfs)->base;
  if (path == NULL) {
    // The system's folder for temporary files may lie where the data must not.
    if (temporary_folder == NULL) return SQLITE_CANTOPEN;
    own->temporary = temporary_path(base);
    if (own->temporary == NULL) return SQLITE_IOERR_NOMEM;
    path = own->temporary;
  }
  code = base->xOpen(base, path, base_file(file), flags, out_flags);
  // SQLite closes the file if it has methods, even after an error.
  const sqlite3_io_methods *found = base_file(file)->pMethods;
  if (found != NULL) {
    own->own.pMethods = &methods[(found->iVersion > 3 ? 3 : found->iVersion) - 1];
  } else {
    sqlite3_free(own->temporary);
    own->temporary = NULL;
  }
  return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
  domicile_vfs_kind kind = ends_with(path, "-wal")       ? DOMICILE_VFS_WAL
                           : ends_with(path, "-journal") ? DOMICILE_VFS_JOURNAL
                                                         : DOMICILE_VFS_OTHER;
  domicile_vfs_call call = {DOMICILE_VFS_DELETE, kind, path, 0, 0, sync_folder, NULL, 0};
  int code = ask(ours(vfs), &call);
  sqlite3_vfs *base = ours(vfs)->base;
  return code != SQLITE_OK ? code : base->xDelete(base, path, sync_folder);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xAccess(base, path, flags, result);
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *path, int count, char *result) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xFullPathname(base, path, count, result);
}

static void *vfs_dl_open(sqlite3_vfs *vfs, const char *path) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xDlOpen(base, path);
}

static void vfs_dl_error(sqlite3_vfs *vfs, int count, char *message) {
  sqlite3_vfs *base = ours(vfs)->base;
  base->xDlError(base, count, message);
}

static void (*vfs_dl_sym(sqlite3_vfs *vfs, void *library, const char *symbol))(void) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xDlSym(base, library, symbol);
}

static void vfs_dl_close(sqlite3_vfs *vfs, void *library) {
  sqlite3_vfs *base = ours(vfs)->base;
  base->xDlClose(base, library);
}

static int vfs_randomness(sqlite3_vfs *vfs, int count, char *bytes) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xRandomness(base, count, bytes);
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xSleep(base, microseconds);
}

static int vfs_current_time(sqlite3_vfs *vfs, double *days) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xCurrentTime(base, days);
}

static int vfs_get_last_error(sqlite3_vfs *vfs, int count, char *message) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xGetLastError(base, count, message);
}

static int vfs_current_time_int64(sqlite3_vfs *vfs, sqlite3_int64 *milliseconds) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xCurrentTimeInt64(base, milliseconds);
}

static int vfs_set_system_call(sqlite3_vfs *vfs, const char *name, sqlite3_syscall_ptr call) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xSetSystemCall(base, name, call);
}

static sqlite3_syscall_ptr vfs_get_system_call(sqlite3_vfs *vfs, const char *name) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xGetSystemCall(base, name);
}

static const char *vfs_next_system_call(sqlite3_vfs *vfs, const char *name) {
  sqlite3_vfs *base = ours(vfs)->base;
  return base->xNextSystemCall(base, name);
}

static sqlite3_vfs layer_over(sqlite3_vfs *base) {
  sqlite3_vfs own = {
      .iVersion = base->iVersion > 3 ? 3 : base->iVersion,
      .szOsFile = FILE_BYTES + base->szOsFile,
      .mxPathname = base->mxPathname,
      .xOpen = vfs_open,
      .xDelete = vfs_delete,
      .xAccess = vfs_access,
      .xFullPathname = vfs_full_pathname,
      // SQLite asks whether these are there.
      .xDlOpen = base->xDlOpen == NULL ? NULL : vfs_dl_open,
      .xDlError = base->xDlError == NULL ? NULL : vfs_dl_error,
      .xDlSym = base->xDlSym == NULL ? NULL : vfs_dl_sym,
      .xDlClose = base->xDlClose == NULL ? NULL : vfs_dl_close,
      .xRandomness = vfs_randomness,
      .xSleep = vfs_sleep,
      .xCurrentTime = vfs_current_time,
      .xGetLastError = base->xGetLastError == NULL ? NULL : vfs_get_last_error,
  };
  if (own.iVersion >= 2 && base->xCurrentTimeInt64 != NULL) {
    own.xCurrentTimeInt64 = vfs_current_time_int64;
  }
  if (own.iVersion >= 3) {
    own.xSetSystemCall = base->xSetSystemCall == NULL ? NULL : vfs_set_system_call;
    own.xGetSystemCall = base->xGetSystemCall == NULL ? NULL : vfs_get_system_call;
    own.xNextSystemCall = base->xNextSystemCall == NULL ? NULL : vfs_next_system_call;
  }
  return own;
}

static pthread_mutex_t registering = PTHREAD_MUTEX_INITIALIZER;

static int register_vfs(const char *name, const char *base_name, domicile_vfs_hook hook, void *context) {
  sqlite3_vfs *base = sqlite3_vfs_find(base_name);
  if (base == NULL) return SQLITE_NOTFOUND;
  sqlite3_vfs *found = sqlite3_vfs_find(name);
  if (found != NULL) {
    const Vfs *own = ours(found);
    return found->xOpen == vfs_open && own->base == base && own->hook == hook
                   && own->context == context
               ? SQLITE_OK
               : SQLITE_MISUSE;
  }
  size_t name_bytes = strlen(name) + 1;
  Vfs *vfs = malloc(sizeof *vfs + name_bytes);
  if (vfs == NULL) return SQLITE_NOMEM;
  vfs->own = layer_over(base);
  vfs->own.zName = memcpy((char *)(vfs + 1), name, name_bytes);
  vfs->base = base;
  vfs->hook = hook;
  vfs->context = context;
  int code = sqlite3_vfs_register(&vfs->own, 0);
  if (code != SQLITE_OK) free(vfs);
  return code;
}

int domicile_vfs_register(
    const char *name, const char *base_or_NULL, domicile_vfs_hook hook_or_NULL, void *context) {
  pthread_mutex_lock(&registering);
  int code = register_vfs(name, base_or_NULL, hook_or_NULL, context);
  pthread_mutex_unlock(&registering);
  return code;
}

int domicile_vfs_unregister(const char *name) {
  int code = SQLITE_NOTFOUND;
  pthread_mutex_lock(&registering);
  sqlite3_vfs *found = sqlite3_vfs_find(name);
  if (found != NULL && found->xOpen == vfs_open) {
    code = sqlite3_vfs_unregister(found);
    if (code == SQLITE_OK) free(found);
  }
  pthread_mutex_unlock(&registering);
  return code;
}

// MARK: What a connection's files say

int domicile_vfs_is_used(sqlite3 *connection, const char *name) {
  char *found = NULL;
  int code = sqlite3_file_control(connection, "main", SQLITE_FCNTL_VFSNAME, &found);
  size_t count = strlen(name);
  int is_used = code == SQLITE_OK && found != NULL && strncmp(found, name, count) == 0
                && (found[count] == 0 || found[count] == '/');
  sqlite3_free(found);
  return is_used;
}

int domicile_reserved_bytes(sqlite3 *connection, int *bytes) {
  *bytes = -1;  // a question, not a wish
  return sqlite3_file_control(connection, "main", SQLITE_FCNTL_RESERVE_BYTES, bytes);
}

static int open_file(sqlite3 *connection, int operation, sqlite3_file **file) {
  *file = NULL;
  int code = sqlite3_file_control(connection, "main", operation, file);
  if (code == SQLITE_OK && *file != NULL && (*file)->pMethods == NULL) *file = NULL;
  return code;
}

int domicile_file_state_now(sqlite3 *connection, domicile_file_state *state) {
  sqlite3_file *file;
  int code = open_file(connection, SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK) return code;
  if (file == NULL) return SQLITE_MISUSE;
  *state = state_of(file);
  return state->inode == 0 ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

int domicile_checkpoints_seen(sqlite3 *connection, domicile_checkpoints *seen) {
  sqlite3_file *file;
  int code = open_file(connection, SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK) return code;
  if (file == NULL) return SQLITE_MISUSE;
  *seen = ((File *)file)->seen;
  memset(&((File *)file)->seen, 0, sizeof *seen);
  return SQLITE_OK;
}

int domicile_main_size(sqlite3 *connection, sqlite3_int64 *bytes) {
  sqlite3_file *file;
  int code = open_file(connection, SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK) return code;
  return file == NULL ? SQLITE_MISUSE : file->pMethods->xFileSize(file, bytes);
}

int domicile_wal_size(sqlite3 *connection, sqlite3_int64 *bytes) {
  sqlite3_file *file;
  *bytes = 0;
  int code = open_file(connection, SQLITE_FCNTL_JOURNAL_POINTER, &file);
  if (code != SQLITE_OK) return code;
  return file == NULL ? SQLITE_OK : file->pMethods->xFileSize(file, bytes);
}

int domicile_main_read(sqlite3 *connection, void *bytes, int amount, sqlite3_int64 offset) {
  sqlite3_file *file;
  int code = open_file(connection, SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK) return code;
  if (file == NULL) return SQLITE_MISUSE;
  code = file->pMethods->xRead(file, bytes, amount, offset);
  return code == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : code;
}
