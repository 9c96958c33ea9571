/// `v1 Pod`, as far as a datapath needs it.
public struct Pod: KubeObject {
    public static let kind = ObjectKind.pods
    public var metadata: ObjectMeta
    public var spec: Spec
    public var status: Status

    public struct Spec: Codable, Sendable, Hashable {
        public var nodeName: String?
        public var hostNetwork: Bool?
        @OrEmpty public var containers: [Container]
        public init(nodeName: String? = nil, hostNetwork: Bool? = nil, containers: [Container] = []) {
            self.nodeName = nodeName
            self.hostNetwork = hostNetwork
            _containers = OrEmpty(wrappedValue: containers)
        }
    }

    public struct Container: Codable, Sendable, Hashable {
        public var name: String
        @OrEmpty public var ports: [Port]
        public init(name: String, ports: [Port] = []) {
            self.name = name
            _ports = OrEmpty(wrappedValue: ports)
        }
    }

    public struct Port: Codable, Sendable, Hashable {
        public var name: String?
        public var containerPort: UInt16
        public var hostPort: UInt16?
        public var hostIP: String?
        public var `protocol`: TransportProtocol
        public init(
            name: String? = nil, containerPort: UInt16, hostPort: UInt16? = nil, hostIP: String? = nil,
            protocol: TransportProtocol = .tcp
        ) {
            self.name = name
            self.containerPort = containerPort
            self.hostPort = hostPort
            self.hostIP = hostIP
            self.protocol = `protocol`
        }
        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            name = try fields.decodeIfPresent(String.self, forKey: .name)
            containerPort = try fields.decode(UInt16.self, forKey: .containerPort)
            hostPort = try fields.decodeIfPresent(UInt16.self, forKey: .hostPort)
            hostIP = try fields.decodeIfPresent(String.self, forKey: .hostIP)
            `protocol` = try fields.read(.protocol, or: .tcp)
        }
    }

    public struct Status: Codable, Sendable, Hashable {
        /// `Pending`, `Running`, `Succeeded`, `Failed`.
        public var phase: String?
        public var podIP: String?
        public var hostIP: String?
        @OrEmpty public var conditions: [Condition]
        public init(phase: String? = nil, podIP: String? = nil, hostIP: String? = nil, conditions: [Condition] = []) {
            self.phase = phase
            self.podIP = podIP
            self.hostIP = hostIP
            _conditions = OrEmpty(wrappedValue: conditions)
        }
    }

    public struct Condition: Codable, Sendable, Hashable {
        /// `Ready`, …
        public var type: String
        /// `True`, `False`, `Unknown`.
        public var status: String
        public init(type: String, status: String) {
            self.type = type
            self.status = status
        }
    }

    public init(metadata: ObjectMeta, spec: Spec = Spec(), status: Status = Status()) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try fields.decode(ObjectMeta.self, forKey: .metadata)
        spec = try fields.read(.spec, or: Spec())
        status = try fields.read(.status, or: Status())
    }

    public var isReady: Bool { status.conditions.contains { $0.type == "Ready" && $0.status == "True" } }

    /// Number of the port of this name, first container that has it.
    public func port(named name: String, protocol: TransportProtocol) -> UInt16? {
        spec.containers.lazy.flatMap(\.ports)
            .first { $0.name == name && ($0.protocol == `protocol` || `protocol` == .any) }?.containerPort
    }
}
