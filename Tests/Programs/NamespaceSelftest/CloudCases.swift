import CloudAPI
import Fabric
import Foundation
import Glibc
import Lab
import LinuxKernel
import NetAddress
import Netlink
import Scenario
import VPCServices

/// The lab's cloud as nodes find it, with a namespace in place of the node and its machine.
let cloudCases: [(name: String, run: @Sendable () async throws -> Void)] = [
    ("cloud-services", cloudServices),
    ("cloud-interfaces", cloudInterfaces),
    ("balancer-forwards", balancerForwards),
]

/// Connections and datagrams to a balancer's port come to a target and back, and a refusal does not end it.
@Sendable private func balancerForwards() async throws {
    let namespace = try NetworkNamespace.create()
    try namespace.run { try NetlinkSocket().setUp("lo") }
    let path = "/proc/self/fd/\(namespace.rawDescriptor)"
    let target = ForwardTarget(address: IPv4Address(127, 0, 0, 2), port: 7000)
    func address(_ host: IPv4Address, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = host.networkByteOrder
        return address
    }
    /// A socket of the namespace that is bound to an address, or connected to one.
    func socket(
        _ type: __socket_type, _ end: sockaddr_in,
        _ call: @Sendable (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws -> Int32 {
        try namespace.run {
            var end = end
            let socket = try check("socket") { Glibc.socket(AF_INET, Int32(type.rawValue), 0) }
            try check("bind or connect") {
                withUnsafePointer(to: &end) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        call(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
            return socket
        }
    }
    func receive(_ socket: Int32, within time: Duration = .seconds(5)) throws -> String? {
        guard try waitUntilReady(socket, events: Int16(POLLIN), until: .after(time)) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 2048)
        let count = recv(socket, &buffer, buffer.count, 0)
        return count >= 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
    let datagrams = try UDPForwarder("udp", port: 53, namespacePath: path) { [target] in [target] }
    let echo = try EchoServer("echo", port: 7000, in: namespace)
    let streams = try TCPForwarder("tcp", port: 80, namespacePath: path) { [target] in [target] }
    defer {
        datagrams.stop()
        streams.stop()
        echo.stop()
    }
    let client = try socket(SOCK_DGRAM, address(IPv4Address(127, 0, 0, 9), 53)) { Glibc.connect($0, $1, $2) }
    defer { close(client) }
    // Nobody has the target's port yet: its refusal comes to the forwarder, and it goes on.
    try check("send") { Int32(send(client, "lost", 4, 0)) }
    try expect(try receive(client, within: .milliseconds(300)) == nil, "nobody answers")
    let server = try socket(SOCK_DGRAM, address(target.address, target.port)) { Glibc.bind($0, $1, $2) }
    defer { close(server) }
    for word in ["one", "two"] {
        try check("send") { Int32(send(client, word, word.utf8.count, 0)) }
        var (buffer, peer) = ([UInt8](repeating: 0, count: 2048), sockaddr_in())
        guard try waitUntilReady(server, events: Int16(POLLIN), until: .after(.seconds(5))) else {
            throw Unexpected(description: "\(word) did not come to the target")
        }
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let sent = withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                let count = recvfrom(server, &buffer, buffer.count, 0, peer, &size)
                return sendto(server, buffer, max(0, count), 0, peer, size)
            }
        }
        try expect(sent == word.utf8.count, "\(sent) bytes answered")
        // It comes from the address that was called: a connected socket takes no other.
        try expect(try receive(client) == word, "\(word) did not come back")
    }
    let stream = try socket(SOCK_STREAM, address(IPv4Address(127, 0, 0, 1), 80)) { Glibc.connect($0, $1, $2) }
    defer { close(stream) }
    try check("send") { Int32(send(stream, "hello", 5, 0)) }
    try expect(try receive(stream) == "hello", "the connection was not passed on")
}

/// Plugs nothing: what the cloud does to the fabric is looked at.
private actor PluggedCards: NodeMachine {
    private(set) var cards: [String] = []
    private var isBroken = false
    nonisolated let powerEvents = AsyncStream<PowerEvent> { $0.finish() }
    nonisolated let channelPath = ""
    nonisolated let consolePath = ""
    nonisolated func moveConsole(to path: String) {}

    func breakDown() { isBroken = true }
    func start() async throws {}
    func stop() async throws {}
    func pause() async throws {}
    func resume() async throws {}
    func setLink(up: Bool) async throws {}
    func power() async throws -> NodeState.Power { .running }
    func attachInterface(tap: String, mac: String) async throws {
        if isBroken { throw Unexpected(description: "no slot") }
        cards.append(mac)
    }
    func detachInterface(mac: String) async throws { cards.removeAll { $0 == mac } }
}

private final class CloudLab {
    let plan: LabPlan
    let fabric: Fabric
    let cloud: LabCloud
    let machine = PluggedCards()
    let namespace: NetworkNamespace

    init() async throws {
        namespace = try NetworkNamespace.create()
        var profile = LabProfile(
            name: "selftest", title: "", vpcCIDR: "10.0.0.0/16", subnetCIDR: "10.0.0.0/24", nodeCount: 1,
            nodePrefix: "node", kernel: "6.1", memoryMiB: 128, podCIDR: "192.168.0.0/16", podMaskSize: 24,
            securityGroups: [
                LabProfile.SecurityGroup(
                    name: "nodes",
                    rules: [
                        LabProfile.Rule(name: "all", direction: "ingress", protocol: "all", ports: nil, peer: "self")
                    ])
            ], nodeSecurityGroups: ["nodes"], sourceDestinationCheck: true, datapathValues: [:])
        profile.cloud.instanceType = "t3.medium"
        plan = try LabPlan(profile: profile)
        fabric = try await Fabric.start(try plan.fabricSpec(outputDirectory: nil))
        let node = plan.nodes[0]
        try NetlinkSocket().createVeth(
            node.tap, peer: "eth0", peerMAC: try require(MACAddress(node.mac)),
            peerNamespace: namespace.rawDescriptor)
        let address = try require(IPv4CIDR("\(node.address)/24"))
        let gateway = try require(IPv4Address(plan.gateway))
        try namespace.run {
            let inside = try NetlinkSocket()
            try inside.setUp("lo")
            let index = try inside.link(named: "eth0").index
            try inside.addAddress(address, linkIndex: index)
            try inside.setUp("eth0")
            try inside.replaceRoute(Route(to: .any, via: gateway, linkIndex: index))
        }
        for nic in try plan.nics(of: node) { try await fabric.attachNIC(nic) }
        cloud = try await LabCloud.start(plan, on: fabric)
        await cloud.interfaces.use(machine, for: node.name)
    }

    /// A socket of the node, connected to a host of the cloud.
    private func connected(_ type: __socket_type, _ target: IPv4Address, _ port: UInt16) throws -> Int32 {
        try namespace.run {
            let socket = try check("socket") { Glibc.socket(AF_INET, Int32(type.rawValue), 0) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = target.networkByteOrder
            try check("connect", "\(target):\(port)") {
                withUnsafePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
            return socket
        }
    }

    /// What comes back until the other side ends, or after one message of a datagram socket.
    func exchange(
        _ type: __socket_type, _ target: IPv4Address, _ port: UInt16, _ bytes: [UInt8], ends: Bool = true
    ) throws -> [UInt8] {
        let socket = try connected(type, target, port)
        defer { close(socket) }
        guard send(socket, bytes, bytes.count, 0) == bytes.count else { throw SystemError.last("send") }
        var answer: [UInt8] = []
        let deadline = Deadline.after(.seconds(5))
        while try waitUntilReady(socket, events: Int16(POLLIN), until: deadline) {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { return answer }
            answer += buffer[..<count]
            if !ends { return answer }
        }
        throw Unexpected(description: "\(target):\(port) did not answer, last: \(answer)")
    }

    func http(_ method: String, _ path: String, _ body: [UInt8] = [], at target: IPv4Address) throws -> (Int, [UInt8]) {
        let head = "\(method) \(path) HTTP/1.1\r\nHost: lab\r\nContent-Length: \(body.count)\r\n\r\n"
        let answer = try exchange(SOCK_STREAM, target, 80, Array(head.utf8) + body)
        let text = String(decoding: answer, as: UTF8.self)
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let status = try require(text.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        return (status, Array(parts.count > 1 ? Array(parts[1].utf8) : []))
    }

    func ask(_ request: CloudRequest) throws -> CloudReply {
        let body = Array(try JSONEncoder().encode(request))
        let (status, answer) = try http("POST", CloudService.path, body, at: CloudSpec.metadataAddress)
        guard status == 200 else { throw try JSONDecoder().decode(CloudFailure.self, from: Data(answer)) }
        return try JSONDecoder().decode(CloudReply.self, from: Data(answer))
    }

    func refusal(_ request: CloudRequest) throws -> CloudFailure.Code? {
        do {
            _ = try ask(request)
            return nil
        } catch let failure as CloudFailure { return failure.code }
    }
}

@Sendable private func cloudServices() async throws {
    let lab = try await CloudLab()
    let resolver = IPv4Address(10, 0, 0, 2)
    func query(_ name: String) -> [UInt8] {
        var bytes: [UInt8] = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
        return bytes + [0, 0, 1, 0, 1]
    }
    let answer = try lab.exchange(SOCK_DGRAM, resolver, 53, query("node1.internal"), ends: false)
    try expectEqual(Array(answer.suffix(4)), [10, 0, 0, 11])
    let unknown = try lab.exchange(SOCK_DGRAM, resolver, 53, query("nobody.internal"), ends: false)
    try expectEqual(unknown[3] & 15, 3)
    let framed = [0, UInt8(query("example.com").count)] + query("example.com")
    let stream = try lab.exchange(SOCK_STREAM, resolver, 53, framed, ends: false)
    try expectEqual(Array(stream.suffix(4)), [203, 0, 113, 10])
    let queries = lab.cloud.queries()
    try expect(queries.isComplete, "queries are forgotten")
    try expectEqual(queries.queries.map(\.code), ["NOERROR", "NXDOMAIN", "NOERROR"])
    try expect(queries.queries.allSatisfy { $0.source == "10.0.0.11" && $0.sourcePort > 0 }, "\(queries)")
    let world = IPv4Address(1, 1, 1, 1)
    let (status, page) = try lab.http("GET", "/", at: world)
    try expectEqual(status, 200)
    try expect(String(decoding: page, as: UTF8.self).contains("198.51.100.11"), String(decoding: page, as: UTF8.self))
    try expectEqual(try lab.exchange(SOCK_STREAM, world, 443, [1, 2, 3], ends: false), [1, 2, 3])
    let (_, address) = try lab.http("GET", "/latest/meta-data/local-ipv4", at: CloudSpec.metadataAddress)
    try expectEqual(String(decoding: address, as: UTF8.self), "10.0.0.11")
    try expectEqual(try lab.http("GET", "/latest/meta-data/none", at: CloudSpec.metadataAddress).0, 404)
    lab.cloud.stop()
}

@Sendable private func cloudInterfaces() async throws {
    let lab = try await CloudLab()
    let instance = try require(try lab.ask(CloudRequest(.describeInstance)).instance)
    try expectEqual(instance.instanceType, "t3.medium")
    try expectEqual(instance.interfaces.map(\.primaryAddress), ["10.0.0.11"])
    let before = try await lab.fabric.snapshot()
    let made = try require(try lab.ask(CloudRequest(.createNetworkInterface, count: 2)).interface)
    let attached = try require(
        try lab.ask(CloudRequest(.attachNetworkInterface, networkInterfaceID: made.id)).interface)
    try expectEqual(attached.deviceIndex, 1)
    try expectEqual(await lab.machine.cards, [attached.mac])
    let plugged = try await lab.fabric.snapshot()
    for address in [attached.primaryAddress] + attached.secondaryAddresses {
        try expect(plugged.neighbours.contains { $0.hasPrefix(address + " ") }, "the router does not know \(address)")
        let members = plugged.sets["ip members-nodes"] ?? []
        try expect(members.contains { $0.contains(address) }, "\(address) is in no group: \(members)")
    }
    let more = try require(
        try lab.ask(CloudRequest(.assignPrivateIpAddresses, networkInterfaceID: made.id, prefixCount: 1)).interface)
    try expectEqual(more.prefixes.count, 1)
    let prefix = try require(more.prefixes.first)
    let inside = String(prefix.prefix { $0 != "/" })
    try expect(
        try await lab.fabric.snapshot().neighbours.contains { $0.hasPrefix(inside + " ") }, "\(prefix) is not known")
    try expectEqual(
        try lab.refusal(CloudRequest(.assignPrivateIpAddresses, networkInterfaceID: made.id, count: 9)),
        .privateIpAddressLimitExceeded)
    let second = try require(try lab.ask(CloudRequest(.createNetworkInterface)).interface)
    _ = try lab.ask(CloudRequest(.attachNetworkInterface, networkInterfaceID: second.id))
    let third = try require(try lab.ask(CloudRequest(.createNetworkInterface)).interface)
    try expectEqual(
        try lab.refusal(CloudRequest(.attachNetworkInterface, networkInterfaceID: third.id)), .attachmentLimitExceeded)
    for interface in [made, second] {
        _ = try lab.ask(CloudRequest(.detachNetworkInterface, networkInterfaceID: interface.id))
    }
    try expectEqual(await lab.machine.cards, [])
    let differences = before.differences(to: try await lab.fabric.snapshot())
    try expect(differences.isEmpty, "left behind: \(differences)")
    // What the machine refuses has not happened.
    await lab.machine.breakDown()
    let records = await lab.cloud.interfaces.state()
    try expectEqual(
        try lab.refusal(CloudRequest(.attachNetworkInterface, networkInterfaceID: made.id)), .internalError)
    try expectEqual(await lab.cloud.interfaces.state(), records)
    try expect(before.differences(to: try await lab.fabric.snapshot()).isEmpty, "a refused card is on the fabric")
    lab.cloud.stop()
}
