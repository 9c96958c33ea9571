/// What the datapath may need of a kernel beyond what every node's has, by the names under which it is listed and
/// masked.
public enum KernelFeature: String, Codable, Sendable, Hashable, CaseIterable {
    /// Programs at connect(2) of a cgroup's sockets, and at sendmsg(2), recvmsg(2), getpeername(2).
    case cgroupConnect4 = "cgroup-inet4-connect"
    case cgroupSendmsg4 = "cgroup-udp4-sendmsg"
    case cgroupRecvmsg4 = "cgroup-udp4-recvmsg"
    case cgroupGetpeername4 = "cgroup-inet4-getpeername"
    /// Which network namespace a socket is of.
    case netnsCookie = "helper-get-netns-cookie"
    /// The kernel's routes and neighbours, for packets.
    case fibLookup = "helper-fib-lookup"
    /// Hands a packet to a local socket.
    case skAssign = "helper-sk-assign"
    case lruHash = "map-lru-hash"
    case lpmTrie = "map-lpm-trie"
    case ringbuf = "map-ringbuf"
}
