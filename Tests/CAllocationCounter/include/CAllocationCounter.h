#ifndef CALLOCATIONCOUNTER_H
#define CALLOCATIONCOUNTER_H

/// How often this thread has asked for memory; -1 under a sanitizer, which has its own allocator.
long allocation_count(void);

#endif
