#define _GNU_SOURCE
#include "node_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int node_spawn(
    const char *path, char *const arguments[], char *const environment[], int input, int output, int error,
    pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int descriptors[3] = {input, output, error};
    sigset_t none, all;
    int result = posix_spawn_file_actions_init(&actions);
    if (result != 0) return result;
    result = posix_spawnattr_init(&attributes);
    if (result != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return result;
    }
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    for (int i = 0; i < 3 && result == 0; i++) {
        if (descriptors[i] < 0)
            result = posix_spawn_file_actions_addopen(&actions, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY, 0);
        else
            result = posix_spawn_file_actions_adddup2(&actions, descriptors[i], i);
    }
    if (result == 0) result = posix_spawn(pid, path, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

int node_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int node_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t tag) {
    struct epoll_event event = {.events = events, .data.u64 = tag};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int node_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t tag) {
    struct epoll_event event = {.events = events, .data.u64 = tag};
    return epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event);
}

int node_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds) {
    return epoll_wait(epoll, events, capacity, milliseconds);
}

uint64_t node_epoll_tag(const struct epoll_event *event) { return event->data.u64; }

int node_loopback_up(void) {
    struct ifreq request;
    int result, saved;
    int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) return -1;
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
    result = ioctl(socket_fd, SIOCSIFFLAGS, &request);
    saved = errno;
    close(socket_fd);
    errno = saved;
    return result;
}

int node_set_descriptor_limit(uint64_t limit) {
    struct rlimit both = {.rlim_cur = limit, .rlim_max = limit};
    return setrlimit(RLIMIT_NOFILE, &both);
}

uint64_t node_descriptor_limit(void) {
    struct rlimit both = {0};
    return getrlimit(RLIMIT_NOFILE, &both) == 0 ? both.rlim_cur : 256;
}

int node_set_clock(int64_t nanoseconds) {
    struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    return clock_settime(CLOCK_REALTIME, &time);
}

int node_power_off(void) { return reboot(RB_POWER_OFF); }

int node_memory_file(const void *bytes, size_t count) {
    int file = memfd_create("input", MFD_CLOEXEC);
    if (file < 0) return -1;
    for (size_t offset = 0; offset < count;) {
        ssize_t written = pwrite(file, (const char *)bytes + offset, count - offset, (off_t)offset);
        if (written <= 0) {
            int saved = errno;
            close(file);
            errno = saved;
            return -1;
        }
        offset += (size_t)written;
    }
    return file;
}
