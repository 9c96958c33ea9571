import JSON

/// Something that the mind is told. Each fact of the runtime answers exactly one action.
public enum KubeletInput: Sendable {
    // MARK: From the API server
    /// All pods of this node, as listed. Pods of the API that are not among them are gone.
    case podsListed([KubePod])
    /// A pod was added or changed.
    case pod(KubePod)
    /// A pod's object is gone.
    case podGone(PodIdentity)
    /// All static pods, from the node's manifest folder.
    case staticPods([KubePod])
    /// A ConfigMap or a Secret as it is now, nil if there is none. Answers `.follow`, and comes again when it changes.
    case object(ObjectReference, ObjectContent?)
    /// The services of the cluster, for the environment of containers. Containers wait for the first list.
    case services([ServiceAddress])
    /// A token for a pod's volume. Answers `.requestToken`.
    case token(TokenRequest, Outcome<IssuedToken>)
    /// The node's object as it is at the API server: labels, taints and addresses that others have given it.
    case node(JSONValue)
    /// Answers `.registerNode` and `.patchNodeStatus`. A lease that could not be renewed needs no answer.
    case nodeWritten(Outcome<Empty>)
    /// An object of a pod that is none a node can act on.
    case unreadablePod(PodIdentity, String)
    /// Answers `.patchStatus`.
    case statusWritten(PodIdentity, Outcome<Empty>)
    /// Answers `.deletePod`.
    case podDeleted(PodIdentity, Outcome<Empty>)

    // MARK: From the runtime
    /// Whether a CNI configuration is there. `problem` is the plugin's words, such as `cni plugin not initialized`.
    case network(problem: String?)
    /// Answers `.mountVolumes`.
    case volumesMounted(PodIdentity, Outcome<Empty>)
    /// Answers `.makeSandbox`. A failure is the words of the CNI plugin.
    case sandboxMade(PodIdentity, attempt: Int, Outcome<SandboxNetwork>)
    /// The sandbox is gone without having been asked to, for example because the node was restored.
    case sandboxLost(PodIdentity)
    /// Answers `.removeSandbox`.
    case sandboxRemoved(PodIdentity, Outcome<Empty>)
    /// Answers `.startContainer`: its program runs, or could not be started.
    case containerStarted(ContainerIdentity, Outcome<Empty>)
    /// A container's program has ended, by itself or after `.stopContainer`.
    case containerEnded(ContainerIdentity, ContainerExit)
    /// Answers `.runHook` (postStart and preStop).
    case hookEnded(ContainerIdentity, LifecycleHook, ProbeOutcome)
    /// Answers `.probe`.
    case probed(ProbeIdentity, ProbeOutcome)
    /// What the node has left, some times a minute.
    case usage(NodeUsage)
}

/// Success with a value, or failure in words.
public enum Outcome<Value: Sendable>: Sendable {
    case success(Value)
    case failure(String)
}
extension Outcome: Equatable where Value: Equatable {}

/// The value of an outcome that has none.
public struct Empty: Sendable, Hashable {
    public init() {}
}

extension Outcome where Value == Empty {
    public static var success: Outcome { .success(Empty()) }
}

/// What names a pod for as long as it lives.
public struct PodIdentity: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var namespace: String
    public var name: String
    public var uid: String
    public init(namespace: String, name: String, uid: String) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
    }
    /// `web-0_shop(7b1e…)`, as a kubelet writes it (`format.Pod`).
    public var description: String { "\(name)_\(namespace)(\(uid))" }
    public static func < (one: PodIdentity, other: PodIdentity) -> Bool {
        (one.namespace, one.name, one.uid) < (other.namespace, other.name, other.uid)
    }
}

/// One run of a container. Every restart has a new one.
public struct ContainerIdentity: Sendable, Hashable {
    public var pod: PodIdentity
    public var name: String
    /// 64 hexadecimal digits.
    public var id: String
    public init(pod: PodIdentity, name: String, id: String) {
        self.pod = pod
        self.name = name
        self.id = id
    }
}

public struct ProbeIdentity: Sendable, Hashable {
    public var container: ContainerIdentity
    public var kind: ProbeKind
    public init(container: ContainerIdentity, kind: ProbeKind) {
        self.container = container
        self.kind = kind
    }
}

public enum ProbeKind: String, Sendable, Hashable, CaseIterable {
    case startup = "Startup"
    case liveness = "Liveness"
    case readiness = "Readiness"
}

public enum LifecycleHook: String, Sendable, Hashable {
    case postStart = "PostStart"
    case preStop = "PreStop"
}

/// How a probe or a hook went. ``ProbeWords`` has the words of a kubelet for each.
public enum ProbeOutcome: Sendable, Hashable {
    case success
    /// It succeeded, and something is to be said of it.
    case warning(String)
    case failure(String)
    /// It could not be carried out at all, which counts neither way.
    case unknown(String)
}

