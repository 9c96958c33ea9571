/// A frontend of a service as the datapath has it.
public struct ServiceSample: Codable, Sendable, Hashable {
    public struct Backend: Codable, Sendable, Hashable {
        /// The datapath's number of it.
        public let number: UInt32
        /// `192.168.1.3:8080/TCP`
        public let address: String
        public init(number: UInt32, address: String) {
            self.number = number
            self.address = address
        }
    }

    /// Index of its entry in the reverse table.
    public let index: UInt16
    /// `10.100.0.1:443/TCP`
    public let frontend: String
    /// `ClusterIP`, `NodePort`, `ExternalIP`, `LoadBalancer`; nil when no known service has it.
    public let type: String?
    public let namespace: String?
    public let name: String?
    /// How long a client stays with its backend; 0: no affinity.
    public let affinitySeconds: UInt32
    /// By slot.
    public let backends: [Backend]

    public init(
        index: UInt16, frontend: String, type: String?, namespace: String?, name: String?, affinitySeconds: UInt32,
        backends: [Backend]
    ) {
        self.index = index
        self.frontend = frontend
        self.type = type
        self.namespace = namespace
        self.name = name
        self.affinitySeconds = affinitySeconds
        self.backends = backends
    }
}

/// Load-balancing maps, read from the kernel.
public struct LoadBalancingSample: Codable, Sendable {
    public let frontends: [ServiceSample]
    /// Take no new connections; there for those that they have.
    public let draining: [ServiceSample.Backend]
    public init(frontends: [ServiceSample], draining: [ServiceSample.Backend]) {
        self.frontends = frontends
        self.draining = draining
    }
}
