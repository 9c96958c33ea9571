import JSON

/// The pod's status as a kubelet tells it.
extension PodLife {
    /// Whose status is written: the pod's own, or that of the object which shows a static pod.
    var reported: PodIdentity? { isStatic ? mirror?.identity : identity }

    mutating func writeReport(_ world: inout World) {
        guard ending != .gone, let reported else { return }
        let status = status(world)
        let (send, wake) = report.next(status, now: world.now.monotonic)
        if let wake { wakeAt(wake) }
        if send { world.actions.append(.patchStatus(reported, Self.patch(status, uid: reported.uid))) }
    }

    mutating func take(written outcome: Outcome<Empty>, _ world: inout World) {
        report.take(outcome, now: world.now.monotonic)
    }

    /// The types of conditions that a kubelet writes.
    private static let ownConditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]

    /// A strategic merge patch that makes the server's status equal to this one.
    static func patch(_ status: JSONValue, uid: String) -> JSONValue {
        var members = status.members ?? [:]
        for key in ["reason", "message", "podIP", "podIPs"] where members[key] == nil { members[key] = .null }
        if members["conditions"] == nil {
            for key in ["hostIP", "containerStatuses", "initContainerStatuses"] { members[key] = .null }
            // Conditions of others, such as those of readiness gates, stay.
            members["conditions"] = .array(
                ownConditions.map { .object(["$patch": .string("delete"), "type": .string($0)]) })
        }
        // Addresses are merged by their values, and old ones would stay.
        if let addresses = members["podIPs"]?.elements {
            members["podIPs"] = .array([.object(["$patch": .string("replace")])] + addresses)
        }
        return .object(["metadata": .object(["uid": .string(uid)]), "status": .object(members)])
    }

    /// The phase by the containers' states (`getPhase`).
    var phase: String {
        if rejection != nil || verdict != nil && (ending != nil || wasOver) { return "Failed" }
        if wasOver { return pod.phase ?? "Failed" }
        let policy = pod.spec.restartPolicy
        var (pendingInit, failedInit) = (0, 0)
        for container in containers where container.isInit {
            switch shown(container) {
            case .running: pendingInit += 1
            case .terminated(let end): failedInit += end.exitCode != 0 ? 1 : 0
            case .waiting(let last):
                if let last { failedInit += last.exitCode != 0 ? 1 : 0 } else { pendingInit += 1 }
            }
        }
        var (running, waiting, stopped, succeeded) = (0, 0, 0, 0)
        for container in containers where !container.isInit {
            switch shown(container) {
            case .running: running += 1
            case .terminated(let end):
                stopped += 1
                succeeded += end.exitCode == 0 ? 1 : 0
            case .waiting(let last): if last != nil { stopped += 1 } else { waiting += 1 }
            }
        }
        if failedInit > 0, policy == .never { return "Failed" }
        if pendingInit > 0 || waiting > 0 { return "Pending" }
        if running > 0 { return "Running" }
        guard stopped > 0 else { return "Pending" }
        if policy == .always { return "Running" }
        if stopped == succeeded { return "Succeeded" }
        return policy == .never ? "Failed" : "Running"
    }

    private enum Shown {
        case running
        case terminated(Termination)
        /// With how it ended last.
        case waiting(Termination?)
    }

    private func shown(_ container: ContainerLife) -> Shown {
        if container.running != nil, !container.awaitsPostStart { return .running }
        // While a program is being started again, the pod is shown as it was before.
        guard let last = container.terminated, container.waiting == nil || !willRun(container) else {
            return .waiting(container.terminated ?? container.formerly)
        }
        return .terminated(last)
    }

    private func willRun(_ container: ContainerLife) -> Bool {
        container.phase != .idle || container.wantsRun(pod.spec.restartPolicy)
    }

    // MARK: The document

    mutating func status(_ world: World) -> JSONValue {
        if let rejection { return verdictAlone(rejection.reason, "Pod " + rejection.message) }
        if let verdict, isToldAlone(verdict) { return verdictAlone(verdict.reason, verdict.message) }
        let phase = phase
        var members: [String: JSONValue] = [
            "phase": .string(phase), "startTime": .string(startTime), "hostIP": .string(world.settings.internalIP),
            "qosClass": .string(QualityOfService(pod.spec).rawValue),
            "conditions": conditions(phase, world.now.timestamp),
            "containerStatuses": .array(
                containers.filter { !$0.isInit }.sorted { $0.spec.name < $1.spec.name }.map { entry($0, world) }),
        ]
        if containers.contains(where: \.isInit) {
            members["initContainerStatuses"] = .array(containers.filter(\.isInit).map { entry($0, world) })
        }
        if let verdict {
            members["reason"] = .string(verdict.reason)
            members["message"] = .string(verdict.message)
        }
        let addresses = pod.spec.isHostNetwork ? [world.settings.internalIP] : addresses
        if let first = addresses.first {
            members["podIP"] = .string(first)
            members["podIPs"] = .array(addresses.map { .object(["ip": .string($0)]) })
        }
        return .object(members)
    }

    /// Whether the verdict is an eviction, or one that the server had alone before this boot.
    private func isToldAlone(_ verdict: Verdict) -> Bool {
        verdict.reason == "Evicted" || wasOver && pod.status?["containerStatuses"] == nil
    }

    /// The status of a pod that has been refused or evicted: nothing is said of its containers any more.
    private func verdictAlone(_ reason: String, _ message: String) -> JSONValue {
        .object([
            "phase": .string("Failed"), "reason": .string(reason), "message": .string(message),
            "startTime": .string(startTime),
        ])
    }

    private func entry(_ container: ContainerLife, _ world: World) -> JSONValue {
        let scheme = world.runtimeScheme
        var restarts = container.restarts
        if case .starting = container.phase, container.terminated != nil { restarts -= 1 }
        var members: [String: JSONValue] = [
            "name": .string(container.spec.name), "image": .string(container.spec.image),
            "ready": .bool(container.isReady), "restartCount": .integer(max(0, restarts)),
        ]
        if !container.isInit { members["started"] = .bool(container.hasStarted) }
        let id = container.running?.id ?? container.terminated?.id ?? ""
        members["containerID"] = .string(id.isEmpty ? "" : "\(scheme)://\(id)")
        members["imageID"] = .string(id.isEmpty ? "" : ImageName(container.spec.image).reference)
        var last: Termination?
        switch shown(container) {
        case .running:
            members["state"] = .object([
                "running": .object(["startedAt": .string(Timestamp.seconds(container.startedUnix))])
            ])
            last = container.terminated ?? container.formerly
        case .terminated(let end):
            members["state"] = end.json(scheme)
            last = container.formerly
        case .waiting(let end):
            let waiting = container.waiting
            var state: [String: JSONValue] = [
                "reason": .string(
                    waiting?.reason
                        ?? (pod.spec.initContainers.isEmpty ? "ContainerCreating" : "PodInitializing"))
            ]
            if let message = waiting?.message, !message.isEmpty { state["message"] = .string(message) }
            members["state"] = .object(["waiting": .object(state)])
            last = end
        }
        members["lastState"] = last?.json(scheme) ?? .object([:])
        return .object(members)
    }

    private mutating func conditions(_ phase: String, _ now: String) -> JSONValue {
        let initial = containers.filter { $0.isInit && !$0.isReady }.map(\.spec.name)
        let unready = containers.filter { !$0.isInit && !$0.isReady }.map(\.spec.name)
        var initialized = ("True", "", "")
        if phase == "Succeeded" {
            initialized.1 = "PodCompleted"
        } else if !initial.isEmpty {
            initialized = (
                "False", "ContainersNotInitialized", "containers with incomplete status: \(GoText.list(initial))"
            )
        }
        var containersReady = ("True", "", "")
        if phase == "Succeeded" {
            containersReady = ("False", "PodCompleted", "")
        } else if !unready.isEmpty {
            containersReady = ("False", "ContainersNotReady", "containers with unready status: \(GoText.list(unready))")
        }
        var ready = containersReady
        if ready.0 == "True" {
            let problems = gateProblems()
            if !problems.isEmpty { ready = ("False", "ReadinessGatesNotReady", problems.joined(separator: ", ")) }
        }
        let all = [
            ("Initialized", initialized), ("Ready", ready), ("ContainersReady", containersReady),
            ("PodScheduled", ("True", "", "")),
        ]
        return .array(
            all.map { type, condition in
                let (status, reason, message) = condition
                return .object([
                    "type": .string(type), "status": .string(status), "lastProbeTime": .null,
                    "lastTransitionTime": .string(report.change(type, status, now)),
                    // Null, so that a merge takes an old reason or message away.
                    "reason": reason.isEmpty ? .null : .string(reason),
                    "message": message.isEmpty ? .null : .string(message),
                ])
            })
    }

    private func gateProblems() -> [String] {
        pod.spec.readinessGates.compactMap { gate in
            let shown = (mirror ?? pod).status?["conditions"]?.elements?.first { $0["type"]?.text == gate }
            guard let status = shown?["status"]?.text else {
                return "corresponding condition of pod readiness gate \(GoText.quoted(gate)) does not exist."
            }
            return status == "True"
                ? nil : "the status of pod readiness gate \(GoText.quoted(gate)) is not \"True\", but \(status)"
        }
    }
}
