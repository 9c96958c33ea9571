import BPF
import Datapath
import DatapathModel
import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// Calls services with real sockets of two pods, which are made as the agent makes them, in a namespace that stands for
/// the node. It shows what prepared packets cannot: that the kernels on both sides accept the packets, whose checksums
/// have not been computed yet.
enum ServiceWireTest {
    private static let mtu = 1450
    static let pods = [
        Pod(address: TestNode.pod, id: TestNode.podID, identity: TestNode.podIdentity, name: "one"),
        Pod(address: TestNode.neighbour, id: TestNode.neighbourID, identity: TestNode.neighbourIdentity, name: "two"),
    ]

    struct Pod: Sendable {
        let address: IPv4Address
        let id: UInt16
        let identity: Identity
        let name: String

        func record(ifindex: Int) -> EndpointRecord {
            let key = AttachmentKey(containerID: "selftest-\(name)", interface: "eth0")
            return EndpointRecord(
                id: id, containerID: key.containerID, interface: key.interface, netns: "", namespace: "selftest",
                name: name, labels: [:], identity: identity.rawValue, address: address.description,
                hostInterface: EndpointNaming.hostInterface(key), ifindex: ifindex,
                mac: EndpointNaming.mac(key, host: false), hostMAC: EndpointNaming.mac(key, host: true), phase: .ready)
        }
    }

    /// Returns the problems found.
    static func problems(isDelivered: Bool) throws -> [String] {
        try NetworkNamespace.create().run { try runInNamespace(isDelivered) }
    }

    private static func runInNamespace(_ isDelivered: Bool) throws -> [String] {
        var lxc = try EmbeddedObject.lxc.open()
        try lxc.load()
        try TestServices.fill(lxc)
        guard let config = TestNode.config(.services) else { throw SelftestFailure(description: "no configuration") }
        let configs: Map<UInt32, ConfigEntry> = try lxc.map(MapName.config)
        try configs.update(ConfigEntry(config), for: 0)
        let one = try NetworkNamespace.create()
        let two = try NetworkNamespace.create()
        try connect(pods[0], one, lxc, isDelivered: isDelivered)
        try connect(pods[1], two, lxc, isDelivered: isDelivered)
        var problems: [String] = []
        problems += try datagrams(one, two)
        problems += try refusals(one)
        problems += try streams(one, two, lxc)
        return problems
    }

    /// Connects a pod as the agent does, with maps written by the test.
    static func connect(
        _ pod: Pod, _ namespace: borrowing NetworkNamespace, _ lxc: borrowing Object, isDelivered: Bool = true
    ) throws {
        let netlink = try NetlinkSocket()
        let ifindex = try PodNetwork.connect(pod.record(ifindex: 0), namespace: namespace, mtu: mtu, netlink)
        let record = pod.record(ifindex: Int(ifindex))
        guard let mac = MACAddress(record.mac), let hostMAC = MACAddress(record.hostMAC) else {
            throw SelftestFailure(description: "no hardware address")
        }
        try TrafficControl.attach(lxc.program("to_container"), to: UInt32(ifindex), .egress)
        try TrafficControl.attach(lxc.program("from_container"), to: UInt32(ifindex), .ingress)
        let interfaces: Map<UInt32, InterfaceEntry> = try lxc.map(MapName.interfaces)
        try interfaces.update(
            InterfaceEntry(
                endpointID: pod.id, identity: pod.identity, ipv4: pod.address, podMAC: mac, hostMAC: hostMAC),
            for: UInt32(ifindex))
        let endpoints: Map<EndpointKey, EndpointEntry> = try lxc.map(MapName.endpoints)
        try endpoints.update(
            EndpointEntry(
                id: pod.id, identity: pod.identity, interface: UInt32(ifindex), podMAC: mac, hostMAC: hostMAC,
                isReachedAtPeer: isDelivered),
            for: EndpointKey(pod.address))
        try netlink.changeLink(index: ifindex, LinkChange(isUp: true))
        try PodNetwork.configure(record, router: TestNode.router, namespace: namespace)
    }

