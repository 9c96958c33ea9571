import NodeProtocol

/// What carries pods out on a node: sandboxes, which are a pod's place in the network, and containers in them. It is to
/// the kubelet what a container runtime is (the CRI), and knows no API server.
///
/// All functions block, and may be called on any thread; those that concern one pod are not called side by side.
public protocol PodRuntime: Sendable {
    /// What keeps pods from being attached to a network, in a container runtime's words, or nil if nothing does.
    var networkProblem: String? { get }

    /// Makes the pod's sandbox, or answers the one that is there.
    /// - Throws: the network plugin's error, or one of the kernel; nothing is left then.
    func makeSandbox(_ sandbox: SandboxSpec) throws -> SandboxStatus
    /// Ends what still runs in the sandbox and removes it with its network and its directories. That there is none is no
    /// failure.
    func removeSandbox(_ pod: PodIdentity) throws

    /// The directory in which the pod's volumes are laid. It is removed with the sandbox.
    func volumeDirectory(_ pod: PodIdentity) -> String

    /// Starts a container. `ended` is called once, when it has ended.
    /// - Throws: what keeps the program from being started.
    func startContainer(
        _ container: ContainerLaunch, log: ContainerLog, ended: @escaping @Sendable (ContainerEnd) -> Void
    ) throws -> any RunningContainer

    /// Runs a program in a container that runs.
    func execute(_ execution: ExecutionSpec) throws -> any RunningExecution

    /// Connects to a TCP port of the pod's own loopback address and answers the socket, which the caller closes.
    func connect(_ pod: PodIdentity, hostNetwork: Bool, port: UInt16) throws -> Int32
}

/// A container that was started.
public protocol RunningContainer: Sendable {
    /// A container runtime's name for this one run, 64 hexadecimal digits.
    var identifier: String { get }
    /// Sends a signal to its first process; nothing happens after its end.
    func signal(_ number: Int32)
    /// Kills all of its processes.
    func kill()
    /// Its standard input, or -1 if it has none or it was closed.
    func write(_ bytes: [UInt8])
    func closeInput()
    /// Sets the size of its terminal, if it has one.
    func resize(columns: UInt16, rows: UInt16)
}

/// A program that runs in a container besides the container's own.
public protocol RunningExecution: Sendable {
    func write(_ bytes: [UInt8])
    func closeInput()
    func resize(columns: UInt16, rows: UInt16)
    /// Kills it.
    func kill()
}

public struct PodIdentity: Sendable, Hashable {
    public var namespace: String
    public var name: String
    public var uid: String
    public init(namespace: String, name: String, uid: String) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
    }
    public var reference: PodReference { PodReference(namespace: namespace, name: name) }
}

public struct SandboxSpec: Sendable {
    public var pod: PodIdentity
    public var labels: [String: String]
    /// Whether it shares the node's network. No plugin is called then.
    public var hostNetwork: Bool
    public init(pod: PodIdentity, labels: [String: String], hostNetwork: Bool) {
        self.pod = pod
        self.labels = labels
        self.hostNetwork = hostNetwork
    }
}

public struct SandboxStatus: Sendable, Equatable {
    /// The pod's first address, without prefix length; nil for one that shares the node's network.
    public var address: String?
    public init(address: String?) { self.address = address }
}

/// A directory or file of the node that a container sees.
public struct ContainerMount: Codable, Sendable, Hashable {
    /// A path on the node.
    public var source: String
    /// An absolute path in the container.
    public var target: String
    public var readOnly: Bool
    public init(source: String, target: String, readOnly: Bool = false) {
        self.source = source
        self.target = target
        self.readOnly = readOnly
    }
}

public struct ContainerLimits: Codable, Sendable, Hashable {
    /// Bytes (`memory.max`), or nil for no limit.
    public var memory: Int64?
    /// Thousandths of a processor (`cpu.max`), or nil for no limit.
    public var cpuMillis: Int64?
    /// The share in competition (`cpu.weight`, 1 to 10,000), or nil for the kernel's.
    public var cpuWeight: Int64?
    public init(memory: Int64? = nil, cpuMillis: Int64? = nil, cpuWeight: Int64? = nil) {
        self.memory = memory
        self.cpuMillis = cpuMillis
        self.cpuWeight = cpuWeight
    }
}

