/*
 * Memory that an allocator gives back is given back to the system although it is locked.
 *
 * All memory of the server is locked, so that no secret is swapped (mlockall(2)). The kernel refuses MADV_DONTNEED for locked
 * memory, so that what a burst of calls took would stay with the process for good. Since Linux 5.18 MADV_DONTNEED_LOCKED does
 * the same to locked memory: the pages are discarded, and the range stays locked for whatever is put there next (madvise(2)).
 * An older kernel refuses that too, and all is as it was.
 *
 * It stands in the place of the function of the C library for everything that is linked into the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

int madvise(void *address, size_t length, int advice)
{
    if (advice == MADV_DONTNEED) {
        int done = (int)syscall(SYS_madvise, address, length, MADV_DONTNEED_LOCKED);
        if (done == 0 || errno != EINVAL) {
            return done;
        }
    }
    return (int)syscall(SYS_madvise, address, length, advice);
}
