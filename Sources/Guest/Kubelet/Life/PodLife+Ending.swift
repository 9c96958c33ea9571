import JSON

/// How containers are stopped, and how a pod ends.
extension PodLife {
    static let leastGrace = Duration.seconds(2)

    /// The time that containers have after SIGTERM.
    var graceOfContainers: Duration {
        switch ending {
        case .evicted: .zero
        case .deleted: .seconds(pod.deletionGraceSeconds ?? pod.spec.terminationGrace)
        default: .seconds(pod.spec.terminationGrace)
        }
    }

    /// Begins to stop a container, or shortens the time that it has.
    mutating func stop(_ index: Int, _ message: String, grace: Duration, _ world: inout World) {
        guard let identity = containers[index].running else { return }
        let now = world.now.monotonic
        let least = ending == .evicted ? .zero : max(grace, Self.leastGrace)
        if let stop = containers[index].stop {
            if now + least < stop.deadline {
                containers[index].stop?.deadline = now + least
                containers[index].stop?.grace = grace
                if !stop.awaitsHook { world.actions.append(.stopContainer(identity, grace: least)) }
            }
            overtake(index, &world)
            return
        }
        let container = containers[index].spec
        world.record(subject(index), .normal, "Killing", message)
        if let hook = container.preStop, grace > .zero {
            do {
                let target = try hookTarget(hook, container)
                containers[index].stop = ContainerLife.Stop(deadline: now + grace, awaitsHook: true, grace: grace)
                world.actions.append(.runHook(identity, .preStop, target, within: grace))
                return wakeAt(now + grace)
            } catch {
                let failure = hookFailure(hook, container, error.message)
                world.record(subject(index), .warning, "FailedPreStopHook", failure)
            }
        }
        containers[index].stop = ContainerLife.Stop(deadline: now + least, awaitsHook: false, grace: grace)
        world.actions.append(.stopContainer(identity, grace: least))
    }

    /// Stops a container whose preStop hook takes longer than the grace period.
    private mutating func overtake(_ index: Int, _ world: inout World) {
        guard let stop = containers[index].stop, stop.awaitsHook, let identity = containers[index].running else {
            return
        }
        guard world.now.monotonic >= stop.deadline else { return wakeAt(stop.deadline) }
        containers[index].stop?.awaitsHook = false
        containers[index].stop?.deadline = world.now.monotonic + Self.leastGrace
        world.actions.append(.stopContainer(identity, grace: Self.leastGrace))
    }

    mutating func take(
        hook: LifecycleHook, _ identity: ContainerIdentity, _ outcome: ProbeOutcome, _ world: inout World
    ) {
        guard let index = index(of: identity.name), containers[index].running == identity else { return }
        let container = containers[index].spec
        var failure: String?
        switch outcome {
        case .success, .warning: break
        case .failure(let words), .unknown(let words):
            failure = hookFailure(hook == .preStop ? container.preStop : container.postStart, container, words)
        }
        switch hook {
        case .preStop:
            if let failure { world.record(subject(index), .warning, "FailedPreStopHook", failure) }
            guard let stop = containers[index].stop, stop.awaitsHook else { return }
            let grace = max(Self.leastGrace, stop.deadline - world.now.monotonic)
            containers[index].stop?.awaitsHook = false
            containers[index].stop?.deadline = world.now.monotonic + grace
            world.actions.append(.stopContainer(identity, grace: grace))
        case .postStart:
            containers[index].awaitsPostStart = false
            guard let failure else { return }
            world.record(subject(index), .warning, "FailedPostStartHook", failure)
            containers[index].waiting = ContainerLife.Waiting(reason: "PostStartHookError", message: failure)
            stop(index, "FailedPostStartHook", grace: graceOfContainers, &world)
        }
    }

    /// - Throws: ``PortProblem`` for a hook that cannot be run, which is a failure of the hook.
    func hookTarget(_ hook: PodHandler, _ container: PodContainer) throws(PortProblem) -> ProbeTarget {
        switch hook {
        case .exec(let command): return .exec(command)
        case .http(let scheme, let host, let port, let path, let headers):
            return .http(
                isTLS: scheme == "HTTPS", host: host.isEmpty ? addresses.first ?? "" : host,
                port: try port.resolve(in: container), path: path, headers: headers)
        case .tcp, .none: throw PortProblem(message: "invalid handler")
        }
    }

    private func hookFailure(_ hook: PodHandler?, _ container: PodContainer, _ words: String) -> String {
        let place =
            "for Container \(GoText.quoted(container.name)) in Pod \(GoText.quoted("\(identity)")) failed - error: "
        switch hook {
        case .exec(let command): return "Exec lifecycle hook (\(GoText.list(command))) " + place + words
        case .http(_, _, _, let path, _): return "Http lifecycle hook (\(path)) " + place + words
        default: return "Cannot run handler: " + words
        }
    }

    func subject(_ index: Int) -> EventSubject {
        .pod(identity, container: containers[index].spec.name, isInit: containers[index].isInit)
    }

    // MARK: The end

    /// Ends containers, then the sandbox, then the pod.
    mutating func end(_ world: inout World) {
        let grace = graceOfContainers
        for index in containers.indices {
            stop(index, "Stopping container \(containers[index].spec.name)", grace: grace, &world)
        }
        guard !containers.contains(where: \.isActive) else { return }
        removeSandbox(&world)
        guard isSettled else { return }
        // Files are in memory, for want of which a pod is evicted.
        if ending == .evicted { releaseFolders(&world) }
        guard ending == .deleted || ending == .gone else { return }
        if ending == .gone || report.isWritten(status(world)) {
            releaseFolders(&world)
            if ending == .gone { isForgotten = true } else { askForDeletion(&world) }
        }
    }

    private mutating func releaseFolders(_ world: inout World) {
        guard !hasReleasedFolders else { return }
        hasReleasedFolders = true
        world.actions.append(.forgetPod(identity))
    }

    private mutating func askForDeletion(_ world: inout World) {
        guard !report.awaitsDeletion else { return }
        guard world.now.monotonic >= report.deletionDue else { return wakeAt(report.deletionDue) }
        report.isDeletionAsked = true
        report.awaitsDeletion = true
        world.actions.append(.deletePod(identity))
    }

    mutating func take(deleted outcome: Outcome<Empty>, _ world: inout World) {
        guard report.awaitsDeletion, case .failure = outcome else { return }
        report.awaitsDeletion = false
        report.deletionDue = world.now.monotonic + .seconds(1)
    }

    mutating func evict(_ notice: Eviction.Notice, _ world: inout World) {
        guard ending == nil else { return }
        ending = .evicted
        verdict = Verdict(reason: "Evicted", message: notice.message)
        world.record(.pod(identity), .warning, "Evicted", notice.message, annotations: notice.annotations)
    }
}
