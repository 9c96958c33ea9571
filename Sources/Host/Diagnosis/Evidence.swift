import Readings

/// What was observed of a lab while a matrix was measured. Holds readings only: no fault, no scenario, no expectation
/// can be expressed in it, so a diagnosis cannot know what was done.
public struct Evidence: Codable, Sendable {
    public var nodes: [NodeReading]
    public var endpoints: [Endpoint]
    public var probes: [ProbeReading]
    /// Packets seen on the nodes' taps.
    public var wire: [TapPacket]
    /// Traces and drops of the agents. Empty where an agent has no such feed, or could not be asked: see
    /// `datapathGaps`.
    public var datapath: [PacketEvent]
    public var flowLog: [FlowLogReading]
    public var securityGroups: [SecurityGroupReading]
    /// Whether captures and flow log missed nothing. Otherwise a packet that was not seen proves nothing.
    public var recordingIsComplete: Bool
    /// Why a node's events since the round's start could not all be had, by node. A drop there may have happened
    /// although it is not among `datapath`.
    public var datapathGaps: [String: String]
    public var cloud = CloudReading()
    /// The addresses in a service's endpoint slices, by the service's `namespace/name`. A service without an entry was
    /// not read.
    public var serviceBackends: [String: Set<String>] = [:]
    /// The addresses of a service's backends, by the service's endpoint id. Once a packet is translated, one of them
    /// stands in it in place of the service's own.
    public var backends: [String: [String]] = [:]
    /// Every pod that the scenario wants, whether or not it runs.
    public var pods: [PodReading] = []

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

/// A node as the hypervisor, its runtime, its kernel and its agent describe it.
public struct NodeReading: Codable, Sendable, Hashable {
    public enum Power: String, Codable, Sendable {
        case running, paused, stopped
        /// The hypervisor could not be asked: proves nothing.
        case unknown
    }
    public var name: String
    /// Underlay address, dotted.
    public var address: String
    /// Range of its pods' addresses, `192.168.1.0/24`; empty when it has none.
    public var podCIDR: String
    /// UDP port of the node's tunnel; nil where packets between nodes are not encapsulated.
    public var tunnelPort: UInt16?
    public var power: Power
    /// Whether the node's runtime answers over its out-of-band channel.
    public var answers: Bool
    /// Carrier of the underlay interface as the node sees it; nil when the node could not be asked.
    public var carrier: Bool?
    /// Nil when the node could not be asked.
    public var agentRunning: Bool?
    /// Whether the agent's conflist is there, without which a kubelet takes the node's network for not ready. Nil when
    /// the node could not be asked.
    public var hasConflist: Bool?
    /// How the agent ended, `exit 1`; nil while it runs or when that is not known.
    public var agentEnded: String?
    /// The agent's last lines of output, oldest first; empty while it runs.
    public var agentLog: [String]
    /// Queueing disciplines that delay or lose packets, in `tc` words.
    public var impairments: [String]
    /// Interfaces that have the datapath's program at their egress, as read back from the kernel; nil when the agent
    /// could not be asked.
    public var datapathDevices: [String]?
    /// kube-proxy's rules as read from the node's kernel; nil when they were not read.
    public var kubeProxyRules: [NetfilterRuleReading]?
    /// Whether a kube-proxy runs and keeps these rules up to date; nil when they were not read.
    public var kubeProxyRuns: Bool?
    /// What the agent's status says that it does without, a sentence each; nil when it could not be asked.
    public var fallbacks: [String]?
    /// The node's address in the pods' range, which is the source of its own packets to pods; nil when the agent could
    /// not be asked.
    public var routerAddress: String?
    /// Addresses of the cloud's network interfaces, as the agent tells; nil where pods get theirs from elsewhere.
    public var interfaceAddresses: InterfaceAddresses?
    /// Endpoints that the agent lists without an interface, with the interfaces that their pods have; nil when the
    /// agent could not be asked.
    public var unseenEndpoints: [UnseenEndpoint]?

    /// An endpoint without an end on the node: what the agent says, and what the node's kernel says.
    public struct UnseenEndpoint: Codable, Sendable, Hashable {
        /// `namespace/name` of the pod.
        public var pod: String
        public var endpointID: UInt16
        public var address: String
        /// As the agent lists them.
        public var ifindex: Int
        public var mac: String
        /// The pod's interface by its own network namespace; nil when it could not be read.
        public var interface: String?
        /// `veth`, `ipvlan`, …; nil for a card.
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

    /// Addresses of the cloud's network interfaces of a node, as its agent counts them.
    public struct InterfaceAddresses: Codable, Sendable, Hashable {
        public var instanceType: String
        /// How many interfaces are attached.
        public var interfaces: Int
        public var inUse: Int
        public var total: Int
        /// Why there are no more; nil while more can be had.
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

/// A security group as the fabric has it in force for a node.
public struct SecurityGroupReading: Codable, Sendable, Hashable {
    public struct Rule: Codable, Sendable, Hashable {
        public var name: String
        /// `ingress` or `egress`
        public var direction: String
        /// `tcp`, `udp`, `icmp` or `all`
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
