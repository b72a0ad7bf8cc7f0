// Tells the thread sanitizer of what it cannot see: how Swift's Mutex orders its users when they meet.
//
// Locking and unlocking a Mutex that is free is compiled into our code, and seen. Otherwise the compare-and-swap, or the
// futex, is in libswiftSynchronization, which is not instrumented, so that the sanitizer takes what one user wrote and the
// next one reads for a race. Those reports lie in our own functions, where no suppression could be told from a real race.
#define _GNU_SOURCE
#include "CMutexOrder.h"

#if defined(__linux__) && defined(__has_feature)
#if __has_feature(thread_sanitizer)
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

extern void __tsan_acquire(void *address);
extern void __tsan_release(void *address);

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

typedef SWIFT void (*Lock)(uint32_t thread, SELF);
typedef SWIFT void (*Unlock)(SELF);

static Lock lock_of_swift;
static Unlock unlock_of_swift;

__attribute__((constructor)) static void find(void) {
  lock_of_swift = (Lock)dlsym(RTLD_NEXT, LOCK);
  unlock_of_swift = (Unlock)dlsym(RTLD_NEXT, UNLOCK);
}

// _MutexHandle._lockSlow(_:)
SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
SWIFT void lock_slow(uint32_t thread, SELF) {
  if (lock_of_swift == NULL) abort();
  lock_of_swift(thread, self);
  __tsan_acquire(self);
}

// _MutexHandle._unlockSlow()
SWIFT void unlock_slow(SELF) __asm__(UNLOCK);
SWIFT void unlock_slow(SELF) {
  if (unlock_of_swift == NULL) abort();
  __tsan_release(self);
  unlock_of_swift(self);
}
#endif
#endif
