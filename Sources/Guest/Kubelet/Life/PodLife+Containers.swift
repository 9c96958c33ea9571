import JSON

/// How containers are started, and what their ends mean.
extension PodLife {
    /// How long after a failure a kubelet looks at the pod again because the pod's status has changed.
    static let secondLook = Duration.seconds(1)

    mutating func driveContainers(_ world: inout World) {
        for index in containers.indices {
            if containers[index].stop?.awaitsHook == true {
                stop(index, "", grace: containers[index].stop?.grace ?? graceOfContainers, &world)
            }
        }
        for index in containers.indices where containers[index].isInit {
            guard !containers[index].hasSucceeded else { continue }
            start(index, &world)
            return
        }
        for index in containers.indices where !containers[index].isInit {
            if containers[index].running != nil, containers[index].isImageChanged {
                let name = containers[index].spec.name
                stop(index, "Container \(name) definition changed, will be restarted", grace: graceOfContainers, &world)
            }
            start(index, &world)
            // A kubelet starts one container after the other, and waits for postStart hooks.
            if containers[index].awaitsPostStart { return }
            if containers[index].isStarting, containers[index].spec.postStart != nil { return }
        }
    }

    /// Starts a container that is to run, as soon as nothing holds it back.
    private mutating func start(_ index: Int, _ world: inout World) {
        guard containers[index].wantsRun(pod.spec.restartPolicy) else { return }
        let now = world.now.monotonic
        guard now >= containers[index].due else { return wakeAt(containers[index].due) }
        guard !backsOff(index, &world), let entry = image(index, &world) else { return }
        guard let made = environment(index, entry, &world) else { return }
        guard let plan = plan(index, entry, made, &world) else { return }
        if let last = containers[index].terminated, let at = last.at, containers[index].countedEnd != last.id {
            containers[index].countedEnd = last.id
            containers[index].backOff.next(since: at, now: now)
        }
        if let old = containers[index].previous { world.actions.append(.removeContainer(old)) }
        containers[index].previous = containers[index].current
        containers[index].current = plan.identity
        containers[index].phase = .starting(plan.identity)
        containers[index].restarts = Int64(plan.attempt)
        containers[index].hasRun = true
        containers[index].isImageChanged = false
        containers[index].stop = nil
        containers[index].probes = [:]
        world.actions.append(.startContainer(plan))
    }

    private mutating func backsOff(_ index: Int, _ world: inout World) -> Bool {
        let now = world.now.monotonic
        guard let last = containers[index].terminated, let at = last.at, containers[index].countedEnd != last.id,
            let end = containers[index].backOff.end(since: at, now: now)
        else { return false }
        // For a moment the pod shows how the container ended.
        let first = at + Self.secondLook
        guard now >= first else {
            wakeAt(first)
            return true
        }
        let name = containers[index].spec.name
        containers[index].waiting = ContainerLife.Waiting(
            reason: "CrashLoopBackOff",
            message: "back-off \(GoText.duration(containers[index].backOff.delay)) restarting failed container=\(name) "
                + "pod=\(identity)")
        if now >= containers[index].noticeDue {
            world.record(subject(index), .warning, "BackOff", "Back-off restarting failed container")
            containers[index].noticeDue = now + world.jitter(.seconds(10), 0.5)
        }
        wakeAt(min(end, max(containers[index].noticeDue, now + .milliseconds(1))))
        return true
    }

    private mutating func fail(
        _ index: Int, _ reason: String, _ message: String, error: String, retry: Duration, _ world: inout World
    ) {
        world.record(subject(index), .warning, "Failed", "Error: \(error)")
        containers[index].waiting = ContainerLife.Waiting(reason: reason, message: message)
        containers[index].due = world.now.monotonic + retry
        wakeAt(containers[index].due)
    }

