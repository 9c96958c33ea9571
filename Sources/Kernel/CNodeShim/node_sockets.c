#define _GNU_SOURCE
#include "node_shim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// From linux/icmp.h, since the C library's header lacks the filter.
#define NODE_ICMP_FILTER 1

static struct sockaddr_in socket_address(struct node_endpoint endpoint) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(endpoint.port)};
    address.sin_addr.s_addr = htonl(endpoint.address);
    return address;
}

static struct node_endpoint endpoint_of(const struct sockaddr_in *address) {
    return (struct node_endpoint){.address = ntohl(address->sin_addr.s_addr), .port = ntohs(address->sin_port)};
}

/// Holds some hundred small packets (the kernel doubles the value). A node of 128 MiB may have a hundred pods with four
/// such buffers each.
enum { receive_buffer = 128 << 10 };

static void set_option(int socket_fd, int level, int option, int value) {
    setsockopt(socket_fd, level, option, &value, sizeof value);
}

static int close_with_errno(int socket_fd) {
    int saved = errno;
    close(socket_fd);
    errno = saved;
    return -1;
}

int node_tcp_client(void) {
    int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (socket_fd < 0) return -1;
    setsockopt(socket_fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    set_option(socket_fd, IPPROTO_IP, IP_RECVERR, 1);
    set_option(socket_fd, IPPROTO_TCP, TCP_NODELAY, 1);
    // The acknowledgement of the SYN,ACK then travels with the request.
    set_option(socket_fd, IPPROTO_TCP, TCP_QUICKACK, 0);
    return socket_fd;
}

int node_tcp_connect(int socket_fd, struct node_endpoint to) {
    struct sockaddr_in address = socket_address(to);
    return connect(socket_fd, (struct sockaddr *)&address, sizeof address);
}

ssize_t node_tcp_request(int socket_fd, const void *bytes, size_t count) {
    // The kernel leaves this mode after the SYN,ACK. The answer is then acknowledged by whatever ends the connection.
    set_option(socket_fd, IPPROTO_TCP, TCP_QUICKACK, 0);
    return send(socket_fd, bytes, count, MSG_NOSIGNAL);
}

int node_tcp_listener(uint16_t port, int backlog) {
    struct sockaddr_in address = socket_address((struct node_endpoint){.address = INADDR_ANY, .port = port});
    int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) return -1;
    set_option(socket_fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(socket_fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (bind(socket_fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(socket_fd, backlog) != 0)
        return close_with_errno(socket_fd);
    // Connections inherit this, so the acknowledgement of the request travels with the answer. listen() resets it.
    set_option(socket_fd, IPPROTO_TCP, TCP_QUICKACK, 0);
    return socket_fd;
}

int node_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC); }

int node_tcp_accept(int listener, struct node_endpoint *from) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    int socket_fd = accept4(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket_fd >= 0) *from = endpoint_of(&address);
    return socket_fd;
}

int node_socket_error(int socket_fd) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(socket_fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

int node_local_port(int socket_fd) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    return getsockname(socket_fd, (struct sockaddr *)&address, &length) == 0 ? ntohs(address.sin_port) : 0;
}

int node_udp_socket(uint16_t port) {
    struct sockaddr_in address = socket_address((struct node_endpoint){.address = INADDR_ANY, .port = port});
    int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) return -1;
    if (port == 0) set_option(socket_fd, IPPROTO_IP, IP_RECVERR, 1);
    set_option(socket_fd, IPPROTO_IP, IP_PKTINFO, 1);
    set_option(socket_fd, SOL_SOCKET, SO_RCVBUF, receive_buffer);
    if (bind(socket_fd, (struct sockaddr *)&address, sizeof address) != 0) return close_with_errno(socket_fd);
    return socket_fd;
}

int node_icmp_socket(int receiver) {
    int socket_fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
    // A set bit filters that ICMP type out.
    uint32_t filter = receiver ? ~(1u << ICMP_ECHO) : ~(1u << ICMP_ECHOREPLY);
    if (socket_fd < 0) return -1;
    setsockopt(socket_fd, SOL_RAW, NODE_ICMP_FILTER, &filter, sizeof filter);
    if (!receiver) set_option(socket_fd, IPPROTO_IP, IP_RECVERR, 1);
    set_option(socket_fd, SOL_SOCKET, SO_RCVBUF, receive_buffer);
    return socket_fd;
}

