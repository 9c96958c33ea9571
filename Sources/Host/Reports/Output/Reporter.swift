import Foundation
import RunEvents

/// A consumer of the event stream. Reporters know nothing of each other; a new one is a file that conforms, and an
/// entry in the list that ``RunReporters`` is made with.
public protocol Reporter: AnyObject {
    /// Takes one event, in the order of the stream.
    func consume(_ event: RunEvent) throws
    /// Time passed without an event; `seconds` since the run's start. Only live views care.
    func tick(_ seconds: Double)
    /// Adds files of this reporter's making to the report, before artifacts are measured and anything is written.
    func prepare(_ report: inout RunReport) throws
    /// The stream has ended; `report` is what it came to.
    func finish(_ report: RunReport) throws
}

extension Reporter {
    public func consume(_ event: RunEvent) throws {}
    public func tick(_ seconds: Double) {}
    public func prepare(_ report: inout RunReport) throws {}
}

/// Where a run's report goes.
public struct ReportFolder: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    public var report: String { path.appending(path: "report.json") }
    public var junit: String { path.appending(path: "junit.xml") }
    public var html: String { path.appending(path: "report.html") }
    public var journal: String { path.appending(path: "journal.jsonl") }
    public var artifacts: String { path.appending(path: "artifacts") }

    /// Makes the folder and its `artifacts`, with the folders above.
    public func create() throws(ReportError) {
        do {
            try FileManager.default.createDirectory(atPath: artifacts, withIntermediateDirectories: true)
        } catch {
            let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
            throw ReportError.system(
                Int32((underlying ?? error as NSError).code), doing: "create the folder", file: path)
        }
    }
}

/// Hands every event to every reporter, and at the end the report that the events came to. A reporter that fails is
/// told once through `complain` and left out from then on; the run and the other reporters go on.
public final class RunReporters {
    private var reporters: [any Reporter]
    private var failed: Set<ObjectIdentifier> = []
    private var assembler: ReportAssembler
    private let artifacts: String?
    private let complain: (any Error) -> Void
    /// What went wrong so far, a reporter at most once.
    public private(set) var errors: [any Error] = []

    /// - Parameters:
    ///   - header: what is known of the run before its lab speaks; used when the lab dies early.
    ///   - folder: where artifact paths are resolved to take their sizes and digests.
    ///   - complain: is told each error as it happens; meant for standard error.
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

    /// Redraws live views. Call it some times a second while no event comes.
    public func tick(_ seconds: Double) {
        each { $0.tick(seconds) }
    }

    /// Ends the reports and answers what the run came to, artifacts measured.
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
