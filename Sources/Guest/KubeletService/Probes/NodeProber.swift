import Kubelet
import LinuxKernel
import Synchronization

/// Carries out probes and hooks: over the node's network, or as programs in containers.
struct NodeProber: Sendable {
    /// How much of a program's output is kept (pkg/probe/exec).
    private static let outputLimit = 10 << 10

    private let runtime: any PodRuntime

    init(_ runtime: any PodRuntime) { self.runtime = runtime }

    func probe(_ target: ProbeTarget, in container: ContainerIdentity, within limit: Duration) async -> ProbeOutcome {
        switch target {
        case .tcp(let host, let port): await NetworkProbe.tcp(host: host, port: port, within: limit)
        case .http(let isTLS, let host, let port, let path, let headers):
            await NetworkProbe.http(
                isTLS: isTLS, host: host, port: port, path: path, headers: headers, within: limit)
        case .exec(let arguments): await execute(arguments, in: container, within: limit)
        }
    }

    /// What a program has written and how it ended, whoever comes first: its end or the deadline.
    private final class Run: Sendable {
        private struct State {
            var output: [UInt8] = []
            var continuation: CheckedContinuation<Int32?, Never>?
            var status: Int32??
        }
        private let state = Mutex(State())

        func received(_ bytes: ArraySlice<UInt8>) {
            state.withLock { $0.output += bytes.prefix(NodeProber.outputLimit - $0.output.count) }
        }

        /// - Parameter status: Nil for the deadline.
        func ended(_ status: Int32?) {
            let continuation = state.withLock { state -> CheckedContinuation<Int32?, Never>? in
                guard state.status == nil else { return nil }
                state.status = .some(status)
                defer { state.continuation = nil }
                return state.continuation
            }
            continuation?.resume(returning: status)
        }

        var status: Int32? {
            get async {
                await withCheckedContinuation { continuation in
                    let status = state.withLock { state -> Int32?? in
                        if state.status == nil { state.continuation = continuation }
                        return state.status
                    }
                    if let status { continuation.resume(returning: status) }
                }
            }
        }

        var output: String { state.withLock { String(decoding: $0.output, as: UTF8.self) } }
    }

    private func execute(
        _ arguments: [String], in container: ContainerIdentity, within limit: Duration
    ) async -> ProbeOutcome {
        let run = Run()
        let plan = ExecutionPlan(
            container: container, arguments: arguments, received: { _, bytes in run.received(bytes) },
            ended: { run.ended($0) })
        let execution: any RunningExecution
        do {
            let runtime = runtime
            execution = try await onOwnThread("probe") { try runtime.execute(plan) }
        } catch {
            return .unknown("\(error)")
        }
        let timer = Task {
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            run.ended(nil)
        }
        let status = await run.status
        timer.cancel()
        switch status {
        case 0?: return .success
        case .some: return .failure(run.output)
        case nil:
            try? await onOwnThread("probe") { execution.kill() }
            return .failure("command \"\(arguments.joined(separator: " "))\" timed out")
        }
    }
}
