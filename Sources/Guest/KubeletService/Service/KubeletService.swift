import JSON
import KubeClient
import Kubelet
import LinuxKernel
import NodeProtocol
import Synchronization

/// The kubelet of a node: its mind, and what the mind's inputs and actions are at the API server and in the node's pod
/// runtime.
///
/// One task takes inputs in their order and hands out actions; each action is carried out by a task of its own, what
/// blocks on a thread of its own.
public final class KubeletService: Sendable {
    enum Event: Sendable {
        case input(KubeletInput)
        /// The mind's deadline has come.
        case tick
    }

    /// What the node is, as it says of itself.
    public struct Machine: Sendable {
        public var system: NodeSystem
        public var resources: NodeResources
        /// The bytes of memory that the machine really has.
        public var memory: Int64
        /// The content of the node's own `/etc/hosts`.
        public var hostsFile: String
        /// The folder of static pods' manifests.
        public var manifests: String
        public init(
            system: NodeSystem, resources: NodeResources, memory: Int64 = 0,
            hostsFile: String = "127.0.0.1\tlocalhost\n",
            manifests: String = "/etc/kubernetes/manifests"
        ) {
            self.system = system
            self.resources = resources
            self.memory = memory
            self.hostsFile = hostsFile
            self.manifests = manifests
        }
    }

    let configuration: KubeletConfiguration
    let client: KubeClient
    let runtime: any PodRuntime
    let mind: Mutex<KubeletMind>
    let now: @Sendable () -> KubeletTime
    /// Takes lines for the node's log.
    let note: @Sendable (String) -> Void

    let containers = ContainerTable()
    let follower: ObjectFollower
    let writer: ServerWriter
    let prober: NodeProber
    private let manifests: ManifestFolder
    private let events: AsyncStream<Event>
    private let send: AsyncStream<Event>.Continuation
    let startTime: KubeletTime

    /// - Throws: `ImageCatalogueProblem`, or what keeps the catalogue's text from being read.
    public init(
        _ configuration: KubeletConfiguration, machine: Machine, runtime: any PodRuntime,
        now: @escaping @Sendable () -> KubeletTime = { .now }, note: @escaping @Sendable (String) -> Void
    ) throws {
        self.configuration = configuration
        self.runtime = runtime
        self.now = now
        self.note = note
        startTime = now()
        manifests = ManifestFolder(path: machine.manifests, nodeName: configuration.nodeName)
        let images = try configuration.images.map { text in
            try ImageCatalogue(try JSONText.value(of: Array(text.utf8)))
        }
        mind = Mutex(
            KubeletMind(
                KubeletSettings(configuration, machine), images: images ?? ImageCatalogue(),
                seed: .random(in: .min ... .max)))
        client = KubeClient(
            KubeServer(
                host: configuration.server.host, port: configuration.server.port,
                authorityPEM: configuration.server.authorityPEM,
                credential: .certificate(
                    chainPEM: configuration.server.certificatePEM, keyPEM: configuration.server.keyPEM)),
            userAgent: "kubelet/\(machine.system.kubeletVersion) (linux/\(machine.system.architecture))")
        let (events, send) = AsyncStream<Event>.makeStream()
        self.events = events
        self.send = send
        let take: @Sendable (KubeletInput) -> Void = { send.yield(.input($0)) }
        follower = ObjectFollower(client, take)
        writer = ServerWriter(client, nodeName: configuration.nodeName, note: note, take)
        prober = NodeProber(runtime)
    }

    /// Tells the mind something.
    func take(_ input: KubeletInput) { send.yield(.input(input)) }

