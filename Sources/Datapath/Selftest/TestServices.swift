import BPF
import DatapathModel
import NetAddress

/// The services that the self-test's node knows.
enum TestServices {
    static let udp: UInt8 = 17
    static let tcp: UInt8 = 6
    static let port: UInt16 = 80
    static let backendPort: UInt16 = 8080

    /// One backend: a pod of another node.
    static let remote = IPv4Address(10, 100, 0, 10)
    /// One backend: the neighbour.
    static let local = IPv4Address(10, 100, 0, 11)
    /// One backend: the pod itself.
    static let own = IPv4Address(10, 100, 0, 12)
    /// None.
    static let empty = IPv4Address(10, 100, 0, 13)
    /// One backend that is there, one that has left; the slots name the first.
    static let draining = IPv4Address(10, 100, 0, 14)
    /// With affinity: both the remote pod and the neighbour.
    static let sticky = IPv4Address(10, 100, 0, 15)

    static let remoteBackend: UInt32 = 1
    static let localBackend: UInt32 = 2
    static let ownBackend: UInt32 = 3
    /// The remote pod at another port, left.
    static let leavingBackend: UInt32 = 4
    static let leavingPort: UInt16 = 9090
    static let affinitySeconds: UInt32 = 600

    /// Frontend, index of its way back, numbers of its backends.
    static let frontends: [(address: IPv4Address, index: UInt16, backends: [UInt32])] = [
        (remote, 1, [remoteBackend]), (local, 2, [localBackend]), (own, 3, [ownBackend]), (empty, 4, []),
        (draining, 5, [remoteBackend]), (sticky, 6, [remoteBackend, localBackend]),
    ]

    static func index(of address: IPv4Address) -> UInt16 {
        frontends.first { $0.address == address }?.index ?? 0
    }

    /// Leaves an object without service maps as it is.
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

    /// All clients but one: the pod was last served by the neighbour.
    static func forgetClients(_ object: borrowing Object) throws {
        guard object.mapNames.contains(MapName.affinity) else { return }
        let affinity: Map<AffinityKey, AffinityEntry> = try object.map(MapName.affinity)
        for key in try affinity.keys() { try affinity.removeValue(for: key) }
        try affinity.update(
            AffinityEntry(backend: localBackend, expires: UInt32(Conntrack.now() + 100)),
            for: AffinityKey(client: TestNode.pod, reverseIndex: index(of: sticky)))
    }
}
