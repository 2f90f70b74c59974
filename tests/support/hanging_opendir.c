/* Preloaded into the agent by a test: while the file named by HANG_OPENDIR_WHILE exists, whoever opens
 * a directory waits for ever, as on a network share whose server is gone. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

DIR *opendir(const char *name)
{
    const char *file = getenv("HANG_OPENDIR_WHILE");
    while (file && access(file, F_OK) == 0)
        sleep(1);
    return ((DIR *(*)(const char *))dlsym(RTLD_NEXT, "opendir"))(name);
}
