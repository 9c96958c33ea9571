/// The configuration of a datapath, as far as it decides who reaches whom and under which source. The cluster-level
/// test runs combinations of these.
public struct DatapathConfiguration: Sendable, Hashable, CustomStringConvertible {
    public enum Routing: String, Sendable, CaseIterable { case vxlan, geneve, native, eni }
    public enum Masquerade: String, Sendable, CaseIterable { case bpf, iptables, off }
    public enum Services: String, Sendable, CaseIterable {
        /// `kubeProxyReplacement: true`, including load balancing at the socket.
        case datapath
        /// `kubeProxyReplacement: false`, with kube-proxy's rules instead.
        case kubeProxy = "kube-proxy"
        /// `kubeProxyReplacement: false` without kube-proxy: nobody knows the services' addresses.
        case nobody
    }
    public enum Policy: String, Sendable, CaseIterable {
        case none
        /// A policy without rules, which isolates every pod in both directions.
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

    /// Returns the rows of the cluster-level test for one routing mode: both kinds of masquerade, services by the
    /// datapath and by `withoutReplacement`, without and with a policy. They are ordered so that few options change
    /// from one to the next.
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

    /// The chart's values for this configuration.
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