    private static func datagrams(
        _ one: borrowing NetworkNamespace, _ two: borrowing NetworkNamespace
    ) throws -> [String] {
        var problems: [String] = []
        for (name, service) in [("another pod", TestServices.local), ("itself", TestServices.own)] {
            let isOwn = service == TestServices.own
            let server = try isOwn ? one.run { try Bound(pods[0].address) } : two.run { try Bound(pods[1].address) }
            let client = try one.run { try Connected(service, stream: false) }
            try client.socket.send("question")
            let seen = try server.socket.echo()
            let expected = isOwn ? IPv4Address.serviceLoopback : pods[0].address
            if seen.address != expected { problems.append("UDP to \(name): the server saw \(seen.address)") }
            if try client.socket.receive() != "question" { problems.append("UDP to \(name): another answer") }
        }
        return problems
    }

    /// A socket that can be passed from the namespace's thread to another one.
    private final class Bound: Sendable {
        let socket: TestSocket
        init(_ address: IPv4Address) throws {
            socket = try TestSocket.bound(address, TestServices.backendPort, stream: false)
        }
    }

    private final class Listening: Sendable {
        let socket: TestSocket
        init(_ address: IPv4Address) throws { socket = try .listening(address, TestServices.backendPort) }
    }

    private final class Connected: Sendable {
        let socket: TestSocket
        init(_ service: IPv4Address, stream: Bool) throws {
            socket = try TestSocket(stream: stream)
            try socket.connect(to: service, TestServices.port)
        }
    }

    /// Calls of a service without backends, or with backends that do not listen, must be refused at once and not run
    /// into a timeout.
    private static func refusals(_ one: borrowing NetworkNamespace) throws -> [String] {
        var problems: [String] = []
        for service in [TestServices.empty, TestServices.local, TestServices.own] {
            for stream in [true, false] {
                let code = try one.run { () -> Int32 in
                    do {
                        let client = try Connected(service, stream: stream)
                        try client.socket.send("question")
                        _ = try client.socket.receive()
                        return 0
                    } catch let error as SystemError {
                        return error.code
                    }
                }
                if code != ECONNREFUSED {
                    problems.append("\(stream ? "TCP" : "UDP") to \(service), where nothing listens: error \(code)")
                }
            }
        }
        return problems
    }

    private static func streams(
        _ one: borrowing NetworkNamespace, _ two: borrowing NetworkNamespace, _ lxc: borrowing Object
    ) throws -> [String] {
        var problems: [String] = []
        let own = try one.run { try Listening(pods[0].address) }
        let other = try two.run { try Listening(pods[1].address) }
        let itself = try one.run { try Connected(TestServices.own, stream: true) }
        let toItself = try own.socket.accept()
        if try toItself.peer().address != .serviceLoopback { problems.append("TCP to itself: not under the loopback") }
        problems += try exchange("TCP to itself", itself.socket, toItself)

        let established = try one.run { try Connected(TestServices.local, stream: true) }
        let server = try other.socket.accept()
        if try server.peer().address != pods[0].address { problems.append("TCP: the server saw another caller") }
        if try established.socket.peer().address != TestServices.local { problems.append("TCP: another peer") }
        problems += try exchange("TCP", established.socket, server)

        // The backend leaves. Its connection must go on, and the next one must reach its successor.
        let backends: Map<UInt32, BackendEntry> = try lxc.map(MapName.backends)
        let services: Map<ServiceKey, ServiceEntry> = try lxc.map(MapName.services)
        try services.update(
            ServiceEntry(backend: TestServices.ownBackend),
            for: ServiceKey(TestServices.local, port: TestServices.port, protocol: TestServices.tcp, slot: 1))
        try backends.update(
            BackendEntry(pods[1].address, port: TestServices.backendPort, protocol: TestServices.tcp, isActive: false),
            for: TestServices.localBackend)
        problems += try exchange("TCP to a backend that has left", established.socket, server)
        let next = try one.run { try Connected(TestServices.local, stream: true) }
        problems += try exchange("TCP to its successor", next.socket, try own.socket.accept())
        return problems
    }

    private static func exchange(
        _ name: String, _ client: borrowing TestSocket, _ server: borrowing TestSocket
    ) throws -> [String] {
        try client.send("question")
        guard try server.receive() == "question" else { return ["\(name): another question"] }
        try server.send("answer")
        return try client.receive() == "answer" ? [] : ["\(name): another answer"]
    }
}
