import Kubelet
import KubeletServer
import Synchronization

@testable import KubeletService

/// A pod runtime without a kernel: it notes what it is asked, and containers end when a test says so.
final class FakePodRuntime: PodRuntime {
    private struct State {
        var calls: [String] = []
        var network: (@Sendable (String?) -> Void)?
        var running: [ContainerIdentity: @Sendable (ContainerExit) -> Void] = [:]
        var nextAddress = 1
        var sandboxFailures: [String] = []
        var startFailures: [String] = []
        var volumes: [String: [VolumePlan]] = [:]
        /// Whether SIGTERM ends a container.
        var heedsSIGTERM = true
        var execution: (Int32, String) = (0, "")
    }

    private let state = Mutex(State())

    var calls: [String] { state.withLock { $0.calls } }
    var running: [ContainerIdentity] { state.withLock { Array($0.running.keys) } }
    func volumes(of name: String) -> [VolumePlan] { state.withLock { $0.volumes[name] ?? [] } }

    func failSandboxes(_ words: [String]) { state.withLock { $0.sandboxFailures = words } }
    func failStarts(_ words: [String]) { state.withLock { $0.startFailures = words } }
    func heedSIGTERM(_ heeds: Bool) { state.withLock { $0.heedsSIGTERM = heeds } }
    func answerPrograms(_ status: Int32, _ output: String) { state.withLock { $0.execution = (status, output) } }

    func setNetwork(problem: String?) {
        let changed = state.withLock { $0.network }
        changed?(problem)
    }

    /// Lets the running container of this name end.
    func end(_ name: String, _ exit: ContainerExit) {
        let ended = state.withLock { state in
            state.running.first { $0.key.name == name }.flatMap { state.running.removeValue(forKey: $0.key) }
        }
        ended?(exit)
    }

    private func end(_ container: ContainerIdentity, _ exit: ContainerExit) {
        let ended = state.withLock { $0.running.removeValue(forKey: container) }
        ended?(exit)
    }

    private func call(_ words: String) { state.withLock { $0.calls.append(words) } }

    func watchNetwork(_ changed: @escaping @Sendable (String?) -> Void) throws {
        state.withLock { $0.network = changed }
        changed("cni plugin not initialized")
    }

    func mountVolumes(_ pod: PodIdentity, _ volumes: [VolumePlan]) throws {
        call("volumes \(pod.name)")
        state.withLock { $0.volumes[pod.name] = volumes }
    }

    func updateVolume(_ pod: PodIdentity, _ volume: VolumePlan) throws {
        call("update \(pod.name) \(volume.name)")
        state.withLock { state in
            state.volumes[pod.name]?.removeAll { $0.name == volume.name }
            state.volumes[pod.name, default: []].append(volume)
        }
    }

    func forgetPod(_ pod: PodIdentity) { call("forget \(pod.name)") }

    func makeSandbox(_ plan: SandboxPlan) throws -> SandboxNetwork {
        call("sandbox \(plan.pod.name)")
        return try state.withLock { state in
            if !state.sandboxFailures.isEmpty { throw PodRuntimeError(state.sandboxFailures.removeFirst()) }
            defer { state.nextAddress += 1 }
            return SandboxNetwork(addresses: plan.isHostNetwork ? [] : ["10.244.0.\(state.nextAddress)"])
        }
    }

    func removeSandbox(_ pod: PodIdentity) throws { call("remove \(pod.name)") }

    func startContainer(
        _ plan: ContainerPlan, log: ContainerLog, ended: @escaping @Sendable (ContainerExit) -> Void
    ) throws {
        call("start \(plan.identity.name)")
        try state.withLock { state in
            if !state.startFailures.isEmpty { throw PodRuntimeError(state.startFailures.removeFirst()) }
            state.running[plan.identity] = ended
        }
        log.append("started \(plan.attempt)\n".utf8, to: .output, at: LogTime(seconds: 0))
    }

    func signal(_ container: ContainerIdentity, _ number: Int32) {
        call("signal \(container.name) \(number)")
        if state.withLock({ $0.heedsSIGTERM }) { end(container, ContainerExit(exitCode: 0)) }
    }

    func kill(_ container: ContainerIdentity) {
        call("kill \(container.name)")
        end(container, ContainerExit(exitCode: 137))
    }

    func input(of container: ContainerIdentity) -> (any ProgramInput)? { nil }

    func execute(_ execution: ExecutionPlan) throws -> any RunningExecution {
        let (status, output) = state.withLock { $0.execution }
        execution.received(.output, ArraySlice(output.utf8))
        execution.ended(status)
        return FakeExecution()
    }

    func connect(_ pod: PodIdentity, port: UInt16) throws -> Int32 { throw PodRuntimeError("no ports") }
    func usage() -> NodeUsage? { NodeUsage(memoryAvailable: 1 << 30) }
}

private struct FakeExecution: RunningExecution {
    func write(_ bytes: ArraySlice<UInt8>) {}
    func closeInput() {}
    func resize(columns: UInt16, rows: UInt16) {}
    func kill() {}
}
