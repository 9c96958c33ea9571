#pragma once
// What the node runtime needs of the kernel and Swift cannot express: spawning, the prober's sockets, error queues, tc
// filters.
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/types.h>

/// Starts a program in its own process group, with default signals and an empty mask. A descriptor of -1 becomes
/// /dev/null. Returns 0 or an errno.
int node_spawn(
    const char *path, char *const arguments[], char *const environment[], int input, int output, int error,
    pid_t *pid);

/// Forks, after unshare(2) or setns(2) of a process namespace has said where the child is to be. The child returns 0. The
/// parent passes signals on to it, ends as it ended (with 128 and the number after a signal), and never returns. The
/// child is killed when the parent ends otherwise. Returns -1 with errno if there can be no child. The caller has a
/// single thread.
int node_fork_and_follow(void);
/// Drops what is not in a set of capabilities, a bit each (capabilities(7)), from the bounding set: what the next program
/// of the process cannot have, though it is root's. Returns 0, or -1 with errno.
int node_limit_capabilities(uint64_t kept);
/// From now on no program gets more rights than the process has. Returns 0, or -1 with errno.
int node_forbid_new_privileges(void);
/// Makes the calling process the leader of a session whose terminal is descriptor 0.
int node_take_terminal(void);
/// Opens a new terminal. Returns its master, which does not block, with `slave` set; or -1 with errno.
int node_open_terminal(int *slave);
/// Sets a terminal's size.
int node_resize_terminal(int terminal, uint16_t columns, uint16_t rows);

/// epoll_create1, epoll_ctl and epoll_wait with a 64-bit tag for each descriptor.
int node_epoll_create(void);
int node_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t tag);
int node_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t tag);
int node_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds);
uint64_t node_epoll_tag(const struct epoll_event *event);

#define NODE_PROBE_MAGIC 0x4C425250u

/// Every probe carries this, and every receiver sends it back with what it saw. It is the same on TCP, UDP and ICMP.
struct node_probe_packet {
    uint64_t plan;
    uint32_t magic;
    uint32_t source;
    uint32_t target;
    /// The number that the sender gave the cell.
    uint32_t cell;
    /// The packet's source as the receiver saw it, in host byte order; 0 in a request.
    uint32_t seen_address;
    uint16_t seen_port;
    uint16_t sequence;
    uint8_t protocol;
    /// 0 request, 1 answer.
    uint8_t answer;
    uint16_t padding;
    /// The time at which the sender sent it, in microseconds of a clock of its own.
    uint32_t sent_micros;
};
_Static_assert(sizeof(struct node_probe_packet) == 40, "crosses the wire");

/// An IPv4 address and port in host byte order.
struct node_endpoint {
    uint32_t address;
    uint16_t port;
};

// Takes a connection of any listener, as a blocking descriptor that programs do not inherit. -1 and errno on failure.
int node_accept(int listener);

/// All sockets are non-blocking and close-on-exec; functions return -1 and set errno on failure. A TCP client has
/// IP_RECVERR, and closing it sends a reset, which leaves no TIME_WAIT.
int node_tcp_client(void);
/// Returns 0 if it is connected at once, else -1. The usual error is EINPROGRESS.
int node_tcp_connect(int socket, struct node_endpoint to);
/// Sends on a new connection and returns the number of bytes, or -1. What comes back is not acknowledged separately.
ssize_t node_tcp_request(int socket, const void *bytes, size_t count);
int node_tcp_listener(uint16_t port, int backlog);
int node_tcp_accept(int listener, struct node_endpoint *from);
/// Returns the pending error (SO_ERROR), or 0.
int node_socket_error(int socket);
int node_local_port(int socket);

/// Returns a socket bound to `port`, or to any port if it is 0. It reports errors and destination addresses.
int node_udp_socket(uint16_t port);
int node_icmp_socket(int receiver);
ssize_t node_send(int socket, const void *bytes, size_t count, struct node_endpoint to);
/// `local` gets the address that the packet was sent to (UDP only).
ssize_t node_receive(
    int socket, void *bytes, size_t capacity, struct node_endpoint *from, struct node_endpoint *local);
/// Sends from the given local address.
ssize_t node_answer(int socket, const void *bytes, size_t count, struct node_endpoint to, struct node_endpoint local);

/// Writes an echo request with the packet as its data, 48 bytes in all.
void node_icmp_echo(uint16_t identifier, uint16_t sequence, const struct node_probe_packet *packet, uint8_t *bytes);

/// One entry of a socket's error queue.
struct node_queued_error {
    int code;
    /// 2 means ICMP, 1 means the local kernel (SO_EE_ORIGIN_*).
    uint8_t origin;
    uint8_t type;
    uint8_t icmp_code;
    /// Who sent the ICMP message.
    uint32_t offender;
    /// Where the packet was to go.
    struct node_endpoint destination;
    /// First bytes of the packet's payload.
    uint8_t payload[64];
    size_t payload_length;
};
/// Returns 1 with an entry, or 0 if the queue is empty.
int node_next_error(int socket, struct node_queued_error *error);

/// Returns an anonymous file that holds the bytes, at offset 0, or -1.
int node_memory_file(const void *bytes, size_t count);

/// Brings `lo` up in the calling thread's network namespace.
int node_loopback_up(void);
int node_set_descriptor_limit(uint64_t limit);
uint64_t node_descriptor_limit(void);
/// Sets the wall clock, in nanoseconds since 1970.
int node_set_clock(int64_t nanoseconds);
int node_power_off(void);

/// Writes the tc filters of one interface and parent, one on a line as "priority kind name", truncated at `capacity`.
/// Returns the length, or -1.
ssize_t node_tc_filters(int index, uint32_t parent, char *text, size_t capacity);
