import Foundation
import RunEvents

/// Writes `report.json` in the report folder.
public final class JSONReporter: Reporter {
    private let file: ReportFile

    public init(path: String) { file = ReportFile(path: path) }

    public func finish(_ report: RunReport) throws {
        try file.replace(with: try report.json())
    }
}

/// Writes the report to standard output once, at the end: `--output json`.
public final class JSONOutput: Reporter {
    private let descriptor: Int32
    private let write: WriteCall

    public init(descriptor: Int32 = 1) {
        self.descriptor = descriptor
        write = .kernel
    }

    public func finish(_ report: RunReport) throws {
        try write.all(try report.json(), to: descriptor, file: ReportError.standardOutput)
    }
}

/// Writes the event stream to standard output as it happens: `--output jsonl`.
public final class EventOutput: Reporter {
    private let descriptor: Int32
    private let write: WriteCall

    public init(descriptor: Int32 = 1) {
        self.descriptor = descriptor
        write = .kernel
    }

    public func consume(_ event: RunEvent) throws {
        try write.all(try EventLine.encode(event) + Data("\n".utf8), to: descriptor, file: ReportError.standardOutput)
    }

    public func finish(_ report: RunReport) throws {}
}
