public import KubeClient
import Certificates
import Files
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The servers of a cluster: etcd, kube-apiserver, kube-controller-manager and kube-scheduler, as children of this
/// process, in a network namespace that has an address already.
///
/// All state is etcd's. A server that was killed can be started again, and nothing is lost.
public actor ControlPlane {
    public nonisolated let spec: ControlPlaneSpec
    /// The API server with the credentials of the administrator. Sockets to it are opened in the control plane's
    /// namespace or wherever its address is reached.
    public nonisolated var admin: KubeServer { credentials.admin }

    let credentials: ClusterCredentials
    nonisolated let files: ControlPlaneFiles
    private let arguments: ServerArguments
    private let namespacePath: String
    private let notice: @Sendable (ControlPlaneNotice) -> Void
    let clients: ControlPlaneClients
    private let logs: [ControlPlaneServer: ServerLog]
    private var processes: [ControlPlaneServer: ServerProcess] = [:]
    private var disturbances: [ControlPlaneServer: Disturbance] = [:]
    private var nodes: [String: NodeCredentials] = [:]
    private var bringUp: Task<Void, any Error>?
    private var isStopped = false

    /// Makes keys and certificates, and starts nothing.
    ///
    /// - Parameters:
    ///   - namespacePath: The network namespace of the servers, such as `/proc/self/fd/7`. `lo` must be up there, and
    ///     `spec.address` be an address of it.
    ///   - notice: Called on threads of its own when a server has ended, whether or not it was asked to.
    /// - Throws: `ControlPlaneError`, `CertificateError`, `SystemError`.
    public init(
        _ spec: ControlPlaneSpec, namespacePath: String, notice: @escaping @Sendable (ControlPlaneNotice) -> Void
    ) throws {
        let files = ControlPlaneFiles(folder: spec.folder, artifacts: spec.artifacts)
        credentials = try ClusterCredentials(spec)
        clients = try ControlPlaneClients(credentials, namespacePath: namespacePath)
        arguments = ServerArguments(spec: spec, files: files, version: spec.programs.version)
        logs = Dictionary(
            uniqueKeysWithValues: spec.servers.map { ($0, ServerLog(path: files.log(of: $0))) })
        for node in spec.nodes { nodes[node.name] = try credentials.node(node) }
        self.spec = spec
        self.files = files
        self.namespacePath = namespacePath
        self.notice = notice
    }

    // MARK: Start and end

    /// Writes keys and configuration, starts etcd and the API server, and goes on to start the others when the API
    /// server answers. See `waitUntilReady`.
    public func start() async throws {
        for folder in files.secretFolders {
            try Directories.make(folder, mode: 0o700)
            try check("chmod", folder) { chmod(folder, 0o700) }
        }
        try Directories.make(files.artifacts)
        try credentials.write(to: files)
        try AtomicFile.write(AuditPolicy.text, to: files.auditPolicy, mode: 0o600)
        try await start(.etcd)
        try spawn(.apiServer)
        bringUp = Task { try await self.startClients() }
    }

    /// The controller manager gives up 10 s after its start if the API server does not answer.
    private func startClients() async throws {
        try await wait("an answer of the API server", until: .after(.seconds(300))) { [clients] in
            await clients.silence(of: .apiServer)
        }
        try spawn(.controllerManager)
        try spawn(.scheduler)
    }

    /// Waits until the API server says that it is ready (`/readyz`): it takes objects, but no pods yet.
    ///
    /// - Throws: `ControlPlaneError`: `ended` as soon as a server has ended, `timedOut` with the last state seen.
    public func waitUntilServing(within limit: Duration) async throws {
        try await wait("\(ControlPlaneServer.apiServer) to be healthy", until: .after(limit)) { [clients] in
            await clients.ailment(of: .apiServer)
        }
    }

    /// Waits until the cluster can be used: the API server says that it is ready (`/readyz`), and the namespace
    /// `default` and its service account are there. `/readyz` alone is too early: a pod is refused without the service
    /// account. A controller manager or a scheduler that was killed or stopped on purpose is not waited for.
    ///
    /// - Throws: `ControlPlaneError`: `ended` as soon as a server has ended, `timedOut` with the last state seen.
    public func waitUntilReady(within limit: Duration) async throws {
        let deadline = Deadline.after(limit)
        for server in [ControlPlaneServer.apiServer, .controllerManager, .scheduler] {
            if server != .apiServer, isDisturbed(server) { continue }
            try await wait("\(server) to be healthy", until: deadline) { [clients] in
                await clients.ailment(of: server)
            }
        }
        let account = (KubeResource.serviceAccounts, "default", "default")
        for (resource, namespace, name) in [(KubeResource.namespaces, nil, "default"), account] {
            try await wait("\(resource.plural)/\(name) to be made", until: deadline) { [clients] in
                await clients.absence(of: resource, namespace: namespace, name: name)
            }
        }
    }

    /// Kills all servers. Their data stay in the folder.
    public func stop() async {
        isStopped = true
        bringUp?.cancel()
        for server in disturbances.keys { heal(server) }
        for process in processes.values {
            process.expectEnd()
            try? process.send(signal: SIGKILL)
        }
        let deadline = Deadline.after(.seconds(10))
        for process in processes.values { _ = await process.hasEnded(by: deadline) }
        processes = [:]
        await clients.close()
    }

    // MARK: One server

    /// Starts a server that does not run, with the state that it had, and waits until it answers.
    public func start(_ server: ControlPlaneServer) async throws {
        guard process(server) == nil else { return }
        try spawn(server)
        try await wait("\(server) to be healthy", of: [server], until: .after(.seconds(60))) { [clients] in
            await clients.ailment(of: server)
        }
    }

    /// Sends a signal, and waits until the server has ended if the signal is one that ends it. Its end is then an
    /// expected one. After SIGTERM an API server waits up to 60 s for the watches of others to end.
    ///
    /// - Throws: `ControlPlaneError`: `notRunning`; `timedOut` if it has not ended after 75 s.
    public func kill(_ server: ControlPlaneServer, signal: Int32 = SIGKILL) async throws {
        let process = try running(server)
        let ends = [SIGKILL, SIGTERM, SIGINT, SIGQUIT, SIGABRT, SIGHUP].contains(signal)
        if ends { process.expectEnd() }
        // A stopped process takes nothing but SIGKILL.
        heal(server)
        try process.send(signal: signal)
        guard ends else { return }
        guard await process.hasEnded(by: .after(.seconds(75))) else {
            throw ControlPlaneError(.timedOut, "\(server) has not ended 75 s after signal \(signal)")
        }
    }

    /// Stops a server where it is (SIGSTOP): its connections stay, and nobody answers. It stands still on return.
    ///
    /// - Throws: `ControlPlaneError`: `notRunning`; `timedOut` if it has not stopped after 10 s.
    public func pause(_ server: ControlPlaneServer) async throws {
        let process = try running(server)
        try disturb(server, still: nil)
        guard await process.standsStill(by: .after(.seconds(10))) else {
            throw ControlPlaneError(.timedOut, "\(server) has not stopped 10 s after SIGSTOP")
        }
    }

    /// Makes a server slow: it stands still for twice the delay and runs for a tenth of that time (at least 20 ms),
    /// over and over. What it is asked at any moment waits for some nine tenths of the delay on average, and at most
    /// for twice the delay; what takes several turns waits several times. Requests that follow each other closely come
    /// through together while it runs.
    public func slow(_ server: ControlPlaneServer, by delay: Duration) throws {
        guard delay > .zero, delay <= .seconds(60) else {
            throw ControlPlaneError(.invalidSpec, "\(server) cannot be made slow by \(delay)")
        }
        try disturb(server, still: delay * 2)
    }

    /// Ends `pause` and `slow`. A server that does not run, or runs undisturbed, is left alone.
    public func resume(_ server: ControlPlaneServer) {
        heal(server)
    }

    /// Whether the server's process is there, be it paused.
    public func isRunning(_ server: ControlPlaneServer) -> Bool { process(server) != nil }

    /// The state of a server's process.
    public func condition(of server: ControlPlaneServer) -> ServerCondition {
        guard let process = process(server) else { return .ended }
        return process.isStopped ? .stopped : .running
    }

    /// Asks a server for its health over the network.
    public func probe(_ server: ControlPlaneServer, within limit: Duration = .seconds(2)) async -> ServerProbe {
        await clients.probe(server, isRunning: isRunning(server), within: limit)
    }

    /// What running servers cost, in their order.
    public func usage() -> [ServerUsage] {
        spec.servers.compactMap { process($0)?.usage() }
    }

    // MARK: Credentials

    /// A kubeconfig file of a user, whose key is in it. Each call makes a new certificate, but that of the
    /// administrator is always the same.
    public nonisolated func kubeconfig(for user: ControlPlaneUser = .admin) throws -> String {
        let server = user == .admin ? admin : try credentials.server(for: user)
        return try Kubeconfig(server, user: user.name, cluster: spec.clusterName).text
    }

    /// The API server with a new client certificate of a user whom RBAC may know.
    public nonisolated func server(for user: ControlPlaneUser) throws -> KubeServer {
        user == .admin ? admin : try credentials.server(for: user)
    }

    /// The credentials of a node: always the same for a name.
    ///
    /// - Parameter address: Needed for a node that the specification does not name.
    public func nodeCredentials(_ name: String, address: String? = nil) throws -> NodeCredentials {
        if let known = nodes[name] { return known }
        guard let address else {
            throw ControlPlaneError(.invalidSpec, "no node of the control plane is named \(name)")
        }
        let made = try credentials.node(ControlPlaneNode(name: name, address: address))
        nodes[name] = made
        return made
    }

    /// Gives the API server a new serving certificate of the same authority, which it takes when it is started again.
    public func renewServingCertificate() throws {
        try credentials.write(try credentials.apiServer(), to: files.apiServer)
    }
}