/// What the CNI plugins gave a sandbox.
public struct SandboxNetwork: Sendable, Hashable {
    /// The pod's addresses without prefix lengths. The node's own for a pod in its network.
    public var addresses: [String]
    public init(addresses: [String]) { self.addresses = addresses }
}

/// How a container's program ended.
public struct ContainerExit: Sendable, Hashable {
    /// The exit status, or 128 + signal.
    public var exitCode: Int32
    public var signal: Int32?
    /// Whether the kernel's OOM killer was it (`memory.events` of its cgroup).
    public var isOutOfMemory: Bool
    /// The content of its termination message file, at most 4,096 bytes; empty if there is none.
    public var terminationMessage: String
    /// The end of its log, at most 80 lines and 2,048 bytes, for `FallbackToLogsOnError`.
    public var lastLog: String
    public init(
        exitCode: Int32, signal: Int32? = nil, isOutOfMemory: Bool = false, terminationMessage: String = "",
        lastLog: String = ""
    ) {
        self.exitCode = exitCode
        self.signal = signal
        self.isOutOfMemory = isOutOfMemory
        self.terminationMessage = terminationMessage
        self.lastLog = lastLog
    }
}

/// What a node has left, and what its pods take.
public struct NodeUsage: Sendable, Hashable {
    /// Bytes.
    public var memoryAvailable: Int64
    /// Bytes of memory a pod, by UID: its working set, which is all but file pages that nobody has used lately.
    public var podMemory: [String: Int64]
    /// The same of its containers, by their names.
    public var containerMemory: [String: [String: Int64]]
    public init(
        memoryAvailable: Int64, podMemory: [String: Int64] = [:], containerMemory: [String: [String: Int64]] = [:]
    ) {
        self.memoryAvailable = memoryAvailable
        self.podMemory = podMemory
        self.containerMemory = containerMemory
    }
}

/// A ConfigMap or a Secret.
public struct ObjectReference: Sendable, Hashable, Comparable {
    public enum Kind: String, Sendable, Hashable {
        case configMap = "configmap"
        case secret = "secret"
    }
    public var kind: Kind
    public var namespace: String
    public var name: String
    public init(kind: Kind, namespace: String, name: String) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }
    public static func < (one: ObjectReference, other: ObjectReference) -> Bool {
        (one.kind.rawValue, one.namespace, one.name) < (other.kind.rawValue, other.namespace, other.name)
    }
}

/// The data of a ConfigMap or Secret, decoded.
public struct ObjectContent: Sendable, Hashable {
    public var data: [String: [UInt8]]
    public init(data: [String: [UInt8]]) { self.data = data }

    /// Reads `data` and `binaryData` of a ConfigMap, or `data` of a Secret. Base64 that cannot be read is left out.
    public init(_ kind: ObjectReference.Kind, _ object: JSONValue) { self = ObjectReading.content(kind, object) }
}

/// A service, as containers see it in their environment.
public struct ServiceAddress: Sendable, Hashable {
    public struct Port: Sendable, Hashable {
        public var name: String
        public var port: UInt16
        /// `TCP`, `UDP`, `SCTP`
        public var protocolName: String
        public init(name: String, port: UInt16, protocolName: String) {
            self.name = name
            self.port = port
            self.protocolName = protocolName
        }
    }
    public var namespace: String
    public var name: String
    public var clusterIP: String
    public var ports: [Port]
    public init(namespace: String, name: String, clusterIP: String, ports: [Port]) {
        self.namespace = namespace
        self.name = name
        self.clusterIP = clusterIP
        self.ports = ports
    }

    /// Reads a `v1 Service`; nil if it has no cluster address.
    public init?(_ object: JSONValue) {
        guard let service = ObjectReading.service(object) else { return nil }
        self = service
    }
}

/// A `TokenRequest` to make for a service account.
public struct TokenRequest: Sendable, Hashable {
    public var namespace: String
    public var serviceAccount: String
    /// The pod that the token is bound to.
    public var pod: PodIdentity
    /// Nil for the API server's own audience.
    public var audience: String?
    public var expirationSeconds: Int64
    public init(
        namespace: String, serviceAccount: String, pod: PodIdentity, audience: String?, expirationSeconds: Int64
    ) {
        self.namespace = namespace
        self.serviceAccount = serviceAccount
        self.pod = pod
        self.audience = audience
        self.expirationSeconds = expirationSeconds
    }
}

public struct IssuedToken: Sendable, Hashable {
    public var token: String
    /// Microseconds since 1970.
    public var expires: Int64
    public init(token: String, expires: Int64) {
        self.token = token
        self.expires = expires
    }
}
