import GatewayRoutes
import JSON

/// What a cloud controller looks at of a service.
public struct BalancedService: Sendable, Hashable {
    public struct Port: Sendable, Hashable {
        public var port: UInt16
        /// 0 while the API server has given none.
        public var nodePort: UInt16
        public var transport: String
    }
    public let name: ObjectName
    public var isLoadBalancer = false
    /// A service of a class is for another controller.
    public var loadBalancerClass = ""
    public var ports: [Port] = []
    /// Nonzero where only nodes with a pod of the service are targets, and say so there.
    public var healthCheckPort: UInt16 = 0
    /// What the load balancers do not have, in the service's words; empty if it asks for nothing else.
    public var unsupported = ""
    public var ingress: [String] = []
    public var finalizers: [String] = []
    public var isTerminating = false
    /// The name of the gateway that it is of; nil for any other service.
    var gateway: String?
    /// Its table of routes, as the gateway controller wrote it.
    var table: String?

    /// - Throws: `UnreadableObject`.
    public init(_ object: JSONValue) throws {
        name = try ObjectName(object)
        isTerminating = object.at("metadata", "deletionTimestamp") != nil
        finalizers = try object.at("metadata").map { try $0.texts("finalizers") } ?? []
        gateway = object.at("metadata", "labels", GatewayNames.owner)?.text
        table = object.at("metadata", "annotations", GatewayTable.annotation)?.text
        guard let spec = object.at("spec") else { return }
        isLoadBalancer = spec.at("type")?.text == "LoadBalancer"
        loadBalancerClass = spec.at("loadBalancerClass")?.text ?? ""
        func port(_ value: JSONValue?) -> UInt16 { value?.integerValue.flatMap { UInt16(exactly: $0) } ?? 0 }
        ports = try spec.list("ports").map {
            Port(
                port: port($0.at("port")), nodePort: port($0.at("nodePort")),
                transport: $0.at("protocol")?.text ?? "TCP")
        }
        if spec.at("externalTrafficPolicy")?.text == "Local" {
            healthCheckPort = port(spec.at("healthCheckNodePort"))
        }
        if try !spec.list("loadBalancerSourceRanges").isEmpty { unsupported = "spec.loadBalancerSourceRanges" }
        if spec.at("allocateLoadBalancerNodePorts") == .bool(false) {
            unsupported = "spec.allocateLoadBalancerNodePorts: false"
        }
        ingress =
            try object.at("status", "loadBalancer").map { try $0.list("ingress") }?
            .compactMap { $0.at("ip")?.text ?? $0.at("hostname")?.text } ?? []
    }

    /// The name of its load balancer, as Kubernetes' clouds have it: `a` and the uid, at most 32 characters.
    public var balancer: String { String(("a" + name.uid.filter { $0 != "-" }).prefix(32)) }

    public static let finalizer = "service.kubernetes.io/load-balancer-cleanup"
}
