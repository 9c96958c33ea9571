import BPF
import CPacketDriver
import Datapath
import DatapathModel
import LinuxKernel
import NetAddress

/// One loaded object with maps of its own, filled as `TestNode` describes. Nothing is pinned, so an agent that runs on
/// the same node is not touched.
package struct SelftestBench: ~Copyable {
    package let object: Object
    package let driver: Object
    package let config: Map<UInt32, ConfigEntry>
    package let interfaces: Map<UInt32, InterfaceEntry>
    private let revision: Map<UInt32, UInt32>
    private let endpoints: Map<EndpointKey, EndpointEntry>
    private let metrics: PerCPUMap<MetricsKey, MetricsValue>
    private let forwarded: PerCPUMap<ForwardedKey, MetricsValue>
    package let programUnderTest: Map<UInt32, UInt32>
    /// It is nil if the object tracks no connections.
    package let connections: TestConnections?
    private var ring: RingBuffer

    package init(_ embedded: EmbeddedObject) throws {
        var object = try embedded.open()
        try object.load()
        var driver = try Object(name: "selftest", image: Self.driverImage)
        try driver.load()
        let config: Map<UInt32, ConfigEntry> = try object.map(MapName.config)
        let interfaces: Map<UInt32, InterfaceEntry> = try object.map(MapName.interfaces)
        let endpoints: Map<EndpointKey, EndpointEntry> = try object.map(MapName.endpoints)
        let revision: Map<UInt32, UInt32> = try object.map(MapName.revision)
        let ipcache: Map<IPCacheKey, IPCacheValue> = try object.map(MapName.ipcache)
        let metrics: PerCPUMap<MetricsKey, MetricsValue> = try object.perCPUMap(MapName.metrics)
        let forwarded: PerCPUMap<ForwardedKey, MetricsValue> = try object.perCPUMap(MapName.forwarded)
        let programUnderTest: Map<UInt32, UInt32> = try driver.map("program_under_test")
        let ring = try object.ringBuffer(MapName.events)
        try Self.fill(endpoints, ipcache, atPeer: false)
        try TestServices.fill(object)
        connections = try TestConnections.open(object)
        self.object = object
        self.driver = driver
        self.config = config
        self.interfaces = interfaces
        self.endpoints = endpoints
        self.revision = revision
        self.metrics = metrics
        self.forwarded = forwarded
        self.programUnderTest = programUnderTest
        self.ring = ring
    }

    /// The compiled `selftest.bpf.c`.
    private static var driverImage: [UInt8] {
        let image = packet_driver_image()
        return Array(UnsafeBufferPointer(start: image.bytes, count: image.length))
    }

    /// Everything that a run left behind.
    struct Observation {
        let run: Program.TestRun
        let events: [EventRecord]
        let metrics: [MetricsKey: MetricsValue]
        let connections: [TestConnection]
    }

    /// Brings the maps into the case's state and runs its packet.
    mutating func observe(_ test: SelftestCase) throws -> Observation {
        try apply(test.setup, test.policy, pacesPods: test.bandwidth != nil, masquerades: test.nat != nil)
        try TestBandwidth.apply(test.bandwidth, to: object)
        try reachPods(atPeer: test.isDelivered)
        if test.setup == .unknownNeighbour { try interfaces.removeValue(for: TestNode.neighbourInterface) }
        try connections?.replace(with: test.connections)
        try TestServices.forgetClients(object)
        try NATSetup.apply(test.nat, to: object)
        try raiseRevision()
        for step in test.prior { _ = try run(step.program, packet: step.packet) }
        _ = try drainEvents()
        let before = try readMetrics()
        let run = try run(test.program, packet: test.packet, mark: test.mark, tunnelIdentifier: test.tunnelIdentifier)
        let after = try readMetrics()
        return Observation(
            run: run, events: try drainEvents(), metrics: difference(after, before),
            connections: try connections?.entries() ?? [])
    }

    /// Runs one packet in the state that the last case left.
    func run(
        _ program: TestedProgram, packet: [UInt8], mark: UInt32 = 0, tunnelIdentifier: UInt32? = nil
    ) throws -> Program.TestRun {
        let tested = try object.program(program.rawValue)
        guard let tunnelIdentifier else {
            return try tested.testRun(packet: packet, mark: mark, interface: TestNode.podInterface)
        }
        // A device gives a packet its tunnel key. The driver does so in its place, and tail-calls the real program.
        try programUnderTest.update(UInt32(tested.descriptor), for: 0)
        return try driver.program("with_tunnel_key")
            .testRun(packet: packet, mark: tunnelIdentifier, interface: TestNode.podInterface)
    }

    /// What the kernel reported about a program.
    func facts(of program: TestedProgram) throws -> ProgramFacts {
        let loaded = try object.program(program.rawValue)
        return ProgramFacts(
            program: program.rawValue, object: object.name, instructions: loaded.instructionCount,
            verifiedInstructions: loaded.verifiedInstructions)
    }

    /// The same of all programs of the loaded object.
    package func facts(of embedded: EmbeddedObject) throws -> [ProgramFacts] {
        try TestedProgram.allCases.filter { $0.object == embedded }.map { try facts(of: $0) }
    }

    /// The packets for each reason and direction, summed over all CPUs.
    package func readMetrics() throws -> [MetricsKey: MetricsValue] {
        var sums: [MetricsKey: MetricsValue] = [:]
        for entry in try metrics.entries() {
            sums[entry.key] = entry.values.reduce(MetricsValue(), +)
        }
        for entry in try forwarded.entries() {
            if let key = entry.key.metric { sums[key] = entry.values.reduce(sums[key] ?? MetricsValue(), +) }
        }
        return sums
    }

    /// The packets that the flow cache served.
    func packetsServedByFlowCache() throws -> UInt64 {
        try ForwardedKey.cached.reduce(0) { sum, key in
            try forwarded.values(for: key)?.reduce(sum) { $0 + $1.packets } ?? sum
        }
    }

    /// The packets of one series.
    func packets(_ key: MetricsKey) throws -> UInt64 {
        try metrics.values(for: key)?.reduce(0) { $0 + $1.packets } ?? 0
    }

    package mutating func drainEvents() throws -> [EventRecord] {
        var records: [EventRecord] = []
        var unreadable = 0
        try ring.consume { record in
            if let event = EventRecord(record: record) { records.append(event) } else { unreadable += 1 }
        }
        guard unreadable == 0 else {
            throw SelftestFailure(description: "\(unreadable) event records do not have the ABI's shape")
        }
        return records
    }

    mutating func discardEvents() throws { try ring.consume { _ in } }

    /// Raises the revision, as the agent does after a change of the maps.
    func raiseRevision() throws { try revision.raise() }

    package func apply(_ nat: NATSetup) throws { try NATSetup.apply(nat, to: object) }

    package func apply(
        _ setup: SelftestCase.Setup, _ policy: TestPolicy = TestPolicy(), pacesPods: Bool = false,
        masquerades: Bool = false
    ) throws {
        try policy.write(to: object)
        guard var node = TestNode.config(setup) else { return }
        node.pacesPods = pacesPods
        if masquerades, setup != .forwarded { node.translatesServices = true }
        try config.update(setup == .unconfigured ? .unconfigured : ConfigEntry(node), for: 0)
        if setup == .unknownInterface {
            try interfaces.removeValue(for: TestNode.podInterface)
        } else {
            let entry = InterfaceEntry(
                endpointID: TestNode.podID, identity: TestNode.podIdentity, ipv4: TestNode.pod,
                podMAC: TestNode.podMAC, hostMAC: TestNode.podHostMAC, enforcement: policy.enforcement)
            try interfaces.update(entry, for: TestNode.podInterface)
        }
    }

    /// Sets whether the program that receives a packet for one of the two pods delivers it.
    package func reachPods(atPeer: Bool) throws {
        try Self.fill(endpoints, atPeer: atPeer)
        guard atPeer else { return }
        let neighbour = InterfaceEntry(
            endpointID: TestNode.neighbourID, identity: TestNode.neighbourIdentity, ipv4: TestNode.neighbour,
            podMAC: TestNode.neighbourMAC, hostMAC: TestNode.neighbourHostMAC)
        try interfaces.update(neighbour, for: TestNode.neighbourInterface)
    }

    private static func fill(_ endpoints: borrowing Map<EndpointKey, EndpointEntry>, atPeer: Bool) throws {
        let pod = EndpointEntry(
            id: TestNode.podID, identity: TestNode.podIdentity, interface: TestNode.podInterface,
            podMAC: TestNode.podMAC, hostMAC: TestNode.podHostMAC, isReachedAtPeer: atPeer)
        let neighbour = EndpointEntry(
            id: TestNode.neighbourID, identity: TestNode.neighbourIdentity, interface: TestNode.neighbourInterface,
            podMAC: TestNode.neighbourMAC, hostMAC: TestNode.neighbourHostMAC, isReachedAtPeer: atPeer)
        try endpoints.update(pod, for: EndpointKey(TestNode.pod))
        try endpoints.update(neighbour, for: EndpointKey(TestNode.neighbour))
    }

    private static func fill(
        _ endpoints: borrowing Map<EndpointKey, EndpointEntry>, _ ipcache: borrowing Map<IPCacheKey, IPCacheValue>,
        atPeer: Bool
    ) throws {
        try fill(endpoints, atPeer: atPeer)
        try endpoints.update(.host, for: EndpointKey(TestNode.router))
        try endpoints.update(.host, for: EndpointKey(TestNode.node))
        let remote = IPCacheValue(identity: TestNode.remoteIdentity, tunnelEndpoint: TestNode.otherNode)
        try ipcache.update(remote, for: IPCacheKey(IPv4CIDR(host: TestNode.remotePod)))
        let otherNode = IPCacheValue(identity: .remoteNode)
        try ipcache.update(otherNode, for: IPCacheKey(IPv4CIDR(host: TestNode.otherNode)))
        // A range that a policy names.
        try ipcache.update(
            IPCacheValue(identity: TestNode.rangeIdentity), for: IPCacheKey(IPv4CIDR(host: TestNode.namedWorld)))
    }

    private func difference(
        _ after: [MetricsKey: MetricsValue], _ before: [MetricsKey: MetricsValue]
    ) -> [MetricsKey: MetricsValue] {
        var changes: [MetricsKey: MetricsValue] = [:]
        for (key, value) in after {
            let earlier = before[key] ?? MetricsValue()
            let packets = value.packets &- earlier.packets
            if packets > 0 { changes[key] = MetricsValue(packets: packets, bytes: value.bytes &- earlier.bytes) }
        }
        return changes
    }
}

/// The self-test itself could not continue.
package struct SelftestFailure: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
}
