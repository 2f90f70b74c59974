/* Preloaded into the agent by a test: while the file named by FAIL_FSYNC_WHILE exists, every fsync
 * and fdatasync fails as on a card that is dying. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int fails(void)
{
    const char *file = getenv("FAIL_FSYNC_WHILE");
    return file && access(file, F_OK) == 0;
}

int fsync(int fd)
{
    if (fails()) {
        errno = EIO;
        return -1;
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd)
{
    if (fails()) {
        errno = EIO;
        return -1;
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
