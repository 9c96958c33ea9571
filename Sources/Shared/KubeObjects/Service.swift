/// `v1 Service`. What the API server fills in when a manifest leaves it out is filled in on reading.
public struct Service: KubeObject {
    public static let kind = ObjectKind.services
    public var metadata: ObjectMeta
    public var spec: Spec
    public var status: Status

    public enum ServiceType: String, Codable, Sendable, Hashable, CaseIterable {
        case clusterIP = "ClusterIP"
        case nodePort = "NodePort"
        case loadBalancer = "LoadBalancer"
        case externalName = "ExternalName"
    }

    public enum SessionAffinity: String, Codable, Sendable, Hashable, CaseIterable {
        case none = "None"
        case clientIP = "ClientIP"
    }

    public enum TrafficPolicy: String, Codable, Sendable, Hashable, CaseIterable {
        case cluster = "Cluster"
        case local = "Local"
    }

    public struct Spec: Codable, Sendable, Hashable {
        public var type: ServiceType
        /// Nil until one is allocated; `None` for a headless service.
        public var clusterIP: String?
        @OrEmpty public var clusterIPs: [String]
        /// Empty: endpoint slices are made by somebody else.
        @OrEmpty public var selector: [String: String]
        @OrEmpty public var ports: [Port]
        @OrEmpty public var externalIPs: [String]
        public var externalName: String?
        public var loadBalancerIP: String?
        @OrEmpty public var loadBalancerSourceRanges: [String]
        public var sessionAffinity: SessionAffinity
        public var sessionAffinityConfig: SessionAffinityConfig?
        public var internalTrafficPolicy: TrafficPolicy
        public var externalTrafficPolicy: TrafficPolicy
        public var healthCheckNodePort: UInt16?
        public var allocateLoadBalancerNodePorts: Bool?
        public var publishNotReadyAddresses: Bool?

