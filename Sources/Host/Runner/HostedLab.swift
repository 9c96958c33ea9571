import Fabric
import Foundation
import Glibc
import Lab
import LinuxKernel
import RunEvents
import Synchronization

/// A lab in the lab host's namespaces. It serves one scenario, or several one after the other, if each of them leaves
/// it as it was right after its boot.
final class HostedLab: Sendable {
    let plan: LabPlan
    let cluster: Cluster
    private let cloud: LabCloud
    private let controlPlane: LabControlPlane?
    private let hypervisor: LibvirtHypervisor
    private let notices: NodeNotices
    private let readsNetfilter: Bool
    private let state: Mutex<State>

    private struct State {
        var scenarios: [String]
        var handsOn: Bool
        /// What every run must leave: the lab right after its boot, without pods and objects.
        var baseline: LabSnapshot?
        var clocks = NodeClocks()
        var begun: MonotonicTime?
        var metrics: NodeMetrics = [:]
        var consoles: [String: LiveLog]
        var driverLog: LiveLog
    }

    /// The scenarios that ran in it, in order, the present one included.
    var scenarios: [String] { state.withLock { $0.scenarios } }
    /// When the present run began; nil in the run that booted the lab.
    var begun: MonotonicTime? { state.withLock { $0.begun } }
    /// The agents' counters when the present run began.
    var metrics: NodeMetrics { state.withLock { $0.metrics } }

    /// Makes fabric and machines. Nothing is booted yet.
    ///
    /// - Throws: `LabError`, `FabricError`, `SystemError`, `LibvirtError`.
    static func start(
        _ plan: LabPlan, request: RunRequest, directory: String, artifacts: String, emitter: Emitter
    ) async throws -> HostedLab {
        let fabric = try await Fabric.start(try plan.fabricSpec(outputDirectory: artifacts))
        for node in plan.nodes {
            for nic in try plan.nics(of: node) { try await fabric.attachNIC(nic) }
        }
        let cloud = try await LabCloud.start(plan, on: fabric)
        let controlPlane = try await controlPlane(
            plan, request, on: fabric, directory: directory, artifacts: artifacts, emitter: emitter)
        let hypervisor = try await LibvirtHypervisor.open(
            directory: directory, capabilitiesCache: request.capabilitiesCache, consoleDirectory: artifacts,
            boot: .init(
                kernelPath: request.image.kernelPath, initrdPath: request.image.initrdPath,
                accelerator: request.accelerator, parameters: request.image.parameters,
                userlandPath: request.image.userlandPath, kubeletDiskPath: request.image.kubeletDiskPath))
        let machines = plan.nodes.enumerated().map {
            hypervisor.machine(
                for: $1, index: $0 + 1, memoryMiB: request.profile.memoryMiB, hotplugSlots: plan.hotplugSlots)
        }
        for (node, machine) in zip(plan.nodes, machines) { await cloud.interfaces.use(machine, for: node.name) }
        let notices = NodeNotices()
        notices.begin(emitter: emitter, directory: artifacts)
        let cluster = Cluster(
            plan: plan, machines: machines, fabric: fabric, cloud: cloud, controlPlane: controlPlane
        ) { notices.take($0, $1) }
        await cloud.use(cluster)
        try LabRecord(request, plan, controlPlane).write(to: directory)
        return HostedLab(
            plan: plan, cluster: cluster, cloud: cloud, controlPlane: controlPlane, hypervisor: hypervisor,
            notices: notices, request: request,
            artifacts: artifacts)
    }

    private init(
        plan: LabPlan, cluster: Cluster, cloud: LabCloud, controlPlane: LabControlPlane?,
        hypervisor: LibvirtHypervisor, notices: NodeNotices, request: RunRequest, artifacts: String
    ) {
        self.plan = plan
        self.cluster = cluster
        self.cloud = cloud
        self.controlPlane = controlPlane
        self.hypervisor = hypervisor
        self.notices = notices
        readsNetfilter = request.image.userlandPath != nil
        state = Mutex(
            State(
                scenarios: [request.scenario.metadata.name], handsOn: request.handsOn,
                consoles: Dictionary(
                    uniqueKeysWithValues: cluster.nodes.map { ($0.name, LiveLog(path: $0.machine.consolePath)) }),
                driverLog: LiveLog(path: hypervisor.logPath)))
    }

