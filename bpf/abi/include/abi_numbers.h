// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Numbers that both sides know by name: identities, sizes, drop reasons, trace points and the sources of drops. The
// type of an address is here, too.
#pragma once

#include <linux/types.h>

// Raised with every change of a layout. Programs drop everything when the configuration has another number.
#define DP_ABI_VERSION 2

#define DP_FAMILY_IPV4 1
#define DP_FAMILY_IPV6 2

// The default UDP port of the overlay. It is the one that Linux uses for VXLAN, not IANA's 4789.
#define DP_TUNNEL_PORT 8472

// Identities. The 24-bit VNI of the overlay carries the source's identity, which limits it to 24 bits.
#define DP_IDENTITY_UNKNOWN 0
#define DP_IDENTITY_HOST 1
#define DP_IDENTITY_WORLD 2
#define DP_IDENTITY_UNMANAGED 3
#define DP_IDENTITY_HEALTH 4
#define DP_IDENTITY_INIT 5
#define DP_IDENTITY_REMOTE_NODE 6
#define DP_IDENTITY_KUBE_APISERVER 7
#define DP_IDENTITY_FIRST_LABEL 256
#define DP_IDENTITY_LAST_LABEL 0xFEFFFF
// Identities of address ranges that a policy on this node names. Every node numbers its own, so they never travel.
#define DP_IDENTITY_FIRST_LOCAL 0xFF0000
#define DP_IDENTITY_MAX 0xFFFFFF

// The program that redirects to an endpoint puts the source identity into skb->mark, for the program that delivers.
#define DP_MARK_IDENTITY 0x1D000000
#define DP_MARK_IDENTITY_MASK 0xFF000000
// Set by the proxies on their own sockets: what they send to an endpoint has already been checked by them.
#define DP_MARK_FROM_PROXY 0x1E000000
// The packet is for a proxy's socket, whose port is in the lower 16 bits. The node has a routing rule for this mark.
#define DP_MARK_TO_PROXY 0x1F000000

// Names of the pinned maps. The kernel limits object names to 15 characters.
#define DP_MAP_ENDPOINTS "dp_endpoints"
#define DP_MAP_INTERFACES "dp_interfaces"
#define DP_MAP_IPCACHE "dp_ipcache"
#define DP_MAP_METRICS "dp_metrics"
#define DP_MAP_FORWARDED "dp_forwarded"
#define DP_MAP_CONFIG "dp_config"
#define DP_MAP_EVENTS "dp_events"
#define DP_MAP_REVISION "dp_revision"
#define DP_MAP_POLICY "dp_policy"
#define DP_MAP_PORT_CLASSES "dp_port_classes"
#define DP_MAP_NAT "dp_nat"
#define DP_MAP_NAT_CONFIG "dp_nat_config"
#define DP_MAP_NAT_EXCLUDE "dp_nat_exclude"
#define DP_MAP_NAT_FRAGMENTS "dp_nat_fragment"
#define DP_MAP_DEVICES "dp_devices"
#define DP_MAP_CT_TCP "dp_ct_tcp"
#define DP_MAP_CT_ANY "dp_ct_any"
#define DP_MAP_FRAGMENTS "dp_fragments"
#define DP_MAP_SERVICES "dp_services"
#define DP_MAP_BACKENDS "dp_backends"
#define DP_MAP_REVNAT "dp_revnat"
#define DP_MAP_AFFINITY "dp_affinity"
#define DP_MAP_SOCKETS "dp_sockets"
#define DP_MAP_BANDWIDTH "dp_bandwidth"
#define DP_MAP_MAGLEV "dp_maglev"

