import ControlPlane
import Foundation
import Lab
import RunEvents

/// One run inside the lab host: a lab, booted or kept, the scenario, and the lab's end or its handing on.
final class LabHostRun: Sendable {
    private let request: RunRequest
    private let directory: String
    private let emitter: Emitter
    /// The lab that the run before handed on.
    private let kept: HostedLab?
    let gate = Gate()

    init(request: RunRequest, directory: String, emitter: Emitter, lab: HostedLab? = nil) {
        self.request = request
        self.directory = directory
        self.emitter = emitter
        kept = lab
    }

    /// How a run ended.
    struct Ended: Sendable {
        /// The result. It is nil if the lab of the run before could not be taken over, which then was torn down. The
        /// scenario has not run.
        var result: RunResult?
        /// The lab, if it is handed on.
        var lab: HostedLab?
    }

    private var artifacts: String { request.reportDirectory + "/artifacts" }

    func run() async -> Ended {
        let (started, begun) = (ContinuousClock.now, Date())
        // The report folder may have been used before, and then holds files of an earlier run.
        let before = Self.found(in: artifacts)
        do {
            try FileManager.default.createDirectory(atPath: artifacts, withIntermediateDirectories: true)
            guard let lab = try await hostedLab() else { return Ended() }
            let scenario = ScenarioRun(
                request: request, cluster: lab.cluster, emitter: emitter, boot: { try await lab.boot() },
                resumed: { [gate] in await gate.wait() })
            let result = await scenario.run()
            await AgentArtifacts(folder: artifacts, emitter: emitter).collect(lab.cluster, metrics: lab.metrics)
            await AgentArtifacts(folder: artifacts, emitter: emitter).collectCloud(lab.cluster, since: lab.begun)
            let losses = await lab.cluster.losses()
            for loss in losses { emitter.log(.warning, "lab", loss) }
            let changes = await scenario.changes
            let staying: HostedLab? = await emitter.phase(.teardown) { () -> HostedLab? in
                if request.handsOn, await handOn(lab, result.verdict, losses + changes) { return lab }
                await lab.tearDown(except: losses) { emitter.log(.warning, $0.source, $0.message) }
                return nil
            }
            tellEnd(begun: begun, found: before)
            return Ended(
                result: RunResult(
                    verdict: result.verdict, message: result.message,
                    durationSeconds: (ContinuousClock.now - started).inSeconds), lab: staying)
        } catch {
            tellEnd(begun: begun, found: before)
            return Ended(
                result: RunResult(
                    verdict: Task.isCancelled ? .interrupted : .infraError, message: "\(error)",
                    durationSeconds: (ContinuousClock.now - started).inSeconds))
        }
    }

    /// Returns the lab for the run: the kept one, or a new one that is not booted yet. It is nil if the kept one cannot
    /// be taken over.
    private func hostedLab() async throws -> HostedLab? {
        guard let kept else {
            let plan = try LabPlan(profile: request.profile)
            describe(plan, notKept: request.notKept)
            return try await HostedLab.start(
                plan, request: request, directory: directory, artifacts: artifacts, emitter: emitter)
        }
        let before = kept.scenarios
        do {
            try await kept.takeOver(request, artifacts: artifacts, emitter: emitter)
        } catch {
            await kept.tearDown { _ in }
            emitter.emit(.labHandover(LabHandover(refusals: ["\(error)"])))
            return nil
        }
        describe(kept.plan, kept: before.first.map { .init(from: $0, after: before) })
        return kept
    }

    private func describe(
        _ plan: LabPlan, kept: LabDescription.Kept? = nil, notKept: LabDescription.NotKept? = nil
    ) {
        emitter.emit(
            .labDescribed(
                LabDescription(
                    plan, kernel: request.image.release, servers: request.controlPlane, kept: kept, notKept: notKept)))
    }

    /// Makes the lab ready for the next run, unless something speaks against it, which is reported.
    ///
    /// - Parameter objections: What the run itself knows.
    private func handOn(_ lab: HostedLab, _ verdict: Verdict, _ objections: [String]) async -> Bool {
        // What made a scenario fail may still be in the lab, whether or not it can be seen.
        var refusals = (verdict == .pass ? [] : ["the scenario ended with \(verdict.rawValue)"]) + objections
        if lab.plan.profile.kubeProxy.enabled {
            // The same address of a service may be another one's in the next run.
            refusals.append("connections that kube-proxy's rules translated are not compared")
        }
        if lab.plan.profile.controlPlane.enabled {
            refusals.append("the objects of its control plane are not compared")
        }
        if refusals.isEmpty {
            do {
                refusals = try await lab.clear()
            } catch {
                refusals = ["\(error)"]
            }
        }
        if refusals.isEmpty, Task.isCancelled { refusals = ["interrupted"] }
        if !refusals.isEmpty, verdict == .pass, !Task.isCancelled {
            emitter.log(
                .warning, "lab", "not kept for the next scenario: \(refusals.prefix(20).joined(separator: "; "))")
        }
        emitter.emit(.labHandover(LabHandover(refusals: refusals)))
        return refusals.isEmpty
    }

    // MARK: Artifacts

    /// A file in the artifacts' folder as it was found at the start. It distinguishes what this run wrote from what an
    /// earlier run left.
    struct FoundFile: Hashable {
        let size: UInt64
        let modified: Date
    }

    /// Returns the files of a folder by name. There are none if the folder does not exist. Hidden files are those of a
    /// lab between two runs.
    static func found(in folder: String) -> [String: FoundFile] {
        let files = FileManager.default
        let names = ((try? files.contentsOfDirectory(atPath: folder)) ?? []).filter { !$0.hasPrefix(".") }
        return names.reduce(into: [:]) { all, name in
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
        ("audit", "audit-log"), ("api-requests", "request-counts"), ("etcd", "control-plane-log"),
        ("kube-apiserver", "control-plane-log"),
        ("kube-controller-manager", "control-plane-log"), ("kube-scheduler", "control-plane-log"),
    ]

    /// Tells what the servers' logs say and which files the run has left, when the lab is down or handed on.
    private func tellEnd(begun: Date, found before: [String: FoundFile]) {
        if request.profile.controlPlane.enabled { APIRequests(folder: artifacts, emitter: emitter).tell(since: begun) }
        announceArtifacts(since: before)
    }

    private func announceArtifacts(since before: [String: FoundFile]) {
        for name in Self.written(in: artifacts, since: before) {
            let kind = Self.artifactKinds.first { name.hasPrefix($0.prefix) }?.kind ?? "log"
            emitter.emit(.artifact(ArtifactRecord(path: "artifacts/\(name)", kind: kind)))
        }
    }
}

extension LabDescription {
    init(
        _ plan: LabPlan, kernel: String, servers: ControlPlanePrograms?, kept: Kept? = nil, notKept: NotKept? = nil
    ) {
        self.init(
            profile: plan.profile.name,
            nodes: plan.nodes.map { node in
                var described = Node(
                    name: node.name, kernel: kernel, addresses: [node.address], podCIDRs: [node.podCIDR])
                described.joinsLater = plan.profile.laterNodeNames.contains(node.name) ? true : nil
                return described
            }, datapath: plan.profile.datapathValues, kept: kept, notKept: notKept)
        controlPlane = servers.map { programs in
            ControlPlane(
                version: programs.version.description, address: plan.profile.controlPlaneAddress ?? "")
        }
    }
}
