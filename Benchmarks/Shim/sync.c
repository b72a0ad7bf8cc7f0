// A virtual disk, for LD_PRELOAD: fsync and fdatasync sleep for a set time, or do their work if none is set.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <time.h>

static atomic_long sleep_microseconds = -1;  // negative: really sync
static atomic_long syncs;

void benchmark_set_sync_sleep(long microseconds) { atomic_store(&sleep_microseconds, microseconds); }
long benchmark_sync_count(void) { return atomic_load(&syncs); }

static int sync_file(const char *name, int descriptor) {
  atomic_fetch_add(&syncs, 1);
  long microseconds = atomic_load(&sleep_microseconds);
  if (microseconds < 0) return ((int (*)(int))dlsym(RTLD_NEXT, name))(descriptor);
  struct timespec rest = {microseconds / 1000000, microseconds % 1000000 * 1000};
  while (nanosleep(&rest, &rest) != 0) {}
  return 0;
}

int fsync(int descriptor) { return sync_file("fsync", descriptor); }
int fdatasync(int descriptor) { return sync_file("fdatasync", descriptor); }
