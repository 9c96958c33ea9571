import DatapathModel
import KubeObjects
import NetAddress

/// Address, port and transport at which a service is called, or a backend answers.
struct ServiceEnd: Hashable, Sendable, Comparable, CustomStringConvertible {
    let address: IPv4Address
    let port: UInt16
    /// The IP protocol number: TCP or UDP.
    let ipProtocol: UInt8
    /// Of a frontend: who is led by it.
    var scope = ServiceScope.everybody

    /// All of it, in the order of its parts: comparing and hashing numbers is what makes tens of thousands of them
    /// cheap.
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

/// What a frontend is to be.
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
    /// In order.
    let backends: [ServiceEnd]
    /// 0: a client may go to another backend each time.
    let affinitySeconds: UInt32
    /// Who else than callers of the cluster.
    var flags: ServiceEntry.Flags = []
    /// Entries of the Maglev table that leads calls from outside; 0: at random.
    var maglevSize = 0
}

/// Frontends and backends that follow from Kubernetes objects; pure. For callers of the cluster a frontend leads to all
/// endpoints whatever `externalTrafficPolicy` says, as it does for pods behind kube-proxy.
struct ServicePlan: Sendable {
    let nodeName: String
    /// Of all nodes: each answers at every node port.
    let nodeAddresses: [IPv4Address]
    /// Those that callers from outside reach this node at.
    var ownAddresses: [IPv4Address] = []
    /// Whether cluster addresses are called from outside too (`bpf.lbExternalClusterIP`).
    var opensClusterAddresses = false
    /// What is served; the rest is left to kube-proxy.
    var kinds = Set(FrontendPlan.Kind.allCases)
    /// Of the tables that lead calls from outside (`loadBalancer.algorithm: maglev`); 0: at random.
    var maglevSize = 0
    /// IP protocols of which backends of other nodes answer callers directly (`loadBalancer.mode`).
    var directProtocols: Set<UInt8> = []

    /// Of all that it is; the same for equal plans in every process.
    var digest: UInt64 {
        let text = [
            nodeName, "\(nodeAddresses)", "\(ownAddresses)", "\(opensClusterAddresses)",
            "\(kinds.map(\.rawValue).sorted())", "\(maglevSize)", "\(directProtocols.sorted())",
        ].joined(separator: "\n")
        return ServiceMark.digest(text.utf8.map(UInt64.init)[...])
    }

    /// - Parameter slices: the service's own; slices of another family than IPv4 are left out.
    func frontends(of service: Service, _ slices: [EndpointSlice]) -> [ServiceEnd: FrontendPlan] {
        guard service.spec.type != .externalName else { return [:] }
        var plans: [ServiceEnd: FrontendPlan] = [:]
        for port in service.spec.ports {
            guard let number = Self.number(of: port.protocol) else { continue }
            let (all, own) = endpoints(of: port, number, slices)
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
            /// Only frontends that every node has, so that it knows what to answer under.
            func outside(_ address: IPv4Address, _ kind: FrontendPlan.Kind) -> ServiceEntry.Flags {
                let isEverywhere = kind != .nodePort || nodeAddresses.contains(address)
                return isEverywhere && directProtocols.contains(number) ? [.outside, .direct] : .outside
            }
            /// Called from outside too, then as `externalTrafficPolicy` says.
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
                // Ranges are not looked at, so nobody from outside is let in.
                for address in Self.addresses(service.loadBalancerAddresses) {
                    set(ServiceEnd(address: address, port: port.port, ipProtocol: number), .loadBalancer, all, [])
                }
            }
            guard let nodePort = port.nodePort, service.spec.type != .clusterIP else { continue }
            open(ownAddresses, nodePort, .nodePort)
            for address in nodeAddresses {
                set(ServiceEnd(address: address, port: nodePort, ipProtocol: number), .nodePort, all, [])
            }
        }
        return plans.filter { kinds.contains($0.value.kind) }
    }

    /// Backends of a port: those that are ready, and those that still serve while they terminate.
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

        /// The ready ones; where there are none, the others (KEP-1669). In order, each once.
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

    /// Backends anywhere, and those of this node.
    private func endpoints(
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

    /// Nil for what is not balanced.
    static func number(of transport: TransportProtocol) -> UInt8? {
        switch transport {
        case .tcp: 6
        case .udp: 17
        case .sctp, .any: nil
        }
    }
}
