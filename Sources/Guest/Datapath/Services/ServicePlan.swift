import DatapathModel
import KubeObjects
import NetAddress

/// The address, port and transport at which a service is called or a backend answers.
struct ServiceEnd: Hashable, Sendable, Comparable, CustomStringConvertible {
    let address: IPv4Address
    let port: UInt16
    /// The IP protocol number: TCP or UDP.
    let ipProtocol: UInt8
    /// For a frontend, the callers that it serves.
    var scope = ServiceScope.everybody

    /// All fields in their order. Comparing and hashing numbers keeps tens of thousands of them cheap.
    private var packed: UInt64 {
        UInt64(address.rawValue) << 32 | UInt64(port) << 16 | UInt64(ipProtocol) << 8 | UInt64(scope.rawValue)
    }

    static func == (left: ServiceEnd, right: ServiceEnd) -> Bool { left.packed == right.packed }
    static func < (left: ServiceEnd, right: ServiceEnd) -> Bool { left.packed < right.packed }
    func hash(into hasher: inout Hasher) { hasher.combine(packed) }

    /// `10.100.0.1:443/TCP`
    var description: String {
        "\(address):\(port)/\(ipProtocol == 6 ? "TCP" : "UDP")" + (scope == .outside ? "/outside" : "")
    }
}

/// The intended state of a frontend.
struct FrontendPlan: Equatable, Sendable {
    enum Kind: String, Sendable, CaseIterable {
        case clusterIP = "ClusterIP"
        case nodePort = "NodePort"
        case externalIP = "ExternalIP"
        case loadBalancer = "LoadBalancer"
        case hostPort = "HostPort"
    }

    let service: ObjectKey
    let kind: Kind
    /// The backends in order.
    let backends: [ServiceEnd]
    /// The seconds for which a client stays with its backend. If it is 0, every call may go to another one.
    let affinitySeconds: UInt32
    /// The callers other than those inside the cluster.
    var flags: ServiceEntry.Flags = []
    /// The entries of the Maglev table for calls from outside. If it is 0, backends are chosen at random.
    var maglevSize = 0
}

/// Derives frontends and backends from Kubernetes objects. It is pure. For callers in the cluster, a frontend leads to
/// all endpoints whatever `externalTrafficPolicy` says, as it does for pods behind kube-proxy.
struct ServicePlan: Sendable {
    let nodeName: String
    /// The addresses of all nodes. Each node serves every node port at all of them.
    let nodeAddresses: [IPv4Address]
    /// The addresses at which callers from outside reach this node.
    var ownAddresses: [IPv4Address] = []
    /// Says whether cluster addresses can be called from outside, too (`bpf.lbExternalClusterIP`).
    var opensClusterAddresses = false
    /// The kinds that are served. The others are left to kube-proxy.
    var kinds = Set(FrontendPlan.Kind.allCases)
    /// The size of the tables for calls from outside (`loadBalancer.algorithm: maglev`). If it is 0, backends are
    /// chosen at random.
    var maglevSize = 0
    /// The IP protocols for which backends on other nodes answer callers directly (`loadBalancer.mode`).
    var directProtocols: Set<UInt8> = []

    /// A digest of all fields. Equal plans have the same digest in every process.
    var digest: UInt64 {
        let text = [
            nodeName, "\(nodeAddresses)", "\(ownAddresses)", "\(opensClusterAddresses)",
            "\(kinds.map(\.rawValue).sorted())", "\(maglevSize)", "\(directProtocols.sorted())",
        ].joined(separator: "\n")
        return ServiceMark.digest(text.utf8.map(UInt64.init)[...])
    }