ssize_t node_send(int socket_fd, const void *bytes, size_t count, struct node_endpoint to) {
    struct sockaddr_in address = socket_address(to);
    return sendto(socket_fd, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&address, sizeof address);
}

ssize_t node_receive(
    int socket_fd, void *bytes, size_t capacity, struct node_endpoint *from, struct node_endpoint *local) {
    struct sockaddr_in address = {0};
    struct iovec vector = {.iov_base = bytes, .iov_len = capacity};
    char control[256];
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &vector, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(socket_fd, &message, 0);
    if (length < 0) return length;
    *from = endpoint_of(&address);
    *local = (struct node_endpoint){0};
    for (struct cmsghdr *entry = CMSG_FIRSTHDR(&message); entry; entry = CMSG_NXTHDR(&message, entry)) {
        if (entry->cmsg_level != IPPROTO_IP || entry->cmsg_type != IP_PKTINFO) continue;
        struct in_pktinfo information;
        memcpy(&information, CMSG_DATA(entry), sizeof information);
        local->address = ntohl(information.ipi_addr.s_addr);
    }
    return length;
}

ssize_t node_answer(
    int socket_fd, const void *bytes, size_t count, struct node_endpoint to, struct node_endpoint local) {
    struct sockaddr_in address = socket_address(to);
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = count};
    char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &vector, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *entry = CMSG_FIRSTHDR(&message);
    struct in_pktinfo information = {0};
    information.ipi_spec_dst.s_addr = htonl(local.address);
    entry->cmsg_level = IPPROTO_IP;
    entry->cmsg_type = IP_PKTINFO;
    entry->cmsg_len = CMSG_LEN(sizeof information);
    memcpy(CMSG_DATA(entry), &information, sizeof information);
    return sendmsg(socket_fd, &message, MSG_NOSIGNAL);
}

static uint16_t internet_checksum(const uint8_t *bytes, size_t count) {
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < count; i += 2) sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

void node_icmp_echo(uint16_t identifier, uint16_t sequence, const struct node_probe_packet *packet, uint8_t *bytes) {
    uint8_t header[8] = {ICMP_ECHO, 0, 0, 0, identifier >> 8, identifier & 255, sequence >> 8, sequence & 255};
    uint16_t sum;
    memcpy(bytes, header, 8);
    memcpy(bytes + 8, packet, sizeof *packet);
    sum = internet_checksum(bytes, 8 + sizeof *packet);
    bytes[2] = sum >> 8;
    bytes[3] = sum & 255;
}

int node_next_error(int socket_fd, struct node_queued_error *error) {
    struct sockaddr_in address = {0};
    struct iovec vector = {.iov_base = error->payload, .iov_len = sizeof error->payload};
    char control[512];
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &vector, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(socket_fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (length < 0) return 0;
    error->code = 0;
    error->origin = 0;
    error->offender = 0;
    error->payload_length = (size_t)length;
    error->destination = endpoint_of(&address);
    for (struct cmsghdr *entry = CMSG_FIRSTHDR(&message); entry; entry = CMSG_NXTHDR(&message, entry)) {
        if (entry->cmsg_level != IPPROTO_IP || entry->cmsg_type != IP_RECVERR) continue;
        struct {
            struct sock_extended_err error;
            struct sockaddr_in offender;
        } extended = {0};
        size_t available = entry->cmsg_len - CMSG_LEN(0);
        memcpy(&extended, CMSG_DATA(entry), available < sizeof extended ? available : sizeof extended);
        error->code = (int)extended.error.ee_errno;
        error->origin = extended.error.ee_origin;
        error->type = extended.error.ee_type;
        error->icmp_code = extended.error.ee_code;
        if (extended.offender.sin_family == AF_INET) error->offender = ntohl(extended.offender.sin_addr.s_addr);
    }
    return 1;
}
