import JSON

/// The mind of a node's kubelet: what is known goes in, what is to be done comes out. It does no I/O, reads no clock
/// and draws no random number that was not given; the same inputs give the same actions.
///
///     loop:  read inputs → take(_:at:) each → carry the actions out
///            wait until `deadline` or the next input, then advance(to:)
///
/// It is called from one thread at a time.
public struct KubeletMind: Sendable {
    private var world: World
    private var node: NodePresence
    /// By UID. The UID of a static pod is its own, not that of the object which shows it.
    private var lives: [String: PodLife] = [:]
    private var followed: Set<ObjectReference> = []
    /// How long the end of an evicted pod is waited for before the next one has to go.
    private static let cleanupLimit = Duration.seconds(30)
    /// The pod that was evicted last, and until when it is waited for.
    private var evicting: (uid: String, until: Duration)?

    /// - Parameters:
    ///   - seed: Makes the identifiers of containers and sandboxes and the jitter of delays; another one every boot.
    public init(_ settings: KubeletSettings, images: ImageCatalogue, seed: UInt64) {
        world = World(settings, images, seed: seed)
        node = NodePresence(settings)
    }

    /// Takes one input.
    /// - Returns: What is to be done now, in order.
    public mutating func take(_ input: KubeletInput, at now: KubeletTime) -> [KubeletAction] {
        world.now = now
        world.actions = []
        accept(input)
        node.advance(&world)
        return world.actions
    }

    /// Does what time alone asks for.
    public mutating func advance(to now: KubeletTime) -> [KubeletAction] {
        world.now = now
        world.actions = []
        for uid in lives.keys.sorted() {
            if let wake = lives[uid]?.wake, wake <= now.monotonic { sync(uid) }
        }
        node.advance(&world)
        return world.actions
    }

    /// When `advance` has something to do next, on the monotonic clock; nil if only an input can change anything.
    public var deadline: Duration? { lives.values.reduce(node.deadline) { min($0, $1.wake ?? $0) } }

    // MARK: Inputs

