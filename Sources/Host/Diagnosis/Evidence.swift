import Readings

/// What was observed of a lab while a matrix was measured. It holds only readings and cannot express a fault, a
/// scenario or an expectation, so a diagnosis cannot know what was done.
public struct Evidence: Codable, Sendable {
    public var nodes: [NodeReading]
    public var endpoints: [Endpoint]
    public var probes: [ProbeReading]
    /// Packets seen on the nodes' taps.
    public var wire: [TapPacket]
    /// The traces and drops that the agents reported. It is empty if an agent has no such feed, or could not be asked
    /// (see `datapathGaps`).
    public var datapath: [PacketEvent]
    public var flowLog: [FlowLogReading]
    public var securityGroups: [SecurityGroupReading]
    /// Whether captures and flow log missed nothing. If they did, a packet that was not seen proves nothing.
    public var recordingIsComplete: Bool
    /// The reason why a node's events since the start of the round could not all be read, by node. A drop there may
    /// have happened although it is not in `datapath`.
    public var datapathGaps: [String: String]
    /// The reason why a node's traces since the start of the round are not all there, by node: they could not be read,
    /// or trace points are switched off. A packet that the node does not name in `datapath` may have passed its
    /// programs.
    public var traceGaps: [String: String] = [:]
    /// The addresses whose traces the agents were asked for, or nil if they were asked for all.
    public var tracedAddresses: Set<String>?
    public var cloud = CloudReading()
    /// The addresses in a service's endpoint slices, by the service's `namespace/name`. A service without an entry was
    /// not read.
    public var serviceBackends: [String: Set<String>] = [:]
    /// The addresses of a service's backends, by the service's endpoint id. A translated packet has one of them in
    /// place of the service's own.
    public var backends: [String: [String]] = [:]
    /// Every pod that the scenario asks for, whether or not it runs.
    public var pods: [PodReading] = []
    /// The lab's control plane. It is nil if there is none, or if every agent is connected to it.
    public var controlPlane: ControlPlaneReading?

    public init(
        nodes: [NodeReading] = [], endpoints: [Endpoint] = [], probes: [ProbeReading] = [], wire: [TapPacket] = [],
        datapath: [PacketEvent] = [], flowLog: [FlowLogReading] = [], securityGroups: [SecurityGroupReading] = [],
        recordingIsComplete: Bool = true, datapathGaps: [String: String] = [:]
    ) {
        self.datapathGaps = datapathGaps
        self.recordingIsComplete = recordingIsComplete
        self.nodes = nodes
        self.endpoints = endpoints
        self.probes = probes
        self.wire = wire
        self.datapath = datapath
        self.flowLog = flowLog
        self.securityGroups = securityGroups
    }
}

extension Evidence {
    /// Returns why nothing follows from a node not having traced a packet from or to an address, or nil if its traces
    /// are complete.
    func traceGap(of node: String, about flow: FlowTuple) -> String? {
        if let gap = traceGaps[node] ?? datapathGaps[node] { return gap }
        guard let tracedAddresses, !tracedAddresses.contains(flow.source),
            !tracedAddresses.contains(flow.destination)
        else { return nil }
        return "there were too many failing probes to ask for the traces of all"
    }
}

/// A node as the hypervisor, its runtime, its kernel and its agent describe it.
public struct NodeReading: Codable, Sendable, Hashable {
    public enum Power: String, Codable, Sendable {
        case running, paused, stopped
        /// The hypervisor could not be asked, which proves nothing.
        case unknown
    }
    public var name: String
    /// The dotted underlay address.
    public var address: String
    /// The range of its pods' addresses, `192.168.1.0/24`. It is empty if the node has none.
    public var podCIDR: String
    /// The UDP port of the node's tunnel, or nil if packets between nodes are not encapsulated.
    public var tunnelPort: UInt16?
    public var power: Power
    /// Whether the node's runtime answers over its out-of-band channel.
    public var answers: Bool
    /// Whether the underlay interface has a carrier, as the node sees it. It is nil if the node could not be asked.
    public var carrier: Bool?
    /// Whether the agent runs. It is nil if the node could not be asked.
    public var agentRunning: Bool?
    /// Whether the agent's conflist is there. Without it, a kubelet considers the node's network not ready. It is nil
    /// if the node could not be asked.
    public var hasConflist: Bool?
    /// How the agent ended, such as `exit 1`. It is nil while it runs or if that is not known.
    public var agentEnded: String?
    /// The agent's last lines of output, the oldest first. It is empty while the agent runs.
    public var agentLog: [String]
    /// The queueing disciplines that delay or lose packets, in the words of `tc`.
    public var impairments: [String]
    /// The interfaces that have the datapath's program at their egress, as read back from the kernel. It is nil if the
    /// agent could not be asked.
    public var datapathDevices: [String]?
    /// kube-proxy's rules as read from the node's kernel, or nil if they were not read.
    public var kubeProxyRules: [NetfilterRuleReading]?
    /// Whether a kube-proxy runs and keeps these rules up to date, or nil if they were not read.
    public var kubeProxyRuns: Bool?
    /// What the agent's status says that it does without, in one sentence each. It is nil if the agent could not be
    /// asked.
    public var fallbacks: [String]?
    /// The node's address in the pods' range, which is the source of its own packets to pods. It is nil if the agent
    /// could not be asked.
    public var routerAddress: String?
    /// The addresses of the cloud's network interfaces, as the agent reports them. It is nil if pods get theirs from
    /// elsewhere.
    public var interfaceAddresses: InterfaceAddresses?
    /// The endpoints that the agent lists without an interface, with the interfaces that their pods have. It is nil if
    /// the agent could not be asked.
    public var unseenEndpoints: [UnseenEndpoint]?
    /// Which trace points of the node's datapath report packets. It is nil if the agent could not be asked.
    public var tracing: Tracing?
    /// How many packets the node's flow caches have served since it booted. It is nil if the agent could not be asked.
    public var flowCachePackets: UInt64?
    /// How the agent stands with its API server. It is nil if it has none, or if it could not be asked.
    public var apiServer: ServerConnectionReading?

