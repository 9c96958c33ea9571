import Faults
import Foundation
import Libvirt
import LinuxKernel
import NodeImage
import Reports
import RunEvents
import Runner
import Scenario

/// The outer side of one run, with image, lab host and reports. It outlives the lab host and reports what became of it.
struct ScenarioSession {
    struct Options: Sendable {
        var output: OutputFormat
        var junit: String?
        var html: String?
        var seed: UInt64
        var timeout: Double
        var pauseOnFail: Bool
        var keep: Bool
        var noColour: Bool
        var verbose: Bool
    }

    let scenario: LoadedScenario
    let folder: String
    let options: Options
    let input: SessionInput

    /// The result of a run. The verdict is worse than the report's if a file of the report could not be written.
    struct Outcome {
        var verdict: Verdict
        var report: RunReport
        /// What became of the lab.
        var lab = FormerLab.none
    }

    /// The lab of a run, and whether it stays.
    private struct Stay {
        var report: RunReport
        var lab: RunningLab?
        var handover: LabHandover?
    }

    /// Runs the scenario.
    ///
    /// - Parameters:
    ///   - former: The lab of the scenario before. It is used if it is made from the same, and torn down otherwise.
    ///   - handsOn: Whether the next scenario has an equal lab.
    func run(after former: FormerLab, handsOn: Bool) async -> Outcome {
        let reporters: RunReporters
        do {
            reporters = try .standard(
                ReportOptions(
                    folder: ReportFolder(path: folder), output: options.output, junit: options.junit,
                    html: options.html,
                    noColour: options.noColour, verbose: options.verbose), header: header(accelerator: "none"))
        } catch {
            await former.end()
            StandardError.write("labrun: \(error)")
            return Outcome(
                verdict: .infraError,
                report: ReportAssembler(header: header(accelerator: "none")).finish(.died("\(error)")))
        }
        let stay: Stay
        do {
            let (image, disks, servers, accelerator) = try await input.preparing { [scenario] in
                let image = try await ImageStore().ensure(kernel: scenario.profile.kernel) { progress in
                    StandardError.write("image: \(progress)")
                }
                let needsUserland = scenario.scenario.needsUserland(
                    in: scenario.profile, faults: FaultCatalogue.shipped.descriptors)
                var disks = Disks()
                if needsUserland {
                    disks.userland = try await UserlandChoice(images: scenario.profile.images).disk(ImageStore()) {
                        StandardError.write("userland: \($0)")
                    }
                }
                if scenario.profile.kubelet == .real {
                    disks.kubelet = try await ImageStore().ensureKubeletDisk { StandardError.write("kubelet: \($0)") }
                }
                let servers = try await ControlPlaneChoice(scenario.profile)?.programs { progress in
                    StandardError.write("control plane: \(progress)")
                }
                let accelerator = await AccelerationProbe(
                    kernel: image.kernelPath, cacheDirectory: ImageStore().cacheDirectory
                ).answer()
                return (image, disks, servers, accelerator)
            }
            let header = header(
                accelerator: "\(accelerator.accelerator == .kvm ? "kvm" : "tcg"): \(accelerator.reason)")
            reporters.consume(RunEvent(at: 0, payload: .runStarted(header)))
            var request = request(image: image, disks: disks, accelerator: accelerator)
            request.handsOn = handsOn
            request.controlPlane = servers
            stay = await drive(reporters, request, after: former)
        } catch {
            await former.end()
            reporters.consume(RunEvent(at: 0, payload: .runStarted(header(accelerator: "none"))))
            let end: StreamEnd =
                input.wasInterrupted
                ? .interrupted("interrupted before it began") : .died("the lab cannot be made: \(error)")
            stay = Stay(report: reporters.finish(end))
        }
        if let incompleteness = reporters.incompleteness { StandardError.write("labrun: \(incompleteness)") }
        // A report that could not be written is a failure of the instrument, whatever the result of the run is.
        let own = stay.report.verdict
        let verdict = reporters.errors.isEmpty ? own : Verdict.worst(of: [own, .infraError])
        return Outcome(verdict: verdict, report: stay.report, lab: await legacy(of: stay))
    }

    /// What the next scenario finds.
    private func legacy(of stay: Stay) async -> FormerLab {
        guard let handover = stay.handover else { return .none }
        guard handover.isKept, let lab = stay.lab else { return .notKept(notKept(handover.refusals)) }
        // The report may find what the lab host did not.
        guard stay.report.verdict == .pass else {
            await lab.end()
            return .notKept(notKept(["the scenario ended with \(stay.report.verdict.rawValue)"]))
        }
        return .kept(lab, by: scenario.scenario.metadata.name)
    }

