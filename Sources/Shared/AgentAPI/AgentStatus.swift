public struct AgentStatus: Codable, Sendable {
    public let nodeName: String
    public let version: String
    /// Whether the agent is ready to connect pods, that is, the conflist is in place.
    public let ready: Bool
    /// Why the agent is not ready, in one line for each reason.
    public let problems: [String]
    public let kernel: String
    public let node: NodeEntry
    public let knownNodes: [String]
    public let endpointCount: Int
    public let addressesInUse: Int
    public let addressesTotal: Int
    public let values: [String: String]
    /// The routing mode as the agent prints it: `Tunnel [vxlan]` or `Native`.
    public let routing: String
    /// The length of the longest IPv4 packet of pods, in octets.
    public let podMTU: Int
    /// The kernel features that programs may need, by name. A value is `available`, `missing` or `masked`.
    public let kernelFeatures: [String: String]
    /// What the options ask for and the kernel cannot do, in one sentence each.
    public let fallbacks: [String]
    /// The program attached to each hook: `eth0 ingress: from_netdev id 12 tag …`.
    public let programs: [String]
    /// How often this agent was started since the node booted.
    public let starts: Int
    /// The number of the cluster's objects that the agent knows, by kind. Kinds without any are left out.
    public let objects: [String: Int]
    /// The parts of the datapath that could not follow the cluster's objects, each with the reason in one line.
    public let objectProblems: [String]
    /// The tables whose filling is watched, as of the last collection. It is nil if nothing has been counted yet.
    public var maps: [MapGauge]?
    /// The cloud's network interfaces with `ipam.mode: eni`. It is nil in other modes.
    public var cloudInterfaces: InterfaceStatus?
    /// Who masquerades pods that leave the cluster: `BPF [eth0] 192.168.0.0/16 …`, `IPTables …` or `Disabled`. It is
    /// nil if the agent does not report it.
    public var masquerading: String?
    /// How the agent got the content of the service maps when it started: `taken over as marked` or `planned anew:
    /// REASON`. It is nil if the agent does not report it.
    public var services: String?
    /// The pods, as `namespace/name`, that the datapath cannot see because another plugin gave them an interface that
    /// is no veth.
    public var endpointsWithoutVeth: [String]?
    /// Which trace points report packets. It is nil if the agent does not report it.
    public var tracing: TracingSample?
    /// How many packets the flow caches of the node's processors have served since the node booted. It is nil if the
    /// agent does not report it.
    public var flowCachePackets: UInt64?
    /// How many packets the node's programs have forwarded since the node booted, those of the flow caches among them. A
    /// packet counts once at each trace point that it passes. It is nil if the agent does not report it.
    public var forwardedPackets: UInt64?
    /// How many ready endpoints all endpoint slices have together that the agent knows. With the numbers of `objects` it
    /// says whether the service tables hold what the cluster has. It is nil if the agent does not report it.
    public var readyEndpoints: Int?
    /// The memory of the agent's process. It is nil if the agent does not report it.
    public var memory: MemorySample?
    /// How the agent stands with its API server. It is nil in a cluster without one.
    public var apiServer: APIServerStatus?
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

/// The memory of a process, in KiB (proc_pid_status(5)).
public struct MemorySample: Codable, Sendable, Hashable {
    /// What is in RAM (`VmRSS`).
    public let residentKiB: Int
    /// The most that ever was (`VmHWM`).
    public let peakKiB: Int

    public init(residentKiB: Int, peakKiB: Int) {
        self.residentKiB = residentKiB
        self.peakKiB = peakKiB
    }

    /// Reads the text of `/proc/PID/status`: lines `Name:  VALUE kB`. Nil if one of the two is missing.
    public init?(procStatus text: String) {
        func value(_ name: String) -> Int? {
            guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + ":") }) else { return nil }
            let words = line.dropFirst(name.count + 1).split { $0 == " " || $0 == "\t" }
            return words.count == 2 && words[1] == "kB" ? Int(words[0]) : nil
        }
        guard let resident = value("VmRSS"), let peak = value("VmHWM") else { return nil }
        self.init(residentKiB: resident, peakKiB: peak)
    }
}

/// The trace points of a node by their names: those at which every packet is reported, and the others. A packet that is
/// traced anywhere takes the long way through the datapath, past the flow cache.
public struct TracingSample: Codable, Sendable, Hashable {
    public let points: [String]
    public let silent: [String]

    public init(points: [String], silent: [String]) {
        self.points = points
        self.silent = silent
    }
}