    /// The trace points of a node's datapath by their names.
    public struct Tracing: Codable, Sendable, Hashable {
        /// The points that report every packet.
        public var points: [String]
        /// The points that report none.
        public var silent: [String]

        public init(points: [String], silent: [String]) {
            self.points = points
            self.silent = silent
        }
    }

    /// An endpoint without an end on the node, as the agent and the node's kernel report it.
    public struct UnseenEndpoint: Codable, Sendable, Hashable {
        /// The pod, as `namespace/name`.
        public var pod: String
        public var endpointID: UInt16
        public var address: String
        /// The interface's index as the agent lists it.
        public var ifindex: Int
        public var mac: String
        /// The pod's interface in its own network namespace, or nil if it could not be read.
        public var interface: String?
        /// The kind of interface: `veth`, `ipvlan`, …, or nil for a network card.
        public var kind: String?
        public var interfaceMAC: String?

        public init(
            pod: String, endpointID: UInt16, address: String, ifindex: Int, mac: String, interface: String?,
            kind: String?, interfaceMAC: String?
        ) {
            self.pod = pod
            self.endpointID = endpointID
            self.address = address
            self.ifindex = ifindex
            self.mac = mac
            self.interface = interface
            self.kind = kind
            self.interfaceMAC = interfaceMAC
        }
    }

    /// The addresses of the cloud's network interfaces of a node, as its agent counts them.
    public struct InterfaceAddresses: Codable, Sendable, Hashable {
        public var instanceType: String
        /// The number of attached interfaces.
        public var interfaces: Int
        public var inUse: Int
        public var total: Int
        /// The reason why there are no more, or nil if more can be had.
        public var limit: String?

        public init(instanceType: String, interfaces: Int, inUse: Int, total: Int, limit: String?) {
            self.instanceType = instanceType
            self.interfaces = interfaces
            self.inUse = inUse
            self.total = total
            self.limit = limit
        }
    }

    public init(
        name: String, address: String, podCIDR: String, tunnelPort: UInt16?, power: Power, answers: Bool,
        carrier: Bool?, agentRunning: Bool?, impairments: [String], agentEnded: String? = nil, agentLog: [String] = [],
        datapathDevices: [String]? = nil, routerAddress: String? = nil
    ) {
        self.routerAddress = routerAddress
        self.name = name
        self.address = address
        self.podCIDR = podCIDR
        self.tunnelPort = tunnelPort
        self.power = power
        self.answers = answers
        self.carrier = carrier
        self.agentRunning = agentRunning
        self.agentEnded = agentEnded
        self.agentLog = agentLog
        self.impairments = impairments
        self.datapathDevices = datapathDevices
    }
}

/// A rule of a security group that the fabric has in force for a node.
public struct SecurityGroupReading: Codable, Sendable, Hashable {
    public struct Rule: Codable, Sendable, Hashable {
        public var name: String
        /// The direction, `ingress` or `egress`.
        public var direction: String
        /// The protocol: `tcp`, `udp`, `icmp` or `all`.
        public var `protocol`: String
        public var ports: ClosedRange<UInt16>?
        public var peer: String
        public init(name: String, direction: String, protocol: String, ports: ClosedRange<UInt16>?, peer: String) {
            self.name = name
            self.direction = direction
            self.protocol = `protocol`
            self.ports = ports
            self.peer = peer
        }

        public func allows(_ proto: String, _ port: UInt16, _ direction: String) -> Bool {
            self.direction == direction && (self.protocol == "all" || self.protocol == proto)
                && (ports?.contains(port) ?? true)
        }
    }
    public var node: String
    public var group: String
    public var rules: [Rule]
    public init(node: String, group: String, rules: [Rule]) {
        self.node = node
        self.group = group
        self.rules = rules
    }
}
