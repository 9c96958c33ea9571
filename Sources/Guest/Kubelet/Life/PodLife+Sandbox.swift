import JSON

/// Volumes and sandbox: what a pod has before its containers start.
extension PodLife {
    /// - Returns: Whether the volumes are there.
    mutating func mountVolumes(_ world: inout World) -> Bool {
        switch volumes {
        case .mounted: return true
        case .mounting: return false
        case .none: break
        }
        let now = world.now.monotonic
        guard now >= volumesDue else {
            wakeAt(volumesDue)
            return false
        }
        let began = volumesWaiting ?? now
        volumesWaiting = began
        // Wait until what the files come from has been asked for.
        let references = pod.spec.volumes.flatMap(\.references)
        for reference in references where world.objects[object(reference.kind, reference.name)] == nil { return false }
        askForTokens(&world)
        if VolumeContents.tokenRequests(pod).contains(where: { tokens[$0] == nil }) { return false }
        var plans: [VolumePlan] = []
        for volume in pod.spec.volumes {
            do {
                plans.append(try contents(world).plan(volume))
            } catch {
                failMount(volume.name, error.message, began: began, &world)
                return false
            }
        }
        self.plans = Dictionary(plans.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        volumes = .mounting
        volumesWaiting = nil
        world.actions.append(.mountVolumes(identity, plans))
        return false
    }

    mutating func failMount(_ volume: String, _ message: String, began: Duration, _ world: inout World) {
        let now = world.now.monotonic
        world.record(
            .pod(identity), .warning, "FailedMount",
            "MountVolume.SetUp failed for volume \(GoText.quoted(volume)) : \(message)")
        // A kubelet gives up waiting after 2 min and 3 s, tells that, and begins to wait again.
        if now - began >= .seconds(123) {
            volumesWaiting = now
            world.record(
                .pod(identity), .warning, "FailedMount",
                "Unable to attach or mount volumes: unmounted volumes=[\(volume)], unattached volumes="
                    + "\(GoText.list(pod.spec.volumes.map(\.name))): timed out waiting for the condition")
        }
        volumesDue = now + mountBackOff
        mountBackOff = min(mountBackOff * 2, .seconds(122))
        wakeAt(volumesDue)
    }

    mutating func take(volumes outcome: Outcome<Empty>, _ world: inout World) {
        guard volumes == .mounting else { return }
        switch outcome {
        case .success: volumes = .mounted
        case .failure(let message):
            volumes = .none
            if let first = pod.spec.volumes.first?.name {
                failMount(first, message, began: world.now.monotonic, &world)
            } else {
                world.record(
                    .pod(identity), .warning, "Failed", "error making pod data directories: \(message)")
                volumesDue = world.now.monotonic + world.jitter(.seconds(10), 0.5)
            }
        }
    }

    private func contents(_ world: World) -> VolumeContents {
        VolumeContents(
            pod: pod, addresses: pod.spec.isHostNetwork ? [world.settings.internalIP] : addresses,
            settings: world.settings, objects: world.objects, tokens: tokens)
    }

    func object(_ kind: ObjectReference.Kind, _ name: String) -> ObjectReference {
        ObjectReference(kind: kind, namespace: identity.namespace, name: name)
    }

    /// The objects that the pod's volumes and environments come from.
    var references: Set<ObjectReference> {
        var references = Set(pod.spec.volumes.flatMap(\.references).map { object($0.kind, $0.name) })
        for container in containers { references.formUnion(container.spec.references.map { object($0.kind, $0.name) }) }
        return references
    }

    private mutating func askForTokens(_ world: inout World) {
        let now = world.now.monotonic
        for request in VolumeContents.tokenRequests(pod) where !tokensAsked.contains(request) {
            if let due = tokensDue[request], now < due {
                wakeAt(due)
                continue
            }
            tokensAsked.insert(request)
            world.actions.append(.requestToken(request))
        }
    }

    mutating func take(_ request: TokenRequest, _ outcome: Outcome<IssuedToken>, _ world: inout World) {
        tokensAsked.remove(request)
        let now = world.now
        switch outcome {
        case .success(let token):
            tokens[request] = token
            // Renewed when a fifth of its time is left, and at least once a day.
            let left = max(0, token.expires - now.unixMicroseconds)
            tokensDue[request] = now.monotonic + min(.microseconds(left / 5 * 4), .seconds(86_400))
        case .failure(let message):
            tokensDue[request] = now.monotonic + .seconds(10)
            guard volumes == .none, let volume = volume(of: request) else { return }
            failMount(
                volume, "failed to fetch token: \(message)", began: volumesWaiting ?? now.monotonic, &world)
        }
    }

    private func volume(of request: TokenRequest) -> String? {
        pod.spec.volumes.first { volume in
            guard case .files(let sources, _) = volume.source else { return false }
            return sources.contains { if case .token(request.audience, _, _) = $0 { true } else { false } }
        }?.name
    }

    /// Replaces the files of volumes whose sources have changed.
    mutating func refreshVolumes(_ world: inout World) {
        guard volumes == .mounted else { return }
        askForTokens(&world)
        for due in tokensDue.values where due > world.now.monotonic { wakeAt(due) }
        for volume in pod.spec.volumes {
            guard case .files = volume.source, let plan = try? contents(world).plan(volume), plans[volume.name] != plan
            else { continue }
            plans[volume.name] = plan
            world.actions.append(.updateVolume(identity, plan))
        }
    }

    // MARK: Sandbox

    /// - Returns: Whether the sandbox is there.
    mutating func makeSandbox(_ world: inout World) -> Bool {
        switch sandbox {
        case .ready: return true
        case .making, .removing: return false
        case .none: break
        }
        guard world.now.monotonic >= sandboxDue else {
            wakeAt(sandboxDue)
            return false
        }
        let resolver = Resolver.make(pod, world.settings)
        for warning in resolver.warnings { world.record(.pod(identity), .warning, warning.reason, warning.message) }
        let id = world.identifier()
        sandbox = .making(attempt: attempts, id: id)
        let mappings = pod.spec.containers.flatMap(\.ports).compactMap { port in
            port.hostPort.map {
                PortMapping(
                    hostIP: port.hostIP, hostPort: $0, containerPort: port.containerPort,
                    protocolName: port.protocolName)
            }
        }
        world.actions.append(
            .makeSandbox(
                SandboxPlan(
                    pod: identity, id: id, attempt: attempts, isHostNetwork: pod.spec.isHostNetwork,
                    hostname: Resolver.visibleHostname(pod, world.settings), resolver: resolver.content,
                    labels: pod.labels, annotations: pod.annotations,
                    portMappings: pod.spec.isHostNetwork ? [] : mappings, sysctls: pod.spec.sysctls,
                    controlGroup: ControlGroups.pod(pod.spec), sharesProcesses: pod.spec.sharesProcesses)))
        return false
    }

    mutating func take(sandbox outcome: Outcome<SandboxNetwork>, attempt: Int, _ world: inout World) {
        guard case .making(attempt, let id) = sandbox else { return }
        attempts += 1
        switch outcome {
        case .success(let network): sandbox = .ready(network, id: id)
        case .failure(let message):
            sandbox = .none
            sandboxDue = world.now.monotonic + world.jitter(.seconds(10), 0.5)
            world.record(
                .pod(identity), .warning, "FailedCreatePodSandBox",
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "
                    + "\(GoText.quoted(id)): \(message)")
        }
    }

    /// Removes the sandbox if it is there.
    mutating func removeSandbox(_ world: inout World) {
        guard case .ready = sandbox else { return }
        guard world.now.monotonic >= sandboxDue else { return wakeAt(sandboxDue) }
        sandbox = .removing
        world.actions.append(.removeSandbox(identity))
    }

    mutating func take(sandboxRemoved outcome: Outcome<Empty>, _ world: inout World) {
        guard sandbox == .removing else { return }
        switch outcome {
        case .success: sandbox = .none
        case .failure(let message):
            world.record(
                .pod(identity), .warning, "FailedKillPod",
                "error killing pod: failed to \"KillPodSandbox\" for \(GoText.quoted(identity.uid)) with "
                    + "KillPodSandboxError: \(GoText.quoted("rpc error: code = Unknown desc = " + message))")
            sandbox = .ready(SandboxNetwork(addresses: []), id: "")
            sandboxDue = world.now.monotonic + world.jitter(.seconds(10), 0.5)
        }
    }

    mutating func loseSandbox(_ world: inout World) {
        guard case .ready = sandbox, ending == nil, !isFinished, !isSandboxChanging else { return }
        isSandboxChanging = true
        world.record(
            .pod(identity), .normal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
    }

    /// Ends everything in the old sandbox and removes it; then the pod begins anew.
    mutating func changeSandbox(_ world: inout World) {
        let grace = graceOfContainers
        for index in containers.indices {
            stop(index, "Stopping container \(containers[index].spec.name)", grace: grace, &world)
        }
        guard !containers.contains(where: \.isActive) else { return }
        if sandbox == .none {
            isSandboxChanging = false
            for index in containers.indices where containers[index].isInit {
                containers[index].formerly = containers[index].terminated ?? containers[index].formerly
                containers[index].terminated = nil
            }
            wakeAt(world.now.monotonic)
        } else {
            removeSandbox(&world)
        }
    }
}
