/// How much a client takes, from a server and of it.
public struct KubeClientLimits: Sendable, Hashable {
    /// Connections for requests. Further requests wait. Each watch has a connection of its own beside these.
    public var connections = 4
    /// Requests that wait for a connection. Further ones fail at once.
    public var waiting = 256
    /// Octets of an answer, or of a page of a list.
    public var body = 32 << 20
    /// Octets of a watch's event. An object in etcd has at most 1.5 MiB.
    public var event = 4 << 20
    /// Octets of events that were read and not yet taken. While there are more, nothing is read from the network.
    public var unreadEvents = 1 << 20
    /// Objects of a page.
    public var page = 500
    /// Pages of a list.
    public var pages = 1_000
    /// How long a connection may take to be established. The kernel's own tries come ever more rarely, so that a new try
    /// finds a way that is there again sooner.
    public var connecting = Duration.seconds(30)
    /// How long a connection without a request is kept.
    public var idle = Duration.seconds(60)
    /// A connection on which nothing comes back is given up after this long: the kernel probes silent ones (TCP
    /// keepalive), and gives up what is not acknowledged (TCP_USER_TIMEOUT).
    public var silence = Duration.seconds(30)
    /// How long a token that was read from a file is used before the file is read again.
    public var tokenAge = Duration.seconds(10)

    public init() {}
}
