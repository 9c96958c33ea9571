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

    /// The result of a run. The verdict is worse than the report's if a file of the report could not be written.
    struct Outcome {
        var verdict: Verdict
        var report: RunReport
    }

    func run() async -> Outcome {
        let reporters: RunReporters
        do {
            reporters = try .standard(
                ReportOptions(
                    folder: ReportFolder(path: folder), output: options.output, junit: options.junit,
                    html: options.html,
                    noColour: options.noColour, verbose: options.verbose), header: header(accelerator: "none"))
        } catch {
            StandardError.write("labrun: \(error)")
            return Outcome(
                verdict: .infraError,
                report: ReportAssembler(header: header(accelerator: "none")).finish(.died("\(error)")))
        }
        let report: RunReport
        do {
            let image = try await ImageStore().ensure(kernel: scenario.profile.kernel) { progress in
                StandardError.write("image: \(progress)")
            }
            let userland =
                scenario.scenario.needsUserland(in: scenario.profile, faults: FaultCatalogue.shipped.descriptors)
                ? try await ImageStore().ensureUserland { StandardError.write("userland: \($0)") } : nil
            let accelerator = await AccelerationProbe(
                kernel: image.kernelPath, cacheDirectory: ImageStore().cacheDirectory
            ).answer()
            report = await drive(reporters, image: image, userland: userland, accelerator: accelerator)
        } catch {
            reporters.consume(RunEvent(at: 0, payload: .runStarted(header(accelerator: "none"))))
            report = reporters.finish(.died("no node image: \(error)"))
        }
        if let incompleteness = reporters.incompleteness { StandardError.write("labrun: \(incompleteness)") }
        // A report that could not be written is a failure of the instrument, whatever the result of the run is.
        let verdict = reporters.errors.isEmpty ? report.verdict : Verdict.worst(of: [report.verdict, .infraError])
        return Outcome(verdict: verdict, report: report)
    }

    private func drive(
        _ reporters: RunReporters, image: NodeImageArtifact, userland: UserlandArtifact?,
        accelerator: AccelerationProbe.Answer
    ) async -> RunReport {
        reporters.consume(
            RunEvent(
                at: 0,
                payload: .runStarted(
                    header(accelerator: "\(accelerator.accelerator == .kvm ? "kvm" : "tcg"): \(accelerator.reason)"))))
        let host: LabHostProcess
        do {
            host = try LabHostProcess.spawn(arguments: [])
            let request = request(image: image, userland: userland, accelerator: accelerator)
            try host.send(Array(try JSONEncoder().encode(request)) + [0x0A])
        } catch {
            return reporters.finish(.died("\(error)"))
        }
        let input = SessionInput(host: host, pauses: options.pauseOnFail || options.keep)
        defer { input.end() }
        var ended = false
        for await item in SessionFeed.merge(host.eventLines(), interval: .milliseconds(200)) {
            switch item {
            case .tick(let seconds): reporters.tick(seconds)
            case .line(let line):
                guard let event = try? EventLine.decode(line) else {
                    StandardError.write("the lab host wrote a line that is no event")
                    continue
                }
                if case .runFinished = event.payload { ended = true }
                reporters.consume(event)
            }
        }
        let status = try? await host.wait()
        guard ended else {
            if input.wasInterrupted { return reporters.finish(.interrupted("interrupted, and ended at once")) }
            let how = status.map { "\($0)" } ?? "unknown"
            return reporters.finish(.died("the lab host ended before the run did: \(how)"))
        }
        return reporters.finish()
    }

    private func request(
        image: NodeImageArtifact, userland: UserlandArtifact?, accelerator: AccelerationProbe.Answer
    ) -> RunRequest {
        var profile = scenario.profile
        profile.memoryMiB = max(profile.memoryMiB, image.series.minimumMemoryMiB)
        return RunRequest(
            scenario: scenario.scenario, profile: profile,
            image: .init(
                kernelPath: image.kernelPath, initrdPath: image.initrdPath, release: image.kernelRelease,
                parameters: accelerator.accelerator == .tcg ? image.series.emulationParameters : [],
                userlandPath: userland?.path),
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

/// The events, mixed with ticks of the clock.
enum SessionFeed: Sendable {
    case line([UInt8])
    case tick(Double)

    static func merge(_ lines: AsyncStream<[UInt8]>, interval: Duration) -> AsyncStream<SessionFeed> {
        let (stream, continuation) = AsyncStream.makeStream(of: SessionFeed.self)
        let started = ContinuousClock.now
        let ticker = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: interval)
                continuation.yield(
                    .tick(
                        Double((ContinuousClock.now - started).components.seconds)
                            + Double((ContinuousClock.now - started).components.attoseconds) / 1e18))
            }
        }
        Task {
            for await line in lines { continuation.yield(.line(line)) }
            ticker.cancel()
            continuation.finish()
        }
        return stream
    }
}
