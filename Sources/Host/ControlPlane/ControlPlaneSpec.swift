/// A node that the control plane knows by name and address before it is there.
public struct ControlPlaneNode: Sendable, Hashable, Codable {
    public var name: String
    /// Its IPv4 address, for its kubelet's serving certificate.
    public var address: String

    public init(name: String, address: String) {
        self.name = name
        self.address = address
    }
}

/// What a lab's control plane is made from.
public struct ControlPlaneSpec: Sendable {
    public var programs: ControlPlanePrograms
    /// The IPv4 address of the control plane's namespace where the API server is reached; not a loopback address, since
    /// the endpoints of the service `kubernetes` name it.
    public var address: String
    public var port: UInt16
    /// DNS names by which clients reach the API server besides the address; its certificate is for them, too.
    public var names: [String]
    /// `10.96.0.0/16`. Its first address is the service `kubernetes`.
    public var serviceCIDR: String
    /// Ranges of the pods.
    public var podCIDRs: [String]
    /// The length of the range that the controller manager gives every node; nil where nodes or a datapath's operator
    /// choose ranges themselves.
    public var nodeCIDRMaskSize: Int?
    public var clusterName: String
    /// `cluster.local`.
    public var clusterDomain: String
    /// Where keys, kubeconfigs and etcd's data lie: on the lab's own tmpfs. It is made with mode 0700.
    public var folder: String
    /// Where logs and `audit.log` go.
    public var artifacts: String
    /// The nodes for which credentials are made at the start. More are made by `ControlPlane.nodeCredentials`.
    public var nodes: [ControlPlaneNode]
    /// Flags that are given to a server after those of labrun, so that they win: `["--v=4"]`.
    public var extraArguments: [ControlPlaneServer: [String]]
    /// The settings, as JSON text, of the programs that labrun brings itself; only those that are named run.
    public var ownSettings: [ControlPlaneServer: String]

    /// The servers that it has, in the order of `ControlPlaneServer.allCases`.
    public var servers: [ControlPlaneServer] {
        ControlPlaneServer.allCases.filter { !$0.isOwn || ownSettings[$0] != nil }
    }

    public init(
        programs: ControlPlanePrograms, address: String, port: UInt16 = 6443, names: [String] = [],
        serviceCIDR: String = "10.96.0.0/16",
        podCIDRs: [String] = [], nodeCIDRMaskSize: Int? = nil, clusterName: String = "labrun",
        clusterDomain: String = "cluster.local", folder: String, artifacts: String, nodes: [ControlPlaneNode] = [],
        extraArguments: [ControlPlaneServer: [String]] = [:], ownSettings: [ControlPlaneServer: String] = [:]
    ) {
        self.programs = programs
        self.address = address
        self.port = port
        self.names = names
        self.serviceCIDR = serviceCIDR
        self.podCIDRs = podCIDRs
        self.nodeCIDRMaskSize = nodeCIDRMaskSize
        self.clusterName = clusterName
        self.clusterDomain = clusterDomain
        self.folder = folder
        self.artifacts = artifacts
        self.nodes = nodes
        self.extraArguments = extraArguments
        self.ownSettings = ownSettings
    }
}