// MARK: Inside

extension ControlPlane {
    func process(_ server: ControlPlaneServer) -> ServerProcess? {
        processes[server].flatMap { $0.end == nil ? $0 : nil }
    }

    /// The first of some servers that has ended though nobody asked it to.
    func unexpectedEnd(of servers: [ControlPlaneServer]) -> ControlPlaneNotice? {
        servers.lazy.compactMap { self.processes[$0]?.end }.first { !$0.wasExpected }
    }

    /// Whether the server was ended, stopped or slowed down on purpose, so that nobody waits for it.
    private func isDisturbed(_ server: ControlPlaneServer) -> Bool {
        disturbances[server] != nil || processes[server]?.end?.wasExpected == true
    }

    private func running(_ server: ControlPlaneServer) throws -> ServerProcess {
        guard let process = process(server) else { throw ControlPlaneError(.notRunning, "\(server) does not run") }
        return process
    }

    private func spawn(_ server: ControlPlaneServer) throws {
        guard !isStopped else { throw ControlPlaneError(.notRunning, "the control plane was stopped") }
        guard let log = logs[server] else {
            throw ControlPlaneError(.notStarted, "the control plane has no \(server)")
        }
        disturbances[server] = nil
        // Nothing of the caller's environment: it may name proxies, or options of etcd (ETCD_…).
        let environment = ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": files.folder, "TMPDIR": files.folder]
        do {
            processes[server] = try ServerProcess(
                server, path: spec.programs.path(of: server), arguments: arguments.of(server),
                environment: environment, namespacePath: namespacePath, log: log, ended: notice)
        } catch {
            throw ControlPlaneError(.notStarted, "\(server) could not be started: \(error)")
        }
    }

    private func disturb(_ server: ControlPlaneServer, still: Duration?) throws {
        let process = try running(server)
        heal(server)
        disturbances[server] = try Disturbance(process, still: still)
    }

    private func heal(_ server: ControlPlaneServer) { disturbances.removeValue(forKey: server)?.end() }
}
