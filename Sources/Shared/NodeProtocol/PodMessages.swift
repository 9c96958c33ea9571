public struct PodSpec: Codable, Sendable {
    public let namespace: String
    public let name: String
    public let uid: String
    public let labels: [String: String]
    /// The port of its TCP and UDP echo receiver; 0 for a pod without one, which still answers ICMP echoes.
    public let port: UInt16
    /// The programs of the userland that run in it. If there are none, the pod only answers probes.
    public let containers: [ContainerSpec]
    public let restartPolicy: RestartPolicy
    /// The content of its `/etc/resolv.conf`. It is empty if the pod has no name server.
    public let resolver: String
    /// The lines of its `/etc/hosts` besides those for localhost and itself.
    public let hosts: [String]
    /// The files that exist before its programs start, from absolute path to content.
    public let files: [String: String]
    public init(
        namespace: String, name: String, uid: String, labels: [String: String], port: UInt16,
        containers: [ContainerSpec] = [], restartPolicy: RestartPolicy = .always, resolver: String = "",
        hosts: [String] = [], files: [String: String] = [:]
    ) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.labels = labels
        self.port = port
        self.containers = containers
        self.restartPolicy = restartPolicy
        self.resolver = resolver
        self.hosts = hosts
        self.files = files
    }
}

/// When a program that has ended is started again, in Kubernetes' terms.
public enum RestartPolicy: String, Codable, Sendable, CaseIterable {
    case always = "Always"
    case onFailure = "OnFailure"
    case never = "Never"
}

/// A program of the userland in a pod.
public struct ContainerSpec: Codable, Sendable, Hashable {
    public let name: String
    /// The program, as a path or as a name to be found in `/usr/sbin:/usr/bin:/sbin:/bin`, with its arguments.
    public let command: [String]
    /// `NAME=value`
    public let environment: [String]
    public init(name: String, command: [String], environment: [String] = []) {
        self.name = name
        self.command = command
        self.environment = environment
    }
}

/// The present state of a container.
public struct ContainerState: Codable, Sendable, Hashable {
    public let pod: PodReference
    public let name: String
    public let running: Bool
    /// How it ended last: `exit 3`, `signal 9`; nil if it never ended.
    public let ended: String?
    /// Its last lines of output before it ended.
    public let lastLines: [String]
    /// The number of restarts.
    public let restarts: Int
    /// The milliseconds until it is restarted, or nil if it is not restarted.
    public let restartMillis: Int?
    public init(
        pod: PodReference, name: String, running: Bool, ended: String?, lastLines: [String], restarts: Int,
        restartMillis: Int?
    ) {
        self.pod = pod
        self.name = name
        self.running = running
        self.ended = ended
        self.lastLines = lastLines
        self.restarts = restarts
        self.restartMillis = restartMillis
    }
}

public struct PodReference: Codable, Sendable, Hashable {
    public let namespace: String
    public let name: String
    public init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }
}

public struct PodStatus: Codable, Sendable {
    public let namespace: String
    public let name: String
    /// The first address of the CNI result, without prefix length; nil if the plugin failed or no network is
    /// configured.
    public let address: String?
    /// `Running` or `ContainerCreating`
    public let phase: String
    /// The reason if it is not running: `no networks found in /etc/cni/net.d`, or the plugin's error.
    public let message: String?
    public init(namespace: String, name: String, address: String?, phase: String, message: String?) {
        self.namespace = namespace
        self.name = name
        self.address = address
        self.phase = phase
        self.message = message
    }
}

/// An interface in a pod's network namespace.
public struct PodInterface: Codable, Sendable, Hashable {
    public let pod: PodReference
    public let name: String
    /// `veth`, `ipvlan`, …; nil for a network card.
    public let kind: String?
    public let mac: String
    public init(pod: PodReference, name: String, kind: String?, mac: String) {
        self.pod = pod
        self.name = name
        self.kind = kind
        self.mac = mac
    }
}

public struct Execute: Codable, Sendable {
    public let arguments: [String]
    public let deadlineMillis: Int
    public init(arguments: [String], deadlineMillis: Int) {
        self.arguments = arguments
        self.deadlineMillis = deadlineMillis
    }
}

public struct Executed: Codable, Sendable {
    /// Exit status, or 128 + signal.
    public let status: Int32
    public let output: String
    public let errorOutput: String
    public init(status: Int32, output: String, errorOutput: String) {
        self.status = status
        self.output = output
        self.errorOutput = errorOutput
    }
}

/// A program of the userland that is run once: in a pod's network and root or, without a pod, in the node's own network
/// with the disk as its root.
public struct PodExec: Codable, Sendable {
    public let pod: PodReference?
    /// The program, as a path or as a name to be found in `/usr/sbin:/usr/bin:/sbin:/bin`, with its arguments.
    public let arguments: [String]
    /// Its standard input.
    public let input: String
    public let deadlineMillis: Int
    public init(pod: PodReference?, arguments: [String], input: String = "", deadlineMillis: Int) {
        self.pod = pod
        self.arguments = arguments
        self.input = input
        self.deadlineMillis = deadlineMillis
    }
}