public struct ContainerLaunch: Sendable {
    /// What a container does.
    public enum Work: Sendable, Hashable {
        /// A program of the userland with its arguments.
        case program([String])
        /// The prober's receivers on these TCP and UDP ports, without a process.
        case echo(ports: [UInt16])
    }

    public var pod: PodIdentity
    public var name: String
    /// How many times it was started before.
    public var attempt: Int
    public var work: Work
    /// `NAME=value`
    public var environment: [String]
    public var workingDirectory: String?
    public var hostname: String
    public var hostNetwork: Bool
    public var mounts: [ContainerMount]
    public var limits: ContainerLimits
    public var user: UInt32?
    public var group: UInt32?
    public var readOnlyRoot: Bool
    /// Whether it has a standard input that can be written to, and a terminal.
    public var stdin: Bool
    public var tty: Bool
    /// The file in the container whose content becomes the end's message.
    public var messagePath: String

    public init(
        pod: PodIdentity, name: String, attempt: Int, work: Work, environment: [String] = [],
        workingDirectory: String? = nil, hostname: String = "", hostNetwork: Bool = false,
        mounts: [ContainerMount] = [], limits: ContainerLimits = ContainerLimits(), user: UInt32? = nil,
        group: UInt32? = nil, readOnlyRoot: Bool = false, stdin: Bool = false, tty: Bool = false,
        messagePath: String = "/dev/termination-log"
    ) {
        self.pod = pod
        self.name = name
        self.attempt = attempt
        self.work = work
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.hostname = hostname
        self.hostNetwork = hostNetwork
        self.mounts = mounts
        self.limits = limits
        self.user = user
        self.group = group
        self.readOnlyRoot = readOnlyRoot
        self.stdin = stdin
        self.tty = tty
        self.messagePath = messagePath
    }
}

/// How a container ended.
public struct ContainerEnd: Sendable, Hashable {
    /// The program's own status, or 128 and the signal's number.
    public var exitCode: Int32
    /// The signal that ended it, or 0.
    public var signal: Int32
    /// Whether the kernel killed a process of it because its memory was used up.
    public var outOfMemory: Bool
    /// What it wrote to its termination message file, at most 4,096 bytes.
    public var message: String
    public init(exitCode: Int32, signal: Int32 = 0, outOfMemory: Bool = false, message: String = "") {
        self.exitCode = exitCode
        self.signal = signal
        self.outOfMemory = outOfMemory
        self.message = message
    }
}

/// A program to run in a container that runs.
public struct ExecutionSpec: Sendable {
    public enum Stream: Sendable { case output, error }

    public var pod: PodIdentity
    public var container: String
    public var arguments: [String]
    public var stdin: Bool
    public var tty: Bool
    /// Takes what it writes; may block, and the program waits meanwhile. With a terminal all is `output`.
    public var received: @Sendable (Stream, ArraySlice<UInt8>) -> Void
    /// Called once, after the last output.
    public var ended: @Sendable (ContainerEnd) -> Void
    public init(
        pod: PodIdentity, container: String, arguments: [String], stdin: Bool = false, tty: Bool = false,
        received: @escaping @Sendable (Stream, ArraySlice<UInt8>) -> Void,
        ended: @escaping @Sendable (ContainerEnd) -> Void
    ) {
        self.pod = pod
        self.container = container
        self.arguments = arguments
        self.stdin = stdin
        self.tty = tty
        self.received = received
        self.ended = ended
    }
}

/// A refusal of the runtime, in its own words.
public struct PodRuntimeError: Error, Sendable, Hashable, CustomStringConvertible {
    public var message: String
    public init(_ message: String) { self.message = message }
    public var description: String { message }
}
