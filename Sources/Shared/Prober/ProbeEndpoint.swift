import CLinuxShim
import CNodeShim
import Glibc
import LinuxKernel
import NetAddress
import NodeProtocol

/// Moves a thread between the network namespaces in which sockets are opened: the pods' and the node's own.
///
/// It belongs to one thread, which stays in the last namespace and must not be used for anything else afterwards.
final class NamespaceThread {
    private static let cloneNewNet: Int32 = 0x4000_0000
    private let path: (PodReference) -> String
    private var descriptors: [PodReference?: Int32] = [:]
    private var present: PodReference??

    init(path: @escaping (PodReference) -> String) { self.path = path }

    deinit { for descriptor in descriptors.values { close(descriptor) } }

    /// Moves the calling thread into the pod's namespace, or into the process's own for nil.
    func enter(_ pod: PodReference?) throws(SystemError) {
        if let present, present == pod { return }
        let descriptor: Int32
        if let known = descriptors[pod] {
            descriptor = known
        } else {
            let file = pod.map(path) ?? "/proc/self/ns/net"
            descriptor = try FileDescriptor.open(file, O_RDONLY).release()
            descriptors[pod] = descriptor
        }
        try check("setns", pod.map(path) ?? "host") { linux_setns(descriptor, Self.cloneNewNet) }
        present = .some(pod)
    }
}

/// The UDP and ICMP sockets of one sender, which all its targets share.
struct ProbeSockets {
    let datagrams: Int32
    let datagramPort: UInt16
    let echoes: Int32
    let echoIdentifier: UInt16

    /// Opens the sockets in the calling thread's namespace.
    init(withDatagrams: Bool, withEchoes: Bool) throws(SystemError) {
        var opened: Int32 = -1
        if withDatagrams { opened = try check("socket", "udp") { node_udp_socket(0) } }
        datagrams = opened
        datagramPort = opened < 0 ? 0 : UInt16(truncatingIfNeeded: node_local_port(opened))
        echoIdentifier = .random(in: 1...UInt16.max)
        guard withEchoes else {
            echoes = -1
            return
        }
        do {
            echoes = try check("socket", "icmp") { node_icmp_socket(0) }
        } catch {
            if opened >= 0 { Glibc.close(opened) }
            throw error
        }
    }

    func close() {
        if datagrams >= 0 { Glibc.close(datagrams) }
        if echoes >= 0 { Glibc.close(echoes) }
    }

    /// Returns 0, or the `errno` with which the kernel refused to send.
    func send(_ packet: inout node_probe_packet, datagramTo target: node_endpoint) -> Int32 {
        node_send(datagrams, &packet, node_probe_packet.length, target) < 0 ? errno : 0
    }

    /// Returns 0, or the `errno` with which the kernel refused to send.
    func send(_ packet: inout node_probe_packet, echoTo target: node_endpoint, sequence: UInt16) -> Int32 {
        let length = 8 + node_probe_packet.length
        return withUnsafeTemporaryAllocation(byteCount: length, alignment: 8) { buffer in
            let bytes = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
            node_icmp_echo(echoIdentifier, sequence, &packet, bytes)
            return node_send(echoes, bytes, length, node_endpoint(address: target.address, port: 0)) < 0 ? errno : 0
        }
    }
}

extension node_endpoint {
    init?(_ target: ProbeTarget) {
        guard let address = IPv4Address(target.address) else { return nil }
        self.init(address: address.rawValue, port: target.port)
    }
}