    private func notKept(_ reasons: [String]) -> LabDescription.NotKept {
        .init(from: scenario.scenario.metadata.name, because: reasons)
    }

    /// Has the request carried out: in the former lab if that is made from the same, and else in a new one.
    private func drive(_ reporters: RunReporters, _ request: RunRequest, after former: FormerLab) async -> Stay {
        if input.wasInterrupted {
            await former.end()
            return Stay(report: reporters.finish(.interrupted("interrupted before it began")))
        }
        var request = request
        switch former {
        case .none: break
        case .notKept(let reason): request.notKept = reason
        case .kept(let lab, let name):
            var refusals = ["this scenario's lab is made from something else"]
            if (try? request.lab()) == lab.ingredients {
                switch await drive(reporters, request, in: lab) {
                case .run(let stay): return stay
                case .refused(let reasons): refusals = reasons
                }
            } else {
                await lab.end()
            }
            request.notKept = .init(from: name, because: refusals)
        }
        do {
            let lab = try RunningLab(for: request)
            switch await drive(reporters, request, in: lab) {
            case .run(let stay): return stay
            case .refused(let reasons):
                return Stay(report: reporters.finish(.died(reasons.joined(separator: "; "))))
            }
        } catch {
            return Stay(report: reporters.finish(.died("\(error)")))
        }
    }

    /// What a lab host did with a request.
    private enum Carried {
        case run(Stay)
        /// It did not begin, and has ended. A kept lab may not be able to serve another scenario any more.
        case refused([String])
    }

    private func drive(_ reporters: RunReporters, _ request: RunRequest, in lab: RunningLab) async -> Carried {
        let started = ContinuousClock.now
        input.follow(lab.host)
        defer { input.unfollow() }
        do {
            try lab.send(request)
        } catch {
            return .refused(["\(error)"])
        }
        var run = FollowedRun()
        for await item in lab.feed {
            switch item {
            case .tick(let now): reporters.tick(max(0, (now - started) / .seconds(1)))
            case .line(let line):
                guard let event = try? EventLine.decode(line) else {
                    StandardError.write("the lab host wrote a line that is no event")
                    continue
                }
                run.take(event.payload)
                reporters.consume(event)
            }
            if run.isHandedOn { return .run(Stay(report: reporters.finish(), lab: lab, handover: run.handover)) }
        }
        let status = try? await lab.host.wait()
        switch run.end(status: status.map { "\($0)" }, wasInterrupted: input.wasInterrupted) {
        case .finished: return .run(Stay(report: reporters.finish(), handover: run.handover))
        case .refused(let reasons): return .refused(reasons)
        case .interrupted: return .run(Stay(report: reporters.finish(.interrupted("interrupted, and ended at once"))))
        case .died(let how): return .run(Stay(report: reporters.finish(.died(how))))
        }
    }

    /// The read-only disks of the nodes.
    private struct Disks {
        var userland: UserlandArtifact?
        var kubelet: KubeletDiskArtifact?
    }

    private func request(
        image: NodeImageArtifact, disks: Disks, accelerator: AccelerationProbe.Answer
    ) -> RunRequest {
        var profile = scenario.profile
        profile.memoryMiB = max(
            profile.memoryMiB, image.series.minimumMemoryMiB, profile.kubelet.minimumMemoryMiB)
        return RunRequest(
            scenario: scenario.scenario, profile: profile,
            image: .init(
                kernelPath: image.kernelPath, initrdPath: image.initrdPath, release: image.kernelRelease,
                parameters: accelerator.accelerator == .tcg ? image.series.emulationParameters : [],
                userlandPath: disks.userland?.path, kubeletDiskPath: disks.kubelet?.path),
            accelerator: accelerator.accelerator == .kvm ? "kvm" : "tcg", reportDirectory: folder,
            capabilitiesCache: ImageStore().cacheDirectory + "/libvirt", seed: options.seed, timeout: options.timeout,
            pauseOnFail: options.pauseOnFail, keep: options.keep)
    }

    private func header(accelerator: String) -> RunHeader {
        let metadata = scenario.scenario.metadata
        return RunHeader(
            tool: .init(version: LabrunVersion.text, revision: LabrunVersion.revision),
            host: .init(
                kernel: HostKernel.release, cpus: ProcessInfo.processInfo.activeProcessorCount,
                accelerator: accelerator), seed: options.seed,
            scenario: .init(
                name: metadata.name, title: metadata.title, file: scenario.file, sha256: scenario.sha256,
                labels: metadata.labels, steps: scenario.scenario.spec.timeline.map(\.name)), startedAt: Date())
    }
}