    /// Boots the machines, or waits until those that run already are ready.
    func boot() async throws {
        let isKept = begun != nil
        guard !isKept else { return try await cluster.waitUntilReady(within: .seconds(30)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            // Keys are made and servers start while the machines do.
            if let controlPlane {
                group.addTask { [cluster] in
                    try await controlPlane.boot(within: .seconds(60)) {
                        try await cluster.prepareServer(within: .seconds(30))
                    }
                    try await cluster.followServer(within: .seconds(30))
                }
            }
            group.addTask { [cluster] in try await cluster.boot(within: .seconds(90)) }
            try await group.waitForAll()
        }
        try await cluster.waitForAgentPods(within: .seconds(120))
        guard state.withLock({ $0.handsOn }) else { return }
        do {
            let (baseline, clocks) = (try await snapshot(), try await cluster.clocks(within: .seconds(10)))
            state.withLock { ($0.baseline, $0.clocks) = (baseline, clocks) }
        } catch {
            // That the lab cannot be kept is no reason for this run to fail.
            try Task.checkCancellation()
        }
    }

    private func snapshot() async throws -> LabSnapshot {
        async let kept = cluster.keptState(readsNetfilter: readsNetfilter)
        return try await cluster.snapshot().merging(try await kept)
    }

    /// Prepares the servers of the lab's control plane; nil if it has none.
    private static func controlPlane(
        _ plan: LabPlan, _ request: RunRequest, on fabric: Fabric, directory: String, artifacts: String,
        emitter: Emitter
    ) async throws -> LabControlPlane? {
        guard plan.profile.controlPlane.enabled else { return nil }
        guard let programs = request.controlPlane else {
            throw LabError(.plan, "lab \(plan.profile.name) has a control plane, and no programs for it were named")
        }
        return try await LabControlPlane.make(
            plan, programs: programs, on: fabric, folder: "\(directory)/control-plane", artifacts: artifacts
        ) { notice in
            let expected = notice.wasExpected ? ", as it was asked to" : ""
            emitter.log(
                notice.wasExpected ? .info : .warning, "control-plane",
                "\(notice.server) ended: \(notice.status)\(expected)")
        }
    }

    // MARK: From one run to the next

    /// The time in which the lab must be as it was.
    private static let clearing = Duration.seconds(60)
    /// What is removed takes some moments to be gone: carriers fall, and agents hear of it.
    private static let settling = Duration.seconds(5)

    /// Removes what the run brought, and ends its files.
    ///
    /// - Returns: What the lab still has, or no longer has. The list is empty if the next run can have the lab.
    func clear() async throws -> [String] {
        let left = try await within(Self.clearing) { [self] in
            try await cluster.restoreMembership()
            try await cluster.clear()
            return try await leftovers()
        }
        guard left.isEmpty else { return left }
        await cluster.fabric.endFiles()
        let losses = await cluster.losses()
        let failures = cluster.unseenFailures.map { "\($0)" }
        guard losses.isEmpty, failures.isEmpty else { return losses + failures }
        notices.pause()
        try state.withLock { state in
            for node in cluster.nodes where Self.hasConsole(node) {
                try state.consoles[node.name]?.cut { try node.machine.moveConsole(to: $0) }
            }
            // The driver makes its log when it first warns of something.
            let path = state.driverLog.path
            if FileManager.default.fileExists(atPath: path) {
                try state.driverLog.cut { try Self.move(path, to: $0) }
            }
        }
        return []
    }

    private func leftovers() async throws -> [String] {
        guard let before = state.withLock({ $0.baseline }) else { return ["its state after the boot was not read"] }
        let end = ContinuousClock.now + Self.settling
        while true {
            let left = try await snapshot().differences(since: before)
            if left.isEmpty || ContinuousClock.now >= end {
                let clocks = try await cluster.clocks(within: .seconds(10))
                let tolerated = cluster.tolerated.map { "the end of \($0) is still tolerated" }
                return left + tolerated + clocks.wrong(since: state.withLock { $0.clocks })
            }
            // There is no event for a change of a node's snapshot.
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Begins a further run: its files, and the counters that it must not take for its own.
    ///
    /// - Throws: Why the lab cannot serve it.
    func takeOver(_ request: RunRequest, artifacts: String, emitter: Emitter) async throws {
        if let failure = cluster.unseenFailures.first { throw failure }
        try await cluster.waitUntilReady(within: .seconds(10))
        let metrics = await AgentArtifacts.metrics(of: cluster)
        // Without a beginning, the next report would have counters of this one.
        if let silent = cluster.presentNodes.first(where: { metrics[$0.name] == nil }) {
            throw LabError(.request, "the agent of \(silent.name) did not tell its counters")
        }
        try state.withLock { state in
            // Those that have none yet make theirs there, when they join.
            for node in cluster.nodes {
                try state.consoles[node.name]?.show(in: artifacts) { try node.machine.moveConsole(to: $0) }
            }
            let path = state.driverLog.path
            if FileManager.default.fileExists(atPath: path) {
                try state.driverLog.show(in: artifacts) { try Self.move(path, to: $0) }
            }
            state.scenarios.append(request.scenario.metadata.name)
            state.begun = MonotonicTime.now
            state.metrics = metrics
        }
        try await cluster.fabric.record(in: artifacts)
        notices.begin(emitter: emitter, directory: artifacts)
    }

    /// Whether a node has ever been powered on. QEMU makes the file then.
    private static func hasConsole(_ node: ClusterNode) -> Bool {
        FileManager.default.fileExists(atPath: node.machine.consolePath)
    }

    private static func move(_ path: String, to other: String) throws(SystemError) {
        guard rename(path, other) == 0 else { throw SystemError.last("rename", path) }
    }

    // MARK: The end

    /// A warning of the end.
    struct Warning {
        var source: String
        var message: String
    }

    /// Ends machines and fabric.
    ///
    /// - Parameter losses: What was reported before.
    func tearDown(except losses: [String] = [], _ warn: (Warning) -> Void) async {
        await cluster.close()
        await controlPlane?.stop()
        do {
            cloud.stop()
            try await hypervisor.destroyAll()
            try await cluster.fabric.stop()
        } catch {
            warn(Warning(source: "lab host", message: "teardown: \(error)"))
        }
        // The end of the flow log is written as the fabric stops.
        for failure in await cluster.fabric.observationFailures() where !losses.contains(failure) {
            warn(Warning(source: "lab", message: failure))
        }
        state.withLock { state in
            for log in state.consoles.values { log.discard() }
            state.driverLog.discard()
        }
    }
}

/// Runs something that may not take longer than a time.
private func within<Result: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask(operation: body)
        group.addTask {
            try await Task.sleep(for: limit)
            throw LabError(.request, "the lab was not as after its boot within \(limit)")
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw CancellationError() }
        return first
    }
}
