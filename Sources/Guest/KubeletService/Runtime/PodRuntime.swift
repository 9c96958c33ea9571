import Kubelet
import KubeletServer

/// What carries pods out on a node: sandboxes, which are a pod's place in the network, and containers in them. It is to
/// the kubelet what a container runtime is (the CRI), and knows no API server.
///
/// All functions block, and may be called on any thread; those that concern one pod's sandbox, and those that concern
/// one container, are not called side by side.
public protocol PodRuntime: Sendable {
    /// Tells now and after every change what keeps pods from being attached to a network, in a container runtime's
    /// words, or nil if nothing does.
    func watchNetwork(_ changed: @escaping @Sendable (String?) -> Void) throws

    /// Makes a pod's volumes.
    func mountVolumes(_ pod: PodIdentity, _ volumes: [VolumePlan]) throws
    /// Replaces the files of one volume.
    func updateVolume(_ pod: PodIdentity, _ volume: VolumePlan) throws
    /// Removes what is left of a pod's volumes and folders.
    func forgetPod(_ pod: PodIdentity)

    /// Makes the pod's sandbox, or answers the one that is there.
    /// - Returns: the pod's addresses, none for a pod in the node's own network.
    /// - Throws: the network plugin's error, or one of the kernel; nothing is left then.
    func makeSandbox(_ plan: SandboxPlan) throws -> SandboxNetwork
    /// Removes the sandbox with its network. That there is none is no failure.
    func removeSandbox(_ pod: PodIdentity) throws

    /// Starts a container. `ended` is called once, when it has ended and its last output is in the log.
    /// - Throws: what keeps the program from being started.
    func startContainer(
        _ plan: ContainerPlan, log: ContainerLog, ended: @escaping @Sendable (ContainerExit) -> Void) throws
    /// Sends a signal to a container's first process. Nothing happens if it has ended.
    func signal(_ container: ContainerIdentity, _ number: Int32)
    /// Kills all processes of a container.
    func kill(_ container: ContainerIdentity)
    /// A running container's standard input; nil if it has none.
    func input(of container: ContainerIdentity) -> (any ProgramInput)?

    /// Runs a program in a container that runs.
    func execute(_ execution: ExecutionPlan) throws -> any RunningExecution

    /// Connects to a TCP port of the pod's own loopback address.
    /// - Returns: the socket, connected and blocking, which the caller closes.
    func connect(_ pod: PodIdentity, port: UInt16) throws -> Int32

    /// What the node has left.
    func usage() -> NodeUsage?
}

/// Where a program's standard input comes from. All functions may be called after its end.
public protocol ProgramInput: Sendable {
    /// Writes, and waits for the program to take it.
    func write(_ bytes: ArraySlice<UInt8>)
    func closeInput()
    /// Sets the size of its terminal, if it has one.
    func resize(columns: UInt16, rows: UInt16)
}

/// A program that runs in a container besides the container's own.
public protocol RunningExecution: ProgramInput {
    /// Kills it with what it has started.
    func kill()
}

/// A program to run in a container that runs.
public struct ExecutionPlan: Sendable {
    public var container: ContainerIdentity
    /// The program and its arguments.
    public var arguments: [String]
    public var hasStdin: Bool
    public var hasTerminal: Bool
    /// Takes what it writes; may block, and the program waits meanwhile. With a terminal all is `output`.
    public var received: @Sendable (ContainerLog.Stream, ArraySlice<UInt8>) -> Void
    /// Called once, after the last output, with the exit status, or 128 + signal.
    public var ended: @Sendable (Int32) -> Void
    public init(
        container: ContainerIdentity, arguments: [String], hasStdin: Bool = false, hasTerminal: Bool = false,
        received: @escaping @Sendable (ContainerLog.Stream, ArraySlice<UInt8>) -> Void,
        ended: @escaping @Sendable (Int32) -> Void
    ) {
        self.container = container
        self.arguments = arguments
        self.hasStdin = hasStdin
        self.hasTerminal = hasTerminal
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
