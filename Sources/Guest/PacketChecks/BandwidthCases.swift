import BPF
import Datapath
import DatapathModel
import LinuxKernel
import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

/// The egress rate of the self-test's pod.
struct TestBandwidth: Sendable {
    let bytesPerSecond: UInt64
    /// How far ahead the rate's queue reaches, in nanoseconds.
    var queue: Int64 = 0

    /// Writes the rate to an object's maps, if it has any. Nil means that the pod has no rate.
    static func apply(_ limit: TestBandwidth?, to object: borrowing Object) throws {
        guard object.mapNames.contains(MapName.bandwidth) else { return }
        let rates: Map<BandwidthKey, BandwidthEntry> = try object.map(MapName.bandwidth)
        let key = BandwidthKey(TestNode.pod)
        try rates.removeValue(for: key)
        guard let limit else { return }
        try rates.update(
            BandwidthEntry(bytesPerSecond: limit.bytesPerSecond, next: UInt64(Int64(now()) + limit.queue)), for: key)
    }

    /// The time of CLOCK_MONOTONIC in nanoseconds.
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Checks of a pod's egress rate where its packets leave the node: through the overlay, and under the node's address.
enum BandwidthCases {
    private static let second: Int64 = 1_000_000_000

    static let all: [SelftestCase] = [
        toOverlay("within the rate", TestBandwidth(bytesPerSecond: 1_000_000), dropped: false),
        toOverlay(
            "a queue of one second waits", TestBandwidth(bytesPerSecond: 1_000_000, queue: second), dropped: false),
        toOverlay(
            "a queue beyond two seconds is dropped", TestBandwidth(bytesPerSecond: 1_000_000, queue: 60 * second),
            dropped: true),
        toNetdev("within the rate", TestBandwidth(bytesPerSecond: 1_000_000), dropped: false),
        toNetdev(
            "a queue beyond two seconds is dropped", TestBandwidth(bytesPerSecond: 1_000_000, queue: 60 * second),
            dropped: true),
    ]

    private static func toOverlay(_ name: String, _ limit: TestBandwidth, dropped: Bool) -> SelftestCase {
        var test = SelftestCase(
            name: "rate: \(name)", program: .toOverlay, packet: WireTest.fromPod(ttl: 64, Frame.udp(40_000, 8080)),
            tunnelIdentifier: TestNode.podIdentity.rawValue, verdict: dropped ? .drop : .pass,
            events: dropped
                ? [
                    ExpectedEvent(
                        reason: .bandwidthExceeded, point: .toOverlay, source: TestNode.pod,
                        destination: TestNode.remotePod, transport: .ports(source: 40_000, destination: 8080),
                        file: "overlay.bpf.c")
                ] : [])
        test.bandwidth = limit
        return test
    }

    private static func toNetdev(_ name: String, _ limit: TestBandwidth, dropped: Bool) -> SelftestCase {
        let packet = NATCases.leaving(NATCases.question(.udp))
        var test = SelftestCase(
            name: "rate: \(name)", program: .toNetdev, nat: NATSetup(), packet: packet,
            verdict: dropped ? .drop : .pass,
            output: dropped ? nil : NATCases.leaving(NATCases.question(.udp, from: TestNode.node)),
            events: dropped
                ? [
                    ExpectedEvent(
                        reason: .bandwidthExceeded, point: .toNetwork, source: TestNode.pod,
                        destination: TestNode.world,
                        transport: .ports(source: NATCases.port, destination: NATCases.dns),
                        file: "host.bpf.c")
                ] : [NATCases.sent()])
        test.bandwidth = limit
        return test
    }

    /// Checks the departure times of packets that follow each other. They must be as far apart as the rate says, and
    /// the map must have the last one.
    static func departures() throws -> [String] {
        let rate: UInt64 = 1_000_000
        let bench = try SelftestBench(.overlay)
        try bench.apply(.quiet, pacesPods: true)
        try TestBandwidth.apply(TestBandwidth(bytesPerSecond: rate, queue: second / 2), to: bench.object)
        let rates: Map<BandwidthKey, BandwidthEntry> = try bench.object.map(MapName.bandwidth)
        let frame = WireTest.fromPod(ttl: 64, Frame.udp(40_000, 8080))
        // Older kernels count a test packet without its Ethernet header.
        let lengths = [UInt64(frame.count), UInt64(frame.count - 14)]
        var problems: [String] = []
        for number in 1...3 {
            let before = try rates.value(for: BandwidthKey(TestNode.pod))?.next ?? 0
            let run = try bench.run(.toOverlay, packet: frame, tunnelIdentifier: TestNode.podIdentity.rawValue)
            let after = try rates.value(for: BandwidthKey(TestNode.pod))?.next ?? 0
            if !lengths.map({ before + $0 * 1_000_000_000 / rate }).contains(after) {
                problems.append("packet \(number): the queue grew by \(after - before) ns")
            }
            if run.departure != after { problems.append("packet \(number): departs at \(run.departure), not \(after)") }
        }
        return problems
    }
}
