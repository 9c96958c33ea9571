import Glibc
import LinuxKernel
import NetAddress
import Netlink
import NodeProtocol
import Prober

struct Failed: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw Failed(message()) }
}

func waitFor(_ what: String, _ condition: () throws -> Bool) throws {
    let deadline = Deadline.after(.seconds(10))
    while !(try condition()) {
        if deadline.hasPassed { throw Failed("no \(what) within 10 s") }
        poll(nil, 0, 5)
    }
}

/// Namespaces on one bridge, with addresses from 10.77.0.1 on. Each has its receivers on port 8080.
final class Field {
    let receivers: Receivers
    let pods: [PodReference]
    private var descriptors: [Int32] = []

    init(pods count: Int) throws {
        receivers = try Receivers()
        pods = (0..<count).map { PodReference(namespace: "test", name: "pod-\($0)") }
        let netlink = try NetlinkSocket()
        try netlink.createBridge("field")
        try netlink.setUp("field")
        let bridge = try netlink.link(named: "field").index
        for number in 0..<count {
            let namespace = try NetworkNamespace.create()
            try netlink.createVeth("v\(number)", peer: "eth0", peerNamespace: namespace.rawDescriptor)
            try netlink.changeLink(named: "v\(number)", LinkChange(isUp: true, master: bridge))
            guard let inside = IPv4CIDR(address(number), prefixLength: 16) else { throw Failed("address") }
            try namespace.run {
                let inner = try NetlinkSocket()
                try inner.setUp("lo")
                try inner.setUp("eth0")
                try inner.addAddress(inside, linkIndex: try inner.link(named: "eth0").index)
            }
            try receivers.open(pods[number], port: 8080, in: namespace)
            descriptors.append(open("/proc/self/fd/\(namespace.rawDescriptor)", O_RDONLY | O_CLOEXEC))
        }
    }

    func address(_ number: Int) -> IPv4Address { IPv4Address(10, 77, 0, UInt8(number + 1)) }
    var targets: [ProbeTarget] {
        pods.indices.map { ProbeTarget(index: $0, address: address($0).description, port: 8080) }
    }
    var path: @Sendable (PodReference) -> String {
        let table = Dictionary(uniqueKeysWithValues: zip(pods, descriptors))
        return { "/proc/self/fd/\(table[$0] ?? -1)" }
    }

    func probe(
        id: UInt64, deadlineMillis: Int, to targets: [ProbeTarget], from senders: [Int]? = nil,
        sources given: [ProbeSource]? = nil, protocols: [String] = ["tcp", "udp", "icmp"], count: Int = 1
    ) throws -> (summary: ProbeSummary, results: [ProbeResult]) {
        let sources = given ?? (senders ?? Array(pods.indices)).map { ProbeSource(index: $0, pod: pods[$0]) }
        let plan = ProbePlan(
            id: id, deadlineMillis: deadlineMillis, protocols: protocols, sources: sources, targets: targets,
            pairs: sources.map { source in
                targets.indices.filter { targets[$0].address != address(source.index).description }
            }, count: count, intervalMillis: 5)
        return try ProbeRun(plan, namespacePath: path).run()
    }

    /// Adds an nftables rule for what comes into a namespace.
    func rules(_ number: Int, _ rule: String) throws {
        try nft(
            number, "add table ip t; add chain ip t in { type filter hook input priority 0; }; add rule ip t in \(rule)"
        )
    }

    func clear(_ number: Int) throws { try nft(number, "delete table ip t") }

    private func nft(_ number: Int, _ text: String) throws {
        let status = try NetworkNamespace(path: "/proc/self/fd/\(descriptors[number])").run {
            system("PATH=/usr/sbin:/sbin:$PATH nft '\(text)'")
        }
        try expect(status == 0, "nft \(text): \(status)")
    }
}