#define DP_MAX_ENDPOINTS 4096
#define DP_MAX_IPCACHE 65536
#define DP_MAX_METRICS 1024
#define DP_MAX_POLICY 131072
#define DP_MAX_CT_TCP 32768
#define DP_MAX_CT_ANY 16384
#define DP_MAX_FRAGMENTS 4096
// Frontends together with their slots. It is twice Cilium's default for bpf.lbMapMax.
#define DP_MAX_SERVICES 131072
#define DP_MAX_BACKENDS 65536
#define DP_MAX_REVNAT 65535
#define DP_MAX_AFFINITY 16384
#define DP_MAX_SOCKETS 65536
#define DP_MAX_MAGLEV 131072
#define DP_EVENTS_BYTES (1 << 22)
// Traces may fill this much of the buffer. The rest is kept for drops, which are rare and which a reader cannot do
// without.
#define DP_EVENTS_TRACE_BYTES (DP_EVENTS_BYTES / 4 * 3)
// The reader of traces is woken when this many bytes have come.
#define DP_EVENTS_WAKEUP_BYTES (1 << 16)
// There are two entries for each flow.
#define DP_MAX_NAT 65536
#define DP_MAX_NAT_EXCLUDE 1024
#define DP_MAX_NAT_FRAGMENTS 8192
#define DP_MAX_DEVICES 64

// Reasons: X(NAME, code, slug, text). A negative code means that the packet was dropped. Each part of the datapath has
// its own block of codes: -1 forwarding, -20 connections and services, -35 masquerade, -45 policy, -60 routing, -70
// bandwidth.
#define DP_DROP_REASONS(X) \
    X(INVALID_SOURCE, -1, "invalid-source", "source address does not belong to the endpoint") \
    X(TRUNCATED, -2, "truncated", "packet ends inside a header") \
    X(INVALID_IPV4_HEADER, -3, "invalid-ipv4-header", "IPv4 version, header length or total length is wrong") \
    X(UNSUPPORTED_L3, -4, "unsupported-l3", "network protocol is not forwarded") \
    X(UNSUPPORTED_DESTINATION, -5, "unsupported-destination", "multicast or broadcast destination") \
    X(UNSUPPORTED_ARP, -6, "unsupported-arp", "ARP other than a request for the gateway") \
    X(UNKNOWN_INTERFACE, -7, "unknown-interface", "interface has no endpoint") \
    X(UNKNOWN_ENDPOINT, -8, "unknown-endpoint", "no endpoint has this address of the node's range") \
    X(NO_TUNNEL_ENDPOINT, -9, "no-tunnel-endpoint", "no node is known for this pod address") \
    X(TTL_EXCEEDED, -10, "ttl-exceeded", "time to live ran out") \
    X(NO_TUNNEL_KEY, -11, "no-tunnel-key", "packet on the overlay device has no tunnel key") \
    X(TUNNEL_KEY_REFUSED, -12, "tunnel-key-refused", "kernel refused the tunnel key") \
    X(INVALID_IDENTITY, -13, "invalid-identity", "overlay packet claims an identity that never travels") \
    X(NOT_CONFIGURED, -14, "not-configured", "configuration is missing or of another ABI version") \
    X(NEIGHBOUR_CHATTER, -15, "neighbour-chatter", "IPv6 multicast or gratuitous ARP, counted without an event") \
    X(FRAGMENT_NOT_FOUND, -20, "fragment-not-found", "fragment of a packet whose first fragment was not seen") \
    X(CT_INSERTION_FAILED, -21, "ct-insertion-failed", "connection cannot be entered in the conntrack table") \
    X(NO_SERVICE_BACKEND, -22, "no-service-backend", "service has no backend; the caller is told port unreachable") \
    X(SERVICE_REFUSED, -23, "service-refused", "kernel refused to write the packet of a service") \
    X(UNKNOWN_FRONTEND, -24, "unknown-frontend", \
      "led here by another node for a frontend that is not known here (yet)") \
    X(NAT_NO_PORT, -35, "nat-no-port", "no free port for another masqueraded flow to this destination") \
    X(NAT_UNSUPPORTED_PROTOCOL, -36, "nat-unsupported-protocol", "protocol or ICMP message is not masqueraded") \
    X(NAT_NO_MAPPING, -37, "nat-no-mapping", "ICMP error of a pod about a flow that is not masqueraded") \
    X(NAT_REFUSED, -38, "nat-refused", "kernel refused to write the packet or the mapping") \
    X(POLICY_DENIED_INGRESS, -45, "policy-denied-ingress", "no policy of the receiver allows the connection") \
    X(POLICY_DENIED_EGRESS, -46, "policy-denied-egress", "no policy of the sender allows the connection") \
    X(POLICY_DENY_RULE, -47, "policy-deny-rule", "a deny rule forbids the connection") \
    X(PROXY_UNAVAILABLE, -48, "proxy-unavailable", "the proxy that has to read the connection does not listen") \
    X(POLICY_DENIED_REQUEST, -49, "policy-denied-request", "no rule allows the request; the proxy answered 403") \
    X(POLICY_DENIED_NAME, -50, "policy-denied-name", "no rule allows to ask for the name; the DNS proxy refused it") \
    X(FRAGMENTATION_NEEDED, -60, "fragmentation-needed", "longer than the way to it takes, and not to be fragmented") \
    X(BANDWIDTH_EXCEEDED, -70, "bandwidth-exceeded", "would have to wait for more than 2 s for the pod's egress rate")

