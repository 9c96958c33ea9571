#include <errno.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// Swift's runtime looks for its own path in /proc/self/exe before main, and aborts without /proc. The first process
// must therefore mount it before any other constructor runs.
__attribute__((constructor(101))) static void mount_proc_as_first_process(void) {
    if (getpid() != 1 || access("/proc/self", F_OK) == 0) return;
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
}
