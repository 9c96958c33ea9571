import JSON

/// Something that is to be done. It is told once; what is answered by an input is in flight until then. Actions of one
/// pod that are in flight together do not depend on each other.
public enum KubeletAction: Sendable, Equatable {
    // MARK: At the API server
    /// Write the status of a pod (strategic merge patch of the subresource `status`). Answered by `.statusWritten`.
    case patchStatus(PodIdentity, JSONValue)
    /// Delete a pod's object with a grace period of 0 and the UID as precondition. Answered by `.podDeleted`.
    case deletePod(PodIdentity)
    /// Create a pod that shows a static one. The API server's answer comes by the watch.
    case createMirrorPod(JSONValue)
    /// Get this object now and follow it as long as pods need it. Answered by `.object`.
    case follow(ObjectReference)
    /// No pod needs it any more.
    case unfollow(ObjectReference)
    /// Answered by `.token`.
    case requestToken(TokenRequest)
    /// Write an event: create it, or replace the one of this name if `isRepeated`.
    case record(EventRecord)
    /// Create the node's object, or bring the one that is there to it (labels, taints if it is new, status). Answered
    /// by `.nodeWritten`.
    case registerNode(JSONValue)
    /// Strategic merge patch (subresource `status`) of the node's status. Answered by `.nodeWritten`.
    case patchNodeStatus(JSONValue)
    /// Create or replace the node's `Lease` in `kube-node-lease`.
    case renewLease(JSONValue)

    // MARK: At the runtime
    /// Make a pod's folders and the files in them. Answered by `.volumesMounted`.
    case mountVolumes(PodIdentity, [VolumePlan])
    /// Replace the files of one volume at once (a ConfigMap has changed, a token was renewed). Not answered.
    case updateVolume(PodIdentity, VolumePlan)
    /// Answered by `.sandboxMade`.
    case makeSandbox(SandboxPlan)
    /// Remove what is left of the sandbox, its network first. All containers have ended. Answered by `.sandboxRemoved`.
    case removeSandbox(PodIdentity)
    /// Answered by `.containerStarted`, later `.containerEnded`.
    case startContainer(ContainerPlan)
    /// SIGTERM, after the grace period SIGKILL (zero: SIGKILL at once). Answered by `.containerEnded`. It may come
    /// again with a shorter grace.
    case stopContainer(ContainerIdentity, grace: Duration)
    /// Forget the log and what else is left of a run that is neither the present nor the previous one. Not answered.
    case removeContainer(ContainerIdentity)
    /// Answered by `.hookEnded`.
    case runHook(ContainerIdentity, LifecycleHook, ProbeTarget, within: Duration)
    /// Answered by `.probed` within the timeout.
    case probe(ProbeIdentity, ProbeTarget, within: Duration)
    /// Everything of the pod is over, or it was evicted: remove its folders. Not answered.
    case forgetPod(PodIdentity)
}

/// A pod's network and what its containers share.
public struct SandboxPlan: Sendable, Equatable {
    public var pod: PodIdentity
    /// 64 hexadecimal digits; the container ID that CNI plugins see.
    public var id: String
    public var attempt: Int
    /// In the node's own network: no CNI plugin is called.
    public var isHostNetwork: Bool
    public var hostname: String
    /// The content of `/etc/resolv.conf`.
    public var resolver: String
    public var labels: [String: String]
    public var annotations: [String: String]
    public var portMappings: [PortMapping]
    public var sysctls: [String: String]
    /// The `cpu.max`, `memory.max`, … of the pod's cgroup.
    public var controlGroup: [ControlGroupValue]
    public var sharesProcesses: Bool

    package init(
        pod: PodIdentity, id: String, attempt: Int, isHostNetwork: Bool, hostname: String, resolver: String,
        labels: [String: String], annotations: [String: String], portMappings: [PortMapping],
        sysctls: [String: String], controlGroup: [ControlGroupValue], sharesProcesses: Bool
    ) {
        self.pod = pod
        self.id = id
        self.attempt = attempt
        self.isHostNetwork = isHostNetwork
        self.hostname = hostname
        self.resolver = resolver
        self.labels = labels
        self.annotations = annotations
        self.portMappings = portMappings
        self.sysctls = sysctls
        self.controlGroup = controlGroup
        self.sharesProcesses = sharesProcesses
    }
}

