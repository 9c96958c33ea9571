import Fabric
import Foundation
import Glibc
import LinuxKernel
import NetAddress
import Netlink

/// A fabric with nodes that are network namespaces on veth pairs, in place of virtual machines on taps.
final class TestVPC: Sendable {
    let fabric: Fabric
    let nodes: [TestNode]

    static let openRules = [
        SecurityGroupRule(name: "vxlan", protocol: .udp, ports: 8472...8472, peer: .group("sg-nodes")),
        SecurityGroupRule(name: "http", protocol: .tcp, ports: 8080...8090, peer: .any),
        SecurityGroupRule(name: "icmp", protocol: .icmp, peer: .cidr(IPv4CIDR("10.0.0.0/16") ?? .any)),
    ]

    init(
        nodes count: Int, rules: [SecurityGroupRule] = openRules, output: String? = nil,
        capture: CaptureSpec? = CaptureSpec(), check: Bool = true
    ) async throws {
        let subnet = SubnetSpec(name: "a", cidr: try require(IPv4CIDR("10.0.0.0/24")), bridge: "br-a")
        fabric = try await Fabric.start(
            FabricSpec(
                subnets: [subnet], securityGroups: [SecurityGroup(name: "sg-nodes", rules: rules)], capture: capture,
                outputDirectory: output))
        var made: [TestNode] = []
        for number in 1...count { made.append(try TestNode(number, check: check)) }
        nodes = made
        for node in nodes { try await fabric.attachNIC(node.nic) }
    }

    /// Denied packets by the deny rule of a node's interface.
    func denied(_ node: TestNode, _ direction: SecurityGroupRule.Direction = .ingress) async throws -> UInt64 {
        let counters = try await fabric.counters()
        return counters.denied.filter { $0.node == node.name && $0.direction == direction }.map(\.packets).reduce(0, +)
    }
}

/// A network namespace with eth0 on the fabric.
final class TestNode: Sendable {
    let name: String
    let nic: NICSpec
    let namespace: NetworkNamespace
    var address: IPv4Address { nic.address }

    /// - Parameter check: Whether only the node's own address may leave and enter (the source/destination check).
    init(_ number: Int, check: Bool = true) throws {
        name = "node\(number)"
        nic = NICSpec(
            interfaceID: "eni-0000000000000000\(number)", node: name, tap: "tap\(number)",
            mac: MACAddress(rawValue: 0x5254_0000_0000 | UInt64(number)),
            address: IPv4Address(10, 0, 0, UInt8(10 + number)),
            subnet: "a", groups: ["sg-nodes"], sourceDestinationCheck: check)
        namespace = try NetworkNamespace.create()
        try NetlinkSocket().createVeth(
            nic.tap, peer: "eth0", peerMAC: nic.mac, peerNamespace: namespace.rawDescriptor)
        let address = try require(IPv4CIDR(nic.address, prefixLength: 24))
        try namespace.run {
            let inside = try NetlinkSocket()
            try inside.setUp("lo")
            let index = try inside.link(named: "eth0").index
            try inside.addAddress(address, linkIndex: index)
            try inside.setUp("eth0")
        }
    }

    /// A UDP or TCP socket of the node, bound to a port; TCP listens.
    func server(_ type: __socket_type, port: UInt16) throws -> Int32 {
        try namespace.run {
            let socket = try check("socket") { Glibc.socket(AF_INET, Int32(type.rawValue), 0) }
            var address = socketAddress(.any, port)
            try check("bind") {
                withUnsafePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
            if type == SOCK_STREAM { try check("listen") { listen(socket, 16) } }
            return socket
        }
    }

    /// Whether a TCP connection is made within a time, and its socket.
    func connect(to target: IPv4Address, port: UInt16, within time: Duration) throws -> Int32? {
        try namespace.run {
            let socket = try check("socket") {
                Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            }
            var address = socketAddress(target, port)
            let status = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if status == 0 { return socket }
            guard try waitUntilReady(socket, events: Int16(POLLOUT), until: .after(time)) else {
                close(socket)
                return nil
            }
            var error: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size)
            return error == 0 ? socket : nil
        }
    }

    /// Sends datagrams from a port of the node.
    func sendUDP(to target: IPv4Address, port: UInt16, from sourcePort: UInt16, payload: [UInt8], count: Int = 1) throws
    {
        let socket = try server(SOCK_DGRAM, port: sourcePort)
        defer { close(socket) }
        var address = socketAddress(target, port)
        for _ in 0..<count {
            let sent = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(socket, payload, payload.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if sent < 0 { throw SystemError.last("sendto", "\(target):\(port)") }
        }
    }

    /// Sends an IPv4 packet as it is, whatever source address it claims.
    func sendRaw(_ packet: [UInt8], to target: IPv4Address) throws {
        try namespace.run {
            let socket = try check("socket") { Glibc.socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_RAW)) }
            defer { close(socket) }
            var address = socketAddress(target, 0)
            try check("sendto") {
                withUnsafePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        sendto(socket, packet, packet.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
        }
    }
}

/// Whether a datagram arrives within a time.
func receives(_ socket: Int32, within time: Duration) throws -> Bool {
    guard try waitUntilReady(socket, events: Int16(POLLIN), until: .after(time)) else { return false }
    var buffer = [UInt8](repeating: 0, count: 2048)
    return recv(socket, &buffer, buffer.count, 0) >= 0
}

private func socketAddress(_ address: IPv4Address, _ port: UInt16) -> sockaddr_in {
    var result = sockaddr_in()
    result.sin_family = sa_family_t(AF_INET)
    result.sin_port = port.bigEndian
    result.sin_addr.s_addr = address.networkByteOrder
    return result
}

/// Polls a condition until it holds; the last state seen is in the error.
func eventually<State>(
    _ what: String, within time: Duration = .seconds(3), _ state: () async throws -> State,
    _ holds: (State) -> Bool
) async throws {
    let deadline = Deadline.after(time)
    while true {
        let seen = try await state()
        if holds(seen) { return }
        if deadline.hasPassed { throw Unexpected(description: "\(what): last seen \(seen)") }
        try await Task.sleep(for: .milliseconds(5))
    }
}
