/// Packets that a node forwarded in some time, and how many of them its flow caches served.
public struct FlowCacheCount: Sendable, Hashable {
    /// The packets that took the short way of an established flow.
    public var served: UInt64
    /// All packets that the datapath forwarded. Each counts at every trace point that it passed.
    public var forwarded: UInt64

    public init(served: UInt64, forwarded: UInt64) {
        self.served = served
        self.forwarded = forwarded
    }

    /// Returns what was counted since an earlier count of the same boot.
    public func since(_ earlier: FlowCacheCount) -> FlowCacheCount {
        FlowCacheCount(
            served: served &- min(served, earlier.served), forwarded: forwarded &- min(forwarded, earlier.forwarded))
    }
}

/// What the flow caches of a node served of a step's streams before the step's first action, when nothing else was sent.
public struct ServedStreams: Sendable, Hashable {
    /// How many streams begin or end on the node.
    public var streams: Int
    public var packets: UInt64
    /// The first two packets of a flow take the long way, so that a few served ones mean that the flow is known.
    private static let packetsOfEach: UInt64 = 4

    public init(streams: Int, packets: UInt64) {
        self.streams = streams
        self.packets = packets
    }

    /// Says whether there were so many packets that each stream can have had its own.
    public var areServed: Bool { packets >= UInt64(streams) * Self.packetsOfEach }
}