public struct PortMapping: Sendable, Hashable {
    public var hostIP: String
    public var hostPort: UInt16
    public var containerPort: UInt16
    /// `TCP`, `UDP`, `SCTP`
    public var protocolName: String

    package init(hostIP: String, hostPort: UInt16, containerPort: UInt16, protocolName: String) {
        self.hostIP = hostIP
        self.hostPort = hostPort
        self.containerPort = containerPort
        self.protocolName = protocolName
    }
}

/// A line to write into a file of a cgroup: (`memory.max`, `67108864`).
public struct ControlGroupValue: Sendable, Hashable {
    public var file: String
    public var value: String
    public init(_ file: String, _ value: String) {
        self.file = file
        self.value = value
    }
}

/// One run of a container.
public struct ContainerPlan: Sendable, Equatable {
    public var identity: ContainerIdentity
    public var isInit: Bool
    /// 0 for the first run.
    public var attempt: Int
    public var image: String
    public var workload: Workload
    /// Program and arguments, expanded. Empty for a built-in workload without arguments.
    public var arguments: [String]
    public var environment: [EnvironmentVariable]
    /// Empty for `/`.
    public var workingDirectory: String
    public var mounts: [MountPlan]
    /// The content of `/etc/hosts`.
    public var hostsFile: String
    public var ports: [UInt16]
    public var controlGroup: [ControlGroupValue]
    public var oomScoreAdjustment: Int
    public var user: Int64?
    public var group: Int64?
    public var supplementalGroups: [Int64]
    public var isPrivileged: Bool
    public var isRootReadOnly: Bool
    public var allowsPrivilegeEscalation: Bool
    /// Without `CAP_`: `NET_ADMIN`; `ALL`.
    public var addedCapabilities: [String]
    public var droppedCapabilities: [String]
    public var hasStdin: Bool
    public var isStdinOnce: Bool
    public var hasTerminal: Bool
    /// `/dev/termination-log`
    public var terminationMessagePath: String
}

public struct EnvironmentVariable: Sendable, Hashable {
    public var name: String
    public var value: String
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// What an image stands for in a lab.
public enum Workload: Sendable, Hashable {
    /// A program of the userland; the plan's `arguments` have it.
    case program
    /// One of the lab's own workloads: `echo`, `json-mock`, `http`, `webhook`, `pause`.
    case builtIn(String)
}

/// A volume where a container sees it.
public struct MountPlan: Sendable, Hashable {
    public var volume: String
    /// The absolute path in the container.
    public var path: String
    /// The path in the volume; empty for all of it.
    public var subPath: String
    public var isReadOnly: Bool
}

/// What a volume of a pod is made of.
public struct VolumePlan: Sendable, Hashable {
    public enum Source: Sendable, Hashable {
        /// `isMemory`: a tmpfs of its own, of at most `sizeLimit` bytes.
        case emptyDirectory(isMemory: Bool, sizeLimit: Int64?)
        /// Files of this content. They change together.
        case files([VolumeFile])
        /// A path of the node and its `type` (`DirectoryOrCreate`, …; empty: no check).
        case hostPath(String, type: String)
    }
    public var name: String
    public var source: Source
    /// The group that owns the files, `fsGroup`.
    public var group: Int64?
}

public struct VolumeFile: Sendable, Hashable {
    /// Relative, without `..`.
    public var path: String
    public var content: [UInt8]
    /// The permission bits.
    public var mode: UInt16
}

/// What a probe or hook does, with names of ports resolved.
public enum ProbeTarget: Sendable, Hashable {
    case exec([String])
    /// `headers` are names and values. `host` is the pod's address unless the probe has another.
    case http(isTLS: Bool, host: String, port: UInt16, path: String, headers: [[String]])
    case tcp(host: String, port: UInt16)
}

/// A `v1 Event`.
public struct EventRecord: Sendable, Equatable {
    public var namespace: String
    /// `web-0.17c9b5d2f1a3e4b5`
    public var name: String
    /// Whether an event of this name has been written before, so that `count`, `lastTimestamp` and `message` are to be
    /// patched.
    public var isRepeated: Bool
    /// `Normal` or `Warning`.
    public var type: String
    public var reason: String
    public var message: String
    public var count: Int
    /// The whole object.
    public var object: JSONValue
}
