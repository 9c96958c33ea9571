public struct AgentStatus: Codable, Sendable {
    public let nodeName: String
    public let version: String
    /// Ready to connect pods: the conflist is in place.
    public let ready: Bool
    /// Why not, one line each.
    public let problems: [String]
    public let kernel: String
    public let node: NodeEntry
    public let knownNodes: [String]
    public let endpointCount: Int
    public let addressesInUse: Int
    public let addressesTotal: Int
    public let values: [String: String]
    /// `Tunnel [vxlan]`, `Native`.
    public let routing: String
    /// Longest IPv4 packet of pods, octets.
    public let podMTU: Int
    /// Kernel features that programs may need, by name: `available`, `missing` or `masked`.
    public let kernelFeatures: [String: String]
    /// What the options ask for and the kernel cannot, a sentence each.
    public let fallbacks: [String]
    /// Program attached to each hook: `eth0 ingress: from_netdev id 12 tag …`.
    public let programs: [String]
    /// Times this agent was started since the node booted.
    public let starts: Int
    /// Number of the cluster's objects that the agent knows, by kind; kinds without any are left out.
    public let objects: [String: Int]
    /// Parts of the datapath that could not follow the cluster's objects, and why, one line each.
    public let objectProblems: [String]
    /// Tables whose filling is watched, as of the last collection; nil: not counted yet.
    public var maps: [MapGauge]?
    /// The cloud's network interfaces, with `ipam.mode: eni`; nil in other modes.
    public var cloudInterfaces: InterfaceStatus?
    /// By whom pods that leave are masqueraded: `BPF [eth0] 192.168.0.0/16 …`, `IPTables …`, `Disabled`; nil: not told.
    public var masquerading: String?
    /// How the agent's start came to the content of the service maps: `taken over as marked`, `planned anew: REASON`;
    /// nil: not told.
    public var services: String?
    /// `namespace/name` of pods that the datapath cannot see, because another plugin gave them an interface that is no
    /// veth.
    public var endpointsWithoutVeth: [String]?
    public init(
        nodeName: String, version: String, ready: Bool, problems: [String], kernel: String, node: NodeEntry,
        knownNodes: [String], endpointCount: Int, addressesInUse: Int, addressesTotal: Int, values: [String: String],
        routing: String, podMTU: Int, programs: [String], starts: Int, objects: [String: Int] = [:],
        objectProblems: [String] = [], kernelFeatures: [String: String] = [:], fallbacks: [String] = []
    ) {
        self.nodeName = nodeName
        self.version = version
        self.ready = ready
        self.problems = problems
        self.kernel = kernel
        self.node = node
        self.knownNodes = knownNodes
        self.endpointCount = endpointCount
        self.addressesInUse = addressesInUse
        self.addressesTotal = addressesTotal
        self.values = values
        self.routing = routing
        self.podMTU = podMTU
        self.programs = programs
        self.kernelFeatures = kernelFeatures
        self.fallbacks = fallbacks
        self.starts = starts
        self.objects = objects
        self.objectProblems = objectProblems
    }
}
