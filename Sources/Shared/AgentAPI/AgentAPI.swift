import DatapathOptions

/// The contract between the harness and a datapath agent: what travels over the agent's unix socket.
///
/// One request is one JSON object on one line, answered by one JSON object on one line; a connection may carry many.
/// `{"method":"status"}` → `{"result":{…}}` or `{"error":{"code":…,"message":…}}`.
/// The harness relays these bytes through the node's runtime without reading them.
public enum AgentMethod: String, Codable, Sendable, CaseIterable {
    /// → `AgentStatus`
    case status
    /// `HealthRequest` → `HealthReport`
    case health
    /// `NodeSet` → `Acknowledgement`. Replaces what the agent knows of the cluster's nodes.
    case setNodes = "nodes.set"
    /// `IPCacheSet` → `Acknowledgement`. Replaces the /32 entries of remote endpoints.
    case setIPCache = "ipcache.set"
    /// `ObjectSet` of a kind (`{kind, items}`) → `Acknowledgement`. Replaces all objects of the kind.
    case setObjects = "objects.set"
    /// `ObjectChanges` of a kind (`{kind, items, removed}`) → `Acknowledgement`. Objects that are not named stay.
    case changeObjects = "objects.change"
    /// `ObjectListing` → `[String: [String: String]]`: for each kind that was asked for, the fingerprints of the objects
    /// that the agent knows, by `namespace/name`.
    case objects = "objects.list"
    /// → `[IPCacheEntry]`, read back from the kernel's map.
    case ipcache = "ipcache.list"
    /// → `[AgentEndpoint]`
    case endpoints = "endpoint.list"
    /// → `[AgentIdentity]`, all identities that the node knows.
    case identities = "identity.list"
    /// → `[PolicySample]`, read back from the kernel's map.
    case policies = "policy.list"
    /// → `[NameSample]`, what DNS answered to the node's pods.
    case names = "fqdn.list"
    /// `EventRequest` → `EventBatch`
    case events = "events"
    /// `TracingRequest` → `Acknowledgement`
    case setTracing = "tracing.set"
    /// → `[MetricSample]`
    case metrics = "metrics.list"
    /// → `[ConnectionSample]`, read from the kernel's conntrack tables.
    case connections = "ct.list"
    /// → `[ServiceSample]`, the services that this node translates.
    case services = "service.list"
    /// → `LoadBalancingSample`, read from the kernel's maps.
    case loadBalancing = "lb.list"
    /// → `NATListing`, the flows that masquerade keeps, read from the kernel's map.
    case nat = "nat.list"
    /// `CNIRequest` → `CNIReply`. The CNI plugin calls it.
    case cni
    /// → `String`, the text for people that `datapathd status` and `datapathd health` print.
    case statusText = "status.text"
    case healthText = "health.text"
}

public struct AgentRequest<Parameters: Codable & Sendable>: Codable, Sendable {
    public let method: AgentMethod
    public let params: Parameters?
    public init(_ method: AgentMethod, _ params: Parameters? = nil) {
        self.method = method
        self.params = params
    }
}

public struct AgentError: Error, Codable, Sendable, CustomStringConvertible {
    public let code: String
    public let message: String
    public init(code: String, message: String) {
        self.code = code
        self.message = message
    }
    public var description: String { "\(code): \(message)" }
}

public struct AgentReply<Result: Codable & Sendable>: Codable, Sendable {
    public let result: Result?
    public let error: AgentError?
    public init(result: Result) {
        self.result = result
        error = nil
    }
    public init(error: AgentError) {
        result = nil
        self.error = error
    }
}

public struct Acknowledgement: Codable, Sendable { public init() {} }

/// The configuration that the agent is started with, in the file `/run/labrun/datapathd.json`.
public struct AgentConfig: Codable, Sendable, Equatable {
    public var nodeName: String
    /// The dotted address of the node on the underlay.
    public var nodeAddress: String
    /// The interface that has this address, `eth0`.
    public var device: String
    /// The pool from which the node takes its pods' addresses, `192.168.1.0/24`.
    public var podCIDR: String
    /// The ranges of the whole cluster's pods, `192.168.0.0/16`. Every node routes them to the overlay.
    public var clusterPodCIDRs: [String]
    public var socketPath: String
    public var conflistPath: String
    public var statePath: String
    /// The options by their Helm names, as they were given, for example `["routingMode": "tunnel"]`.
    public var values: [String: String]
    /// The same options, typed and with defaults. The agent acts on these.
    public var options: DatapathOptions
    /// The API server that the agent is a client of. Nil in a cluster without one: the harness then tells the agent of
    /// objects, nodes and endpoints.
    public var apiServer: APIServerAccess?

    public init(
        nodeName: String, nodeAddress: String, device: String = "eth0", podCIDR: String, clusterPodCIDRs: [String],
        socketPath: String = "/run/labrun/datapath.sock",
        conflistPath: String = "/etc/cni/net.d/05-labrun.conflist", statePath: String = "/run/labrun/state",
        values: [String: String] = [:], options: DatapathOptions = DatapathOptions(), apiServer: APIServerAccess? = nil
    ) {
        self.nodeName = nodeName
        self.nodeAddress = nodeAddress
        self.device = device
        self.podCIDR = podCIDR
        self.clusterPodCIDRs = clusterPodCIDRs
        self.socketPath = socketPath
        self.conflistPath = conflistPath
        self.statePath = statePath
        self.values = values
        self.options = options
        self.apiServer = apiServer
    }
}

