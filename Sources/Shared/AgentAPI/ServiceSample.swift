/// A frontend of a service as the datapath has it.
public struct ServiceSample: Codable, Sendable, Hashable {
    public struct Backend: Codable, Sendable, Hashable {
        /// The datapath's number for the backend.
        public let number: UInt32
        /// The backend's address, `192.168.1.3:8080/TCP`.
        public let address: String
        public init(number: UInt32, address: String) {
            self.number = number
            self.address = address
        }
    }

    /// The index of the frontend's entry in the reverse table.
    public let index: UInt16
    /// The frontend's address, `10.100.0.1:443/TCP`.
    public let frontend: String
    /// `ClusterIP`, `NodePort`, `ExternalIP` or `LoadBalancer`. It is nil if no known service has this frontend.
    public let type: String?
    public let namespace: String?
    public let name: String?
    /// How many seconds a client stays with its backend, or 0 without affinity.
    public let affinitySeconds: UInt32
    /// The backends in the order of their slots.
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

/// The content of the load-balancing maps, read from the kernel.
public struct LoadBalancingSample: Codable, Sendable {
    public let frontends: [ServiceSample]
    /// The backends that take no new connections and are kept for those that they have.
    public let draining: [ServiceSample.Backend]
    public init(frontends: [ServiceSample], draining: [ServiceSample.Backend]) {
        self.frontends = frontends
        self.draining = draining
    }
}
