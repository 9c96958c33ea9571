// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// What the BPF programs and the agent agree on: map keys and values, events, numbers.
//
// Rules: fixed-width fields, no implicit padding (every size is asserted), padding is zero. Addresses are in network byte
// order, an IPv4 address is in the first word and the other words are zero; every other number is in host byte order.
// Numbers are append-only: a code that was published is never given another meaning.
#pragma once

#include <linux/types.h>

// Raised with every change of a layout below; programs drop everything when the configuration carries another number.
#define DP_ABI_VERSION 2

#define DP_FAMILY_IPV4 1
#define DP_FAMILY_IPV6 2

// UDP port of the overlay unless configured otherwise: Linux' own VXLAN port, not IANA's 4789.
#define DP_TUNNEL_PORT 8472

// Identities. The overlay's 24-bit VNI carries the source's, hence the maximum.
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
// Address ranges that a policy of this node names; every node numbers its own, so they never travel.
#define DP_IDENTITY_FIRST_LOCAL 0xFF0000
#define DP_IDENTITY_MAX 0xFFFFFF

// The source identity rides in skb->mark from the program that redirects to an endpoint to the program that delivers.
#define DP_MARK_IDENTITY 0x1D000000
#define DP_MARK_IDENTITY_MASK 0xFF000000
// Of the proxies' own sockets: what they send to an endpoint has been read.
#define DP_MARK_FROM_PROXY 0x1E000000
// For a socket of the proxy, whose port is in the lower half; the node's routes have a rule for it.
#define DP_MARK_TO_PROXY 0x1F000000

// Names of the pinned maps; at most 15 characters, the kernel's limit for object names.
#define DP_MAP_ENDPOINTS "dp_endpoints"
#define DP_MAP_INTERFACES "dp_interfaces"
#define DP_MAP_IPCACHE "dp_ipcache"
#define DP_MAP_METRICS "dp_metrics"
#define DP_MAP_FORWARDED "dp_forwarded"
#define DP_MAP_CONFIG "dp_config"
#define DP_MAP_EVENTS "dp_events"
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
// Frontends with their slots; Cilium's bpf.lbMapMax is half of it.
#define DP_MAX_SERVICES 131072
#define DP_MAX_BACKENDS 65536
#define DP_MAX_REVNAT 65535
#define DP_MAX_AFFINITY 16384
#define DP_MAX_SOCKETS 65536
#define DP_MAX_MAGLEV 131072
#define DP_EVENTS_BYTES (1 << 20)
// The reader of traces is woken when so much more has come.
#define DP_EVENTS_WAKEUP_BYTES (1 << 16)
// Two entries a flow.
#define DP_MAX_NAT 65536
#define DP_MAX_NAT_EXCLUDE 1024
#define DP_MAX_NAT_FRAGMENTS 8192
#define DP_MAX_DEVICES 64

// Reasons: X(NAME, code, slug, text). Negative: the packet was dropped. Each part of the datapath has a block of its own:
// -1 forwarding, -20 connections and services, -35 masquerade, -45 policy, -60 routing, -70 bandwidth.
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
    X(UNKNOWN_FRONTEND, -24, "unknown-frontend", "led here by another node for a frontend that is not known here (yet)") \
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
    // Not a packet: an event that found the ring buffer full.
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

// Sources of drops: X(NAME, number, file). 1 forwarding, 10 connections and services, 20 masquerade, 30 policy, 40 routing.
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

// dp_endpoints: hash, local address → endpoint.
struct dp_endpoint_key {
    struct dp_address address;
    __u8 family;
    __u8 pad[3];
};
DP_ASSERT_SIZE(struct dp_endpoint_key, 20);

// The address is the node's own (router address, node address): deliver to the stack, there is no interface.
#define DP_ENDPOINT_HOST 1
// What arrives for it goes to the far end of its veth, past the near one's egress program; else that program delivers.
#define DP_ENDPOINT_PEER 2

struct dp_endpoint {
    __u32 ifindex;
    __u32 identity;
    __u16 id;
    __u16 flags;
    __u8 pod_mac[6];
    __u8 host_mac[6];
};
DP_ASSERT_SIZE(struct dp_endpoint, 24);

// dp_interfaces: hash, ifindex of the host side of a pod's veth (__u32) → endpoint.

// The endpoint's policies decide about new connections of this direction.
#define DP_INTERFACE_POLICY_INGRESS 1
#define DP_INTERFACE_POLICY_EGRESS 2