    private mutating func accept(_ input: KubeletInput) {
        switch input {
        case .podsListed(let pods): takeList(pods)
        case .pod(let pod):
            takePod(pod)
            follow()
        case .podGone(let identity):
            takeGone(identity)
            follow()
        case .staticPods(let pods): takeStatic(pods)
        case .unreadablePod(let identity, let problem):
            world.record(
                .pod(identity), .warning, "FailedValidation", "Error validating pod \(identity) from api: \(problem)")
        case .object(let reference, let content):
            guard followed.contains(reference) else { return }
            world.objects.updateValue(content, forKey: reference)
            for uid in lives.keys.sorted() where lives[uid]?.references.contains(reference) == true { sync(uid) }
        case .services(let services):
            let isFirst = world.services == nil
            world.services = services.sorted { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
            if isFirst { syncAll() }
        case .token(let request, let outcome): change(request.pod) { $0.take(request, outcome, &$1) }
        case .node(let object):
            node.take(object, &world)
            if world.nodeUID != node.uid {
                world.nodeUID = node.uid
                syncAll()
            }
        case .nodeWritten(let outcome): node.take(outcome, &world)
        case .statusWritten(let identity, let outcome):
            change(identity) { $0.take(written: outcome, &$1) }
        case .podDeleted(let identity, let outcome): change(identity) { $0.take(deleted: outcome, &$1) }
        case .network(let problem):
            let words = problem.map(NodeWords.networkProblem)
            guard words != world.networkProblem else { return }
            world.networkProblem = words
            syncAll()
        case .usage(let usage): relieve(usage)
        default: acceptFact(input)
        }
    }

    private mutating func acceptFact(_ input: KubeletInput) {
        switch input {
        case .volumesMounted(let pod, let outcome): change(pod) { $0.take(volumes: outcome, &$1) }
        case .sandboxMade(let pod, let attempt, let outcome):
            change(pod) { $0.take(sandbox: outcome, attempt: attempt, &$1) }
        case .sandboxLost(let pod): change(pod) { $0.loseSandbox(&$1) }
        case .sandboxRemoved(let pod, let outcome): change(pod) { $0.take(sandboxRemoved: outcome, &$1) }
        case .containerStarted(let identity, let outcome):
            change(identity.pod) { $0.take(started: identity, outcome, &$1) }
        case .containerEnded(let identity, let exit): change(identity.pod) { $0.take(ended: identity, exit, &$1) }
        case .hookEnded(let identity, let hook, let outcome):
            change(identity.pod) { $0.take(hook: hook, identity, outcome, &$1) }
        case .probed(let probe, let outcome):
            change(probe.container.pod) { $0.take(probe: probe, outcome, &$1) }
        default: break
        }
    }

    private mutating func change(_ pod: PodIdentity, _ body: (inout PodLife, inout World) -> Void) {
        guard let uid = key(of: pod), var life = lives[uid] else { return }
        body(&life, &world)
        lives[uid] = life
        sync(uid)
    }

    /// The UID under which a pod lives here; also for the object that shows a static pod.
    private func key(of pod: PodIdentity) -> String? {
        if lives[pod.uid] != nil { return pod.uid }
        return lives.first { $0.value.mirror?.identity == pod }?.key
    }

    private mutating func sync(_ uid: String) {
        guard var life = lives[uid] else { return }
        life.sync(&world)
        if life.isForgotten {
            lives[uid] = nil
            if let mirror = life.mirror { world.actions.append(.deletePod(mirror.identity)) }
            follow()
        } else {
            lives[uid] = life
        }
    }

    private mutating func syncAll() { for uid in lives.keys.sorted() { sync(uid) } }

    // MARK: Pods

    private mutating func takeList(_ pods: [KubePod]) {
        let listed = Set(pods.map(\.identity.uid))
        for (uid, life) in lives.sorted(by: { $0.key < $1.key }) {
            if let mirror = life.mirror, !listed.contains(mirror.identity.uid) { takeGone(mirror.identity) }
            if !life.isStatic, !listed.contains(uid) { takeGone(life.identity) }
        }
        for pod in pods.sorted(by: { $0.created < $1.created }) { takePod(pod) }
        follow()
    }

    private mutating func takePod(_ pod: KubePod) {
        if pod.isMirror { return takeMirror(pod) }
        let uid = pod.identity.uid
        if lives[uid] != nil {
            lives[uid]?.update(pod)
            lives[uid]?.report.compare(withShown: pod.status, now: world.now.monotonic)
        } else {
            add(pod, isStatic: false)
        }
        sync(uid)
    }

    private mutating func add(_ pod: KubePod, isStatic: Bool) {
        var life = PodLife(pod, isStatic: isStatic, &world)
        if !life.wasOver, !pod.isBeingDeleted {
            let others = lives.values.filter(\.isCounted).map(\.pod).sorted { $0.identity < $1.identity }
            let admission = Admission(
                settings: world.settings, labels: node.labels, others: others,
                hasMemoryPressure: node.hasMemoryPressure)
            if let rejection = admission.rejection(of: pod) {
                life.rejection = rejection
                world.record(.pod(pod.identity), .warning, rejection.reason, rejection.message)
            }
        }
        lives[pod.identity.uid] = life
    }

    private mutating func takeMirror(_ pod: KubePod) {
        let place = lives.first {
            $0.value.isStatic && $0.value.identity.name == pod.identity.name
                && $0.value.identity.namespace == pod.identity.namespace && $0.value.ending == nil
        }
        guard let uid = place?.key else {
            // It shows a pod that is no longer in the folder.
            if !pod.isBeingDeleted || pod.deletionGraceSeconds != 0 { world.actions.append(.deletePod(pod.identity)) }
            return
        }
        if lives[uid]?.mirror?.identity != pod.identity { lives[uid]?.report.startAgain() }
        lives[uid]?.mirror = pod
        lives[uid]?.report.compare(withShown: pod.status, now: world.now.monotonic)
        sync(uid)
    }

    private mutating func takeGone(_ identity: PodIdentity) {
        guard let uid = key(of: identity) else { return }
        if lives[uid]?.isStatic == true {
            lives[uid]?.mirror = nil
            lives[uid]?.report.startAgain()
        } else {
            lives[uid]?.ending = .gone
        }
        sync(uid)
    }

    private mutating func takeStatic(_ pods: [KubePod]) {
        let given = Set(pods.map(\.identity.uid))
        for (uid, life) in lives.sorted(by: { $0.key < $1.key }) where life.isStatic && !given.contains(uid) {
            lives[uid]?.ending = .gone
            sync(uid)
        }
        for pod in pods.sorted(by: { $0.identity < $1.identity }) where lives[pod.identity.uid] == nil {
            add(pod, isStatic: true)
            sync(pod.identity.uid)
        }
        follow()
    }

    /// Follows the objects that pods need, and no others.
    private mutating func follow() {
        var needed: Set<ObjectReference> = []
        for life in lives.values where life.isCounted { needed.formUnion(life.references) }
        for reference in needed.subtracting(followed).sorted() { world.actions.append(.follow(reference)) }
        for reference in followed.subtracting(needed).sorted() {
            world.actions.append(.unfollow(reference))
            world.objects[reference] = nil
        }
        followed = needed
    }

    /// Evicts one pod, unless the one before still takes memory.
    private mutating func relieve(_ usage: NodeUsage) {
        guard node.isShort(of: usage, &world) else { return }
        if let evicting, world.now.monotonic < evicting.until, let life = lives[evicting.uid], !life.isSettled {
            return
        }
        evicting = nil
        node.tellAttempt(&world)
        let candidates = lives.values.filter { $0.isCounted && $0.ending == nil && !$0.pod.isCritical }
            .map { life in
                let uid = life.identity.uid
                return Eviction.Candidate(
                    pod: life.pod, usage: usage.podMemory[uid] ?? 0, containers: usage.containerMemory[uid] ?? [:])
            }
        guard let victim = Eviction.first(candidates) else { return }
        evicting = (victim.pod.identity.uid, world.now.monotonic + Self.cleanupLimit)
        change(victim.pod.identity) { $0.evict(Eviction.notice(victim), &$1) }
    }

    // MARK: For the kubelet's API

    /// The objects of all pods, static ones too, with the status that the node knows (`/pods`).
    public var podObjects: [JSONValue] {
        lives.values.sorted { $0.identity < $1.identity }.map { life in
            guard let status = life.report.sent, var members = life.pod.object.members else { return life.pod.object }
            members["status"] = status
            return .object(members)
        }
    }

    /// The identity of the pod of this name that is not gone: the one that is not about to end, if there are two.
    public func pod(named name: String, namespace: String) -> PodIdentity? { life(name, namespace)?.identity }

    private func life(_ name: String, _ namespace: String, uid: String? = nil) -> PodLife? {
        let found = lives.values.filter {
            $0.identity.name == name && $0.identity.namespace == namespace
                && (uid == nil || $0.identity.uid == uid || $0.mirror?.identity.uid == uid)
        }.sorted { $0.identity < $1.identity }
        return found.first { $0.ending == nil } ?? found.first
    }

    /// The run of a container whose log is asked for: the present one or the last one or, if `previous`, the one
    /// before.
    ///
    /// - Parameters:
    ///   - name: The container; nil for the only one of the pod.
    /// - Throws: ``ContainerLookupProblem``, in a kubelet's words.
    public func container(
        _ name: String?, ofPod pod: String, namespace: String, uid: String? = nil, previous: Bool = false
    ) throws(ContainerLookupProblem) -> ContainerIdentity {
        let (container, words) = try find(name, pod, namespace, uid)
        if previous {
            guard
                let identity = container.running == nil && container.waiting == nil && !container.isStarting
                    ? container.previous : container.isActive ? container.previous : container.current
            else {
                throw ContainerLookupProblem(status: 400, message: "previous terminated \(words) not found")
            }
            return identity
        }
        if let identity = container.current { return identity }
        let problem: String
        switch container.waiting?.reason {
        case "ErrImagePull": problem = "image can't be pulled"
        case "ImagePullBackOff": problem = "trying and failing to pull image"
        case let reason: problem = reason ?? "ContainerCreating"
        }
        throw ContainerLookupProblem(status: 400, message: "\(words) is waiting to start: \(problem)")
    }

    /// The run of a container that a program can be run in.
    /// - Throws: ``ContainerLookupProblem``, in a kubelet's words.
    public func runningContainer(
        _ name: String?, ofPod pod: String, namespace: String, uid: String? = nil
    ) throws(ContainerLookupProblem) -> ContainerIdentity {
        let (container, _) = try find(name, pod, namespace, uid)
        if let identity = container.running { return identity }
        throw ContainerLookupProblem(
            status: 404, message: "container not found (\(GoText.quoted(container.spec.name)))")
    }

    private func find(
        _ name: String?, _ pod: String, _ namespace: String, _ uid: String?
    ) throws(ContainerLookupProblem) -> (ContainerLife, words: String) {
        guard let life = life(pod, namespace, uid: uid) else {
            throw ContainerLookupProblem(status: 404, message: "pod \(GoText.quoted("\(pod)_\(namespace)")) not found")
        }
        let wanted = name ?? (life.pod.spec.containers.count == 1 ? life.pod.spec.containers.first?.name : nil)
        guard let container = life.containers.first(where: { $0.spec.name == wanted }) else {
            throw ContainerLookupProblem(
                status: wanted == nil ? 400 : 404,
                message: wanted.map { "container \(GoText.quoted($0)) not found in pod \(GoText.quoted(pod))" }
                    ?? "a container name must be specified for pod \(pod)")
        }
        return (container, "container \(GoText.quoted(container.spec.name)) in pod \(GoText.quoted(pod))")
    }
}

/// Why a request for a container of a pod cannot be answered.
public struct ContainerLookupProblem: Error, Sendable, Hashable {
    /// An HTTP status.
    public var status: Int
    public var message: String
}
