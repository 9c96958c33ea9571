import Foundation
import PlainText
import RunEvents

#if canImport(Glibc)
    import Glibc
#endif

/// `--output`: what standard output carries.
public enum OutputFormat: String, CaseIterable, Sendable {
    /// The run, for a person.
    case text
    /// `report.json`, once, at the end.
    case json
    /// The event stream as it happens, one JSON object a line.
    case jsonl
}

/// What is written of a run, and where.
public struct ReportOptions: Sendable {
    public var folder: ReportFolder
    public var output: OutputFormat
    /// A further place for `junit.xml`.
    public var junit: String?
    /// A further place for `report.html`.
    public var html: String?
    public var noColour: Bool
    public var verbose: Bool

    public init(
        folder: ReportFolder, output: OutputFormat = .text, junit: String? = nil, html: String? = nil,
        noColour: Bool = false, verbose: Bool = false
    ) {
        self.folder = folder
        self.output = output
        self.junit = junit
        self.html = html
        self.noColour = noColour
        self.verbose = verbose
    }
}

extension RunReporters {
    /// Makes every reporter of a run. It makes the report folder, opens the journal and checks the further files, so
    /// that a place that cannot be written to is found before anything is started.
    ///
    /// - Parameter complain: Is told each later error as it happens. By default it prints on standard error or above
    ///   the live view.
    public static func standard(
        _ options: ReportOptions, header: RunHeader = .unknown, complain: ((any Error) -> Void)? = nil
    ) throws -> RunReporters {
        try options.folder.create()
        for path in [options.junit, options.html] {
            guard let file = path.map({ ReportFile(path: $0) }) else { continue }
            try file.check()
            try file.removeEarlier()
        }
        let views = views(options)
        // A line from elsewhere would tear a live view apart, so the live view shows errors itself.
        let live = views.lazy.compactMap { $0 as? TerminalReporter }.first { $0.isLive }
        return RunReporters(
            [try Journal(path: options.folder.journal)] + files(options) + views, header: header,
            folder: options.folder,
            complain: complain ?? { error in
                if let live { return live.note("\(error)") }
                Self.complain(of: error, on: .standardError)
            })
    }

    /// Standard error may be on the disk that is full, or closed. Then there is no further place to complain.
    static func complain(of error: any Error, on handle: FileHandle) {
        try? handle.write(contentsOf: Data("labrun: \(PlainText.lines("\(error)"))\n".utf8))
    }

    /// Makes the reporters whose files are written at the end.
    static func files(_ options: ReportOptions) -> [any Reporter] {
        let folder = options.folder
        var reporters: [any Reporter] = [
            MatrixPicture(folder: folder), JSONReporter(path: folder.report),
            JUnitReporter(path: folder.junit, folder: folder), HTMLReporter(path: folder.html),
        ]
        if let junit = options.junit { reporters.append(JUnitReporter(path: junit, folder: folder)) }
        if let html = options.html { reporters.append(HTMLReporter(path: html)) }
        return reporters
    }

    /// Makes the reporters that show the run while it goes on. If standard output carries a format for machines, the
    /// live view is on standard error, provided that it is a terminal.
    static func views(_ options: ReportOptions) -> [any Reporter] {
        func terminal(_ descriptor: Int32) -> TerminalReporter {
            let settings = TerminalSettings.detect(
                descriptor: descriptor, noColour: options.noColour, verbose: options.verbose)
            return TerminalReporter(settings: settings, folder: options.folder, descriptor: descriptor)
        }
        let machine: any Reporter = options.output == .json ? JSONOutput() : EventOutput()
        if options.output == .text { return [terminal(1)] }
        return isatty(2) == 1 ? [terminal(2), machine] : [machine]
    }
}
