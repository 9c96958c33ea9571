import KubeObjects
import NetAddress

/// Address, port and transport at which a service is called, or a backend answers.
struct ServiceEnd: Hashable, Sendable, Comparable, CustomStringConvertible {
    let address: IPv4Address
    let port: UInt16
    /// The IP protocol number: TCP or UDP.
    let ipProtocol: UInt8

    static func < (left: ServiceEnd, right: ServiceEnd) -> Bool {
        (left.address, left.port, left.ipProtocol) < (right.address, right.port, right.ipProtocol)
    }

    /// `10.100.0.1:443/TCP`
    var description: String { "\(address):\(port)/\(ipProtocol == 6 ? "TCP" : "UDP")" }
}

/// What a frontend is to be.
struct FrontendPlan: Equatable, Sendable {
    enum Kind: String, Sendable {
        case clusterIP = "ClusterIP"
        case nodePort = "NodePort"
        case externalIP = "ExternalIP"
        case loadBalancer = "LoadBalancer"
    }

    let service: ObjectKey
    let kind: Kind
    /// In order.
    let backends: [ServiceEnd]
    /// 0: a client may go to another backend each time.
    let affinitySeconds: UInt32
}

/// Frontends and backends that follow from Kubernetes objects; pure. Only what is called from within the cluster: a frontend
/// leads to all endpoints whatever `externalTrafficPolicy` says, as it does for pods behind kube-proxy.
struct ServicePlan: Sendable {
    let nodeName: String
    /// Of all nodes: each answers at every node port.
    let nodeAddresses: [IPv4Address]

    /// - Parameter slices: the service's own; slices of another family than IPv4 are left out.
    func frontends(of service: Service, _ slices: [EndpointSlice]) -> [ServiceEnd: FrontendPlan] {
        guard service.spec.type != .externalName else { return [:] }
        var plans: [ServiceEnd: FrontendPlan] = [:]
        for port in service.spec.ports {
            guard let number = Self.number(of: port.protocol) else { continue }
            let endpoints = Self.endpoints(of: port, number, slices)
            func add(_ addresses: [IPv4Address], _ port: UInt16, _ kind: FrontendPlan.Kind, localOnly: Bool = false) {
                let backends = Self.selected(localOnly ? endpoints.filter { $0.node == nodeName } : endpoints)
                for address in addresses {
                    let end = ServiceEnd(address: address, port: port, ipProtocol: number)
                    if plans[end] != nil { continue }
                    plans[end] = FrontendPlan(
                        service: service.key, kind: kind, backends: backends,
                        affinitySeconds: UInt32(clamping: service.affinityTimeout ?? 0))
                }
            }
            add(
                Self.addresses(service.clusterAddresses), port.port, .clusterIP,
                localOnly: service.spec.internalTrafficPolicy == .local)
            guard !service.isHeadless else { continue }
            add(Self.addresses(service.spec.externalIPs), port.port, .externalIP)
            add(Self.addresses(service.loadBalancerAddresses), port.port, .loadBalancer)
            if let nodePort = port.nodePort, service.spec.type != .clusterIP { add(nodeAddresses, nodePort, .nodePort) }
        }
        return plans
    }

    private struct Endpoint {
        let end: ServiceEnd
        let node: String?
        let conditions: EndpointSlice.Conditions
    }

    /// The ready ones; where there are none, those that still serve while they terminate (KEP-1669).
    private static func selected(_ endpoints: [Endpoint]) -> [ServiceEnd] {
        let ready = endpoints.filter(\.conditions.isReady)
        let chosen = ready.isEmpty ? endpoints.filter { $0.conditions.isServing && $0.conditions.isTerminating } : ready
        return Set(chosen.map(\.end)).sorted()
    }

    private static func endpoints(
        of port: Service.Port, _ number: UInt8, _ slices: [EndpointSlice]
    ) -> [Endpoint] {
        slices.filter { $0.addressType == .ipv4 }.flatMap { slice in
            slice.ports
                .filter { ($0.name ?? "") == (port.name ?? "") && Self.number(of: $0.protocol) == number }
                .compactMap(\.port)
                .flatMap { target in
                    slice.endpoints.compactMap { endpoint in
                        endpoint.addresses.first.flatMap { IPv4Address($0) }.map { address in
                            Endpoint(
                                end: ServiceEnd(address: address, port: target, ipProtocol: number),
                                node: endpoint.nodeName, conditions: endpoint.conditions)
                        }
                    }
                }
        }
    }

    private static func addresses(_ texts: [String]) -> [IPv4Address] { texts.compactMap { IPv4Address($0) } }

    /// Nil for what is not balanced.
    private static func number(of transport: TransportProtocol) -> UInt8? {
        switch transport {
        case .tcp: 6
        case .udp: 17
        case .sctp, .any: nil
        }
    }
}