    /// Runs the kubelet until the task is cancelled. Pods that run then stay.
    public func run() async {
        do {
            try runtime.watchNetwork { self.take(.network(problem: $0)) }
        } catch {
            note("the folder of CNI configurations cannot be watched: \(error)")
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.think() }
            group.addTask { await self.writer.run() }
            group.addTask { await self.followPods() }
            group.addTask { await self.followNode() }
            group.addTask { await self.followServices() }
            group.addTask { await self.readUsage() }
            group.addTask { await self.readManifests() }
            group.addTask { await self.serve() }
            await group.waitForAll()
        }
        await follower.end()
        await client.close()
    }

    // MARK: Mind

    private func think() async {
        var timer: (deadline: Duration, task: Task<Void, Never>)?
        carryOut(mind.withLock { $0.advance(to: now()) })
        for await event in events {
            let time = now()
            let (actions, deadline) = mind.withLock { mind -> ([KubeletAction], Duration?) in
                var actions: [KubeletAction] = []
                if case .input(let input) = event { actions += mind.take(input, at: time) }
                if let deadline = mind.deadline, deadline <= time.monotonic { actions += mind.advance(to: time) }
                return (actions, mind.deadline)
            }
            if case .tick = event { timer = nil }
            carryOut(actions)
            guard timer?.deadline != deadline else { continue }
            timer?.task.cancel()
            timer = deadline.map { deadline in
                let wait = max(deadline - time.monotonic, .milliseconds(1))
                return (
                    deadline,
                    Task { [send] in
                        guard (try? await Task.sleep(for: wait)) != nil else { return }
                        send.yield(.tick)
                    }
                )
            }
        }
        timer?.task.cancel()
    }

    // MARK: What is followed at the API server

    /// A lab's servers start together with its nodes, so that the first tries fail.
    private static let following: ReflectorSettings = {
        var settings = ReflectorSettings()
        settings.longestPause = .seconds(2)
        return settings
    }()

    private func followPods() async {
        let reflector = Reflector<KubePod>(
            client, .pods, fieldSelector: "spec.nodeName=\(configuration.nodeName)", settings: Self.following
        ) { try KubePod(try JSONText.value(of: $0)) }
        for await update in reflector.updates() {
            switch update {
            case .listed(let pods): take(.podsListed(pods))
            case .added(let pod), .modified(let pod): take(.pod(pod))
            case .deleted(let pod): take(.podGone(pod.identity))
            case .unreadable(let pod):
                let identity = PodIdentity(namespace: pod.namespace, name: pod.name, uid: "")
                take(.unreadablePod(identity, pod.reason))
            case .disconnected(let reason): note("pods are not followed: \(reason)")
            case .connected: note("pods are followed")
            }
        }
    }

    private func followNode() async {
        let reflector = Reflector<JSONValue>(
            client, .nodes, fieldSelector: "metadata.name=\(configuration.nodeName)", settings: Self.following
        ) { try JSONText.value(of: $0) }
        for await update in reflector.updates() {
            switch update {
            case .listed(let nodes): if let node = nodes.first { take(.node(node)) }
            case .added(let node), .modified(let node): take(.node(node))
            case .deleted, .unreadable, .disconnected, .connected: break
            }
        }
    }

    private func followServices() async {
        let reflector = Reflector<JSONValue>(client, .services, settings: Self.following) { try JSONText.value(of: $0) }
        var known: [String: JSONValue] = [:]
        func key(_ service: JSONValue) -> String {
            "\(service["metadata"]?["namespace"]?.text ?? "")/\(service["metadata"]?["name"]?.text ?? "")"
        }
        for await update in reflector.updates() {
            switch update {
            case .listed(let services): known = Dictionary(services.map { (key($0), $0) }) { _, last in last }
            case .added(let service), .modified(let service): known[key(service)] = service
            case .deleted(let service): known[key(service)] = nil
            case .unreadable, .disconnected, .connected: continue
            }
            take(.services(known.sorted { $0.key < $1.key }.compactMap { ServiceAddress($0.value) }))
        }
    }

    private func readManifests() async {
        var known: [KubePod]?
        while !Task.isCancelled {
            let (manifests, now) = (manifests, now())
            if let reading = try? await onOwnThread("manifests", { manifests.read(at: now) }) {
                // Only what changed is told: identities stand for path and content.
                if known?.map(\.identity) != reading.pods.map(\.identity) {
                    take(.staticPods(reading.pods))
                    for problem in reading.problems { note(problem) }
                }
                known = reading.pods
            }
            guard (try? await Task.sleep(for: ManifestFolder.period)) != nil else { return }
        }
    }

    /// How often the node's memory is read. A kubelet's eviction does so every ten seconds.
    private static let usagePeriod = Duration.seconds(10)

    private func readUsage() async {
        while !Task.isCancelled {
            let runtime = runtime
            if let usage = try? await onOwnThread("usage", { runtime.usage() }) { take(.usage(usage)) }
            guard (try? await Task.sleep(for: Self.usagePeriod)) != nil else { return }
        }
    }
}

extension KubeletSettings {
    init(_ configuration: KubeletConfiguration, _ machine: KubeletService.Machine) {
        self.init(
            nodeName: configuration.nodeName,
            addresses: [
                NodeAddress(type: "InternalIP", address: configuration.address),
                NodeAddress(type: "Hostname", address: configuration.nodeName),
            ], resources: machine.resources, system: machine.system)
        labels = configuration.labels
        taints = configuration.taints.map { Taint(key: $0.key, value: $0.value, effect: $0.effect) }
        podCIDR = configuration.podCIDR
        providerID = configuration.providerID
        kubeletPort = configuration.serving?.port ?? 10250
        clusterDNS = configuration.clusterDNS
        clusterDomain = configuration.clusterDomain
        hostResolver = configuration.nameServers.map { "nameserver \($0)\n" }.joined()
        hostsFile = machine.hostsFile
        evictionMemory = EvictionThreshold.bytes(configuration.evictionHard["memory.available"], of: machine.memory)
    }
}
