import NetAddress

/// A packet as it is remembered. What all packets of an interface have in common is left out.
struct Seen {
    /// When it was captured, in nanoseconds of the monotonic clock.
    var time: Int64
    /// When it was captured, in nanoseconds since 1970.
    var wallTime: Int64
    var direction: PacketSighting.Direction
    var packet: DecodedPacket
    var length: Int
}

/// The last packets of an interface, bounded; the oldest are overwritten.
struct SightingRing {
    private var storage: [Seen] = []
    private var next = 0
    private let capacity: Int
    /// The time of the newest packet that was overwritten; nil while all are there.
    private(set) var overwrittenUntil: Int64?

    init(capacity: Int) {
        self.capacity = max(capacity, 1)
    }

    mutating func append(_ seen: Seen) {
        if storage.count < capacity {
            storage.append(seen)
        } else {
            overwrittenUntil = max(overwrittenUntil ?? .min, storage[next].time)
            storage[next] = seen
            next = (next + 1) % capacity
        }
    }

    /// Calls the body for every remembered packet since a moment, oldest first.
    func forEach(since: Int64, _ body: (Seen) -> Void) {
        for offset in 0..<storage.count {
            let seen = storage[(next + offset) % storage.count]
            if seen.time >= since { body(seen) }
        }
    }

    /// Whether no packet since the moment has been overwritten.
    func isComplete(since: Int64) -> Bool {
        overwrittenUntil.map { $0 < since } ?? true
    }
}
