/// What the datapath may need of a kernel beyond what every node's kernel has. The raw values are the names by which
/// features are listed and masked.
public enum KernelFeature: String, Codable, Sendable, Hashable, CaseIterable {
    /// The kernel runs programs at connect(2), sendmsg(2), recvmsg(2) and getpeername(2) of a cgroup's sockets.
    case cgroupConnect4 = "cgroup-inet4-connect"
    case cgroupSendmsg4 = "cgroup-udp4-sendmsg"
    case cgroupRecvmsg4 = "cgroup-udp4-recvmsg"
    case cgroupGetpeername4 = "cgroup-inet4-getpeername"
    /// A program can ask for the network namespace of a socket.
    case netnsCookie = "helper-get-netns-cookie"
    /// A program can look a packet up in the kernel's routes and neighbours.
    case fibLookup = "helper-fib-lookup"
    /// A program can hand a packet to a local socket.
    case skAssign = "helper-sk-assign"
    case lruHash = "map-lru-hash"
    case lpmTrie = "map-lpm-trie"
    case ringbuf = "map-ringbuf"
}
