/// What a datapath is configured to do, as far as it decides who reaches whom and with which source. The rows of the
/// cluster-level test are combinations of these.
public struct DatapathConfiguration: Sendable, Hashable, CustomStringConvertible {
    public enum Routing: String, Sendable, CaseIterable { case vxlan, geneve, native, eni }
    public enum Masquerade: String, Sendable, CaseIterable { case bpf, iptables, off }
    public enum Services: String, Sendable, CaseIterable {
        /// `kubeProxyReplacement: true`, socket-level balancing included.
        case datapath
        /// `kubeProxyReplacement: false`, kube-proxy's rules in their place.
        case kubeProxy = "kube-proxy"
        /// `kubeProxyReplacement: false`, and no kube-proxy: nobody knows services' addresses.
        case nobody
    }
    public enum Policy: String, Sendable, CaseIterable {
        case none
        /// A policy without rules isolates every pod in both directions.
        case defaultDeny = "default-deny"
    }

    public var routing: Routing
    public var masquerade: Masquerade
    public var services: Services
    public var policy: Policy

    public init(routing: Routing, masquerade: Masquerade, services: Services, policy: Policy) {
        self.routing = routing
        self.masquerade = masquerade
        self.services = services
        self.policy = policy
    }

    public static let all: [DatapathConfiguration] = Routing.allCases.flatMap { routing in
        Masquerade.allCases.flatMap { masquerade in
            Services.allCases.flatMap { services in
                Policy.allCases.map { policy in
                    DatapathConfiguration(
                        routing: routing, masquerade: masquerade, services: services, policy: policy)
                }
            }
        }
    }

    /// Rows of the cluster-level test for one routing mode: both ways to masquerade, services by the datapath and by
    /// `withoutReplacement`, without and with a policy. In an order in which few options change from one to the next.
    public static func rows(
        _ routing: Routing, withoutReplacement: Services
    ) -> [DatapathConfiguration] {
        [Masquerade.bpf, .iptables].enumerated().flatMap { index, masquerade in
            let services = index == 0 ? [Services.datapath, withoutReplacement] : [withoutReplacement, .datapath]
            return services.flatMap { services in
                Policy.allCases.map { policy in
                    DatapathConfiguration(
                        routing: routing, masquerade: masquerade, services: services, policy: policy)
                }
            }
        }
    }

    /// `vxlan-bpf-datapath-none`: a DNS label.
    public var description: String {
        "\(routing.rawValue)-\(masquerade.rawValue)-\(services.rawValue)-\(policy.rawValue)"
    }

    public var isTunnel: Bool { routing == .vxlan || routing == .geneve }

    /// The chart's values that say so.
    public var values: [String: String] {
        var values = [
            "enableIPv4Masquerade": "\(masquerade != .off)", "bpf.masquerade": "\(masquerade == .bpf)",
            "kubeProxyReplacement": "\(services == .datapath)", "socketLB.enabled": "\(services == .datapath)",
            "routingMode": isTunnel ? "tunnel" : "native",
        ]
        switch routing {
        case .vxlan, .geneve:
            values["tunnelProtocol"] = routing.rawValue
            values["ipam.mode"] = "cluster-pool"
        case .native:
            values["autoDirectNodeRoutes"] = "true"
            values["ipam.mode"] = "cluster-pool"
        case .eni:
            values["eni.enabled"] = "true"
            values["ipam.mode"] = "eni"
        }
        return values
    }
}
