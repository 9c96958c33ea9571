import Files
import LinuxKernel
import RunEvents

/// A consumer of the event stream. Reporters know nothing of each other. A new one is a file with a type that conforms,
/// and an entry in a list of ``ReportOptions``.
public protocol Reporter: AnyObject {
    /// Takes one event. Events come in the order of the stream.
    func consume(_ event: RunEvent) throws
    /// Tells a live view that time passed without an event. `seconds` counts from the start of the run.
    func tick(_ seconds: Double)
    /// Adds files that this reporter made to the report, before artifacts are measured and anything is written.
    func prepare(_ report: inout RunReport) throws
    /// Takes the report after the stream has ended.
    func finish(_ report: RunReport) throws
}

extension Reporter {
    public func consume(_ event: RunEvent) throws {}
    public func tick(_ seconds: Double) {}
    public func prepare(_ report: inout RunReport) throws {}
}

/// The folder of a run's report.
public struct ReportFolder: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    public var report: String { path.appending(path: "report.json") }
    public var junit: String { path.appending(path: "junit.xml") }
    public var html: String { path.appending(path: "report.html") }
    public var journal: String { path.appending(path: "journal.jsonl") }
    public var artifacts: String { path.appending(path: "artifacts") }

    /// Makes the folder and its `artifacts`, with missing folders above. Reports of an earlier run go: should this one
    /// be killed, nobody may take them for its own.
    public func create() throws(ReportError) {
        do throws(SystemError) { try Directories.make(artifacts) } catch {
            throw .system(error.code, doing: "create the folder", file: path)
        }
        for file in [report, junit, html] { try ReportFile(path: file).removeEarlier() }
    }
}

/// Passes every event to every reporter and, at the end, the report that the events result in. A reporter that fails is
/// reported once through `complain` and left out from then on. The run and the other reporters go on.
public final class RunReporters {
    private var reporters: [any Reporter]
    private var failed: Set<ObjectIdentifier> = []
    private var assembler: ReportAssembler
    private let artifacts: String?
    private let complain: (any Error) -> Void
    /// What went wrong so far, at most one error for each reporter.
    public private(set) var errors: [any Error] = []

    /// What a run's last line has to say if a part of its report is missing: the verdict that was shown is not the one
    /// that the run ends with. Nil if nothing is missing.
    public var incompleteness: String? {
        if errors.isEmpty { return nil }
        let parts = errors.count == 1 ? "a part of it was" : "\(errors.count) parts of it were"
        return "the report is incomplete, \(parts) not written: exit code \(Verdict.infraError.exitCode) (infra-error)"
    }

    /// - Parameters:
    ///   - header: What is known of the run before its lab reports anything. It is used if the lab dies early.
    ///   - folder: The folder that artifact paths are relative to, where their sizes and digests are taken.
    ///   - complain: Is told each error as it happens. It is meant for standard error.
    public init(
        _ reporters: [any Reporter], header: RunHeader = .unknown, folder: ReportFolder? = nil,
        complain: @escaping (any Error) -> Void
    ) {
        self.reporters = reporters
        assembler = ReportAssembler(header: header)
        artifacts = folder?.path
        self.complain = complain
    }

    public func consume(_ event: RunEvent) {
        assembler.consume(event)
        each { try $0.consume(event) }
    }

    /// Redraws live views. It is to be called several times a second while no event comes.
    public func tick(_ seconds: Double) {
        each { $0.tick(seconds) }
    }

    /// Ends the reports and returns the run's report, with artifacts measured.
    @discardableResult
    public func finish(_ end: StreamEnd = .complete) -> RunReport {
        var report = assembler.finish(end)
        each { try $0.prepare(&report) }
        if let artifacts { report.measureArtifacts(in: artifacts) }
        each { try $0.finish(report) }
        return report
    }

    private func each(_ body: (any Reporter) throws -> Void) {
        for reporter in reporters where !failed.contains(ObjectIdentifier(reporter)) {
            do { try body(reporter) } catch {
                failed.insert(ObjectIdentifier(reporter))
                errors.append(error)
                complain(error)
            }
        }
    }
}
