import JSON

/// The life of one pod on this node, as a kubelet's pod worker leads it. `sync` looks at what is and asks for what is
/// missing; facts change what is.
struct PodLife: Sendable {
    enum Sandbox: Sendable, Equatable {
        case none
        case making(attempt: Int, id: String)
        case ready(SandboxNetwork, id: String)
        case removing
    }

    enum Volumes: Sendable, Equatable {
        case none
        case mounting
        case mounted
    }

    /// Why the pod's containers are to end for good.
    enum Ending: Sendable, Equatable {
        case deleted
        /// Its object is gone already.
        case gone
        case evicted
        case pastDeadline
    }

    /// What is told of the pod instead of its containers' phase.
    struct Verdict: Sendable, Equatable {
        var reason: String
        var message: String
    }

    var pod: KubePod
    let isStatic: Bool
    /// The object that shows a static pod at the API server.
    var mirror: KubePod?
    var mirrorDue = Duration.zero
    let startTime: String
    let startedAt: Duration
    var rejection: Admission.Rejection?
    var verdict: Verdict?
    var ending: Ending?
    var containers: [ContainerLife]
    var sandbox = Sandbox.none
    var attempts = 0
    var sandboxDue = Duration.zero
    var isSandboxChanging = false
    var volumes = Volumes.none
    var volumesDue = Duration.zero
    var volumesWaiting: Duration?
    var mountBackOff = Duration.milliseconds(500)
    var plans: [String: VolumePlan] = [:]
    var tokens: [TokenRequest: IssuedToken] = [:]
    var tokensAsked: Set<TokenRequest> = []
    var tokensDue: [TokenRequest: Duration] = [:]
    var networkNoticeDue = Duration.zero
    /// Whether the API server had shown the pod as ended before this boot: nothing of it runs again.
    let wasOver: Bool
    var isForgotten = false
    /// Whether its volumes and folders are given up.
    var hasReleasedFolders = false
    var report = PodReport()
    var wake: Duration?

    init(_ pod: KubePod, isStatic: Bool, _ world: inout World) {
        self.pod = pod
        self.isStatic = isStatic
        let now = world.now
        startTime = pod.status?["startTime"]?.text ?? now.timestamp
        startedAt = now.monotonic
        wasOver = pod.phase == "Succeeded" || pod.phase == "Failed"
        containers =
            pod.spec.initContainers.map { ContainerLife($0, isInit: true) }
            + pod.spec.containers.map { ContainerLife($0, isInit: false) }
        report.restore(pod.status)
        if let status = pod.status, restore(status, now), !wasOver, !pod.isBeingDeleted {
            world.record(
                .pod(pod.identity), .normal, "SandboxChanged",
                "Pod sandbox changed, it will be killed and re-created.")
        }
        if wasOver, let reason = pod.status?["reason"]?.text {
            verdict = Verdict(reason: reason, message: pod.status?["message"]?.text ?? "")
        }
    }

    /// Takes over what the API server knows of runs before this boot.
    /// - Returns: Whether there were any.
    private mutating func restore(_ status: JSONValue, _ now: KubeletTime) -> Bool {
        var known: [String: JSONValue] = [:]
        for key in ["containerStatuses", "initContainerStatuses"] {
            for entry in status[key]?.elements ?? [] {
                if let name = entry["name"]?.text { known[name] = entry }
            }
        }
        var found = false
        for index in containers.indices {
            guard let entry = known[containers[index].spec.name] else { continue }
            containers[index].restarts = min(max(0, entry["restartCount"]?.integerValue ?? 0), 1_000_000_000)
            // Init containers run again with a new sandbox.
            let former = Termination(state: entry["lastState"], now: now)
            guard let last = Termination(state: entry["state"], now: now) else {
                containers[index].formerly = former
                if let former, !containers[index].isInit { containers[index].terminated = former }
                containers[index].hasRun = former != nil
                continue
            }
            found = true
            containers[index].hasRun = true
            if containers[index].isInit, !wasOver {
                containers[index].formerly = last
            } else {
                containers[index].terminated = last
                containers[index].formerly = former
            }
        }
        return found
    }

    // MARK: What is

