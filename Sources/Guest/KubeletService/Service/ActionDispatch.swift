import Kubelet
import KubeletServer
import LinuxKernel

extension KubeletService {
    /// Begins everything that the mind wants to be done.
    func carryOut(_ actions: [KubeletAction]) {
        for action in actions { carryOut(action) }
    }

    private func carryOut(_ action: KubeletAction) {
        switch action {
        case .patchStatus, .deletePod, .createMirrorPod, .record, .registerNode, .patchNodeStatus, .renewLease,
            .requestToken:
            writer.carryOut(action)
        case .follow(let reference): follower.follow(reference)
        case .unfollow(let reference): follower.unfollow(reference)
        case .mountVolumes(let pod, let volumes):
            blocking("volumes") { service in
                service.take(.volumesMounted(pod, outcome { try service.runtime.mountVolumes(pod, volumes) }))
            }
        case .updateVolume(let pod, let volume):
            blocking("volumes") { service in
                do {
                    try service.runtime.updateVolume(pod, volume)
                } catch {
                    service.note("volume \(volume.name) of \(pod): \(error)")
                }
            }
        case .makeSandbox(let plan):
            blocking("sandbox") { service in
                let made = outcome {
                    let network = try service.runtime.makeSandbox(plan)
                    return plan.isHostNetwork
                        ? SandboxNetwork(addresses: [service.configuration.address]) : network
                }
                service.take(.sandboxMade(plan.pod, attempt: plan.attempt, made))
            }
        case .removeSandbox(let pod):
            blocking("sandbox") { service in
                service.take(.sandboxRemoved(pod, outcome { try service.runtime.removeSandbox(pod) }))
            }
        case .forgetPod(let pod): blocking("forget") { $0.runtime.forgetPod(pod) }
        case .startContainer(let plan): start(plan)
        case .stopContainer(let container, let grace): stop(container, grace)
        case .removeContainer(let container): containers.remove(container)
        case .runHook(let container, let hook, let target, let limit):
            Task {
                let outcome = await prober.probe(target, in: container, within: limit)
                take(.hookEnded(container, hook, outcome))
            }
        case .probe(let identity, let target, let limit):
            Task {
                let outcome = await prober.probe(target, in: identity.container, within: limit)
                take(.probed(identity, outcome))
            }
        }
    }

    private func blocking(_ name: String, _ body: @escaping @Sendable (KubeletService) -> Void) {
        startThread(name) { body(self) }
    }

    // MARK: Containers

    private func start(_ plan: ContainerPlan) {
        let log = containers.add(plan)
        let gate = StartGate()
        blocking("start") { service in
            let started = outcome {
                try service.runtime.startContainer(plan, log: log) { exit in
                    gate.ended { service.ended(plan.identity, exit) }
                }
            }
            if case .failure = started { log.finish(at: .now()) }
            service.take(.containerStarted(plan.identity, started))
            gate.open()
        }
    }

    private func ended(_ container: ContainerIdentity, _ exit: ContainerExit) {
        containers.ended(container)
        take(.containerEnded(container, exit))
    }

    /// SIGTERM now, and SIGKILL when the grace is over, again and again until the container has ended.
    private func stop(_ container: ContainerIdentity, _ grace: Duration) {
        let task = Task {
            if grace > .zero {
                try await onOwnThread("stop") { self.runtime.signal(container, 15) }
                try await Task.sleep(for: grace)
            }
            while !Task.isCancelled {
                try await onOwnThread("stop") { self.runtime.kill(container) }
                try await Task.sleep(for: .seconds(1))
            }
        }
        containers.stopping(container, by: task)
    }
}

private func outcome<Value: Sendable>(_ body: () throws -> Value) -> Outcome<Value> {
    do {
        return .success(try body())
    } catch {
        return .failure("\(error)")
    }
}

private func outcome(_ body: () throws -> Void) -> Outcome<Empty> {
    do {
        try body()
        return .success
    } catch {
        return .failure("\(error)")
    }
}
