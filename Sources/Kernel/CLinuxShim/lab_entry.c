#define _GNU_SOURCE
#include "lab_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { exit_environment = 3 };

/// Shared by the waiting process and PID 1: how PID 2 ended, in the form of wait(2).
struct outcome {
    volatile int known;
    volatile int status;
};

static void fail(const struct lab_entry_options *options, int stage) {
    struct lab_entry_report report = {.stage = stage, .error = errno};
    ssize_t written = write(options->report, &report, sizeof report);
    (void)written; // The exit status says the same, less precisely.
    _exit(exit_environment);
}

static int write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1) {
        return -1;
    }
    ssize_t length = (ssize_t)strlen(text);
    ssize_t written = write(fd, text, (size_t)length);
    int saved = errno;
    close(fd);
    errno = saved;
    return written == length ? 0 : -1;
}

static int map_ids(unsigned inner, unsigned uid, unsigned gid) {
    char line[64];
    if (write_file("/proc/self/setgroups", "deny") != 0) {
        return -1;
    }
    snprintf(line, sizeof line, "%u %u 1", inner, uid);
    if (write_file("/proc/self/uid_map", line) != 0) {
        return -1;
    }
    snprintf(line, sizeof line, "%u %u 1", inner, gid);
    return write_file("/proc/self/gid_map", line);
}

/// Makes the capabilities ambient: with a non-zero user id, exec drops all others (capabilities(7)).
static int keep_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) != 0) {
        return -1;
    }
    data[0].inheritable = data[0].permitted;
    data[1].inheritable = data[1].permitted;
    if (syscall(SYS_capset, &header, data) != 0) {
        return -1;
    }
    for (int capability = 0; capability < 64; capability++) {
        unsigned word = data[capability / 32].permitted;
        if (word & (1u << (capability % 32))) {
            if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int loopback_up(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1) {
        return -1;
    }
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "lo");
    int result = ioctl(fd, SIOCGIFFLAGS, &request);
    if (result == 0) {
        request.ifr_flags |= IFF_UP;
        result = ioctl(fd, SIOCSIFFLAGS, &request);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

/// Ends this process the way PID 2 ended, so that the outer wait(2) distinguishes an exit code from a signal.
static void end_like(int status) {
    if (WIFSIGNALED(status)) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        int number = WTERMSIG(status);
        signal(number, SIG_DFL);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, number);
        kill(getpid(), number);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        _exit(128 + number);
    }
    _exit(WEXITSTATUS(status));
}

/// Runs the process that the outer labrun started: it waits for PID 1 and passes signals on.
static void wait_for_init(pid_t init, const sigset_t *signals, const struct outcome *outcome) {
    // Only PID 2 may hold the other ends of its pipes.
    syscall(SYS_close_range, 3, ~0U, 0);
    for (;;) {
        int number = sigwaitinfo(signals, NULL);
        if (number == SIGTERM || number == SIGINT || number == SIGHUP) {
            kill(init, number == SIGHUP ? SIGTERM : number);
            continue;
        }
        int status;
        pid_t ended = waitpid(init, &status, WNOHANG);
        if (ended == init) {
            end_like(outcome->known ? outcome->status : status);
        }
        if (ended == -1 && errno == ECHILD) {
            _exit(exit_environment);
        }
    }
}

/// Runs PID 1: it reaps orphans, passes signals to the lab host, and ends with it. When PID 1 ends, the kernel kills
/// every process of the namespace; mounts and interfaces go with the last one.
static void run_init(pid_t host, int lifeline, int parent, const sigset_t *signals, struct outcome *outcome) {
    prctl(PR_SET_NAME, "labrun-init", 0, 0, 0);
    int signal_fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd == -1) {
        _exit(exit_environment);
    }
    struct pollfd watched[] = {
        {.fd = signal_fd, .events = POLLIN},
        {.fd = lifeline, .events = 0},
        {.fd = parent, .events = POLLIN},
    };
    for (;;) {
        if (poll(watched, 3, -1) == -1 && errno != EINTR) {
            _exit(exit_environment);
        }
        if (watched[1].revents || watched[2].revents) {
            _exit(exit_environment);
        }
        struct signalfd_siginfo info;
        while (read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
            if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
                kill(host, (int)info.ssi_signo);
            }
        }
        int status;
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended == host) {
                outcome->status = status;
                outcome->known = 1;
                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
            }
        }
    }
}