    /// What the container's image stands for; nil if it is not there now.
    private mutating func image(_ index: Int, _ world: inout World) -> ImageCatalogue.Entry? {
        let container = containers[index].spec
        let name = GoText.quoted(container.image)
        if let problem = ImageName.problem(container.image) {
            let message =
                "Failed to apply default image tag \(name): couldn't parse image reference \(name): \(problem)"
            world.record(subject(index), .warning, "InspectFailed", message)
            fail(
                index, "InvalidImageName", message, error: "InvalidImageName", retry: world.jitter(.seconds(10), 0.5),
                &world)
            return nil
        }
        let entry = world.images.entry(container.image)
        if container.pullPolicy == .never || container.pullPolicy == .ifNotPresent && entry != nil {
            if let entry {
                world.record(
                    subject(index), .normal, "Pulled", "Container image \(name) already present on machine")
                return entry
            }
            let message = "Container image \(name) is not present with pull policy of Never"
            world.record(subject(index), .warning, "ErrImageNeverPull", message)
            fail(
                index, "ErrImageNeverPull", message, error: "ErrImageNeverPull",
                retry: world.jitter(.seconds(10), 0.5), &world)
            return nil
        }
        let now = world.now.monotonic
        if let end = containers[index].imageBackOff.endSinceUpdate(now: now) {
            let message = "Back-off pulling image \(name)"
            world.record(subject(index), .normal, "BackOff", message)
            let retry = min(end - now, world.jitter(.seconds(10), 0.5))
            fail(index, "ImagePullBackOff", message, error: "ImagePullBackOff", retry: retry, &world)
            return nil
        }
        world.record(subject(index), .normal, "Pulling", "Pulling image \(name)")
        if let entry {
            world.record(subject(index), .normal, "Pulled", "Successfully pulled image \(name) in 0s")
            return entry
        }
        let message = world.images.unmappedMessage(container.image)
        world.record(subject(index), .warning, "Failed", "Failed to pull image \(name): \(message)")
        containers[index].imageBackOff.next(since: now, now: now)
        fail(index, "ErrImagePull", message, error: "ErrImagePull", retry: Self.secondLook, &world)
        return nil
    }

    /// The container's environment; nil if it cannot be made now.
    private mutating func environment(
        _ index: Int, _ entry: ImageCatalogue.Entry, _ world: inout World
    ) -> [EnvironmentVariable]? {
        let container = containers[index].spec
        for reference in container.references where world.objects[object(reference.kind, reference.name)] == nil {
            return nil
        }
        guard isStatic || world.services != nil else { return nil }
        if container.mustBeNonRoot ?? pod.spec.mustBeNonRoot {
            let user = container.user ?? pod.spec.user
            let place = "(pod: \(GoText.quoted("\(identity)")), container: \(container.name))"
            var problem: String?
            if user == 0 {
                problem = "container's runAsUser breaks non-root policy \(place)"
            } else if user == nil, (entry.user ?? 0) == 0 {
                problem = "container has runAsNonRoot and image will run as root \(place)"
            }
            if let problem {
                fail(
                    index, "CreateContainerConfigError", problem, error: problem,
                    retry: world.jitter(.seconds(10), 0.5), &world)
                return nil
            }
        }
        do {
            let made = try ContainerEnvironment(
                pod: pod, container: container, addresses: addresses, settings: world.settings, objects: world.objects,
                services: world.services ?? []
            ).make()
            for warning in made.warnings {
                world.record(.pod(identity), .warning, "InvalidEnvironmentVariableNames", warning)
            }
            let own = Set(made.variables.map(\.name))
            let fromImage = entry.environment.filter { !own.contains($0.name) }
            let hostname =
                own.contains("HOSTNAME")
                ? [] : [EnvironmentVariable("HOSTNAME", Resolver.visibleHostname(pod, world.settings))]
            return hostname + fromImage + made.variables
        } catch {
            fail(
                index, "CreateContainerConfigError", error.message, error: error.message,
                retry: world.jitter(.seconds(10), 0.5), &world)
            return nil
        }
    }