/// A node of the cluster as the agents know it.
public struct NodeEntry: Codable, Sendable, Hashable {
    public let name: String
    public let address: String
    public let podCIDR: String
    /// The address of the node's router (`labrun_host`) in its pod CIDR.
    public let routerAddress: String
    /// The address of the node's health endpoint.
    public let healthAddress: String
    public init(name: String, address: String, podCIDR: String, routerAddress: String, healthAddress: String) {
        self.name = name
        self.address = address
        self.podCIDR = podCIDR
        self.routerAddress = routerAddress
        self.healthAddress = healthAddress
    }
}

/// Asks for the objects that an agent knows.
public struct ObjectListing: Codable, Sendable {
    /// Kinds by the names of their resources: `endpointslices`.
    public let kinds: [String]
    public init(kinds: [String]) { self.kinds = kinds }
}

public struct NodeSet: Codable, Sendable {
    public let nodes: [NodeEntry]
    public init(nodes: [NodeEntry]) { self.nodes = nodes }
}

/// An address with its identity and the node that holds it. `prefix` is 32 for a pod.
public struct IPCacheEntry: Codable, Sendable, Hashable {
    public let address: String
    public let prefix: Int
    public let identity: UInt32
    /// The underlay address of the node to encapsulate to. It is nil if the address is reached without the tunnel.
    public let tunnelEndpoint: String?
    /// The labels that the identity stands for, in the form of `AgentEndpoint.identityLabels`. If they are not known,
    /// it is nil, and no policy can select the address by labels.
    public let labels: [String]?
    public init(address: String, prefix: Int, identity: UInt32, tunnelEndpoint: String?, labels: [String]? = nil) {
        self.address = address
        self.prefix = prefix
        self.identity = identity
        self.tunnelEndpoint = tunnelEndpoint
        self.labels = labels
    }
}

public struct IPCacheSet: Codable, Sendable {
    public let entries: [IPCacheEntry]
    public init(entries: [IPCacheEntry]) { self.entries = entries }
}

/// An endpoint of this node.
public struct AgentEndpoint: Codable, Sendable, Hashable {
    public let id: UInt16
    public let identity: UInt32
    public let labels: [String: String]
    public let namespace: String
    public let name: String
    public let address: String
    public let interface: String
    public let ifindex: Int
    public let mac: String
    /// The state: `ready`, `restoring` or `disconnecting`.
    public let state: String
    /// The labels that the identity was derived from: `k8s:app=web`, `k8s:io.kubernetes.pod.namespace=default`, …
    public let identityLabels: [String]
    /// The directions in which policies decide: `ingress`, `egress` or both.
    public let policyEnforcement: [String]
    public init(
        id: UInt16, identity: UInt32, labels: [String: String], namespace: String, name: String, address: String,
        interface: String, ifindex: Int, mac: String, state: String, identityLabels: [String] = [],
        policyEnforcement: [String] = []
    ) {
        self.id = id
        self.identity = identity
        self.labels = labels
        self.namespace = namespace
        self.name = name
        self.address = address
        self.interface = interface
        self.ifindex = ifindex
        self.mac = mac
        self.state = state
        self.identityLabels = identityLabels
        self.policyEnforcement = policyEnforcement
    }
}

/// An entry of the policy map.
public struct PolicySample: Codable, Sendable, Hashable {
    public let endpointID: UInt16
    /// The direction, `ingress` or `egress`.
    public let direction: String
    /// The verdict: `allow`, `deny`, `redirect`, or `default-deny`, which holds if no other entry covers a connection.
    public let verdict: String
    /// The identity of the other side. 0 means anybody.
    public let identity: UInt32
    public let labels: [String]
    /// The ports: `ANY`, or for example `80/TCP 8000-8010/TCP 8/ICMP`.
    public let ports: String
    public let rule: String?
    public let proxyPort: UInt16?
    public init(
        endpointID: UInt16, direction: String, verdict: String, identity: UInt32, labels: [String], ports: String,
        rule: String?, proxyPort: UInt16?
    ) {
        self.endpointID = endpointID
        self.direction = direction
        self.verdict = verdict
        self.identity = identity
        self.labels = labels
        self.ports = ports
        self.rule = rule
        self.proxyPort = proxyPort
    }
}

/// A security identity that a node knows.
public struct AgentIdentity: Codable, Sendable, Hashable {
    public let id: UInt32
    /// The labels in order: `reserved:world`, `k8s:app=web`, `cidr:10.1.0.0/16`.
    public let labels: [String]
    /// The number of this node's endpoints that have the identity.
    public let localEndpoints: Int
    public init(id: UInt32, labels: [String], localEndpoints: Int) {
        self.id = id
        self.labels = labels
        self.localEndpoints = localEndpoints
    }
}

/// What the CNI plugin passes to the agent: the environment and standard input that the specification defines.
public struct CNIRequest: Codable, Sendable {
    public let command: String
    public let containerID: String
    public let netns: String
    public let interface: String
    /// The value of `CNI_ARGS`, for example `K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0`.
    public let arguments: String
    /// The network configuration as it was read from standard input.
    public let configuration: String
    public init(
        command: String, containerID: String, netns: String, interface: String, arguments: String,
        configuration: String
    ) {
        self.command = command
        self.containerID = containerID
        self.netns = netns
        self.interface = interface
        self.arguments = arguments
        self.configuration = configuration
    }
}

/// What the plugin prints, and its exit status.
public struct CNIReply: Codable, Sendable {
    public let output: String
    public let exitStatus: Int32
    public init(output: String, exitStatus: Int32) {
        self.output = output
        self.exitStatus = exitStatus
    }
}
