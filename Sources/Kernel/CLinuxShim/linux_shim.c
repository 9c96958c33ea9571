#define _GNU_SOURCE
#include "linux_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int linux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int linux_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int linux_pidfd_wait(int pidfd, int no_hang, int *code, int *status) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | (no_hang ? WNOHANG : 0)) != 0) {
        return -1;
    }
    *code = info.si_pid == 0 ? 0 : info.si_code;
    *status = info.si_status;
    return 0;
}

int linux_finit_module(int fd, const char *parameters, int flags) {
    return (int)syscall(SYS_finit_module, fd, parameters, flags);
}

int linux_open(const char *path, int flags, unsigned mode) { return open(path, flags | O_CLOEXEC, mode); }

static int set_flag(int fd, int get, int set, int flag, int enabled) {
    int flags = fcntl(fd, get);
    if (flags == -1) {
        return -1;
    }
    return fcntl(fd, set, enabled ? flags | flag : flags & ~flag);
}

int linux_set_nonblocking(int fd, int enabled) { return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, enabled); }
int linux_set_cloexec(int fd, int enabled) { return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, enabled); }
int linux_duplicate_above(int fd, int minimum) { return fcntl(fd, F_DUPFD_CLOEXEC, minimum); }
int linux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int linux_setns(int fd, int type) { return setns(fd, type); }
int linux_unshare(int flags) { return unshare(flags); }
int linux_reboot(int command) { return reboot(command); }

static int signal_ends[2] = {-1, -1};
static pthread_mutex_t signal_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(int number) {
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t written = write(signal_ends[1], &byte, 1);
    (void)written; // A full pipe already tells the reader what it needs: that signals arrived.
    errno = saved;
}

int linux_signal_pipe(const int *signals, size_t count) {
    pthread_mutex_lock(&signal_lock);
    if (signal_ends[0] == -1 && pipe2(signal_ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        pthread_mutex_unlock(&signal_lock);
        return -1;
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    for (size_t i = 0; i < count; i++) {
        if (sigaction(signals[i], &action, NULL) != 0) {
            pthread_mutex_unlock(&signal_lock);
            return -1;
        }
    }
    pthread_mutex_unlock(&signal_lock);
    return signal_ends[0];
}

int linux_run_on(unsigned processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return sched_setaffinity(0, sizeof(set), &set);
}

int linux_end_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }

int linux_spawn_close_from(posix_spawn_file_actions_t *actions, int minimum) {
    return posix_spawn_file_actions_addclosefrom_np(actions, minimum);
}

int linux_refuse_fallocate(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    // Without privileges a filter may be set by who renounces them. A call by another ABI's number is none of ours.
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return -1;
    }
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

int linux_name_thread(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

uint64_t linux_time_stamp(void) {
#ifdef __x86_64__
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

int linux_wifexited(int status) { return WIFEXITED(status); }
int linux_wexitstatus(int status) { return WEXITSTATUS(status); }
int linux_wtermsig(int status) { return WTERMSIG(status); }