    private mutating func plan(
        _ index: Int, _ entry: ImageCatalogue.Entry, _ environment: [EnvironmentVariable], _ world: inout World
    ) -> ContainerPlan? {
        let container = containers[index].spec
        let values = Dictionary(environment.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        let expanded = { (text: String) in Expansion.expand(text) { values[$0] } }
        let command = container.command.isEmpty ? entry.entrypoint : container.command.map(expanded)
        let given = container.arguments.map(expanded)
        let arguments = command + (given.isEmpty && container.command.isEmpty ? entry.arguments : given)
        let workload = container.command.isEmpty ? entry.workload : .program
        if workload == .program, arguments.isEmpty {
            let message = "failed to generate container spec: no command specified"
            fail(
                index, "CreateContainerError", message, error: message, retry: world.jitter(.seconds(10), 0.5), &world)
            return nil
        }
        let mounts = container.mounts.map {
            MountPlan(
                volume: $0.name, path: $0.path,
                subPath: $0.subPathExpression.isEmpty ? $0.subPath : expanded($0.subPathExpression),
                isReadOnly: $0.isReadOnly)
        }
        if let bad = mounts.first(where: { !$0.subPath.isEmpty && !VolumeContents.isSafe($0.subPath) }) {
            let message =
                "failed to prepare subPath for volumeMount \(GoText.quoted(bad.volume)) of container "
                + GoText.quoted(container.name)
            fail(
                index, "CreateContainerConfigError", message, error: message, retry: world.jitter(.seconds(10), 0.5),
                &world)
            return nil
        }
        let attempt = containers[index].restarts + (containers[index].hasRun ? 1 : 0)
        return ContainerPlan(
            identity: ContainerIdentity(pod: identity, name: container.name, id: world.identifier()),
            isInit: containers[index].isInit, attempt: Int(clamping: attempt), image: container.image,
            workload: workload, arguments: arguments, environment: environment,
            workingDirectory: container.workingDirectory.isEmpty ? entry.workingDirectory : container.workingDirectory,
            mounts: mounts, hostsFile: Resolver.hostsFile(pod, addresses: addresses, world.settings),
            ports: container.ports.map(\.containerPort), controlGroup: ControlGroups.container(container),
            oomScoreAdjustment: ControlGroups.oomScoreAdjustment(
                pod, container, memory: world.settings.resources.memory),
            user: container.user ?? pod.spec.user ?? entry.user, group: container.group ?? pod.spec.group,
            supplementalGroups: pod.spec.supplementalGroups + (pod.spec.filesystemGroup.map { [$0] } ?? []),
            isPrivileged: container.isPrivileged, isRootReadOnly: container.isRootReadOnly,
            allowsPrivilegeEscalation: container.allowsPrivilegeEscalation,
            addedCapabilities: container.addedCapabilities, droppedCapabilities: container.droppedCapabilities,
            hasStdin: container.hasStdin, isStdinOnce: container.isStdinOnce, hasTerminal: container.hasTerminal,
            terminationMessagePath: container.terminationMessagePath)
    }

    // MARK: Facts

    mutating func take(started identity: ContainerIdentity, _ outcome: Outcome<Empty>, _ world: inout World) {
        guard let index = index(of: identity.name), containers[index].phase == .starting(identity) else { return }
        let name = containers[index].spec.name
        world.record(subject(index), .normal, "Created", "Created container \(name)")
        switch outcome {
        case .success:
            world.record(subject(index), .normal, "Started", "Started container \(name)")
            containers[index].phase = .running(identity)
            containers[index].waiting = nil
            containers[index].startedUnix = world.now.unixMicroseconds
            containers[index].startedAt = world.now.monotonic
            guard let hook = containers[index].spec.postStart, ending == nil else { return }
            do {
                let target = try hookTarget(hook, containers[index].spec)
                containers[index].awaitsPostStart = true
                world.actions.append(.runHook(identity, .postStart, target, within: .seconds(3600)))
            } catch {
                take(hook: .postStart, identity, .failure(error.message), &world)
            }
        case .failure(let message):
            world.record(subject(index), .warning, "Failed", "Error: \(message)")
            containers[index].formerly = containers[index].terminated
            containers[index].terminated = Termination(startFailure: message, id: identity.id, now: world.now)
            containers[index].waiting = ContainerLife.Waiting(reason: "RunContainerError", message: message)
            containers[index].phase = .idle
        }
    }

    mutating func take(ended identity: ContainerIdentity, _ exit: ContainerExit, _ world: inout World) {
        guard let index = index(of: identity.name) else { return }
        if containers[index].phase == .starting(identity) { take(started: identity, .success, &world) }
        guard containers[index].running == identity else { return }
        containers[index].formerly = containers[index].terminated
        containers[index].terminated = Termination(
            exit, id: identity.id, takesMessageFromLog: containers[index].spec.takesMessageFromLog,
            started: containers[index].startedUnix, now: world.now)
        containers[index].phase = .idle
        containers[index].stop = nil
        containers[index].awaitsPostStart = false
        containers[index].noticeDue = .zero
        containers[index].due = .zero
    }
}

extension ImageName {
    /// Why a text is no name of an image, in the words of a runtime's parser; nil if it is one.
    static func problem(_ image: String) -> String? {
        let name = ImageName(image)
        guard !image.isEmpty, image.utf8.count <= 1024, !name.repository.isEmpty, name.tag != "",
            image.utf8.allSatisfy({ (33...126).contains($0) })
        else { return "invalid reference format" }
        guard !name.repository.utf8.contains(where: { (65...90).contains($0) }) else {
            return "invalid reference format: repository name must be lowercase"
        }
        return nil
    }
}