struct dp_interface {
    struct dp_address ipv6;
    __u32 ipv4;
    __u32 identity;
    __u16 endpoint_id;
    __u16 flags;
    __u8 pod_mac[6];
    __u8 host_mac[6];
    // Raised whenever the endpoint's policy forbids something that it did not forbid before.
    __u32 policy_revision;
};
DP_ASSERT_SIZE(struct dp_interface, 44);

// dp_ipcache: longest-prefix trie, address → identity and the node behind the overlay.
// prefix_length counts from `family`: DP_IPCACHE_STATIC_BITS + bits of the address.
#define DP_IPCACHE_STATIC_BITS 32

struct dp_ipcache_key {
    __u32 prefix_length;
    __u8 family;
    __u8 pad[3];
    struct dp_address address;
};
DP_ASSERT_SIZE(struct dp_ipcache_key, 24);

struct dp_ipcache_entry {
    struct dp_address tunnel_endpoint;
    __u32 identity;
    // 0: reached without the overlay.
    __u8 tunnel_family;
    __u8 pad[3];
};
DP_ASSERT_SIZE(struct dp_ipcache_entry, 24);

// dp_metrics: per-CPU hash. Packets that were forwarded are counted apart.
struct dp_metrics_key {
    __s32 reason;
    __u8 direction;
    __u8 point;
    __u8 pad[2];
};
DP_ASSERT_SIZE(struct dp_metrics_key, 8);

struct dp_metrics {
    __u64 packets;
    __u64 bytes;
};
DP_ASSERT_SIZE(struct dp_metrics, 16);

// dp_forwarded: per-CPU array of struct dp_metrics, packets that were forwarded, by direction * DP_FORWARDED_POINTS + point.
#define DP_FORWARDED_POINTS 32
#define DP_MAX_FORWARDED 96

// dp_config: array of one.
#define DP_CONFIG_TRACE 1
// Of TCP, trace only segments with SYN, FIN or RST.
#define DP_CONFIG_TRACE_AGGREGATE 2
// Services are translated packet by packet.
#define DP_CONFIG_SERVICES 4
// Sockets are translated in the node's own network namespace only.
#define DP_CONFIG_SOCKETS_OF_HOST 8
// Pods of other nodes are reached by the node's own routes; without it, through the overlay.
#define DP_CONFIG_NATIVE_ROUTING 16
// What pods send to the outside goes straight to the device that masquerades it: services and masquerade are both by this
// datapath, so that netfilter, and whatever rules others left there, has no part in it.
#define DP_CONFIG_HOST_ROUTING 32
// Calls of services that come in by a node device are translated.
#define DP_CONFIG_NODE_SERVICES 64
// Other nodes lead calls here whose answers leave directly, under the frontend's address.
#define DP_CONFIG_DIRECT_RETURN 128

// Packets of pods with an egress rate are given the time at which they may leave.
#define DP_CONFIG_BANDWIDTH 0x10000

// Interfaces of pods are another plugin's: ARP is between the pod and what that plugin made.
#define DP_CONFIG_ARP_PASSTHROUGH 0x20000

// Most ranges that the pods of a cluster may come from.
#define DP_MAX_CLUSTER_RANGES 4

// An address range in network byte order; a mask of zero: there is none.
struct dp_range {
    __u32 address;
    __u32 mask;
};
DP_ASSERT_SIZE(struct dp_range, 8);

struct dp_config {
    __u32 abi_version;
    __u32 flags;
    // Bit n: trace point n. Drops are always reported.
    __u32 trace_mask;
    __u32 node_identity;
    __u32 node_ipv4;
    __u32 router_ipv4;
    // The node's own pod range, and those of the whole cluster.
    struct dp_range pod_range;
    struct dp_range cluster_ranges[DP_MAX_CLUSTER_RANGES];
    __u32 host_ifindex;
    __u32 overlay_ifindex;
    __u32 node_ifindex;
    __u16 tunnel_port;
    __u8 host_mac[6];
    // Longest IPv4 packet that pods may send and receive, octets; 0: not checked.
    __u32 route_mtu;
};
DP_ASSERT_SIZE(struct dp_config, 88);

