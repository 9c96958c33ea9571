/// Parameters of the network emulator queueing discipline (tc-netem(8)).
///
/// Probabilities are fractions, 0…1. Times are microseconds. The kernel holds probabilities in 32 bits and times in its
/// own ticks (64 ns), so values read back agree to about 1e-9 and 1 µs; compare with `isClose(to:)`.
public struct Netem: Sendable, Equatable, Codable {
    /// Delay added to every packet, microseconds.
    public var delay: UInt32
    /// Uniform variation of the delay, ± microseconds.
    public var jitter: UInt32
    /// Fraction of packets lost, 0…1.
    public var loss: Double
    /// Fraction of packets in which one random bit is inverted, 0…1.
    public var corruption: Double
    /// Fraction of packets sent twice, 0…1.
    public var duplication: Double
    /// Fraction of packets that are sent at once, ahead of delayed ones, 0…1. This needs a delay.
    public var reordering: Double
    /// The most packets that are held. Further packets are lost.
    public var limit: UInt32

    public init(
        delay: UInt32 = 0, jitter: UInt32 = 0, loss: Double = 0, corruption: Double = 0, duplication: Double = 0,
        reordering: Double = 0, limit: UInt32 = 1000
    ) {
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
        self.corruption = corruption
        self.duplication = duplication
        self.reordering = reordering
        self.limit = limit
    }

    /// Says whether two settings are the same apart from the kernel's rounding.
    public func isClose(to other: Netem) -> Bool {
        func near(_ left: UInt32, _ right: UInt32) -> Bool { max(left, right) - min(left, right) <= 1 }
        func near(_ left: Double, _ right: Double) -> Bool { abs(left - right) < 1e-6 }
        return near(delay, other.delay) && near(jitter, other.jitter) && near(loss, other.loss)
            && near(corruption, other.corruption) && near(duplication, other.duplication)
            && near(reordering, other.reordering) && limit == other.limit
    }
}
