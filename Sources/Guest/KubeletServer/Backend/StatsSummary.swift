/// `GET /stats/summary`, in the shape of `k8s.io/kubelet/pkg/apis/stats/v1alpha1`. What was not measured is nil and
/// does not appear.
public struct StatsSummary: Codable, Sendable, Hashable {
    public var node: Node
    public var pods: [Pod]

    public init(node: Node, pods: [Pod]) {
        self.node = node
        self.pods = pods
    }

    public struct Node: Codable, Sendable, Hashable {
        public var nodeName: String
        /// RFC 3339.
        public var startTime: String
        public var cpu: CPU?
        public var memory: Memory?
        public var network: Network?

        public init(
            nodeName: String, startTime: String, cpu: CPU? = nil, memory: Memory? = nil, network: Network? = nil
        ) {
            self.nodeName = nodeName
            self.startTime = startTime
            self.cpu = cpu
            self.memory = memory
            self.network = network
        }
    }

    public struct PodReference: Codable, Sendable, Hashable {
        public var name: String
        public var namespace: String
        public var uid: String

        public init(name: String, namespace: String, uid: String) {
            self.name = name
            self.namespace = namespace
            self.uid = uid
        }
    }

    public struct Pod: Codable, Sendable, Hashable {
        public var podRef: PodReference
        /// RFC 3339.
        public var startTime: String
        public var containers: [Container]
        public var cpu: CPU?
        public var memory: Memory?
        public var network: Network?

        public init(
            podRef: PodReference, startTime: String, containers: [Container], cpu: CPU? = nil, memory: Memory? = nil,
            network: Network? = nil
        ) {
            self.podRef = podRef
            self.startTime = startTime
            self.containers = containers
            self.cpu = cpu
            self.memory = memory
            self.network = network
        }
    }

    public struct Container: Codable, Sendable, Hashable {
        public var name: String
        /// RFC 3339.
        public var startTime: String
        public var cpu: CPU?
        public var memory: Memory?

        public init(name: String, startTime: String, cpu: CPU? = nil, memory: Memory? = nil) {
            self.name = name
            self.startTime = startTime
            self.cpu = cpu
            self.memory = memory
        }
    }

    public struct CPU: Codable, Sendable, Hashable {
        /// RFC 3339.
        public var time: String
        /// Billionths of a processor, over a time of the kubelet's choice.
        public var usageNanoCores: UInt64?
        /// Nanoseconds of processor time since the start.
        public var usageCoreNanoSeconds: UInt64?

        public init(time: String, usageNanoCores: UInt64? = nil, usageCoreNanoSeconds: UInt64? = nil) {
            self.time = time
            self.usageNanoCores = usageNanoCores
            self.usageCoreNanoSeconds = usageCoreNanoSeconds
        }
    }

    /// Bytes.
    public struct Memory: Codable, Sendable, Hashable {
        /// RFC 3339.
        public var time: String
        public var availableBytes: UInt64?
        public var usageBytes: UInt64?
        public var workingSetBytes: UInt64?
        public var rssBytes: UInt64?

        public init(
            time: String, availableBytes: UInt64? = nil, usageBytes: UInt64? = nil, workingSetBytes: UInt64? = nil,
            rssBytes: UInt64? = nil
        ) {
            self.time = time
            self.availableBytes = availableBytes
            self.usageBytes = usageBytes
            self.workingSetBytes = workingSetBytes
            self.rssBytes = rssBytes
        }
    }

    public struct Network: Codable, Sendable, Hashable {
        /// RFC 3339.
        public var time: String
        /// The interface of the default route.
        public var name: String
        public var rxBytes: UInt64?
        public var txBytes: UInt64?

        public init(time: String, name: String, rxBytes: UInt64? = nil, txBytes: UInt64? = nil) {
            self.time = time
            self.name = name
            self.rxBytes = rxBytes
            self.txBytes = txBytes
        }
    }
}