// dp_ct_tcp (TCP) and dp_ct_any (every other protocol): LRU hashes, connection → its state.
//
// The key is the packet that opened the connection, as the point that tracks it saw it: after the translation of a service,
// before the translation back. A packet of the other direction is looked up with source and destination exchanged.
// Ports in network byte order. ICMP echo: the identifier is the requester's port, the other one is zero. Other protocols: zero.
enum dp_ct_direction {
    // The endpoint at the source's end opened it, and its interface tracks it.
    DP_CT_EGRESS = 1,
    // The endpoint at the destination's end was called, and its interface tracks it.
    DP_CT_INGRESS = 2,
    // The call of a service before its translation: remembers the backend.
    DP_CT_SERVICE = 3,
    // The node translated a call from outside (NodePort), so that it went from the caller to a backend: tells the node's
    // devices whose packets give way to the node's address, and which come back as from the frontend.
    DP_CT_NODE = 4,
    // A pod's packet that came out of the node's stack, translated by netfilter (kube-proxy): what answers it goes there, too.
    DP_CT_NETFILTER = 5,
};

struct dp_ct_key {
    struct dp_address source;
    struct dp_address destination;
    __u16 source_port;
    __u16 destination_port;
    __u8 protocol;
    __u8 family;
    __u8 direction;
    __u8 pad;
};
DP_ASSERT_SIZE(struct dp_ct_key, 40);

// X(NAME, number, name).
//   OPENING      TCP: no segment without SYN yet; others: no answer yet
//   CLOSING      TCP: one side has sent FIN
//   CLOSED       TCP: both have, or one has sent RST
#define DP_CT_STATES(X) \
    X(OPENING, 1, "opening") \
    X(ESTABLISHED, 2, "established") \
    X(CLOSING, 3, "closing") \
    X(CLOSED, 4, "closed")

enum dp_ct_state {
#define DP_CT_STATE_VALUE(name, number, text) DP_CT_STATE_##name = number,
    DP_CT_STATES(DP_CT_STATE_VALUE)
#undef DP_CT_STATE_VALUE
};

// Seconds without a packet after which an entry is void, by state.
#define DP_CT_OPENING_SECONDS 60
#define DP_CT_TCP_SECONDS 8000
#define DP_CT_CLOSED_SECONDS 10
// Of entries that see one side only: after its FIN.
#define DP_CT_SERVICE_CLOSING_SECONDS 120
#define DP_CT_ANY_SECONDS 60

#define DP_CT_REPLIED 1
#define DP_CT_FIN_FORWARD 2
#define DP_CT_FIN_REPLY 4
// Goes through the proxy at `proxy_port` (network byte order).
#define DP_CT_PROXY 8
// An endpoint calls itself through a service, under DP_LOOPBACK_IPV4 as its source.
#define DP_CT_LOOPBACK 16
// Of node entries: the answers do not come back to the node that was called, so that each node sees one side.
#define DP_CT_DIRECT 32

struct dp_ct_entry {
    // CLOCK_MONOTONIC, seconds; void when it is past.
    __u32 expires;
    __u32 source_identity;
    // Of service entries: the backend that was chosen.
    __u32 backend;
    // Replies are translated back with it (dp_revnat); 0: they are not.
    __u16 rev_nat;
    __u16 proxy_port;
    // The policy programs' own: the revision that let it pass. Nothing else depends on it.
    __u32 policy_revision;
    __u8 state;
    __u8 flags;
    __u8 pad[2];
};
DP_ASSERT_SIZE(struct dp_ct_entry, 24);

// What a packet is to the connections known: X(NAME, number, name).
#define DP_CT_VERDICTS(X) \
    X(NEW, 1, "new") \
    X(ESTABLISHED, 2, "established") \
    X(REPLY, 3, "reply") \
    X(RELATED, 4, "related")

enum dp_ct_verdict {
    DP_CT_UNTRACKED = 0,
#define DP_CT_VERDICT_VALUE(name, number, text) DP_CT_##name = number,
    DP_CT_VERDICTS(DP_CT_VERDICT_VALUE)
#undef DP_CT_VERDICT_VALUE
};

// dp_fragments: LRU hash, IPv4 packet → ports of its first fragment.
struct dp_fragment_key {
    struct dp_address source;
    struct dp_address destination;
    __u16 identification;
    __u8 protocol;
    __u8 family;
};
DP_ASSERT_SIZE(struct dp_fragment_key, 36);

struct dp_fragment_ports {
    __u16 source_port;
    __u16 destination_port;
};
DP_ASSERT_SIZE(struct dp_fragment_ports, 4);

