import Foundation
import RunEvents

/// `report.json` in the report folder.
public final class JSONReporter: Reporter {
    private let file: ReportFile

    public init(path: String) { file = ReportFile(path: path) }

    public func finish(_ report: RunReport) throws {
        try file.replace(with: try report.json())
    }
}

/// `--output json`: the report on standard output, once, at the end.
public final class JSONOutput: Reporter {
    private let descriptor: Int32
    private let write: WriteCall

    public init(descriptor: Int32 = 1) {
        self.descriptor = descriptor
        write = .kernel
    }

    public func finish(_ report: RunReport) throws {
        try write.all(try report.json(), to: descriptor, file: "standard output")
    }
}

/// `--output jsonl`: the event stream on standard output, as it happens.
public final class EventOutput: Reporter {
    private let descriptor: Int32
    private let write: WriteCall

    public init(descriptor: Int32 = 1) {
        self.descriptor = descriptor
        write = .kernel
    }

    public func consume(_ event: RunEvent) throws {
        try write.all(try EventLine.encode(event) + Data("\n".utf8), to: descriptor, file: "standard output")
    }

    public func finish(_ report: RunReport) throws {}
}
