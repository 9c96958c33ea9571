#pragma once
// C that Swift cannot express: variadic system calls, and the entry of a lab, which needs a single thread.
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lab_entry.h"

/// pidfd_open(2).
int linux_pidfd_open(pid_t pid);
/// pidfd_send_signal(2) without siginfo.
int linux_pidfd_send_signal(int pidfd, int signal);
/// waitid(2) for the pidfd of a child, with WEXITED. `code` gets CLD_EXITED, CLD_KILLED or CLD_DUMPED, and `status` the
/// exit code or signal. Returns 0 and leaves `code` at 0 if `no_hang` is set and the child still runs.
int linux_pidfd_wait(int pidfd, int no_hang, int *code, int *status);

/// finit_module(2).
int linux_finit_module(int fd, const char *parameters, int flags);

/// open(2) with a mode, always O_CLOEXEC.
int linux_open(const char *path, int flags, unsigned mode);
/// fcntl(2): sets or clears O_NONBLOCK.
int linux_set_nonblocking(int fd, int enabled);
/// fcntl(2): sets or clears FD_CLOEXEC.
int linux_set_cloexec(int fd, int enabled);
/// fcntl(2): F_DUPFD_CLOEXEC, to a number of at least `minimum`.
int linux_duplicate_above(int fd, int minimum);
/// pipe2(2) with O_CLOEXEC.
int linux_pipe(int ends[2]);

/// setns(2), unshare(2), reboot(2).
int linux_setns(int fd, int type);
int linux_unshare(int flags);
int linux_reboot(int command);

/// Catches the signals and writes each one's number as one byte to a pipe. Returns the non-blocking read end. A process
/// has one set of handlers: a second call adds signals to the same pipe and returns the same end.
int linux_signal_pipe(const int *signals, size_t count);

/// sched_setaffinity(2): the calling thread runs on this processor only.
int linux_run_on(unsigned processor);

/// prctl(2): this process gets SIGKILL when the thread that started it ends.
int linux_end_with_parent(void);
/// posix_spawn(3): the new program gets no descriptor from `minimum` on. Swift sees no extensions of POSIX here.
int linux_spawn_close_from(posix_spawn_file_actions_t *actions, int minimum);
/// seccomp(2): fallocate(2) answers EOPNOTSUPP to the calling thread and to the programs that it starts from now on.
int linux_refuse_fallocate(void);
/// Names the calling thread; at most 15 bytes are kept.
int linux_name_thread(const char *name);

/// The processor's time-stamp counter; 0 on a processor other than x86-64.
uint64_t linux_time_stamp(void);

/// Wait-status macros, which Swift cannot import.
int linux_wifexited(int status);
int linux_wexitstatus(int status);
int linux_wtermsig(int status);