// dp_services: hash. Slot 0 is the frontend; slots 1 … count name its backends. Ports in network byte order.
struct dp_service_key {
    struct dp_address address;
    __u16 port;
    __u16 slot;
    __u8 protocol;
    __u8 family;
    // 0: for everybody, or, where the frontend has DP_SERVICE_SCOPES, for callers of the cluster.
    __u8 scope;
    __u8 pad;
};
DP_ASSERT_SIZE(struct dp_service_key, 24);

// Scope for calls from outside of the cluster: the node's own backends (externalTrafficPolicy: Local).
#define DP_SERVICE_SCOPE_OUTSIDE 1

// Flags of a frontend, scope 0. It is called from outside of the cluster too.
#define DP_SERVICE_OUTSIDE 1
// Calls from outside have other backends: those of DP_SERVICE_SCOPE_OUTSIDE.
#define DP_SERVICE_SCOPES 2
// What backends of other nodes answer goes directly to the caller.
#define DP_SERVICE_DIRECT 4

struct dp_service {
    // Slots 1 …: key of dp_backends. Slot 0: entries of the frontend's Maglev table; 0: it has none.
    __u32 backend;
    // Slot 0: how long a client stays with its backend; 0: no affinity.
    __u32 affinity_seconds;
    __u16 count;
    // Key of dp_revnat, and of the affinity.
    __u16 rev_nat;
    __u16 flags;
    __u16 pad;
};
DP_ASSERT_SIZE(struct dp_service, 16);

// dp_backends: hash, number (__u32) → backend. One that is not active takes no new connections.
#define DP_BACKEND_ACTIVE 1

struct dp_backend {
    struct dp_address address;
    __u16 port;
    __u8 protocol;
    __u8 family;
    __u8 flags;
    __u8 pad[3];
};
DP_ASSERT_SIZE(struct dp_backend, 24);

// dp_revnat: hash, index (__u32) → the frontend that replies come from.
struct dp_revnat {
    struct dp_address address;
    __u16 port;
    __u8 family;
    __u8 pad;
};
DP_ASSERT_SIZE(struct dp_revnat, 20);

// IPv4 option (RFC 791, section 3.1: copied, class 0) right behind the fixed header of a call that is led to a backend of another
// node: the frontend, under which that node answers. Taken out again there. Type and length as in Cilium.
#define DP_DIRECT_OPTION_TYPE 0x9A

struct dp_direct_option {
    __u8 type;
    __u8 length;
    __u16 port;
    __u32 address;
};
DP_ASSERT_SIZE(struct dp_direct_option, 8);

// dp_maglev: hash, part of a frontend's Maglev table → numbers of backends. Entry n is in part n / DP_MAGLEV_PART.
#define DP_MAGLEV_PART 128

struct dp_maglev_key {
    __u16 rev_nat;
    __u16 part;
};
DP_ASSERT_SIZE(struct dp_maglev_key, 4);

struct dp_maglev_part {
    __u32 backend[DP_MAGLEV_PART];
};
DP_ASSERT_SIZE(struct dp_maglev_part, 512);

// dp_affinity: LRU hash, client of a frontend → its backend.
struct dp_affinity_key {
    struct dp_address client;
    __u32 rev_nat;
    __u8 family;
    __u8 pad[3];
};
DP_ASSERT_SIZE(struct dp_affinity_key, 24);

struct dp_affinity {
    __u32 backend;
    // CLOCK_MONOTONIC, seconds.
    __u32 expires;
};
DP_ASSERT_SIZE(struct dp_affinity, 8);

// dp_sockets: LRU hash, socket and the backend that it talks to → the frontend that it believes to talk to.
struct dp_socket_key {
    __u64 cookie;
    struct dp_address address;
    __u16 port;
    __u8 family;
    __u8 pad[5];
};
DP_ASSERT_SIZE(struct dp_socket_key, 32);

// Source of an endpoint that calls itself through a service, so that its answer passes the datapath: 169.254.42.1, network
// byte order.
#define DP_LOOPBACK_IPV4 0x012AFEA9

// dp_devices: hash, ifindex of a node device (__u32) → the address that pods take when they leave by it.
struct dp_device {
    struct dp_address ipv6;
    __u32 ipv4;
    __u32 flags;
};
DP_ASSERT_SIZE(struct dp_device, 24);

