#define _GNU_SOURCE
#include "lab_join.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_of(int pid, const char *what, int number) {
    char path[64];
    if (number < 0) {
        snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, what);
    } else {
        snprintf(path, sizeof path, "/proc/%d/%s/%d", pid, what, number);
    }
    return open(path, O_RDONLY | O_CLOEXEC);
}

static volatile sig_atomic_t passed_on = 0;
static volatile pid_t child = 0;

static void pass_on(int number) {
    passed_on = number;
    if (child > 0) {
        kill(child, number);
    }
}

const char *lab_join(const struct lab_join_options *options) {
    char folder[PATH_MAX];
    int has_folder = getcwd(folder, sizeof folder) != NULL;
    // All are opened before the first is joined: the old user namespace may, the new one need not, read the lab host.
    int user = open_of(options->lab_host, "user", -1);
    int mounts = open_of(options->lab_host, "mnt", -1);
    int processes = open_of(options->lab_host, "pid", -1);
    int network = open_of(options->lab_host, "fd", options->network);
    if (user == -1 || mounts == -1 || processes == -1 || network == -1) {
        return "open";
    }
    if (setns(user, CLONE_NEWUSER) != 0 || setns(network, CLONE_NEWNET) != 0 || setns(processes, CLONE_NEWPID) != 0
        || setns(mounts, CLONE_NEWNS) != 0) {
        return "setns";
    }
    // Joining the mounts led to their root. Files that the user names are where they were.
    if (!has_folder || chdir(folder) != 0) {
        if (chdir("/") != 0) {
            return "chdir";
        }
    }
    // The inherited mask is of no use: a process started from a pooled thread has all signals blocked.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    // An interruption from the terminal reaches the program as well, which decides.
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    pid_t started = fork();
    if (started == -1) {
        return "fork";
    }
    if (started == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        signal(SIGINT, SIG_DFL);
        signal(SIGQUIT, SIG_DFL);
        signal(SIGPIPE, SIG_DFL);
        execv(options->arguments[0], options->arguments);
        fprintf(stderr, "labrun: cannot run %s: %m\n", options->arguments[0]);
        _exit(errno == ENOENT ? 127 : 126);
    }
    child = started;
    struct sigaction action = {.sa_handler = pass_on};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    if (passed_on != 0) {
        kill(started, passed_on);
    }
    int status = 0;
    while (waitpid(started, &status, 0) == -1) {
        if (errno != EINTR) {
            return "waitpid";
        }
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
