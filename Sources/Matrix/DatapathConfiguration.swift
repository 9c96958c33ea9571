/// What a datapath is configured to do, as far as it decides who reaches whom and with which source. The rows of the
/// cluster-level test are all of them.
public struct DatapathConfiguration: Sendable, Hashable, CustomStringConvertible {
    public enum Routing: String, Sendable, CaseIterable { case vxlan, geneve, native, eni }
    public enum Masquerade: String, Sendable, CaseIterable { case bpf, iptables, off }
    public enum Services: String, Sendable, CaseIterable {
        /// `kubeProxyReplacement: true`, socket-level balancing included.
        case datapath
        /// `kubeProxyReplacement: false`, kube-proxy's rules in their place.
        case kubeProxy = "kube-proxy"
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

/// Who sends, and to whom: classes of cells that fare alike.
public struct TrafficClass: Sendable, Hashable {
    public enum Sender: String, Sendable, CaseIterable { case pod, node }
    public enum Receiver: String, Sendable, CaseIterable {
        case podSameNode, podOtherNode, ownNode, otherNode, clusterIP, nodePortOwnNode, nodePortOtherNode
        /// The pod that sends is the service's only backend.
        case itselfThroughService
        case vpcHost, vpcDNS, internet
    }
    public let from: Sender
    public let to: Receiver

    public init(_ from: Sender, _ to: Receiver) {
        self.from = from
        self.to = to
    }

    /// All that exist: a node is not behind a service, and does not send to itself.
    public static let all: [TrafficClass] =
        Receiver.allCases.map { TrafficClass(.pod, $0) }
        + Receiver.allCases.filter { $0 != .itselfThroughService && $0 != .ownNode }.map { TrafficClass(.node, $0) }
}

/// How a class of cells must fare.
public struct TrafficExpectation: Sendable, Hashable {
    public enum Result: Sendable, Hashable {
        case open
        /// Dropped by a policy at the sender's or the receiver's node; a drop event must say so.
        case denied
        /// Lost outside of the datapath: the VPC does not carry the source or has no way back.
        case lost
        /// `open` or `denied`, as the backend that is chosen lies.
        case dependsOnBackend
    }
    public let result: Result
    /// What the receiver must see; nil where it depends on the backend that was chosen, or where nothing arrives.
    public let source: SourceExpectation?
    /// Why, one sentence.
    public let reason: String
}

extension DatapathConfiguration {
    /// How a class of cells fares. Pure; the text of every rule is its reason.
    ///
    /// The VPC is taken to be as the routing mode needs it: with `native` it has the pods' routes and no source check, with
    /// `eni` the pods' addresses are its own, and under a tunnel it knows the nodes' addresses only.
    public func expectation(of traffic: TrafficClass) -> TrafficExpectation {
        if let denied = denial(of: traffic) {
            return TrafficExpectation(result: denied.result, source: nil, reason: denied.reason)
        }
        switch traffic.from {
        case .pod: return fromPod(to: traffic.to)
        case .node: return fromNode(to: traffic.to)
        }
    }

    private func denial(of traffic: TrafficClass) -> (result: TrafficExpectation.Result, reason: String)? {
        guard policy == .defaultDeny else { return nil }
        switch (traffic.from, traffic.to) {
        case (.pod, .itselfThroughService): return nil
        case (.pod, _): return (.denied, "the sender's policy allows no egress")
        case (.node, .podSameNode): return nil
        case (.node, .podOtherNode): return (.denied, "the receiver's policy allows no ingress from other nodes")
        case (.node, .clusterIP), (.node, .nodePortOwnNode), (.node, .nodePortOtherNode):
            return (.dependsOnBackend, "a node reaches its own pods, and other nodes' pods allow no ingress")
        case (.node, _): return nil
        }
    }

    private func fromPod(to receiver: TrafficClass.Receiver) -> TrafficExpectation {
        switch receiver {
        case .podSameNode: return open(.pod, "pods of a node reach each other through its own maps")
        case .podOtherNode:
            return open(.pod, isTunnel ? "the tunnel keeps the pod's address" : "the VPC carries pods' addresses")
        case .ownNode: return open(.pod, "what stays on the node is not masqueraded")
        case .otherNode:
            guard isTunnel else { return open(.pod, "other nodes are within the cluster, and the VPC carries pods") }
            // Nodes are not reached through the tunnel, so that the VPC sees the source.
            return masquerade == .off
                ? lost("the VPC does not carry pods' addresses")
                : open(.node, "nodes are reached outside the tunnel, where the VPC knows nodes only")
        case .clusterIP: return open(.pod, "the service's address is translated, not the pod's")
        case .nodePortOwnNode, .nodePortOtherNode:
            if receiver == .nodePortOtherNode, services == .kubeProxy, isTunnel, masquerade == .off {
                return lost("the VPC does not carry pods' addresses to the other node")
            }
            return open(nil, "the source is the pod, or the node that forwards to another one's backend")
        case .itselfThroughService: return open(nil, "a pod's own service is not policed and leads back to it")
        case .vpcHost, .vpcDNS: return toVPC
        case .internet:
            return masquerade == .off
                ? lost("the internet gateway knows no pods") : open(.node, "the gateway translates the node's address")
        }
    }

    private var toVPC: TrafficExpectation {
        switch (routing, masquerade) {
        case (.eni, _): open(.pod, "the pod's address is one of the VPC")
        case (.native, .off): open(.pod, "the VPC has routes for pods")
        case (_, .off): lost("the VPC has no way back to pods")
        default: open(.node, "what leaves the cluster is masqueraded")
        }
    }

    private func fromNode(to receiver: TrafficClass.Receiver) -> TrafficExpectation {
        switch receiver {
        case .otherNode, .vpcHost, .vpcDNS, .internet: open(.node, "the node's own address")
        default: open(nil, "the node's own address or that of its host device")
        }
    }

    private func open(_ source: SourceExpectation?, _ reason: String) -> TrafficExpectation {
        TrafficExpectation(result: .open, source: source, reason: reason)
    }

    private func lost(_ reason: String) -> TrafficExpectation {
        TrafficExpectation(result: .lost, source: nil, reason: reason)
    }
}