// dp_bandwidth: hash, address of a local pod (struct dp_address) → its egress rate, and when its last packet leaves.
struct dp_bandwidth {
    __u64 bytes_per_second;
    // CLOCK_MONOTONIC; the programs' own.
    __u64 next_ns;
};
DP_ASSERT_SIZE(struct dp_bandwidth, 16);

// dp_nat_config: array of one.
#define DP_NAT_MASQUERADE 1
// Pods are masqueraded towards the addresses of other nodes too.
#define DP_NAT_REMOTE_NODES 2

// Above the service node ports (30000 … 32767).
#define DP_NAT_MIN_PORT 32768
#define DP_NAT_MAX_PORT 65535

struct dp_nat_config {
    __u32 flags;
    __u16 min_port;
    __u16 max_port;
    // A translated answer that is longer than this many bytes of IP goes through the stack, which fragments or refuses.
    __u32 pod_mtu;
    __u32 pad;
};
DP_ASSERT_SIZE(struct dp_nat_config, 16);

// dp_nat_exclude: longest-prefix trie (struct dp_ipcache_key) → why pods keep their address towards it (__u32).
#define DP_NAT_EXCLUDE_NATIVE_ROUTING 1
#define DP_NAT_EXCLUDE_NON_MASQUERADE 2

// dp_nat: LRU hash. Each flow has two entries: the packet that leaves (direction egress) → its new source, the packet that
// answers (ingress) → its new destination. Ports of an ICMP echo: its identifier is the node's side's, the other is 0.
struct dp_nat_key {
    struct dp_address source;
    struct dp_address destination;
    __u16 source_port;
    __u16 destination_port;
    __u8 protocol;
    __u8 family;
    __u8 direction;
    __u8 pad;
};
DP_ASSERT_SIZE(struct dp_nat_key, 40);

// A flow of the node itself, listed so that no pod takes its port.
#define DP_NAT_HOST 1
// The other side has answered.
#define DP_NAT_REPLIED 2
// TCP: FIN or RST was seen.
#define DP_NAT_CLOSING 4
// A caller from outside, whom the node leads to a backend of another node.
#define DP_NAT_SERVICE 8

// Ports of such callers: above those that the node's own sockets take (ip_local_port_range, 32768 … 60999), whose flows to
// pods are not listed.
#define DP_NAT_SERVICE_MIN_PORT 61000

struct dp_nat_entry {
    struct dp_address address;
    // CLOCK_MONOTONIC; the last use is noted once a second.
    __u64 created_ns;
    __u64 used_ns;
    __u16 port;
    __u16 flags;
    __u32 pad;
};
DP_ASSERT_SIZE(struct dp_nat_entry, 40);

// dp_nat_fragment: LRU hash, a fragmented answer as its first fragment came → the pod (struct dp_address).
struct dp_nat_fragment_key {
    struct dp_address source;
    struct dp_address destination;
    __u16 identification;
    __u8 protocol;
    __u8 family;
};
DP_ASSERT_SIZE(struct dp_nat_fragment_key, 36);

// dp_events: ring buffer.
#define DP_EVENT_FRAGMENT 1
// The addresses are those of the inner packet; the tunnel fields say how it travels.
#define DP_EVENT_ENCAPSULATED 2
// The ports (for ICMP: identifier and sequence number) were read.
#define DP_EVENT_L4 4

struct dp_event {
    // CLOCK_MONOTONIC
    __u64 ktime_ns;
    __u8 type;
    __u8 point;
    __u8 direction;
    __u8 flags;
    __s32 reason;
    __u32 ifindex;
    __u32 length;
    __u32 source_identity;
    __u32 destination_identity;
    struct dp_address source;
    struct dp_address destination;
    struct dp_address tunnel_remote;
    __u32 tunnel_id;
    __u16 endpoint_id;
    __u16 ethertype;
    // Ports, or ICMP identifier and sequence number.
    __u16 source_port;
    __u16 destination_port;
    __u16 file;
    __u16 line;
    __u8 family;
    __u8 protocol;
    __u8 tcp_flags;
    __u8 icmp_type;
    __u8 icmp_code;
    __u8 ttl;
    __u8 tunnel_family;
    // enum dp_ct_verdict
    __u8 connection;
    // The agent's number of the policy rule that decided; 0: none did.
    __u32 rule;
    __u32 pad2;
};
DP_ASSERT_SIZE(struct dp_event, 112);

