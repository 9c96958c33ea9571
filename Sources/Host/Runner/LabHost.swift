import Fabric
import Foundation
import Lab
import LinuxKernel
import RunEvents
import Scenario
import Synchronization

/// The lab host: PID 2 of a lab's namespaces. It reads one request, runs it, writes events, and ends. PID 1 and the
/// kernel then remove the rest.
public enum LabHost {
    /// Runs and never returns. The exit code is that of the verdict.
    public static func run(_ channels: LabHostChannels) async -> Never {
        let output = EventPipe(channels)
        let emitter = Emitter { output.write($0) }
        let commands = channels.commandLines()
        var first: [UInt8]?
        for await line in commands {
            first = line
            break
        }
        guard let line = first,
            let request = try? JSONDecoder().decode(RunRequest.self, from: Data(line))
        else {
            emitter.emit(
                .runFinished(RunResult(verdict: .infraError, message: "no request arrived", durationSeconds: 0)))
            output.finish()
            exit(Verdict.infraError.exitCode)
        }
        let host = LabHostRun(request: request, directory: channels.directory, emitter: emitter)
        let run = Task { await host.run() }
        let signals = try? SignalStream.signals([SIGINT, SIGTERM])
        let stopper = Task {
            guard let signals else { return }
            for await _ in signals {
                run.cancel()
                host.gate.open()
            }
        }
        let listener = Task {
            for await line in commands {
                switch RunCommand(rawValue: String(decoding: line, as: UTF8.self)) {
                case .stop?:
                    run.cancel()
                    host.gate.open()
                case .resume?: host.gate.open()
                case nil: emitter.log(.warning, "lab host", "unknown command")
                }
            }
        }
        let result = await run.value
        stopper.cancel()
        listener.cancel()
        emitter.emit(.runFinished(result))
        output.finish()
        exit(result.verdict.exitCode)
    }
}

/// One run inside the lab host: fabric, machines, scenario, teardown.
final class LabHostRun: Sendable {
    private let request: RunRequest
    private let directory: String
    private let emitter: Emitter
    let gate = Gate()

    init(request: RunRequest, directory: String, emitter: Emitter) {
        self.request = request
        self.directory = directory
        self.emitter = emitter
    }

    private var artifacts: String { request.reportDirectory + "/artifacts" }

    func run() async -> RunResult {
        let started = ContinuousClock.now
        // The report folder may have been used before, and then holds files of an earlier run.
        let before = Self.found(in: artifacts)
        do {
            let plan = try LabPlan(profile: request.profile)
            try FileManager.default.createDirectory(atPath: artifacts, withIntermediateDirectories: true)
            emitter.emit(.labDescribed(LabDescription(plan, kernel: request.image.release)))
            let fabric = try await Fabric.start(try plan.fabricSpec(outputDirectory: artifacts))
            for node in plan.nodes {
                for nic in try plan.nics(of: node) { try await fabric.attachNIC(nic) }
            }
            let cloud = try await LabCloud.start(plan, on: fabric)
            let hypervisor = try await LibvirtHypervisor.open(
                directory: directory, capabilitiesCache: request.capabilitiesCache, consoleDirectory: artifacts,
                boot: .init(
                    kernelPath: request.image.kernelPath, initrdPath: request.image.initrdPath,
                    accelerator: request.accelerator, parameters: request.image.parameters,
                    userlandPath: request.image.userlandPath))
            let machines = plan.nodes.enumerated().map {
                hypervisor.machine(
                    for: $1, index: $0 + 1, memoryMiB: request.profile.memoryMiB, hotplugSlots: plan.hotplugSlots)
            }
            for (node, machine) in zip(plan.nodes, machines) { await cloud.interfaces.use(machine, for: node.name) }
            let notices = NodeNotices(emitter: emitter, directory: artifacts)
            let cluster = Cluster(plan: plan, machines: machines, fabric: fabric, cloud: cloud) { notices.take($0, $1) }
            let scenario = ScenarioRun(
                request: request, cluster: cluster, emitter: emitter, resumed: { [gate] in await gate.wait() })
            let result = await scenario.run()
            await AgentArtifacts(folder: artifacts, emitter: emitter).collect(cluster)
            await AgentArtifacts(folder: artifacts, emitter: emitter).collectCloud(cluster)
            let losses = await cluster.losses()
            for loss in losses { emitter.log(.warning, "lab", loss) }
            await emitter.phase(.teardown) {
                await cluster.close()
                do {
                    cloud.stop()
                    try await hypervisor.destroyAll()
                    try await fabric.stop()
                } catch {
                    emitter.log(.warning, "lab host", "teardown: \(error)")
                }
                // The end of the flow log is written as the fabric stops.
                for failure in await fabric.observationFailures() where !losses.contains(failure) {
                    emitter.log(.warning, "lab", failure)
                }
            }
            announceArtifacts(since: before)
            return RunResult(
                verdict: result.verdict, message: result.message,
                durationSeconds: (ContinuousClock.now - started).inSeconds)
        } catch {
            announceArtifacts(since: before)
            return RunResult(
                verdict: Task.isCancelled ? .interrupted : .infraError, message: "\(error)",
                durationSeconds: (ContinuousClock.now - started).inSeconds)
        }
    }

    /// A file in the artifacts' folder as it was found at the start. It distinguishes what this run wrote from what an
    /// earlier run left.
    struct FoundFile: Hashable {
        let size: UInt64
        let modified: Date
    }

    /// Returns the files of a folder by name. There are none if the folder does not exist.
    static func found(in folder: String) -> [String: FoundFile] {
        let files = FileManager.default
        return ((try? files.contentsOfDirectory(atPath: folder)) ?? []).reduce(into: [:]) { all, name in
            guard let attributes = try? files.attributesOfItem(atPath: "\(folder)/\(name)") else { return }
            all[name] = FoundFile(
                size: (attributes[.size] as? NSNumber)?.uint64Value ?? 0,
                modified: attributes[.modificationDate] as? Date ?? .distantPast)
        }
    }

    /// Returns the names of the files that are new or were written since.
    static func written(in folder: String, since before: [String: FoundFile]) -> [String] {
        found(in: folder).filter { before[$0.key] != $0.value }.keys.sorted()
    }

    private static let artifactKinds: [(prefix: String, kind: String)] = [
        ("console-", "console"), ("agent-", "agent-log"), ("pod-", "pod-log"), ("status-", "status"),
        ("health-", "status"),
        ("map-", "map-dump"), ("tap", "pcapng"), ("vpc-flow", "flow-log"),
    ]

    private func announceArtifacts(since before: [String: FoundFile]) {
        for name in Self.written(in: artifacts, since: before) {
            let kind = Self.artifactKinds.first { name.hasPrefix($0.prefix) }?.kind ?? "log"
            emitter.emit(.artifact(ArtifactRecord(path: "artifacts/\(name)", kind: kind)))
        }
    }
}

extension LabDescription {
    init(_ plan: LabPlan, kernel: String) {
        self.init(
            profile: plan.profile.name,
            nodes: plan.nodes.map {
                Node(name: $0.name, kernel: kernel, addresses: [$0.address], podCIDRs: [$0.podCIDR])
            }, datapath: plan.profile.datapathValues)
    }
}

/// A gate. Whoever waits when it opens passes. Whoever comes later waits for the next time.
final class Gate: Sendable {
    private struct State {
        var next = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    }
    private let state = Mutex(State())

    func open() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns when the gate opens or the task is cancelled.
    func wait() async {
        let ticket = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    if Task.isCancelled { return false }
                    state.waiting[ticket] = continuation
                    return true
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: ticket) }?.resume()
        }
    }
}