enum dp_reason {
#define DP_REASON_VALUE(name, code, slug, text) DP_DROP_##name = code,
    DP_DROP_REASONS(DP_REASON_VALUE)
#undef DP_REASON_VALUE
    DP_FORWARDED = 0,
    // This is no packet: an event was lost because the ring buffer was full.
    DP_EVENT_LOST = 1,
};

// Where a packet was seen: X(NAME, number, name). A drop carries the point at which its program was entered.
// POLICY_VERDICT is a new connection that a policy allowed, at either end; the event's direction tells which.
#define DP_TRACE_POINTS(X) \
    X(TO_ENDPOINT, 1, "to-endpoint") \
    X(FROM_ENDPOINT, 2, "from-endpoint") \
    X(TO_OVERLAY, 3, "to-overlay") \
    X(FROM_OVERLAY, 4, "from-overlay") \
    X(TO_STACK, 5, "to-stack") \
    X(FROM_NETWORK, 6, "from-network") \
    X(FROM_HOST, 7, "from-host") \
    X(TO_HOST, 8, "to-host") \
    X(TO_NETWORK, 9, "to-network") \
    X(POLICY_VERDICT, 16, "policy-verdict") \
    X(TO_PROXY, 17, "to-proxy")

enum dp_point {
#define DP_POINT_VALUE(name, number, text) DP_POINT_##name = number,
    DP_TRACE_POINTS(DP_POINT_VALUE)
#undef DP_POINT_VALUE
};

// The source files of drops: X(NAME, number, file). 1 forwarding, 10 connections and services, 20 masquerade, 30
// policy, 40 routing.
#define DP_SOURCE_FILES(X) \
    X(LXC, 1, "lxc.bpf.c") \
    X(OVERLAY, 2, "overlay.bpf.c") \
    X(HOST, 3, "host.bpf.c") \
    X(IPV4, 4, "ipv4.h") \
    X(ARP, 5, "arp.h") \
    X(FORWARD, 6, "forward.h") \
    X(DELIVER, 7, "deliver.h") \
    X(CT, 10, "ct.h") \
    X(SERVICE, 11, "service.h") \
    X(NODE_SERVICE, 12, "node_service.h") \
    X(DIRECT_RETURN, 13, "direct_return.h") \
    X(MASQUERADE, 20, "masquerade.h") \
    X(POLICY, 30, "policy.h") \
    X(PROXY, 31, "proxy.h") \
    X(PATH_MTU, 40, "path_mtu.h")

enum dp_source_file {
#define DP_FILE_VALUE(name, number, file) DP_FILE_##name = number,
    DP_SOURCE_FILES(DP_FILE_VALUE)
#undef DP_FILE_VALUE
};

enum dp_direction { DP_INGRESS = 1, DP_EGRESS = 2 };
enum dp_event_type { DP_EVENT_DROP = 1, DP_EVENT_TRACE = 2 };

#ifdef __cplusplus
#define DP_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), "size of " #type)
#else
#define DP_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)
#endif

struct dp_address {
    __u32 word[4];
};
DP_ASSERT_SIZE(struct dp_address, 16);
