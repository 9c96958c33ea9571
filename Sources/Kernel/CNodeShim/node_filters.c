#define _GNU_SOURCE
#include "node_shim.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct rtattr *find_attribute(const struct rtattr *attribute, int length, int type) {
    for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length))
        if ((attribute->rta_type & NLA_TYPE_MASK) == type) return attribute;
    return NULL;
}

static const char *text_of(const struct rtattr *attribute) {
    if (!attribute || RTA_PAYLOAD(attribute) == 0) return "-";
    const char *text = RTA_DATA(attribute);
    return text[RTA_PAYLOAD(attribute) - 1] == 0 ? text : "-";
}

static size_t append_filter(const struct nlmsghdr *header, char *text, size_t capacity) {
    const struct tcmsg *message = NLMSG_DATA(header);
    const struct rtattr *first = TCA_RTA(message);
    int length = (int)TCA_PAYLOAD(header);
    const struct rtattr *kind = find_attribute(first, length, TCA_KIND);
    const struct rtattr *options = find_attribute(first, length, TCA_OPTIONS);
    const char *name = "-";
    int written;
    // An entry without a handle is the head of a priority, not a filter.
    if (message->tcm_handle == 0) return 0;
    if (options && strcmp(text_of(kind), "bpf") == 0)
        name = text_of(find_attribute(RTA_DATA(options), (int)RTA_PAYLOAD(options), TCA_BPF_NAME));
    written = snprintf(text, capacity, "%u %s %s\n", message->tcm_info >> 16, text_of(kind), name);
    return written > 0 && (size_t)written < capacity ? (size_t)written : 0;
}

ssize_t node_tc_filters(int index, uint32_t parent, char *text, size_t capacity) {
    struct {
        struct nlmsghdr header;
        struct tcmsg message;
    } request = {
        .header = {
            .nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg)), .nlmsg_type = RTM_GETTFILTER,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 1},
        .message = {.tcm_family = AF_UNSPEC, .tcm_ifindex = index, .tcm_parent = parent},
    };
    static __thread char buffer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
    size_t used = 0;
    int done = 0;
    int socket_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (socket_fd < 0) return -1;
    if (send(socket_fd, &request, request.header.nlmsg_len, 0) < 0) done = -1;
    while (done == 0) {
        ssize_t received = recv(socket_fd, buffer, sizeof buffer, 0);
        if (received <= 0) {
            done = -1;
            break;
        }
        unsigned length = (unsigned)received;
        for (struct nlmsghdr *header = (struct nlmsghdr *)buffer; NLMSG_OK(header, length);
             header = NLMSG_NEXT(header, length)) {
            if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
                done = 1;
                break;
            }
            if (header->nlmsg_type == RTM_NEWTFILTER)
                used += append_filter(header, text + used, capacity - used);
        }
    }
    int saved = errno;
    close(socket_fd);
    errno = saved;
    return done < 0 ? -1 : (ssize_t)used;
}
