import BPF
import Datapath
import DatapathModel
import NetAddress

/// The services that the self-test's node knows.
package enum TestServices {
    package static let udp: UInt8 = 17
    package static let tcp: UInt8 = 6
    package static let port: UInt16 = 80
    static let backendPort: UInt16 = 8080

    /// A service with one backend, a pod of another node.
    package static let remote = IPv4Address(10, 100, 0, 10)
    /// A service with one backend, the neighbour.
    static let local = IPv4Address(10, 100, 0, 11)
    /// A service with one backend, the pod itself.
    static let own = IPv4Address(10, 100, 0, 12)
    /// A service without backends.
    static let empty = IPv4Address(10, 100, 0, 13)
    /// A service with one backend that is there and one that has left. Its slots name the first.
    static let draining = IPv4Address(10, 100, 0, 14)
    /// A service with affinity and two backends, the remote pod and the neighbour.
    static let sticky = IPv4Address(10, 100, 0, 15)

    static let remoteBackend: UInt32 = 1
    static let localBackend: UInt32 = 2
    static let ownBackend: UInt32 = 3
    /// A backend that has left: the remote pod at another port.
    static let leavingBackend: UInt32 = 4
    static let leavingPort: UInt16 = 9090
    static let affinitySeconds: UInt32 = 600

    /// The frontends, each with the index of its entry in the reverse table and the numbers of its backends.
    static let frontends: [(address: IPv4Address, index: UInt16, backends: [UInt32])] = [
        (remote, 1, [remoteBackend]), (local, 2, [localBackend]), (own, 3, [ownBackend]), (empty, 4, []),
        (draining, 5, [remoteBackend]), (sticky, 6, [remoteBackend, localBackend]),
    ]

    /// A frontend that is called from outside, at a port of the node.
    struct NodePort: Sendable {
        let port: UInt16
        let index: UInt16
        let backends: [UInt32]
        var flags: ServiceEntry.Flags = .outside
        var scope = ServiceScope.everybody
        var maglevSize = 0
    }

    /// A service with one backend, the pod.
    static let toPod = NodePort(port: 30_080, index: 10, backends: [ownBackend])
    /// A service with one backend, a pod of another node.
    static let toRemote = NodePort(port: 30_081, index: 11, backends: [remoteBackend])
    /// A service with `externalTrafficPolicy: Local`: callers from outside get the pod, those of the cluster get
    /// another node's pod.
    static let toOwn = NodePort(port: 30_082, index: 13, backends: [ownBackend], flags: [], scope: .outside)
    /// A service with `externalTrafficPolicy: Local` and no pod on this node.
    static let toNobody = NodePort(port: 30_083, index: 15, backends: [], flags: [], scope: .outside)
    /// A service with two backends and a Maglev table in which every entry is the pod.
    static let hashed = NodePort(port: 30_085, index: 17, backends: [remoteBackend, ownBackend], maglevSize: 251)
    /// A service whose backend is another node's pod that answers callers directly.
    static let direct = NodePort(port: 30_086, index: 18, backends: [remoteBackend], flags: [.outside, .direct])
    static let withoutBackend = NodePort(port: 30_084, index: 16, backends: [])

    private static let nodePorts = [
        toPod, toRemote, toOwn, toNobody, withoutBackend, hashed, direct,
        NodePort(port: toOwn.port, index: 12, backends: [remoteBackend], flags: [.outside, .scopes]),
        NodePort(port: toNobody.port, index: 14, backends: [remoteBackend], flags: [.outside, .scopes]),
    ]

    static func index(of address: IPv4Address) -> UInt16 {
        frontends.first { $0.address == address }?.index ?? 0
    }

    /// Fills the service maps of an object, if it has any.
    static func fill(_ object: borrowing Object) throws {
        guard object.mapNames.contains(MapName.services) else { return }
        let services: Map<ServiceKey, ServiceEntry> = try object.map(MapName.services)
        let backends: Map<UInt32, BackendEntry> = try object.map(MapName.backends)
        let reverse: Map<UInt32, ReverseEntry> = try object.map(MapName.reverse)
        for (number, address, backendPort, isActive) in [
            (remoteBackend, TestNode.remotePod, backendPort, true),
            (localBackend, TestNode.neighbour, backendPort, true),
            (ownBackend, TestNode.pod, backendPort, true), (leavingBackend, TestNode.remotePod, leavingPort, false),
        ] {
            try backends.update(
                BackendEntry(address, port: backendPort, protocol: udp, isActive: isActive), for: number)
        }
        let maglev: Map<MaglevKey, MaglevPart> = try object.map(MapName.maglev)
        for part in 0...hashed.maglevSize / MaglevPart.entries {
            try maglev.update(
                MaglevPart(repeatElement(ownBackend, count: MaglevPart.entries)),
                for: MaglevKey(reverseIndex: hashed.index, part: UInt16(part)))
        }
        for nodePort in nodePorts {
            try reverse.update(ReverseEntry(TestNode.node, port: nodePort.port), for: UInt32(nodePort.index))
            for number in [udp, tcp] {
                func key(_ slot: Int) -> ServiceKey {
                    ServiceKey(
                        TestNode.node, port: nodePort.port, protocol: number, scope: nodePort.scope, slot: UInt16(slot))
                }
                for (slot, backend) in nodePort.backends.enumerated() {
                    try services.update(ServiceEntry(backend: backend), for: key(slot + 1))
                }
                try services.update(
                    ServiceEntry(
                        backends: UInt16(nodePort.backends.count), reverseIndex: nodePort.index, flags: nodePort.flags,
                        maglevSize: UInt32(nodePort.maglevSize)),
                    for: key(0))
            }
        }
        for frontend in frontends {
            try reverse.update(ReverseEntry(frontend.address, port: port), for: UInt32(frontend.index))
            for number in [udp, tcp] {
                for (slot, backend) in frontend.backends.enumerated() {
                    try services.update(
                        ServiceEntry(backend: backend),
                        for: ServiceKey(frontend.address, port: port, protocol: number, slot: UInt16(slot + 1)))
                }
                try services.update(
                    ServiceEntry(
                        backends: UInt16(frontend.backends.count), reverseIndex: frontend.index,
                        affinitySeconds: frontend.address == sticky ? affinitySeconds : 0),
                    for: ServiceKey(frontend.address, port: port, protocol: number))
            }
        }
    }

    /// Forgets all clients but one: the neighbour served the pod last.
    static func forgetClients(_ object: borrowing Object) throws {
        guard object.mapNames.contains(MapName.affinity) else { return }
        let affinity: Map<AffinityKey, AffinityEntry> = try object.map(MapName.affinity)
        for key in try affinity.keys() { try affinity.removeValue(for: key) }
        try affinity.update(
            AffinityEntry(backend: localBackend, expires: UInt32(Conntrack.now() + 100)),
            for: AffinityKey(client: TestNode.pod, reverseIndex: index(of: sticky)))
    }
}