int lab_entry_enter(const struct lab_entry_options *options) {
    prctl(PR_SET_NAME, "labrun-lab", 0, 0, 0);
    // This starts a new session, so that the terminal's signals reach only the outer labrun, which decides.
    // PR_SET_PDEATHSIG is no guard here: it fires when the parent's *thread* ends, and that may be a pooled one. The
    // lifeline is the guard.
    setsid();
    // Descriptors that our callers left open without O_CLOEXEC must neither keep this lab's files alive nor reach QEMU.
    syscall(SYS_close_range, options->first_unused, ~0U, 0);
    unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWUSER) != 0) {
        fail(options, LAB_ENTRY_UNSHARE_USER);
    }
    if (map_ids(options->inner_id, uid, gid) != 0) {
        fail(options, LAB_ENTRY_ID_MAP);
    }
    if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC) != 0) {
        fail(options, LAB_ENTRY_UNSHARE_OTHERS);
    }
    if (keep_capabilities() != 0) {
        fail(options, LAB_ENTRY_CAPABILITIES);
    }

    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    // The inherited mask is of no use: a process started from a pooled thread has all signals blocked.
    sigemptyset(&before);
    sigprocmask(SIG_SETMASK, &signals, NULL);

    struct outcome *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (outcome == MAP_FAILED || self == -1) {
        fail(options, LAB_ENTRY_FORK);
    }
    fcntl(self, F_SETFD, FD_CLOEXEC);
    pid_t init = fork();
    if (init == -1) {
        fail(options, LAB_ENTRY_FORK);
    }
    if (init > 0) {
        wait_for_init(init, &signals, outcome);
    }

    // This is PID 1. Its creator has one thread, so the death signal is reliable here. `self` closes the race before
    // this line.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        fail(options, LAB_ENTRY_MOUNT_PRIVATE);
    }
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) {
        fail(options, LAB_ENTRY_MOUNT_PROC);
    }
    // The old /sys shows the network devices of the namespace in which it was mounted.
    if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) {
        fail(options, LAB_ENTRY_MOUNT_SYS);
    }
    if (mount("labrun", options->mount_point, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") != 0) {
        fail(options, LAB_ENTRY_MOUNT_LAB);
    }
    if (loopback_up() != 0) {
        fail(options, LAB_ENTRY_LOOPBACK);
    }
    pid_t host = fork();
    if (host == -1) {
        fail(options, LAB_ENTRY_FORK);
    }
    if (host > 0) {
        int lifeline = options->lifeline;
        int keep[2] = {lifeline < self ? lifeline : self, lifeline < self ? self : lifeline};
        syscall(SYS_close_range, 3, keep[0] - 1, 0);
        if (keep[1] > keep[0] + 1) {
            syscall(SYS_close_range, keep[0] + 1, keep[1] - 1, 0);
        }
        syscall(SYS_close_range, keep[1] + 1, ~0U, 0);
        run_init(host, lifeline, self, &signals, outcome);
    }

    // This is PID 2, the lab host.
    prctl(PR_SET_NAME, "labrun-host", 0, 0, 0);
    close(self);
    close(options->lifeline);
    munmap(outcome, sizeof *outcome);
    sigprocmask(SIG_SETMASK, &before, NULL);
    struct lab_entry_report done = {0, 0};
    if (write(options->report, &done, sizeof done) != (ssize_t)sizeof done) {
        _exit(exit_environment);
    }
    close(options->report);
    return 0;
}
