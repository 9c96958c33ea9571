import JSON

/// What a kubelet is told about its node and its cluster once, before it begins.
public struct KubeletSettings: Sendable {
    public var nodeName: String
    /// In the order of `status.addresses`: (`InternalIP`, `10.0.0.11`), (`Hostname`, `node-1`).
    public var addresses: [NodeAddress]
    public var labels: [String: String]
    /// The taints that the node registers with.
    public var taints: [Taint]
    public var podCIDR: String?
    /// `aws:///eu-west-1a/i-0123`; nil if there is no cloud.
    public var providerID: String?
    public var resources: NodeResources
    public var system: NodeSystem
    /// The port of the kubelet's HTTPS API.
    public var kubeletPort: UInt16
    /// The addresses of the cluster's DNS service; empty if there is none.
    public var clusterDNS: [String]
    public var clusterDomain: String
    /// The content of the node's own `/etc/resolv.conf`.
    public var hostResolver: String
    /// The content of the node's own `/etc/hosts`, for pods in its network.
    public var hostsFile: String
    /// The available memory below which pods are evicted, in bytes (`--eviction-hard memory.available<…`).
    public var evictionMemory: Int64

    public init(nodeName: String, addresses: [NodeAddress], resources: NodeResources, system: NodeSystem) {
        self.nodeName = nodeName
        self.addresses = addresses
        self.resources = resources
        self.system = system
        labels = [:]
        taints = []
        podCIDR = nil
        providerID = nil
        kubeletPort = 10250
        clusterDNS = []
        clusterDomain = "cluster.local"
        hostResolver = ""
        hostsFile = ""
        evictionMemory = 0
    }

    /// The first address of type `InternalIP`: the `hostIP` of every pod.
    public var internalIP: String { addresses.first { $0.type == "InternalIP" }?.address ?? "" }
}

/// `v1.NodeAddress`
public struct NodeAddress: Sendable, Hashable {
    public var type: String
    public var address: String
    public init(type: String, address: String) {
        self.type = type
        self.address = address
    }
}

/// `v1.Taint`
public struct Taint: Sendable, Hashable {
    public var key: String
    public var value: String
    /// `NoSchedule`, `PreferNoSchedule`, `NoExecute`
    public var effect: String
    public init(key: String, value: String = "", effect: String) {
        self.key = key
        self.value = value
        self.effect = effect
    }
}

/// What a node has, and what pods may ask of it.
public struct NodeResources: Sendable, Hashable {
    /// Thousandths of a processor.
    public var milliCPU: Int64
    /// Bytes.
    public var memory: Int64
    public var ephemeralStorage: Int64
    public var pods: Int64
    /// Bytes of memory that pods may not ask for.
    public var reservedMemory: Int64
    public init(
        milliCPU: Int64, memory: Int64, ephemeralStorage: Int64 = 0, pods: Int64 = 110, reservedMemory: Int64 = 0
    ) {
        self.milliCPU = milliCPU
        self.memory = memory
        self.ephemeralStorage = ephemeralStorage
        self.pods = pods
        self.reservedMemory = reservedMemory
    }
}

/// `v1.NodeSystemInfo`
public struct NodeSystem: Sendable, Hashable {
    public var machineID: String
    public var systemUUID: String
    /// New with every boot.
    public var bootID: String
    public var kernelVersion: String
    public var osImage: String
    /// `labrun://1.0`
    public var containerRuntimeVersion: String
    /// `v1.20.2`, the version whose behaviour is shown.
    public var kubeletVersion: String
    /// `amd64`
    public var architecture: String
    public init(
        machineID: String, systemUUID: String, bootID: String, kernelVersion: String, osImage: String,
        containerRuntimeVersion: String, kubeletVersion: String = "v1.20.2", architecture: String = "amd64"
    ) {
        self.machineID = machineID
        self.systemUUID = systemUUID
        self.bootID = bootID
        self.kernelVersion = kernelVersion
        self.osImage = osImage
        self.containerRuntimeVersion = containerRuntimeVersion
        self.kubeletVersion = kubeletVersion
        self.architecture = architecture
    }
}
