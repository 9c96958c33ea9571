import Datapath
import DatapathModel
import NetAddress

/// Checks that packets which find their flow in the flow cache get the same treatment as packets that take the long
/// way, and that the cache serves them only while nothing has changed.
enum FlowCacheTest {
    /// A flow whose packets the cache may know.
    private struct Flow {
        let name: String
        var program = TestedProgram.fromContainer
        let source: IPv4Address
        let destination: IPv4Address
        var ports: (source: UInt16, destination: UInt16) = (40_000, 8080)
        var tunnelIdentifier: UInt32?
        /// Whether the program counts the packet's hop, and conntrack follows the flow.
        var isForwarded = true
        /// How many trace points report a packet.
        var points = 2
        /// Whether it answers the flow that leaves, which then comes first.
        var isAnswer = false

        /// - Parameter flags: The flags of a TCP segment, or nil for a datagram.
        func packet(flags: UInt8? = nil, ttl: UInt8 = 64, octets: Int = 6) -> [UInt8] {
            let payload = [UInt8](repeating: 0x4C, count: octets)
            let segment =
                flags.map {
                    Frame.tcp(
                        from: source, ports.source, to: destination, ports.destination, flags: $0, payload)
                } ?? Frame.udp(from: source, ports.source, to: destination, ports.destination, payload)
            return Frame.ethernet(
                to: TestNode.podHostMAC, from: TestNode.podMAC, type: Frame.ipv4,
                Frame.ipv4Packet(
                    from: source, to: destination, protocol: flags == nil ? 17 : 6, ttl: ttl, segment))
        }
    }

    private static let leaving = Flow(
        name: "masqueraded", program: .toNetdev, source: TestNode.pod, destination: TestNode.world,
        isForwarded: false, points: 1)

    private static let flows = [
        Flow(name: "to a pod of the node", source: TestNode.pod, destination: TestNode.neighbour),
        Flow(name: "to the overlay", source: TestNode.pod, destination: TestNode.remotePod),
        Flow(
            name: "out of the overlay", program: .fromOverlay, source: TestNode.remotePod, destination: TestNode.pod,
            tunnelIdentifier: TestNode.remoteIdentity.rawValue),
        leaving,
        Flow(
            name: "answer to a masqueraded flow", program: .fromNetdev, source: TestNode.world,
            destination: TestNode.node, ports: (8080, 40_000), isAnswer: true),
    ]

    private static let acknowledgement: UInt8 = 0x10
    private static let opening: UInt8 = 0x02
    private static let end: UInt8 = 0x11

    static func problems() throws -> [String] {
        try flows.flatMap { flow in
            var bench = try SelftestBench(flow.program.object)
            return try [nil, acknowledgement].flatMap { try same(flow, flags: $0, on: &bench) }
                + exceptions(flow, on: &bench) + reported(flow, on: &bench)
                + (flow.isForwarded ? ends(flow, on: &bench) : [])
        }
    }

    /// What one packet met.
    private struct Way: Equatable {
        let verdict: Int32
        let packet: [UInt8]
        let counts: [MetricsKey: UInt64]
    }

    private static func configure(_ setup: SelftestCase.Setup, _ bench: inout SelftestBench) throws {
        guard var config = TestNode.config(setup) else { throw SelftestFailure(description: "no configuration") }
        config.translatesServices = true
        config.routeMTU = TestNode.narrowMTU
        try bench.config.update(ConfigEntry(config), for: 0)
    }

    /// Empties conntrack and the flow cache. If the flow answers another one, a packet of that one is sent first.
    private static func prepare(_ flow: Flow, flags: UInt8?, _ bench: inout SelftestBench) throws {
        try bench.apply(.quiet)
        try bench.apply(.masquerading)
        try configure(.quiet, &bench)
        try bench.reachPods(atPeer: true)
        try bench.connections?.replace(with: [])
        try bench.raiseRevision()
        if flow.isAnswer { _ = try bench.run(leaving.program, packet: leaving.packet(flags: flags)) }
    }