// dp_policy: hash. An endpoint's decision about a peer and a class of ports. Identity 0 is any peer, class 0 any protocol and port.
struct dp_policy_key {
    __u16 endpoint_id;
    __u8 direction;
    __u8 pad;
    __u32 identity;
    __u16 port_class;
    __u16 pad2;
};
DP_ASSERT_SIZE(struct dp_policy_key, 12);

// A deny rule: decides over every entry that allows.
#define DP_POLICY_DENY 1
// What holds where no rule decides: denied, because policies select the endpoint. The rule number stands for them.
#define DP_POLICY_DEFAULT_DENY 2
// Allowed through the proxy, which listens on `proxy_port`.
#define DP_POLICY_REDIRECT 4

struct dp_policy_entry {
    __u32 rule;
    __u16 flags;
    __u16 proxy_port;
};
DP_ASSERT_SIZE(struct dp_policy_entry, 8);

// dp_port_classes: array. Ports that all rules of the node treat alike share a class, so that a lookup costs the same for a port,
// a range, and however many of them. Key: protocol slot * DP_PORT_CHUNKS + port / DP_PORTS_IN_CHUNK; of ICMP, the type is the port.
#define DP_PORTS_IN_CHUNK 64
#define DP_PORT_CHUNKS 1024
#define DP_PORT_SLOT_TCP 0
#define DP_PORT_SLOT_UDP 1
#define DP_PORT_SLOT_SCTP 2
#define DP_PORT_SLOT_ICMP 3
#define DP_PORT_SLOTS 4
#define DP_MAX_PORT_CLASSES (DP_PORT_SLOTS * DP_PORT_CHUNKS)

struct dp_port_chunk {
    __u16 port_class[DP_PORTS_IN_CHUNK];
};
DP_ASSERT_SIZE(struct dp_port_chunk, 128);

#ifndef __bpf__
#include <stddef.h>

/// The code of the drop reason at a position of the list, 0 behind its end.
static inline int dp_reason_at(unsigned int position) {
#define DP_REASON_CODE(name, value, slug, text) value,
    static const int codes[] = {DP_DROP_REASONS(DP_REASON_CODE)};
#undef DP_REASON_CODE
    return position < sizeof(codes) / sizeof(codes[0]) ? codes[position] : DP_FORWARDED;
}

/// The reason's short name, or NULL for a code that this build does not know.
static inline const char *dp_reason_slug(int code) {
    switch (code) {
#define DP_REASON_SLUG(name, value, slug, text) \
    case value: \
        return slug;
        DP_DROP_REASONS(DP_REASON_SLUG)
#undef DP_REASON_SLUG
    case DP_FORWARDED:
        return "forwarded";
    case DP_EVENT_LOST:
        return "event-lost";
    default:
        return NULL;
    }
}

/// What the reason means, or NULL.
static inline const char *dp_reason_text(int code) {
    switch (code) {
#define DP_REASON_TEXT(name, value, slug, text) \
    case value: \
        return text;
        DP_DROP_REASONS(DP_REASON_TEXT)
#undef DP_REASON_TEXT
    default:
        return NULL;
    }
}

/// The trace point's name, or NULL.
static inline const char *dp_point_name(int number) {
    switch (number) {
#define DP_POINT_NAME(name, value, text) \
    case value: \
        return text;
        DP_TRACE_POINTS(DP_POINT_NAME)
#undef DP_POINT_NAME
    default:
        return NULL;
    }
}

/// The connection's state by name, or NULL.
static inline const char *dp_ct_state_name(int number) {
    switch (number) {
#define DP_CT_STATE_NAME(name, value, text) \
    case value: \
        return text;
        DP_CT_STATES(DP_CT_STATE_NAME)
#undef DP_CT_STATE_NAME
    default:
        return NULL;
    }
}

/// The conntrack verdict's name, or NULL.
static inline const char *dp_ct_verdict_name(int number) {
    switch (number) {
#define DP_CT_VERDICT_NAME(name, value, text) \
    case value: \
        return text;
        DP_CT_VERDICTS(DP_CT_VERDICT_NAME)
#undef DP_CT_VERDICT_NAME
    default:
        return NULL;
    }
}

/// The source file's name, or NULL.
static inline const char *dp_file_name(int number) {
    switch (number) {
#define DP_FILE_NAME(name, value, file) \
    case value: \
        return file;
        DP_SOURCE_FILES(DP_FILE_NAME)
#undef DP_FILE_NAME
    default:
        return NULL;
    }
}
#endif
