/// What makes a machine a node of a cluster: the API server, its credentials there, and what its kubelet says of it.
public struct KubeletConfiguration: Codable, Sendable, Hashable {
    /// Where the API server is, and how the two know each other.
    public struct Server: Codable, Sendable, Hashable {
        /// An IPv4 address.
        public var host: String
        public var port: UInt16
        /// The authority that has signed the server's certificate.
        public var authorityPEM: String
        /// The client certificate of `system:node:NAME`, and its key.
        public var certificatePEM: String
        public var keyPEM: String
        public init(host: String, port: UInt16, authorityPEM: String, certificatePEM: String, keyPEM: String) {
            self.host = host
            self.port = port
            self.authorityPEM = authorityPEM
            self.certificatePEM = certificatePEM
            self.keyPEM = keyPEM
        }
    }

    /// The HTTPS API of the kubelet itself.
    public struct Serving: Codable, Sendable, Hashable {
        public var port: UInt16
        public var certificatePEM: String
        public var keyPEM: String
        /// The authority whose client certificates are let in.
        public var clientAuthorityPEM: String
        public init(port: UInt16 = 10250, certificatePEM: String, keyPEM: String, clientAuthorityPEM: String) {
            self.port = port
            self.certificatePEM = certificatePEM
            self.keyPEM = keyPEM
            self.clientAuthorityPEM = clientAuthorityPEM
        }
    }

    /// A taint that the node registers with.
    public struct Taint: Codable, Sendable, Hashable {
        public var key: String
        public var value: String
        /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
        public var effect: String
        public init(key: String, value: String = "", effect: String) {
            self.key = key
            self.value = value
            self.effect = effect
        }
    }

    /// Which program is the node's kubelet.
    public enum Implementation: String, Codable, Sendable, Hashable, CaseIterable {
        /// The node's own runtime, which runs programs of the userland without a container runtime.
        case light
        /// Kubernetes' own kubelet, with containerd and runc, on a disk of their own.
        case real
    }

    public var implementation = Implementation.light
    /// The node's name in the cluster.
    public var nodeName: String
    /// The node's IPv4 address, its `InternalIP`.
    public var address: String
    /// `192.168.1.0/24`, which the node registers with; nil where the control plane or the datapath assigns it.
    public var podCIDR: String?
    /// Labels besides those that every kubelet sets.
    public var labels: [String: String]
    public var taints: [Taint]
    public var server: Server
    /// Nil for a kubelet that serves no API.
    public var serving: Serving?
    /// The address of the cluster's DNS service; empty where there is none.
    public var clusterDNS: [String]
    public var clusterDomain: String
    /// The name servers of the node itself, for pods with the DNS policy `Default`.
    public var nameServers: [String]
    /// `aws:///eu-west-1a/i-0123`; nil where there is no cloud.
    public var providerID: String?
    /// How many pods the node takes.
    public var maximumPods: Int
    /// What the node says it has, in place of what it is (`cpu`: `2`, `memory`: `4Gi`): virtual nodes are small.
    public var capacity: [String: String]
    /// The image names that stand for programs, as the JSON text of `lab/images.yaml`; nil for the ones built in.
    public var images: String?
    /// What the node must have left, by signal (`memory.available`: `100Mi` or `5%`); a kubelet's own where one is left
    /// out.
    public var evictionHard: [String: String]

    public init(
        nodeName: String, address: String, podCIDR: String? = nil, labels: [String: String] = [:],
        taints: [Taint] = [], server: Server, serving: Serving? = nil, clusterDNS: [String] = [],
        clusterDomain: String = "cluster.local", nameServers: [String] = [], providerID: String? = nil,
        maximumPods: Int = 110, capacity: [String: String] = [:], images: String? = nil,
        evictionHard: [String: String] = [:]
    ) {
        self.nodeName = nodeName
        self.address = address
        self.podCIDR = podCIDR
        self.labels = labels
        self.taints = taints
        self.server = server
        self.serving = serving
        self.clusterDNS = clusterDNS
        self.clusterDomain = clusterDomain
        self.nameServers = nameServers
        self.providerID = providerID
        self.maximumPods = maximumPods
        self.capacity = capacity
        self.images = images
        self.evictionHard = evictionHard
    }
}