    private static func send(_ packet: [UInt8], of flow: Flow, _ bench: inout SelftestBench) throws -> Way {
        let before = try bench.readMetrics()
        let run = try bench.run(flow.program, packet: packet, tunnelIdentifier: flow.tunnelIdentifier)
        let counts = try bench.readMetrics()
            .map { ($0, $1.packets - (before[$0]?.packets ?? 0)) }
            .filter { $0.1 > 0 }
        return Way(
            verdict: run.verdict, packet: run.packet, counts: Dictionary(counts, uniquingKeysWith: { $0 + $1 }))
    }

    /// Takes away what every program needs on the long way, without raising the revision.
    private static func cut(_ bench: inout SelftestBench) throws {
        try bench.interfaces.removeValue(for: TestNode.podInterface)
        try bench.apply(NATSetup(masquerades: true, hasDevice: false))
    }

    /// The third packet is served from the cache, although what it was judged by is gone by then. A cache that is a few
    /// ticks old does not serve, so that a slow machine may need several attempts.
    private static func same(_ flow: Flow, flags: UInt8?, on bench: inout SelftestBench) throws -> [String] {
        let packet = flow.packet(flags: flags)
        let name = "\(flow.name), \(flags == nil ? "UDP" : "TCP")"
        try prepare(flow, flags: flags, &bench)
        _ = try send(packet, of: flow, &bench)
        try bench.raiseRevision()
        let long = try send(packet, of: flow, &bench)
        var short = long
        for _ in 0..<50 {
            try prepare(flow, flags: flags, &bench)
            for _ in 0..<2 { _ = try send(packet, of: flow, &bench) }
            try cut(&bench)
            let before = try bench.packetsServedByFlowCache()
            short = try send(packet, of: flow, &bench)
            guard short == long else { continue }
            let served = try bench.packetsServedByFlowCache() - before
            try bench.raiseRevision()
            let last = try send(packet, of: flow, &bench)
            let later = try bench.packetsServedByFlowCache() - before - served
            return
                (served == 1 && later == 0
                ? [] : ["\(name): one packet served counts as \(served), one not served as \(later)"])
                + (last == long ? ["\(name): a verdict outlives what it was made of: \(last)"] : [])
        }
        return ["\(name): never served from the cache as by the long way: \(short) instead of \(long)"]
    }

    /// Sends packets of a flow that the cache knows, but which it must not serve, because they are too long for the
    /// route or at their last hop.
    private static func exceptions(_ flow: Flow, on bench: inout SelftestBench) throws -> [String] {
        var problems: [String] = []
        for (word, packet) in [
            ("last hop", flow.packet(ttl: 1)), ("too long", flow.packet(octets: TestNode.narrowMTU + 100)),
        ] {
            try prepare(flow, flags: nil, &bench)
            for _ in 0..<3 { _ = try send(flow.packet(), of: flow, &bench) }
            let way = try send(packet, of: flow, &bench)
            try bench.raiseRevision()
            let again = try send(packet, of: flow, &bench)
            if way != again { problems.append("\(flow.name), \(word): \(way), later \(again)") }
        }
        return problems
    }

    /// A segment that ends its connection is seen by conntrack.
    private static func ends(_ flow: Flow, on bench: inout SelftestBench) throws -> [String] {
        try prepare(flow, flags: opening, &bench)
        for flags in [opening, acknowledgement, acknowledgement, acknowledgement, end] {
            _ = try send(flow.packet(flags: flags), of: flow, &bench)
        }
        let states = Set(try bench.connections?.entries().map(\.state) ?? [])
        return states == [.closing] ? [] : ["\(flow.name): after FIN the connection is \(states)"]
    }

    /// Once traces are asked for, every packet is reported, also one of a flow that the cache knows.
    private static func reported(_ flow: Flow, on bench: inout SelftestBench) throws -> [String] {
        try prepare(flow, flags: nil, &bench)
        for _ in 0..<3 { _ = try send(flow.packet(), of: flow, &bench) }
        _ = try bench.drainEvents()
        try configure(.complete, &bench)
        _ = try send(flow.packet(), of: flow, &bench)
        let points = try bench.drainEvents().compactMap(\.point)
        return points.count == flow.points ? [] : ["\(flow.name): traced at \(points)"]
    }
}