    /// - Parameter slices: The service's own slices. Those of other families than IPv4 are ignored.
    func frontends(of service: Service, _ slices: [EndpointSlice]) -> [ServiceEnd: FrontendPlan] {
        guard service.spec.type != .externalName else { return [:] }
        var plans: [ServiceEnd: FrontendPlan] = [:]
        for port in service.spec.ports {
            guard let number = Self.number(of: port.protocol) else { continue }
            // A gateway has the node's proxy in place of pods. Its node ports are the proxy's own sockets.
            let proxy = gatewayProxy(of: service, port, number)
            let (all, own) = proxy.map { ($0, $0) } ?? endpoints(of: port, number, slices)
            func set(
                _ end: ServiceEnd, _ kind: FrontendPlan.Kind, _ backends: [ServiceEnd], _ flags: ServiceEntry.Flags
            ) {
                if plans[end] != nil { return }
                plans[end] = FrontendPlan(
                    service: service.key, kind: kind, backends: backends,
                    affinitySeconds: UInt32(clamping: service.affinityTimeout ?? 0), flags: flags,
                    maglevSize: end.scope == .outside || (flags.contains(.outside) && !flags.contains(.scopes))
                        ? maglevSize : 0)
            }
            /// The flags of a frontend for outside callers. Backends on other nodes answer directly only for a frontend
            /// that every node has, because the other node must know the frontend under which it answers.
            func outside(_ address: IPv4Address, _ kind: FrontendPlan.Kind) -> ServiceEntry.Flags {
                let isEverywhere = kind != .nodePort || nodeAddresses.contains(address)
                return isEverywhere && directProtocols.contains(number) ? [.outside, .direct] : .outside
            }
            /// Adds frontends that are called from outside, too, with the backends that `externalTrafficPolicy` allows.
            func open(_ addresses: [IPv4Address], _ port: UInt16, _ kind: FrontendPlan.Kind) {
                let hasScopes = service.spec.externalTrafficPolicy == .local
                for address in addresses {
                    let end = ServiceEnd(address: address, port: port, ipProtocol: number)
                    set(end, kind, all, hasScopes ? [.outside, .scopes] : outside(address, kind))
                    guard hasScopes, plans[end]?.flags.contains(.scopes) ?? false else { continue }
                    set(ServiceEnd(address: address, port: port, ipProtocol: number, scope: .outside), kind, own, [])
                }
            }
            for address in Self.addresses(service.clusterAddresses) {
                set(
                    ServiceEnd(address: address, port: port.port, ipProtocol: number), .clusterIP,
                    service.spec.internalTrafficPolicy == .local ? own : all,
                    opensClusterAddresses ? outside(address, .clusterIP) : [])
            }
            guard !service.isHeadless else { continue }
            open(Self.addresses(service.spec.externalIPs), port.port, .externalIP)
            if service.spec.loadBalancerSourceRanges.isEmpty {
                open(Self.addresses(service.loadBalancerAddresses), port.port, .loadBalancer)
            } else {
                // The source ranges of the service are not supported, so nobody from outside is let in.
                for address in Self.addresses(service.loadBalancerAddresses) {
                    set(ServiceEnd(address: address, port: port.port, ipProtocol: number), .loadBalancer, all, [])
                }
            }
            guard proxy == nil, let nodePort = port.nodePort, service.spec.type != .clusterIP else { continue }
            open(ownAddresses, nodePort, .nodePort)
            for address in nodeAddresses {
                set(ServiceEnd(address: address, port: nodePort, ipProtocol: number), .nodePort, all, [])
            }
        }
        return plans.filter { kinds.contains($0.value.kind) }
    }

    /// Where the node's proxy takes calls of a gateway's port; nil for a service that is no gateway's.
    private func gatewayProxy(of service: Service, _ port: Service.Port, _ number: UInt8) -> [ServiceEnd]? {
        guard service.gatewayTable != nil, kinds.contains(.nodePort) else { return nil }
        guard number == 6, let nodePort = port.nodePort, let address = ownAddresses.first else { return [] }
        return [ServiceEnd(address: address, port: nodePort, ipProtocol: number)]
    }

    /// The backends of a port: ready ones, and those that still serve while they terminate.
    private struct Endpoints {
        var ready: [ServiceEnd] = []
        var serving: [ServiceEnd] = []

        mutating func add(_ end: ServiceEnd, _ conditions: EndpointSlice.Conditions) {
            if conditions.isReady {
                ready.append(end)
            } else if conditions.isServing, conditions.isTerminating {
                serving.append(end)
            }
        }

        /// The ready ones, or the others if there are none (KEP-1669). They are in order, and each comes once.
        var selected: [ServiceEnd] {
            var ends = ready.isEmpty ? serving : ready
            ends.sort()
            var count = 0
            for end in ends where count == 0 || ends[count - 1] != end {
                ends[count] = end
                count += 1
            }
            ends.removeLast(ends.count - count)
            return ends
        }
    }

    /// Returns all backends, and those on this node.
    func endpoints(
        of port: Service.Port, _ number: UInt8, _ slices: [EndpointSlice]
    ) -> (all: [ServiceEnd], own: [ServiceEnd]) {
        var (all, own) = (Endpoints(), Endpoints())
        for slice in slices where slice.addressType == .ipv4 {
            for target in slice.ports
            where (target.name ?? "") == (port.name ?? "") && Self.number(of: target.protocol) == number {
                guard let targetPort = target.port else { continue }
                for endpoint in slice.endpoints {
                    guard let address = endpoint.addresses.first.flatMap({ IPv4Address($0) }) else { continue }
                    let end = ServiceEnd(address: address, port: targetPort, ipProtocol: number)
                    all.add(end, endpoint.conditions)
                    if endpoint.nodeName == nodeName { own.add(end, endpoint.conditions) }
                }
            }
        }
        return (all.selected, own.selected)
    }

    private static func addresses(_ texts: [String]) -> [IPv4Address] { texts.compactMap { IPv4Address($0) } }

    /// Returns nil for a protocol that is not balanced.
    static func number(of transport: TransportProtocol) -> UInt8? {
        switch transport {
        case .tcp: 6
        case .udp: 17
        case .sctp, .any: nil
        }
    }
}
