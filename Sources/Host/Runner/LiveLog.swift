import Foundation
import LinuxKernel

/// A log that another program keeps open and appends to: a node's console, or the log of libvirt's driver.
///
/// Its program knows the file by its descriptor, so that it goes on writing wherever the file is moved within its file
/// system. Between two runs the file is hidden in the folder of the first one.
struct LiveLog: Sendable {
    private(set) var path: String

    private var folder: String { path.deletingLastComponent }
    private var name: String { path.lastComponent.drop { $0 == "." }.description }

    /// Ends the part of a run: its folder keeps a copy of what was written so far, and the log begins anew in a hidden
    /// file beside it.
    ///
    /// - Parameter move: Moves the file, for a program that must know its name.
    /// - Throws: `SystemError`, `CocoaError`.
    mutating func cut(_ move: (String) throws -> Void) throws {
        let shown = path
        let hidden = "\(folder)/.\(name)"
        try move(hidden)
        path = hidden
        let log = try FileHandle(forUpdating: URL(fileURLWithPath: hidden))
        defer { try? log.close() }
        _ = FileManager.default.createFile(atPath: shown, contents: nil)
        let copy = try FileHandle(forWritingTo: URL(fileURLWithPath: shown))
        defer { try? copy.close() }
        while let chunk = try log.read(upToCount: 1 << 20), !chunk.isEmpty { try copy.write(contentsOf: chunk) }
        // The program appends, so that its next line is the file's first.
        try log.truncate(atOffset: 0)
    }

    /// Shows the log in the folder of the next run.
    mutating func show(in folder: String, _ move: (String) throws -> Void) throws {
        let shown = "\(folder)/\(name)"
        try move(shown)
        path = shown
    }

    /// Removes the log if it is hidden: it is no run's.
    func discard() {
        if path.lastComponent.hasPrefix(".") { try? FileManager.default.removeItem(atPath: path) }
    }
}

extension String {
    fileprivate var lastComponent: Substring { self[(lastIndex(of: "/").map { index(after: $0) } ?? startIndex)...] }
    fileprivate var deletingLastComponent: String { String(self[..<(lastIndex(of: "/") ?? startIndex)]) }
}
