import CNodeShim
import Glibc
import LinuxKernel
import NetAddress

/// Passes datagrams to a port of a network namespace on to targets, and their answers back. A client stays with its
/// target. The target sees the namespace's address as the source.
///
/// A datagram for which there is no target is lost.
public final class UDPForwarder: Sendable {
    private let wake: LinuxKernel.Pipe
    private let port: UInt16
    private let front: Int32
    private let namespacePath: String
    private let targets: @Sendable () -> [ForwardTarget]

    /// - Parameters:
    ///   - namespacePath: The namespace, such as `/proc/self/fd/7`, open as long as the forwarder runs.
    ///   - targets: The targets that may be chosen now.
    /// - Throws: `SystemError`, with `EADDRINUSE` if somebody has the port.
    public init(
        _ name: String, port: UInt16, namespacePath: String, targets: @escaping @Sendable () -> [ForwardTarget]
    ) throws {
        wake = try Pipe()
        self.port = port
        self.namespacePath = namespacePath
        self.targets = targets
        front = try NetworkNamespace(path: namespacePath).run {
            try check("bind", "udp \(port)") { node_udp_socket(port) }
        }
        startThread(name) { self.serve() }
    }

    /// Ends the thread and closes the sockets.
    public func stop() { try? wake.writeEnd.writeAll([0]) }

    private func serve() {
        var flows = DatagramFlows<Int32>()
        defer {
            close(front)
            for flow in flows.flows.values { close(flow.socket) }
        }
        while true {
            let present = Array(flows.flows)
            let watched = [wake.readEnd.rawValue, front] + present.map(\.value.socket)
            var polled = watched.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, UInt(polled.count), present.isEmpty ? -1 : 1000) >= 0 || errno == EINTR else { return }
            if polled[0].revents != 0 { return }
            let now = MonotonicTime.now.nanoseconds
            for (index, (client, flow)) in present.enumerated() where polled[index + 2].revents != 0 {
                if passBack(flow, to: client) { flows.answered(client, now: now) }
            }
            if polled[1].revents != 0 { passOn(&flows, now) }
            for socket in flows.expire(now: now) { close(socket) }
        }
    }

    /// No more at once than a full queue has: answers wait, too.
    private static let batch = 256
    private static let longest = 65_536

    private func passOn(_ flows: inout DatagramFlows<Int32>, _ now: Int64) {
        withUnsafeTemporaryAllocation(byteCount: Self.longest, alignment: 8) { buffer in
            var (peer, local) = (node_endpoint(), node_endpoint())
            for _ in 0..<Self.batch {
                let count = node_receive(front, buffer.baseAddress, buffer.count, &peer, &local)
                guard count >= 0 else { return }
                let client = DatagramFlows<Int32>.Client(
                    address: peer.address, port: peer.port, local: local.address)
                let flow = flows.flow(of: client, targets: targets(), now: now) {
                    let socket = try? NetworkNamespace(path: namespacePath).run {
                        try check("socket", "udp") { node_udp_socket(0) }
                    }
                    return socket
                }
                guard let flow else { continue }
                let target = node_endpoint(address: flow.target.address.rawValue, port: flow.target.port)
                _ = node_send(flow.socket, buffer.baseAddress, count, target)
            }
        }
    }

    /// - Returns: Whether there was an answer of the flow's target.
    private func passBack(_ flow: DatagramFlows<Int32>.Flow, to client: DatagramFlows<Int32>.Client) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: Self.longest, alignment: 8) { buffer in
            var hasAnswer = false
            var (peer, local) = (node_endpoint(), node_endpoint())
            for _ in 0..<Self.batch {
                let count = node_receive(flow.socket, buffer.baseAddress, buffer.count, &peer, &local)
                guard count >= 0 else { break }
                guard peer.address == flow.target.address.rawValue, peer.port == flow.target.port else { continue }
                hasAnswer = true
                _ = node_answer(
                    front, buffer.baseAddress, count, node_endpoint(address: client.address, port: client.port),
                    node_endpoint(address: client.local, port: port))
            }
            // A target's refusal is an ICMP message, which keeps the socket ready until it is read.
            var refusal = node_queued_error()
            for _ in 0..<Self.batch where node_next_error(flow.socket, &refusal) == 0 { break }
            return hasAnswer
        }
    }
}
