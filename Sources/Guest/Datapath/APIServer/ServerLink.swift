import AgentAPI
import ClusterClient
import CNI
import KubeClient
import KubeObjects
import LinuxKernel
import ServedObjects
import Synchronization

/// The agent's side of the API server: a client, what it follows, and what is kept of it.
final class ServerLink: Sendable {
    /// The shortest time between two passes over the kernel. What comes meanwhile is taken together.
    static let spacing = Duration.milliseconds(50)
    /// How long a pod waits for its identity to be allocated.
    static let identityPatience = Duration.seconds(10)

    /// How many identities a server may refuse in one pass before it is asked for no more of them.
    static let mostRefusals = 8

    /// The way to the server leads through the network under test. After it was broken, an agent is to be back within
    /// seconds.
    private static var limits: KubeClientLimits {
        var limits = KubeClientLimits()
        limits.connecting = .seconds(3)
        limits.silence = .seconds(15)
        return limits
    }

    let client: KubeClient
    let identities: IdentityTable
    let follower: ClusterFollower
    let allocator: IdentityAllocator
    let nodeName: String
    /// Wakes the passes over the kernel, the writer of endpoints, and the writer of the node.
    let changes = Wakeup()
    let endpoints = Wakeup()
    let node = Wakeup()
    let state = Mutex(State())

    struct State {
        /// Whether everything was listed once, in this run or an earlier one.
        var isKnown = false
        var isReady = false
        var version: String?
        /// Why the node's range is not its own any more.
        var rangeProblem: String?
        /// Why the last write failed, by what was to be written.
        var writeProblems: [String: String] = [:]
    }

    init(_ access: APIServerAccess, nodeName: String) {
        let credential: KubeCredential =
            if let file = access.tokenFile { .tokenFile(file) } else if let token = access.token { .token(token) } else
            {
                .none
            }
        client = KubeClient(
            KubeServer(
                host: access.host, port: access.port, authorityPEM: access.authorityPEM, credential: credential),
            userAgent: "datapathd/\(Agent.version) (linux)", limits: Self.limits)
        identities = IdentityTable()
        self.nodeName = nodeName
        allocator = IdentityAllocator(client, identities)
        let (changes, client) = (changes, client)
        follower = ClusterFollower(client, nodeName: nodeName, identities: identities) { notice in
            switch notice {
            case .changed: changes.wake()
            case .lost(let kind, let reason):
                Log.warning(
                    "connection to the API server lost",
                    ["server": "\(client.server)", "watch": kind.rawValue, "reason": reason])
            case .connected(let after):
                Log.info(
                    "connected to the API server",
                    ["server": "\(client.server)", "after": "\(Self.milliseconds(after)) ms"])
                changes.wake()
            case .unreadable(let kind, let name):
                Log.warning(
                    "object cannot be read; what was known of it stays",
                    ["kind": kind.rawValue, "object": name.description])
            }
        }
    }

    static func milliseconds(_ duration: Duration) -> Int {
        Int(duration.components.seconds) * 1000 + Int(duration.components.attoseconds / 1_000_000_000_000_000)
    }

    // MARK: State

    var status: APIServerStatus {
        var status = follower.status
        status.version = state.withLock { $0.version }
        return status
    }

    /// Why pods must not be connected yet, in one sentence each.
    var problems: [String] {
        let (isKnown, rangeProblem) = state.withLock { ($0.isKnown, $0.rangeProblem) }
        var problems: [String] = []
        if !isKnown {
            problems.append(
                "waiting for the API server \(client.server): " + follower.missing.joined(separator: ", "))
        }
        return problems + [rangeProblem].compactMap { $0 }
    }

    /// Notes whether the conflist is there.
    func note(isReady: Bool) {
        let isNew = state.withLock { state in
            defer { state.isReady = isReady }
            return state.isReady != isReady
        }
        if isNew { node.wake() }
    }

    func endpointsChanged() { endpoints.wake() }

    /// Called from time to time, so that nothing waits for an event that does not come.
    func look() {
        endpoints.wake()
        node.wake()
    }

    /// Logs a failure to write when its reason is a new one, and that it is over.
    func note(_ failure: String?, writing what: String) {
        let before = state.withLock { state in
            defer { state.writeProblems[what] = failure }
            return state.writeProblems[what]
        }
        guard before != failure else { return }
        if let failure {
            Log.warning("cannot write to the API server", ["what": what, "reason": failure])
        } else {
            Log.info("written to the API server", ["what": what])
        }
    }

    // MARK: Identities

    /// Has an identity allocated for the pod of an ADD, if it has none yet.
    ///
    /// - Returns: The answer to the call if that fails.
    func allocateIdentity(for request: CNIRequest, _ agent: Agent) -> CNIReply? {
        guard request.command == "ADD", let arguments = try? CNIArguments(parsing: request.arguments) else {
            return nil
        }
        do {
            let labels = try agent.withCore { core in
                core.identityLabels(namespace: arguments.namespace, labels: arguments.labels)
            }
            if let number = identities.number(of: labels), identities.served(number)?.labels == labels { return nil }
            let allocator = allocator
            let number = try Waiting<UInt32>.run(until: .after(Self.identityPatience + .seconds(1))) {
                try await allocator.allocate(labels, within: Self.identityPatience)
            }
            guard number == nil else { return nil }
            throw IdentityFailure(labels: labels, reason: "no answer of the API server in time")
        } catch {
            return Self.refusal(of: request, CNIError(.tryAgainLater, "\(error)"))
        }
    }
}