        public init(
            type: ServiceType = .clusterIP, clusterIP: String? = nil, selector: [String: String] = [:],
            ports: [Port] = [], externalIPs: [String] = [], sessionAffinity: SessionAffinity = .none,
            internalTrafficPolicy: TrafficPolicy = .cluster, externalTrafficPolicy: TrafficPolicy = .cluster
        ) {
            self.type = type
            self.clusterIP = clusterIP
            _clusterIPs = OrEmpty(wrappedValue: clusterIP.map { [$0] } ?? [])
            _selector = OrEmpty(wrappedValue: selector)
            _ports = OrEmpty(wrappedValue: ports)
            _externalIPs = OrEmpty(wrappedValue: externalIPs)
            _loadBalancerSourceRanges = OrEmpty()
            self.sessionAffinity = sessionAffinity
            self.internalTrafficPolicy = internalTrafficPolicy
            self.externalTrafficPolicy = externalTrafficPolicy
        }

        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            type = try fields.read(.type, or: .clusterIP)
            clusterIP = try fields.decodeIfPresent(String.self, forKey: .clusterIP).flatMap { $0.isEmpty ? nil : $0 }
            _clusterIPs = try fields.decode(OrEmpty<[String]>.self, forKey: .clusterIPs)
            _selector = try fields.decode(OrEmpty<[String: String]>.self, forKey: .selector)
            _ports = try fields.decode(OrEmpty<[Port]>.self, forKey: .ports)
            _externalIPs = try fields.decode(OrEmpty<[String]>.self, forKey: .externalIPs)
            externalName = try fields.decodeIfPresent(String.self, forKey: .externalName)
            loadBalancerIP = try fields.decodeIfPresent(String.self, forKey: .loadBalancerIP)
            _loadBalancerSourceRanges = try fields.decode(OrEmpty<[String]>.self, forKey: .loadBalancerSourceRanges)
            sessionAffinity = try fields.read(.sessionAffinity, or: .none)
            sessionAffinityConfig = try fields.decodeIfPresent(
                SessionAffinityConfig.self, forKey: .sessionAffinityConfig)
            internalTrafficPolicy = try fields.read(.internalTrafficPolicy, or: .cluster)
            externalTrafficPolicy = try fields.read(.externalTrafficPolicy, or: .cluster)
            healthCheckNodePort = try fields.decodeIfPresent(UInt16.self, forKey: .healthCheckNodePort)
            allocateLoadBalancerNodePorts = try fields.decodeIfPresent(
                Bool.self, forKey: .allocateLoadBalancerNodePorts)
            publishNotReadyAddresses = try fields.decodeIfPresent(Bool.self, forKey: .publishNotReadyAddresses)
        }
    }

    public struct SessionAffinityConfig: Codable, Sendable, Hashable {
        public struct ClientIP: Codable, Sendable, Hashable {
            public var timeoutSeconds: Int?
            public init(timeoutSeconds: Int?) { self.timeoutSeconds = timeoutSeconds }
        }
        public var clientIP: ClientIP?
        public init(clientIP: ClientIP?) { self.clientIP = clientIP }
    }

    public struct Port: Codable, Sendable, Hashable {
        /// Nil or empty when the service has one port only.
        public var name: String?
        public var `protocol`: TransportProtocol
        public var port: UInt16
        /// The same number as `port` when left out.
        public var targetPort: IntOrString
        /// Nil until one is allocated.
        public var nodePort: UInt16?
        public var appProtocol: String?

        public init(
            name: String? = nil, protocol: TransportProtocol = .tcp, port: UInt16, targetPort: IntOrString? = nil,
            nodePort: UInt16? = nil
        ) {
            self.name = name
            self.protocol = `protocol`
            self.port = port
            self.targetPort = targetPort ?? .integer(Int(port))
            self.nodePort = nodePort
        }

        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            name = try fields.decodeIfPresent(String.self, forKey: .name)
            `protocol` = try fields.read(.protocol, or: .tcp)
            port = try fields.decode(UInt16.self, forKey: .port)
            targetPort = try fields.read(.targetPort, or: .integer(Int(port)))
            nodePort = try fields.decodeIfPresent(UInt16.self, forKey: .nodePort).flatMap { $0 == 0 ? nil : $0 }
            appProtocol = try fields.decodeIfPresent(String.self, forKey: .appProtocol)
        }
    }

    public struct Status: Codable, Sendable, Hashable {
        public var loadBalancer: LoadBalancer?
        public init(loadBalancer: LoadBalancer? = nil) { self.loadBalancer = loadBalancer }
    }

    public struct LoadBalancer: Codable, Sendable, Hashable {
        @OrEmpty public var ingress: [Ingress]
        public init(ingress: [Ingress] = []) { _ingress = OrEmpty(wrappedValue: ingress) }
    }

    public struct Ingress: Codable, Sendable, Hashable {
        public var ip: String?
        public var hostname: String?
        public init(ip: String? = nil, hostname: String? = nil) {
            self.ip = ip
            self.hostname = hostname
        }
    }

    public init(metadata: ObjectMeta, spec: Spec, status: Status = Status()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try fields.decode(ObjectMeta.self, forKey: .metadata)
        spec = try fields.decode(Spec.self, forKey: .spec)
        status = try fields.read(.status, or: Status())
    }

    /// `clusterIP: None`: no address of its own, its name stands for its endpoints.
    public var isHeadless: Bool { spec.clusterIP == "None" }

    /// Addresses of the service in the cluster: none when headless, external by name, or not allocated yet.
    public var clusterAddresses: [String] {
        guard !isHeadless, spec.type != .externalName else { return [] }
        return spec.clusterIPs.isEmpty ? spec.clusterIP.map { [$0] } ?? [] : spec.clusterIPs
    }

    /// Addresses that the cloud's load balancer gave it.
    public var loadBalancerAddresses: [String] {
        guard spec.type == .loadBalancer else { return [] }
        return (status.loadBalancer?.ingress ?? []).compactMap(\.ip)
    }

    /// How long a client stays with its backend, seconds; nil without affinity. Kubernetes' default is three hours.
    public var affinityTimeout: Int? {
        guard spec.sessionAffinity == .clientIP else { return nil }
        return spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800
    }
}
