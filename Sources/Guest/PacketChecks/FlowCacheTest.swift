import Datapath
import DatapathModel
import NetAddress

/// Packets that find their flow in the flow cache fare as those that take the long way, and only while nothing changed.
enum FlowCacheTest {
    private static let tcp: UInt8 = 6
    private static let udp: UInt8 = 17

    /// A flow whose packets the cache may know.
    private struct Flow {
        let name: String
        var program = TestedProgram.fromContainer
        var setup = SelftestCase.Setup.quiet
        let source: IPv4Address
        let destination: IPv4Address
        var tunnelIdentifier: UInt32?

        /// - Parameter flags: those of a TCP segment; nil: a datagram.
        func packet(flags: UInt8? = nil, ttl: UInt8 = 64, octets: Int = 6) -> [UInt8] {
            Frame.ethernet(
                to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4,
                Frame.ipv4Packet(
                    from: source, to: destination, protocol: flags == nil ? FlowCacheTest.udp : FlowCacheTest.tcp,
                    ttl: ttl,
                    flags.map { Frame.tcp(40_000, 8080, flags: $0) }
                        ?? Frame.udp(40_000, 8080, [UInt8](repeating: 0x4C, count: octets))))
        }
    }

    private static let flows = [
        Flow(name: "to a pod of the node", source: TestNode.pod, destination: TestNode.neighbour),
        Flow(name: "to the overlay", source: TestNode.pod, destination: TestNode.remotePod),
        Flow(
            name: "out of the overlay", program: .fromOverlay, source: TestNode.remotePod, destination: TestNode.pod,
            tunnelIdentifier: TestNode.remoteIdentity.rawValue),
    ]

    private static let acknowledgement: UInt8 = 0x10
    private static let opening: UInt8 = 0x02
    private static let end: UInt8 = 0x11

    static func problems() throws -> [String] {
        try flows.flatMap { flow in
            var bench = try SelftestBench(flow.program.object)
            return try [nil, acknowledgement].flatMap { try same(flow, flags: $0, on: &bench) }
                + long(flow, on: &bench) + ends(flow, on: &bench) + reported(flow, on: &bench)
        }
    }

    /// What one packet met.
    private struct Way: Equatable {
        let verdict: Int32
        let packet: [UInt8]
        let counts: [MetricsKey: UInt64]
    }

    private static func prepare(_ flow: Flow, _ bench: inout SelftestBench) throws {
        try bench.apply(.quiet)
        guard var config = TestNode.config(.quiet) else { throw SelftestFailure(description: "no configuration") }
        config.translatesServices = true
        config.routeMTU = TestNode.narrowMTU
        try bench.config.update(ConfigEntry(config), for: 0)
        try bench.reachPods(atPeer: true)
        try bench.connections?.replace(with: [])
        try bench.raiseRevision()
    }

    private static func send(_ packet: [UInt8], of flow: Flow, _ bench: inout SelftestBench) throws -> Way {
        let before = try bench.readMetrics()
        let run = try bench.run(flow.program, packet: packet, tunnelIdentifier: flow.tunnelIdentifier)
        let counts = try bench.readMetrics().compactMapValues { $0.packets }
            .filter { $0.value != before[$0.key]?.packets ?? 0 }
            .map { ($0, $1 - (before[$0]?.packets ?? 0)) }
        return Way(
            verdict: run.verdict, packet: run.packet, counts: Dictionary(counts, uniquingKeysWith: { $0 + $1 }))
    }

    /// The third packet is served from the cache: the interface, without which the long way drops it, is gone by then.
    /// A cache that is a few ticks old does not serve, so that a slow machine may need several attempts.
    private static func same(_ flow: Flow, flags: UInt8?, on bench: inout SelftestBench) throws -> [String] {
        let packet = flow.packet(flags: flags)
        let name = "\(flow.name), \(flags == nil ? "UDP" : "TCP")"
        try prepare(flow, &bench)
        var long = try send(packet, of: flow, &bench)
        for _ in 0..<2 {
            try bench.raiseRevision()
            long = try send(packet, of: flow, &bench)
        }
        for _ in 0..<50 {
            try prepare(flow, &bench)
            for _ in 0..<2 { _ = try send(packet, of: flow, &bench) }
            try bench.interfaces.removeValue(for: TestNode.podInterface)
            let short = try send(packet, of: flow, &bench)
            guard short.verdict != Verdict.drop.rawValue else { continue }
            var problems: [String] = []
            if short != long { problems.append("\(name): \(short) from the cache, \(long) by the long way") }
            try bench.raiseRevision()
            let last = try send(packet, of: flow, &bench)
            if last.verdict != Verdict.drop.rawValue {
                problems.append("\(name): a verdict outlives what it was made of: \(last)")
            }
            return problems
        }
        return ["\(name): the cache never serves"]
    }

    /// Packets of a flow that the cache knows, but which it must not serve: too long for the way, and at their last hop.
    private static func long(_ flow: Flow, on bench: inout SelftestBench) throws -> [String] {
        var problems: [String] = []
        for (word, packet, reason) in [
            ("last hop", flow.packet(ttl: 1), Reason.ttlExceeded),
            ("too long", flow.packet(octets: TestNode.narrowMTU), .forwarded),
        ] {
            try prepare(flow, &bench)
            for _ in 0..<3 { _ = try send(flow.packet(), of: flow, &bench) }
            let way = try send(packet, of: flow, &bench)
            try bench.raiseRevision()
            let again = try send(packet, of: flow, &bench)
            if way != again { problems.append("\(flow.name), \(word): \(way), later \(again)") }
            if reason.isDrop, !way.counts.keys.contains(where: { $0.reason == reason }) {
                problems.append("\(flow.name), \(word): \(way.counts) lacks \(reason)")
            }
        }
        return problems
    }

    /// A segment that ends its connection is seen by conntrack.
    private static func ends(_ flow: Flow, on bench: inout SelftestBench) throws -> [String] {
        try prepare(flow, &bench)
        for flags in [opening, acknowledgement, acknowledgement, acknowledgement, end] {
            _ = try send(flow.packet(flags: flags), of: flow, &bench)
        }
        let states = Set(try bench.connections?.entries().map(\.state) ?? [])
        return states == [.closing] ? [] : ["\(flow.name): after FIN the connection is \(states)"]
    }

    /// Whoever asks for traces has every packet reported from then on.
    private static func reported(_ flow: Flow, on bench: inout SelftestBench) throws -> [String] {
        try prepare(flow, &bench)
        for _ in 0..<3 { _ = try send(flow.packet(), of: flow, &bench) }
        _ = try bench.drainEvents()
        guard var config = TestNode.config(.complete) else { throw SelftestFailure(description: "no configuration") }
        config.translatesServices = true
        try bench.config.update(ConfigEntry(config), for: 0)
        _ = try send(flow.packet(), of: flow, &bench)
        let points = try bench.drainEvents().compactMap(\.point)
        return points.count == 2 ? [] : ["\(flow.name): traced at \(points)"]
    }
}