    var identity: PodIdentity { pod.identity }
    var addresses: [String] {
        if case .ready(let network, _) = sandbox { return network.addresses }
        return []
    }
    /// Whether nothing of the pod runs or is about to.
    var isSettled: Bool {
        sandbox == .none && volumes != .mounting && !containers.contains(where: \.isActive)
    }
    /// Whether all containers have ended and none is to run again.
    var isFinished: Bool {
        if wasOver || rejection != nil { return true }
        let policy = pod.spec.restartPolicy
        // What a boot or a lost sandbox has ended is over for good, whatever its init containers would do.
        if containers.allSatisfy({ $0.isInit ? !$0.isActive : $0.phase == .idle && !$0.wantsRun(policy) }) {
            return true
        }
        if let failed = containers.first(where: { $0.isInit && !$0.hasSucceeded }) {
            return failed.terminated != nil && !failed.isActive && !failed.wantsRun(policy)
        }
        return false
    }
    /// Whether it still counts for the node's resources and ports.
    var isCounted: Bool { rejection == nil && !((isFinished || ending != nil) && isSettled) }

    mutating func wakeAt(_ time: Duration) { wake = min(wake ?? time, time) }

    func index(of name: String) -> Int? { containers.firstIndex { $0.spec.name == name } }

    /// Takes a changed object. Of what a container is, only the image can change.
    mutating func update(_ changed: KubePod) {
        pod = changed
        let specs = Dictionary(
            (changed.spec.initContainers + changed.spec.containers).map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        for index in containers.indices {
            guard let spec = specs[containers[index].spec.name], spec != containers[index].spec else { continue }
            if spec.image != containers[index].spec.image {
                containers[index].isImageChanged = containers[index].isActive
                // Pulling is held back by image.
                containers[index].imageBackOff = BackOff()
                containers[index].due = .zero
            }
            containers[index].spec = spec
        }
    }

    // MARK: Sync

    mutating func sync(_ world: inout World) {
        guard !isForgotten else { return }
        wake = nil
        decideEnding(&world)
        if ending != nil {
            end(&world)
        } else if rejection == nil {
            if isFinished {
                if !containers.contains(where: \.isActive) { removeSandbox(&world) }
            } else if isSandboxChanging {
                changeSandbox(&world)
            } else {
                run(&world)
            }
        }
        writeReport(&world)
    }

    private mutating func decideEnding(_ world: inout World) {
        if pod.isBeingDeleted, ending != .gone { ending = .deleted }
        guard ending == nil, let limit = pod.spec.activeDeadline, !isFinished else { return }
        let begun = Timestamp.parse(startTime) ?? world.now.unixMicroseconds
        let left = Duration.microseconds(begun - world.now.unixMicroseconds) + .seconds(limit)
        guard left <= .zero else { return wakeAt(world.now.monotonic + left) }
        ending = .pastDeadline
        verdict = Verdict(
            reason: "DeadlineExceeded", message: "Pod was active on the node longer than the specified deadline")
        world.record(
            .pod(identity), .normal, "DeadlineExceeded",
            "Pod was active on the node longer than the specified deadline")
    }

    private mutating func run(_ world: inout World) {
        driveProbes(&world)
        if let problem = world.networkProblem, !pod.spec.isHostNetwork {
            if world.now.monotonic >= networkNoticeDue {
                networkNoticeDue = world.now.monotonic + world.jitter(.seconds(1), 0.5)
                world.record(.pod(identity), .warning, "NetworkNotReady", "network is not ready: \(problem)")
            }
            return wakeAt(networkNoticeDue)
        }
        if isStatic { showStatic(&world) }
        guard mountVolumes(&world), makeSandbox(&world) else { return }
        refreshVolumes(&world)
        driveContainers(&world)
    }

    // MARK: Static pods

    /// Keeps an object at the API server that shows the pod.
    private mutating func showStatic(_ world: inout World) {
        guard let nodeUID = world.nodeUID else { return }
        if let mirror {
            if mirror.isBeingDeleted || mirror.mirroredHash != pod.annotations[KubePod.Annotation.hash] {
                guard world.now.monotonic >= mirrorDue else { return wakeAt(mirrorDue) }
                mirrorDue = world.now.monotonic + .seconds(10)
                world.actions.append(.deletePod(mirror.identity))
            }
        } else {
            guard world.now.monotonic >= mirrorDue else { return wakeAt(mirrorDue) }
            mirrorDue = world.now.monotonic + .seconds(10)
            world.actions.append(.createMirrorPod(StaticPods.mirror(pod, world.settings, nodeUID: nodeUID)))
        }
    }
}
