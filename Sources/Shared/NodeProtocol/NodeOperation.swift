/// A general operation that a node's runtime carries out at once, or a reading. Faults and the lab combine these to do
/// what they need in a node. No operation is for a single fault.
public enum NodeOperation: Codable, Sendable {
    /// Makes a netem with exactly these parameters the root queueing discipline of an interface. It replaces the one
    /// that is there.
    case setNetem(NetemParameters, interface: String)
    /// Removes the netem at the root of an interface. It does nothing where there is none.
    case removeNetem(interface: String)
    /// Reads the root queueing discipline of an interface.
    case readRootQdisc(interface: String)
    /// Sends a signal to the agent and waits for the agent's end.
    case endAgent(signal: Int32)

    /// The operation and its object, for messages.
    public var name: String {
        switch self {
        case .setNetem(_, let interface): "setNetem \(interface)"
        case .removeNetem(let interface): "removeNetem \(interface)"
        case .readRootQdisc(let interface): "readRootQdisc \(interface)"
        case .endAgent(let signal): "endAgent with signal \(signal)"
        }
    }
}

/// What the node reads after an operation.
public enum OperationReading: Codable, Sendable {
    /// The interface's root queueing discipline as the kernel lists it.
    case rootQdisc(RootQdisc)
    case agent(AgentState)
}

/// A queueing discipline as the kernel lists it.
public struct RootQdisc: Codable, Sendable, Equatable, CustomStringConvertible {
    /// `fq`, `netem`, `noqueue`, …
    public let kind: String
    /// The parameters of a netem; nil for any other kind.
    public let netem: NetemParameters?
    public init(kind: String, netem: NetemParameters? = nil) {
        self.kind = kind
        self.netem = netem
    }
    /// `noqueue`, or `netem delay 20000us jitter 0us loss 30% corrupt 0% duplicate 0% reorder 0%`
    public var description: String { netem.map { "\(kind) \($0)" } ?? kind }
}

/// Parameters of tc-netem(8). Times are in milliseconds, shares in percent, 0…100.
public struct NetemParameters: Codable, Sendable, Equatable, CustomStringConvertible {
    /// The delay added to every packet.
    public var delayMillis: Double
    /// The variation of the delay to both sides.
    public var jitterMillis: Double
    public var lossPercent: Double
    /// The share of packets in which one bit is inverted.
    public var corruptPercent: Double
    public var duplicatePercent: Double
    /// The share of packets that are sent at once, ahead of the delayed ones.
    public var reorderPercent: Double

    public init(
        delayMillis: Double = 0, jitterMillis: Double = 0, lossPercent: Double = 0, corruptPercent: Double = 0,
        duplicatePercent: Double = 0, reorderPercent: Double = 0
    ) {
        self.delayMillis = delayMillis
        self.jitterMillis = jitterMillis
        self.lossPercent = lossPercent
        self.corruptPercent = corruptPercent
        self.duplicatePercent = duplicatePercent
        self.reorderPercent = reorderPercent
    }

    /// Says whether two settings are the same apart from the kernel's rounding. The kernel counts times in ticks of 64
    /// ns and libnl in microseconds, and the kernel stores shares in 32 bits.
    public func isClose(to other: NetemParameters) -> Bool {
        func near(_ path: KeyPath<NetemParameters, Double>, _ tolerance: Double) -> Bool {
            abs(self[keyPath: path] - other[keyPath: path]) <= tolerance
        }
        return near(\.delayMillis, 0.002) && near(\.jitterMillis, 0.002) && near(\.lossPercent, 1e-4)
            && near(\.corruptPercent, 1e-4) && near(\.duplicatePercent, 1e-4) && near(\.reorderPercent, 1e-4)
    }

    /// Converts a share that the kernel stores as a fraction of 2³² to percent, rounded to a millionth, so that 30 %
    /// are read back as 30 and not as 30.000000011641532.
    public static func percent(fraction: Double) -> Double { (fraction * 1e8).rounded() / 1e6 }

    /// Times in microseconds, as `tc` takes them: `delay 20000us jitter 0us loss 30% corrupt 0% …`.
    public var description: String {
        func time(_ millis: Double) -> String { "\(Int((millis * 1000).rounded()))us" }
        func share(_ percent: Double) -> String {
            percent == percent.rounded() ? "\(Int(percent))%" : "\(percent)%"
        }
        return "delay \(time(delayMillis)) jitter \(time(jitterMillis)) loss \(share(lossPercent))"
            + " corrupt \(share(corruptPercent)) duplicate \(share(duplicatePercent))"
            + " reorder \(share(reorderPercent))"
    }
}
