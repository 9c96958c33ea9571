// What a container's processes need: a first process of their own, and terminals.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "node_shim.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

int node_fork_and_follow(void) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t child = fork();
    if (child < 0) {
        int failure = errno;
        sigprocmask(SIG_SETMASK, &before, NULL);
        errno = failure;
        return -1;
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        return 0;
    }
    // The pipes of the child's output end with the child.
    syscall(SYS_close_range, 0u, ~0u, 0u);
    for (;;) {
        int number = sigwaitinfo(&all, NULL);
        if (number == SIGCHLD) {
            int status;
            if (waitpid(child, &status, WNOHANG) == child)
                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        } else if (number > 0) {
            kill(child, number);
        }
    }
}

int node_take_terminal(void) {
    if (setsid() < 0) return -1;
    return ioctl(0, TIOCSCTTY, 0);
}

int node_open_terminal(int *slave) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0) return -1;
    if (grantpt(master) == 0 && unlockpt(master) == 0) {
        // The slave by the master itself, whichever file system of terminals is mounted where.
        *slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (*slave >= 0) return master;
    }
    int failure = errno;
    close(master);
    errno = failure;
    return -1;
}

int node_resize_terminal(int terminal, uint16_t columns, uint16_t rows) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(terminal, TIOCSWINSZ, &size);
}

int node_limit_capabilities(uint64_t kept) {
    for (int number = 0; number < 64; number++) {
        if (kept >> number & 1) continue;
        // The kernel does not know the ones after its last, and says EINVAL.
        if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) return errno == EINVAL && number > 0 ? 0 : -1;
    }
    return 0;
}

int node_forbid_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
