/// A pod of the node.
public struct PodReference: Sendable, Hashable {
    public var namespace: String
    public var name: String
    /// The uid in the request's path; nil where the path has none, as in the API server's requests.
    public var uid: String?

    public init(namespace: String, name: String, uid: String? = nil) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
    }
}

/// A container of a pod, or an init container.
public struct ContainerReference: Sendable, Hashable {
    public var pod: PodReference
    public var container: String

    public init(pod: PodReference, container: String) {
        self.pod = pod
        self.container = container
    }
}

/// What a client asks to run in a container.
public struct ExecRequest: Sendable, Hashable {
    public var container: ContainerReference
    /// Program and arguments; never empty.
    public var command: [String]

    public init(container: ContainerReference, command: [String]) {
        self.container = container
        self.command = command
    }
}

/// A refused request: the HTTP status and the words that the client reads.
public struct KubeletRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    public var status: Int
    public var message: String

    public init(status: Int, message: String) {
        self.status = status
        self.message = message
    }

    public var description: String { message }

    /// Words of the real kubelet (pkg/kubelet/server/server.go).
    public static func noPod(_ pod: PodReference) -> KubeletRefusal {
        KubeletRefusal(status: 404, message: "pod \"\(pod.name)\" does not exist")
    }
    public static func noContainer(_ container: ContainerReference) -> KubeletRefusal {
        KubeletRefusal(
            status: 404, message: "container \"\(container.container)\" not found in pod \"\(container.pod.name)\"")
    }
    public static func noPreviousContainer(_ container: ContainerReference) -> KubeletRefusal {
        KubeletRefusal(
            status: 400,
            message:
                "previous terminated container \"\(container.container)\" in pod \"\(container.pod.name)\" not found")
    }
    public static func notStarted(_ container: ContainerReference, reason: String) -> KubeletRefusal {
        KubeletRefusal(
            status: 400,
            message:
                "container \"\(container.container)\" in pod \"\(container.pod.name)\" is waiting to start: \(reason)")
    }
}

/// What the kubelet's HTTPS API is asked for and cannot know itself. Calls come from many tasks at once; a call's task
/// is cancelled when its client has gone.
public protocol KubeletBackend: Sendable {
    /// The node's pods with their statuses: a `v1.PodList` as JSON. The pods are written as the API server sent them.
    func pods() async throws -> [UInt8]

    /// The pods that have running containers: a `v1.PodList` as JSON.
    func runningPods() async throws -> [UInt8]

    /// What node, pods and containers use now. Values that were not measured are nil.
    func summary() async throws -> StatsSummary

    /// What keeps the kubelet from working, a line each; empty if nothing does.
    func health() async -> [String]

    /// The log of a container's running instance, of its last one if none runs, or of the instance before that.
    ///
    /// - Throws: `KubeletRefusal`, such as `.noPod`, `.noContainer`, `.notStarted`, `.noPreviousContainer`.
    func log(of container: ContainerReference, previous: Bool) async throws -> ContainerLog

    /// Whether a program could run in the container or its terminal be joined. It is asked before the connection is
    /// given over to streams, so its refusal still is an HTTP status.
    ///
    /// - Throws: `KubeletRefusal`.
    func checkRunning(_ container: ContainerReference) async throws

    /// Whether the pod's ports could be reached. It is asked before the connection is given over to streams.
    ///
    /// - Throws: `KubeletRefusal`.
    func checkRunning(_ pod: PodReference) async throws

    /// Runs a program in a container until it has ended and its outputs are written. `RemoteStreams.connect` joins the
    /// streams with a process's descriptors. If `streams.isTerminal`, the program gets a terminal of the sizes in
    /// `streams.sizes`, and everything it writes comes through `streams.output`.
    ///
    /// - Returns: The exit status; 128 and the number of the signal that ended the program.
    /// - Throws: What kept the program from running. Its description becomes the status message after
    ///   `error executing command in container: `.
    func exec(_ request: ExecRequest, _ streams: RemoteStreams) async throws -> Int32

    /// Joins a running container's first process, until it ends or the client has gone. Outputs are those from now on,
    /// as `ContainerLog.chunks()` gives them; what is typed goes to its standard input, if its pod asks for `stdin`.
    func attach(_ container: ContainerReference, _ streams: RemoteStreams) async throws

    /// Connects to a port of 127.0.0.1 in the pod's network namespace.
    ///
    /// - Returns: A connected TCP socket, which belongs to the caller from then on.
    /// - Throws: What refused. Its description becomes the message on the error stream.
    func connect(to port: UInt16, of pod: PodReference) async throws -> Int32
}
